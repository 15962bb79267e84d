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


class TrainingProgress(Frozen):
    """How far a training is, and the part of its cost so far that was not in vain."""

    step: int
    best_step: int | None
    """The step with the best weights so far; None where nothing is evaluated."""

    stopped_early: bool = False
    """Whether the training is over before its last step."""

    paused: bool = False
    """Whether it was meant to stop here for now: at a rung of a search."""

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
    """A checkpoint with all its files."""

    folder: Path
    progress: TrainingProgress


def checkpoint_folder(checkpoints: Path, step: int) -> Path:
    """Where transformers puts the checkpoint of a step."""
    return checkpoints / f"checkpoint-{step}"


def seal(folder: Path, progress: TrainingProgress) -> None:
    """Mark a checkpoint as whole: everything else in its folder has been written."""
    files = {
        file.name: file.stat().st_size
        for file in folder.iterdir()
        if file.is_file() and file.name != PROGRESS
    }
    write_record(folder / PROGRESS, progress.model_copy(update={"files": files}))


def latest(checkpoints: Path, *, up_to: int) -> Checkpoint | None:
    """The last whole checkpoint at or before step `up_to`, or None. The checkpoint with its best weights must
    be whole, too."""
    usable = [
        checkpoint
        for checkpoint in _whole(checkpoints)
        if checkpoint.progress.step <= up_to and _has_best(checkpoints, checkpoint)
    ]
    return max(usable, key=_step, default=None)


def keep_only(checkpoints: Path, steps: Iterable[int | None]) -> None:
    """Remove the checkpoints of all other steps, half-written ones among them."""
    folders = {checkpoint_folder(checkpoints, step) for step in steps if step is not None}
    for folder in checkpoints.glob("checkpoint-*"):
        if folder not in folders:
            # Its seal goes first: what is half removed must not pass for whole.
            (folder / PROGRESS).unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)


def _whole(checkpoints: Path) -> list[Checkpoint]:
    sealed = []
    for folder in checkpoints.glob("checkpoint-*"):
        progress = _progress(folder)
        if progress is not None:
            sealed.append(Checkpoint(folder, progress))
    return sealed


def _step(checkpoint: Checkpoint) -> int:
    return checkpoint.progress.step


def _has_best(checkpoints: Path, checkpoint: Checkpoint) -> bool:
    best = checkpoint.progress.best_step
    return best is None or _progress(checkpoint_folder(checkpoints, best)) is not None


def _progress(folder: Path) -> TrainingProgress | None:
    """What the seal of a checkpoint says; None where it is missing, or a file is not as it says."""
    try:
        progress = read_record(folder / PROGRESS, TrainingProgress)
    except UserError:  # missing, cut off, or written by another version
        return None
    sizes = {name: path.stat().st_size for name in progress.files if (path := folder / name).is_file()}
    return progress if sizes == progress.files else None
