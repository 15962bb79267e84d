"""Any two rows side by side: the page and its data files hold the numbers of the table."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_reading import Text, lines
from synthetic import draw_scores, make_run, task_card, write_result, write_sweep

from harness.records.store import read_results
from harness.statistics import holm
from harness.sweep.methods import Method
from harness.task.metric import Scale
from leaderboards import publish
from leaderboards.board import Board
from leaderboards.links import row_slug
from leaderboards.pages.compare import _last_digits, p_text, signed_digits
from leaderboards.pages.parts import heads
from leaderboards.rank.comparisons import compare_rows
from leaderboards.rank.pairs import paired
from leaderboards.rank.tables import Table
from leaderboards.rank.tabulate import tabulate
from leaderboards.text import POINTS, Unit, interval, points

ARMS: dict[tuple[str, Method], float] = {
    ("small", "zero_shot"): 0.3,
    ("small", "few_shot"): 0.5,
    ("small", "lora"): 0.8,
    ("large", "few_shot"): 0.6,
}
CARDS = (task_card("one"), task_card("two"))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_sweep(tmp_path / "results", ARMS, tasks=CARDS, n=40)
    return tmp_path / "results"


def table_of(results: Path) -> Table:
    return tabulate(read_results(results), results, Board())


def data_of(path: Path) -> Any:
    """What a data file hands to its page."""
    text = path.read_text(encoding="utf-8")
    assert text.isascii() and "</" not in text
    found = re.fullmatch(r"gainboard(?:Pairs|Rows)\((.*)\);\n", text)
    assert found, text[:80]
    return json.loads(found[1])


def test_a_data_file_holds_a_row_s_pairs_with_the_rows_after_it_as_they_are_shown(results: Path) -> None:
    site = publish(results, results.parent / "site").index.parent
    table = table_of(results)
    for place, first in enumerate(table.rows[:-1]):
        data = data_of(site / "compare" / f"{row_slug(first)}.js")
        assert set(data["pairs"]) == {row_slug(other) for other in table.rows[place + 1 :]}
        for second in table.rows[place + 1 :]:
            pair = data["pairs"][row_slug(second)]
            overall = table.difference(first, second)
            assert overall and points(pair["all"][0] / 1000, sign=True) == points(overall.value, sign=True)
            for task, figures in zip(table.tasks, pair["tasks"], strict=True):
                difference = paired(first.cells[task], second.cells[task])
                assert difference
                shown = [points(number / 1000, sign=True) for number in figures[:3]]
                assert f"{shown[1]} to {shown[2]}" == interval(difference, sign=True)
                assert (shown[0], figures[3]) == (points(difference.value, sign=True), difference.clear)
    assert not (site / "compare" / f"{row_slug(table.rows[-1])}.js").exists()


def test_flips_are_counted_by_the_majority_of_seeds(tmp_path: Path) -> None:
    card = task_card()
    for seed, scores in enumerate(([1, 1, 0, 0], [1, 0, 0, 1], [1, 1, 1, 0])):  # majority: 1 1 0 0
        write_result(tmp_path / "results", make_run("small", "lora", card, seed), card, scores)
        write_result(tmp_path / "results", make_run("small", "few_shot", card, seed), card, [0, 0, 1, 0])
    table = table_of(tmp_path / "results")
    tuned, few = table.row("small", "lora"), table.row("small", "few_shot")
    assert tuned and few
    found = compare_rows((tuned, few), table.tasks, table.standings)["capitals"]
    assert (found.fixed[0, 1], found.broken[0, 1], found.flips_p[0, 1]) == (2, 1, 1.0)
    assert (found.fixed[1, 0], found.broken[1, 0], found.flips_p[1, 0]) == (1, 2, 1.0)
    assert found.difference.value[0, 1] == pytest.approx(7 / 12 - 1 / 4)


def test_the_corrected_p_counts_the_tasks_of_the_pair(results: Path) -> None:
    table = table_of(results)
    two = compare_rows(table.rows, table.tasks, table.standings)
    alone = [
        compare_rows(table.rows, {task: card}, table.standings)[task] for task, card in table.tasks.items()
    ]
    for place in zip(*np.triu_indices(len(table.rows), k=1), strict=True):
        assert [found.p[place] for found in two.values()] == pytest.approx(
            holm([found.p[place] for found in alone])
        )


def test_a_difference_that_is_the_same_on_every_sample_takes_the_p_value_of_its_flips(tmp_path: Path) -> None:
    card = task_card()
    for seed in range(2):
        write_result(tmp_path / "results", make_run("small", "lora", card, seed), card, [1.0] * 6)
        write_result(tmp_path / "results", make_run("small", "few_shot", card, seed), card, [0.0] * 6)
    table = table_of(tmp_path / "results")
    found = compare_rows(table.rows, table.tasks, table.standings)["capitals"]
    assert found.p[0, 1] == found.flips_p[0, 1] == pytest.approx(2 / 2**6)


ERRORS = Unit(Scale.of(0.0, 5.0, higher_is_better=False), "mae")


@given(
    st.lists(
        st.floats(min_value=-1, max_value=1) | st.integers(-2000, 2000).map(lambda number: number / 2000)
    ),
    st.sampled_from([POINTS, ERRORS]),
)
def test_last_digits_are_rounded_as_differences_are_written(values: list[float], unit: Unit) -> None:
    digits = _last_digits(np.array(values, dtype=np.float64), unit)
    assert [signed_digits(number, unit) for number in digits.tolist()] == [
        unit.write(one, sign=True) for one in values
    ]


def test_the_page_is_complete_for_the_leader_and_its_own_few_shot_arm(results: Path) -> None:
    site = publish(results, results.parent / "site").index.parent
    assert [line.split()[0] for line in lines(site / "compare.html", "rows-table")] == ["small", "small"]
    assert "LoRA" in lines(site / "compare.html", "rows-table")[0]
    assert "few-shot" in lines(site / "compare.html", "rows-table")[1]
    table = table_of(results)
    first, second = table.rows[0], table.baseline(table.rows[0], "few_shot")
    assert second
    for task, line in zip(table.tasks, lines(site / "compare.html", "tasks-table"), strict=True):
        difference = paired(first.cells[task], second.cells[task])
        assert difference
        assert f"{points(difference.value, sign=True)} {interval(difference, sign=True)}" in line


def test_without_a_few_shot_arm_the_two_first_rows_are_compared(tmp_path: Path) -> None:
    arms: dict[tuple[str, Method], float] = {("a", "lora"): 0.8, ("b", "lora"): 0.6, ("c", "few_shot"): 0.4}
    write_sweep(tmp_path / "results", arms, n=40)
    page = publish(tmp_path / "results", tmp_path / "site").index.parent / "compare.html"
    assert [line.split()[0] for line in lines(page, "rows-table")] == ["a", "b"]


def test_a_single_row_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", {("small", "lora"): 0.8}, n=20)
    site = publish(tmp_path / "results", tmp_path / "site").index.parent
    assert not (site / "compare.html").exists()
    assert "compare.html" not in (site / "index.html").read_text(encoding="utf-8")


def test_rows_that_share_no_task_have_a_dash_and_no_number(results: Path) -> None:
    card = task_card("three")
    for seed in range(3):
        write_result(results, make_run("other", "lora", card, seed), card, draw_scores(0.5, 20, seed))
    site = publish(results, results.parent / "site").index.parent
    # No row is complete now: they stand by name.
    known = data_of(site / "compare" / "other-lora.js")["pairs"]["small-lora"]
    assert known["all"] is None and known["tasks"] == [None, None, None]
    assert known["cost"] == [[0, "$0"], [0, "$0"]]


def test_of_very_many_rows_the_best_are_compared_and_the_page_says_so(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "MOST_COMPARED", 3)
    monkeypatch.setattr("leaderboards.pages.compare.MOST_COMPARED", 3)
    site = publish(results, results.parent / "site").index.parent
    assert len(data_of(site / "compare" / "rows.js")["rows"]) == 3
    assert "The 3 best rows can be compared here; the ranking has 1 more." in Text(site / "compare.html").text


def test_a_hostile_name_neither_ends_a_script_nor_starts_a_tag(tmp_path: Path) -> None:
    evil = "</script><b>\u202e\u2028{{ 7*7 }}"
    card = task_card()
    for method in ("few_shot", "lora"):
        write_result(tmp_path / "results", make_run(evil, method, card, 0), card, [1.0, 0.0])  # type: ignore[arg-type]
    site = publish(tmp_path / "results", tmp_path / "site").index.parent
    row = data_of(site / "compare" / "rows.js")["rows"][0]
    assert row["name"] == "</script><b>⟨U+202E⟩⟨U+2028⟩{{ 7*7 }}"
    assert re.fullmatch(r"[A-Za-z0-9._-]+", row["row"])
    assert "<b>" not in (site / "compare.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("thousandths", "shown"), [(0, "< 0.001"), (34, "0.034"), (1000, "1.000")])
def test_a_p_value_has_three_decimals(thousandths: int, shown: str) -> None:
    assert p_text(thousandths) == shown
