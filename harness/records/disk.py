"""A disk that is full, or may not be written any more, told apart from a fault of what was to be written."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserError, from_here

PROBE_BYTES = 2**20
"""What is written and removed again to see whether there is room: more than most results take."""

_SAID = (
    *map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EROFS)),
    "database or disk is full",
    "attempt to write a readonly database",
)
"""What failures say that come of the disk: only some libraries raise an `OSError`, and a worker's failure is
text alone."""


class DiskFault(UserError):
    """Nothing can be written into a folder: what is tried next would fail as well."""


def write_probe(folder: Path) -> None:
    """Write a little into a folder, and remove it again. Raises `OSError` where that cannot be done."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())


def check_disk(folder: Path, failure: BaseException) -> None:
    """Raise `DiskFault` where something failed because a folder's disk is full or may not be written."""
    reason = next((phrase for phrase in _SAID if phrase.lower() in str(failure).lower()), None)
    if reason is None:  # torch says of a full disk that a stream has an error
        try:
            write_probe(folder)
        except OSError as error:
            reason = error.strerror
        else:
            return
    free = shutil.disk_usage(folder).free / 1e6
    raise DiskFault(
        f"nothing more can be written into {from_here(folder)}: {reason} ({free:,.0f} MB are free); put that "
        "right, and the same command goes on where it stopped"
    ) from None


@contextmanager
def naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Let an `OSError` that comes of the folder's disk name the folder, and say how to go on."""
    try:
        yield
    except OSError as error:
        check_disk(folder, error)
        raise
