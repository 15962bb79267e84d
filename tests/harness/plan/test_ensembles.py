"""Arms made of other arms, from answers on disk."""

import math
from pathlib import Path
from typing import Any

import pandas
import pytest
from synthetic import bind, make_run, task_card, write_result
from toy_task import adding

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.errors import UserError
from harness.plan.ensembles import derive, plan_ensembles
from harness.records.predictions import PREDICTIONS
from harness.records.result import Result
from harness.score.joined import answers_of, joint_generation
from harness.sweep.recipe import EnsembleSpec
from harness.sweep.run import Run


def spec(**changes: Any) -> EnsembleSpec:
    return EnsembleSpec.model_validate({"name": "all", "method": "vote", "members": ["*/lora"]} | changes)


def runs(*candidates: str, method: Any = "lora", seeds: int = 2) -> list[Run]:
    return [make_run(name, method, task_card("adding"), seed) for name in candidates for seed in range(seeds)]


def tasks(**changes: Any) -> dict[str, LoadedTask]:
    task = adding(**changes)
    return {"adding": LoadedTask(task, load_dataset(task))}


def test_seeds_make_one_arm_and_candidates_one_for_each_seed() -> None:
    over_seeds = plan_ensembles([spec()], runs("a", "b"), tasks())
    assert [len(ensemble.members) for ensemble in over_seeds] == [4]
    over_candidates = plan_ensembles([spec(over="candidates")], runs("a", "b"), tasks())
    assert [[run.seed for run in ensemble.members] for ensemble in over_candidates] == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("changes", "candidates", "method", "told"),
    [
        (
            {"members": ["c/*"]},
            ["a"],
            "lora",
            "'c/*' matches no candidate/method of the sweep; there are a/lora",
        ),
        ({"over": "candidates"}, ["a"], "lora", "it has one member, a · lora · adding"),
        (
            {"method": "mean_probability"},
            ["a"],
            "lora",
            "mean_probability needs a task whose answers are choices",
        ),
        ({"method": "soup"}, ["a", "b"], "lora", "weights of different models cannot be averaged"),
        (
            {"method": "soup", "members": ["*"]},
            ["a"],
            "zero_shot",
            "only the weights of members that are all tuned in one way",
        ),
        (
            {"method": "soup", "members": ["*"]},
            ["a"],
            "dora",
            "only the weights of members that are all tuned in one way",
        ),
    ],
)
def test_what_cannot_be_put_together_is_refused(
    changes: dict[str, Any], candidates: list[str], method: Any, told: str
) -> None:
    with pytest.raises(UserError) as error:
        plan_ensembles([spec(**changes)], runs(*candidates, method=method), tasks())
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("vote", "a vote counts answers, and the task only weighs texts (output = 'perplexity')"),
        ("mean_probability", "mean_probability needs a task whose answers are choices; use method = 'soup'"),
    ],
)
def test_an_ensemble_of_answers_is_refused_where_no_answers_are_written(method: str, told: str) -> None:
    with pytest.raises(UserError) as error:
        plan_ensembles(
            [spec(method=method)],
            runs("a"),
            tasks(output="perplexity", primary_metric="bits_per_byte", metrics=("bits_per_byte",)),
        )
    assert str(error.value).startswith("ensemble 'all', task 'adding': ")
    assert told in str(error.value)


def test_a_soup_may_weigh_texts() -> None:
    weighing = tasks(output="perplexity", primary_metric="bits_per_byte", metrics=("bits_per_byte",))
    assert len(plan_ensembles([spec(method="soup")], runs("a"), weighing)) == 1


def thinking(run: Run, **prompting: Any) -> Run:
    return run.model_copy(update={"candidate": run.candidate.model_copy(update=prompting)})


def test_a_soup_is_prompted_as_its_members_are_and_refused_where_they_differ() -> None:
    arguments = {"chat_template_kwargs": {"enable_thinking": False}}
    first, second = runs("a")
    (soup,) = plan_ensembles(
        [spec(method="soup")], [thinking(first, **arguments), thinking(second, **arguments)], tasks()
    )
    assert derive(soup, soup.members).candidate.chat_template_kwargs == {"enable_thinking": False}
    with pytest.raises(
        UserError, match=r"its members are prompted in different ways .*; use method = 'vote'"
    ):
        plan_ensembles([spec(method="soup")], [first, thinking(second, **arguments)], tasks())
    (vote,) = plan_ensembles([spec()], [first, thinking(second, **arguments)], tasks())
    assert derive(vote, vote.members[::-1]).candidate.chat_template_kwargs == {}


def test_a_soup_is_made_of_its_members_recipes_and_lies_in_a_folder_of_its_own() -> None:
    (ensemble,) = plan_ensembles([spec(method="soup")], runs("a"), tasks())
    run = derive(ensemble, ensemble.members)
    assert run.folder == Path("all/soup/adding-v1/n-500/seed-0")
    assert run.recipe is not None
    assert [recipe.seed for recipe in run.recipe.members] == [0, 1]
    assert run.key != derive(ensemble, ensemble.members[::-1]).key


def write(results: Path, run: Run, rows: list[dict[str, Any]]) -> Result:
    """A finished run with these predictions."""
    result = write_result(results, run, task_card("adding", output="choice"), [1.0] * len(rows))
    common = {
        "template": "plain", "draw": 0, "prompt": "?", "prompt_tokens": 3, "truncated": 0, "completion_tokens": 1,
        "error": None, "choices": ["x", "y", "z"], "choice_logprobs": None, "target": ["x"], "metadata": "{}",
        "finish_reason": "stop", "completion": None, "answer": None, "overlap": False,
        "logprob": None, "target_tokens": None, "greedy": None,
    }  # fmt: skip
    table = pandas.DataFrame([common | {"sample_id": str(place)} | row for place, row in enumerate(rows)])
    table.to_parquet(results / run.folder / PREDICTIONS)
    return bind(results, result)


def test_the_majority_answers_and_of_equals_the_first_member(tmp_path: Path) -> None:
    said = [["x", "y"], ["y", "z"], ["y", "x"]]
    members = [
        write(tmp_path, run, [{"answer": text, "completion": text} for text in answers])
        for run, answers in zip(runs("a", seeds=3), said, strict=True)
    ]
    (ensemble,) = plan_ensembles([spec()], [member.run for member in members], tasks())
    run = derive(ensemble, [member.run for member in members])
    rows = answers_of(run, members, tmp_path)
    assert [row.completion for row in rows] == ["y", "y"]
    assert [row.prompt_tokens for row in rows] == [9, 9]
    assert math.exp((rows[0].choice_logprobs or ())[1]) == pytest.approx(2 / 3)


def test_probabilities_are_averaged_among_the_choices(tmp_path: Path) -> None:
    shares = ([0.5, 0.3, 0.2], [0.1, 0.6, 0.3])
    members = [
        # Choices need not add up to one: a model may want to write something else.
        write(
            tmp_path,
            run,
            [{"answer": "x", "completion": "x", "choice_logprobs": [math.log(p / scale) for p in share]}],
        )
        for run, share, scale in zip(runs("a"), shares, (1.0, 50.0), strict=True)
    ]
    planned = [member.run for member in members]
    (ensemble,) = plan_ensembles([spec()], planned, tasks())
    run = derive(ensemble, planned)
    run = run.model_copy(
        update={"candidate": run.candidate.model_copy(update={"method": "mean_probability"})}
    )
    (row,) = answers_of(run, members, tmp_path)
    assert row.completion == "y"
    assert [math.exp(logprob) for logprob in row.choice_logprobs or ()] == pytest.approx([0.3, 0.45, 0.25])


def test_a_sample_that_a_member_has_no_answer_to_is_an_error(tmp_path: Path) -> None:
    answered = {"answer": "x", "completion": "x"}
    first, second = runs("a")
    members = [write(tmp_path, first, [answered]), write(tmp_path, second, [{"error": "too long"}])]
    (ensemble,) = plan_ensembles([spec()], [first, second], tasks())
    (row,) = answers_of(derive(ensemble, [first, second]), members, tmp_path)
    assert row.error == "1 member has no answer; the first: too long"


def test_a_request_to_an_ensemble_costs_one_to_each_member(tmp_path: Path) -> None:
    members = [write(tmp_path, run, [{"answer": "x", "completion": "x"}]) for run in runs("a")]
    joint = joint_generation(members)
    assert joint.requests == members[0].generation.requests
    assert joint.generate_seconds == sum(member.generation.generate_seconds for member in members)
