"""Gains by task: against which arm, which of so many are more than chance, and how they are mapped."""

import re
from pathlib import Path

import pytest
from site_reading import Text, lines
from synthetic import make_run, task_card, write_result, write_sweep

from harness.records.store import read_results
from harness.statistics import false_discovery
from harness.sweep.methods import Method
from leaderboards import publish
from leaderboards.board import load_board
from leaderboards.rank.discoveries import task_gains
from leaderboards.rank.standings import p_of_gains
from leaderboards.rank.tables import Table
from leaderboards.rank.tabulate import tabulate

CARDS = (task_card("one"), task_card("two"))
RATES: dict[tuple[str, Method], float] = {
    ("small", "zero_shot"): 0.3,
    ("small", "few_shot"): 0.5,
    ("small", "lora"): 0.8,
    ("small", "full"): 0.51,
    ("alone", "lora"): 0.6,
}


def table_of(results: Path) -> Table:
    return tabulate(read_results(results), results, load_board(None))


def test_a_gain_is_over_few_shot_and_over_zero_shot_only_without_it(tmp_path: Path) -> None:
    write_sweep(tmp_path, RATES, tasks=CARDS, n=80)
    for seed in (0, 1, 2):
        write_result(tmp_path, make_run("alone", "zero_shot", CARDS[0], seed), CARDS[0], [0.0, 1.0] * 40)
    gains = task_gains(table_of(tmp_path))
    assert {key: gain.over for key, gain in gains.items()} == {
        (("small", "lora"), "one"): "few_shot",
        (("small", "full"), "one"): "few_shot",
        (("alone", "lora"), "one"): "zero_shot",
        (("small", "lora"), "two"): "few_shot",
        (("small", "full"), "two"): "few_shot",
    }


def test_the_correction_is_over_all_gains_of_the_board(tmp_path: Path) -> None:
    write_sweep(tmp_path, RATES, tasks=CARDS, n=80)
    table = table_of(tmp_path)
    gains = task_gains(table)
    p = []
    for (name, method), task in gains:
        row, few = table.row(name, method), table.row(name, "few_shot")
        assert row and few
        p += p_of_gains(table.standings[task], [(row.cells[task], few.cells[task])])
    assert [gain.q for gain in gains.values()] == pytest.approx(false_discovery(p).tolist())
    assert [gain.discovery for (key, _), gain in gains.items() if key[1] == "lora"] == [True, True]
    assert [gain.discovery for (key, _), gain in gains.items() if key[1] == "full"] == [False, False]


def test_the_map_says_the_gain_and_marks_what_is_more_than_chance(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", RATES, tasks=CARDS, n=80)
    published = publish(tmp_path / "results", tmp_path / "site")
    page = published.index.with_name("gains.html")
    lora, full = lines(page, "gains-table")
    assert lora.startswith("small LoRA r16") and lora.count("•") == 2 and lora.count("+") == 2
    assert full.startswith("small full fine-tune") and "•" not in full
    assert "• marks the 2 of 4 gains that are significant" in Text(page).text
    assert "2 of 4 gains are significant." in Text(published.index).text


@pytest.mark.parametrize(
    ("right", "tone"), [(16, "down3"), (29, None), (32, "up1"), (54, "up4"), (60, "up5"), (85, "up6")]
)
def test_the_colour_is_stronger_the_larger_a_gain_or_a_loss_is(
    tmp_path: Path, right: int, tone: str | None
) -> None:
    for card in CARDS:
        for method, number in (("zero_shot", 30), ("lora", right)):
            scores = [1.0] * number + [0.0] * (100 - number)
            write_result(tmp_path / "results", make_run("small", method, card, 0), card, scores)
    index = publish(tmp_path / "results", tmp_path / "site").index
    page = index.with_name("gains.html").read_text(encoding="utf-8")
    cells = re.findall(
        r"<td(?: class=\"(.*?)\")?>", page[page.index('id="gains-table"') :].split("</table>")[0]
    )
    assert cells == [tone or ""] * 2


def test_one_task_needs_no_map(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", RATES, tasks=CARDS[:1], n=20)
    assert "Gains by task" not in Text(publish(tmp_path / "results", tmp_path / "site").index).text


def test_a_large_map_is_drawn_without_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sweep(tmp_path / "results", RATES, tasks=CARDS, n=20)
    drawn = []
    for most in (3, 4):
        monkeypatch.setattr("leaderboards.pages.parts.heat.MOST_ADORNED", most)
        page = publish(tmp_path / "results", tmp_path / "site").index.with_name("gains.html")
        assert len(lines(page, "gains-table")) == 2
        drawn.append('class="shape' in page.read_text(encoding="utf-8").split('id="gains-table"')[1])
    assert drawn == [False, True]
