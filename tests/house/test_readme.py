"""What the README, and those beside what they describe, say is what the code does."""

import inspect
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from commands import gainboard
from places import ROOT

import harness
from harness import METRICS, LabelSet, NumberRange, OrderedLabels, Step, cli
from harness.authoring.check import check_task
from harness.cli.publishing import EXPORT_FORMATS
from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.plan.ensembles import plan_ensembles
from harness.plan.runs import make_runs
from harness.plugins.registry import find_plugins, load_task
from harness.records.scores import MANY_CUT
from harness.sweep.sweep import Sweep, load_sweep
from harness.sweep.thoughts import MAX_THOUGHT_TOKENS
from leaderboards.board import COLUMNS
from leaderboards.write.address import check_address

DOCUMENTS = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (
        "README.md",
        "harness/README.md",
        "leaderboards/README.md",
        "tasks/README.md",
        "tests/bench/README.md",
    )
}
"""The first page, and those beside what they describe: together they say everything."""

README = DOCUMENTS["README.md"]
TEXT = "\n".join(DOCUMENTS.values())


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


COMMANDS = sorted(
    {
        line.split("#")[0].strip()
        for block in blocks("sh", TEXT)
        for line in block.splitlines()
        if line.startswith("gainboard")
    }
)


def test_a_person_reads_it_in_one_sitting_and_finds_the_others_from_it() -> None:
    assert len(README.splitlines()) <= 200
    assert set(DOCUMENTS) - {"README.md"} <= set(re.findall(r"\]\(([^)#]+)\)", README))


def test_it_opens_with_what_to_install_on_which_machine() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = set(tomllib.load(file)["project"]["optional-dependencies"])
    commands = [line.split("#")[0].strip() for line in blocks("sh")[0].splitlines()]
    assert all(command.startswith("python3 -m pip install ") for command in commands)
    named = {extra for command in commands for extra in _extras(command)}
    assert named == {"train", "vllm", "cpu"}
    assert named | {"lm-eval", "search", "ray", "xlsx"} <= extras
    assert extras - named - {"test", "bench"} == {
        extra for extra in ("lm-eval", "search", "ray", "xlsx") if f"`{extra}`" in README
    }


def _extras(command: str) -> list[str]:
    inside = re.search(r"\[(.*)\]", command)
    return inside[1].split(",") if inside else []


def test_then_come_the_two_commands_of_a_checkout() -> None:
    first, second = blocks("sh")[1].splitlines()
    assert first.split("#")[0].strip() == "python3 -m pip install tox && tox -e quickstart"
    assert second.split("#")[0].strip() == "tox"
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("/tox")


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_understood(command: str) -> None:
    assert cli.build_parser().parse_args(shlex.split(command)[1:]).verb


def test_its_workflow_for_pages_runs_commands_that_there_are() -> None:
    yaml = pytest.importorskip("yaml")
    (workflow,) = (yaml.safe_load(block) for block in blocks("yaml", TEXT))
    steps = workflow["jobs"]["publish"]["steps"]
    (command,) = (step["run"] for step in steps if step.get("run", "").startswith("gainboard"))
    options = cli.build_parser().parse_args(shlex.split(command)[1:])
    assert check_address(options.url) and options.verb
    # What is published is what is kept for the next time, and what is uploaded.
    assert {step["with"]["path"] for step in steps if "path" in step.get("with", {})} == {str(options.out)}
    assert workflow["permissions"]["pages"] == "write"


def test_it_names_every_column_of_a_board_and_every_format_of_an_export() -> None:
    for name in COLUMNS:
        assert f"`{name}`" in TEXT
    for form in EXPORT_FORMATS:
        assert form in TEXT


def test_its_sweep_is_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(blocks("toml")[0])
    sweep = load_sweep(tmp_path / "sweep.toml")
    assert isinstance(sweep, Sweep)
    assert sweep.candidates[0].methods == ("zero_shot", "few_shot", "lora", "full")


def test_its_search_and_its_ensembles_are_part_of_a_sweep(tmp_path: Path) -> None:
    (sweep,), (settings, _) = blocks("toml"), blocks("toml", DOCUMENTS["harness/README.md"])
    # The same table may not stand twice in a file: the search's settings take the place of the first ones.
    without = re.sub(r"^\[defaults\.lora\].*?\n\n", "", sweep, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "sweep.toml").write_text(without + settings)
    loaded = load_sweep(tmp_path / "sweep.toml")
    assert loaded.search.budget is not None
    found = [load_task(name, find_plugins(entry_points=False)) for name in loaded.all_tasks]
    tasks = {task.name: LoadedTask(task, load_dataset(task)) for task in found}
    runs = make_runs(loaded, tasks, fingerprint=lambda model, revision: "f", limit=None)
    assert {run.candidate.method for run in runs if run.search is not None} == {"lora"}
    assert [ensemble.spec.name for ensemble in plan_ensembles(loaded.ensembles, runs, tasks)] == [
        "qwen-vote"
    ] * 3


def test_its_thinking_candidates_are_part_of_a_sweep(tmp_path: Path) -> None:
    (sweep,), (_, candidates) = blocks("toml"), blocks("toml", DOCUMENTS["harness/README.md"])
    (tmp_path / "sweep.toml").write_text(sweep + candidates)
    _, thinking, answering = load_sweep(tmp_path / "sweep.toml").candidates
    assert (thinking.model, thinking.max_thought_tokens) == (answering.model, 2048)
    assert answering.chat_template_kwargs == {"enable_thinking": False}
    text = DOCUMENTS["harness/README.md"]
    assert f"{MAX_THOUGHT_TOKENS:,}" in text and f"Above {100 * MANY_CUT:.0f} %" in text


def test_its_task_is_a_task(tmp_path: Path) -> None:
    folder = tmp_path / "add_one"
    folder.mkdir()
    (folder / "task.py").write_text(blocks("python")[0])
    dataset = load_dataset(load_task("add_one", find_plugins([tmp_path])))
    assert (len(dataset.train), dataset.test[0].target) == (60, "81")
    assert not [
        finding for finding in check_task("add_one", find_plugins([tmp_path])) if finding.level == "error"
    ]


def test_its_task_takes_no_more_than_fifteen_lines_of_code() -> None:
    assert len([line for line in blocks("python")[0].splitlines() if line.strip()]) <= 15


def test_its_chat_file_is_read_and_written_as_it_says(tmp_path: Path) -> None:
    (lines,) = blocks("jsonl", DOCUMENTS["tasks/README.md"])
    (tmp_path / "chats.jsonl").write_text(lines)
    targets = [
        chat.conversation.turns[-1]["content"] for chat in harness.read_chats(tmp_path / "chats.jsonl").chats
    ]
    assert targets == ["Booked.", "Yes.", "ein Tisch", "There is."]
    new, export = (line.split("#")[0] for line in blocks("sh", DOCUMENTS["tasks/README.md"])[0].splitlines())
    made, exported = (gainboard(tmp_path, *shlex.split(command)[1:]) for command in (new, export))
    assert "4 conversations, 6 samples" in made.stdout, made.stderr
    assert exported.returncode == 0, exported.stderr
    written = harness.read_chats(tmp_path / "travel-train.jsonl")
    assert not written.notes and 1 <= len(written.chats) < 4


def test_it_names_every_metric_and_every_step() -> None:
    functions = {
        name: getattr(harness, name) for name in harness.__all__ if inspect.isfunction(getattr(harness, name))
    }
    steps = [
        name for name, function in functions.items() if inspect.signature(function).return_annotation is Step
    ]
    assert len(steps) == 6
    makers = (LabelSet(("a", "b")), NumberRange(0, 1, tolerance=0.1), OrderedLabels(("1", "2")))
    made = [metric.name for maker in makers for metric in maker.metrics]
    for name in (*METRICS, *made, *steps):
        assert f"`{name}`" in TEXT


def test_it_names_every_bundled_task() -> None:
    for name in find_plugins(entry_points=False):
        assert f"`{name}`" in TEXT


def test_its_files_exist() -> None:
    for name, text in DOCUMENTS.items():
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert ((ROOT / name).parent / target).exists(), f"{name}: {target}"


def test_its_code_for_results_works(tmp_path: Path) -> None:
    for code in (blocks("python")[1], *blocks("python", DOCUMENTS["harness/README.md"])):
        assert "harness.load_results" in code
    assert harness.load_results(tmp_path).empty


def test_every_block_of_code_is_one_that_is_tried_here() -> None:
    counts = {
        name: {language: len(blocks(language, text)) for language in ("python", "toml", "yaml")}
        for name, text in DOCUMENTS.items()
    }
    assert counts["README.md"] == {"python": 2, "toml": 1, "yaml": 0}
    assert counts["harness/README.md"] == {"python": 1, "toml": 2, "yaml": 0}
    assert counts["leaderboards/README.md"] == {"python": 0, "toml": 0, "yaml": 1}
    assert not any([*counts["tasks/README.md"].values(), *counts["tests/bench/README.md"].values()])
