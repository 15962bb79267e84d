"""Results are written whole or not at all, and one that cannot be read harms no other."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas
import pytest
from places import TESTS
from synthetic import guarding, make_run, searched, task_card, write_failure, write_result

from harness import load_results
from harness.errors import UserError
from harness.plan.runs import is_done
from harness.records.predictions import PREDICTIONS, read_prediction_table, read_predictions
from harness.records.result import FAILURE, RESULT, SCHEMA_VERSION, Failure, Result
from harness.records.store import (
    atomic_write,
    read_failures,
    read_record,
    read_results,
    read_runs,
    write_record,
)
from harness.sweep.run import Run

MALFORMED = TESTS / "data" / "results"

FAULTS = {
    "old.json": "is schema 1, of a preview of gainboard; use another --results folder, or remove this one",
    "preview.json": "is schema 3, of a preview of gainboard; use another --results folder, or remove this one",
    "newer.json": "is schema 99; this version reads up to 5. Upgrade gainboard.",
    "cut_off.json": "is not valid JSON",
    "empty.json": "is not valid JSON",
    "not_utf8.json": "is not valid JSON",
    "a_list.json": "holds a list where a JSON object is needed",
    "without_run.json": "'run' is missing",
}


@pytest.fixture
def run() -> Run:
    return make_run("small", "lora", task_card(), 0)


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_result_is_read_as_it_was_written(tmp_path: Path, run: Run) -> None:
    written = write_result(tmp_path, run, task_card(), [1.0, 0.0])
    assert read_results(tmp_path) == [written]


def test_a_result_is_json_with_sorted_keys_and_a_final_newline(tmp_path: Path, run: Run) -> None:
    write_result(tmp_path, run, task_card(), [1.0, 0.0])
    text = (tmp_path / run.folder / RESULT).read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_writing_the_same_result_twice_gives_the_same_bytes(tmp_path: Path, run: Run) -> None:
    for folder in ("one", "two"):
        write_result(tmp_path / folder, run, task_card(), [1.0, 0.0])
    first, second = (tmp_path / folder / run.folder / RESULT for folder in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_a_full_disk_leaves_the_old_file_whole(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write_result(tmp_path, run, task_card(), [1.0, 0.0])
    fill_the_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        write_record(tmp_path / run.folder / RESULT, old.model_copy(update={"key": "changed"}))
    assert read_results(tmp_path) == [old]


def test_a_full_disk_leaves_no_new_file_and_nothing_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"), atomic_write(tmp_path / "new.txt") as file:
        file.write("text")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write("half of the new")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_takes_bytes_and_makes_the_folder(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "deep" / "file.bin", "wb") as file:
        file.write(b"\x00\xff")
    assert (tmp_path / "deep" / "file.bin").read_bytes() == b"\x00\xff"


def test_a_number_that_is_not_finite_is_never_written(tmp_path: Path, run: Run) -> None:
    result = write_result(tmp_path, run, task_card(), [1.0, 0.0])
    generation = result.generation.model_copy(update={"flops": float("nan")})
    broken = result.model_copy(update={"generation": generation})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_record(tmp_path / run.folder / RESULT, broken)
    assert read_results(tmp_path) == [result]


def test_every_malformed_result_file_is_in_the_table() -> None:
    assert {path.name for path in MALFORMED.iterdir()} == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_malformed_result_names_the_file_and_the_fault(name: str) -> None:
    with pytest.raises(UserError) as raised:
        read_record(MALFORMED / name, Result)
    assert str(raised.value).startswith(str(MALFORMED / name))
    assert FAULTS[name] in str(raised.value)


@pytest.mark.parametrize("name", FAULTS)
def test_a_malformed_result_is_skipped_with_a_warning_and_the_others_are_read(
    tmp_path: Path, run: Run, name: str
) -> None:
    good = write_result(tmp_path, run, task_card(), [1.0, 0.0])
    bad = tmp_path / "bad" / RESULT
    bad.parent.mkdir()
    shutil.copyfile(MALFORMED / name, bad)
    with pytest.warns(UserWarning, match="skipped: .*bad") as warned:
        assert read_results(tmp_path) == [good]
    assert len(warned) == 1


@pytest.mark.filterwarnings("error")
def test_reading_all_runs_returns_what_was_skipped_and_warns_of_nothing(tmp_path: Path, run: Run) -> None:
    good = write_result(tmp_path, run, task_card(), [1.0, 0.0])
    for name in (RESULT, FAILURE):
        (tmp_path / "bad").mkdir(exist_ok=True)
        (tmp_path / "bad" / name).write_text("{", encoding="utf-8")
    runs = read_runs(tmp_path)
    assert (runs.finished, runs.failed) == ([good], [])
    assert [sentence.partition(" is not valid JSON")[0] for sentence in runs.skipped] == [
        f"skipped: {tmp_path}/bad/{name}" for name in (RESULT, FAILURE)
    ]


def test_an_unknown_key_anywhere_in_a_result_is_named_with_what_is_allowed_there(tmp_path: Path) -> None:
    chosen, selection = searched(make_run("small", "lora", task_card(), 0), scores={1e-3: 0.5, 1e-2: 0.6})
    write_result(tmp_path, chosen, task_card(), [1.0, 0.0], selection=selection)
    path = tmp_path / chosen.folder / RESULT
    whole = json.loads(path.read_text())
    told = set()
    for place in _mappings(whole):
        changed = json.loads(json.dumps(whole))
        part = changed
        for step in place:
            part = part[step]
        part["zzz"] = None
        path.write_text(json.dumps(changed))
        with pytest.raises(UserError) as raised:
            read_record(path, Result)
        named = ".".join(map(str, (*place, "zzz")))
        assert named in str(raised.value)
        if "unknown key" in str(raised.value):
            told.add(place)
            assert f"unknown key '{named}'. Allowed here: " in str(raised.value)
    free = {
        "seconds",
        "peak_memory_bytes",
        "metrics",
        "by_template",
        "clean",
        "packages",
        "settings",
        "space",
        "details",
        "lost",
    }
    assert {place for place in _mappings(whole) if not {*place} & free} <= told
    assert ("by_template", "plain", "accuracy") in told
    assert ("trainings", 0, "train_curve", 0) in told


def _mappings(data: Any, *place: str | int) -> Iterator[tuple[str | int, ...]]:
    """Where in some JSON its mappings are."""
    if isinstance(data, dict):
        yield place
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, one in parts:
        yield from _mappings(one, *place, name)


def test_a_half_written_temporary_file_is_no_result(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / run.folder
    folder.mkdir(parents=True)
    (folder / f".{RESULT}.123.tmp").write_text("{")
    assert read_results(tmp_path) == []


def test_failures_are_read_beside_results(tmp_path: Path, run: Run) -> None:
    write_failure(tmp_path, run, phase="train", reason="out of memory")
    assert [(failure.phase, failure.reason) for failure in read_failures(tmp_path)] == [
        ("train", "out of memory")
    ]
    assert read_results(tmp_path) == []


def test_results_load_as_one_table_with_a_row_a_run_and_metric(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_result(
            tmp_path, make_run("small", "lora", task_card(), seed), task_card(), [1.0, 0.0, 1.0, 1.0]
        )
    table = load_results(tmp_path)
    assert list(table["seed"]) == [0, 1]
    assert list(table["value"]) == [0.75, 0.75]
    assert set(table["primary"]) == {True}


def test_an_empty_results_folder_loads_as_an_empty_table(tmp_path: Path) -> None:
    assert load_results(tmp_path).empty


def test_a_results_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        load_results(tmp_path / "nowhere")


def test_predictions_keep_their_order_and_unscored_samples_have_no_score(tmp_path: Path, run: Run) -> None:
    write_result(tmp_path, run, task_card(), [1.0, None, 0.0])
    predictions = read_predictions(tmp_path, run)
    assert list(predictions["sample_id"]) == ["sample-0", "sample-1", "sample-2"]
    assert list(predictions["score_accuracy"].isna()) == [False, True, False]


def test_predictions_without_clusters_read_as_samples_that_share_nothing(tmp_path: Path, run: Run) -> None:
    write_result(tmp_path, run, task_card(), [1.0, 0.0])
    path = tmp_path / run.folder / PREDICTIONS
    pandas.read_parquet(path).drop(columns="cluster", errors="ignore").to_parquet(path)
    assert list(read_predictions(tmp_path, run)["cluster"]) == ["", ""]
    assert list(read_predictions(tmp_path, run, ["sample_id", "cluster"]).columns) == ["sample_id", "cluster"]
    read = read_prediction_table(tmp_path, run, ["draw"], if_any=["sample_id", "gone", "thought"])
    assert sorted(read.column_names) == ["draw", "sample_id", "thought"]
    with pytest.raises(KeyError, match="'gone'"):
        read_prediction_table(tmp_path, run, ["gone"])


SCHEMA_4 = TESTS / "data" / "schema_4"
"""A result, its predictions and a failure, as the version before this schema wrote them."""


def test_a_result_of_schema_4_is_read_and_nobody_knows_yet_how_many_answers_parse(tmp_path: Path) -> None:
    old = json.loads((SCHEMA_4 / RESULT).read_text(encoding="utf-8"))
    result = read_record(SCHEMA_4 / RESULT, Result)
    assert (result.schema_version, result.parsed) == (SCHEMA_VERSION, None)
    assert result.model_dump(mode="json")["metrics"] == old["metrics"]
    shutil.copytree(SCHEMA_4, tmp_path / result.run.folder)
    (tmp_path / result.run.folder / FAILURE).unlink()
    assert read_results(tmp_path) == [result]
    predictions = read_predictions(tmp_path, result.run)
    assert list(predictions["parsed"]) == [None] * 3
    assert list(predictions["cluster"]) == [""] * 3


def test_a_run_of_schema_4_has_its_key_of_then_and_need_not_be_run_again(tmp_path: Path) -> None:
    result = read_record(SCHEMA_4 / RESULT, Result)
    assert result.run.key == result.key
    shutil.copytree(SCHEMA_4, tmp_path / result.run.folder)
    assert is_done(tmp_path, result.run)


def test_a_failure_of_schema_4_is_read() -> None:
    assert read_record(SCHEMA_4 / FAILURE, Failure).schema_version == SCHEMA_VERSION


def test_the_table_tells_guard_runs_from_the_others(tmp_path: Path, run: Run) -> None:
    base, card = make_run("small", "zero_shot", task_card(), 0), task_card("boolq")
    write_result(tmp_path, run, task_card(), [1.0])
    for guard in (guarding(run, card), guarding(base, card)):
        write_result(tmp_path, guard, card, [1.0])
    table = load_results(tmp_path).set_index(["method", "task"])
    assert not table.loc[("lora", "capitals"), "guard"]
    assert tuple(table.loc[("lora", "boolq"), ["guard", "after"]]) == (True, "capitals")
    base_row = table.loc[("zero_shot", "boolq")]
    assert base_row["guard"] and pandas.isna(base_row["after"])


def test_threads_that_write_one_file_do_not_take_each_other_s_unfinished_one(tmp_path: Path) -> None:
    path = tmp_path / "canaries.jsonl"

    def write(number: int) -> None:
        for _ in range(25):
            with atomic_write(path) as file:
                file.write(f"{number}\n" * 100)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    assert len(set(path.read_text().split())) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["canaries.jsonl"]
