"""Replace a folder as a whole, and only one that was written here before: a failure leaves the former one as it was."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserError


def check_replaceable(out: Path, results: Path, *, marker: str, what: str) -> None:
    """Raise `UserError` unless `out` is new, empty, or a folder that holds `marker`, and does not hold the results.

    `what` the folder is to be, as `site`, stands in the sentence.
    """
    if not results.is_dir():
        raise UserError(f"results folder {results} does not exist; `gainboard run SWEEP` makes one")
    if results.resolve().is_relative_to(out.resolve()):
        raise UserError(f"{out} holds the results in {results} and would be replaced; choose another folder for the {what}")
    if out.is_dir() and (any(out.iterdir()) and not (out / marker).is_file()):
        raise UserError(f"{out} is not empty and not a {what} made by gainboard; choose a new or an empty folder")
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; choose a new or an empty folder for the {what}")


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A new folder beside `out` that takes its place when everything was written; on an error `out` stays as it was."""
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    new, old = (out.with_name(f".{out.name}.{os.getpid()}.{word}") for word in ("new", "old"))
    new.mkdir()
    try:
        yield new
        if out.exists():
            out.rename(old)
        try:
            new.rename(out)
        except BaseException:  # Ctrl-C too
            if old.exists():
                old.rename(out)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
