"""Every bundled task keeps its promises."""

import ast
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

import harness
from harness.check import check_task
from harness.data import UnreachableData, load_dataset
from harness.plugins import bundled_folder, find_plugins, load_task
from harness.prompts import fields_of
from harness.task import Sample

PLUGINS = find_plugins(entry_points=False)
NAMES = list(PLUGINS)
HUB_TASKS = ["gsm8k"]
LOCAL_TASKS = [name for name in NAMES if name not in HUB_TASKS]

ROWS_SHA256 = {
    "date_normalise": "53c3b016ad26d583",
    "order_extraction": "d57daf0efb63553d",
    "ticket_routing": "f377ab63764f0424",
}
"""Published scores are scores on these very rows. Rows that change need a new `version` of their task."""


def rows_sha256(name: str) -> str:
    splits = load_task(name, PLUGINS).data()
    return hashlib.sha256(json.dumps([splits.train, splits.dev, splits.test], sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", LOCAL_TASKS)
def test_a_local_task_is_checked_without_a_warning(name: str) -> None:
    assert [finding for finding in check_task(name, PLUGINS) if finding.level != "ok"] == []


@pytest.mark.parametrize("name", HUB_TASKS)
def test_a_hub_task_is_checked_without_its_data_and_says_so(name: str) -> None:
    findings = check_task(name, PLUGINS)
    assert [finding.level for finding in findings] == ["warning", "ok"]
    assert "the hub cannot be reached" in findings[0].message


@pytest.mark.parametrize("name", NAMES)
def test_a_task_has_three_to_five_examples_with_right_and_wrong_completions(name: str) -> None:
    lines = harness.read_jsonl(bundled_folder() / name / "examples.jsonl")
    primary = load_task(name, PLUGINS).primary_metric
    scores = {answer["scores"][primary] for line in lines for answer in line["answers"]}
    assert 3 <= len(lines) <= 5
    assert {0.0, 1.0} <= scores


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
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(harness.__file__).parents[1])])
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths}
        finished = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert finished.stdout.strip() == ROWS_SHA256["ticket_routing"]


@pytest.mark.parametrize("name", LOCAL_TASKS)
def test_a_local_task_has_1200_training_100_dev_and_300_test_samples(name: str) -> None:
    dataset = load_dataset(load_task(name, PLUGINS))
    assert (len(dataset.train), len(dataset.dev), len(dataset.test)) == (1200, 100, 300)


@pytest.mark.parametrize("name", LOCAL_TASKS)
def test_no_question_is_asked_twice_in_or_across_splits(name: str) -> None:
    dataset = load_dataset(load_task(name, PLUGINS))
    questions = [tuple(sample.fields.values()) for sample in (*dataset.train, *dataset.dev, *dataset.test)]
    assert len(set(questions)) == len(questions)


def test_no_day_is_in_two_splits_of_date_normalise() -> None:
    dataset = load_dataset(load_task("date_normalise", PLUGINS))
    days = [sample.target for sample in (*dataset.train, *dataset.dev, *dataset.test)]
    assert len(set(days)) == len(days)


def test_tickets_are_balanced_and_at_most_35_words_long() -> None:
    dataset = load_dataset(load_task("ticket_routing", PLUGINS))
    for samples in (dataset.train, dataset.dev, dataset.test):
        counts = {team: sum(sample.target == team for sample in samples) for team in samples[0].choices}
        assert len(set(counts.values())) == 1
        assert max(len(sample.fields["text"].split()) for sample in samples) <= 35


def test_no_single_word_tells_the_team_of_most_tickets() -> None:
    train = load_dataset(load_task("ticket_routing", PLUGINS)).train

    def told_by_first_known_word(sample: Sample, words: dict[str, str]) -> bool:
        found = [
            words[word] for word in sample.fields["text"].lower().replace(",", "").replace(".", "").split() if word in words
        ]
        return bool(found) and found[0] == sample.target

    words = {"invoice": "billing", "app": "technical", "parcel": "shipping", "password": "account"}
    assert sum(told_by_first_known_word(sample, words) for sample in train) / len(train) < 0.4


def test_the_order_fields_are_in_the_sentence() -> None:
    for sample in load_dataset(load_task("order_extraction", PLUGINS)).test:
        order = json.loads(sample.targets[0])
        assert order["city"] in sample.fields["text"]
        assert list(order) == sorted(order), "extract sorts the keys of an answer, so a target has them sorted"


@pytest.fixture
def gsm8k_folder(tmp_path: Path) -> Path:
    """Invented rows in the layout of the hub repository: Parquet files of one configuration, named in the read-me."""
    (tmp_path / "main").mkdir()
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: main\n  data_files:\n"
        "  - split: train\n    path: main/train-*\n  - split: test\n    path: main/test-*\n---\n"
    )
    for split, count in (("train", 10), ("test", 4)):
        rows = [
            {"question": f"{split}: what is {number} + 1?", "answer": f"{number} + 1 = {number + 1}\n#### {number + 1}"}
            for number in range(count)
        ]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "main" / f"{split}-00000-of-00001.parquet")
    return tmp_path


def test_gsm8k_reads_the_layout_of_its_hub_repository(gsm8k_folder: Path) -> None:
    pytest.importorskip("datasets")
    load = load_task("gsm8k", PLUGINS).data
    splits = load(str(gsm8k_folder), dev_size=3)  # type: ignore[call-arg]
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (7, 3, 4)
    assert splits.test[0] == {"question": "test: what is 0 + 1?", "answer": "0 + 1 = 1\n#### 1"}
    questions = [row["question"] for row in (*splits.train, *splits.dev)]
    assert sorted(questions) == [f"train: what is {number} + 1?" for number in range(10)]


def test_gsm8k_without_a_network_says_what_is_missing() -> None:
    with pytest.raises(UnreachableData, match="data set 'openai/gsm8k'"):
        load_task("gsm8k", PLUGINS).data()


@pytest.mark.parametrize("path", sorted(bundled_folder().glob("*/*.py")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_task_imports_only_public_names_the_standard_library_and_its_siblings(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert all(alias.name.partition(".")[0] in sys.stdlib_module_names for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "harness":
            assert {alias.name for alias in node.names} <= set(harness.__all__)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert (node.module or "").partition(".")[0] in sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1 and (path.parent / f"{node.module}.py").is_file()
