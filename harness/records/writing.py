"""Where results are written: by one writer at a time, and only where they can be."""

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import UserError, naming_what_is_written
from harness.records.disk import write_probe
from harness.records.store import locale_fault
from harness.sweep.run import Run

LOCK = ".lock"
"""Lies in a run's folder while something is written there."""

PATIENCE = 600.0
"""Seconds to wait for another writer of a run's folder, who needs hardly one."""

WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system answers that knows no locks."""


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Keep every other gainboard from writing into a run's folder meanwhile; it is made if need be.

    Raises `UserError` where another one does not come to an end, `OSError` where the folder cannot be
    written. A file system without locks keeps nobody out (`has_locks` tells).
    """
    with naming_what_is_written(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = acquired(folder / LOCK, seconds=PATIENCE)
    except Timeout:
        raise UserError(
            f"another gainboard has been writing into {folder} for {PATIENCE / 60:.0f} minutes; end it, and "
            "start this one again"
        ) from None
    try:
        if lock.is_locked:  # what another one was writing when it was killed
            for left in folder.glob(".*.tmp"):
                left.unlink(missing_ok=True)
        yield
    finally:
        give_back(lock)


def acquired(path: Path, *, seconds: float = 0) -> FileLock:
    """The lock of a file, waited for so long. Raises `Timeout` where another holds it, and `OSError` where
    the file cannot be made. On a file system without locks it is not held."""
    with naming_what_is_written(path.parent), tempfile.TemporaryFile(dir=path.parent):
        pass  # a lock whose file cannot be made looks to `FileLock` like one that is held
    # Whoever may write into the folder must be able to lock it.
    mode = stat.S_IMODE(path.parent.stat().st_mode) & 0o666 | stat.S_IRUSR | stat.S_IWUSR
    lock = FileLock(path, mode=mode, timeout=seconds)
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        path.unlink(missing_ok=True)
    return lock


def give_back(lock: FileLock) -> None:
    """Release a lock, if it is held, and remove its file."""
    if lock.is_locked:
        # By its holder alone; whoever has opened it sees that it is gone.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def has_locks(folder: Path) -> bool:
    """Whether the file system of a folder, or of the nearest above it that there is, knows locks."""
    with tempfile.TemporaryFile(dir=_nearest(folder)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in WITHOUT_LOCKS
    return True


def check_names(results: Path, runs: Iterable[Run]) -> None:
    """Raise `UserError` where a folder of a run would have a name that is too long for the file system, or
    another one than under other locales."""
    longest = os.pathconf(_nearest(results), "PC_NAME_MAX")
    names: set[str] = set()
    for run in runs:
        names.update(run.place)
    fault = locale_fault(sorted(names))
    if fault is not None:
        raise UserError(fault)
    for name in sorted(names):
        length = len(os.fsencode(name))
        if length > longest:
            raise UserError(
                f"'{name[:40]}…' would be a folder of the results, and its name has {length:,} bytes where "
                f"the file system takes {longest}; shorten it"
            )


def check_writable(results: Path, runs: Iterable[Run]) -> None:
    """Raise `UserError` where the result of a run could not be written: for want of permission or of room, or
    for a file in the way. Makes no folder."""
    root = _nearest(results)
    checked: set[Path] = set()
    for run in runs:
        parent = results / run.folder.parent
        if parent not in checked:
            checked.add(parent)
            _check_folder(_nearest(results / run.folder), run)
    try:
        write_probe(root)
    except OSError as error:
        raise UserError(
            f"results cannot be written into {root}: {error.strerror}; put that right, or choose another "
            "--results folder"
        ) from None


def _nearest(folder: Path) -> Path:
    """The folder itself, or whatever is there of the nearest above it."""
    return next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))


def _check_folder(path: Path, run: Run) -> None:
    if path.is_dir() and os.access(path, os.W_OK | os.X_OK):
        return
    fault = "cannot be written" if path.is_dir() else "is no folder"
    raise UserError(
        f"{path} {fault}, and the result of {run.label} would lie below it; put that right, or choose "
        "another --results folder"
    )
