"""A result proves its predictions: what does not belong together is named on the first page and left out."""

import json
from pathlib import Path
from typing import Any

import pandas
import pytest
from site_reading import Text, problems
from synthetic import RATES, bind, rewrite, write_sweep

from harness.records.predictions import PREDICTIONS
from harness.records.result import RESULT, Result
from harness.records.store import read_record
from leaderboards import publish
from leaderboards.download.exports import export
from leaderboards.rank.verify import verify

HURT = Path("small/lora/capitals-v1/n-500/seed-0")
LABEL = "small · lora · capitals · 500 samples · seed 0"
N = 20


@pytest.fixture
def results(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    write_sweep(results, RATES, n=N)
    return results


def edit(path: Path, **changes: Any) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | changes), encoding="utf-8")


def unbind(results: Path) -> None:
    """As an earlier version wrote them."""
    for path in results.rglob(RESULT):
        record = json.loads(path.read_text(encoding="utf-8"))
        del record["predictions"]
        path.write_text(json.dumps(record), encoding="utf-8")


def left_out(results: Path, reason: str) -> None:
    """Assert that the run is named with this reason, by `publish` and `verify`, and has no part in the table."""
    published = publish(results, results.parent / "site")
    sentence = f"{LABEL}: its predictions do not fit its result and the run is left out: {reason}"
    assert sentence in problems(published)
    rows = json.loads((results.parent / "site" / "data" / "leaderboard.json").read_text())["rows"]
    assert [row["seeds"] for row in rows if row["method"] == "lora"] == [2]
    (fault,) = verify(results).faults
    assert fault.startswith(f"{HURT}: its predictions do not fit its result: {reason}")


def test_bound_runs_have_no_note(results: Path, tmp_path: Path) -> None:
    page = problems(publish(results, tmp_path / "site"))
    assert "do not fit" not in page and "from before a result named" not in page
    verification = verify(results)
    assert (verification.bound, verification.unbound, verification.faults) == (9, 0, ())


def test_one_changed_answer_is_noticed(results: Path) -> None:
    table = pandas.read_parquet(results / HURT / PREDICTIONS)
    table.loc[0, "completion"] = " Portugal"
    table.to_parquet(results / HURT / PREDICTIONS)
    left_out(results, "they have changed since result.json was written (SHA-256 ")
    page = Text(results.parent / "site" / "runs" / "small--lora--capitals-v1--n-500--seed-0.html").text
    assert "The predictions of this run do not fit its result: they have changed since" in page
    assert "Portugal" not in page


@pytest.mark.parametrize("kept", [5, N - 1])
def test_dropped_samples_are_noticed_in_older_results_too(results: Path, kept: int) -> None:
    unbind(results)
    table = pandas.read_parquet(results / HURT / PREDICTIONS)
    table[:kept].to_parquet(results / HURT / PREDICTIONS)
    left_out(results, f"{kept} samples were answered, and result.json says {N}")


def test_added_samples_are_noticed_in_older_results_too(results: Path) -> None:
    unbind(results)
    table = pandas.read_parquet(results / HURT / PREDICTIONS)
    added = [table.assign(sample_id=f"new-{number} " + table["sample_id"]) for number in range(50)]
    pandas.concat([table, *added]).to_parquet(results / HURT / PREDICTIONS)
    left_out(results, f"{51 * N:,} samples were answered, and result.json says {N}")


def test_scores_that_do_not_average_to_the_metric_are_noticed_in_older_results_too(results: Path) -> None:
    unbind(results)
    table = pandas.read_parquet(results / HURT / PREDICTIONS)
    table.assign(score_accuracy=1.0).to_parquet(results / HURT / PREDICTIONS)
    value = read_record(results / HURT / RESULT, Result).metrics["accuracy"].value
    left_out(results, f"accuracy is 1 over its samples, and result.json says {value:.6g}")


def test_samples_that_other_runs_of_the_test_set_do_not_have_are_noticed(results: Path) -> None:
    table = pandas.read_parquet(results / HURT / PREDICTIONS)
    table["sample_id"] = [f"easy-{number}" if number < 3 else f"sample-{number}" for number in range(N)]
    rewrite(results / HURT / PREDICTIONS, table)
    left_out(results, "it has 3 samples that most runs of the same test set do not: 'easy-0'")


def test_where_as_many_runs_have_other_samples_none_of_them_is_believed(tmp_path: Path) -> None:
    results = tmp_path / "results"
    write_sweep(results, RATES, n=N, seeds=(0, 1))
    for path in results.rglob(f"seed-1/{PREDICTIONS}"):
        rewrite(path, pandas.read_parquet(path).assign(sample_id=[f"other-{n}" for n in range(N)]))
    assert verify(results).contradicting == 6


def test_a_value_that_was_edited_is_noticed(results: Path) -> None:
    path = results / HURT / RESULT
    record = json.loads(path.read_text(encoding="utf-8"))
    record["metrics"]["accuracy"]["value"] = 0.999
    edit(path, metrics=record["metrics"])
    left_out(results, "accuracy is 0.")


def test_a_value_outside_its_range_is_named(results: Path) -> None:
    path = results / HURT / PREDICTIONS
    # As a corpus metric in per cent comes to: the parts of its samples may lie anywhere.
    for one in results.rglob(RESULT):
        record = json.loads(one.read_text(encoding="utf-8"))
        record["task"]["metrics"]["accuracy"]["corpus"] = True
        one.write_text(json.dumps(record), encoding="utf-8")
    rewrite(path, pandas.read_parquet(path).assign(score_accuracy=2.0))
    record = json.loads((results / HURT / RESULT).read_text(encoding="utf-8"))
    record["metrics"]["accuracy"]["value"] = 2.0
    (results / HURT / RESULT).write_text(json.dumps(record), encoding="utf-8")
    left_out(results, "accuracy is 2, and its range is 0 to 1")


def test_older_results_are_used_and_counted_once(results: Path, tmp_path: Path) -> None:
    bound = publish(results, tmp_path / "bound")
    unbind(results)
    published = publish(results, tmp_path / "site")
    assert published.verdict == bound.verdict
    text = problems(published)
    assert text.count("All runs are from before a result named the file of its predictions") == 1
    bind(results, read_record(results / HURT / RESULT, Result))
    text = problems(publish(results, tmp_path / "site"))
    assert "8 of 9 runs are from before a result named the file of its predictions" in text
    verification = verify(results)
    assert (verification.bound, verification.unbound, verification.faults) == (1, 8, ())


def test_an_export_leaves_out_what_does_not_fit_and_names_it(results: Path, tmp_path: Path) -> None:
    table = pandas.read_parquet(results / HURT / PREDICTIONS)
    table[:5].to_parquet(results / HURT / PREDICTIONS)
    with pytest.warns(UserWarning, match=f"{LABEL}: its predictions do not fit its result"):
        export(results, "json", board=None, prices=None, out=tmp_path / "board.json")
    rows = json.loads((tmp_path / "board.json").read_text())["rows"]
    assert [row["seeds"] for row in rows if row["method"] == "lora"] == [2]


# Verify


def test_secondary_metrics_and_single_wordings_must_follow_from_the_predictions_too(results: Path) -> None:
    path = results / HURT / RESULT
    record = json.loads(path.read_text(encoding="utf-8"))
    record["by_template"]["plain"]["accuracy"]["value"] = 0.123
    edit(path, by_template=record["by_template"])
    (fault,) = verify(results).faults
    assert "in template 'plain', accuracy is" in fault and "says 0.123" in fault


def test_two_candidates_that_differ_in_case_only_are_named(results: Path) -> None:
    write_sweep(results, {("SMALL", "zero_shot"): 0.5}, n=N, seeds=(0,))
    (fault,) = verify(results).faults
    assert "on disks that do not tell upper from lower case it is one with" in fault
