"""What `--dry-run` says of the machine: memory, disk, and how long each worker will be at work."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.counts import count_of

if TYPE_CHECKING:
    from rich.console import Console

    from harness.plan.estimate import Forecast
    from harness.plan.needs import ModelNeed
    from harness.plan.prepare import PlannedSweep
    from harness.sweep.run import Run

MOST_MODELS = 20
"""Base models whose needs are printed; `--json` has all."""


@dataclass(frozen=True)
class WorkerShare:
    """What one worker will do, base model by base model."""

    candidates: tuple[str, ...]
    seconds: float | None
    """None where a model's size is not known."""


@dataclass(frozen=True)
class MachineForecast:
    """What a sweep takes of the machine that it is planned on, and what this has."""

    needs: "tuple[ModelNeed, ...]"
    memory: int | None
    """Bytes, of its smallest GPU or of itself; None where nothing tells."""

    disk: int
    """Bytes that are free for `--work`."""

    workers: tuple[WorkerShare, ...]
    """Empty for work that is done elsewhere, as on a cluster."""

    @property
    def seconds(self) -> float | None:
        """Until the last worker is done, without starts; None where that cannot be told."""
        seconds = [share.seconds for share in self.workers if share.seconds is not None]
        return max(seconds) if seconds and len(seconds) == len(self.workers) else None

    def record(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {
            "models": [asdict(need) for need in self.needs],
            "memory_bytes": self.memory,
            "free_disk_bytes": self.disk,
            "workers": [asdict(share) for share in self.workers],
            "wall_clock_seconds": self.seconds,
        }


def machine_forecast(
    planned: "PlannedSweep", forecasts: "Sequence[Forecast]", *, work: Path, workers: int | None
) -> MachineForecast:
    """For the runs that are still to do. `workers`: base models at a time; None where that is not known."""
    from harness.plan.estimate import Estimator
    from harness.plan.needs import free_disk_bytes, memory_bytes, model_needs

    todo = [run for run, forecast in zip(planned.runs, forecasts, strict=True) if forecast.state != "done"]
    needs = model_needs(
        todo,
        Estimator(planned.tasks),
        devices=planned.sweep.engine.tensor_parallel_size,
        trained=work / "trained",
    )
    # By identity: the keys of a plan of tens of thousands of runs take seconds.
    seconds = {
        id(run): forecast.device_seconds for run, forecast in zip(planned.runs, forecasts, strict=True)
    }
    shares = _shares(todo, seconds, workers) if workers is not None else ()
    return MachineForecast(tuple(needs), memory_bytes(), free_disk_bytes(work), shares)


def _shares(
    runs: "Sequence[Run]", seconds: Mapping[int, float | None], workers: int
) -> tuple[WorkerShare, ...]:
    """The parts of a sweep by worker: each takes the next as soon as it is free, as `run_sweep` has them.
    `seconds`: by the identities of runs."""
    from harness.plan.estimate import assumed_device
    from harness.plan.groups import group_runs, spread

    groups = spread(group_runs(runs), workers)
    # Estimates are for all cores, which workers side by side share; each has a GPU of its own.
    slower = 1 if assumed_device() == "cuda" else min(workers, len(groups))
    busy: list[float] = [0.0] * workers
    candidates: list[list[str]] = [[] for _ in range(workers)]
    has_estimate = [True] * workers
    for group in groups:
        worker = busy.index(min(busy))
        of_runs = [seconds[id(run)] for run in group.runs]
        busy[worker] += slower * sum(value for value in of_runs if value is not None)
        has_estimate[worker] &= None not in of_runs
        candidates[worker] += dict.fromkeys(run.candidate.name for run in group.runs)
    return tuple(
        WorkerShare(tuple(names), busy_seconds if is_estimated else None)
        for names, busy_seconds, is_estimated in zip(candidates, busy, has_estimate, strict=True)
        if names
    )


def print_machine(forecast: MachineForecast, console: "Console") -> None:
    """Print each base model's needs, what there is, and each worker's hours."""
    from rich.markup import escape
    from rich.table import Table

    from harness.preflight.room import count_text
    from leaderboards.text import size_of_memory

    if not forecast.needs:
        return
    table = Table("base model", box=None, header_style="bold")
    for column in ("parameters", "memory to train", "activations", "to answer", "disk"):
        table.add_column(column, justify="right")
    for need in forecast.needs[:MOST_MODELS]:
        train = f"{size_of_memory(need.train)} ({need.tuner})" if need.train else "–"
        table.add_row(
            escape(need.model),
            count_text(need.parameters) + ("" if need.is_counted else "?"),
            train,
            _activations_text(need),
            size_of_memory(need.answer),
            size_of_memory(need.disk) if need.disk else "–",
        )
    console.print(table)
    if len(forecast.needs) > MOST_MODELS:
        others = count_of(len(forecast.needs) - MOST_MODELS, "base model")
        console.print(f"… and {others} more (--json has all)")
    disk = sum(need.disk for need in forecast.needs)
    memory = "" if forecast.memory is None else f" This machine has {size_of_memory(forecast.memory)}."
    console.print(
        "Memory is at least that; activations come on top, about as much as said where a step reads samples "
        f"of max_length. A step that does not fit reads fewer at a time.{memory} Tuned weights take "
        f"about {size_of_memory(disk)} of the {size_of_memory(forecast.disk)} of disk that are "
        f"free.{_workers_sentence(forecast)}",
        highlight=False,
    )


def _activations_text(need: "ModelNeed") -> str:
    from leaderboards.text import size_of_memory

    if need.activations is None:
        return "?"
    return size_of_memory(need.activations) if need.train else "–"


def _workers_sentence(forecast: MachineForecast) -> str:
    from leaderboards.text import listed

    if len(forecast.workers) < 2:
        return ""
    times = ["?" if share.seconds is None else duration(share.seconds) for share in forecast.workers]
    return f" {len(times)} workers are busy side by side, for about {listed(times)}."


def duration(seconds: float) -> str:
    """`1 second`, `40 seconds`, `3.2 hours`: at least a second."""
    rounded = max(1, round(seconds))
    return f"{rounded / 3600:,.1f} hours" if rounded >= 3600 else count_of(rounded, "second")
