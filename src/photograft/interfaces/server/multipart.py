"""The files of a form, as browsers and curl send them: kept in memory, their names dropped."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from photograft.core.text import count
from photograft.interfaces.server.problems import ProblemError

# It would tell the log what it has read.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

#: Fields beside the files that a form may have.
_MAX_FIELDS = 16


class _Files:
    """What the parser calls.

    Args:
        most: Files that there may be.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._name, self._value = b"", b""
        self._is_file = False
        self._parts: list[bytes] = []
        self._num_parts = 0
        self.files: list[bytes] = []
        self.is_whole = False

    def on_part_begin(self) -> None:
        self._is_file, self._parts = False, []
        self._num_parts += 1
        if self._num_parts > self._most + _MAX_FIELDS:
            raise self._too_many()

    def on_header_begin(self) -> None:
        self._name, self._value = b"", b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            kind, options = parse_options_header(self._value)
            self._is_file = kind == b"form-data" and (
                b"filename" in options or options.get(b"name") in (b"file", b"files", b"photo")
            )

    def on_headers_finished(self) -> None:
        if self._is_file and len(self.files) == self._most:
            raise self._too_many()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._parts.append(data[start:end])

    def on_part_end(self) -> None:
        if self._is_file:
            self.files.append(b"".join(self._parts))
        self._parts = []

    def on_end(self) -> None:
        self.is_whole = True

    def _too_many(self) -> ProblemError:
        return ProblemError("too-large", f"a request may have {count(self._most, 'photo')}")


async def read_files(pieces: AsyncIterator[bytes], content_type: str, most: int) -> list[bytes]:
    """Return the files of a form, in order; other fields are passed over.

    Args:
        pieces: Of the body.
        content_type: With the boundary.
        most: Files that there may be.

    Raises:
        ProblemError: It is no such form, it breaks off, or holds no file or too many.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise ProblemError("bad-request", "the Content-Type of the form has no boundary")
    files = _Files(most)
    try:
        parser = MultipartParser(
            boundary,
            {name: getattr(files, name) for name in dir(files) if name.startswith("on_")},  # type: ignore[arg-type]
        )
        async for piece in pieces:
            parser.write(piece)
        parser.finalize()
    except FormParserError as error:
        raise ProblemError("bad-request", f"the form can't be read: {error}") from error
    if not files.is_whole:
        raise ProblemError("bad-request", "the form breaks off")
    if not files.files:
        raise ProblemError("unreadable", "the form has no file")
    return files.files
