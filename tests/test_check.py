"""What would spoil a sweep is found before it starts, without a network and without a model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_task import SOURCE, adding, plugins_of, rows

from harness.check import Finding, check_sweep, check_task
from harness.data import UnreachableData
from harness.task import PromptSet, Sample, Splits

Write = Callable[[str, str], Path]

SWEEP = """
name = "small"
tasks = ["adding"]

[[candidates]]
name = "toy"
model = "gainboard/toy-llama"
"""

EXAMPLE: dict[str, Any] = {
    "sample": {"id": "0", "target": "9"},
    "prompt": "8 + 1\nAnswer:",
    "answers": [{"completion": "9", "scores": {"exact_match": 1.0}}, {"completion": "8", "scores": {"exact_match": 0.0}}],
}


def found(level: str, findings: list[Finding]) -> list[str]:
    return [finding.message for finding in findings if finding.level == level]


def check(**changes: Any) -> list[Finding]:
    return check_task("adding", plugins_of(adding(**changes)))


def check_examples(folder: Path, *lines: object, **changes: Any) -> list[Finding]:
    """Check the task with an examples file of these lines, each an object or raw text."""
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "examples.jsonl").write_text(text, encoding="utf-8")
    return [
        finding for finding in check_task("adding", plugins_of(adding(**changes), folder)) if "examples" in finding.where
    ]


def choosing(choices: tuple[str, ...], **changes: Any) -> list[Finding]:
    return check(
        output="choice",
        metrics=("accuracy",),
        primary_metric="accuracy",
        to_sample=lambda row, index: Sample(str(index), {"text": row["text"]}, choices[0], choices),
        **{"chance": 1 / len(choices), **changes},
    )


def test_a_good_task_has_its_sizes_and_no_fault() -> None:
    assert check() == [Finding("ok", "task 'adding'", "6 train, 2 dev and 4 test samples")]


def test_an_unknown_task_is_an_error() -> None:
    assert found("error", check_task("ading", plugins_of(adding()))) == [
        "not found. Did you mean 'adding'? (`gainboard list tasks` shows all)"
    ]


def test_data_that_cannot_be_made_is_an_error() -> None:
    assert found("error", check(data=lambda: Splits(rows(0, 3), [], rows(3, 4))))[0].startswith("split 'dev': no samples")


def unreachable() -> Splits:
    raise UnreachableData("the hub cannot be reached")


def test_data_out_of_reach_is_a_warning() -> None:
    assert found("warning", check(data=unreachable)) == ["its samples were not checked: the hub cannot be reached"]


def test_test_samples_that_read_like_training_samples_are_counted() -> None:
    findings = check(data=lambda: Splits(rows(0, 6), rows(5, 7), rows(3, 10)))
    assert found("warning", findings) == [
        "1 of 2 dev samples read like a training sample; their answers can be memorised",
        "3 of 7 test samples read like a training sample; their answers can be memorised",
    ]


def test_templates_that_render_the_same_are_named() -> None:
    prompts = PromptSet({"plain": "{text} + 1", "short": "{text}+1", "again": "{text} + 1"})
    assert found("warning", check(prompts=prompts)) == [
        "templates 'plain', 'again' render the same text; keep one, or word them differently"
    ]


def test_one_prompt_with_two_targets_is_a_conflict() -> None:
    both = [{"text": "1", "answer": "2"}, {"text": "1", "answer": "3"}]
    findings = check(data=lambda: Splits(both, rows(6, 8), rows(8, 12)))
    assert found("warning", findings) == [
        '1 prompts have different targets in different samples, the first is "1 + 1\\nAnswer:"'
    ]


def test_a_choice_that_begins_another_is_unfair() -> None:
    assert found("warning", choosing(("part", "parts", "whole"))) == [
        "choice 'part' begins 'parts' and is never less likely; rename one of them"
    ]


def test_choices_that_only_share_letters_are_fair() -> None:
    assert found("warning", choosing(("parting", "parts"))) == []


def test_a_wrong_chance_level_is_named() -> None:
    assert found("warning", choosing(("a", "b", "c", "d"), chance=0.0)) == [
        "chance is 0, guessing evenly among the choices scores 0.25"
    ]


def test_a_task_folder_without_examples_is_a_warning(tmp_path: Path) -> None:
    findings = check_task("adding", plugins_of(adding(), tmp_path))
    assert len(found("warning", findings)) == 1
    assert found("warning", findings)[0].startswith("no such file")


def test_examples_that_hold_are_counted(tmp_path: Path) -> None:
    assert found("ok", check_examples(tmp_path, EXAMPLE)) == ["2 completions score as they should"]


def test_an_example_may_bring_its_own_row(tmp_path: Path) -> None:
    line = EXAMPLE | {"row": {"text": "8", "answer": "9"}}
    assert found("ok", check_examples(tmp_path, line, data=unreachable)) == ["2 completions score as they should"]


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
        (EXAMPLE | {"row": {}}, "to_sample raised KeyError: 'text'"),
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
    assert errors == ['extract raised IndexError: list index out of range on "9"']


def test_a_good_sweep_has_no_fault(tmp_path: Path, write: Write) -> None:
    write("tasks/adding/task.py", SOURCE.format(name="adding"))
    write("tasks/adding/examples.jsonl", json.dumps(EXAMPLE | {"row": {"text": "8", "answer": "9"}}))
    findings = check_sweep(write("sweep.toml", SWEEP), [tmp_path / "tasks"])
    assert {finding.level for finding in findings} == {"ok"}
    assert findings[-1].message == "model gainboard/toy-llama"


@pytest.mark.parametrize(
    ("was", "becomes", "level", "says"),
    [
        ('name = "small"', 'nam = "small"', "error", "unknown key 'nam'. Did you mean 'name'?"),
        ('["adding"]', '["ading"]', "error", "not found. Did you mean 'adding'?"),
        ('["adding"]', '["adding"]\ntemplate = "plane"', "error", "template 'plane' not found; there are plain."),
        ('["adding"]', '["adding"]\nn_train = 4', "warning", "n_train is 4, there are 3 training samples; all are used"),
        ("toy-llama", "toy-lama", "error", "toy model 'gainboard/toy-lama' not found"),
        ("gainboard/toy-llama", "./nowhere", "error", "'./nowhere' is neither an existing folder"),
        ("gainboard/toy-llama", "owner/model", "error", "needs `revision`"),
    ],
)  # fmt: skip
def test_a_fault_of_a_sweep_is_found(tmp_path: Path, write: Write, was: str, becomes: str, level: str, says: str) -> None:
    write("tasks/adding/task.py", SOURCE.format(name="adding"))
    path = write("sweep.toml", SWEEP.replace(was, becomes))
    findings = check_sweep(path, [tmp_path / "tasks"])
    assert any(says in message for message in found(level, findings))


def test_a_sweep_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    assert check_sweep(path) == [Finding("error", str(path), "no such file")]


def test_a_tasks_folder_that_is_not_there_is_one_error(tmp_path: Path, write: Write) -> None:
    findings = check_sweep(write("sweep.toml", SWEEP), [tmp_path / "nowhere"])
    assert len(findings) == 1
    assert "does not exist" in findings[0].message


def test_every_fault_of_a_sweep_is_found_at_once(write: Write) -> None:
    text = SWEEP.replace('["adding"]', '["ading", "gms8k"]').replace("toy-llama", "toy-lama")
    assert len(found("error", check_sweep(write("sweep.toml", text)))) == 3
