"""What a board said before: snapshots are dated, carried over and bounded; only what counts is called a
change."""

import hashlib
import json
import re
import shutil
from datetime import date
from pathlib import Path

import pytest
from site_reading import Text, lines, row
from synthetic import RATES, task_card, write_sweep

from harness.records.result import RESULT
from leaderboards import publish, publish_boards
from leaderboards.history import (
    MOST_KEPT,
    History,
    Snapshot,
    SnapshotRow,
    changes,
    extended,
    read_history,
    stored,
)
from leaderboards.links import model_href
from leaderboards.money.prices import Price
from leaderboards.text import points


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_sweep(tmp_path / "results", RATES, n=60)
    return tmp_path / "results"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "site"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def later(results: Path, day: str) -> None:
    """Finish every run on another day."""
    for path in results.glob(f"**/{RESULT}"):
        record = json.loads(path.read_text(encoding="utf-8"))
        record["provenance"]["finished_at"] = f"{day}T00:00:00+00:00"
        path.write_text(json.dumps(record), encoding="utf-8")


def snapshot_row(name: str = "small", score: float = 0.5, **changed: object) -> SnapshotRow:
    declared: dict[str, object] = {
        "candidate": name,
        "method": "lora",
        "method_name": "LoRA r16",
        "rank_best": 1,
        "rank_worst": 1,
        "score": score,
        "low": score - 0.05,
        "high": score + 0.05,
        "train_usd": 1.0,
        "serve_usd_per_1k": None,
    }
    return SnapshotRow.model_validate(declared | changed)


def snapshot(
    *rows: SnapshotRow, number: int = 1, tasks: tuple[str, ...] = ("one",), hour: float = 3.0
) -> Snapshot:
    return Snapshot(
        number=number,
        date=date(2026, 1, 1),
        board="Board",
        prices_as_of=date(2026, 1, 1),
        prices={"an hour of H100": Price(low=1, mid=hour, high=9)},
        tasks=dict.fromkeys(tasks, 1.0),
        rows=rows,
    )


def test_the_first_table_is_a_dated_snapshot_and_no_news(results: Path, out: Path) -> None:
    index = publish(results, out).index
    (file,) = (out / "history").iterdir()
    assert file.name.startswith("2026-01-01-")
    assert "What has changed" not in Text(index).text
    assert "This is the first table published here." in Text(out / "history.html").text


def test_publishing_the_same_again_adds_nothing_and_gives_the_same_bytes(results: Path, out: Path) -> None:
    publish(results, out)
    later(results, "2026-02-03")
    write_sweep(results, {("small", "full"): 0.95}, n=60)
    publish(results, out)
    before = contents(out)
    assert publish(results, out).changed == ()
    assert contents(out) == before
    assert len(list((out / "history").iterdir())) == 2


def test_what_has_changed_stands_on_its_page_and_in_a_line_on_the_first(results: Path, out: Path) -> None:
    publish(results, out)
    shutil.rmtree(results / "small" / "few_shot")
    write_sweep(results, {("small", "lora"): 0.2, ("large", "lora"): 0.9}, n=60)
    later(results, "2026-02-03")
    published = publish(results, out)
    assert (
        "Since 2026-01-01: 1 score beyond noise, 1 new row, 1 row gone and 2 ranks."
        in Text(published.index).text
    )
    told = lines(out / "history.html", "changes-table")
    assert any("large" in line and "new row" in line for line in told)
    assert any("few-shot" in line and "row gone" in line for line in told)
    assert "LoRA" in told[0] and "score beyond noise" in told[0], "what counts comes first"
    assert len(lines(out / "history.html", "ranks-table")) == 2
    assert "small · few-shot: row gone" in published.changed
    assert len(lines(out / "history.html", "snapshots-table")) == 2


def test_the_best_score_and_its_price_are_drawn_table_by_table(results: Path, out: Path) -> None:
    publish(results, out)
    assert "over time" not in Text(out / "history.html").text
    write_sweep(results, {("large", "lora"): 0.95}, n=60)
    later(results, "2026-02-03")
    published = publish(results, out)
    page = (out / "history.html").read_text(encoding="utf-8")
    best = row(published, "large", "lora")["score"]
    drawn = re.findall(r'aria-label="(Best score|Its training) over 2 tables: from (\S+) to (\S+),', page)
    assert [(title, now) for title, _, now in drawn] == [
        ("Best score", points(best)),
        ("Its training", "$1.00"),
    ]
    assert f"<title>2026-02-03: {points(best)}</title>" in page


def test_a_candidate_with_a_dot_in_its_name_is_headed_and_linked_whole(results: Path, out: Path) -> None:
    publish(results, out)
    write_sweep(results, {("a · b", "lora"): 0.9}, n=60)
    publish(results, out)
    (line,) = [line for line in lines(out / "history.html", "changes-table") if "new row" in line]
    assert line.startswith("a · b LoRA")
    page = (out / "history.html").read_text(encoding="utf-8")
    assert f'href="{model_href("a · b")}"' in page


def test_a_price_that_changed_is_named(results: Path, out: Path, tmp_path: Path) -> None:
    publish(results, out)
    own = tmp_path / "prices.toml"
    own.write_text(
        (out / "data" / "prices.toml").read_text(encoding="utf-8").replace("mid = 3.00", "mid = 2.50"),
        "utf-8",
    )
    published = publish(results, out, prices=own)
    assert published.changed == (
        "The price of an hour of H100: $3.00 ($2.00 to $5.00) → $2.50 ($2.00 to $5.00)",
    )


def test_a_score_that_moved_within_noise_is_no_change() -> None:
    assert changes(snapshot(snapshot_row(score=0.5)), snapshot(snapshot_row(score=0.59))) == []
    (moved,) = changes(snapshot(snapshot_row(score=0.5)), snapshot(snapshot_row(score=0.61)))
    assert (moved.kind, moved.before, moved.after) == ("score", "50.0 (45.0 to 55.0)", "61.0 (56.0 to 66.0)")
    assert moved.row == snapshot_row(score=0.61)


def test_scores_over_other_tasks_are_not_compared() -> None:
    found = changes(
        snapshot(snapshot_row(score=0.1)), snapshot(snapshot_row(score=0.9), tasks=("one", "two"))
    )
    assert [(one.kind, one.before, one.after) for one in found] == [("tasks", "one", "one and two")]


def test_a_row_that_is_no_longer_ranked_changes_its_rank() -> None:
    unranked = snapshot_row().model_copy(
        update=dict.fromkeys(("rank_best", "rank_worst", "score", "low", "high"))
    )
    (change,) = changes(snapshot(snapshot_row(rank_worst=2)), snapshot(unranked))
    assert (change.kind, change.before, change.after) == ("rank", "1–2", "not ranked")


def test_only_the_last_snapshots_are_kept() -> None:
    history = History()
    for number in range(MOST_KEPT + 5):
        history = extended(history, snapshot(snapshot_row(score=0.1 + number / 100)))
    assert len(history.snapshots) == len(history.files) == MOST_KEPT
    assert [one.table.number for one in history.snapshots] == list(range(6, MOST_KEPT + 6))


def test_a_table_that_comes_back_is_a_snapshot_of_its_own() -> None:
    history = History()
    for score in (0.1, 0.9, 0.1):
        history = extended(history, snapshot(snapshot_row(score=score)))
    assert [one.table.number for one in history.snapshots] == [1, 2, 3]
    assert len(history.files) == 3


@pytest.mark.parametrize("damage", ["{", "[]", "\x00\xff", ""])
def test_a_damaged_snapshot_is_named_kept_and_skipped(results: Path, out: Path, damage: str) -> None:
    publish(results, out)
    (file,) = (out / "history").iterdir()
    file.write_text(damage, encoding="latin-1")
    later(results, "2026-02-03")
    publish(results, out)
    page = Text(out / "history.html").text
    assert f"history/{file.name}" in page and "Damaged snapshots" in page
    before = contents(out)
    publish(results, out)
    assert contents(out) == before
    assert file.read_text(encoding="latin-1") == damage


def test_a_snapshot_of_a_table_without_tasks_is_damaged(results: Path, out: Path) -> None:
    publish(results, out)
    content = stored(snapshot(snapshot_row())).content.replace(b'"one": 1.0', b"")
    digest = hashlib.sha256(content).hexdigest()[:12]
    (out / "history" / f"2020-01-01-{digest}.json").write_bytes(content)
    publish(results, out)
    assert f"history/2020-01-01-{digest}.json" in Text(out / "history.html").text


def test_the_same_table_puts_its_damaged_snapshot_right(results: Path, out: Path) -> None:
    publish(results, out)
    before = contents(out)
    next((out / "history").iterdir()).write_text("{", encoding="utf-8")
    publish(results, out)
    assert contents(out) == before


def test_a_snapshot_that_somebody_edited_is_damaged(results: Path, out: Path) -> None:
    publish(results, out)
    (file,) = (out / "history").iterdir()
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"board": "Fine', '"board": "Mine'), encoding="utf-8")
    history = read_history(out / "history")
    assert history.snapshots == () and list(history.damaged) == [file.name]


def test_hostile_text_in_a_snapshot_is_shown_as_text(results: Path, out: Path) -> None:
    evil = "<script>alert(1)</script>\u202e"
    (out / "history").mkdir(parents=True)
    (out / ".gainboard-site").touch()
    old = stored(snapshot(snapshot_row(evil)))
    (out / "history" / old.name).write_bytes(old.content)
    publish(results, out)
    source = (out / "history.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩" in source
    assert "<script>alert" not in source


def test_a_history_of_many_large_tables_stays_a_small_page(results: Path, out: Path) -> None:
    publish(results, out)
    history = read_history(out / "history")
    rows = [snapshot_row(f"model-{number}") for number in range(300)]
    for number in range(MOST_KEPT):
        history = extended(history, snapshot(*rows[number:]))
    for name, content in history.files.items():
        (out / "history" / name).write_bytes(content)
    published = publish(results, out)
    assert len(published.changed) > 200
    assert (out / "history.html").stat().st_size < 150 * 1024


def test_a_board_keeps_its_history_when_it_becomes_one_of_several(
    results: Path, out: Path, tmp_path: Path
) -> None:
    write_sweep(results, RATES, tasks=(task_card("rivers"),), n=30)
    boards = []
    for name, task in (("one", "capitals"), ("two", "rivers")):
        path = tmp_path / name / "board.toml"
        path.parent.mkdir()
        path.write_text(f'title = "{name}"\ntasks = ["{task}"]\n', encoding="utf-8")
        boards.append(path)
    publish(results, out, board=boards[0])
    (name,) = (path.name for path in (out / "history").iterdir())
    publish_boards(results, out, boards)
    assert [path.name for path in (out / "one" / "history").iterdir()] == [name]
    assert name not in {path.name for path in (out / "two" / "history").iterdir()}
    publish(results, out, board=boards[0])
    assert [path.name for path in (out / "history").iterdir()] == [name]
