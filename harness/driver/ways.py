"""Choose how the arms' weights get into an engine: merged and swapped, or served as adapters."""

import shutil
from collections.abc import Sequence

from harness.errors import UserError
from harness.sweep.engines import ENGINE_TABLE, EngineName, Way
from harness.sweep.methods import TUNERS
from harness.sweep.models import count_parameters
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import AskJob

ADAPTERS_FROM = 1_000_000_000
"""Parameters from which merging and loading an adapter's base takes longer than serving the adapter beside
it."""


def choose_way(asks: Sequence[AskJob], model: str, engine: EngineName, settings: EngineSettings) -> Way:
    """How the arms' weights get into the engine: as asked, or by device and size.

    Adapters are served where merging moves gigabytes: on CUDA, from a billion parameters on, where every
    tuned arm is a plain adapter and no text is only weighed. Raises `UserError` when adapters are asked for
    and cannot be had.
    """
    obstacle = _obstacle(asks, engine)
    if settings.way == "adapters":
        if obstacle is not None:
            raise UserError(obstacle)
        return "adapters"
    adapted = any(ask.tuner is not None for ask in asks)
    if settings.way == "swap" or obstacle is not None or not adapted or not shutil.which("nvidia-smi"):
        return "swap"
    size = count_parameters(model)
    return "adapters" if size is not None and size >= ADAPTERS_FROM else "swap"


def _obstacle(asks: Sequence[AskJob], engine: EngineName) -> str | None:
    """Why these arms cannot be served as adapters, in a sentence; None when they can."""
    if "adapters" not in ENGINE_TABLE[engine].ways:
        able = " or ".join(row.title for row in ENGINE_TABLE.values() if "adapters" in row.ways)
        return f'[engine] way = "adapters" takes {able}; the {engine} engine merges: set way = "swap"'
    for ask in asks:
        why_not = TUNERS[ask.tuner].not_servable if ask.tuner else ""
        if why_not:
            return (
                f'[engine] way = "adapters" serves adapters only, and {ask.label} {why_not}: set way = '
                '"swap", '
                "or give that method a sweep of its own"
            )
    for ask in asks:
        if ask.output == "perplexity":
            return (
                f'[engine] way = "adapters" weighs no texts, as {ask.label} wants: set way = "swap", or '
                "give that task "
                "a sweep of its own"
            )
    return None
