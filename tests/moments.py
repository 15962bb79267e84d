"""Processes of a sweep that stop where the environment says, so that a test can kill them at just this
moment.

`python -m moments run …` is `gainboard run …`; the fork server imports this module into workers. Only the
process that comes to the moment stops: it says so in a file, with its process id, and waits for its end.
"""

import importlib
import os
import re
import shlex
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from fork_server import PLANTED
from places import ROOT, TESTS

from harness.workers import begin
from harness.workers.worker import PYTHON

MOMENT, REACHED = "GAINBOARD_TEST_MOMENT", "GAINBOARD_TEST_REACHED"
"""Environment variables: the name of a moment and its number, such as `checkpoint 2`; the file that says so."""

DRIVER = "driver"
"""The file beside it with the process id of the sweep's driver."""

MOMENTS = {
    "mid-checkpoint": ("transformers", "Trainer._save_optimizer_and_scheduler"),
    "engine start": ("harness.engines.transformers", "TransformersEngine.__init__"),
    "mid-answers": ("harness.engines.scoring", "_RunAtWork.count"),
    "answers kept": ("harness.engines.cache", "AnswerCache._write"),
}
"""Moment → the function before whose nth call a worker stops. A checkpoint has weights and no state of the
optimiser by then."""

WRITES = {
    "training samples": ("os.rename", r"/trained/\w+/train\.jsonl"),
    "prompts": ("os.rename", r"/work/\w+/prompts\.jsonl"),
    "spent": ("os.rename", r"/checkpoints/spent\.json"),
    "checkpoint": ("os.rename", r"/checkpoint-\d+/progress\.json"),
    "probes": ("os.rename", r"/weights\.probes\.json"),
    "record of weights": ("os.rename", r"\.tmp/training\.json"),
    "seal of weights": ("os.rename", r"/weights\.seal\.json"),
    "weights": ("os.rename", r"/weights"),
    "end of checkpoints": ("shutil.rmtree", r"/checkpoints"),
    "training record": ("os.rename", r"/trained/\w+/training\.json"),
    "canaries": ("os.rename", r"-canaries[-\d]*\.jsonl"),
    "completions": ("os.rename", r"/completions\.jsonl"),
    "generation record": ("os.rename", r"/generation\.json"),
    "predictions": ("os.rename", r"/predictions\.parquet"),
    "inputs": ("os.rename", r"/inputs\.txt"),
    "result": ("os.rename", r"/result\.json"),
    "lock of a run": ("os.remove", r"/seed-\d+/\.lock"),
    "card": ("os.rename", r"/weights/README\.md"),
}
"""Moment → the audit event before whose nth occurrence a process stops, and how the path ends that it is about.
Python raises these itself, just before the file is there: nothing is bent. A kill between two of them leaves the first
done and the second not."""

PUBLISHING = {
    "page": ("open", r"\.new/index\.html"),
    "history": ("open", r"\.new/history/[-\w]+\.json"),
    "marker": ("open", r"\.new/\.gainboard-site"),
    "swap": ("os.rename", r"/site"),
    "end of former site": ("shutil.rmtree", r"\.new"),
    "former page": ("os.remove", r"/index\.html"),
    "kept for the next": ("os.rename", r"/publish/\w+\.\w+"),
    "lock of a site": ("os.remove", r"/\.site\.lock"),
}
"""The same of `publish`, which keeps something for the next then, however small the board is."""


def stopping_at(moment: str, folder: Path) -> dict[str, str]:
    """The environment of a sweep whose process stops at a moment, and says so in a file of the folder."""
    for name in ("reached", DRIVER):
        (folder / name).unlink(missing_ok=True)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)]),
        MOMENT: moment,
        REACHED: str(folder / "reached"),
        PLANTED: "moments",
    }
    if PYTHON not in environment:  # nothing is forked on this machine
        script = folder / "python"
        script.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, __file__])} "$@"\n')
        script.chmod(0o755)
        environment[PYTHON] = str(script)
    return environment


def stopped_at(folder: Path) -> list[int]:
    """The process that has come to the moment."""
    return _process_in(folder / "reached")


def driver_of(folder: Path) -> list[int]:
    """The process of `moments` that drives the sweep, once it has begun."""
    return _process_in(folder / DRIVER)


def _process_in(path: Path) -> list[int]:
    return [int(path.read_text())] if path.exists() else []


def _say_who(path: Path) -> None:
    """Leave the id of this process in a file."""
    path.with_suffix(".tmp").write_text(str(os.getpid()))
    path.with_suffix(".tmp").rename(path)


def plant(moments: set[str]) -> None:
    """Stop this process at the moment of the environment, if it is one of these or a write."""
    name, _, number = os.environ.get(MOMENT, "").rpartition(" ")
    if writes := (WRITES | PUBLISHING).get(name):
        sys.addaudithook(_stopping_before(*writes, int(number)))
    if name not in moments:
        return
    module, path = MOMENTS[name]
    *owners, function = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    setattr(owner, function, _stopping(getattr(owner, function), int(number)))


def _stopping_before(event: str, ending: str, number: int) -> Callable[[str, tuple[Any, ...]], None]:
    ends_so, occurrences = re.compile(f".*{ending}"), count(1)

    def stop_before(audited: str, arguments: tuple[Any, ...]) -> None:
        if audited != event or isinstance(arguments[0], int):  # a file that is open already
            return
        path = str(Path(os.fsdecode(arguments[1 if event == "os.rename" else 0])).absolute())
        if ends_so.fullmatch(path) and next(occurrences) == number:
            _stop()

    return stop_before


def _stop() -> None:
    _say_who(Path(os.environ[REACHED]))
    time.sleep(600)


def _stopping(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    calls = count(1)

    def stop_or_call(*arguments: Any, **named: Any) -> Any:
        if next(calls) == number:
            _stop()
        return function(*arguments, **named)

    return stop_or_call


def main() -> None:
    """Be `gainboard`, or with `-P …/begin.py DRIVER MODULE …` a worker."""
    if sys.argv[1:3] == ["-P", begin.__file__]:
        plant(set(MOMENTS))
        del sys.argv[:2]
        begin.main()
    else:
        _say_who(Path(os.environ[REACHED]).with_name(DRIVER))
        plant(set())
        from harness.cli import main as gainboard

        if os.environ[MOMENT].rpartition(" ")[0] in PUBLISHING:
            from leaderboards import site

            site.MANY_RUNS = 0
        gainboard()


if __name__ == "__main__":
    main()
else:
    plant(set(MOMENTS))
