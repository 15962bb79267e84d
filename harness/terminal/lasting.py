"""Streams that last as long as the program: whoever reads them may go away."""

import errno
import io
import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

READER_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN})
"""What writing into a pipe or a socket ends with when nobody is left to read it."""


class LastingFile(io.FileIO):
    """A descriptor that takes whatever is written once its reader is gone: a dead `tee`, or a terminal that
    was closed, ends no night's work."""

    def __init__(self, descriptor: int, *, closefd: bool = True) -> None:
        super().__init__(descriptor, "wb", closefd=closefd)
        self._reader_gone = READER_GONE | ({errno.EIO} if self.isatty() else set())

    def write(self, text: "ReadableBuffer", /) -> int:
        """See `io.FileIO.write`."""
        try:
            return super().write(text)
        except OSError as error:
            if error.errno not in self._reader_gone:
                raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        return memoryview(text).nbytes


def lasting(file: LastingFile, *, encoding: str, errors: str, line_buffering: bool) -> TextIO:
    """A text stream that writes to the file."""
    return io.TextIOWrapper(
        io.BufferedWriter(file), encoding=encoding, errors=errors, line_buffering=line_buffering
    )
