"""What all processes of one test session share:
those that run tests side by side, and those that tests start."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

SESSION = "GAINBOARD_TEST_SESSION"
"""The environment variable with the session's folder."""

# What is collected is compiled once: processes that start later find it. What tests write themselves is not: they
# change it within the second that bytecode is dated with.
WITHOUT_BYTECODE, sys.dont_write_bytecode = sys.dont_write_bytecode, False
"""Whether this process was told to leave no bytecode, which holds once all tests are collected."""


def once(name: str, make: Callable[[Path], object]) -> Path:
    """A folder of the session that the first who wants it makes, and all others find."""
    folder = Path(os.environ[SESSION]) / name
    made = folder.with_suffix(".made")
    with FileLock(folder.with_suffix(".lock")):
        if not made.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            made.touch()
    return folder
