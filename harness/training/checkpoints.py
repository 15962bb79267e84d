"""Tell which checkpoints of a training are whole, and what the training had taken when they were written.

transformers writes a checkpoint file by file. `progress.json` is written into it last, so its existence means
the rest is there; it names the files with their sizes and digests, should the machine have gone down before
they reached the disk, or something have been written over them since.
"""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from harness.errors import UserError
from harness.records.damaged import put_aside
from harness.records.store import read_record, write_record
from harness.sweep.model_files import sampled_digest
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

    digests: dict[str, str] = Field(default_factory=dict)
    """Of each of them, as `sampled_digest` has it; empty in checkpoints from before they were taken."""


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
    digests = {name: sampled_digest(folder / name) for name in files}
    write_record(folder / PROGRESS, progress.model_copy(update={"files": files, "digests": digests}))


def latest(checkpoints: Path, *, up_to: int, tell: Callable[[str], None]) -> Checkpoint | None:
    """The last whole checkpoint at or before step `up_to`, or None. The checkpoint with its best weights must
    be whole, too.

    What was whole and is damaged is put aside, and told.
    """
    whole = _whole(checkpoints, tell)
    usable = [
        checkpoint
        for checkpoint in whole.values()
        if checkpoint.progress.step <= up_to and checkpoint.progress.best_step in {None, *whole}
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


def _whole(checkpoints: Path, tell: Callable[[str], None]) -> dict[int, Checkpoint]:
    """By step."""
    whole = {}
    for folder in sorted(checkpoints.glob("checkpoint-*")):
        if not (folder / PROGRESS).exists():
            continue  # half written, or half removed
        try:
            progress = read_record(folder / PROGRESS, TrainingProgress)
            _check_files(folder, progress)
        except UserError as fault:
            tell(put_aside(folder, fault, beside=checkpoints))
            continue
        whole[progress.step] = Checkpoint(folder, progress)
    return whole


def _step(checkpoint: Checkpoint) -> int:
    return checkpoint.progress.step


def _check_files(folder: Path, progress: TrainingProgress) -> None:
    """Raise `UserError` where a file of a checkpoint is missing, or not as its seal says."""
    for name, size in progress.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            raise UserError(f"{folder}: {name} is not whole")
        if name in progress.digests and sampled_digest(path) != progress.digests[name]:
            raise UserError(f"{folder}: {name} is not as it was written")
