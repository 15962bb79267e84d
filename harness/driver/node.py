"""Work on one base model where its devices are: its trainings in one worker, then all answers from one
engine.

Both see rendered files only, and live as long as the base model's work. A job whose files are there is not
done again.
"""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness.driver.answers import AnswerPhase
from harness.driver.devices import visible_devices
from harness.driver.kept import is_answered, is_trained
from harness.driver.trainings import TrainingPhase
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import BaseJob, WaveJob
from harness.workers.listener import JobFailure, Listener, MetricJudge


@dataclass(frozen=True)
class WaveReport:
    """What became of a wave."""

    failures: list[JobFailure]
    """Jobs that are not among them have their files."""

    records: list[Path]
    """All that were written, those of earlier waves among them whose share of a start has changed."""


class Node:
    """The workers of one base model. Use as a context manager: leaving it ends them."""

    def __init__(
        self,
        base: BaseJob,
        *,
        work: Path,
        settings: EngineSettings,
        devices: str | None,
        listener: Listener,
        judge: MetricJudge,
    ) -> None:
        """`work`: for logs and kept answers. `devices`: as CUDA_VISIBLE_DEVICES has them; None for all there
        are."""
        self._tell = listener
        self._trainings = TrainingPhase(base, work=work, devices=devices, listener=listener, judge=judge)
        self._answers = AnswerPhase(base, work=work, settings=settings, devices=devices, listener=listener)
        # A GPU's memory is not enough for both: an engine takes nearly all of it, and a training may.
        self._take_turns = bool(visible_devices())

    def __enter__(self) -> "Node":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def execute(self, wave: WaveJob) -> WaveReport:
        """Train what needs it, then answer what needs it. What fails is reported, and what needs it left
        out."""
        failures: list[JobFailure] = []
        records: list[Path] = []
        fits = [fit for fit in wave.fits if not is_trained(fit, self._tell)]
        if fits:
            if self._take_turns:
                self._answers.close()
            failed, written = self._trainings.run(fits)
            failures += failed
            records += written
        asks = [
            ask
            for ask in wave.asks
            if not is_answered(ask, self._tell) and (ask.weights is None or ask.weights.is_dir())
        ]
        if asks:
            if self._take_turns:
                self._trainings.close()
            failed, written = self._answers.run(asks)
            failures += failed
            records += written
        if wave.scored:
            self._trainings.pay_starts()
            self._answers.pay_starts()
        return WaveReport(failures, records)

    def close(self) -> None:
        """End the workers."""
        self._trainings.close()
        self._answers.close()
