"""What of a wave goes to a node of a cluster: what is not done, and the files that it needs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.driver.kept import is_answered, record_of
from harness.workers.jobs import BaseJob, FitJob, WaveJob
from harness.workers.listener import Listener

MOST_SENT = 64 << 20
"""Bytes of a model that travel to a node; a larger one must lie on every node under the same path."""


def unfinished(wave: WaveJob, tell: Listener) -> WaveJob:
    """What has not come back: runs without answers, trainings without a record, and those whose weights these
    need."""
    asks = tuple(ask for ask in wave.asks if not is_answered(ask, tell))
    needed = {ask.weights for ask in asks}
    fits: list[FitJob] = []
    for fit in reversed(wave.fits):  # each stands after those that it needs
        if fit.weights in needed or not (fit.record.exists() and record_of(fit, tell)):
            needed |= {fit.start, *fit.members}
            fits.append(fit)
    return WaveJob(fits=tuple(reversed(fits)), asks=asks, scored=wave.scored)


def absolute_wave(wave: WaveJob) -> WaveJob:
    """With paths that mean the same in another folder, on another machine."""

    def absolute(value: Any) -> Any:
        if isinstance(value, Path):
            return value.absolute()
        if isinstance(value, dict):
            return {name: absolute(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return tuple(absolute(item) for item in value)
        return value

    return WaveJob.model_validate(absolute(wave.model_dump()))


def inputs_of(wave: WaveJob) -> Iterable[Path]:
    """The files that a node needs for a wave, if they are there."""
    for fit in wave.fits:
        yield from (fit.train, fit.dev, fit.record)
        if fit.judged is not None:
            yield fit.judged.prompts
    for ask in wave.asks:
        yield ask.prompts


def with_absolute_model(base: BaseJob) -> BaseJob:
    """A model that lies on this machine, under a path that means the same everywhere."""
    path = Path(base.model)
    return base.model_copy(update={"model": str(path.absolute())}) if path.exists() else base


def model_files_of(base: BaseJob) -> list[Path]:
    """Those of the base model, where it is on this machine and small enough to travel."""
    place = Path(base.model)
    files = [place] if place.is_file() else [path for path in sorted(place.glob("*")) if path.is_file()]
    return files if sum(path.stat().st_size for path in files) <= MOST_SENT else []
