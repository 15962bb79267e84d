"""The mean of estimates over a board's tasks, each in units of its own."""

import dataclasses
from collections.abc import Mapping

from harness.records.scores import TaskCard
from harness.statistics import Estimate, mean_over_tasks, rescale


def weighted_mean(
    estimates: Mapping[str, Estimate | None],
    tasks: Mapping[str, TaskCard],
    weights: Mapping[str, float],
    *,
    chance: bool,
) -> Estimate | None:
    """Mean over tasks; None where one is missing. `chance`: whether chance becomes zero (scores), or is only
    stretched (differences)."""
    parts = []
    total = sum(weights.values())
    for task, card in tasks.items():
        estimate = estimates.get(task)
        if estimate is None:
            return None
        if len(tasks) == 1:
            return estimate
        normal = rescale(estimate, card.chance) if chance else scaled(estimate, 1 / (1 - card.chance))
        parts.append(scaled(normal, weights[task] * len(tasks) / total))
    return mean_over_tasks(parts)


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """An estimate in other units."""
    return dataclasses.replace(
        estimate,
        value=estimate.value * factor,
        stderr=None if estimate.stderr is None else estimate.stderr * factor,
        low=estimate.low * factor,
        high=estimate.high * factor,
    )
