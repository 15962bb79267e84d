"""Tasks whose data is another one at each start."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_task import SOURCE, adding, plugins_of

from harness.authoring.check import check_task
from harness.authoring.finding import Finding
from harness.authoring.second_start import SecondStart, second_start
from harness.plugins.registry import Plugin, find_plugins

SOURCES = {
    "steady": SOURCE.format(name="steady") + "\nprint('noise')\n",
    "of_a_set": SOURCE.format(name="of_a_set").replace("range(6)]", "map(int, {str(n) for n in range(60)})]"),
    "drawn": "import random\n"
    + SOURCE.format(name="drawn").replace("range(6)]", "random.sample(range(10**6), 6)]"),
    "prompts": SOURCE.format(name="prompts").replace(
        'PromptSet({"plain"', 'PromptSet({"".join({f"w{n}" for n in range(60)})'
    ),
    "once": "import os, sys\nassert sys.flags.hash_randomization and 'PYTHONHASHSEED' not in os.environ\n"
    + SOURCE.format(name="once"),
}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plugin]:
    folder = tmp_path_factory.mktemp("tasks")
    for name, source in SOURCES.items():
        (folder / name).mkdir()
        (folder / name / "task.py").write_text(source)
    return find_plugins([folder], entry_points=False)


@pytest.fixture(scope="module")
def again(plugins: dict[str, Plugin]) -> Iterator[SecondStart]:
    with second_start(plugins[name] for name in SOURCES) as start:
        yield start


def errors(findings: list[Finding]) -> list[str]:
    return [finding.message for finding in findings if finding.level == "error"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("steady", None),
        ("of_a_set", "its train samples and dev samples and test samples differ from one start to the next"),
        ("drawn", "its train samples and dev samples and test samples differ from one start to the next"),
        ("prompts", "its prompts differ from one start to the next"),
    ],
)
def test_a_task_that_differs_from_start_to_start_is_an_error_that_says_in_what(
    plugins: dict[str, Plugin], again: SecondStart, name: str, parts: str | None
) -> None:
    told = errors(check_task(name, plugins, again=again))
    assert [error.startswith(parts or "") for error in told] == [True] * (parts is not None)


@pytest.mark.skipif("PYTHONHASHSEED" in os.environ, reason="the task counts on a process without")
def test_a_task_that_can_be_loaded_only_once_is_an_error(
    plugins: dict[str, Plugin], again: SecondStart
) -> None:
    (error,) = errors(check_task("once", plugins, again=again))
    assert error.startswith("it was loaded here, and not in a second process: task 'once' (")
    assert "AssertionError" in error


def test_a_task_that_no_other_process_can_find_is_not_looked_for() -> None:
    with second_start(plugins_of(adding()).values()) as start:
        assert start.look_at("adding").fingerprints is None


def test_a_second_start_that_ends_says_nothing(plugins: dict[str, Plugin], tmp_path: Path) -> None:
    (tmp_path / "ends").mkdir()
    ending = (
        SOURCE.format(name="ends") + "\nimport os, sys\nif os.environ.get('PYTHONHASHSEED'): os._exit(3)\n"
    )
    (tmp_path / "ends" / "task.py").write_text(ending)
    found = {**find_plugins([tmp_path], entry_points=False), "steady": plugins["steady"]}
    with second_start([found["ends"], found["steady"]]) as start:
        assert start.look_at("ends").fingerprints is None
        assert start.look_at("steady").fingerprints is None
