"""What a sweep is forecast to take, against what it does take."""

from typing import Any

import pytest
from toy_task import adding, rows

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.plan.estimate import ADAPTER_SHARE, Estimator
from harness.plan.lengths import Lengths
from harness.plan.runs import make_runs
from harness.plan.token_counts import ModelCounts, PromptCount, TrainingCount
from harness.records.costs import forward_flops, training_flops
from harness.sweep.run import Run
from harness.sweep.sweep import Sweep
from harness.task import Demonstrations, Splits

PROMPT_TOKENS, ANSWER_TOKENS = 13.5 / 4, 1.75 / 4
"""Of the toy task's test samples, on average: `8 + 1`, a line break, `Answer:` and `9` have 5, 1, 7 and 1
characters."""


def tasks() -> dict[str, LoadedTask]:
    task = adding()
    return {name: LoadedTask(task, load_dataset(task)) for name in ("adding", "spelling")}


def planned(method: str, *, training: dict[str, Any] | None = None, **changes: Any) -> Run:
    """The first run of a sweep of one method."""
    declared: dict[str, Any] = {
        "name": "s",
        "tasks": ["adding", "spelling"],
        "seeds": [0],
        "defaults": {"training": training or {}},
        "candidates": [{"name": "a", "model": "x/a-70B", "methods": [method]}],
    }
    sweep = Sweep.model_validate(declared | changes)
    return make_runs(sweep, tasks(), fingerprint=lambda model, revision: "f", limit=None)[0]


def train_tokens(run: Run) -> int:
    return Estimator(tasks()).forecast(run, done=False).train_tokens


def test_accumulated_samples_of_meta_learning_are_counted() -> None:
    visits = {"meta_steps": 60, "inner_steps": 8}
    plain, accumulated = (
        train_tokens(
            planned(
                "meta",
                training={"per_device_train_batch_size": 4, "gradient_accumulation_steps": steps},
                meta=visits,
            )
        )
        for steps in (1, 4)
    )
    # The adaptation after it goes by epochs, whose samples are as many however they are accumulated.
    rows = 60 * 8 * 4
    assert accumulated - plain == pytest.approx(3 * rows * (PROMPT_TOKENS + ANSWER_TOKENS), abs=2)


def test_the_last_step_of_an_epoch_has_only_the_samples_that_are_left() -> None:
    """Four steps of four samples, of which there are six: the second and the fourth have two."""
    run = planned("lora", training={"max_steps": 4, "per_device_train_batch_size": 4})
    assert train_tokens(run) == int(2 * 6 * (PROMPT_TOKENS + ANSWER_TOKENS))


def test_meta_learning_is_forecast_to_train_on_as_many_rows_as_it_visits() -> None:
    run = planned("meta", training={"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4})
    stage, adaptation = run.stages
    assert stage.meta is not None
    # As `harness.training.meta.visited_rows` draws them, whose own test counts them.
    rows = stage.meta.meta_steps * stage.meta.inner_steps * 4 * 4
    adapted = adaptation.training.num_train_epochs * adaptation.portions[0].n_train
    assert train_tokens(run) == pytest.approx((rows + adapted) * (PROMPT_TOKENS + ANSWER_TOKENS), abs=2)


def test_every_trial_of_a_search_is_trained_beside_the_runs_that_are_scored() -> None:
    sweep = Sweep.model_validate(
        {
            "name": "s",
            "tasks": ["adding"],
            "seeds": [0, 1],
            "defaults": {"lora": {"r": [4, 8, 16]}},
            "candidates": [{"name": "a", "model": "x/a-70B", "methods": ["lora"]}],
        }
    )
    runs = make_runs(sweep, tasks(), fingerprint=lambda model, revision: "f", limit=None)
    estimator = Estimator(tasks())
    first, second = (estimator.forecast(run, done=False).train_tokens for run in runs)
    assert (first, second) == (4 * second, train_tokens(planned("lora"))), (
        "three trials, and its own training"
    )


def test_checkpointed_gradients_of_trials_are_counted() -> None:
    seconds, expected = [], []
    for checkpointing in (False, True):
        search = {"learning_rate": [1e-4, 3e-4], "gradient_checkpointing": checkpointing}
        run = planned("lora", training={"max_steps": 100, **search})
        tokens, taken = Estimator(tasks()).trial(run)
        seconds.append(taken)
        parameters = 70_000_000_000
        trainable = int(parameters * ADAPTER_SHARE)
        trained = training_flops(
            parameters, int(tokens), trainable=trainable, gradient_checkpointing=checkpointing
        )
        # Before the first step and after every fifth, two dev samples each.
        expected.append(trained + forward_flops(parameters, int(12 * (PROMPT_TOKENS + ANSWER_TOKENS))))
    assert seconds[1] / seconds[0] == pytest.approx(expected[1] / expected[0])
    assert seconds[1] > seconds[0]


def test_what_evaluations_read_is_forecast_and_costs_a_third_of_training_on_it() -> None:
    run = planned("full", training={"num_train_epochs": 40, "eval_steps": 0.5})
    forecast = Estimator(tasks()).forecast(run, done=False)
    # At the start, in the middle and at the end, two dev samples each.
    row = PROMPT_TOKENS + ANSWER_TOKENS
    assert (forecast.train_tokens, forecast.eval_tokens) == (int(40 * 6 * row), int(3 * 2 * row))
    parameters = 70_000_000_000
    assert forecast.flops == 6.0 * parameters * forecast.train_tokens + 2.0 * parameters * (
        forecast.eval_tokens + forecast.score_tokens
    )


def test_the_answers_of_trials_on_dev_are_forecast() -> None:
    settings = {"num_train_epochs": 40, "eval_steps": 0.5, "learning_rate": [1e-4, 3e-4, 1e-3]}
    generation = {"max_tokens": 10}
    run = planned("full", training=settings, generation=generation)
    row = PROMPT_TOKENS + ANSWER_TOKENS
    asked = 3 * int(2 * (PROMPT_TOKENS + ANSWER_TOKENS + 1))
    forecast = Estimator(tasks()).forecast(run, done=False)
    assert forecast.eval_tokens == int(4 * int(3 * 2 * row) + asked)


def test_trials_answer_at_most_500_samples_of_a_large_dev() -> None:
    def eval_tokens(dev: int) -> int:
        task = adding(data=lambda: Splits(rows(0, 64), rows(10_000, 10_000 + dev), rows(90_000, 90_004)))
        sweep = {
            "name": "s",
            "tasks": ["adding"],
            "seeds": [0],
            "defaults": {"training": {"eval_samples": 8}, "lora": {"r": [4, 8, 16]}},
            "candidates": [{"name": "a", "model": "x/a-70B", "methods": ["lora"]}],
        }
        loaded = {"adding": LoadedTask(task, load_dataset(task))}
        (run,) = make_runs(
            Sweep.model_validate(sweep), loaded, fingerprint=lambda model, revision: "f", limit=None
        )
        return Estimator(loaded).forecast(run, done=False).eval_tokens

    assert eval_tokens(400) < eval_tokens(500) == eval_tokens(501) == eval_tokens(2000)


def test_every_answer_that_is_sampled_for_a_prompt_is_counted() -> None:
    for answers in (1, 4):
        generation = {"n": answers, "temperature": 0.7, "max_tokens": 10}
        forecast = Estimator(tasks()).forecast(planned("zero_shot", generation=generation), done=False)
        assert forecast.score_tokens == int(4 * (PROMPT_TOKENS + 10 * answers))


def test_a_model_that_was_shown_answers_is_expected_to_write_such_as_these() -> None:
    """Not all of `max_tokens`, which a model may need that does not know the format."""
    for method in ("few_shot", "lora"):
        run = planned(method, generation={"max_tokens": 10}, num_fewshot=2)
        expected = 4 * (Lengths(tasks()).prompt(run) + ANSWER_TOKENS + 1)
        assert Estimator(tasks()).forecast(run, done=False).score_tokens == int(expected)
    short = planned("lora", generation={"max_tokens": 1})
    assert Estimator(tasks()).forecast(short, done=False).score_tokens == int(4 * (PROMPT_TOKENS + 1))


def test_a_thought_is_counted_where_the_candidate_says_how_long_it_may_be() -> None:
    thinking = {"name": "a", "model": "x/a-70B", "methods": ["zero_shot"], "max_thought_tokens": 100}
    run = planned("zero_shot", generation={"max_tokens": 10}, candidates=[thinking])
    assert Estimator(tasks()).forecast(run, done=False).score_tokens == int(4 * (PROMPT_TOKENS + 110))


def scored_tokens(method: str, **changes: Any) -> list[int]:
    """What each of three seeds is forecast to be asked."""
    declared: dict[str, Any] = {
        "name": "s",
        "tasks": ["adding"],
        "seeds": [0, 1, 2],
        "candidates": [{"name": "a", "model": "x/a-70B", "methods": [method]}],
    }
    sweep = Sweep.model_validate(declared | changes)
    runs = make_runs(sweep, tasks(), fingerprint=lambda model, revision: "f", limit=None)
    estimator = Estimator(tasks())
    return [estimator.forecast(run, done=False).score_tokens for run in runs]


def test_answers_that_other_seeds_reuse_count_once() -> None:
    first, *others = scored_tokens("zero_shot")
    assert first > 0 and others == [0, 0]
    first, *others = scored_tokens("few_shot", demonstrations="nearest")
    assert first > 0 and others == [0, 0]


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("zero_shot", {"generation": {"temperature": 0.7}}),
        ("few_shot", {"demonstrations": "random"}),
        ("lora", {}),
    ],
)
def test_answers_that_depend_on_the_seed_count_for_each(method: str, changes: dict[str, Any]) -> None:
    first, *others = scored_tokens(method, **changes)
    assert first > 0 and others == [first, first]


def test_answers_of_a_finished_seed_are_not_asked_for_again() -> None:
    estimator = Estimator(tasks())
    first, second = (
        run.model_copy(update={"seed": seed}) for seed, run in enumerate([planned("zero_shot")] * 2)
    )
    assert estimator.forecast(first, done=True).score_tokens == 0
    assert estimator.forecast(second, done=False).score_tokens == 0


ASKED, SHOWN, SHARED, TRAINED, TARGET = 40.0, 100.0, 64.0, 45.0, 3.0


def counted(run: Run) -> dict[str, ModelCounts]:
    """What a tokenizer whose template says much makes of the toy task's few-shot and zero-shot prompts."""

    def prompts(num_fewshot: int, demonstrations: Demonstrations | None) -> PromptCount:
        return PromptCount(
            task="adding",
            templates=run.templates,
            num_fewshot=num_fewshot,
            demonstrations=demonstrations,
            prompt_tokens=SHOWN if num_fewshot else ASKED,
            target_tokens=TARGET,
            shared_tokens=SHARED if num_fewshot else 0,
        )

    rows = tuple(
        TrainingCount(task="adding", max_length=stage.training.max_length, tokens=TRAINED)
        for stage in run.stages
    )
    return {"a": ModelCounts(prompts=(prompts(0, None), prompts(4, "balanced")), trainings=rows)}


def test_what_a_tokenizer_counted_is_taken_instead_of_characters() -> None:
    generation = {"max_tokens": 10}
    run = planned("full", training={"num_train_epochs": 40, "eval_steps": 0.5}, generation=generation)
    forecast = Estimator(tasks(), counts=counted(run)).forecast(run, done=False)
    assert (forecast.train_tokens, forecast.eval_tokens) == (40 * 6 * TRAINED, 3 * 2 * TRAINED)
    assert forecast.score_tokens == 4 * (ASKED + TARGET + 1)
    assert forecast.is_counted


def test_a_candidate_whose_tokenizer_is_missing_is_forecast_from_characters() -> None:
    run = planned("full")
    other = {"other": counted(run)["a"]}
    forecast = Estimator(tasks(), counts=other).forecast(run, done=False)
    assert forecast == Estimator(tasks()).forecast(run, done=False) and not forecast.is_counted


def test_shared_beginnings_that_were_counted_take_no_time_twice() -> None:
    run = planned("few_shot", num_fewshot=4, demonstrations="balanced")
    plain = Estimator(tasks(), counts=counted(run)).forecast(run, done=False)
    cached = Estimator(tasks(), counts=counted(run), caches_prefixes=True).forecast(run, done=False)
    assert plain.device_seconds is not None and cached.device_seconds is not None
    saved = forward_flops(70_000_000_000, int(3 * SHARED)) / Estimator(tasks())._speed
    assert plain.device_seconds - cached.device_seconds == pytest.approx(saved)


def test_a_plan_has_as_many_trials_wherever_the_tokenizer_is() -> None:
    """Keys of trials are part of results, which another machine may go on with."""
    run = planned("lora", training={"learning_rate": [1e-4, 3e-4, 1e-3]})
    estimator = Estimator(tasks(), counts=counted(run))
    assert estimator.trial(run) == Estimator(tasks()).trial(run)
    forecast = estimator.forecast(run, done=False)
    assert forecast.train_tokens == 4 * int(3 * 6 * TRAINED)


def test_demonstrations_that_all_prompts_begin_with_take_no_time_twice() -> None:
    """Where the engine keeps a prefix cache; the tokens that a record counts are the same."""
    speed = Estimator(tasks())._speed
    for demonstrations, saved in (("random", True), ("nearest", False)):
        run = planned("few_shot", num_fewshot=4, demonstrations=demonstrations, candidates=[
            {"name": "a", "model": "x/a-1B", "methods": ["few_shot"]}
        ])  # fmt: skip
        plain = Estimator(tasks()).forecast(run, done=False)
        cached = Estimator(tasks(), caches_prefixes=True).forecast(run, done=False)
        assert (cached.score_tokens, cached.flops) == (plain.score_tokens, plain.flops)
        assert plain.device_seconds is not None and cached.device_seconds is not None
        shown = Lengths(tasks()).prompt(run) - PROMPT_TOKENS
        samples = len(tasks()["adding"].dataset.test)
        expected = forward_flops(10**9, int((samples - 1) * shown)) / speed if saved else 0
        assert plain.device_seconds - cached.device_seconds == pytest.approx(expected)
        assert (expected > 0) == saved
