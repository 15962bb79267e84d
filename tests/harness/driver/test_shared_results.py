"""Several sweeps may share a results folder: each run has one writer, and what is finished is never written
over."""

import fcntl
import json
import os
import subprocess
import sys
import time
from errno import ENOLCK
from pathlib import Path
from typing import Any

import pytest
import shared_results
from filelock import FileLock
from places import ROOT, TESTS
from synthetic import make_run, task_card

from harness.driver import loop
from harness.errors import UserError
from harness.records import writing
from harness.records.result import FAILURE, RESULT
from harness.records.store import read_results
from harness.records.writing import LOCK, check_names, check_writable, has_locks, one_writer
from leaderboards.rank.verify import verify

RUN = make_run("toy", "lora", task_card(), 0)


def start(folder: Path, name: str, revision: str, answers: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)])}
    command = [sys.executable, "-m", "shared_results", str(folder), name, revision, answers]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Two processes that write into one results folder at once: one answers all right, one all wrong, and
    their second candidates are of different revisions."""
    folder = tmp_path_factory.mktemp("shared")
    processes = [start(folder, "first", "a", "right"), start(folder, "second", "b", "wrong")]
    deadline = time.monotonic() + 300
    while not all((folder / f"{name}.ready").exists() for name in ("first", "second")):
        assert all(process.poll() is None for process in processes) and time.monotonic() < deadline
        time.sleep(0.02)
    (folder / "go").touch()
    told = [json.loads(process.communicate(timeout=300)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return folder / "results", told


def test_every_run_of_two_sweeps_is_finished_by_one_of_them(
    together: tuple[Path, list[dict[str, Any]]],
) -> None:
    results, told = together
    finished = [*told[0]["finished"], *told[1]["finished"]]
    assert sorted(finished) == sorted({result.run.folder.as_posix() for result in read_results(results)})
    assert len(finished) == 16


def test_what_two_sweeps_wrote_at_once_is_not_mixed(together: tuple[Path, list[dict[str, Any]]]) -> None:
    results, told = together
    assert verify(results).faults == ()
    for result in read_results(results):
        by_first = result.run.folder.as_posix() in told[0]["finished"]
        assert result.metrics["exact_match"].value == (1.0 if by_first else 0.0)
    left = {path.name for path in results.rglob("*") if path.is_file()}
    assert left == {"inputs.txt", "predictions.parquet", "result.json"}


def test_a_run_that_the_other_sweep_has_finished_is_found_done_and_said(
    together: tuple[Path, list[dict[str, Any]]],
) -> None:
    _, told = together
    kept = [
        note for one in told for note in one["notes"] if "another sweep has finished it meanwhile" in note
    ]
    assert len(kept) == sum(one["already_done"] for one in told) == 8
    assert all(note.startswith("same · zero_shot · adding") for note in kept)


def test_a_run_that_the_other_sweep_has_finished_otherwise_fails_and_says_why(
    together: tuple[Path, list[dict[str, Any]]],
) -> None:
    _, told = together
    failed = {**told[0]["failed"], **told[1]["failed"]}
    assert len(failed) == 8
    for folder, reason in failed.items():
        assert folder.startswith("other/")
        assert "was made by another configuration: candidate.revision is" in reason


def test_what_another_sweep_finishes_meanwhile_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for function, answer in shared_results.NOTHING_LOADED.items():
        monkeypatch.setattr(loop, function, answer)
    others: list[shared_results.Told] = []

    def let_another_do_all() -> None:
        if not others:
            others.append(shared_results.run(tmp_path, "second", "a"))

    told = shared_results.run(tmp_path, "first", "a", wait=let_another_do_all)
    assert (len(others[0].finished), told.finished, told.failed, told.already_done) == (16, [], {}, 16)
    asked = list((tmp_path / "first").glob("*/completions.jsonl"))
    assert len(asked) == 8, "the second model was not asked"


# One writer


def test_who_waits_too_long_for_another_writer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PATIENCE", 0.2)
    with (
        FileLock(tmp_path / LOCK),
        pytest.raises(UserError, match="another gainboard has been writing into"),
        one_writer(tmp_path),
    ):
        raise AssertionError("it is held by another")


def test_a_writer_s_lock_is_gone_afterwards_also_that_of_one_who_was_killed(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    with one_writer(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks_is_told_and_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert has_locks(tmp_path / "results")

    def no_locks(*_: object) -> None:
        raise OSError(ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    assert not has_locks(tmp_path / "results")
    with one_writer(tmp_path / "run"):
        (tmp_path / "run" / RESULT).touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == [RESULT]


# Where results can be written


def test_results_that_can_be_written_make_no_folder(tmp_path: Path) -> None:
    check_writable(tmp_path / "results", [RUN])
    check_names(tmp_path / "results", [RUN])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["results", "results/toy", "results/toy/lora/capitals-v1/n-500/seed-0"])
def test_a_file_in_the_way_of_a_result_is_named(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with pytest.raises(UserError, match=f"{path} is no folder, and the result of toy · lora"):
        check_writable(tmp_path / "results", [RUN])


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results" / "toy").mkdir(parents=True)
    # Who runs tests as root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "results" / "toy")
    with pytest.raises(UserError, match=f"{tmp_path}/results/toy cannot be written"):
        check_writable(tmp_path / "results", [RUN])


def test_a_name_that_the_file_system_does_not_take_is_told_with_its_length(tmp_path: Path) -> None:
    run = make_run("é" * 130, "lora", task_card(), 0)
    with pytest.raises(UserError, match=r"its name has 260 bytes where the file system takes 255"):
        check_names(tmp_path, [run])


def test_a_name_that_the_locale_writes_otherwise_is_told_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "iso8859-9")
    check_names(tmp_path, [RUN])
    with pytest.raises(UserError, match="in iso8859-9, in which 'café' is another folder than elsewhere"):
        check_names(tmp_path, [make_run("café", "lora", task_card(), 0)])


def test_a_disk_without_room_is_noticed_before_anything_is_trained(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from harness.errors import UserError\n"
        "from harness.records.writing import check_writable\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    check_writable(Path(sys.argv[1]), [])\n"
        "except UserError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert f"results cannot be written into {tmp_path}: File too large" in ended.stdout


def test_failures_are_not_written_beside_a_result(together: tuple[Path, list[dict[str, Any]]]) -> None:
    results, _ = together
    assert not list(results.rglob(FAILURE))
