"""Count what a training takes: what came of something, and all of it, thrown away or not.

All of it is written to `spent.json` every few seconds, so that what a killed start did after its last
checkpoint is known to the next one.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.records.costs import Meter
from harness.records.store import read_record, write_record
from harness.records.training import ResourceUse
from harness.training.checkpoints import Progress

SPENT = "spent.json"
SECONDS_BETWEEN_WRITES = 2.0


class Ledger:
    """The counts of one training, over all its starts.

    Tokens may be given as tensors: they are added on their device, and nothing waits for it until they are
    read.
    """

    def __init__(
        self,
        checkpoints: Path,
        before: Progress | None,
        *,
        rows: int,
        load_seconds: float,
        flops: Callable[[int, int], float],
    ) -> None:
        """`before`: of the checkpoint that the training goes on from. `flops`: of so many tokens trained on
        and tokens of dev."""
        self.rows = before.rows if before else rows
        self._file, self._flops = checkpoints / SPENT, flops
        self._kept = before or Progress(step=0, best_step=None, rows=rows)
        self._before = _read(self._file)
        self.resumed_at = self._kept.resumed_at
        if before and not before.paused:
            self.resumed_at = (*self.resumed_at, before.step)
        self._load_seconds = self._kept.load_seconds + load_seconds
        self._lost_seconds = 0.0
        self._tokens: Any = 0
        self._target_tokens: Any = 0
        self._dev_tokens: Any = 0
        self._lost_tokens: Any = 0
        self._new_load_seconds = load_seconds
        self._peak_memory_bytes, self._energy_joules = self._kept.peak_memory_bytes, self._kept.energy_joules
        self._meter = Meter()
        self._meter.start()
        self._started = time.monotonic()
        self._write(0.0)

    # Counting

    def trained(self, tokens: Any, targets: Any) -> None:
        """So many tokens were trained on, so many of them with loss."""
        self._tokens, self._target_tokens = self._tokens + tokens, self._target_tokens + targets

    def evaluated(self, tokens: Any) -> None:
        """So many tokens of dev were read or written."""
        self._dev_tokens = self._dev_tokens + tokens

    def lost(self, tokens: Any, seconds: float) -> None:
        """So much was done in vain."""
        self._lost_tokens = self._lost_tokens + tokens
        self._lost_seconds += seconds

    def took_back(self, tokens: Any, targets: Any) -> None:
        """What was counted as trained is to be done once more."""
        self.trained(-tokens, -targets)

    @property
    def tokens(self) -> int:
        """Trained on, in all starts, that came to something."""
        return self._kept.tokens + int(self._tokens)

    # Reading

    def progress(
        self, step: int, best_step: int | None, *, stopped_early: bool, paused: bool = False
    ) -> Progress:
        """What came of something until now."""
        self._meter.stop()
        self._peak_memory_bytes = max(self._peak_memory_bytes, self._meter.peak_memory_bytes)
        joules = self._meter.energy_joules
        if self._energy_joules is not None:
            self._energy_joules = None if joules is None else self._energy_joules + joules
        self._meter = Meter()
        self._meter.start()
        seconds = time.monotonic() - self._started
        self._write(seconds)
        return Progress(
            step=step,
            best_step=best_step,
            stopped_early=stopped_early,
            paused=paused,
            rows=self.rows,
            load_seconds=self._load_seconds,
            train_seconds=self._kept.train_seconds + seconds - self._lost_seconds,
            tokens=self.tokens,
            target_tokens=self._kept.target_tokens + int(self._target_tokens),
            dev_tokens=self._kept.dev_tokens + int(self._dev_tokens),
            peak_memory_bytes=self._peak_memory_bytes,
            energy_joules=self._energy_joules,
            resumed_at=self.resumed_at,
        )

    def discarded(self, progress: Progress) -> ResourceUse:
        """What was done until the last `progress` besides what came of something."""
        kept = progress.load_seconds + progress.train_seconds
        return ResourceUse(
            seconds=max(0.0, round(self._all.seconds - kept, 6)),
            tokens=max(0, self._all.tokens - progress.tokens),
            flops=max(0.0, self._all.flops - self._flops(progress.tokens, progress.dev_tokens)),
        )

    def write_now_and_then(self) -> None:
        """Called at every step."""
        if time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
            self._write(time.monotonic() - self._started)

    def _write(self, seconds: float) -> None:
        tokens = int(self._tokens + self._lost_tokens)
        self._all = ResourceUse(
            seconds=self._before.seconds + self._new_load_seconds + seconds,
            tokens=self._before.tokens + tokens,
            flops=self._before.flops + self._flops(tokens, int(self._dev_tokens)),
        )
        write_record(self._file, self._all)
        self._written = time.monotonic()


def _read(file: Path) -> ResourceUse:
    if not file.exists():
        return ResourceUse()
    try:
        return read_record(file, ResourceUse)
    except UserError:  # of another version
        return ResourceUse()
