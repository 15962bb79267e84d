"""The review page in a real browser, from the file system: it can be filled in, and what it hands over can be
imported."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from toy_task import adding, plugins_of

from harness.review.review import Review, import_verdicts, open_review, state_record
from harness.review.verdicts import add_verdicts, judge, read_verdicts
from harness.task import PromptSet, Sample
from leaderboards.pages.review import write_review

# A leading line end, markup and characters that cannot be seen, in everything that comes from a data set.
HOSTILE = (
    "\n</pre></textarea><script>document.title = 'broken'</script><img src=x onerror=alert(1)>\x1b\u202e\""
)
TASK = adding(
    prompts=PromptSet({"plain": "{text} + 1", "words": "What comes after {text}?"}, num_fewshot=2),
    to_sample=lambda row, index: Sample(
        f"{index}{HOSTILE}", {"text": HOSTILE + row["text"]}, row["answer"] + HOSTILE
    ),
)


@pytest.fixture
def review(tmp_path: Path) -> Review:
    def opened() -> Review:
        return open_review("adding", plugins_of(TASK), path=tmp_path / "reviews.jsonl", per_template=2)

    item = opened().state.items[0].item
    said = judge(item, "fix", note=HOSTILE, reviewer=f"ada {HOSTILE}", on=date(2026, 3, 1))
    add_verdicts(tmp_path / "reviews.jsonl", [said])
    return opened()


@pytest.fixture
def address(tmp_path: Path, review: Review) -> str:
    write_review(tmp_path / "page.html", state_record(review))
    return (tmp_path / "page.html").as_uri()


def choose(page: Any, number: int, opinion: str, note: str | None = None) -> None:
    prompt = page.locator("article").nth(number)
    prompt.locator(f"label.{opinion}").click()
    if note is not None:
        prompt.locator("textarea").fill(note)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_from_a_file_without_an_error_or_a_violation(
    browser: Any, address: str, scheme: str
) -> None:
    page = browser.new_page(color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.extend([request.url] if request.url.startswith("http") else []))
    page.goto(address)
    # The policy lets style and script in, so the page is not merely unbroken but dressed and alive.
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    assert page.locator("output").inner_text() == "0 of 6 judged"
    assert said == []
    page.close()


def test_text_of_a_data_set_is_shown_and_does_nothing(browser: Any, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    assert page.title() == "Review of adding"
    assert page.locator("article img").count() == 0
    # The line end that begins the text is shown too, although HTML drops the first one in a <pre>.
    assert (
        page.locator("pre.prompt")
        .first.evaluate("it => it.textContent")
        .startswith("\n</pre></textarea><script>")
    )
    page.close()


@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_never_scrolls_sideways(browser: Any, address: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(address)
    choose(page, 0, "reject", "a note " * 50)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_without_javascript_the_page_can_be_read_and_says_how_to_answer(browser: Any, address: str) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address)
    assert page.locator("pre.prompt:visible").count() == 6
    assert page.locator("input:visible, textarea:visible, button:visible").count() == 0
    assert page.get_by_text("Without JavaScript this page is read-only.").is_visible()
    page.context.close()


def test_nothing_can_be_downloaded_before_every_verdict_is_whole(browser: Any, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    button = page.locator(".tray button")
    page.locator(".who input").fill("grace")
    assert button.is_disabled()
    choose(page, 0, "accept")
    assert button.is_enabled()
    choose(page, 1, "reject")
    assert button.is_disabled()
    assert page.locator("output").inner_text() == "1 of 6 judged, 1 without a note"
    choose(page, 1, "reject", "the sum is wrong")
    assert button.is_enabled()
    page.locator(".who input").fill(" ")
    assert button.is_disabled()
    page.close()


def test_what_is_downloaded_can_be_imported(
    browser: Any, address: str, review: Review, tmp_path: Path
) -> None:
    page = browser.new_page()
    page.goto(address)
    page.locator(".who input").fill("grace")
    choose(page, 0, "accept")
    choose(page, 2, "fix", 'two\nlines and "quotes"')
    with page.expect_download() as started:
        page.locator(".tray button").click()
    started.value.save_as(tmp_path / "mine.jsonl")
    assert started.value.suggested_filename == "adding-reviews.jsonl"
    page.close()
    outcome = import_verdicts(review, tmp_path / "mine.jsonl")
    assert (outcome.n_added, outcome.refused) == (2, ())
    added = read_verdicts(review.path)[1:]
    assert [(verdict.item, verdict.verdict, verdict.note, verdict.reviewer) for verdict in added] == [
        (review.state.items[0].item.id, "accept", "", "grace"),
        (review.state.items[2].item.id, "fix", 'two\nlines and "quotes"', "grace"),
    ]
    assert added[1].place == review.state.items[2].item.place


def test_the_prompt_with_demonstrations_is_handed_over_as_such(
    browser: Any, address: str, tmp_path: Path
) -> None:
    page = browser.new_page()
    page.goto(address)
    page.locator(".who input").fill("grace")
    choose(page, 2, "accept")
    with page.expect_download() as started:
        page.locator(".tray button").click()
    started.value.save_as(tmp_path / "mine.jsonl")
    assert json.loads((tmp_path / "mine.jsonl").read_text(encoding="utf-8"))["few_shot"] is True
    page.close()


def test_leaving_is_asked_about_while_verdicts_are_not_downloaded(browser: Any, address: str) -> None:
    page = browser.new_page()
    page.goto(address)

    def asks() -> bool:
        # Sent by hand: a browser's own question would stop whatever closes the page.
        send = "event => !window.dispatchEvent(event)"
        return bool(page.evaluate(f"({send})(new Event('beforeunload', {{ cancelable: true }}))"))

    assert not asks()
    page.locator(".who input").fill("grace")
    choose(page, 0, "accept")
    assert asks()
    with page.expect_download():
        page.locator(".tray button").click()
    assert not asks()
    page.close()
