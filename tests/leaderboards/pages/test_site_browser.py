"""The site in a real browser, from the file system: no error, no violation of its policy, whole without
JavaScript."""

from pathlib import Path
from typing import Any

import pytest
from synthetic import (
    draw_scores,
    make_run,
    searched,
    task_card,
    write_ensemble,
    write_failure,
    write_result,
    write_sweep,
)

from harness.records.scores import TaskCard
from harness.records.training import ResourceUse
from leaderboards import publish, publish_boards


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    rates = {
        ("small", "zero_shot"): 0.3,
        ("small", "few_shot"): 0.5,
        ("small", "lora"): 0.8,
        ("large", "few_shot"): 0.6,
    }
    results, tasks = folder / "results", (task_card("one"), task_card("two"))
    write_sweep(results, rates | {("small", "lora"): 0.2}, tasks=tasks, n=40)  # type: ignore[arg-type]
    publish(results, folder / "site")  # the table before, which the history tells of
    write_sweep(results, rates, tasks=tasks, n=40)  # type: ignore[arg-type]
    for card in tasks:
        write_methods(results, card)
    write_failure(results, make_run("large", "full", tasks[0], 0), spent=ResourceUse(seconds=300.0))
    return publish(folder / "results", folder / "site").index.parent


@pytest.fixture(scope="module")
def front(site: Path) -> Path:
    """The front page of two boards of the same results."""
    boards = []
    for task in ("one", "two"):
        boards.append(site.parent / f"{task}.toml")
        boards[-1].write_text(f'title = "Board {task}"\ntasks = ["{task}"]\n', encoding="utf-8")
    return publish_boards(site.parent / "results", site.parent / "boards", boards).index


def write_methods(results: Path, card: TaskCard) -> None:
    """A search, stages, an ensemble, and whatever can go wrong with a training."""
    members = []
    for seed in (0, 1, 2):
        scores = draw_scores(0.7, 40, seed)
        run, selection = searched(
            make_run("small", "dora", card, seed), scores={1e-4: 0.6, 3e-4: 0.7, 1e-2: None}
        )
        collapsed = "40 of 40 answers are the same, and no better than chance" if seed == 1 else ""
        members.append(write_result(results, run, card, scores, selection=selection, collapsed=collapsed))
        lost = {
            "resumed_at": (20,),
            "discarded": ResourceUse(seconds=90.0, tokens=900),
            "diverged": "the loss rose to 9",
        }
        run = make_run("small", "stages", card, seed, others=(card, task_card("elsewhere")))
        write_result(results, run, card, scores, trained=lost)
    write_ensemble(results, "together", "vote", members, draw_scores(0.75, 40, 0))


def first_cells(page: Any) -> list[str]:
    names: list[str] = page.locator("#ranking-table tbody:first-of-type tr .name").all_inner_texts()
    return names


def test_the_tables_are_whole_without_javascript(browser: Any, site: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto((site / "index.html").as_uri())
    assert page.locator("#ranking-table tbody tr").count() == 7
    assert page.locator("th .sort").count() == 0
    page.goto((site / "cost.html").as_uri())
    assert page.locator("#measured-table tbody tr").count() == 7
    assert page.locator("#derived-table tbody tr").count() == 7
    assert page.locator("th .sort").count() == 0
    page.context.close()


def test_a_button_in_the_head_sorts_the_column_both_ways(browser: Any, site: Path) -> None:
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    before = first_cells(page)
    scores = "#ranking-table tbody tr td:nth-child(2) .value"
    button = page.locator("#ranking-table th .sort", has_text="Score")
    button.click()
    down = [float(text.replace("−", "-")) for text in page.locator(scores).all_inner_texts()]
    assert down == sorted(down, reverse=True)
    button.click()
    up = [float(text.replace("−", "-")) for text in page.locator(scores).all_inner_texts()]
    assert up == sorted(up)
    assert page.locator("#ranking-table th[aria-sort=ascending]").count() == 1
    assert sorted(first_cells(page)) == sorted(before)
    page.close()


def test_missing_values_stay_last_whichever_way_a_column_is_sorted(browser: Any, site: Path) -> None:
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    button = page.locator("#ranking-table th .sort", has_text="Δ few-shot")
    gains = "#ranking-table tbody tr td:nth-child(3) .value"
    for _ in range(2):
        button.click()
        shown = page.locator(gains).all_inner_texts()
        assert "–" not in shown[:4] and shown[4:] == ["–"] * 3
    page.close()


def test_a_table_can_be_reached_and_scrolled_by_keyboard(browser: Any, site: Path) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto((site / "cost.html").as_uri())
    region = page.locator(".scroll", has=page.locator("#derived-table"))
    region.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)  # scrolling is animated
    assert page.evaluate("document.activeElement.scrollLeft") > 0
    assert region.get_attribute("aria-label")
    page.close()


def test_the_total_stays_below_the_rows_however_they_are_sorted(browser: Any, site: Path) -> None:
    page = browser.new_page()
    page.goto((site / "cost.html").as_uri())
    for title in ("Measured", "All-in time"):
        page.locator("#measured-table th .sort", has_text=title).click()
        last = page.locator("#measured-table tr").last
        assert last.locator(".name").inner_text() == "The whole sweep"
    page.close()


def test_a_mark_leads_to_what_went_wrong(browser: Any, site: Path) -> None:
    page = browser.new_page()
    page.goto((site / "models" / "small.html").as_uri())
    page.locator("a.flag", has_text="1 of 3 collapsed").first.click()
    assert page.url.endswith("problems.html#flagged")
    assert "40 of 40 answers are the same" in page.locator("#flagged").inner_text()
    page.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_front_page_leads_to_each_board_and_back(browser: Any, front: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(front.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".boards li").count() == 2
    page.locator(".boards h2 a", has_text="Board two").click()
    page.wait_for_url("**/two/index.html")  # and for its style
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    page.locator("a.brand").click()
    assert page.url == front.as_uri()
    assert said == []
    page.close()


def test_the_first_page_leads_to_what_has_changed(browser: Any, site: Path) -> None:
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.locator(".news a").click()
    assert "score beyond noise" in page.locator("#changes-table").inner_text()
    page.locator("#snapshots-table tbody a").first.click()
    assert page.url.endswith(".json")
    page.close()
