"""Everything that the pages do can be done without a mouse, and where one is can always be seen."""

from collections.abc import Iterator
from typing import Any

import pytest
from showcase import KINDS, Showcase

FOCUS = """() => {
  const one = document.activeElement;
  const drawn = one.closest("label.opinion") ?? one;
  const style = getComputedStyle(drawn);
  const box = drawn.getBoundingClientRect();
  return {
    name: one.getAttribute("aria-label") || one.innerText || one.labels?.[0]?.innerText || one.value || one.title || "",
    tag: one.tagName,
    outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1,
    width: box.width, height: box.height,
    top: box.top + scrollY, left: box.left, on: box.bottom > 0 && box.top < innerHeight,
    place: Array.from(document.querySelectorAll("*")).indexOf(one),
  };
}"""


@pytest.fixture(scope="module")
def page(browser: Any, shown: Showcase) -> Iterator[Any]:
    """A tab that every test opens a page in."""
    # Without smooth scrolling, which a reader can ask for, nothing has to be waited for.
    opened = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    yield opened
    opened.close()


def tab_to(page: Any, wanted: str, *, most: int = 60) -> None:
    """Press Tab until the focus is on what a selector says."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"{wanted} is not reached within {most} presses of Tab")


@pytest.mark.parametrize("kind", KINDS)
def test_the_focus_is_always_seen_and_follows_the_page(page: Any, shown: Showcase, kind: str) -> None:
    page.goto(shown.kinds[kind].as_uri())
    before, passed = -1, []
    for _ in range(45):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        if focus["tag"] == "BODY" or (
            passed and focus["name"] == passed[0]
        ):  # the page's end, and its start again
            break
        assert focus["outlined"], focus
        assert focus["width"] > 0 and focus["height"] > 0 and focus["on"], focus
        assert focus["name"].strip(), focus
        assert focus["place"] > before, (focus, passed)
        before = focus["place"]
        passed.append(focus["name"][:40])
    assert passed[0] == "Skip to the content"


def test_the_skip_link_leads_past_the_navigation(page: Any, shown: Showcase) -> None:
    page.goto(shown.kinds["task"].as_uri())
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_the_ranking_is_searched_filtered_sorted_and_compared_by_keys_alone(
    page: Any, shown: Showcase
) -> None:
    page.goto(shown.kinds["index"].as_uri())
    tab_to(page, "input[type=search]")
    page.keyboard.type("qwen")
    shown_rows = "#ranking-table tbody tr:not([hidden]) .name"
    assert set(page.locator(shown_rows).all_inner_texts()) == {"Qwen3-4B"}
    tab_to(page, "input[name=show]")
    page.keyboard.press("ArrowRight")
    assert page.locator("input[name=show]:checked").get_attribute("value") == "tuned"
    assert page.locator(f"{shown_rows}").count() == 5
    tab_to(page, "#ranking-table th:nth-child(2) .sort")
    page.keyboard.press("Space")
    assert page.locator("#ranking-table th[aria-sort=descending] .sort").inner_text().strip() == "Score"
    page.keyboard.press("Enter")
    assert page.locator("#ranking-table th[aria-sort=ascending] .sort").inner_text().strip() == "Score"
    for _ in range(2):
        tab_to(page, ".tick input")
        page.keyboard.press("Space")
    tab_to(page, ".compare-link")
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare.html?*")
    assert page.locator("#rows-table tbody .name").all_inner_texts() == ["Qwen3-4B", "Qwen3-4B"]


def test_two_rows_are_chosen_by_keys(page: Any, shown: Showcase) -> None:
    page.goto(shown.kinds["compare"].as_uri())
    tab_to(page, "#chooser select")
    before = page.locator("#rows-table tbody tr").first.inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.locator("#said", has_text="against").wait_for()
    assert page.locator("#rows-table tbody tr").first.inner_text() != before


def test_prices_are_edited_by_keys(page: Any, shown: Showcase) -> None:
    page.goto(shown.kinds["cost"].as_uri())
    before = page.locator("#figures-table tbody").inner_text()
    tab_to(page, "#volume")
    page.keyboard.press("Control+A")
    page.keyboard.type("5000000")
    assert page.locator("#figures-table tbody").inner_text() != before
    assert "volume=5000000" in page.url
    page.keyboard.press("Control+A")
    page.keyboard.type("many")
    assert "Not a number" in page.locator("#volume-error").inner_text()
    tab_to(page, "[data-preset]")
    page.keyboard.press("Enter")
    assert "hour0=" in page.url


def test_samples_are_filtered_gone_through_and_their_inputs_opened_by_keys(
    page: Any, shown: Showcase
) -> None:
    page.goto((shown.site / "samples" / "gsm8k-1.html").as_uri())
    tab_to(page, "input[name=kind]")
    page.keyboard.press("ArrowRight")
    assert page.url.endswith("#fixed")
    fixed = page.locator("article.sample:visible")
    assert 2 < fixed.count() < page.locator("article.sample").count()
    for place in range(2):
        page.keyboard.press("n")
        focused = page.evaluate("document.activeElement.closest('article').id")
        assert focused == fixed.nth(place).get_attribute("id")
    page.keyboard.press("p")
    assert page.evaluate("document.activeElement.closest('article').id") == fixed.nth(0).get_attribute("id")
    tab_to(page, "article.sample summary")
    page.keyboard.press("Enter")
    assert page.locator("article.sample details[open] pre").count() == 1


def test_arrow_keys_lead_from_mark_to_mark_of_the_samples(page: Any, shown: Showcase) -> None:
    page.goto(shown.kinds["samples"].as_uri())
    tab_to(page, ".cells a")
    first = page.evaluate("document.activeElement.title")
    page.keyboard.press("ArrowRight")
    second = page.evaluate("document.activeElement.title")
    assert first != second
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.title") == first
    page.keyboard.press("Enter")
    assert page.url.endswith(f"#sample-{first.partition(':')[0]}")
