"""What must be there before a sweep starts: libraries, and the toy models that it names."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harness.driver.progress import Progress
from harness.errors import UserError
from harness.sweep.engines import ENGINE_TABLE, EngineName
from harness.sweep.models import model_kind
from harness.sweep.run import Run
from harness.toys import PREFIX, toy_folder


def require_libraries(engine: EngineName, runs: Sequence[Run]) -> None:
    """Raise `UserError` when a library that the runs need is missing."""
    # Every engine renders and counts with transformers' tokenizers.
    needed = {"torch": "train", "transformers": "train"}
    row = ENGINE_TABLE[engine]
    if row.library is not None:
        needed[row.library] = row.extra
    if any(run.stages for run in runs):
        needed |= {"trl": "train", "peft": "train", "datasets": "train"}
    for library, extra in needed.items():
        if importlib.util.find_spec(library) is None:
            raise UserError(
                f"this sweep needs {library}, which is not installed: pip install 'gainboard[{extra}]' "
                "(or 'gainboard[cpu]' on a machine without a GPU)"
            )


def build_toys(models: Sequence[str], work: Path, progress: Progress) -> None:
    """Build the toy models among `models` that this machine has not built yet, side by side."""
    names = [model.removeprefix(PREFIX) for model in models if model_kind(model) == "toy"]
    missing = [name for name in names if not toy_folder(name).is_dir()]
    waiting, running = list(missing), dict[str, subprocess.Popen[bytes]]()
    log_folder = work / "logs"
    log_folder.mkdir(parents=True, exist_ok=True)
    try:
        with progress.line("toy models") as line:
            if missing:
                line.phase("pre-training", len(missing))
            while waiting or running:
                while waiting and len(running) < (os.cpu_count() or 1):
                    name = waiting.pop(0)
                    with (log_folder / f"{name}.log").open("wb") as log:
                        running[name] = subprocess.Popen(
                            [sys.executable, "-P", "-m", "harness.toys.build", name],
                            stdout=log,
                            stderr=log,
                            start_new_session=True,
                        )
                time.sleep(0.5)
                for name, process in list(running.items()):
                    if process.poll() is None:
                        continue
                    del running[name]
                    if process.returncode != 0:
                        raise UserError(
                            f"building {PREFIX}{name} failed; its log is {log_folder / f'{name}.log'}"
                        )
                    line.advance(1)
    finally:
        for process in running.values():
            process.kill()
