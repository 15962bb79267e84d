"""What would spoil a sweep is found before it starts, without a network and without a model."""

import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_task import SOURCE, adding, plugins_of, rows

from harness.checks import check_sweep, check_task
from harness.checks.finding import Finding
from harness.data.sources import UnreachableData
from harness.metrics import Metric, Reply
from harness.plugins import Plugin, find_plugins
from harness.task import PromptSet, Splits

Write = Callable[[str, str], Path]

SWEEP = """
name = "small"
tasks = ["adding"]

[[candidates]]
name = "toy"
model = "gainboard/toy-llama"
methods = ["zero_shot", "few_shot"]
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


def test_what_lint_finds_is_a_warning() -> None:
    findings = check(prompts=PromptSet({"plain": "{text} + 1", "again": "{text} + 1"}))
    assert found("warning", findings) == [
        "templates 'plain', 'again' render the same text; keep one, or word them differently"
    ]


def test_a_fixed_demonstration_that_is_no_training_sample_is_an_error() -> None:
    prompts = PromptSet({"plain": "{text} + 1"}, demonstrations="fixed", fixed=("0", "77"))
    assert found("error", check(prompts=prompts)) == ["prompts.fixed names '77', which is no training sample"]


# Metrics on the samples' own targets


def test_an_extractor_that_raises_is_an_error() -> None:
    assert found("error", check(extract=lambda text: text.split(":")[1])) == [
        "extract raised IndexError: list index out of range on the target of train sample '0' (10 of 10 tried)"
    ]


def test_an_extractor_that_returns_no_text_is_an_error() -> None:
    (error,) = found("error", check(extract=int))
    assert error.startswith("extract returned int, expected a text")


def fails_on_ten(reply: Reply) -> float:
    return {"10": [], "9": [1]}.get(reply.answer, [1])[0]


@pytest.mark.parametrize(
    "metric",
    [
        Metric("own", "fails on one sample", fails_on_ten),
        Metric("own", "fails on one sample", counts=lambda reply: {"a": fails_on_ten(reply)}, value=lambda sums: sums["a"]),
    ],
    ids=["mean", "corpus"],
)
def test_a_metric_that_raises_on_one_sample_is_an_error(metric: Metric) -> None:
    assert found("error", check(metrics=(metric,), primary_metric="own")) == [
        "metric 'own', which must take any answer, raised IndexError: list index out of range on the target of "
        "test sample '1' (1 of 10 tried)"
    ]


def test_a_metric_that_needs_what_the_task_does_not_give_is_an_error() -> None:
    (error,) = found("error", check(metrics=("exact_match", "brier")))
    assert error.startswith("metric 'brier': ")
    assert "needs the log-probability of every choice" in error


def test_a_target_that_does_not_score_as_its_own_answer_is_a_warning() -> None:
    assert found("warning", check(extract=lambda text: text.rstrip("0"))) == [
        "the target of test sample '1' scores 0 on exact_match as its answer, not 1 (so do 1 of 10 tried); "
        "let extract leave a right answer as the targets have it"
    ]


def test_a_metric_without_an_upper_bound_is_not_held_to_one() -> None:
    length = Metric("length", "characters of the answer", lambda reply: len(reply.answer), high=float("inf"))
    assert found("warning", check(metrics=("exact_match", length))) == []


# What a plugin's author can get wrong, from the file to the sample


def load(write: Write, source: str) -> list[Finding]:
    path = write("tasks/adding/task.py", source)
    return check_task("adding", find_plugins([path.parents[1]]))


GOOD = SOURCE.format(name="adding")


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("version=1,", "version=1,,", "SyntaxError: invalid syntax (task.py, line 11)"),
        ("version=1", "version=ROW", "NameError: name 'ROW' is not defined (task.py, line 11)"),
        ("from harness", "import pandsa\nfrom harness", "ModuleNotFoundError: No module named 'pandsa'; install it, or"),
        ('"adding",', '"adding", verison=2,', "unexpected keyword argument 'verison'"),
        ('"Add one."', "7", "description is 7; it must be a text"),
        ("version=1", 'version="1"', "version is '1'; it must be a whole number"),
        ('("exact_match",)', '["exact_match"]', "metrics is ['exact_match']; it must be a tuple of metric names"),
        ('("exact_match",)', '("exact_mach",)', "metric 'exact_mach' not found. Did you mean 'exact_match'?"),
        ('PromptSet({"plain": "{text} + 1"})', '"{text} + 1"', "prompts is '{text} + 1'; it must be a PromptSet"),
        ('{"plain": "{text} + 1"}', '"{text} + 1"', "prompts.templates is '{text} + 1'; it must be a dict"),
        ('{"plain": "{text} + 1"}', '{"plain": 1}', "template 'plain' is 1; it must be a text"),
        ('+ 1"}', '+ 1"}, marker=None', "prompts.marker is None; it must be a text"),
        ("lambda row, index:", "lambda row:", "to_sample takes (row); it is called with (row, index): too many positional"),
        ("lambda row, index:", "lambda row, index, split:", "missing a required argument: 'split'"),
        ("lambda: Splits", "lambda seed: Splits", "data takes (seed); it is called with (): missing"),
        ("Splits(ROWS[:3], ROWS[3:4], ROWS[4:])", "ROWS", "its data function returned list, expected Splits"),
        ("lambda: Splits", "lambda: open('no.csv')", "its data function raised FileNotFoundError: [Errno 2] No such file"),
        ("ROWS[3:4]", "[]", "split 'dev': no samples; a task needs at least one in each"),
        ("ROWS[3:4]", "None", "split 'dev': a NoneType, expected a list of rows"),
        ("ROWS[4:])", "ROWS[4:] + [{}])", "split 'test', row 2: the row has no column 'text'; it has none."),
        ('row["answer"]', 'row["anser"]', "no column 'anser'; it has text, answer. Did you mean 'answer'?"),
        ('row["answer"]', '{"1": "one"}[row["text"]]', "split 'train', row 0: to_sample raised KeyError: '0'"),
        ('row["answer"]', 'int(row["answer"])', "sample '0' has the target 1; a target is a non-empty text"),
        ('{"text": row["text"]}', '{"text": int(row["text"])}', "sample '0' has a field that is not a text"),
        ('{"text": row["text"]}', 'row["text"]', "sample '0' has the fields '0'; they must be a dict from names to texts"),
        ('row["answer"])', 'row["answer"], metadata=None)', "sample '0' has the metadata None; they must be a dict"),
        ("Sample(str(index)", 'Sample("same"', "split 'train', row 1: the id 'same' is used twice"),
        ("Sample(str(index)", "Sample(index", "split 'train', row 0: the id 0 is not a non-empty text"),
        ("{text} + 1", "{txt} + 1", "template 'plain' asks for field 'txt', the sample has text. Did you mean 'text'?"),
        ("{text} + 1", "{text} + {1", "template 'plain' is not a format string"),
        ("lambda: Splits", 'lambda: hub_splits("a/b", None, revision=None) or Splits', "revision"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_plugin_is_one_error_that_names_it(write: Write, was: str, becomes: str, says: str) -> None:
    assert was in GOOD
    source = GOOD.replace(was, becomes)
    if "hub_splits" in source:
        source = source.replace("import PromptSet", "import hub_splits, PromptSet")
    errors = found("error", load(write, source))
    assert len(errors) == 1
    assert says in errors[0]


def test_the_examples_of_an_installed_task_are_found_beside_its_module(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("installed_adding.py", GOOD)
    write("examples.jsonl", json.dumps({"row": {}}))
    monkeypatch.syspath_prepend(tmp_path)
    entry = importlib.metadata.EntryPoint("adding", "installed_adding:adding", "gainboard.tasks")
    findings = check_task("adding", {"adding": Plugin("adding", entry.value, None, entry.load)})
    assert found("error", findings) == ['\'sample\' must be an object {"id": …, "target": …}']


# Sweeps


def test_a_good_sweep_has_no_fault(tmp_path: Path, write: Write) -> None:
    write("tasks/adding/task.py", SOURCE.format(name="adding"))
    write("tasks/adding/examples.jsonl", json.dumps(EXAMPLE | {"row": {"text": "8", "answer": "9"}}))
    sweep = SWEEP.replace('["adding"]', '["adding"]\nnum_fewshot = 3')
    findings = check_sweep(write("sweep.toml", sweep), lambda _: find_plugins([tmp_path / "tasks"]))
    assert {finding.level for finding in findings} == {"ok"}
    assert findings[-1].message == "model gainboard/toy-llama"


@pytest.mark.parametrize(
    ("was", "becomes", "level", "says"),
    [
        ('name = "small"', 'nam = "small"', "error", "unknown key 'nam'. Did you mean 'name'?"),
        ('["adding"]', '["ading"]', "error", "not found. Did you mean 'adding'?"),
        ('["adding"]', '["adding"]\ntemplates = ["plane"]', "error", "templates: template 'plane' not found; there are"),
        ('["adding"]', '["adding"]\ntrain_templates = "plan"', "error", "train_templates: template 'plan' not found;"),
        ('["adding"]', '["adding"]\ndemonstrations = "fixed"', "error", "the task names none; give prompts.fixed the ids"),
        ('["adding"]', '["adding"]\nn_train = [2, 9]', "warning", "n_train is 9, there are 3 training samples"),
        ('["adding"]', '["adding"]\nnum_fewshot = 5', "warning", "num_fewshot is 5, there are 3 training samples"),
        ('["adding"]', '["adding"]\ntest_seed = 1', "warning", "test_seed changes nothing"),
        ('["adding"]', '["adding"]\nn_train = 4', "warning", "n_train is 4, there are 3 training samples; all are used"),
        ("toy-llama", "toy-lama", "error", "toy model 'gainboard/toy-lama' not found"),
        ("gainboard/toy-llama", "./nowhere", "error", "'./nowhere' is neither an existing folder"),
        ("gainboard/toy-llama", "owner/model", "error", "needs `revision`"),
    ],
)  # fmt: skip
def test_a_fault_of_a_sweep_is_found(tmp_path: Path, write: Write, was: str, becomes: str, level: str, says: str) -> None:
    write("tasks/adding/task.py", SOURCE.format(name="adding"))
    path = write("sweep.toml", SWEEP.replace(was, becomes))
    findings = check_sweep(path, lambda _: find_plugins([tmp_path / "tasks"]))
    assert any(says in message for message in found(level, findings))


def test_a_sweep_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    assert check_sweep(path) == [Finding("error", str(path), "no such file")]


def test_a_tasks_folder_that_is_not_there_is_one_error(tmp_path: Path, write: Write) -> None:
    findings = check_sweep(write("sweep.toml", SWEEP), lambda _: find_plugins([tmp_path / "nowhere"]))
    assert len(findings) == 1
    assert "does not exist" in findings[0].message


def test_every_fault_of_a_sweep_is_found_at_once(write: Write) -> None:
    text = SWEEP.replace('["adding"]', '["ading", "gms8k"]').replace("toy-llama", "toy-lama")
    assert len(found("error", check_sweep(write("sweep.toml", text)))) == 3
