"""Tasks are found in folders and in installed packages, and a broken one is named."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from installed import need
from places import TESTS
from toy_task import SOURCE

import harness
from harness.errors import UserError
from harness.plugins.registry import bundled_folder, find_plugins, load_task

Write = Callable[[str, str], Path]


def test_bundled_tasks_are_found_in_order() -> None:
    names = list(find_plugins(entry_points=False))
    assert names == sorted(path.parent.name for path in bundled_folder().glob("*/task.py"))
    assert {"date_normalise", "gsm8k", "order_extraction", "ticket_routing"} < set(names)


def test_a_task_in_the_users_folder_is_found_and_loaded(tmp_path: Path, write: Write) -> None:
    write("adding/task.py", SOURCE.format(name="adding"))
    assert load_task("adding", find_plugins([tmp_path])).description == "Add one."


def test_a_folder_without_task_py_is_no_task(tmp_path: Path, write: Write) -> None:
    write("notes/readme.txt", "nothing here")
    assert "notes" not in find_plugins([tmp_path])


def test_a_tasks_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tasks folder .*nowhere does not exist"):
        find_plugins([tmp_path / "nowhere"])


def test_the_same_folder_given_twice_is_no_duplicate(tmp_path: Path, write: Write) -> None:
    write("adding/task.py", SOURCE.format(name="adding"))
    assert "adding" in find_plugins([tmp_path, tmp_path])


def test_a_name_used_twice_is_an_error_that_names_both(tmp_path: Path, write: Write) -> None:
    first = write("one/adding/task.py", SOURCE.format(name="adding"))
    second = write("two/adding/task.py", SOURCE.format(name="adding"))
    with pytest.raises(UserError) as raised:
        find_plugins([tmp_path / "one", tmp_path / "two"])
    assert str(first) in str(raised.value)
    assert str(second) in str(raised.value)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"task 'gms8k' not found\. Did you mean 'gsm8k'\?"):
        load_task("gms8k", find_plugins())


def test_finding_imports_nothing_so_a_broken_plugin_harms_no_other(tmp_path: Path, write: Write) -> None:
    write("broken/task.py", "def broken(:")
    write("adding/task.py", SOURCE.format(name="adding"))
    plugins = find_plugins([tmp_path])
    assert "broken" in plugins
    assert load_task("adding", plugins).name == "adding"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def broken(:", "is broken: SyntaxError"),
        ("1 / 0", "is broken: ZeroDivisionError"),
        (
            "from harness import task\n@task\ndef adding():\n    raise KeyError('rows')",
            "is broken: KeyError: 'rows'",
        ),
        (
            "from harness import task\n@task\ndef adding():\n    return 3",
            "its function returned int, expected a Task",
        ),
        ("import sys\nsys.exit(0)", "is broken: it called exit(0) (task.py, line 2)"),
        ("raise ValueError('on two\\nlines')", "is broken: ValueError: on two lines (task.py, line 1)"),
        ("x = 1", "expected one function marked with @task, found 0"),
        (
            SOURCE.format(name="adding") + SOURCE.format(name="other"),
            "expected one function marked with @task, found 2",
        ),
        (SOURCE.format(name="other"), "the task calls itself 'other'"),
        (
            SOURCE.format(name="adding").replace('("exact_match",)', '("exact_mach",)'),
            "Did you mean 'exact_match'",
        ),
        (
            SOURCE.format(name="adding").replace('primary_metric="exact_match"', 'primary_metric="accuracy"'),
            "not among its metrics",
        ),
        (SOURCE.format(name="adding").replace('"generate"', '"essay"'), "output 'essay' is not known"),
        (
            SOURCE.format(name="adding").replace('PromptSet({"plain": "{text} + 1"})', "PromptSet({})"),
            "prompts.templates is empty",
        ),
        (SOURCE.format(name="adding").replace("version=1", "version=1, chance=1.5"), "chance is 1.5"),
    ],
)
def test_a_broken_plugin_is_named_with_its_fault(
    tmp_path: Path, write: Write, source: str, says: str
) -> None:
    path = write("adding/task.py", source)
    with pytest.raises(UserError) as raised:
        load_task("adding", find_plugins([tmp_path]))
    assert says in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_task_imports_its_siblings_relatively(tmp_path: Path, write: Write) -> None:
    write("adding/words.py", 'DESCRIPTION = "From the sibling."')
    source = SOURCE.format(name="adding").replace('"Add one."', "DESCRIPTION")
    write("adding/task.py", "from .words import DESCRIPTION\n" + source)
    assert load_task("adding", find_plugins([tmp_path])).description == "From the sibling."


def test_siblings_of_the_same_name_stay_apart(tmp_path: Path, write: Write) -> None:
    for name in ("adding", "other"):
        write(f"{name}/words.py", f'DESCRIPTION = "Of {name}."')
        source = SOURCE.format(name=name).replace('"Add one."', "DESCRIPTION")
        write(f"{name}/task.py", "from .words import DESCRIPTION\n" + source)
    plugins = find_plugins([tmp_path])
    assert [load_task(name, plugins).description for name in ("adding", "other")] == [
        "Of adding.",
        "Of other.",
    ]


def test_an_edited_plugin_is_loaded_anew_with_its_siblings(tmp_path: Path, write: Write) -> None:
    source = SOURCE.format(name="adding").replace('"Add one."', "DESCRIPTION")
    write("adding/task.py", "from .words import DESCRIPTION\n" + source)
    for text in ("the first description", "a second, longer description"):
        write("adding/words.py", f'DESCRIPTION = "{text}"')
        assert load_task("adding", find_plugins([tmp_path])).description == text


def test_a_task_of_an_installed_package_is_found_by_its_entry_point(tmp_path: Path) -> None:
    need("hatchling")
    source = shutil.copytree(TESTS / "data" / "gainboard_riddles", tmp_path / "source")
    installed = tmp_path / "site-packages"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*command, "--target", str(installed), str(source)], check=True, capture_output=True)
    code = (
        "from harness.plugins.registry import bundled_folder, find_plugins, load_task; plugins = find_plugins();"
        "print(plugins['riddles'].source, load_task('riddles', plugins).description)"
    )
    paths = os.pathsep.join([str(installed), str(Path(harness.__file__).parents[1])])
    environment = os.environ | {"PYTHONPATH": paths}
    finished = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert finished.stdout.strip() == "gainboard_riddles:riddles Guess what a riddle means."
