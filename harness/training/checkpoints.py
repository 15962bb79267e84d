"""Tell which checkpoints of a training are whole, and what the training had taken when they were written.

transformers writes a checkpoint file by file. `progress.json` is written into it last, so its existence means
the rest is there; it names the files with their sizes, should the machine have gone down before they reached
the disk.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from harness.errors import UserError
from harness.records.store import read_record, write_record
from harness.toml import Frozen

PROGRESS = "progress.json"


class Progress(Frozen):
    """Where a training is, and what came of what it took so far."""

    step: int
    best_step: int | None
    """The step whose weights are the best so far; None where nothing is evaluated."""

    stopped_early: bool = False
    """Whether the training is over, though there would be more steps."""

    paused: bool = False
    """Whether it was meant to stop here for now, as at the rung of a search."""

    rows: int
    """Samples that fit into memory at a time."""

    load_seconds: float = 0.0
    train_seconds: float = 0.0
    tokens: int = 0
    target_tokens: int = 0
    dev_tokens: int = 0
    peak_memory_bytes: int = 0
    energy_joules: float | None = 0.0
    resumed_at: tuple[int, ...] = ()
    files: dict[str, int] = Field(default_factory=dict)
    """The checkpoint's files, with their sizes in bytes."""


@dataclass(frozen=True)
class Checkpoint:
    """A whole one."""

    folder: Path
    progress: Progress


def checkpoint_folder(checkpoints: Path, step: int) -> Path:
    """Where transformers puts the checkpoint of a step."""
    return checkpoints / f"checkpoint-{step}"


def seal(folder: Path, progress: Progress) -> None:
    """Say that everything else in the folder is there."""
    files = {
        file.name: file.stat().st_size
        for file in folder.iterdir()
        if file.is_file() and file.name != PROGRESS
    }
    write_record(folder / PROGRESS, progress.model_copy(update={"files": files}))


def latest(checkpoints: Path, *, most: int) -> Checkpoint | None:
    """The last whole checkpoint at or before step `most` whose best one is whole, too; None where there is
    none."""
    for checkpoint in sorted(_whole(checkpoints), key=lambda found: found.progress.step, reverse=True):
        best = checkpoint.progress.best_step
        if checkpoint.progress.step <= most and (
            best is None or _progress(checkpoint_folder(checkpoints, best))
        ):
            return checkpoint
    return None


def keep_only(checkpoints: Path, steps: Iterable[int | None]) -> None:
    """Remove the checkpoints of all other steps, half-written ones among them."""
    kept = {checkpoint_folder(checkpoints, step) for step in steps if step is not None}
    for folder in checkpoints.glob("checkpoint-*"):
        if folder not in kept:
            # Its seal goes first: what is half removed must not pass for whole.
            (folder / PROGRESS).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)


def _whole(checkpoints: Path) -> list[Checkpoint]:
    found = ((folder, _progress(folder)) for folder in checkpoints.glob("checkpoint-*"))
    return [Checkpoint(folder, progress) for folder, progress in found if progress is not None]


def _progress(folder: Path) -> Progress | None:
    try:
        progress = read_record(folder / PROGRESS, Progress)
    except UserError:  # missing, cut off, or written by another version
        return None
    sizes = {name: path.stat().st_size for name in progress.files if (path := folder / name).is_file()}
    return progress if sizes == progress.files else None
