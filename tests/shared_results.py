"""A sweep with invented answers in a process of its own, which shares a results folder with others.

`python -m shared_results FOLDER NAME REVISION wrong|right` works in FOLDER/NAME, writes into FOLDER/results,
says in FOLDER/NAME.ready that it has looked what is done, waits for FOLDER/go, and prints how it ended.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from invented_executor import InventedExecutor
from rich.console import Console
from toy_task import adding

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.driver import loop
from harness.driver.outcome import Folders
from harness.driver.progress import SweepProgress
from harness.plan.runs import make_runs
from harness.preflight.examine import Preflight
from harness.sweep.settings import EngineSettings
from harness.sweep.sweep import Sweep

NOTHING_LOADED: dict[str, Callable[..., object]] = {
    "require_libraries": lambda *_, **__: None,
    "room_findings": lambda *_, **__: [],
    "examine": lambda *_, **__: Preflight(),
}
"""In place of functions of the loop: nothing is loaded, so nothing need be installed, and no model be there."""


@dataclass
class Told:
    """How a sweep ended."""

    finished: list[str]
    """Folders of runs."""

    failed: dict[str, str]
    """The reason, by the folder of the run."""

    already_done: int
    notes: list[str]


def run(
    folder: Path, name: str, revision: str, *, wrong: bool = False, wait: Callable[[], None] = lambda: None
) -> Told:
    """Run the sweep: a candidate that is the same in all of them, and one whose revision is given."""
    sweep = Sweep.model_validate(
        {
            "name": "shared",
            "tasks": ["adding"],
            "seeds": list(range(8)),
            "candidates": [
                {"name": "same", "model": "x/a-1b", "methods": ["zero_shot"]},
                {"name": "other", "model": "x/b-1b", "revision": revision * 40, "methods": ["zero_shot"]},
            ],
        }
    )
    task = adding()
    tasks = {task.name: LoadedTask(task, load_dataset(task))}
    notes: list[str] = []

    outcome = loop.run_sweep(
        make_runs(sweep, tasks, fingerprint=lambda model, revision: "f", limit=None),
        tasks,
        Folders(folder / "results", folder / name),
        engine="transformers",
        settings=EngineSettings(way="swap"),
        progress=SweepProgress(
            Console(quiet=True), emit=lambda event: notes.append(event["text"]) if "text" in event else None
        ),
        executor=InventedExecutor({}, wrong=wrong, wait=wait),
    )
    return Told(
        finished=[run.folder.as_posix() for run in outcome.finished],
        failed={failure.run.folder.as_posix(): failure.reason for failure in outcome.failed},
        already_done=outcome.already_done,
        notes=notes,
    )


def main(folder: Path, name: str, revision: str, *, wrong: bool) -> None:
    """Run it once the other process has looked what is done, too."""
    for function, answer in NOTHING_LOADED.items():
        setattr(loop, function, answer)

    def wait() -> None:
        (folder / f"{name}.ready").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)

    print(json.dumps(asdict(run(folder, name, revision, wrong=wrong, wait=wait))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], wrong=sys.argv[4] == "wrong")
