"""The page that says how the numbers are made: whatever a column promises to explain is there, and what it
says holds."""

import re
from pathlib import Path

import pytest
from site_reading import Text
from synthetic import make_run, task_card, write_failure, write_result, write_sweep

from harness.records.result import RESULT
from leaderboards import publish


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Two tasks, one row that lacks a run, one run that failed."""
    results = tmp_path / "results"
    cards = (task_card("one"), task_card("two", chance=0.5))
    write_sweep(
        results,
        {("small", "zero_shot"): 0.3, ("small", "few_shot"): 0.5, ("small", "lora"): 0.8},
        tasks=cards,
        n=40,
    )
    write_result(results, make_run("other", "lora", cards[0], 0), cards[0], [1.0] * 40)
    write_failure(results, make_run("huge", "full", cards[0], 0))
    (results / "small" / "full" / "broken").mkdir(parents=True)
    (results / "small" / "full" / "broken" / RESULT).write_text("{", encoding="utf-8")
    with pytest.warns(UserWarning, match="broken"):
        return publish(results, tmp_path / "site").index.parent


def test_the_question_mark_of_every_column_leads_to_an_entry(site: Path) -> None:
    anchors = {
        attributes["id"] for _, attributes in Text(site / "methodology.html").tags if attributes.get("id")
    }
    for kind in ("index", "cost", "tasks/one", "models/small"):
        page = site / f"{kind}.html"
        tags = Text(page).tags
        # A “?” opens what the column means, which holds the link.
        opened = [attributes["popovertarget"] for _, attributes in tags if attributes.get("class") == "why"]
        assert opened and len({*opened}) == len(opened), kind
        assert {*opened} == {attributes["id"] for _, attributes in tags if "popover" in attributes}
        source = page.read_text(encoding="utf-8")
        links = re.findall(r'<a href="([^"]+)">How it is calculated</a>', source)
        assert links, kind
        assert {(page.parent / (link or "").partition("#")[0]).resolve() for link in links} == {
            site / "methodology.html"
        }
        assert {(link or "").partition("#")[2] for link in links} <= anchors


def test_every_column_of_the_ranking_has_one(site: Path) -> None:
    source = (
        (site / "index.html")
        .read_text(encoding="utf-8")
        .partition('id="ranking-table"')[2]
        .partition("</thead>")[0]
    )
    assert source.count('class="why"') == source.count("<th") - 1, "all but that of the candidates"


def test_it_says_what_the_tasks_bring_into_the_formulas(site: Path) -> None:
    page = Text(site / "methodology.html").text
    assert "one accuracy yes 25.0 1 40 no" in page
    assert "two accuracy yes 50.0 1 40 no" in page


def test_its_published_example_is_worked_out_anew(site: Path) -> None:
    assert "ω² = 1/9 and δ = 3 points, takes 969 samples" in Text(site / "methodology.html").text


def test_it_names_what_was_left_out_and_why(site: Path) -> None:
    page = Text(site / "methodology.html").text.partition("Excluded")[2]
    assert "1 row not ranked" in page
    assert "1 run failed" in page
    assert "broken/result.json" in page
    assert "one: no finished run with seed 1 and 2; two: no finished run" in page


def test_it_holds_every_price_with_its_source(site: Path) -> None:
    page = Text(site / "methodology.html").text
    prices = (site / "data" / "prices.toml").read_text(encoding="utf-8")
    for source in re.findall(r'^source = "([^"]+)"', prices, flags=re.MULTILINE):
        assert " ".join(source.split()) in page
