"""Count what a training takes: all of it, and the part that was not in vain.

The whole is written to `spent.json` every few seconds, so that after a kill the next start knows what was
done since the last checkpoint, and is lost.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.records.costs import Meter, forward_flops, training_flops
from harness.records.damaged import put_aside
from harness.records.store import read_record, write_record
from harness.records.training import ResourceUse
from harness.training.checkpoints import TrainingProgress

SPENT = "spent.json"
SECONDS_BETWEEN_WRITES = 2.0


@dataclass(frozen=True)
class ModelSize:
    """The numbers that say what one token costs."""

    parameters: int
    trainable: int
    gradient_checkpointing: bool

    def flops(self, tokens: int, dev_tokens: int) -> float:
        """Floating-point operations of training on `tokens`, and of reading or writing `dev_tokens`."""
        trained = training_flops(
            self.parameters,
            tokens,
            trainable=self.trainable,
            gradient_checkpointing=self.gradient_checkpointing,
        )
        return trained + forward_flops(self.parameters, dev_tokens)


class TrainingLedger:
    """The counts of one training, over all its starts.

    Token counts may be tensors: they are added up on their device, and nothing waits for the device until a
    sum is read.
    """

    def __init__(
        self,
        checkpoints: Path,
        before: TrainingProgress | None,
        *,
        rows: int,
        load_seconds: float,
        size: ModelSize,
        tell: Callable[[str], None],
    ) -> None:
        """`before`: the progress of the checkpoint that the training goes on from. `rows`: samples to try to
        hold in memory at a time. `tell` hears that what earlier starts took is not known any more."""
        self.rows = before.rows if before else rows
        self._file, self._size = checkpoints / SPENT, size
        self._progress_before = before or TrainingProgress(step=0, best_step=None, rows=rows)
        self._used_before = _read(self._file, tell)
        self.resumed_at = self._progress_before.resumed_at
        if before and not before.paused:
            self.resumed_at = (*self.resumed_at, before.step)
        self._load_seconds = self._progress_before.load_seconds + load_seconds
        self._lost_seconds = 0.0
        self._tokens: Any = 0
        self._target_tokens: Any = 0
        self._dev_tokens: Any = 0
        self._lost_tokens: Any = 0
        self._new_load_seconds = load_seconds
        self._peak_memory_bytes = self._progress_before.peak_memory_bytes
        self._energy_joules = self._progress_before.energy_joules
        self._meter = Meter()
        self._meter.start()
        self._started = time.monotonic()
        self._write(0.0)

    # Counting

    def trained(self, tokens: Any, targets: Any) -> None:
        """Count tokens trained on, and those of them that carry loss."""
        self._tokens, self._target_tokens = self._tokens + tokens, self._target_tokens + targets

    def evaluated(self, tokens: Any) -> None:
        """Count tokens read or written for dev."""
        self._dev_tokens = self._dev_tokens + tokens

    def lost(self, tokens: Any, seconds: float) -> None:
        """Count work that was done in vain."""
        self._lost_tokens = self._lost_tokens + tokens
        self._lost_seconds += seconds

    def took_back(self, tokens: Any, targets: Any) -> None:
        """Uncount tokens that have to be trained on once more."""
        self.trained(-tokens, -targets)

    @property
    def tokens(self) -> int:
        """Tokens trained on in all starts, without those in vain."""
        return self._progress_before.tokens + int(self._tokens)

    # Reading

    def progress(
        self, step: int, best_step: int | None, *, stopped_early: bool, paused: bool = False
    ) -> TrainingProgress:
        """Where the training is now, and what it took so far, without what was in vain."""
        self._meter.stop()
        self._peak_memory_bytes = max(self._peak_memory_bytes, self._meter.peak_memory_bytes)
        joules = self._meter.energy_joules
        if self._energy_joules is not None:
            self._energy_joules = None if joules is None else self._energy_joules + joules
        self._meter = Meter()
        self._meter.start()
        seconds = time.monotonic() - self._started
        self._write(seconds)
        return TrainingProgress(
            step=step,
            best_step=best_step,
            stopped_early=stopped_early,
            paused=paused,
            rows=self.rows,
            load_seconds=self._load_seconds,
            train_seconds=self._progress_before.train_seconds + seconds - self._lost_seconds,
            tokens=self.tokens,
            target_tokens=self._progress_before.target_tokens + int(self._target_tokens),
            dev_tokens=self._progress_before.dev_tokens + int(self._dev_tokens),
            peak_memory_bytes=self._peak_memory_bytes,
            energy_joules=self._energy_joules,
            resumed_at=self.resumed_at,
        )

    def discarded(self, progress: TrainingProgress) -> ResourceUse:
        """What was in vain up to `progress`, the last that was asked for."""
        useful_seconds = progress.load_seconds + progress.train_seconds
        return ResourceUse(
            seconds=max(0.0, round(self._used.seconds - useful_seconds, 6)),
            tokens=max(0, self._used.tokens - progress.tokens),
            flops=max(0.0, self._used.flops - self._size.flops(progress.tokens, progress.dev_tokens)),
        )

    def write_now_and_then(self) -> None:
        """Write the whole to disk if it was not written lately; called at every step."""
        if time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
            self._write(time.monotonic() - self._started)

    def _write(self, seconds: float) -> None:
        tokens = int(self._tokens + self._lost_tokens)
        self._used = ResourceUse(
            seconds=self._used_before.seconds + self._new_load_seconds + seconds,
            tokens=self._used_before.tokens + tokens,
            flops=self._used_before.flops + self._size.flops(tokens, int(self._dev_tokens)),
        )
        write_record(self._file, self._used)
        self._written = time.monotonic()


def _read(file: Path, tell: Callable[[str], None]) -> ResourceUse:
    """What earlier starts took; nothing where nobody knows any more."""
    if not file.exists():
        return ResourceUse()
    try:
        return read_record(file, ResourceUse)
    except UserError as fault:
        tell(put_aside(file, fault, beside=file.parent))
        return ResourceUse()
