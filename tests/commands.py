"""`gainboard` as a process of its own, as a user starts it."""

import os
import subprocess
import sys
from pathlib import Path

from places import ROOT

from harness.workers.worker import PYTHON

COMMAND = (os.environ.get(PYTHON, sys.executable), "-P", "-m", "harness.cli")
"""In a process that is forked where workers are, which spares its imports too."""


def environment() -> dict[str, str]:
    """That of this process, in which the checkout's modules are found from any folder."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def gainboard(folder: Path, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run a verb in a folder, to its end. `timeout`: in seconds."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
