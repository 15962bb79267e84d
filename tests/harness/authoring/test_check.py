"""What would spoil a sweep is found before it starts, without a network and without a model."""

import importlib.metadata
import itertools
import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from toy_task import SOURCE, adding, besides_power, plugins_of, rows

from harness.authoring.check import check_sweep, check_task
from harness.authoring.finding import Finding
from harness.data.sources import UnreachableData, generated
from harness.plugins.registry import Plugin, find_plugins
from harness.task import Metric, PromptSet, Rendered, Reply, Sample, Splits

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
    "answers": [
        {"completion": "9", "scores": {"exact_match": 1.0}},
        {"completion": "8", "scores": {"exact_match": 0.0}},
    ],
}


def line_of(text: str) -> int:
    """The line of this file that holds a text first."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def found(level: str, findings: list[Finding]) -> list[str]:
    return [finding.message for finding in findings if finding.level == level]


def check(**changes: Any) -> list[Finding]:
    return besides_power(check_task("adding", plugins_of(adding(**changes))))


def test_a_good_task_has_its_sizes_and_no_fault() -> None:
    assert check() == [Finding("ok", "task 'adding'", "6 train, 2 dev and 4 test samples")]


def asking_alone(sample: Sample, demonstrations: Sequence[Sample]) -> Rendered:
    """A rendering that can ask every sample, and show only some."""
    if any(shown.target == "3" for shown in demonstrations):
        raise AssertionError("not to be shown")
    return Rendered([{"role": "user", "content": sample.fields["text"]}], sample.fields["text"])


def test_a_task_whose_samples_cannot_be_shown_is_warned_of() -> None:
    (warning,) = found("warning", check(prompts=PromptSet({"plain": "{text}"}, render=asking_alone)))
    assert warning.startswith(
        "1 of 6 tried training samples cannot be shown as demonstrations (the first is '"
    )
    assert warning.endswith("; methods that show none, such as zero_shot and lora, can do")
    assert "the task's render raised AssertionError: not to be shown (test_check.py, line " in warning


def test_a_sweep_with_demonstrations_that_cannot_be_shown_is_an_error(tmp_path: Path) -> None:
    plugins = plugins_of(adding(prompts=PromptSet({"plain": "{text}"}, render=asking_alone)))
    path = tmp_path / "sweep.toml"
    for methods, errors in (('["zero_shot", "few_shot"]', 1), ('["zero_shot"]', 0)):
        path.write_text(SWEEP.replace('["zero_shot", "few_shot"]', methods))
        assert len(found("error", check_sweep(path, lambda _: plugins))) == errors


def test_an_unknown_task_is_an_error() -> None:
    assert found("error", check_task("ading", plugins_of(adding()))) == [
        "not found. Did you mean 'adding'? (`gainboard list tasks` shows all)"
    ]


def test_data_that_cannot_be_made_is_an_error() -> None:
    assert found("error", check(data=lambda: Splits(rows(0, 3), [], rows(3, 4))))[0].startswith(
        "split 'dev': no samples"
    )


def unreachable() -> Splits:
    raise UnreachableData("the hub cannot be reached")


def test_data_out_of_reach_is_a_warning() -> None:
    assert found("warning", check(data=unreachable)) == [
        "its samples were not checked: the hub cannot be reached"
    ]


def test_what_lint_finds_is_a_warning() -> None:
    findings = check(prompts=PromptSet({"plain": "{text} + 1", "again": "{text} + 1"}))
    assert found("warning", findings) == [
        "templates 'plain', 'again' render the same text; keep one, or word them differently"
    ]


def test_a_fixed_demonstration_that_is_no_training_sample_is_an_error() -> None:
    prompts = PromptSet({"plain": "{text} + 1"}, demonstrations="fixed", fixed=("0", "77"))
    assert found("error", check(prompts=prompts)) == ["prompts.fixed names '77', which is no training sample"]


def with_tests(number: int) -> Callable[[], Splits]:
    return lambda: Splits(rows(0, 6), rows(6, 8), rows(8, 8 + number))


def test_a_test_set_that_shows_only_large_gaps_is_a_warning() -> None:
    told = " Assumed: two arms differ on 20 % of the samples; 80 % of such gaps would be found."
    for number, level, sentence in (
        (
            30,
            "warning",
            "30 test samples: only gaps above about 23 points show; 5 points would take about 630.",
        ),
        (
            200,
            "ok",
            "200 test samples: only gaps above about 8.9 points show; 5 points would take about 630.",
        ),
        (700, "ok", "700 test samples: gaps above about 4.7 points show."),
    ):
        findings = check_task("adding", plugins_of(adding(data=with_tests(number))))
        assert findings[-1] == Finding(level, "task 'adding'", sentence + told)


def test_a_sweep_is_judged_with_its_seeds_and_one_never_shows_a_gain(write: Write) -> None:
    plugins = plugins_of(adding(data=with_tests(300)))
    said = []
    for seeds in ("[0, 1, 2]", "[0]"):
        path = write("sweep.toml", SWEEP.replace('["adding"]', f'["adding"]\nseeds = {seeds}'))
        findings = check_sweep(path, lambda _: plugins)
        assert "300 test samples: " not in "".join(finding.message for finding in findings), "said once"
        said += [
            (finding.level, finding.place, finding.message.partition(";")[0])
            for finding in findings
            if "Assumed: two arms differ" in finding.message
        ]
    place = f"{path}, task 'adding'"
    assert said == [
        ("ok", place, "300 test samples and 3 seeds: only gaps above about 8.6 points show"),
        ("warning", place, "300 test samples and 1 seed: one seed can never show a gain"),
    ]


# Metrics on the samples' own targets


def test_an_extractor_that_raises_is_an_error() -> None:
    assert found("error", check(extract=lambda text: text.split(":")[1])) == [
        f"extract raised IndexError: list index out of range (test_check.py, line {line_of('text.split(')}) "
        "on the target of train sample '0' (10 of 10 tried)"
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
        Metric(
            "own",
            "fails on one sample",
            counts=lambda reply: {"a": fails_on_ten(reply)},
            value=lambda sums: sums["a"],
        ),
    ],
    ids=["mean", "corpus"],
)
def test_a_metric_that_raises_on_one_sample_is_an_error(metric: Metric) -> None:
    assert found("error", check(metrics=(metric,), primary_metric="own")) == [
        "metric 'own', which must take any answer, raised IndexError: list index out of range "
        f"(test_check.py, line {line_of('get(reply.answer')}) on the target of test sample '1' (1 of 10 tried)"
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (float("nan"), "metric 'own' returned nan; it must be a number from 0 to 1 on the target of"),
        (numpy.ones(2), "metric 'own' returned array([1., 1.]); it must be a number"),
        ("1", "metric 'own' returned '1'; it must be a number"),
        (None, "metric 'own' returned None; it must be a number"),
        (1.5, "metric 'own' returned 1.5; it must be a number from 0 to 1"),
    ],
    ids=["nan", "array", "text", "nothing", "out of range"],
)
def test_a_metric_that_gives_no_number_is_an_error(given: Any, says: str) -> None:
    (error,) = found(
        "error", check(metrics=(Metric("own", "gives no number", lambda reply: given),), primary_metric="own")
    )
    assert says in error


def test_a_binary_metric_that_gives_a_half_is_an_error() -> None:
    half = Metric("own", "half right", lambda reply: 0.5, binary=True)
    (error,) = found("error", check(metrics=(half,), primary_metric="own"))
    assert error.startswith("metric 'own' is binary and returned 0.5; give 0 or 1, or leave binary=True out")


def fails_on_wrong_answers(reply: Reply) -> float:
    return {reply.targets[0]: 1.0}[reply.answer]


def test_a_metric_that_raises_while_levels_are_guessed_stops_no_check() -> None:
    def to_sample(row: Any, index: int) -> Sample:
        return Sample(str(index), {"text": row["text"]}, row["answer"], (row["answer"], "none"))

    metric = Metric("own", "fails on wrong answers", fails_on_wrong_answers)
    findings = check(metrics=(metric,), primary_metric="own", output="choice", to_sample=to_sample)
    assert findings[0].level == "ok" and found("error", findings) == []


def test_a_template_with_a_format_for_numbers_is_an_error() -> None:
    (error,) = found("error", check(prompts=PromptSet({"plain": "{text:d}"})))
    assert error.startswith(
        "split 'train', row 0: template 'plain' cannot be filled with the fields of sample '0'"
    )


@pytest.mark.parametrize(("output", "metric"), [("choice", "accuracy"), ("perplexity", "byte_probability")])
def test_a_slot_for_writing_is_an_error_where_nothing_is_written(output: Any, metric: str) -> None:
    prompts = PromptSet({"plain": "{text} + 1 = [output]"})
    (error,) = found("error", check(prompts=prompts, output=output, metrics=(metric,), primary_metric=metric))
    assert (
        error
        == f"template 'plain' has the slot [output], and output '{output}' takes <mask>; write that instead"
    )


def test_a_metric_that_needs_what_the_task_does_not_give_is_an_error() -> None:
    (error,) = found("error", check(metrics=("exact_match", "brier")))
    assert "metric 'brier' does not fit output 'generate', which takes accuracy, exact_match, " in error


def test_a_target_that_does_not_score_as_its_own_answer_is_a_warning() -> None:
    assert found("warning", check(extract=lambda text: text.rstrip("0"))) == [
        "the target of test sample '1' scores 0 on exact_match as its answer, not 1 (so do 1 of 10 tried); "
        "let extract leave a right answer as the targets have it"
    ]


def test_a_target_that_no_extractor_touched_is_said_not_to_fit_the_metric() -> None:
    never = Metric("never", "no answer is right", lambda reply: 0.0)
    (warning,) = found("warning", check(metrics=(never,), primary_metric="never"))
    assert warning.endswith("the targets do not fit this metric, so change the one or the other")


def test_generated_data_that_differs_from_draw_to_draw_is_an_error() -> None:
    drawn = itertools.count()

    def compose(_: random.Random, index: int, split: str) -> dict[str, str]:
        return {"text": f"{split} {index} {next(drawn)}", "answer": "1"}

    errors = found("error", check(data=generated(compose, train=4, dev=1, test=4, seed=0)))
    assert errors == ["two draws of one seed differ; use only the Random that is passed"]


def test_generated_data_that_is_the_same_in_every_draw_is_no_error() -> None:
    def compose(draws: random.Random, index: int, split: str) -> dict[str, str]:
        return {"text": f"{split} {index} {draws.random()}", "answer": "1"}

    assert found("error", check(data=generated(compose, train=4, dev=1, test=4, seed=0))) == []


def test_a_fault_of_a_prompt_set_is_told_once(tmp_path: Path) -> None:
    prompts = PromptSet({"plain": "{text} + 1"}, demonstrations="fixed", fixed=("77",))
    findings = check_task("adding", plugins_of(adding(prompts=prompts), tmp_path))
    assert found("error", findings) == ["prompts.fixed names '77', which is no training sample"]


def ends() -> Splits:
    sys.exit(0)


def test_an_exit_in_a_plugin_ends_no_check() -> None:
    (error,) = found("error", check(data=ends))
    assert error == f"its data function called exit(0) (test_check.py, line {line_of('sys.exit(0)')})"


def test_what_our_check_stumbles_over_is_an_error_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> list[str]:
        raise TypeError("of\ntwo lines")

    monkeypatch.setattr("harness.authoring.check.lint", stumble)
    (error,) = found("error", check())
    assert error.startswith("our check failed on it: it raised TypeError: of two lines (test_check.py, line ")


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
        ("{text} + 1", '{\\"a\\": 1}', "asks for field '\"a\"', the sample has text (a brace that is meant is doubled)"),
        ("{text} + 1", "{text} {}", "asks for field '', the sample has text (a brace that is meant is doubled)"),
        ("{text} + 1", "<mask> {text} <mask>", "template 'plain': it has 2 slots for the answer (<mask>, <mask>)"),
        ("{text} + 1", "{text} <mask>", "template 'plain' has the slot <mask>, and output 'generate' takes [output]"),
        ("lambda: Splits", "lambda: exit() or Splits", "its data function called exit() (task.py, line"),
        ('row["answer"])', 'exit(3))', "split 'train', row 0: to_sample called exit(3) (task.py, line 14)"),
        ("version=1", "extract=lambda text: exit(0)", "extract called exit(0) (task.py, line 11) on the target of train"),
        ('row["answer"]', '1 / 0', "to_sample raised ZeroDivisionError: division by zero (task.py, line 14)"),
        ('row["answer"]', '__import__("json").loads("{")', "(char 1) (task.py, line 14)"),
        ("version=1", "steps=[]", "steps is []; it must be a tuple of steps"),
        ("lambda: Splits(", "Splits(", "data is Splits(train=[{'text': '0'"),
        ("lambda: Splits", 'lambda: hub_splits("a/b", None, revision=None) or Splits', "revision"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_plugin_is_one_error_that_names_it(
    write: Write, was: str, becomes: str, says: str
) -> None:
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


def test_a_metric_that_raises_on_a_wrong_answer_is_found_before_a_model_gives_one() -> None:
    fussy = Metric(
        "fussy", "the answer as a number", score=lambda reply: 1 / int(reply.answer) * int(reply.answer)
    )
    task = adding(metrics=("exact_match", fussy))
    (error,) = found("error", check_task("adding", plugins_of(task)))
    assert error.startswith("metric 'fussy', which must take any answer, raised ValueError: invalid literal")
    assert "on the answer '' to train sample" in error


# Sweeps


def test_a_good_sweep_has_no_fault(tmp_path: Path, write: Write) -> None:
    write("tasks/adding/task.py", SOURCE.format(name="adding"))
    write("tasks/adding/examples.jsonl", json.dumps(EXAMPLE | {"row": {"text": "8", "answer": "9"}}))
    sweep = SWEEP.replace('["adding"]', '["adding"]\nnum_fewshot = 3')
    findings = check_sweep(write("sweep.toml", sweep), lambda _: find_plugins([tmp_path / "tasks"]))
    assert {finding.level for finding in besides_power(findings)} <= {"ok", "note"}
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
        ('["adding"]', '["adding"]\ngeneration.max_model_len = 8', "warning", "takes about 16 tokens, and 8 fit"),
        ('["adding"]', '["adding"]\ntest_seed = 1', "warning", "test_seed changes nothing"),
        ('["adding"]', '["adding"]\nn_train = 4', "warning", "n_train is 4, there are 3 training samples; all are used"),
        ("toy-llama", "toy-lama", "error", "toy model 'gainboard/toy-lama' not found"),
        ("gainboard/toy-llama", "./nowhere", "error", "'./nowhere' is neither an existing folder"),
        ("gainboard/toy-llama", "owner/model", "error", "needs `revision`"),
        ("gainboard/toy-llama", f'owner/model"\nrevision = "{"a" * 40}', "warning", "is not on this machine; the"),
    ],
)  # fmt: skip
def test_a_fault_of_a_sweep_is_found(
    tmp_path: Path, write: Write, was: str, becomes: str, level: str, says: str
) -> None:
    write("tasks/adding/task.py", SOURCE.format(name="adding"))
    path = write("sweep.toml", SWEEP.replace(was, becomes))
    findings = check_sweep(path, lambda _: find_plugins([tmp_path / "tasks"]))
    assert any(says in message for message in found(level, findings))


def test_a_search_whose_rungs_judge_too_early_is_warned_of(write: Write) -> None:
    text = SWEEP.replace('"few_shot"', '"lora"') + "[defaults.lora]\nlearning_rate = [1e-3, 1e-2]\n"
    searched = write("early.toml", text + "[search]\nrungs = 2\n")
    warnings = found("warning", besides_power(check_sweep(searched, lambda names: plugins_of(adding()))))
    assert any(
        "search.rungs = 2 judges trials before lr_scheduler_type = 'linear'" in each for each in warnings
    )


def test_a_sweep_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    assert check_sweep(path, lambda _: find_plugins()) == [Finding("error", str(path), "no such file")]


def test_a_tasks_folder_that_is_not_there_is_one_error(tmp_path: Path, write: Write) -> None:
    findings = check_sweep(write("sweep.toml", SWEEP), lambda _: find_plugins([tmp_path / "nowhere"]))
    assert len(findings) == 1
    assert "does not exist" in findings[0].message


def test_every_fault_of_a_sweep_is_found_at_once(write: Write) -> None:
    text = SWEEP.replace('["adding"]', '["ading", "gms8k"]').replace("toy-llama", "toy-lama")
    assert len(found("error", check_sweep(write("sweep.toml", text), lambda _: find_plugins()))) == 3


def test_a_guard_task_that_is_not_there_is_named(write: Write) -> None:
    path = write(
        "sweep.toml",
        SWEEP.replace('tasks = ["adding"]', 'tasks = ["adding"]\nguard_tasks = ["word_arithmetik"]'),
    )
    (error,) = found(
        "error", check_sweep(path, lambda names: plugins_of(adding()) | find_plugins(entry_points=False))
    )
    assert error.startswith("not found. Did you mean 'word_arithmetic'?")


def test_a_guard_task_is_checked_like_the_others_but_for_what_is_asked_of_those(write: Write) -> None:
    declared = SWEEP.replace(
        'tasks = ["adding"]', 'tasks = ["adding"]\nguard_tasks = ["story_qa"]\ntemplates = "plain"'
    )
    findings = check_sweep(
        write("sweep.toml", declared), lambda names: plugins_of(adding()) | find_plugins(entry_points=False)
    )
    assert found("error", findings) == []
    assert "task 'story_qa'" in {finding.place for finding in findings}


def test_a_target_that_is_none_of_its_choices_is_a_warning_where_answers_are_written() -> None:
    def to_sample(row: Any, index: int) -> Sample:
        return Sample(str(index), {"text": row["text"]}, row["answer"], choices=("1", "2"))

    (warning,) = [
        text for text in found("warning", check(to_sample=to_sample)) if "form of an answer" in text
    ]
    assert warning.startswith(
        "the target of train sample '2' has not the form of an answer: it is none of its sample's"
    )


def test_a_metric_whose_parses_raises_is_an_error() -> None:
    odd = Metric(
        "odd", "an odd one", lambda reply: float(reply.accepts(reply.answer)), parses=lambda reply: 1 / 0 > 1
    )
    (error,) = found("error", check(metrics=(odd,), primary_metric="odd"))
    assert error.startswith("metric 'odd': parses raised ZeroDivisionError")
