"""What readers ask of a board is answered three clicks or fewer from its first page."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from showcase import Showcase

MOST_CLICKS = 3

TASK = ("nav a:text-is('Tasks')", "main a[href$='tasks/ticket-triage.html']")

QUESTIONS: dict[str, tuple[Sequence[str], str]] = {
    "Which samples did tuning break?": (
        [*TASK, "#tally a.kind.broken"],
        "article.sample[data-kind=broken]",
    ),
    "What did it answer to one of them?": (
        [*TASK, "#tally [data-kind=broken] .cells a"],
        "article.sample:target .said-by",
    ),
    "Is a label wrong?": (
        [*TASK, "a:text-is('Is a label wrong?')"],
        "#labels #suspects-table",
    ),
    "Does the model read the instruction?": (
        [*TASK, "a:text-is('Does it read the instruction?')"],
        "#attention dl",
    ),
    "What is its confidence worth?": (
        [*TASK, "a:text-is('What is its confidence worth?')"],
        "#calibration .shares",
    ),
    "What should I do next?": (TASK, "#next .advice li"),
}
"""Each with the links that are clicked, and what is then seen."""


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    yield opened
    opened.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_by_clicking(page: Any, shown: Showcase, question: str) -> None:
    links, answer = QUESTIONS[question]
    page.goto((shown.explained / "index.html").as_uri())
    for link in links:
        page.locator(link).first.click()
        page.wait_for_load_state()
    assert page.locator(f"{answer}:visible").first.is_visible()
    assert len(links) <= MOST_CLICKS
