"""Whatever lies where a record should, publishing names it, skips it, ends soon, and gives no secret away."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from site_reading import Text, problems
from synthetic import make_run, task_card, write_failure, write_result

from harness.cli import main
from harness.errors import UserError
from harness.records.predictions import PREDICTIONS
from harness.records.result import FAILURE, RESULT
from leaderboards import publish
from leaderboards.elsewhere.scores import FOLDER, IMPORTED

HURT = Path("small/lora/capitals-v1/n-500/seed-0")
SECRET = "ghp_secret"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    card = task_card()
    for method in ("few_shot", "lora"):
        for seed in (0, 1):
            write_result(results, make_run("small", method, card, seed), card, [1.0, 0.0, 1.0])  # type: ignore[arg-type]
    write_failure(results, make_run("small", "full", card, 0))
    return results


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_huge_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 << 30)  # it takes no disk


@pytest.mark.filterwarnings("ignore:skipped")
@pytest.mark.parametrize("make", [a_pipe, zeros, a_huge_file], ids=lambda make: make.__name__)
def test_pipes_devices_and_huge_files_are_named_and_skipped(
    results: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    failed = next(results.rglob(FAILURE)).parent
    imported = results / FOLDER / "small" / "capitals" / "shots-0"
    imported.mkdir(parents=True)
    places = [results / HURT / RESULT, failed / FAILURE, imported / IMPORTED]
    other = results / HURT.with_name("seed-1") / PREDICTIONS
    for path in [*places, other]:
        path.unlink(missing_ok=True)
        make(path)
    page = problems(publish(results, tmp_path / "site"))
    for path in places:
        assert f"{path.relative_to(results)} is " in page
    assert "small · lora · capitals · 500 samples · seed 1: its predictions cannot be read" in page
    assert str(tmp_path) not in page


@pytest.mark.filterwarnings("ignore:skipped")
def test_a_link_out_of_the_results_is_named_and_never_read(results: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name, path in ((RESULT, results / HURT), (PREDICTIONS, results / HURT.with_name("seed-1"))):
        (path / name).rename(outside / name)
        (path / name).symlink_to(outside / name)
    page = problems(publish(results, tmp_path / "site"))
    assert f"{HURT}/{RESULT} is a link that leads out of its folder" in page
    assert "seed 1: its predictions cannot be read and the run is left out: the file is a link" in page


@pytest.mark.filterwarnings("ignore:skipped")
def test_imported_scores_are_not_looked_for_behind_a_link(results: Path, tmp_path: Path) -> None:
    (results / FOLDER).symlink_to("/")
    page = problems(publish(results, tmp_path / "site"))
    assert "imported is a link, and is not followed" in page


@pytest.mark.filterwarnings("ignore:skipped")
def test_a_folder_that_cannot_be_listed_is_named(results: Path, tmp_path: Path) -> None:
    """Its path is longer than the system takes, which stops whoever the tests run as."""
    name = "a" * 250
    here = os.open(results, os.O_RDONLY)
    for _ in range(17):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    page = problems(publish(results, tmp_path / "site"))
    assert "cannot be listed: File name too long" in page


def test_a_secret_that_a_former_site_links_to_is_not_published(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    publish(results, out)
    (tmp_path / "secret").write_text(SECRET)
    strange = out / "history" / "2020-01-01-000000000000.json"
    strange.symlink_to(tmp_path / "secret")
    os.mkfifo(out / "history" / "2020-01-02-000000000000.json")
    publish(results, out)
    assert not any(SECRET in path.read_text(errors="replace") for path in out.rglob("*") if path.is_file())
    page = Text(out / "history.html").text
    assert "history/2020-01-01-000000000000.json is a link, which is not followed" in page
    assert "history/2020-01-02-000000000000.json is no ordinary file" in page


def test_a_history_behind_a_link_is_not_read(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    publish(results, out)
    (out / "history").rename(tmp_path / "elsewhere")
    (out / "history").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(
        UserError, match="history is reached by a link, which is not followed; remove the link"
    ):
        publish(results, out)


@pytest.mark.parametrize("url", ["https://user:pw@example.org/board/", "https://token@example.org/"])
def test_a_password_in_an_address_is_refused_and_not_said_again(
    results: Path, tmp_path: Path, url: str
) -> None:
    with pytest.raises(UserError, match="--url holds a user name, or a password") as raised:
        publish(results, tmp_path / "site", url=url)
    assert "pw" not in str(raised.value) and "token" not in str(raised.value)


@pytest.mark.parametrize("below", ["site", "small/site", ""])
def test_a_site_never_lies_among_the_results(results: Path, below: str) -> None:
    before = sorted(results.rglob("*"))
    with pytest.raises(UserError, match="choose another folder for the site"):
        publish(results, results / below)
    assert sorted(results.rglob("*")) == before


def test_a_board_that_is_a_pipe_ends_in_a_sentence(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = tmp_path / "board.toml"
    os.mkfifo(board)
    with pytest.raises(SystemExit) as ended:
        main(["publish", "--results", str(results), "--out", str(tmp_path / "site"), "--board", str(board)])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"gainboard: {board} is no ordinary file\n"


REPLACE_A_READ_ONLY_SITE = """
import sys
import tempfile
from pathlib import Path
from leaderboards.write.folders import replacing
site = Path(sys.argv[1]) / "site"
(site / "runs" / "deep").mkdir(parents=True)
(site / "runs" / "deep" / "page.html").touch()
for folder in (site / "runs" / "deep", site / "runs", site):
    folder.chmod(0o555)
with replacing(site) as new:
    (new / "index.html").touch()
"""


def test_a_read_only_former_site_leaves_nothing_behind() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        subprocess.run([sys.executable, "-c", REPLACE_A_READ_ONLY_SITE, name], check=True)
        assert [path.name for path in Path(name).iterdir()] == ["site"]
        assert [path.name for path in (Path(name) / "site").iterdir()] == ["index.html"]


def test_a_record_without_its_metric_is_listed_without_a_score(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / HURT / RESULT
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"metrics": {}}), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["list", "runs", "--json", "--results", str(results)])
    assert ended.value.code == 0
    scores = {row["run"]: row["score"] for row in json.loads(capsys.readouterr().out)}
    assert scores["small · lora · capitals · 500 samples · seed 0"] is None
