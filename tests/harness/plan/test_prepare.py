"""A sweep file made ready: one call gives the tasks with their reviews, the runs and the ensembles."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from toy_task import SOURCE

from harness.errors import UserError
from harness.plan.prepare import prepare
from harness.plugins.registry import find_plugins
from harness.review.review import open_review
from harness.review.verdicts import add_verdicts, judge

SWEEP = """
name = "s"
tasks = ["adding"]
seeds = [0, 1]
[[candidates]]
name = "toy"
model = "gainboard/toy-llama"
methods = ["zero_shot", "lora"]
[[ensembles]]
name = "both"
method = "vote"
members = ["toy/lora"]
"""

Write = Callable[[str, str], Path]


@pytest.fixture
def sweep(write: Write, tmp_path: Path) -> Path:
    write("tasks/adding/task.py", SOURCE.format(name="adding"))
    return write("sweep.toml", SWEEP)


def test_a_sweep_is_planned_with_its_runs_ensembles_and_reviews(sweep: Path, tmp_path: Path) -> None:
    plugins = find_plugins([tmp_path / "tasks"])
    review = open_review("adding", plugins)
    first = review.state.items[0].item
    add_verdicts(review.path, [judge(first, "accept", reviewer="ada", on=date(2026, 3, 1))])
    planned = prepare(sweep, lambda names: plugins)
    assert [run.folder.parts[1] for run in planned.runs] == ["zero_shot"] * 2 + ["lora"] * 2
    assert [ensemble.spec.name for ensemble in planned.ensembles] == ["both"]
    assert planned.tasks["adding"].reviewed == 1 / len(review.state.items)


def test_a_part_of_a_sweep_has_no_ensembles(sweep: Path, tmp_path: Path) -> None:
    planned = prepare(sweep, lambda names: find_plugins([tmp_path / "tasks"]), only="toy/lora/*")
    assert [run.candidate.method for run in planned.runs] == ["lora"] * 2
    assert [run.candidate.method for run in planned.left_out] == ["zero_shot"] * 2
    assert planned.ensembles == []


def test_seeds_are_added_after_the_largest_and_ensembles_stay_as_they_are(
    sweep: Path, tmp_path: Path
) -> None:
    plugins = find_plugins([tmp_path / "tasks"])
    sweep.write_text(SWEEP.replace("[0, 1]", "[7, 2]") + 'over = "seeds"\n')
    before = prepare(sweep, lambda names: plugins)
    planned = prepare(sweep, lambda names: plugins, more_seeds=2)
    assert planned.sweep.seeds == (7, 2, 8, 9)
    assert [run.seed for run in planned.runs] == [7, 2, 8, 9] * 2
    keys = {run.key for run in planned.runs}
    assert {run.key for run in before.runs} < keys, "what is finished stays so"
    assert planned.ensembles == before.ensembles


def test_an_ensemble_of_candidates_is_made_with_each_seed_that_is_added(sweep: Path, tmp_path: Path) -> None:
    changed = SWEEP.replace('["zero_shot", "lora"]', '["lora", "full"]')
    sweep.write_text(changed.replace('["toy/lora"]', '["toy/*"]\nover = "candidates"'))
    planned = prepare(sweep, lambda names: find_plugins([tmp_path / "tasks"]), more_seeds=1)
    assert [{run.seed for run in ensemble.members} for ensemble in planned.ensembles] == [{0}, {1}, {2}]


def test_more_seeds_than_there_are_is_one_sentence(sweep: Path, tmp_path: Path) -> None:
    sweep.write_text(SWEEP.replace("[0, 1]", "[0, 4294967290]"))
    plugins = find_plugins([tmp_path / "tasks"])
    assert prepare(sweep, lambda names: plugins, more_seeds=4).sweep.seeds[-1] == 4294967294
    told = r"--more-seeds 5: sweep 's' has seed 4294967290, and seeds end at 4294967294; add at most 4$"
    with pytest.raises(UserError, match=told):
        prepare(sweep, lambda names: plugins, more_seeds=5)


def test_a_model_that_cannot_be_had_is_named_with_the_sweep(sweep: Path, tmp_path: Path) -> None:
    sweep.write_text(SWEEP.replace("toy-llama", "toy-lama"))
    with pytest.raises(UserError, match=r"sweep\.toml.*Did you mean 'gainboard/toy-llama'"):
        prepare(sweep, lambda names: find_plugins([tmp_path / "tasks"]))
