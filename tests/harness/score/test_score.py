"""Answers judged: means, corpus metrics, several templates, samples that fail."""

import itertools
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from synthetic import make_run, task_card
from toy_task import adding

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.errors import UserError
from harness.metrics import METRICS
from harness.records.predictions import EngineAnswer
from harness.score.finish import TaskFacts, collapse, finish
from harness.score.judging import Scored, cluster_of, collect, score_predictions
from harness.statistics import cluster_numbers, score
from harness.task import Metric, PromptSet, Reply, Sample, Task
from harness.task.metric import Leaving

LABELS = ("a", "b", "c")


def scored(
    task: Task, samples: list[Sample], answers: list[str | None], *, overlapping: tuple[str, ...] = ()
) -> Scored:
    """Judge answers, one a sample for each template in turn; None is a sample the engine could not answer."""
    templates = list(task.prompts.templates)
    prompts = list(itertools.product(templates, samples))
    rows = [
        engine_answer(place, sample, template, answer, error="too long")
        for place, ((template, sample), answer) in enumerate(zip(prompts, answers, strict=True))
    ]
    rows.reverse()  # an engine finishes them in any order
    return score_predictions(task, collect(samples, rows, overlapping=overlapping))


def engine_answer(
    place: int, sample: Sample, template: str, completion: str | None, *, error: str, **more: Any
) -> EngineAnswer:
    """A completion as an engine hands it over, or (None) the error in its place."""
    prompt = EngineAnswer(
        place=place, id=sample.id, template=template, prompt="?", prompt_tokens=1, truncated=0
    )
    if completion is None:
        return replace(prompt, error=error, **more)
    return replace(prompt, completion=completion, completion_tokens=1, **more)


def errors(result: Scored) -> list[str]:
    return list(result.table()["error"].fillna(""))


def test_a_sample_s_cluster_stands_in_its_row_and_a_whole_passage_by_its_hash() -> None:
    names = ["p1", "", "A passage. " * 9]
    clustered = [Sample(str(index), {"text": "?"}, "1", cluster=name) for index, name in enumerate(names)]
    rows = scored(adding(), clustered, ["1", "1", "1"]).table()
    assert list(rows["cluster"][:2]) == ["p1", ""]
    assert rows["cluster"][2] == cluster_of(clustered[2])
    assert len(rows["cluster"][2]) == 16


def samples(*targets: str, **more: Any) -> list[Sample]:
    return [Sample(str(index), {"text": str(index)}, target, **more) for index, target in enumerate(targets)]


def test_a_mean_metric_is_the_mean_over_the_samples_that_were_scored() -> None:
    result = scored(adding(), samples("1", "2", "3"), ["1", "9", None])
    assert result.metrics["exact_match"].value == 0.5
    assert (result.samples.total, result.samples.scored, result.samples.failed) == (3, 2, 1)
    assert errors(result) == ["", "", "too long"]


def thinking(thought_tokens: int, completion_tokens: int, **more: Any) -> dict[str, Any]:
    return {"thought": "Hm", "thought_tokens": thought_tokens, "completion_tokens": completion_tokens, **more}


def test_answers_that_were_cut_are_counted_and_those_whose_thought_was_cut(tmp_path: Path) -> None:
    of_samples: list[dict[str, Any]] = [
        {"finish_reason": "stop"},
        {"finish_reason": "length"},
        thinking(9, 9, finish_reason="length"),
        thinking(4, 9, finish_reason="length"),
        thinking(4, 6, finish_reason="stop"),
        thinking(2, 2, finish_reason="stop"),  # `<think>`, and then a stop string of the task
    ]
    tested = samples(*"123456")
    rows = [
        replace(engine_answer(place, sample, "plain", "1", error=""), **more)
        for place, (sample, more) in enumerate(zip(tested, of_samples, strict=True))
    ]
    counts = score_predictions(adding(), collect(tested, rows)).samples
    assert (counts.cut, counts.cut_in_thought, counts.cut_share) == (4, 2, 4 / 6)


@pytest.mark.parametrize(
    ("completion", "prompt", "marks", "answer"),
    [
        ("<think>\nIs it 2?\n</think>\n\n1\n3", "?", ("<think>", "</think>"), "1"),
        ("Is it 2?</think>\n1", "?<think>\n", ("<think>", "</think>"), "1"),
        ("[THINK]2[/THINK]1", "?", ("[THINK]", "[/THINK]"), "1"),
        ("<think>2</think>1", "?", (), "<think>2</think>1"),
    ],
)
def test_thoughts_that_stand_in_a_completion_are_not_judged(
    completion: str, prompt: str, marks: tuple[str, ...], answer: str
) -> None:
    tested = samples("1")
    row = replace(engine_answer(0, tested[0], "plain", completion, error=""), prompt=prompt)
    judged = score_predictions(adding(stop=("\n",)), collect(tested, [row]), thought_marks=marks)
    assert judged.predictions[0].answer == answer


def test_thoughts_without_end_are_no_collapse_of_a_training() -> None:
    card = task_card("adding", output="generate", primary_metric="exact_match", chance=0.0)
    tested = samples("1", "2", "3")
    cut = thinking(9, 9, finish_reason="length")
    rows = [
        replace(engine_answer(place, sample, "plain", "", error=""), **cut)
        for place, sample in enumerate(tested)
    ]
    judged = score_predictions(adding(), collect(tested, rows))
    assert collapse(judged, card) == ""
    rows = [replace(answer, thought=None, thought_tokens=None) for answer in rows]
    assert "3 of 3 answers are ''" in collapse(score_predictions(adding(), collect(tested, rows)), card)


def test_samples_of_one_passage_count_as_one_in_the_interval() -> None:
    answers: list[str | None] = ["1"] * 10 + ["9"] * 10
    alone = scored(adding(), samples(*["1"] * 20), answers).metrics["exact_match"]
    passages = [
        Sample(str(place), {"text": str(place)}, "1", cluster=f"passage {place // 5}" if place < 15 else "")
        for place in range(20)
    ]
    result = scored(adding(), passages, answers)
    together = result.metrics["exact_match"]
    assert (together.value, together.n) == (alone.value, alone.n) == (0.5, 20)
    # Of eight clusters, three passages of five samples and five samples alone, whose sums are 5, 5, 0, 0, 0,
    # 0, 0 and 0 less what they would be at the mean.
    deviations = [2.5, 2.5, -2.5, -0.5, -0.5, -0.5, -0.5, -0.5]
    assert together.stderr == pytest.approx((8 / 7 * sum(one**2 for one in deviations)) ** 0.5 / 20)
    assert result.parsed is not None and result.parsed.score is not None
    assert result.parsed.score.stderr == together.stderr
    # However many samples: no table of samples by clusters is made.
    many = cluster_numbers([f"{place // 2}" for place in range(200_000)])
    assert score([float(place % 2) for place in range(200_000)], binary=True, clusters=many).value == 0.5


def test_a_run_without_a_single_scored_sample_is_an_error_and_leaves_no_result(tmp_path: Path) -> None:
    task = adding()
    dataset = load_dataset(task)
    rows = [
        engine_answer(place, sample, "plain", None, error="too long")
        for place, sample in enumerate(dataset.test)
    ]
    facts = TaskFacts({task.name: LoadedTask(task, dataset)})
    run = make_run("toy", "zero_shot", task_card(task.name), 0)
    with pytest.raises(UserError, match="none of 4 samples could be scored; the first error: too long"):
        finish(run, rows, facts, results=tmp_path, trainings=(), generation=None)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_corpus_metric_has_the_value_of_the_whole_and_its_parts_average_to_it() -> None:
    task = adding(metrics=("exact_match", "f1_macro"), primary_metric="f1_macro")
    result = scored(task, samples("a", "a", "b", "c"), ["a", "b", "b", "a"])
    from sklearn.metrics import f1_score

    wanted = f1_score(["a", "a", "b", "c"], ["a", "b", "b", "a"], average="macro")
    assert result.metrics["f1_macro"].value == pytest.approx(wanted)
    assert result.table()["score_f1_macro"].mean() == pytest.approx(wanted)
    assert result.metrics["f1_macro"].details["f1 b"] == pytest.approx(2 / 3)


def test_the_counts_of_a_corpus_metric_are_kept_for_every_sample() -> None:
    task = adding(metrics=("f1_macro",), primary_metric="f1_macro")
    result = scored(task, samples("a", "b"), ["a", "a"])
    sums: dict[str, float] = {}
    for text in result.table()["counts_f1_macro"]:
        for name, count in json.loads(text).items():
            sums[name] = sums.get(name, 0.0) + count
    value = METRICS["f1_macro"].value
    assert value is not None
    assert float(
        value({name: pandas.Series([count]).to_numpy() for name, count in sums.items()})[0]
    ) == pytest.approx(result.metrics["f1_macro"].value)


def test_the_score_over_several_templates_is_the_mean_and_each_is_kept() -> None:
    task = adding(prompts=PromptSet({"plain": "{text} + 1", "words": "Add one to {text}."}))
    result = scored(task, samples("1", "2"), ["1", "2", "1", "x"])
    assert result.metrics["exact_match"].value == 0.75
    assert {name: metrics["exact_match"].value for name, metrics in result.by_template.items()} == {
        "plain": 1.0,
        "words": 0.5,
    }
    assert result.metrics["exact_match"].n == 2, "a sample asked in two wordings is one sample"


def test_a_sample_that_failed_in_one_template_is_left_out_of_the_mean_over_templates() -> None:
    task = adding(prompts=PromptSet({"plain": "{text} + 1", "words": "Add one to {text}."}))
    result = scored(task, samples("1", "2"), ["1", "x", "1", None])
    assert (result.metrics["exact_match"].value, result.metrics["exact_match"].n) == (1.0, 1)
    assert result.by_template["plain"]["exact_match"].n == 2


def test_the_score_on_clean_samples_stands_beside_the_full_one() -> None:
    result = scored(adding(), samples("1", "2", "3", "4"), ["1", "2", "3", "x"], overlapping=("0", "1"))
    assert result.metrics["exact_match"].value == 0.75
    assert (result.clean["exact_match"].value, result.clean["exact_match"].n) == (0.5, 2)
    assert list(result.table()["overlap"]) == [True, True, False, False]


def test_without_a_clean_sample_there_is_no_clean_score() -> None:
    assert scored(adding(), samples("1"), ["1"], overlapping=("0",)).clean == {}


def test_scoring_the_clean_subset_leaves_the_parts_of_the_whole_alone() -> None:
    task = adding(metrics=("f1_macro",), primary_metric="f1_macro")
    alone = scored(task, samples("a", "a", "b", "c"), ["a", "b", "b", "a"])
    beside = scored(task, samples("a", "a", "b", "c"), ["a", "b", "b", "a"], overlapping=("0",))
    assert list(alone.table()["score_f1_macro"]) == list(beside.table()["score_f1_macro"])


def test_a_metric_that_raises_on_one_sample_is_that_sample_s_error_and_no_zero() -> None:
    def fussy(reply: Reply) -> float:
        return 1 / int(reply.answer)

    task = adding(metrics=("exact_match", Metric("fussy", "one over the answer", score=fussy)))
    result = scored(task, samples("1", "2", "0"), ["1", "2", "0"])
    assert errors(result)[:2] == ["", ""]
    assert errors(result)[2].startswith(
        "metric 'fussy' raised ZeroDivisionError: division by zero (test_score.py, line "
    )
    assert result.table()["score_exact_match"].isna().tolist() == [False, False, True]
    assert result.metrics["fussy"].value == 0.75
    assert result.samples.failed == 1


def test_a_metric_that_needs_what_the_task_does_not_give_says_so() -> None:
    task = adding(metrics=("exact_match", "perplexity"))
    result = scored(task, samples("1", "2"), ["1", "2"])
    error = result.lost["perplexity"]
    assert error.startswith("metric 'perplexity': ")
    assert "output = 'perplexity'" in error
    assert error.endswith(" (so on every answer)")
    assert result.metrics["exact_match"].n == 2


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (float("nan"), "metric 'odd': it gives nan, which is no number to add up"),
        (50.0, "metric 'odd': it scores 50, and its range is 0 to 1, higher is better"),
    ],
)
def test_a_score_that_is_no_number_or_out_of_range_is_that_sample_s_error(wrong: float, told: str) -> None:
    odd = Metric("odd", "odd", score=lambda reply: wrong if reply.answer == "0" else 1.0)
    result = scored(adding(metrics=("exact_match", odd)), samples("1", "2"), ["1", "0"])
    assert errors(result) == ["", told]
    assert result.metrics["odd"].value == 1.0


def test_a_count_that_is_no_number_is_that_sample_s_error() -> None:
    odd = Metric(
        "odd", "odd", counts=lambda reply: {"n": float(reply.answer)}, value=lambda sums: sums["n"] * 0
    )
    result = scored(adding(metrics=("exact_match", odd)), samples("1", "2"), ["1", "inf"])
    assert errors(result) == ["", "metric 'odd': it gives inf, which is no number to add up"]


def counting(**changes: Any) -> Metric:
    """The share of right answers, as a corpus metric."""
    declared: dict[str, Any] = {
        "counts": lambda reply: {"n": 1.0, "right": float(reply.answer in reply.targets)},
        "value": lambda sums: sums["right"] / sums["n"],
        "details": lambda sums: {"right": sums["right"]},
    }
    return Metric("own", "own", **{**declared, **changes})


def no_value(sums: Any) -> Any:
    raise SystemExit(0)


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (
            counting(value=lambda sums: sums["right"] * np.nan),
            "metric 'own': its value is nan; where it would divide",
        ),
        (counting(value=lambda sums: sums["n"]), "metric 'own': its value is 2, and its range is 0 to 1"),
        (
            counting(value=lambda sums: 0 / (sums["n"] - 1)),
            "metric 'own': its value is nan once a sample is left out",
        ),
        (counting(value=lambda sums: [0.0, 1.0]), "metric 'own' raised TypeError: "),
        (
            counting(value=lambda sums: "much"),
            "metric 'own' raised ValueError: could not convert string to float",
        ),
        (counting(value=no_value), "metric 'own' called exit(0) (test_score.py, line "),
        (counting(leaving=lambda rows: Leaving({}, [])), "metric 'own': leaving gives 0 rows for 2 samples"),
        (
            counting(counts=lambda reply: {7: 1.0}),
            "metric 'own': it counts under 7, and a name of counts is a text",
        ),
        (
            Metric("own", "own", score=lambda reply: float(reply.answer) + 9.0),
            "metric 'own': it scores 10, and its",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_a_metric_that_fails_costs_the_run_that_metric_alone(metric: Metric, told: str) -> None:
    result = scored(adding(metrics=("exact_match", metric)), samples("1", "2"), ["1", "2"])
    assert set(result.lost) == {"own"}
    assert result.lost["own"].startswith(told)
    assert set(result.metrics) == {"exact_match"}
    assert errors(result) == ["", ""]
    assert not [name for name in result.table().columns if name.endswith("own")]
    alone = adding(metrics=(metric,), primary_metric="own")
    if metric.counts is None or "counts under" in told:
        assert errors(scored(alone, samples("1", "2"), ["1", "2"]))[0].startswith(told)
    else:
        with pytest.raises(
            UserError, match=r"The task is ranked by it: correct it, and the same command scores"
        ):
            scored(alone, samples("1", "2"), ["1", "2"])


@pytest.mark.parametrize(
    ("details", "told"),
    [
        (lambda sums: {"right": float("nan")}, "metric 'own': it gives nan, which is no number"),
        (lambda sums: {"\ud83d": 1.0}, "metric 'own': details has a part named '\\ud83d'"),
        (lambda sums: None, "metric 'own': details raised AttributeError: "),
        (no_value, "metric 'own': details called exit(0) (test_score.py, line "),
    ],
)
def test_details_that_fail_cost_the_details_alone(details: Any, told: str) -> None:
    metric = counting(details=details)
    result = scored(adding(metrics=(metric,), primary_metric="own"), samples("1", "2"), ["1", "9"])
    assert result.lost["details of own"].startswith(told)
    assert result.metrics["own"].value == 0.5
    assert result.metrics["own"].details == {}


def test_a_corpus_metric_that_fails_on_clean_or_well_formed_samples_alone_is_told() -> None:
    metric = counting(value=lambda sums: np.where(sums["n"] < 2, np.nan, sums["right"] / sums["n"]))
    task = adding(metrics=("exact_match", metric))
    result = scored(task, samples("1", "2", "3"), ["1", "2", "3"], overlapping=("0", "1"))
    assert set(result.metrics) == {"exact_match", "own"}
    assert set(result.clean) == {"exact_match"}
    assert "its value is nan" in result.lost["own of clean samples"]


def test_half_a_surrogate_pair_in_an_answer_is_that_sample_s_error() -> None:
    task = adding(extract=lambda completion: json.loads(completion)["x"])
    result = scored(task, samples("1", "2"), ['{"x": "1"}', '{"x": "\\ud83d"}'])
    assert errors(result) == ["", "extract returned half of a surrogate pair, which no file can hold"]
    assert result.metrics["exact_match"].n == 1


def test_an_error_that_quotes_half_a_surrogate_pair_can_be_saved(tmp_path: Path) -> None:
    def fail(completion: str) -> str:
        raise UserError("no \ud83d") if completion == "1" else ValueError("no \ud83d")

    result = scored(adding(extract=fail), samples("1", "2"), ["1", "2"])
    assert errors(result)[0] == "extract: no \\ud83d"
    result.table().to_parquet(tmp_path / "predictions.parquet")


def test_what_a_metric_changes_of_the_process_does_not_move_the_results(tmp_path: Path) -> None:
    def wander(reply: Reply) -> float:
        os.chdir("/")
        return 1.0

    before = Path.cwd()
    scored(adding(metrics=("exact_match", Metric("own", "own", score=wander))), samples("1"), ["1"])
    assert Path.cwd() == before


def test_a_template_without_any_scored_sample_leaves_no_score_over_templates() -> None:
    task = adding(prompts=PromptSet({"plain": "{text} + 1", "words": "Add one to {text}."}))
    result = scored(task, samples("1", "2"), ["1", "2", None, None])
    assert result.metrics == {}
    assert set(result.by_template) == {"plain"}


def test_clean_samples_that_are_scored_in_no_common_template_leave_no_clean_score() -> None:
    task = adding(prompts=PromptSet({"plain": "{text} + 1", "words": "Add one to {text}."}))
    result = scored(task, samples("1", "2"), ["1", "2", "1", None], overlapping=("0",))
    assert result.clean == {}
    assert result.metrics["exact_match"].n == 1


def test_metrics_read_the_sample_s_metadata() -> None:
    metric = Metric(
        "named",
        "the answer is what the metadata says",
        score=lambda reply: float(reply.answer == reply.metadata["is"]),
    )
    task = adding(metrics=("exact_match", metric))
    result = scored(task, [Sample("0", {"text": "0"}, "1", metadata={"is": "x"})], ["x"])
    assert result.metrics["named"].value == 1.0


def test_a_metric_without_an_upper_bound_keeps_its_own_units() -> None:
    metric = Metric("length", "characters", score=lambda reply: float(len(reply.answer)), high=float("inf"))
    result = scored(
        adding(metrics=("exact_match", metric)), samples("1", "2", "3"), ["x" * 10, "x" * 20, "x" * 60]
    )
    assert result.metrics["length"].value == 30.0
    assert result.metrics["length"].high is not None
    assert result.metrics["length"].high > 60


def test_one_sample_of_a_metric_without_a_bound_has_an_open_interval() -> None:
    metric = Metric("length", "characters", score=lambda reply: float(len(reply.answer)), high=float("inf"))
    assert (
        scored(adding(metrics=("exact_match", metric)), samples("1"), ["xxx"]).metrics["length"].high is None
    )


def drawn(
    task: Task, samples: list[Sample], answers: list[list[str | None]], *, truncated: int = 0
) -> Scored:
    """Judge several answers a sample; None is one the extractor cannot read."""
    template = next(iter(task.prompts.templates))
    rows = [
        engine_answer(
            place, sample, template, answer, error="odd", draw=draw, truncated=truncated if place == 0 else 0
        )
        for place, (sample, of_sample) in enumerate(zip(samples, answers, strict=True))
        for draw, answer in enumerate(of_sample)
    ]
    return score_predictions(task, collect(samples, rows))


def test_a_sample_s_score_is_the_mean_over_its_draws() -> None:
    result = drawn(adding(), samples("1", "2"), [["1", "1", "9", "9"], ["2", "2", "2", "9"]])
    value = result.metrics[adding().primary_metric]
    assert (value.value, value.n) == (0.625, 2)
    assert (result.samples.total, result.samples.scored) == (2, 2)
    assert result.table()["draw"].tolist() == [0, 1, 2, 3] * 2


def test_a_sample_counts_when_all_its_draws_were_scored() -> None:
    result = drawn(adding(), samples("1", "2"), [["1", None], ["2", "9"]])
    assert (result.metrics[adding().primary_metric].value, result.metrics[adding().primary_metric].n) == (
        0.5,
        1,
    )
    assert (result.samples.total, result.samples.scored, result.samples.failed) == (2, 1, 1)


def test_samples_whose_prompt_was_cut_are_counted() -> None:
    result = drawn(adding(), samples("1", "2"), [["1", "1"], ["2", "9"]], truncated=7)
    assert result.samples.truncated == 1
    assert result.table()["truncated"].tolist() == [7, 7, 0, 0]


def forms(task: Task, of: list[Sample], answers: list[str | None]) -> list[bool | None]:
    return list(scored(task, of, answers).table()["parsed"])


def test_a_written_answer_has_the_right_form_if_it_is_one_of_its_choices() -> None:
    picked = samples("a", "b", "c", "a", choices=LABELS)
    result = scored(adding(), picked, ["a", " c ", "The answer is c.", None])
    assert list(result.table()["parsed"]) == [True, True, False, None]
    assert result.parsed is not None
    assert (result.parsed.share.value, result.parsed.share.n) == (pytest.approx(2 / 3), 3)
    assert result.parsed.score is not None
    assert (result.parsed.score.value, result.parsed.score.n) == (0.5, 2)


@pytest.mark.parametrize(
    ("metric", "right", "wrong"),
    [
        ("exact_match", "whatever", " "),
        ("numeric_match", "It is 7.", "seven"),
        ("json_f1", '{"a": 1}', "[1]"),
        ("json_recall", "{}", '{"a": 1'),
        ("f1_macro", "any label", ""),
    ],
)
def test_the_primary_metric_says_which_form_an_answer_must_have(metric: str, right: str, wrong: str) -> None:
    task = adding(metrics=(metric,), primary_metric=metric)
    assert forms(task, samples("1", "1"), [right, wrong]) == [True, False]


def test_a_query_has_the_right_form_if_the_database_answers_it() -> None:
    task = adding(metrics=("sql_execution",), primary_metric="sql_execution")
    script = "CREATE TABLE boats (id INT); INSERT INTO boats VALUES (1), (2);"
    asked = samples(*["SELECT id FROM boats"] * 4, metadata={"database": script})
    answers = ["SELECT id FROM boats", "SELECT 1", "SELECT name FROM boats", "DROP TABLE boats"]
    assert forms(task, asked, list(answers)) == [True, True, False, False]


def test_a_choice_always_has_the_right_form() -> None:
    task = adding(output="choice", metrics=("accuracy",), primary_metric="accuracy")
    assert forms(task, samples("a", "b", choices=LABELS), ["a", "c"]) == [True, True]


def test_a_corpus_metric_of_the_answers_with_the_right_form_is_made_of_them_alone() -> None:
    task = adding(metrics=("f1_macro",), primary_metric="f1_macro")
    result = scored(task, samples("a", "b", "b", "c", choices=LABELS), ["a", "b", "a", "nonsense"])
    from sklearn.metrics import f1_score

    assert result.parsed is not None and result.parsed.score is not None
    assert result.parsed.share.value == 0.75
    assert result.parsed.score.value == pytest.approx(
        f1_score(["a", "b", "b"], ["a", "b", "a"], average="macro")
    )
    whole = f1_score(
        ["a", "b", "b", "c"], ["a", "b", "a", "nonsense"], average="macro", labels=["a", "b", "c"]
    )
    assert result.table()["score_f1_macro"].mean() == pytest.approx(whole), (
        "the parts in the whole stay as they are"
    )


def test_an_answer_counts_as_far_as_it_has_the_right_form_in_some_templates() -> None:
    task = adding(prompts=PromptSet({"plain": "{text}", "words": "Add {text}."}))
    result = scored(task, samples("a", "b", choices=LABELS), ["a", "none", "a", "a"])
    assert result.parsed is not None and result.parsed.score is not None
    assert (result.parsed.share.value, result.parsed.share.n) == (0.75, 2)
    assert (result.parsed.score.value, result.parsed.score.n) == (0.5, 2)


def test_where_no_answer_has_the_right_form_there_is_no_score_of_those_that_have() -> None:
    result = scored(adding(), samples("a", "b", choices=LABELS), ["x", "y"])
    assert result.parsed is not None
    assert (result.parsed.share.value, result.parsed.score) == (0.0, None)


def test_a_metric_that_cannot_tell_the_form_leaves_its_sample_unscored_with_the_reason() -> None:
    def tell(reply: Reply) -> bool:
        raise ValueError("no idea")

    odd = Metric("odd", "an odd one", lambda reply: 1.0, parses=tell)
    result = scored(adding(metrics=(odd,), primary_metric="odd"), samples("1"), ["1"])
    assert errors(result)[0].startswith("metric 'odd' raised ValueError: no idea")
    assert result.parsed is None


@pytest.mark.parametrize("given", [100.0, -0.5, float("nan")])
def test_a_corpus_metric_outside_its_range_is_refused_with_its_name(given: float) -> None:
    metric = Metric(
        "percent", "in per cent", counts=lambda reply: {"n": 1.0}, value=lambda sums: sums["n"] * 0 + given
    )
    task = adding(metrics=(metric,), primary_metric="percent")
    with pytest.raises(UserError, match=rf"metric 'percent': its value is {given:g}"):
        scored(task, samples("1", "2"), ["1", "2"])


def test_a_corpus_metric_at_the_end_of_its_range_may_be_rounded() -> None:
    metric = Metric(
        "whole",
        "all of it",
        counts=lambda reply: {"n": 1.0},
        value=lambda sums: sums["n"] * 0 + 1.0000000000000002,
    )
    task = adding(metrics=(metric,), primary_metric="whole")
    assert scored(task, samples("1", "2"), ["1", "2"]).metrics["whole"].value == pytest.approx(1.0)
