"""The process that makes a classifier into a page, beside the server: it takes seconds and memory.

What hinders it goes to standard error. The process ends with 2 where the same classifier would be
hindered again, with 1 where there was no room for it.
"""

from __future__ import annotations

import os
import sys

from photograft.core.errors import PhotograftError, StorageError
from photograft.workflows.export import export

#: How much more patient it is than the server, where both want to compute.
_NICENESS = 10


def main() -> None:
    """Write the page of the classifier in the folder ``argv[-2]`` into the new folder ``argv[-1]``.

    It is tried as any export is, on drawn photos that are hard to read.
    """
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        export(sys.argv[-2], sys.argv[-1], to="web", num_photos=0, progress=None)
    except PhotograftError as error:
        print(error, file=sys.stderr)
        sys.exit(1 if isinstance(error, StorageError) else 2)
