"""Choose how the arms' weights get into an engine: merged and swapped, or served as adapters."""

import shutil
from collections.abc import Iterable, Mapping, Sequence

from harness.data.loaded import LoadedTask
from harness.errors import UserError
from harness.plan.groups import group_runs
from harness.sweep.engines import ENGINE_TABLE, EngineName, Way
from harness.sweep.methods import TUNERS
from harness.sweep.models import count_parameters
from harness.sweep.run import Run
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import BaseJob

ADAPTERS_FROM = 1_000_000_000
"""Parameters from which merging and loading an adapter's base takes longer than serving the adapter beside
it."""

Servable = frozenset[tuple[str, str | None]]
"""Model and revision of the bases that some arms are tuned from, all of which can be served as adapters."""


def check_way(
    runs: Sequence[Run], tasks: Mapping[str, LoadedTask], engine: EngineName, settings: EngineSettings
) -> None:
    """Raise `UserError` when adapters are asked for and one of these runs cannot be answered with them."""
    obstacle = _obstacle(runs, tasks, engine) if runs and settings.way == "adapters" else None
    if obstacle is not None:
        raise UserError(obstacle)


def servable_bases(runs: Iterable[Run], tasks: Mapping[str, LoadedTask], engine: EngineName) -> Servable:
    """The bases whose arms can be served as adapters.

    Wants every run of a sweep: then whichever of them are left, or come in one wave, are answered as all
    would be.
    """
    return frozenset(
        (group.model, group.revision)
        for group in group_runs(runs)
        if any(run.stages for run in group.runs) and _obstacle(group.runs, tasks, engine) is None
    )


def choose_way(base: BaseJob, settings: EngineSettings) -> Way:
    """How the arms' weights get into the engine: as asked, or by the sweep, by device and by size.

    Adapters are served where merging moves gigabytes: on CUDA, from a billion parameters on, where every
    tuned arm of the sweep is a plain adapter and no text is only weighed.
    """
    if settings.way != "auto":
        return settings.way
    if not base.servable or not shutil.which("nvidia-smi"):
        return "swap"
    size = count_parameters(base.model)
    return "adapters" if size is not None and size >= ADAPTERS_FROM else "swap"


def _obstacle(runs: Sequence[Run], tasks: Mapping[str, LoadedTask], engine: EngineName) -> str | None:
    """Why these runs cannot be answered with adapters, in a sentence; None when they can."""
    if "adapters" not in ENGINE_TABLE[engine].ways:
        able = " or ".join(row.title for row in ENGINE_TABLE.values() if "adapters" in row.ways)
        return f'[engine] way = "adapters" takes {able}; the {engine} engine merges: set way = "swap"'
    for run in runs:
        recipe = run.recipe
        why_not = TUNERS[recipe.tuner].not_servable if recipe else ""
        if why_not:
            return (
                f'[engine] way = "adapters" serves adapters only, and {run.label} {why_not}: set way = '
                '"swap", or give that method a sweep of its own'
            )
    for run in runs:
        if tasks[run.task].task.output == "perplexity":
            return (
                f'[engine] way = "adapters" weighs no texts, as {run.label} wants: set way = "swap", or '
                "give that task a sweep of its own"
            )
    return None
