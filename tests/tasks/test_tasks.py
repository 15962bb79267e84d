"""Every bundled task keeps its promises."""

import ast
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from installed import need
from places import TESTS
from toy_task import besides_power

import harness
from harness.authoring.check import check_task
from harness.data.dataset import Dataset, load_dataset
from harness.data.sources import UnreachableData
from harness.plugins.registry import bundled_folder, find_plugins, load_task
from harness.task import Splits
from harness.task.prompts import fields_of

PLUGINS = find_plugins(entry_points=False)
NAMES = list(PLUGINS)

ROWS_SHA256 = {
    "booking_dialogue": "1412e75b79990dec",
    "delivery_note": "e576f66956314668",
    "date_normalise": "79ce7e3ef092f5fb",
    "identifier_case": "1c96f55cf82ef920",
    "instruction_following": "dc06a27b1c2641f5",
    "logic_choice": "caec6692d84441a6",
    "message_topics": "eff777e41390a531",
    "order_extraction": "28065fb966ec1af1",
    "recipe_text": "c61dcb1feb4a130c",
    "report_summary": "1fb369cd4dca9452",
    "review_stars": "1a1d823c2d926359",
    "shop_sql": "c8ba5c50c2bc10d3",
    "story_qa": "c88a149517126298",
    "ticket_routing": "af7abe9af53f90c4",
    "unit_conversion": "e8c218b251703da9",
    "walking_time": "85648a8f353182c2",
    "word_arithmetic": "dc3fa3afa258c5ed",
}
"""The tasks whose rows are drawn here. Published scores are scores on these very rows: rows that change need
a new `version` of their task."""

LOCAL_TASKS = list(ROWS_SHA256)
HUB_TASKS = [name for name in NAMES if name not in ROWS_SHA256]
PERPLEXITY_TASKS = ["recipe_text"]
"""Nothing is written, and all samples may be asked for in the same words."""


@cache
def rows(name: str) -> Splits:
    return load_task(name, PLUGINS).data()


@cache
def dataset(name: str) -> Dataset:
    return load_dataset(dataclasses.replace(load_task(name, PLUGINS), data=lambda: rows(name)))


def rows_sha256(name: str) -> str:
    splits = rows(name)
    return hashlib.sha256(
        json.dumps([splits.train, splits.dev, splits.test], sort_keys=True).encode()
    ).hexdigest()[:16]


def test_at_least_eight_of_fourteen_bundled_tasks_need_no_download() -> None:
    assert len(NAMES) >= 14
    assert len(LOCAL_TASKS) >= 8
    assert set(LOCAL_TASKS) <= set(NAMES)


@pytest.mark.parametrize("name", LOCAL_TASKS)
def test_a_local_task_is_checked_without_a_warning(name: str) -> None:
    findings = check_task(name, PLUGINS)
    assert [finding for finding in besides_power(findings) if finding.level in ("error", "warning")] == []
    power = [finding.level for finding in findings if "Assumed: two arms differ" in finding.message]
    # A text is only weighed, errors and kappa are no shares, and a request is asked with several constraints, but
    # counts once.
    special = {
        "recipe_text": [],
        "review_stars": [],
        "walking_time": [],
        "instruction_following": ["warning"],
    }
    assert power == special.get(name, ["ok"])


@pytest.mark.parametrize("name", HUB_TASKS)
def test_a_hub_task_is_checked_without_its_data_and_says_so(name: str) -> None:
    findings = check_task(name, PLUGINS)
    assert [finding.level for finding in findings] == ["warning", "ok"]
    assert "the hub cannot be reached" in findings[0].message


@pytest.mark.parametrize("name", NAMES)
def test_a_task_has_three_to_five_examples(name: str) -> None:
    assert 3 <= len(harness.read_jsonl(bundled_folder() / name / "examples.jsonl")) <= 5


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PERPLEXITY_TASKS])
def test_the_examples_of_a_task_show_right_and_wrong_completions(name: str) -> None:
    shown: dict[str, set[float]] = {}
    for line in harness.read_jsonl(bundled_folder() / name / "examples.jsonl"):
        for answer in line["answers"]:
            for metric, score in answer["scores"].items():
                shown.setdefault(metric, set()).add(score)
    # A primary metric of the corpus scores no single completion; then another metric does.
    assert {0.0, 1.0} <= shown.get(load_task(name, PLUGINS).primary_metric, next(iter(shown.values())))


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_of_a_task_shows_a_row(name: str) -> None:
    tree = ast.parse((bundled_folder() / name / "task.py").read_text(encoding="utf-8"))
    assert re.search(r'\{"\w+": .+\}', ast.get_docstring(tree) or "", re.DOTALL)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_has_at_least_three_wordings(name: str) -> None:
    assert len(load_task(name, PLUGINS).prompts.templates) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_every_wording_of_a_task_asks_for_the_same_fields(name: str) -> None:
    templates = load_task(name, PLUGINS).prompts.templates.values()
    assert len({frozenset(fields_of(template)) for template in templates}) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_task_names_its_licence_and_source(name: str) -> None:
    task = load_task(name, PLUGINS)
    assert task.license != "unknown"
    assert task.reference


@pytest.mark.parametrize("name", NAMES)
def test_the_extractor_takes_any_text(name: str) -> None:
    extract = load_task(name, PLUGINS).extract
    for completion in (
        "",
        "\x00",
        "{" * 100_000,
        "[" * 100_000,
        '{"a":' * 50_000,
        "9" * 10_000,
        "####",
        "\ud800",
        "٣",
        "🙂",
    ):
        assert isinstance(extract(completion), str)


@pytest.mark.parametrize("name", LOCAL_TASKS)
def test_the_rows_are_the_ones_that_published_scores_are_of(name: str) -> None:
    assert rows_sha256(name) == ROWS_SHA256[name]


def test_the_rows_do_not_depend_on_the_process() -> None:
    code = "import test_tasks; print(test_tasks.rows_sha256('ticket_routing'))"
    paths = os.pathsep.join([str(TESTS / "tasks"), str(TESTS), str(Path(harness.__file__).parents[1])])
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths}
        finished = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert finished.stdout.strip() == ROWS_SHA256["ticket_routing"]


@pytest.mark.parametrize("name", LOCAL_TASKS)
def test_a_local_task_has_1200_training_100_dev_and_300_test_samples(name: str) -> None:
    assert (len(dataset(name).train), len(dataset(name).dev), len(dataset(name).test)) == (1200, 100, 300)


@pytest.mark.parametrize("name", LOCAL_TASKS)
def test_nothing_is_asked_twice_in_or_across_splits(name: str) -> None:
    samples = [*dataset(name).train, *dataset(name).dev, *dataset(name).test]
    asked = [
        sample.targets if name in PERPLEXITY_TASKS else tuple(sample.fields.values()) for sample in samples
    ]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("name", LOCAL_TASKS)
def test_a_fresh_test_set_shares_no_row_with_the_published_one(name: str) -> None:
    fresh = load_task(name, PLUGINS).data(test_seed=1)  # type: ignore[call-arg]
    published = rows(name)
    assert fresh.train == published.train
    assert len(fresh.test) == 300
    assert not {json.dumps(row) for row in fresh.test} & {json.dumps(row) for row in published.test}


@pytest.fixture
def gsm8k_folder(tmp_path: Path) -> Path:
    """Invented rows in the layout of the hub repository: Parquet files of one configuration, named in the
    read-me."""
    (tmp_path / "main").mkdir()
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: main\n  data_files:\n"
        "  - split: train\n    path: main/train-*\n  - split: test\n    path: main/test-*\n---\n"
    )
    for split, count in (("train", 10), ("test", 4)):
        rows = [
            {
                "question": f"{split}: what is {number} + 1?",
                "answer": f"{number} + 1 = {number + 1}\n#### {number + 1}",
            }
            for number in range(count)
        ]
        pyarrow.parquet.write_table(
            pyarrow.Table.from_pylist(rows), tmp_path / "main" / f"{split}-00000-of-00001.parquet"
        )
    return tmp_path


def test_gsm8k_reads_the_layout_of_its_hub_repository(gsm8k_folder: Path) -> None:
    need("datasets")
    load = load_task("gsm8k", PLUGINS).data
    splits = load(str(gsm8k_folder), dev_size=3)  # type: ignore[call-arg]
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (7, 3, 4)
    assert splits.test[0] == {"question": "test: what is 0 + 1?", "answer": "0 + 1 = 1\n#### 1"}
    questions = [row["question"] for row in (*splits.train, *splits.dev)]
    assert sorted(questions) == [f"train: what is {number} + 1?" for number in range(10)]


def test_gsm8k_without_a_network_says_what_is_missing() -> None:
    with pytest.raises(UnreachableData, match="data set 'openai/gsm8k'"):
        load_task("gsm8k", PLUGINS).data()


@pytest.mark.parametrize(
    "path", sorted(bundled_folder().glob("*/*.py")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_a_task_imports_only_public_names_the_standard_library_and_its_siblings(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert all(alias.name.partition(".")[0] in sys.stdlib_module_names for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "harness":
            assert {alias.name for alias in node.names} <= set(harness.__all__)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert (node.module or "").partition(".")[0] in sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            siblings = [node.module] if node.module else [alias.name for alias in node.names]
            assert node.level == 1 and all((path.parent / f"{name}.py").is_file() for name in siblings)
