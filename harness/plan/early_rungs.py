"""Say where the rungs of a search judge trainings too early to tell how they will end.

A trial at a rung is the beginning of its whole training. Under a schedule that comes down to 0 at
the end, the noise that a high learning rate adds to the weights has not yet died away there: the
rate that ends best may lie behind a lower one until its own has come down (compare the cooldowns of
Hägele et al. 2024, arXiv 2405.18392).
"""

import math
from collections.abc import Iterable

from harness.plan.evaluation import steps_of
from harness.plan.halving import rungs
from harness.sweep.recipe import Training
from harness.sweep.run import Run

DECAYING = frozenset({"linear", "cosine"})
"""Schedules whose learning rate comes down to 0 at the last step."""

WARM_UPS = 2
"""A first rung that is shorter than so many warm-ups judges hardly more than these."""


def early_rungs_of(runs: Iterable[Run]) -> list[str]:
    """A sentence for each way in which a sweep's searches judge too early."""
    return list(dict.fromkeys(sentence for run in runs for sentence in _early_rungs(run)))


def _early_rungs(run: Run) -> list[str]:
    if run.search is None or run.search.settings.rungs == 1:
        return []
    search, stage = run.search.settings, run.stages[-1]
    sentences = []
    schedules = run.search.space.get("lr_scheduler_type", (stage.training.lr_scheduler_type,))
    assert isinstance(schedules, tuple), "a range is of numbers"
    decaying = sorted(DECAYING.intersection(map(str, schedules)))
    if decaying:
        sentences.append(
            f"search.rungs = {search.rungs} judges trials before lr_scheduler_type = '{decaying[0]}' has "
            "brought their learning rate down, where high rates look worse than they end; set rungs = 1, or "
            "lr_scheduler_type = 'constant_with_warmup'"
        )
    steps = steps_of(stage.training, sum(portion.n_train for portion in stage.portions))
    first = math.ceil(rungs(search.reduction_factor, search.rungs)[0].share * steps)
    warm_up = _warm_up(stage.training, steps)
    if first < WARM_UPS * warm_up:
        sentences.append(
            f"{run.candidate.name}/{run.candidate.method}: the first of {search.rungs} rungs ends at step "
            f"{first:,} of {steps:,}, hardly after the warm-up, which ends at step {warm_up:,}: what learns "
            "fastest at first is ahead there; lower rungs, reduction_factor or warmup_steps"
        )
    return sentences


def _warm_up(training: Training, steps: int) -> int:
    """Steps until the learning rate is at its height."""
    if training.lr_scheduler_type == "constant":
        return 0
    return math.ceil(training.warmup_steps * steps if training.warmup_steps < 1 else training.warmup_steps)
