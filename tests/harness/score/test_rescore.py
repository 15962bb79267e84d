"""Judging saved predictions again: a changed extractor or metric needs no model."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
from places import ROOT, TESTS
from synthetic import make_run, rewrite, task_card, write_ensemble, write_result
from toy_task import adding, plugins_of

from harness.data.dataset import load_dataset
from harness.errors import UserError
from harness.records.binding import why_changed
from harness.records.predictions import PREDICTIONS, Prediction
from harness.records.result import RESULT, Result
from harness.records.store import read_record, write_record
from harness.score.judging import score_predictions
from harness.score.rescore import rescore
from harness.sweep.run import Run
from harness.task import Row, Sample

CARD = task_card("adding", output="generate", primary_metric="exact_match", chance=0.0)
RUN = make_run("toy", "full", CARD, 0)


def write(results: Path, completions: list[str], target: str) -> None:
    """A finished run whose completions and targets are given, and whose answers were all taken for wrong."""
    write_result(results, RUN, CARD, [0.0] * len(completions))
    write_answers(results, RUN, completions, [target] * len(completions))


def write_answers(results: Path, run: Run, completions: list[str], targets: list[str]) -> None:
    """Its predictions, as a broken extractor judged them."""
    predictions = [
        Prediction(
            sample_id=str(index),
            cluster="",
            template="plain",
            draw=0,
            prompt="?",
            prompt_tokens=5,
            truncated=0,
            target=[target],
            choices=[],
            metadata="{}",
            completion=text,
            completion_tokens=None,
            finish_reason=None,
            choice_logprobs=None,
            logprob=None,
            target_tokens=None,
            greedy=None,
            overlap=False,
            error=None,
        )
        for index, (text, target) in enumerate(zip(completions, targets, strict=True))
    ]
    scored = score_predictions(adding(extract=lambda text: "no answer"), predictions)
    rewrite(results / run.folder / PREDICTIONS, scored.table())


def test_a_changed_extractor_changes_answers_and_scores(tmp_path: Path) -> None:
    write(tmp_path, ["It is 7.", "7", "eight"], "7")
    (line,) = rescore(tmp_path, plugins_of(adding(extract=lambda text: text.strip(" .").split()[-1]))).lines
    assert line.endswith("exact_match 0.0000 → 0.6667")
    table = pandas.read_parquet(tmp_path / RUN.folder / "predictions.parquet")
    assert list(table["answer"]) == ["7", "7", "eight"]
    assert list(table["score_exact_match"]) == [1.0, 1.0, 0.0]
    assert read_record(tmp_path / RUN.folder / RESULT, Result).metrics["exact_match"].value == pytest.approx(
        2 / 3
    )


def test_thoughts_in_older_predictions_are_parted_from_their_answers(tmp_path: Path) -> None:
    write(tmp_path, ["<think>\nIs it 8?</think>\n\n7", "So 7.</think>7", "7", "<think>"], "7")
    (line,) = rescore(tmp_path, plugins_of(adding())).lines
    assert line.endswith("exact_match 0.0000 → 0.7500")
    table = pandas.read_parquet(tmp_path / RUN.folder / "predictions.parquet")
    assert list(table["answer"]) == ["7", "7", "7", ""]
    assert list(table["thought"].fillna("")) == ["Is it 8?", "So 7.", "", ""]
    assert rescore(tmp_path, plugins_of(adding())).unchanged == 1


def clustered(row: Row, index: int) -> Sample:
    """The toy task's samples, two and two of one passage."""
    return dataclasses.replace(adding().to_sample(row, index), cluster=f"passage {index // 2}")


def test_predictions_from_before_clusters_get_those_of_the_task_s_samples(tmp_path: Path) -> None:
    task = adding(to_sample=clustered)
    run = RUN.model_copy(update={"task_fingerprint": load_dataset(task).fingerprint})
    write_result(tmp_path, run, CARD, [0.0] * 3)
    write_answers(tmp_path, run, ["9", "8", "11"], ["9", "10", "11"])
    path = tmp_path / run.folder / PREDICTIONS
    rewrite(path, pandas.read_parquet(path).drop(columns="cluster"))
    rescore(tmp_path, plugins_of(task))
    assert list(pandas.read_parquet(path)["cluster"]) == ["passage 0", "passage 0", "passage 1"]


def test_clusters_of_samples_that_have_changed_since_are_not_taken(tmp_path: Path) -> None:
    write(tmp_path, ["7", "8"], "7")
    rescore(tmp_path, plugins_of(adding(to_sample=clustered)))
    assert list(pandas.read_parquet(tmp_path / RUN.folder / PREDICTIONS)["cluster"]) == ["", ""]


def test_another_metric_becomes_the_primary_one(tmp_path: Path) -> None:
    write(tmp_path, ["7 apples", "8 apples"], "7")
    task = adding(metrics=("exact_match", "numeric_match"), primary_metric="numeric_match")
    rescore(tmp_path, plugins_of(task))
    result = read_record(tmp_path / RUN.folder / RESULT, Result)
    assert result.task.primary_metric == "numeric_match"
    assert {name: value.value for name, value in result.metrics.items()} == {
        "exact_match": 0.0,
        "numeric_match": 0.5,
    }


def test_an_extractor_that_raises_leaves_its_sample_unscored_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path, ["7", ""], "7")
    rescore(tmp_path, plugins_of(adding(extract=lambda text: text[:1] + text[0][1:])))
    table = pandas.read_parquet(tmp_path / RUN.folder / "predictions.parquet")
    assert table["error"][1].startswith("extract raised IndexError")
    samples = read_record(tmp_path / RUN.folder / RESULT, Result).samples
    assert (samples.total, samples.scored, samples.failed) == (2, 1, 1)


def test_a_result_of_another_task_version_is_left_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, ["7"], "7")
    before = (tmp_path / RUN.folder / RESULT).read_bytes()
    outcome = rescore(tmp_path, plugins_of(adding(version=2)))
    assert outcome.skipped == 1
    assert "version 1 of the task, which is version 2 now" in outcome.lines[0]
    assert (tmp_path / RUN.folder / RESULT).read_bytes() == before


def test_a_result_whose_task_is_gone_is_left_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, ["7"], "7")
    outcome = rescore(tmp_path, {})
    assert outcome.skipped == 1
    assert "task 'adding' not found" in outcome.lines[0]


def test_results_that_stay_as_they_are_are_only_counted(tmp_path: Path) -> None:
    write(tmp_path, ["7"], "7")
    assert len(rescore(tmp_path, plugins_of(adding())).lines) == 1, "its score was invented"
    again = rescore(tmp_path, plugins_of(adding()))
    assert (again.lines, again.unchanged, again.skipped) == ([], 1, 0)


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no results"):
        rescore(tmp_path, {})


def test_an_extractor_that_returns_no_text_leaves_its_sample_unscored(tmp_path: Path) -> None:
    write(tmp_path, ["7", "none"], "7")
    digit = re.compile(r"\d")
    rescore(tmp_path, plugins_of(adding(extract=lambda text: text if digit.search(text) else None)))  # type: ignore[arg-type, return-value]
    table = pandas.read_parquet(tmp_path / RUN.folder / PREDICTIONS)
    assert table["error"][1] == "extract returned NoneType, expected a text"


def test_a_mended_extractor_scores_what_the_broken_one_could_not(tmp_path: Path) -> None:
    write(tmp_path, ["7", ""], "7")
    rescore(tmp_path, plugins_of(adding(extract=lambda text: text[:1] + text[0][1:])))
    rescore(tmp_path, plugins_of(adding()))
    samples = read_record(tmp_path / RUN.folder / RESULT, Result).samples
    assert (samples.scored, samples.failed) == (2, 0)


def test_unreadable_predictions_are_named_and_stop_no_other(tmp_path: Path) -> None:
    write(tmp_path, ["7"], "7")
    other = make_run("toy", "full", CARD, 1)
    write_result(tmp_path, other, CARD, [0.0])
    (tmp_path / other.folder / PREDICTIONS).write_bytes(b"junk")
    outcome = rescore(tmp_path, plugins_of(adding()))
    assert outcome.skipped == 1
    assert outcome.lines[0].endswith("exact_match 0.0000 → 1.0000")
    assert "its predictions cannot be read" in outcome.lines[1]


def test_a_run_that_seemed_to_have_collapsed_is_cleared_by_a_mended_extractor(tmp_path: Path) -> None:
    write_result(tmp_path, RUN, CARD, [0.0] * 3, collapsed="3 of 3 answers are 'no answer'")
    write_answers(tmp_path, RUN, ["7", "8", "9"], ["7", "8", "9"])
    rescore(tmp_path, plugins_of(adding()))
    assert read_record(tmp_path / RUN.folder / RESULT, Result).collapsed == ""


def test_a_run_whose_answers_are_all_the_same_under_the_new_extractor_has_collapsed(tmp_path: Path) -> None:
    write_result(tmp_path, RUN, CARD, [1.0] * 3)
    write_answers(tmp_path, RUN, ["7", "8", "9"], ["7", "8", "9"])
    rescore(tmp_path, plugins_of(adding(extract=lambda text: "always this")))
    assert read_record(tmp_path / RUN.folder / RESULT, Result).collapsed.startswith(
        "3 of 3 answers are 'always this'"
    )


def test_an_ensemble_is_judged_again_from_the_answers_it_saved(tmp_path: Path) -> None:
    members = [
        write_result(tmp_path, make_run("toy", "full", CARD, seed), CARD, [0.0, 0.0]) for seed in (0, 1)
    ]
    for member in members:
        write_answers(tmp_path, member.run, ["6", "6"], ["7", "8"])
    vote = write_ensemble(tmp_path, "votes", "vote", members, [0.0, 0.0])
    write_answers(tmp_path, vote.run, ["7", "8"], ["7", "8"])
    outcome = rescore(tmp_path, plugins_of(adding()))
    assert outcome.skipped == 0
    again = read_record(tmp_path / vote.run.folder / RESULT, Result)
    assert again.metrics["exact_match"].value == 1.0
    assert again.trainings == vote.trainings


# Bound to its predictions


def killed_at(results: Path, write: str) -> None:
    """Judge again in a process that is killed before its first call of a function of `rescore`."""
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from toy_task import adding, plugins_of\nfrom harness.score import rescore\n"
        f"rescore.{write} = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "rescore.rescore(Path(sys.argv[1]), plugins_of(adding()))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)])}
    ended = subprocess.run([sys.executable, "-c", code, str(results)], env=environment)
    assert ended.returncode == -signal.SIGKILL


def is_bound(results: Path) -> bool:
    result = read_record(results / RUN.folder / RESULT, Result)
    return result.predictions is not None and why_changed(results, result) is None


@pytest.mark.parametrize("write", ["write_record", "put_in_place"])
def test_a_score_that_was_killed_between_its_writes_is_noticed_and_healed_by_the_next(
    tmp_path: Path, write: str
) -> None:
    results = tmp_path / "results"
    write_answers_wrong(results)
    killed_at(results, write)
    stopped = read_record(results / RUN.folder / RESULT, Result)
    if write == "write_record":
        assert is_bound(results), "both files are the former ones"
    else:
        assert why_changed(results, stopped) == (
            "a `gainboard score` was stopped between its two writes; run it again"
        )
    outcome = rescore(results, plugins_of(adding()))
    assert outcome.skipped == 0 and is_bound(results)
    assert read_record(results / RUN.folder / RESULT, Result).metrics["exact_match"].value == 0.5
    files = {path.name for path in (results / RUN.folder).iterdir()}
    assert files == {RESULT, PREDICTIONS}


def write_answers_wrong(results: Path) -> None:
    """A finished run of two samples, of which one is right, though both were judged to be wrong."""
    write(results, ["7", "8"], "7")


def test_judging_again_binds_an_older_result_to_its_predictions(tmp_path: Path) -> None:
    write(tmp_path, ["7"], "7")
    unbind(tmp_path)
    rescore(tmp_path, plugins_of(adding()))
    assert is_bound(tmp_path)


def unbind(results: Path) -> None:
    path = results / RUN.folder / RESULT
    write_record(path, read_record(path, Result).model_copy(update={"predictions": None}))


def test_predictions_that_have_changed_are_left_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, ["7", "8"], "7")
    path = tmp_path / RUN.folder / PREDICTIONS
    pandas.read_parquet(path)[:1].to_parquet(path)
    before = path.read_bytes()
    outcome = rescore(tmp_path, plugins_of(adding()))
    assert outcome.skipped == 1 and path.read_bytes() == before
    assert "its predictions do not fit its result: they have changed since" in outcome.lines[0]


def test_older_predictions_with_other_samples_than_their_result_says_are_left_as_they_are(
    tmp_path: Path,
) -> None:
    write(tmp_path, ["7", "8"], "7")
    unbind(tmp_path)
    path = tmp_path / RUN.folder / PREDICTIONS
    pandas.read_parquet(path)[:1].to_parquet(path)
    (line,) = rescore(tmp_path, plugins_of(adding())).lines
    assert line.endswith("1 sample was answered, and result.json says 2")


def test_older_predictions_of_samples_that_the_task_does_not_have_are_left_as_they_are(
    tmp_path: Path,
) -> None:
    task = adding()
    run = RUN.model_copy(update={"task_fingerprint": load_dataset(task).fingerprint})
    write_result(tmp_path, run, CARD, [0.0] * 2)
    write_answers(tmp_path, run, ["9", "8"], ["9", "10"])
    path = tmp_path / run.folder / PREDICTIONS
    rewrite(path, pandas.read_parquet(path).assign(sample_id=["0", "invented"]))
    unbind(tmp_path)
    (line,) = rescore(tmp_path, plugins_of(task)).lines
    assert "the task has no test sample 'invented' (1 in all" in line


def test_a_full_disk_is_told_as_one_and_costs_nothing(tmp_path: Path) -> None:
    write(tmp_path, ["7", "8"], "7")
    before = [path.read_bytes() for path in sorted((tmp_path / RUN.folder).iterdir())]
    code = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from toy_task import adding, plugins_of\nfrom harness.score.rescore import rescore\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "print(*rescore(Path(sys.argv[1]), plugins_of(adding())).lines)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)])}
    command = [sys.executable, "-c", code, str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "left as it was: its new scores cannot be written: File too large" in ended.stdout
    assert [path.read_bytes() for path in sorted((tmp_path / RUN.folder).iterdir())] == before
