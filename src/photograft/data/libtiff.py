"""libtiff's own lines on the terminal, switched off.

On damaged pixels libtiff writes what it thinks of them to standard error, from C, up to dozens of
lines a file. Pillow tells the same in an exception, and has no way to stop the lines: it stops
libtiff's warnings, not its errors.

Two ways were weighed. A filter on file descriptor 2 that drops such lines serves any build of
libtiff, but it puts a pipe and a thread between the process and its terminal: tracebacks, progress
and the last words of a crash would have to come through it in the right order, and other processes
would inherit it. The other way is libtiff's own: to take away its function for errors. That is done
here. What does so is looked up by its name in Pillow's compiled module and in what that is linked
to, so it is that of the very libtiff which Pillow uses, wherever its file lies. Where libtiff is
built into that module and hidden (Pillow's own builds for Windows), it can't be found, and the
lines stay.
"""

from __future__ import annotations

import ctypes
import functools

from PIL import _imaging


@functools.cache
def hush() -> bool:
    """Have libtiff write nothing of its own from now on, in all of this process.

    It is never undone: a thread of someone else's may be in the middle of an error, and Pillow
    treats libtiff's warnings in the same way.

    Returns:
        Whether libtiff's function for this was found.
    """
    try:
        set_error_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
    except (AttributeError, OSError):  # not linked so
        return False
    set_error_handler.argtypes = [ctypes.c_void_p]
    set_error_handler.restype = ctypes.c_void_p
    set_error_handler(None)
    return True
