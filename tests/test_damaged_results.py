"""A results file that is damaged in any way is named on the page and skipped; the others are published."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from showcase import write_imported
from site_reading import Text
from synthetic import make_run, task_card, write_failure, write_result

from harness.errors import UserError
from harness.results import FAILURE, PREDICTIONS, RESULT
from leaderboards import publish
from leaderboards.elsewhere import IMPORTED

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
    page = Text(published.index).text
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
    page = Text(publish(results, tmp_path / "site").index).text
    assert "its predictions cannot be read and the run is left out" in page
    assert "there is no column 'score_accuracy'" in page


def test_a_folder_that_links_to_itself_ends_the_walk(results: Path, tmp_path: Path) -> None:
    (results / "again").symlink_to(results, target_is_directory=True)
    (results / "small" / "round").symlink_to("round")
    assert publish(results, tmp_path / "site").runs == 4


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=some.sampled_from([RESULT, PREDICTIONS]),
    flips=some.lists(some.tuples(some.floats(0, 1, exclude_max=True), some.integers(1, 255)), min_size=1, max_size=8),
)
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
