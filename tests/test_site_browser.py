"""The site in a real browser, from the file system: no error, no violation of its policy, whole without JavaScript."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic import task_card, write_sweep

from leaderboards import publish

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs a browser at {CHROMIUM}")

KINDS = ("index.html", "tasks/one.html", "models/small.html", "runs/small-lora-one-v1-n-500-seed-0.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    rates = {("small", "zero_shot"): 0.3, ("small", "few_shot"): 0.5, ("small", "lora"): 0.8, ("large", "few_shot"): 0.6}
    write_sweep(folder / "results", rates, tasks=(task_card("one"), task_card("two")), n=40)  # type: ignore[arg-type]
    return publish(folder / "results", folder / "site").index.parent


def first_cells(page: Any) -> list[str]:
    names: list[str] = page.locator("#ranking-table tbody:first-of-type tr .name").all_inner_texts()
    return names


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_opens_from_a_file_without_an_error_or_a_violation(browser: Any, site: Path, kind: str, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    page.goto((site / kind).as_uri())
    # The policy lets the stylesheet in, so the page is not merely unbroken but dressed.
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    assert said == []
    page.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_never_scrolls_sideways_on_a_phone(browser: Any, site: Path, kind: str) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto((site / kind).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_the_tables_are_whole_without_javascript(browser: Any, site: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto((site / "index.html").as_uri())
    assert page.locator("#ranking-table tbody tr").count() == 4
    assert page.locator("#measured-table tbody tr").count() == 4
    assert page.locator("th button").count() == 0
    page.context.close()


def test_a_button_in_the_head_sorts_the_column_both_ways(browser: Any, site: Path) -> None:
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    before = first_cells(page)
    scores = "#ranking-table tbody tr td:nth-child(2) .value"
    button = page.locator("#ranking-table th button", has_text="Score")
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
    button = page.locator("#ranking-table th button", has_text="Δ few-shot")
    gains = "#ranking-table tbody tr td:nth-child(3) .value"
    for _ in range(2):
        button.click()
        shown = page.locator(gains).all_inner_texts()
        assert shown[0] != "–" and shown[1:] == ["–"] * 3
    page.close()


def test_a_table_can_be_reached_and_scrolled_by_keyboard(browser: Any, site: Path) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto((site / "index.html").as_uri())
    region = page.locator(".scroll", has=page.locator("#derived-table"))
    region.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(500)  # scrolling is animated
    assert page.evaluate("document.activeElement.scrollLeft") > 0
    assert region.get_attribute("aria-label")
    page.close()
