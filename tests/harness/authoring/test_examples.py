"""A task is held to its examples: prompts as they are rendered, completions as they are scored."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from toy_task import adding, besides_power, plugins_of

from harness.authoring.check import check_task
from harness.authoring.finding import Finding
from harness.data.sources import UnreachableData
from harness.task import Metric, PromptSet, Row, Sample, Splits

EXAMPLE: dict[str, Any] = {
    "sample": {"id": "0", "target": "9"},
    "prompt": "8 + 1\nAnswer:",
    "answers": [
        {"completion": "9", "scores": {"exact_match": 1.0}},
        {"completion": "8", "scores": {"exact_match": 0.0}},
    ],
}


def found(level: str, findings: list[Finding]) -> list[str]:
    return [finding.message for finding in findings if finding.level == level]


def check_examples(folder: Path, *lines: object, **changes: Any) -> list[Finding]:
    """Check the task with an examples file of these lines, each an object or raw text."""
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "examples.jsonl").write_text(text, encoding="utf-8")
    return [
        finding
        for finding in check_task("adding", plugins_of(adding(**changes), folder))
        if "examples" in finding.place
    ]


def answers(*scored: tuple[str, dict[str, float]]) -> dict[str, Any]:
    return {"answers": [{"completion": completion, "scores": scores} for completion, scores in scored]}


def unreachable() -> Splits:
    raise UnreachableData("the hub cannot be reached")


def test_a_task_folder_without_examples_is_a_warning(tmp_path: Path) -> None:
    findings = besides_power(check_task("adding", plugins_of(adding(), tmp_path)))
    assert len(found("warning", findings)) == 1
    assert found("warning", findings)[0].startswith("no such file")


def test_examples_that_hold_are_counted(tmp_path: Path) -> None:
    assert found("ok", check_examples(tmp_path, EXAMPLE)) == ["2 completions score as they should"]


def test_an_example_may_bring_its_own_row(tmp_path: Path) -> None:
    line = EXAMPLE | {"row": {"text": "8", "answer": "9"}}
    assert found("ok", check_examples(tmp_path, line, data=unreachable)) == [
        "2 completions score as they should"
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 1: not valid JSON"),
        ("[]", "line 1: expected a JSON object"),
        (EXAMPLE | {"promt": ""}, "unknown key 'promt'"),
        (EXAMPLE | {"sample": "0"}, "'sample' must be an object"),
        (EXAMPLE | {"sample": {"id": "77", "target": "9"}}, "sample '77' is not in test"),
        (EXAMPLE | {"sample": {"id": "0", "target": "8"}}, "the sample has id '0' and target \"9\""),
        (EXAMPLE | {"prompt": "8 + 1"}, 'the prompt is rendered as "8 + 1\\nAnswer:"'),
        ({key: value for key, value in EXAMPLE.items() if key != "prompt"}, "the prompt is rendered as"),
        (EXAMPLE | {"row": {}}, "the row has no column 'text'; it has none."),
        (EXAMPLE | {"answers": []}, "'answers' must be a list"),
        (EXAMPLE | {"answers": [{"completion": 9, "scores": {"exact_match": 1}}]}, "'answers' must be a list"),
        (EXAMPLE | {"answers": [{"completion": "9", "scores": {}}]}, "at least the primary metric 'exact_match'"),
        (EXAMPLE | {"answers": [{"completion": "9", "scores": {"exact_match": 1, "f1": 1}}]}, "no others than exact_match"),
        (EXAMPLE | {"answers": [{"completion": "9", "scores": {"exact_match": "1"}}]}, "'answers' must be a list"),
        (EXAMPLE | {"answers": [{"completion": "9", "scores": {"exact_match": 0}}]}, "on exact_match; the example states 0"),
    ],
)  # fmt: skip
def test_an_example_that_does_not_hold_is_an_error(tmp_path: Path, line: object, says: str) -> None:
    errors = found("error", check_examples(tmp_path, line))
    assert len(errors) == 1
    assert says in errors[0]


def test_examples_that_all_score_the_same_are_a_warning(tmp_path: Path) -> None:
    line = EXAMPLE | {"answers": EXAMPLE["answers"][:1]}
    assert found("warning", check_examples(tmp_path, line)) == [
        "every completion scores the same; add a right or a wrong one"
    ]


def test_an_extractor_that_raises_is_an_error(tmp_path: Path) -> None:
    errors = found("error", check_examples(tmp_path, EXAMPLE, extract=lambda text: text.split(":")[1]))
    assert len(errors) == 1
    assert re.fullmatch(
        r'extract raised IndexError: list index out of range \(test_examples.py, line \d+\) on "9"', errors[0]
    )


def test_an_example_of_a_choice_task_is_scored_as_if_the_model_were_certain(tmp_path: Path) -> None:
    changes = {
        "output": "choice",
        "metrics": ("accuracy", "accuracy_norm", "brier"),
        "primary_metric": "accuracy",
    }

    def to_sample(row: Row, index: int) -> Sample:
        return Sample(str(index), {"text": row["text"]}, row["answer"], ("9", "10"))

    right = ("9", {"accuracy": 1, "accuracy_norm": 1, "brier": 0})
    wrong = ("10", {"accuracy": 0, "accuracy_norm": 0, "brier": 2})
    line = EXAMPLE | {"row": {"text": "8", "answer": "9"}} | answers(right, wrong)
    findings = check_examples(tmp_path, line, data=unreachable, to_sample=to_sample, **changes)
    assert found("ok", findings) == ["2 completions score as they should"]


def test_metrics_of_an_example_see_the_metadata_of_its_row(tmp_path: Path) -> None:
    def to_sample(row: Row, index: int) -> Sample:
        return Sample(str(index), {"text": row["text"]}, row["answer"], metadata={"unit": row["unit"]})

    def with_unit(reply: Any) -> float:
        return float(reply.answer == f"{reply.targets[0]} {reply.metadata['unit']}")

    line = (
        EXAMPLE
        | {"row": {"text": "8", "answer": "9", "unit": "km"}}
        | answers(("9 km", {"own": 1}), ("9", {"own": 0}))
    )
    own = Metric("own", "the answer has the unit", with_unit)
    findings = check_examples(
        tmp_path, line, data=unreachable, to_sample=to_sample, metrics=(own,), primary_metric="own"
    )
    assert found("ok", findings) == ["2 completions score as they should"]


def test_a_primary_metric_without_scores_of_single_samples_need_not_be_stated(tmp_path: Path) -> None:
    line = EXAMPLE | answers(("9", {"exact_match": 1}), ("8", {"exact_match": 0}))
    findings = check_examples(tmp_path, line, metrics=("f1_macro", "exact_match"), primary_metric="f1_macro")
    assert found("ok", findings) == ["2 completions score as they should"]


def test_a_corpus_metric_is_stated_as_its_value_over_the_one_answer(tmp_path: Path) -> None:
    line = EXAMPLE | answers(("9", {"chrf": 1}), ("x", {"chrf": 0}))
    findings = check_examples(tmp_path, line, metrics=("chrf",), primary_metric="chrf")
    assert found("ok", findings) == ["2 completions score as they should"]


def measuring(folder: Path, *lines: object) -> list[Finding]:
    metric = {"metrics": ("byte_probability",), "primary_metric": "byte_probability"}
    return check_examples(folder, *lines, output="perplexity", **metric)


def test_a_perplexity_task_needs_no_examples(tmp_path: Path) -> None:
    metric = {"metrics": ("byte_probability",), "primary_metric": "byte_probability"}
    findings = check_task("adding", plugins_of(adding(output="perplexity", **metric), tmp_path))
    assert {finding.level for finding in findings} <= {"ok", "note"}


def test_an_example_of_a_perplexity_task_has_a_prompt_and_no_answers(tmp_path: Path) -> None:
    prompt_only = {key: value for key, value in EXAMPLE.items() if key != "answers"}
    assert {finding.level for finding in measuring(tmp_path, prompt_only)} <= {"ok", "note"}
    assert found("error", measuring(tmp_path, EXAMPLE)) == [
        "a perplexity task writes nothing; leave 'answers' out"
    ]


def test_a_row_that_makes_no_valid_sample_is_an_error(tmp_path: Path) -> None:
    line = EXAMPLE | {"row": {"text": "8", "answer": 9}}
    (error,) = found("error", check_examples(tmp_path, line, data=unreachable))
    assert error.startswith("sample '0' has the target 9; a target is a non-empty text")


def test_a_metric_that_raises_on_an_example_is_named(tmp_path: Path) -> None:
    own = Metric("own", "a quotient", lambda reply: 1 / int(reply.answer))
    line = EXAMPLE | answers(("0", {"own": 1}))
    (error,) = found("error", check_examples(tmp_path, line, metrics=(own,), primary_metric="own"))
    assert error.startswith(
        "metric 'own', which must take any answer, raised ZeroDivisionError: division by zero (test_exam"
    )


def test_the_prompt_is_that_of_the_first_template(tmp_path: Path) -> None:
    prompts = PromptSet({"other": "Add one to {text}", "plain": "{text} + 1"})
    (error,) = found("error", check_examples(tmp_path, EXAMPLE, prompts=prompts))
    assert error.startswith('the prompt is rendered as "Add one to 8\\nAnswer:"')
