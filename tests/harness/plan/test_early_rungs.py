"""What a sweep is told when its search judges trainings too early."""

from typing import Any

import pytest
from synthetic import make_run, task_card

from harness.plan.early_rungs import early_rungs_of
from harness.plan.selection import with_settings
from harness.sweep.run import Run
from harness.sweep.settings import Search, SearchSettings


def searched(space: dict[str, Any] | None = None, *, rungs: int = 2, factor: int = 3, **training: Any) -> Run:
    """A run of 300 steps whose settings are searched for."""
    run = with_settings(make_run("toy", "lora", task_card(), 0), {"max_steps": 300, **training})
    search = Search(
        space=space or {"learning_rate": (1e-3, 1e-2)},
        settings=SearchSettings(rungs=rungs, reduction_factor=factor),
        methods=1,
    )
    return run.model_copy(update={"search": search})


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_rate_that_comes_down_only_at_the_end_is_judged_too_early(schedule: str) -> None:
    (sentence,) = early_rungs_of([searched(lr_scheduler_type=schedule)])
    assert f"search.rungs = 2 judges trials before lr_scheduler_type = '{schedule}'" in sentence
    assert "set rungs = 1, or lr_scheduler_type = 'constant_with_warmup'" in sentence


def test_a_schedule_among_those_that_are_tried_is_looked_at() -> None:
    space = {"lr_scheduler_type": ("constant_with_warmup", "cosine")}
    (sentence,) = early_rungs_of([searched(space, lr_scheduler_type="constant_with_warmup")])
    assert "'cosine'" in sentence


@pytest.mark.parametrize(("factor", "warned"), [(3, False), (4, True)])
def test_a_first_rung_that_ends_hardly_after_the_warm_up_is_told(factor: int, warned: bool) -> None:
    run = searched(rungs=3, factor=factor, lr_scheduler_type="constant_with_warmup", warmup_steps=0.035)
    sentences = early_rungs_of([run, run])
    assert len(sentences) == warned
    if warned:
        assert "toy/lora: the first of 3 rungs ends at step 19 of 300, hardly after the" in sentences[0]
        assert "ends at step 11: " in sentences[0]


def test_a_warm_up_in_steps_counts_as_one_in_shares() -> None:
    run = searched(rungs=3, lr_scheduler_type="constant_with_warmup", warmup_steps=20)
    assert "which ends at step 20: " in early_rungs_of([run])[0]
    assert early_rungs_of([run.model_copy(update={"search": None})]) == []
    assert early_rungs_of([searched(rungs=3, lr_scheduler_type="constant", warmup_steps=20)]) == []


def test_trials_that_are_all_trained_to_the_end_are_judged_there() -> None:
    assert early_rungs_of([searched(rungs=1)]) == []
