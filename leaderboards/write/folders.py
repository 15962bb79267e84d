"""Replace a folder as a whole, and only one that was written here before: a failure leaves the former one as
it was."""

import ctypes
import errno
import glob
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import UserError, naming_what_is_written


@contextmanager
def claimed(out: Path, results: Path, *, marker: str, purpose: str) -> Iterator[Path]:
    """The folder that `out` leads to: meanwhile no other gainboard reads or replaces it, and what a killed
    one left is put right. A file `.NAME.lock` lies beside it as long.

    Raises `UserError` unless it is new, empty, or a folder that holds `marker`, can be replaced, does not
    hold the results, and is claimed by nobody else. `purpose`: what the folder is to be, as `site`, for
    the sentence.
    """
    _check_replaceable(out, results, marker=marker, purpose=purpose)
    folder = out.resolve()
    with naming_what_is_written(out):
        folder.parent.mkdir(parents=True, exist_ok=True)
        # A lock whose file cannot be made looks to `FileLock` like one that is held: this tells them apart.
        with tempfile.TemporaryFile(dir=folder.parent):
            pass
    # Whoever may write beside the folder may replace it, and so must be able to lock it.
    mode = stat.S_IMODE(folder.parent.stat().st_mode) & 0o666 | stat.S_IRUSR | stat.S_IWUSR
    path = folder.with_name(f".{folder.name}.lock")
    lock = FileLock(path, mode=mode, blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(
            f"another gainboard publish or export is writing {out}; wait for it, or choose another folder"
        ) from None
    try:
        _settle(folder)
        _check_replaceable(
            out, results, marker=marker, purpose=purpose
        )  # It may have been brought back, or made, just now.
        yield folder
    finally:
        path.unlink(missing_ok=True)  # by its holder alone, and whoever has opened it sees that it is gone
        lock.release()


def _check_replaceable(out: Path, results: Path, *, marker: str, purpose: str) -> None:
    if not results.is_dir():
        raise UserError(f"results folder {results} does not exist; `gainboard run SWEEP` makes one")
    if results.resolve().is_relative_to(out.resolve()):
        raise UserError(
            f"{out} holds the results in {results} and would be replaced; "
            f"choose another folder for the {purpose}"
        )
    if out.resolve().is_relative_to(results.resolve()):
        raise UserError(
            f"{out} would lie among the results in {results}; choose another folder for the {purpose}"
        )
    if out.resolve().is_mount():
        raise UserError(
            f"{out} is a mount point, which cannot be replaced; choose a folder below it for the {purpose}"
        )
    if out.is_dir() and (any(out.iterdir()) and not (out / marker).is_file()):
        raise UserError(
            f"{out} is not empty and not a {purpose} made by gainboard; choose a new or an empty folder"
        )
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; choose a new or an empty folder for the {purpose}")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A new folder beside a claimed one that takes its place when everything was written; on an error that
    one stays. Whoever looks meanwhile sees one or the other, but where a system cannot exchange two folders:
    there is none for a moment then."""
    new = _beside(folder, "new")
    try:
        new.mkdir()
        yield new
        if not folder.exists():
            new.rename(folder)
        elif not _exchanged(new, folder):
            folder.rename(_beside(folder, "old"))
            new.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # of a write, which names no file
            raise OSError(error.errno, f"cannot be written: {error.strerror}", os.fspath(folder)) from None
        raise
    finally:  # wherever Ctrl-C struck
        _settle(folder)


_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""From Linux's `fcntl.h` and `linux/fs.h`."""


def _exchanged(folder: Path, other_folder: Path) -> bool:
    """Let two folders take each other's names in one step; False where the system or the disk cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None or sys.platform != "linux":
        return False
    sys.audit("os.rename", folder, other_folder, -1, -1)  # as Python does before its own
    names = os.fsencode(folder), os.fsencode(other_folder)
    return bool(rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _settle(folder: Path) -> None:
    """Bring a claimed folder back that was moved aside for one that never came, and remove whatever else is
    left over."""
    for old in _left_over(folder, "old"):
        # As a new one it will not be brought back, should its removal be cut short.
        old.rename(_beside(folder, "new") if folder.exists() else folder)
    for new in _left_over(folder, "new"):
        _remove(new)


def _remove(folder: Path) -> None:
    """Remove a folder as far as that can be done, though somebody made folders in it read-only."""
    waiting = [os.fspath(folder)]
    while waiting:
        path = waiting.pop()
        with suppress(OSError):
            os.chmod(path, stat.S_IRWXU)  # noqa: PTH101 - a text, of `os.scandir`
            with os.scandir(path) as entries:
                waiting += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    shutil.rmtree(folder, ignore_errors=True)


_TOKEN_BYTES = 8


def _beside(folder: Path, word: str) -> Path:
    """A name that nothing has; `_left_over` knows it again."""
    return folder.with_name(f".{folder.name}.gainboard-{secrets.token_hex(_TOKEN_BYTES)}.{word}")


def _left_over(folder: Path, word: str) -> list[Path]:
    token = "[0-9a-f]" * (2 * _TOKEN_BYTES)
    return list(folder.parent.glob(f".{glob.escape(folder.name)}.gainboard-{token}.{word}"))
