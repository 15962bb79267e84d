"""A results file that is damaged in any way is named on the page and skipped; the others are published."""

import datetime
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from showcase import write_imported
from site_reading import Text, problems
from synthetic import make_run, rewrite, searched, task_card, write_failure, write_result

from harness.errors import UserError
from harness.records.predictions import PREDICTIONS
from harness.records.result import FAILURE, RESULT
from leaderboards import publish
from leaderboards.elsewhere.scores import IMPORTED

HURT = Path("small/lora/capitals-v1/n-500/seed-0")
"""The run whose files are damaged."""


def write_runs(results: Path) -> None:
    """Two arms with two seeds, a failure and imported scores."""
    card = task_card()
    for method in ("few_shot", "lora"):
        for seed in (0, 1):
            run = make_run("small", method, card, seed)  # type: ignore[arg-type]
            write_result(results, run, card, [1.0, 0.0, 1.0, 0.0 if method == "few_shot" else 1.0])
    write_failure(results, make_run("small", "full", card, 0))
    write_imported(results, "capitals")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_runs(tmp_path / "results")
    return tmp_path / "results"


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def of_wrong_types(path: Path) -> None:
    path.write_text('{"schema_version": "five", "run": [], "metrics": null}', encoding="utf-8")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def nested_deeply(path: Path) -> None:
    path.write_text("[" * 100_000, encoding="utf-8")


def a_huge_number(path: Path) -> None:
    path.write_text('{"schema_version": ' + "9" * 10_000 + "}", encoding="utf-8")


DAMAGES = [emptied, cut_off, of_wrong_types, a_folder, a_loop, nested_deeply, a_huge_number]


@pytest.mark.filterwarnings("ignore:skipped")
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("name", [RESULT, PREDICTIONS, FAILURE, IMPORTED])
def test_a_damaged_file_is_named_and_skipped(
    results: Path, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    folder = HURT if name in (RESULT, PREDICTIONS) else next(results.rglob(name)).parent.relative_to(results)
    damage(results / folder / name)
    published = publish(results, tmp_path / "site")
    page = problems(published)
    named = "small · lora · capitals" if name == PREDICTIONS else f"{folder}/{name}"
    assert named in page
    assert str(tmp_path) not in page
    assert (tmp_path / "site" / "runs" / "small--lora--capitals-v1--n-500--seed-1.html").exists()


def test_predictions_of_another_run_are_not_believed(results: Path, tmp_path: Path) -> None:
    card = task_card(primary_metric="exact_match")
    other = tmp_path / "other"
    run = make_run("small", "lora", card, 0)
    write_result(other, run, card, [1.0, 0.0])
    shutil.copy(other / run.folder / PREDICTIONS, results / HURT / PREDICTIONS)
    page = problems(publish(results, tmp_path / "site"))
    assert "its predictions cannot be read and the run is left out" in page
    assert "there is no column 'score_accuracy'" in page


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("score_accuracy", datetime.datetime(2020, 1, 1)),
        ("score_accuracy", [1.0]),
        ("score_accuracy", {"is": 1.0}),
        ("sample_id", ["a"]),
        ("sample_id", {"is": "a"}),
        ("draw", 2**40),
        ("draw", float("inf")),
        ("draw", float("nan")),
        ("draw", -1),
        ("draw", 1),
    ],
)
def test_predictions_with_a_column_that_cannot_be_meant_are_left_out(
    results: Path, tmp_path: Path, column: str, value: Any
) -> None:
    path = results / HURT / PREDICTIONS
    table = pandas.read_parquet(path)
    table[column] = [value] * len(table)
    table.to_parquet(path)
    page = problems(publish(results, tmp_path / "site"))
    assert "its predictions cannot be read and the run is left out" in page


def test_a_count_of_cut_tokens_without_end_leaves_a_page_without_its_predictions(
    results: Path, tmp_path: Path
) -> None:
    path = results / HURT / PREDICTIONS
    pandas.read_parquet(path).assign(truncated=float("inf")).to_parquet(path)
    publish(results, tmp_path / "site")
    page = Text(tmp_path / "site" / "runs" / "small--lora--capitals-v1--n-500--seed-0.html").text
    assert "The predictions of this run cannot be read." in page


IMPOSSIBLE: list[tuple[str, Any]] = [
    ("schema_version", []),
    ("task.metrics", {}),
    ("task.output", "songs"),
    ("task.n_test", -1),
    ("overlap.samples", 0),
    ("samples.total", 10**400),
    ("trainings.0.per_device_train_batch_size", -1),
    ("trainings.0.train_seconds", -1),
    ("trainings.0.train_seconds", 5e-324),
    ("trainings.0.flops", 1e308),
    ("trainings.0.discarded.seconds", 1e308),
    ("generation.generate_seconds", float("nan")),
    ("cost.requests_per_second", -1),
    ("cost.requests_per_second", 5e-324),
    ("cost.num_devices", -1),
    ("cost.seconds.generate", float("inf")),
    ("selection.trials.1.shares", []),
    ("selection.trials.0.shares.0", 5e-324),
    ("selection.trials.0.spent.tokens", -1),
    ("metrics.accuracy.value", float("nan")),
]


@pytest.mark.parametrize(("place", "value"), IMPOSSIBLE)
@pytest.mark.filterwarnings("ignore:skipped")
def test_a_number_that_nothing_can_have_measured_is_named_and_its_record_skipped(
    results: Path, tmp_path: Path, place: str, value: Any
) -> None:
    card = task_card()
    run, selection = searched(make_run("small", "dora", card, 0), scores={1e-3: 0.5, 1e-2: 0.6})
    write_result(results, run, card, [1.0, 0.0, 1.0, 1.0], selection=selection)
    path = results / run.folder / RESULT
    record = json.loads(path.read_text(encoding="utf-8"))
    *before, last = (int(part) if part.isdecimal() else part for part in place.split("."))
    part = record
    for step in before:
        part = part[step]
    part[last] = value
    path.write_text(json.dumps(record), encoding="utf-8")
    page = problems(publish(results, tmp_path / "site"))
    named = {"task.metrics": "task", "selection.trials.1.shares": "selection.trials.1"}.get(place, place)
    named = "trainings.0.discarded" if "discarded" in place else named
    assert f"{run.folder}/{RESULT}: '{named}'" in page


@pytest.mark.parametrize("least", [5e-324, -5e-324])
def test_a_score_next_to_nothing_costs_what_no_right_answer_costs(
    results: Path, tmp_path: Path, least: float
) -> None:
    for path in (results / HURT.parent).rglob(RESULT):
        record = json.loads(path.read_text(encoding="utf-8"))
        record["metrics"]["accuracy"]["value"] = least
        path.write_text(json.dumps(record), encoding="utf-8")
        predictions = path.with_name(PREDICTIONS)
        rewrite(predictions, pandas.read_parquet(predictions).assign(score_accuracy=0.0))
    publish(results, tmp_path / "site")
    rows = json.loads((tmp_path / "site" / "data" / "leaderboard.json").read_text(encoding="utf-8"))["rows"]
    costs = {row["method"]: row["usd_per_right_answer"] for row in rows}
    assert costs["lora"] is None
    assert costs["few_shot"] is not None


def test_of_two_results_with_the_same_key_the_second_is_named_and_skipped(
    results: Path, tmp_path: Path
) -> None:
    first, second = (results / HURT.with_name(f"seed-{seed}") / RESULT for seed in (0, 1))
    record = json.loads(second.read_text(encoding="utf-8"))
    record["key"] = json.loads(first.read_text(encoding="utf-8"))["key"]
    second.write_text(json.dumps(record), encoding="utf-8")
    with pytest.warns(UserWarning, match=f"skipped: {second}: it has the key of {first}"):
        published = publish(results, tmp_path / "site")
    assert published.runs == 3
    assert "it has the key of small/lora/capitals-v1/n-500/seed-0/result.json" in problems(published)


def test_a_folder_that_links_to_itself_ends_the_walk(results: Path, tmp_path: Path) -> None:
    (results / "again").symlink_to(results, target_is_directory=True)
    (results / "small" / "round").symlink_to("round")
    assert publish(results, tmp_path / "site").runs == 4


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=some.sampled_from([RESULT, PREDICTIONS]),
    flips=some.lists(
        some.tuples(some.floats(0, 1, exclude_max=True), some.integers(1, 255)), min_size=1, max_size=8
    ),
)
@pytest.mark.slow
def test_flipped_bytes_never_end_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, name: str, flips: list[tuple[float, int]]
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    write_runs(folder / "results")
    path = folder / "results" / HURT / name
    content = bytearray(path.read_bytes())
    for place, change in flips:
        content[int(place * len(content))] ^= change
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            publish(folder / "results", folder / "site")
        except UserError as error:
            assert "\n" not in str(error)
    shutil.rmtree(folder)
