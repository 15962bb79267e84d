"""A large board: in several processes, and again from what has not changed, the pages are those of a fresh
publish."""

import hashlib
import io
import itertools
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from synthetic import draw_scores, make_run, task_card, write_ensemble, write_result, write_sweep

from harness.cli import main
from harness.records import store
from harness.records.predictions import PREDICTIONS
from harness.records.result import RESULT, Result
from harness.sweep.methods import Method
from leaderboards import Means, publish, publish_boards, site
from leaderboards.download import data
from leaderboards.rank.scores import Outcome, Reading
from leaderboards.write import processes, rendering, score_reader
from leaderboards.write.cache import Cache
from leaderboards.write.checked_records import checked_before
from leaderboards.write.former_pages import PAGES

ARMS: dict[tuple[str, Method], float] = {
    ("small", "zero_shot"): 0.3,
    ("small", "few_shot"): 0.5,
    ("small", "lora"): 0.8,
    ("large", "few_shot"): 0.6,
}
CARDS = (task_card("one"), task_card("two"))
ONE_RUN = "small/lora/one-v1/n-500/seed-0"

PRICES = Path(site.SHIPPED_PRICES)


@pytest.fixture(autouse=True)
def as_if_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is only worth its while for large boards is done for these small ones."""
    monkeypatch.setattr(site, "MANY_RUNS", 0)
    monkeypatch.setattr(processes, "LEAST_SHARED", 1)
    monkeypatch.setattr(processes, "SHARE", 3)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    write_sweep(results, ARMS, tasks=CARDS, n=20)
    members = [
        write_result(results, make_run("other", "lora", CARDS[0], seed), CARDS[0], draw_scores(0.7, 20, seed))
        for seed in (0, 1)
    ]
    write_ensemble(results, "together", "vote", members, draw_scores(0.75, 20, 0))
    return results


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses of all pages that are rendered, rather than taken over."""
    seen = list[str]()
    write = rendering.Renderer.write

    def noted(
        self: rendering.Renderer, template: str, href: str, *rest: object, **named: object
    ) -> rendering.PageStamp:
        seen.append(href)
        return write(self, template, href, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(rendering.Renderer, "write", noted)
    return seen


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def runs(pages: list[str]) -> list[str]:
    return [page for page in pages if page.startswith("runs/")]


def fresh(results: Path, like: Path) -> Path:
    """The site as it is made from nothing, but for its history."""
    out = like.with_name("fresh")
    shutil.rmtree(out, ignore_errors=True)
    (out / "history").mkdir(parents=True)
    shutil.copy(like / site.MARKER, out)
    for snapshot in (like / "history").iterdir():
        shutil.copy(snapshot, out / "history")
    publish(results, out)
    return out


def test_several_processes_make_the_same_site_as_one(results: Path, tmp_path: Path) -> None:
    one = publish(results, tmp_path / "one")
    said = list[tuple[str, int, int]]()
    several = publish(results, tmp_path / "several", means=Means(2, tell=lambda *told: said.append(told)))
    assert files(tmp_path / "one") == files(tmp_path / "several")
    assert (one.pages, one.runs, one.verdict) == (several.pages, several.runs, several.verdict)
    assert {
        ("reading predictions", 27, 27),
        ("writing pages of runs", 3, 27),
        ("writing pages of runs", 27, 27),
    } <= {*said}


def test_a_fault_in_another_process_leaves_the_old_site_and_nothing_beside_it(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = publish(results, tmp_path / "site").index.read_bytes()
    monkeypatch.setattr("leaderboards.pages.run_page.runs._write", faulty)
    with pytest.raises(ZeroDivisionError):
        publish(results, tmp_path / "site", means=Means(2))
    assert (tmp_path / "site" / "index.html").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"results", "site"}


def faulty(*_: object, **__: object) -> list[object]:
    raise ZeroDivisionError


def test_nothing_changed_is_nothing_rendered_again_but_the_outer_pages(
    results: Path, tmp_path: Path, cache: Path, written: list[str]
) -> None:
    out = tmp_path / "site"
    publish(results, out, means=Means(cache=cache))
    before, times = files(out), {path: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}
    assert len(runs(written)) == len(times) == 27
    answers = {path: path.stat().st_mtime_ns for path in (out / "answers").rglob("small-*.js")}
    assert len(answers) == 3
    written.clear()
    published = publish(results, out, means=Means(cache=cache))
    assert files(out) == before
    assert {path: path.stat().st_mtime_ns for path in (out / "runs").iterdir()} == times
    assert {path: path.stat().st_mtime_ns for path in answers} == answers
    assert set(written) == {
        "404.html",
        "compare.html",
        "cost.html",
        "gains.html",
        "history.html",
        "index.html",
        "methodology.html",
        "methods.html",
        "models.html",
        "tasks.html",
    }
    assert published.pages == len(list(out.rglob("*.html")))


def changed_record(results: Path, _: Path) -> None:
    path = results / ONE_RUN / RESULT
    path.write_text(
        path.read_text(encoding="utf-8").replace("invented.toml", "changed.toml"), encoding="utf-8"
    )


def changed_predictions(results: Path, _: Path) -> None:
    """Seemingly as old as before."""
    path = results / ONE_RUN / PREDICTIONS
    old = path.stat()
    write_result(results, make_run("small", "lora", CARDS[0], 0), CARDS[0], draw_scores(0.2, 20, 9))
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))


def unreadable_predictions(results: Path, _: Path) -> None:
    (results / ONE_RUN / PREDICTIONS).write_bytes(b"PAR1")


def added_run(results: Path, _: Path) -> None:
    write_result(results, make_run("large", "zero_shot", CARDS[0], 0), CARDS[0], draw_scores(0.4, 20, 1))


def removed_run(results: Path, _: Path) -> None:
    shutil.rmtree(results / ONE_RUN)


def touched_page(_: Path, out: Path) -> None:
    page = next((out / "runs").iterdir())
    page.write_text(page.read_text(encoding="utf-8").replace("Run", "Ran"), encoding="utf-8")


def removed_page(_: Path, out: Path) -> None:
    next((out / "runs").iterdir()).unlink()


def touched_line(_: Path, out: Path) -> None:
    lines = out / "data" / "runs.jsonl"
    lines.write_text(lines.read_text(encoding="utf-8").replace("small", "SMALL"), encoding="utf-8")


def linked_page(results: Path, out: Path) -> None:
    page = next((out / "runs").iterdir())
    page.unlink()
    page.symlink_to(results / ONE_RUN / RESULT)


@pytest.mark.parametrize(
    ("change", "rendered"),
    [
        (changed_record, 1),
        (changed_predictions, 1),
        (unreadable_predictions, 1),
        (added_run, 1),
        (removed_run, 0),
        (touched_page, 1),
        (removed_page, 1),
        (linked_page, 1),
        (touched_line, 0),
    ],
)
@pytest.mark.filterwarnings("ignore:skipped")
def test_after_a_change_the_site_is_as_if_made_from_nothing(
    change: Callable[[Path, Path], None],
    rendered: int,
    results: Path,
    tmp_path: Path,
    cache: Path,
    written: list[str],
) -> None:
    out = tmp_path / "site"
    publish(results, out, means=Means(cache=cache))
    change(results, out)
    written.clear()
    publish(results, out, means=Means(cache=cache))
    assert len(runs(written)) == rendered
    assert files(out) == files(fresh(results, out))


def test_only_the_answers_of_arms_that_changed_are_written_again(
    results: Path, tmp_path: Path, cache: Path
) -> None:
    out = tmp_path / "site"
    publish(results, out, means=Means(cache=cache))
    times = {path: path.stat().st_mtime_ns for path in (out / "answers").rglob("*-*.js")}
    write_result(results, make_run("small", "lora", CARDS[1], 0), CARDS[1], draw_scores(0.75, 20, 9))
    published = publish(results, out, means=Means(cache=cache))
    changed = [path for path, time in times.items() if path.stat().st_mtime_ns != time]
    assert changed == [out / "answers" / "two" / "small-lora.js"]
    assert files(out) == files(fresh(results, out))
    assert published.pages == len(list(out.rglob("*.html")))


def test_only_the_lines_of_runs_that_changed_are_made_again(
    results: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, run_record = list[str](), data.run_record

    def noted(result: Result) -> dict[str, Any]:
        made.append("/".join(result.run.place))
        return run_record(result)

    monkeypatch.setattr(data, "run_record", noted)
    out = tmp_path / "site"
    publish(results, out, means=Means(cache=cache))
    assert len(made) == 27
    made.clear()
    changed_record(results, out)
    publish(results, out, means=Means(cache=cache))
    assert made == [ONE_RUN]
    assert files(out) == files(fresh(results, out))


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The records that are searched for keys that are given twice."""
    contents = list[bytes]()
    check_keys = store.check_keys

    def noted(text: bytes) -> None:
        contents.append(text)
        check_keys(text)

    monkeypatch.setattr(store, "check_keys", noted)
    return contents


def test_only_records_that_changed_are_searched_again_for_repeated_keys(
    results: Path, tmp_path: Path, cache: Path, searched: list[bytes]
) -> None:
    out, path = tmp_path / "site", results / ONE_RUN / RESULT
    publish(results, out, means=Means(cache=cache))
    assert len(searched) == 27
    changed_record(results, out)
    searched.clear()
    publish(results, out, means=Means(cache=cache))
    assert searched == [path.read_bytes()]


def test_a_record_that_repeats_a_key_is_named_again_and_again(
    results: Path, tmp_path: Path, cache: Path
) -> None:
    out, path = tmp_path / "site", results / ONE_RUN / RESULT
    publish(results, out, means=Means(cache=cache))
    former = path.stat()
    text = path.read_text(encoding="utf-8").replace('"collapsed": ""', '"lost": {}')
    assert text.count('"lost"') == 2
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(former.st_atime_ns, former.st_mtime_ns))  # seemingly as old as before
    for _ in range(2):
        with pytest.warns(UserWarning, match="the key 'lost' is given twice"):
            publish(results, out, means=Means(cache=cache))


def test_only_records_that_are_there_stay_in_the_cache(results: Path, tmp_path: Path, cache: Path) -> None:
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in results.rglob(RESULT)]
    publish(results, tmp_path / "site", means=Means(cache=cache))
    assert checked_before(Cache(cache), results) == {*digests}
    removed = hashlib.sha256((results / ONE_RUN / RESULT).read_bytes()).hexdigest()
    removed_run(results, tmp_path)
    publish(results, tmp_path / "site", means=Means(cache=cache))
    assert checked_before(Cache(cache), results) == {*digests} - {removed}


def test_a_member_that_changed_changes_the_page_of_its_ensemble(
    results: Path, tmp_path: Path, cache: Path, written: list[str]
) -> None:
    out = tmp_path / "site"
    publish(results, out, means=Means(cache=cache))
    path = next((results / "other").glob(f"**/seed-1/{RESULT}"))
    path.write_text(path.read_text(encoding="utf-8").replace("1200.0", "1300.0"), encoding="utf-8")
    written.clear()
    publish(results, out, means=Means(cache=cache))
    assert len(runs(written)) == 2 and any("together" in page for page in runs(written))
    assert files(out) == files(fresh(results, out))


def test_a_changed_price_or_title_changes_all_pages(
    results: Path, tmp_path: Path, cache: Path, written: list[str]
) -> None:
    out, prices, board = tmp_path / "site", tmp_path / "prices.toml", tmp_path / "board.toml"
    prices.write_bytes(PRICES.read_bytes())
    board.write_text('title = "First"\n', encoding="utf-8")
    publish(results, out, board=board, prices=prices, means=Means(cache=cache))
    for path, old, new in (
        (prices, "mid = 0.10, high = 1.00", "mid = 0.20, high = 1.00"),
        (board, "First", "Second"),
    ):
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        written.clear()
        publish(results, out, board=board, prices=prices, means=Means(cache=cache))
        assert len(runs(written)) == 27
    assert all("Second" in text.decode() for name, text in files(out).items() if name.startswith("runs/"))


def test_a_changed_code_changes_all_pages(
    results: Path, tmp_path: Path, cache: Path, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(results, tmp_path / "site", means=Means(cache=cache))
    written.clear()
    for module in ("cache", "rendering"):
        monkeypatch.setattr(f"leaderboards.write.{module}.code_version", lambda: "another")
    publish(results, tmp_path / "site", means=Means(cache=cache))
    assert len(runs(written)) == 27


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_cache_counts_as_none(
    damage: bytes | None, results: Path, tmp_path: Path, cache: Path, written: list[str]
) -> None:
    out = tmp_path / "site"
    publish(results, out, means=Means(cache=cache))
    before, kept = files(out), list((cache / "publish").iterdir())
    assert sorted(path.suffix for path in kept) == [".levels", ".pages", ".records", ".scores"]
    for path in kept:
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        path.write_bytes(bytes(content) if damage is None else damage)
    written.clear()
    publish(results, out, means=Means(cache=cache))
    assert len(runs(written)) == 27
    assert files(out) == before


def test_a_cache_that_cannot_be_written_is_done_without(results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for _ in range(2):
        publish(results, tmp_path / "site", means=Means(cache=tmp_path / "file"))
    assert files(tmp_path / "site") == files(fresh(results, tmp_path / "site"))
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


@pytest.mark.parametrize(
    "kinds",
    [
        *itertools.permutations((".levels", ".pages", ".scores"), 2),
        (".scores", ".records"),
        (".records", ".scores"),
    ],
)
def test_a_cache_of_another_kind_counts_as_none(
    kinds: tuple[str, str], results: Path, tmp_path: Path, cache: Path
) -> None:
    out = tmp_path / "site"
    publish(results, out, means=Means(cache=cache))
    before, kept = files(out), {path.suffix: path for path in (cache / "publish").iterdir()}
    shutil.copy(kept[kinds[0]], kept[kinds[1]])
    publish(results, out, means=Means(cache=cache))
    assert files(out) == before


def test_pages_that_others_may_not_read_are_not_taken_over(
    results: Path, tmp_path: Path, cache: Path
) -> None:
    before = os.umask(0o077)
    try:
        publish(results, tmp_path / "site", means=Means(cache=cache))
        os.umask(0o022)
        publish(results, tmp_path / "site", means=Means(cache=cache))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "site").rglob("*.html")} == {0o644}


def test_the_cache_keeps_its_newest_files_only(
    results: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboards.write.cache.MOST_KEPT", 2)
    for name in ("a", "b", "c"):
        publish(results, tmp_path / name, means=Means(cache=cache))
    kept = {path.suffix: path for path in (cache / "publish").iterdir()}
    assert sorted(kept) == [".levels", ".pages", ".records", ".scores"]
    assert len(list((cache / "publish").iterdir())) == 4  # more than two, for one publish needs them
    assert Cache(cache).read(PAGES, tmp_path / "c") is not None


def test_a_site_of_many_boards_does_not_lose_its_scores_to_their_pages(
    results: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboards.write.cache.MOST_KEPT", 2)
    boards = [tmp_path / f"{name}.toml" for name in ("a", "b")]
    for board in boards:
        board.write_text(f'title = "{board.stem}"\n', encoding="utf-8")
    read, read_each = list[object](), score_reader.read_each

    def noted(readings: Sequence[Reading], folder: Path) -> list[Outcome]:
        read.extend(readings)
        return read_each(readings, folder)

    monkeypatch.setattr(score_reader, "read_each", noted)
    for count in (27, 0, 0):
        read.clear()
        publish_boards(results, tmp_path / "site", boards, means=Means(cache=cache))
        assert len(read) == count


def test_a_small_board_leaves_no_cache(
    results: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "MANY_RUNS", 1000)
    publish(results, tmp_path / "site", means=Means(cache=cache))
    assert not cache.exists()


def test_boards_of_one_site_are_taken_over_each_by_itself(
    results: Path, tmp_path: Path, cache: Path, written: list[str]
) -> None:
    boards = [tmp_path / "all.toml", tmp_path / "one.toml"]
    boards[0].write_text('title = "All"\n', encoding="utf-8")
    boards[1].write_text('title = "One"\ntasks = ["one"]\n', encoding="utf-8")
    first = publish_boards(results, tmp_path / "site", boards, means=Means(cache=cache))
    before = files(tmp_path / "site")
    written.clear()
    again = publish_boards(results, tmp_path / "site", boards, means=Means(2, cache=cache))
    assert runs(written) == []
    assert files(tmp_path / "site") == before
    assert first.pages == again.pages


def test_the_command_keeps_a_cache_where_the_user_s_lies_unless_told_otherwise(
    results: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GAINBOARD_CACHE", str(cache))
    command = ["publish", "--results", str(results), "--out", str(tmp_path / "site"), "--json"]
    for options, there in (["--no-cache", "--workers", "2"], False), (["--workers", "1"], True):
        with pytest.raises(SystemExit) as ended:
            main([*command, *options])
        assert ended.value.code == 0
        assert json.loads(capsys.readouterr().out)["runs"] == 27
        assert cache.exists() == there


class Terminal(io.StringIO):
    """Takes what is said, as a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_counter_speaks_on_a_terminal_once_work_takes_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 2.5, 2.5, 3.0, 5.0, 5.0])
    monkeypatch.setattr(processes.time, "monotonic", lambda: next(clock))
    terminal = Terminal()
    counter = processes.Counter(terminal)
    for done in (64, 1000, 1064, 2000):
        counter("writing pages of runs", done, 2000)
    assert terminal.getvalue().splitlines() == [
        "gainboard: writing pages of runs, 1,000 of 2,000",
        "gainboard: writing pages of runs, 2,000 of 2,000",
    ]


@pytest.mark.parametrize(("options", "speaks"), [([], True), (["--json"], False)])
def test_the_command_counts_on_a_terminal_for_people_only(
    options: list[str], speaks: bool, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "SECONDS_BETWEEN", -1.0)
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with pytest.raises(SystemExit):
        main(
            [
                "publish",
                "--results",
                str(results),
                "--out",
                str(tmp_path / "site"),
                "--workers",
                "1",
                "--no-cache",
                *options,
            ]
        )
    assert ("gainboard: reading predictions, 27 of 27" in terminal.getvalue().splitlines()) == speaks
    assert speaks or terminal.getvalue() == ""


def test_a_counter_is_silent_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "SECONDS_BETWEEN", -1.0)
    pipe = io.StringIO()
    processes.Counter(pipe)("reading", 1, 2)
    assert pipe.getvalue() == ""
