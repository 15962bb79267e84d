"""Drilling down in a real browser: search, ticks, any two rows, samples by class; by mouse, by keyboard,
without scripts."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic import make_run, task_card, write_result, write_sweep

from harness.records.store import read_results
from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards import publish
from leaderboards.board import Board
from leaderboards.links import compare_href
from leaderboards.pages.compare import p_text
from leaderboards.rank.changes import change_of, mean_scores
from leaderboards.rank.comparisons import compare_rows
from leaderboards.rank.pairs import paired
from leaderboards.rank.tables import Row, Table
from leaderboards.rank.tabulate import tabulate
from leaderboards.text import interval, points

EVIL = "<script>document.title = 'owned'</script></script>{{ 7*7 }}\u202e\x00" + "x" * 5000
PAGES = (
    "compare.html",
    "samples/one-1.html",
    "samples/one-2.html",
    "samples/evil-1.html",
    "tasks/one.html",
    "models/small.html",
)
RATES: dict[tuple[str, Method], float] = {
    ("small", "zero_shot"): 0.3,
    ("small", "few_shot"): 0.5,
    ("small", "lora"): 0.8,
    ("small", "full"): 0.7,
    ("large", "few_shot"): 0.6,
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("drill") / "results"
    write_sweep(results, RATES, tasks=(task_card("one"), task_card("two")), n=120)
    card = task_card("evil")
    for method, scores in (("zero_shot", [1, 0, None]), ("few_shot", [0, 0, 1]), ("lora", [0, 1, 1])):
        for seed in range(3):
            run = make_run("small", method, card, seed)  # type: ignore[arg-type]
            write_result(results, run, card, scores, prompt=EVIL, answer=EVIL, target=[EVIL])  # type: ignore[arg-type]
    for seed in range(3):
        write_result(results, make_run("small", "full", card, seed), card, [0, 0, 1])
        write_result(results, make_run("large", "few_shot", card, seed), card, [0, 0, 1])
    return results


@pytest.fixture(scope="module")
def site(results: Path) -> Path:
    board = results.parent / "board.toml"
    board.write_text(f'title = "{"w" * 90}"\n', encoding="utf-8")  # no page may be as wide
    return publish(results, results.parent / "site", board=board).index.parent


@pytest.fixture(scope="module")
def table(results: Path) -> Table:
    return tabulate(read_results(results), results, Board())


@pytest.fixture(scope="module")
def tab(browser: Any) -> tuple[Any, list[str]]:
    """A tab, and what it complains of: a new one takes longer to start than a page to load."""
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    return page, said


@pytest.fixture
def page(tab: tuple[Any, list[str]]) -> Iterator[Any]:
    """An empty page; whatever it complains of fails the test."""
    page, said = tab
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    yield page
    page.wait_for_load_state("load")  # what a page still loads when it is left counts as failed
    page.goto("about:blank")
    complaints = [*said]
    said.clear()
    assert complaints == []


def address(site: Path, place: str) -> str:
    name, mark, rest = place.partition("?")
    return f"{(site / name).as_uri()}{mark}{rest}"


def wait_for_said(page: Any, text: str) -> None:
    # Not `wait_for_function`: it evaluates strings, which the pages' policy forbids.
    page.locator("#said", has_text=text).wait_for()


def row_of(table: Table, name: str, method: Method) -> Row:
    found = table.row(name, method)
    assert found
    return found


def shown(estimate: Estimate | None) -> str:
    assert estimate
    return f"{points(estimate.value, sign=True)}{interval(estimate, sign=True)}"


def compared(page: Any) -> list[list[str]]:
    """The rows of the table by task, without its first column."""
    rows = page.locator("#tasks-table tbody tr").all()
    return [[cell.replace("\n", "") for cell in row.locator("td").all_text_contents()] for row in rows]


def check_numbers(page: Any, table: Table, first: Row, second: Row) -> None:
    """The page shows these two rows, and of every task the difference, its p, the flips and theirs."""
    heads = page.locator("#rows-table tbody .candidate small").all_text_contents()
    assert heads == [first.method_name, second.method_name]
    expected = compare_rows((first, second), table.tasks, table.standings)
    for task, cells in zip(table.tasks, compared(page), strict=True):
        found, difference = expected[task], paired(first.cells[task], second.cells[task])
        p, flips_p = (p_text(round(1000 * table[0, 1])) for table in (found.p, found.flips_p))
        assert cells[2:] == [shown(difference), p, str(found.fixed[0, 1]), str(found.broken[0, 1]), flips_p]
    assert page.locator("#rows-table tfoot td").first.text_content() == shown(table.difference(first, second))


# Pages


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", PAGES)
def test_a_page_opens_from_a_file_without_an_error_or_a_violation(
    page: Any, site: Path, kind: str, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(address(site, kind))
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    assert page.title() != "owned"


@pytest.mark.parametrize("kind", ["index.html", *PAGES])
def test_a_page_never_scrolls_sideways_on_a_phone(page: Any, site: Path, kind: str) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(address(site, kind))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


# The ranking


def visible_names(page: Any) -> list[str]:
    return [
        row.locator(".candidate small").inner_text()
        for row in page.locator("#ranking-table tbody tr:visible").all()
    ]


def test_search_hides_rows_keeps_their_ranks_and_tells_how_many_are_left(page: Any, site: Path) -> None:
    page.goto(address(site, "index.html"))
    ranks = {row.inner_text() for row in page.locator("#ranking-table .rank").all()}
    page.get_by_label("Search").fill("SMALL lora")
    assert page.locator("#ranking-table tbody tr:visible").count() == 1
    assert {row.inner_text() for row in page.locator("#ranking-table .rank:visible").all()} <= ranks
    assert page.locator(".tools [role=status]").inner_text() == "1 of 5 rows; ranks are those of all rows."
    assert page.url.endswith("#search=SMALL+lora")


def test_methods_can_be_chosen_and_are_kept_in_the_address(page: Any, site: Path) -> None:
    page.goto(address(site, "index.html"))
    page.get_by_label("few-shot", exact=True).check()
    assert page.locator("#ranking-table tbody tr:visible").count() == 2
    page.goto("about:blank")
    page.goto(address(site, "index.html") + "#show=tuned&search=full")
    assert page.get_by_label("tuned", exact=True).is_checked()
    assert page.locator("#ranking-table tbody tr:visible").count() == 1
    page.get_by_label("all", exact=True).check()
    page.get_by_label("Search").fill("")
    assert "#" not in page.url and page.locator("#ranking-table tbody tr:visible").count() == 5


def test_order_filter_columns_and_ticks_survive_a_way_to_another_page_and_back(page: Any, site: Path) -> None:
    page.goto(address(site, "index.html"))
    assert not page.locator("#ranking-table th.extra", has_text="Seeds").is_visible()
    page.get_by_label("More columns").check()
    assert page.locator("#ranking-table th.extra", has_text="Seeds").is_visible()
    page.locator("#ranking-table th .sort", has_text="Train").click()
    page.locator("#ranking-table th .sort", has_text="Train").click()
    page.get_by_label("tuned", exact=True).check()
    page.locator("#ranking-table .tick input").first.check()
    before = visible_names(page)
    assert page.url.partition("#")[2].startswith("show=tuned&sort=train.down&columns=all&tick=")
    page.get_by_role("link", name="About the numbers").first.click()
    page.wait_for_url("**/methodology.html")
    page.go_back()
    page.locator("#ranking-table th[aria-sort=descending]", has_text="Train").wait_for()
    assert visible_names(page) == before
    assert page.get_by_label("More columns").is_checked()
    assert page.locator("#ranking-table .tick input:checked").count() == 1


def test_a_row_opens_across_the_table_by_keys_and_goes_with_its_row(page: Any, site: Path) -> None:
    page.goto(address(site, "index.html"))
    first = page.locator("#ranking-table .row-more summary").first
    first.focus()
    page.keyboard.press("Enter")
    across = page.locator("#ranking-table tr.opened")
    across.locator("dt", has_text="Weights").wait_for()  # a browser tells that it was opened a moment later
    assert across.evaluate("(row) => row.previousElementSibling.contains(document.activeElement)")
    page.locator("#ranking-table th .sort", has_text="Score").click()
    page.locator("#ranking-table th .sort", has_text="Score").click()
    assert across.evaluate("(row) => row === row.parentNode.lastElementChild")  # its row is now the last
    page.get_by_label("Search").fill("nothing is called this")
    assert not across.is_visible()
    page.get_by_label("Search").fill("")
    first = page.locator("#ranking-table .row-more[open] summary")
    first.focus()
    page.keyboard.press("Enter")
    across.wait_for(state="detached")  # a browser tells that it was closed a moment later
    assert page.locator("#ranking-table .row-more .row-detail").count() == 5


def test_a_row_opens_without_a_script(browser: Any, site: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address(site, "index.html"))
    page.locator("#ranking-table .row-more summary").first.click()
    assert page.locator("#ranking-table .row-more[open] dt", has_text="Weights").is_visible()
    page.context.close()


def test_a_search_without_a_match_has_a_way_out(page: Any, site: Path) -> None:
    page.goto(address(site, "index.html"))
    page.get_by_label("Search").fill("nothing is called this")
    assert page.locator("#ranking-table tbody tr:visible").count() == 0
    page.get_by_role("button", name="Show all rows").click()
    assert page.locator("#ranking-table tbody tr:visible").count() == 5 and "#" not in page.url
    assert not page.get_by_role("button", name="Show all rows").is_visible()


def test_a_question_mark_answers_in_place_without_a_script(browser: Any, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address(site, "index.html"))
    answer = page.locator("[popover]", has_text="Paired gain over the few-shot arm")
    assert not answer.is_visible()
    page.get_by_role("button", name="About Δ few-shot").click()
    assert answer.is_visible()
    assert page.url == address(site, "index.html")
    page.get_by_label("More columns").check()
    assert page.locator("#ranking-table th.extra", has_text="Seeds").is_visible()
    context.close()


def test_on_a_phone_the_price_and_the_gain_are_whole_and_targets_have_24_pixels(
    browser: Any, site: Path
) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(address(site, "index.html"))
    shown = page.locator("#ranking-table thead th:visible").all_inner_texts()
    assert [text.split("\n")[0].strip("? ") for text in shown] == [
        "Candidate",
        "Score",
        "Δ few-shot",
        "Train",
    ]
    cut = page.evaluate("""() => {
        const region = document.querySelector("#ranking-table").parentElement;
        return region.scrollWidth - region.clientWidth;
    }""")
    assert cut == 0
    small = page.evaluate("""() => Array.from(
        document.querySelectorAll("main :is(a.name, .why, .flag, .sort), .top a, .foot a, .tools label, label.tick"),
        (one) => [one.textContent, one.getBoundingClientRect()],
    ).filter(([, box]) => box.width && (box.height < 23.9 || box.width < 16)).map(([text]) => text)""")
    assert small == []
    page.close()


@pytest.mark.parametrize(
    "hash_",
    [
        "#sort=nonsense&tick=<b>,,&columns=0",
        "#show=nonsense&search=%00",
        "#ranking",
        "#&&==",
        "#show=<script>",
    ],
)
def test_a_strange_address_breaks_nothing(page: Any, site: Path, hash_: str) -> None:
    page.goto(address(site, "index.html") + hash_)
    assert page.get_by_label("all", exact=True).is_checked()


def test_a_tick_on_two_rows_compares_them(page: Any, site: Path, table: Table) -> None:
    page.goto(address(site, "index.html"))
    ticks = page.locator("#ranking-table .tick input")
    assert ticks.count() == 5
    link = page.get_by_role("link", name="Compare the two rows")
    ticks.nth(4).check()
    assert not link.is_visible()
    ticks.nth(0).check()
    assert link.is_visible()
    ticks.nth(2).check()  # takes the place of the first tick
    assert [ticks.nth(place).is_checked() for place in range(5)] == [True, False, True, False, False]
    link.click()
    first, second = table.rows[0], table.rows[2]
    assert page.url == address(site, compare_href(first, second))
    wait_for_said(page, "against")
    check_numbers(page, table, first, second)


def test_the_keyboard_alone_ticks_two_rows_and_compares_them(page: Any, site: Path) -> None:
    page.goto(address(site, "index.html"))
    page.locator("#ranking-table .tick input").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")  # the link of the row
    page.keyboard.press("Tab")  # what opens it
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "compare-link":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/compare.html?a=*&b=*")


def test_a_sorted_ranking_still_compares_the_rows_that_were_ticked(
    page: Any, site: Path, table: Table
) -> None:
    page.goto(address(site, "index.html"))
    page.locator("#ranking-table th .sort", has_text="Candidate").click()
    for name in ("large", "small"):
        row = page.locator("#ranking-table tr", has=page.locator(".name", has_text=name))
        row.filter(has=page.locator("small", has_text="few-shot")).locator(".tick input").check()
    page.get_by_role("link", name="Compare the two rows").click()
    expected = compare_href(row_of(table, "large", "few_shot"), row_of(table, "small", "few_shot"))
    assert page.url == address(site, expected)


def test_a_folded_ranking_leads_to_the_whole_one_which_is_searched_and_compared_alike(
    page: Any, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("index", "ranking"):
        monkeypatch.setattr(f"leaderboards.pages.front_page.{module}.MOST_ROWS", 3)
    folded = publish(results, tmp_path / "site").index.parent
    page.goto(address(folded, "index.html"))
    assert page.locator("#ranking-table tbody tr").count() == 3
    page.get_by_role("link", name="The whole ranking").click()
    assert page.locator("#ranking-table tbody tr").count() == 5
    page.get_by_label("zero-shot", exact=True).check()
    assert page.locator("#ranking-table tbody tr:visible").count() == 1
    page.get_by_label("all", exact=True).check()
    page.locator("#ranking-table th .sort", has_text="Train").click()
    costs = page.locator("#ranking-table tbody td:nth-child(5)").all_inner_texts()
    assert [text.split("\n")[0] != "$0" for text in costs] == [False, False, False, True, True]
    page.locator("#ranking-table .tick input").nth(0).check()
    page.locator("#ranking-table .tick input").nth(4).check()
    page.get_by_role("link", name="Compare the two rows").click()
    wait_for_said(page, "against")


# Two rows


@pytest.mark.parametrize("turned", [False, True])
def test_any_two_rows_of_the_address_are_compared_with_python_s_numbers(
    page: Any, site: Path, table: Table, turned: bool
) -> None:
    first, second = table.rows[1], table.rows[3]
    if turned:
        first, second = second, first
    page.goto(address(site, compare_href(first, second)))
    wait_for_said(page, "against")
    check_numbers(page, table, first, second)
    assert page.locator("#rows-table tbody a.name").all_text_contents() == [first.name, second.name]


def test_two_rows_turned_round_differ_in_cost_the_other_way(page: Any, site: Path, table: Table) -> None:
    first, second = table.rows[1], table.rows[3]
    said = []
    for href in (compare_href(first, second), compare_href(second, first)):
        page.goto(address(site, href))
        wait_for_said(page, "against")
        said.append(page.locator("#rows-table tfoot td").all_text_contents()[1:])
    assert {text[0] for text in said[0]} <= {"+", "−"}
    assert said[1] == [text.translate(str.maketrans("+−", "−+")) for text in said[0]]


def test_the_script_writes_what_the_page_held_already(page: Any, site: Path, table: Table) -> None:
    page.goto(address(site, "compare.html"))
    before = page.locator("main").inner_text(), compared(page)
    selects = page.locator("#chooser select")
    chosen = selects.nth(1).input_value()
    other = next(
        value
        for value in selects.nth(1).locator("option").evaluate_all("all => all.map(one => one.value)")
        if value not in (chosen, selects.nth(0).input_value())
    )
    for value in (other, chosen):
        selects.nth(1).select_option(value)
        page.wait_for_url(lambda url, value=value: value in url)
        page.wait_for_timeout(200)
    said = page.locator("#said").inner_text()
    assert (
        page.locator("main").inner_text().replace(f"{said}\n\n", "").replace(f"{said}\n", ""),
        compared(page),
    ) == before


def test_choosing_changes_the_address_and_turning_round_changes_every_sign(
    page: Any, site: Path, table: Table
) -> None:
    first, second = table.rows[0], table.rows[4]
    page.goto(address(site, "compare.html"))
    selects = page.locator("#chooser select")
    a, b = (compare_href(row, row).split("=")[1].split("&")[0] for row in (first, second))
    selects.nth(1).select_option(b)
    selects.nth(0).select_option(a)
    wait_for_said(page, "against")
    page.wait_for_timeout(200)
    straight = compared(page)
    assert page.url == address(site, compare_href(first, second))
    page.goto(address(site, compare_href(second, first)))
    wait_for_said(page, "against")
    for ours, theirs in zip(straight, compared(page), strict=True):
        assert (ours[0], ours[1], ours[4], ours[5]) == (theirs[1], theirs[0], theirs[5], theirs[4])
        assert (ours[3], ours[6]) == (theirs[3], theirs[6])


def test_an_unknown_row_in_the_address_is_said_and_breaks_nothing(page: Any, site: Path) -> None:
    page.goto(address(site, "compare.html?a=nobody&b=<script>alert(1)</script>"))
    wait_for_said(page, "row")
    said = page.locator("#said").inner_text()
    assert said.startswith(
        "No row here is called “nobody” or “<script>alert(1)</script>”. small · LoRA r16 against small"
    )
    assert page.locator("#tasks-table tbody tr").count() == 3


def test_the_same_row_twice_is_said(page: Any, site: Path) -> None:
    page.goto(address(site, "compare.html?a=small-lora&b=small-lora"))
    wait_for_said(page, "row")
    assert page.locator("#said").inner_text() == "Both are the same row: choose two."


def test_without_javascript_one_pair_is_complete(browser: Any, site: Path, table: Table) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address(site, "compare.html"))
    assert not page.locator("#chooser").is_visible()
    assert "With JavaScript, you can choose any two rows here." in page.locator("main").inner_text()
    check_numbers(page, table, row_of(table, "small", "lora"), row_of(table, "small", "few_shot"))
    page.context.close()


@pytest.mark.parametrize("turned", [False, True])
def test_the_numbers_of_fixed_and_broken_lead_to_these_samples(
    page: Any, site: Path, table: Table, turned: bool
) -> None:
    """Of the pair that the page is made for, and of one that its script fills in."""
    pairs = [("small", "lora"), ("small", "few_shot")], [("small", "full"), ("large", "few_shot")]
    first, second = (row_of(table, *key) for key in pairs[turned])  # type: ignore[arg-type]
    page.goto(address(site, compare_href(first, second)) if turned else address(site, "compare.html"))
    if turned:
        wait_for_said(page, "against")
    row = page.locator("#tasks-table tbody tr", has_text="one")
    counts = [int(text) for text in row.locator("td").all_text_contents()[4:6]]
    for word, number in zip(("fixed", "broken"), counts, strict=True):
        links = row.locator(f"a[href$='#{word}']")
        assert links.count() == (number > 0)
    row.locator("a[href$='#fixed']").click()
    page.locator("#about", has_text="is right").wait_for()
    assert page.get_by_label("fixed", exact=True).is_checked()
    assert tallied(page)["fixed"] == counts[0] and tallied(page).get("broken", 0) == counts[1]


def test_a_pair_is_named_worded_and_drawn(page: Any, site: Path, table: Table) -> None:
    first, second = row_of(table, "large", "few_shot"), row_of(table, "small", "lora")
    page.goto(address(site, compare_href(first, second)))
    wait_for_said(page, "against")
    assert page.title().startswith("large · few-shot or small · LoRA r16? · ")
    finding = page.locator("#finding").inner_text()
    assert finding.startswith("large · few-shot loses to small · LoRA r16 on 2 of 3 tasks, −")
    assert finding.endswith(" less to train.")
    values = page.locator("#differences .value").all_text_contents()
    assert values[:3] == [
        shown(paired(first.cells[task], second.cells[task])).removesuffix(
            interval(paired(first.cells[task], second.cells[task]), sign=True)  # type: ignore[arg-type]
        )
        for task in table.tasks
    ]


# Samples


def test_samples_of_one_class_are_shown_and_the_class_is_kept_in_the_address(page: Any, site: Path) -> None:
    page.goto(address(site, "samples/one-1.html"))
    articles = page.locator("article.sample:visible")
    assert articles.count() == 100
    page.get_by_label("fixed", exact=True).check()
    fixed = page.locator("article.sample[data-kind=fixed]").count()
    assert 0 < articles.count() == fixed < 100
    assert page.url.endswith("#fixed")
    in_all = page.locator("#tally [data-kind=fixed] strong").inner_text()
    said = f"{fixed} of the 100 samples on this page; {in_all} fixed in all."
    assert page.locator(".tools .said").inner_text() == said
    page.get_by_role("link", name="Next →").first.click()
    assert page.url.endswith("one-2.html#fixed") and page.get_by_label("fixed", exact=True).is_checked()
    page.get_by_label("all", exact=True).check()
    assert "#" not in page.url and articles.count() == 20


def test_the_classes_are_chosen_by_keyboard(page: Any, site: Path) -> None:
    page.goto(address(site, "samples/one-1.html"))
    page.get_by_label("all", exact=True).focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_function("location.hash")  # set a moment after the key
    assert page.url.rsplit("#", 1)[-1] in ("fixed", "broken", "both-wrong", "both-right")


def test_an_address_of_a_single_sample_shows_all_of_them(page: Any, site: Path) -> None:
    page.goto(address(site, "samples/one-1.html") + "#sample-7")
    assert page.locator("article.sample:visible").count() == 100
    assert page.locator("article.sample:target").get_attribute("id") == "sample-7"


def test_without_javascript_every_sample_is_there(browser: Any, site: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address(site, "samples/one-1.html"))
    assert page.locator("article.sample:visible").count() == 100
    assert page.locator("#tally li").count() >= 2
    page.context.close()


def test_a_count_of_any_size_stands_in_one_line(page: Any, site: Path) -> None:
    page.goto(address(site, "samples/one-1.html"))
    counts = page.locator("#tally strong")
    before = counts.first.bounding_box()["height"]
    counts.first.evaluate("count => { count.textContent = '102,954'; }")
    assert counts.first.bounding_box()["height"] == before
    places = {each.bounding_box()["x"] for each in page.locator("#tally .cells").all()}
    assert len(places) == 1, "the marks of all kinds begin below each other"


def test_hostile_texts_are_read_as_text(page: Any, site: Path) -> None:
    page.goto(address(site, "samples/evil-1.html"))
    text = page.locator("article.sample").first.text_content()
    assert "<script>document.title = 'owned'</script></script>{{ 7*7 }}⟨U+202E⟩⟨U+0000⟩" in text
    assert "[the first 600 of " in text
    assert "Error: the engine gave no answer" in page.locator("article.sample").nth(2).inner_text()


def test_a_class_is_told_by_shape_and_word(page: Any, site: Path) -> None:
    """Against few-shot, the baseline of the verdict."""
    page.goto(address(site, "samples/evil-1.html"))
    marks = page.locator("article.sample .kind").all_inner_texts()
    assert marks == ["✗ both wrong", "▲ fixed", "✓ both right"]


CHOSEN = "samples/one-1.html?against=large-few_shot&judged=small-full"


def changes_of(table: Table, task: str, first: Row, second: Row) -> list[str]:
    """What became of each sample from the second row to the first."""
    means = [mean_scores(row.cells[task]) for row in (second, first)]
    return [change_of(*(scores[sample] for scores in means), graded=False) for sample in means[0]]


def tallied(page: Any) -> dict[str, int]:
    return {
        line.get_attribute("data-word"): int(line.locator("strong").inner_text())
        for line in page.locator("#tally li").all()
    }


def test_any_two_arms_of_the_address_are_held_against_each_other(page: Any, site: Path, table: Table) -> None:
    page.goto(address(site, CHOSEN))
    page.locator("#about", has_text="Fixed: large · few-shot is wrong").wait_for()
    changes = changes_of(table, "one", row_of(table, "small", "full"), row_of(table, "large", "few_shot"))
    assert tallied(page) == dict(Counter(changes))
    shown_kinds = page.locator("article.sample .kind").all_inner_texts()
    assert [text.partition(" ")[2] for text in shown_kinds] == changes[:100]
    heads = page.locator("article.sample").first.locator("h3").all_inner_texts()
    assert [head.split("\n")[0].strip() for head in heads] == ["large · few-shot", "small · full fine-tune"]
    found = compare_rows(
        (row_of(table, "small", "full"), row_of(table, "large", "few_shot")), table.tasks, table.standings
    )["one"]
    assert (found.fixed[0, 1], found.broken[0, 1]) == (changes.count("fixed"), changes.count("broken"))


def test_arms_and_seeds_are_chosen_and_kept_in_the_address(page: Any, site: Path) -> None:
    page.goto(address(site, "samples/one-1.html"))
    before = page.locator("main").inner_text()
    page.get_by_label("Judged").select_option("small-full")
    page.locator("#about", has_text="small · full fine-tune is right").wait_for()
    assert "judged=small-full" in page.url and "against=small-few_shot" in page.url
    page.get_by_label("Seeds").select_option("2")
    page.locator("#about", has_text="Of seed 2 alone").wait_for()
    assert {"right", "wrong"} >= set(page.locator("article .stamp").all_inner_texts())
    seeded = tallied(page)
    page.reload()
    page.locator("#about", has_text="Of seed 2 alone").wait_for()
    assert tallied(page) == seeded
    page.get_by_label("Seeds").select_option("")
    page.get_by_label("Judged").select_option("small-lora")
    page.locator("#about", has_text="120 test samples").wait_for()
    assert page.locator("main").inner_text() == before and "?" not in page.url


def test_next_goes_on_to_the_pages_that_follow_with_the_same_arms(page: Any, site: Path) -> None:
    page.goto(address(site, f"{CHOSEN}#broken"))
    page.locator("#about", has_text="large").wait_for()
    total = tallied(page)["broken"]
    passed = set()
    for _ in range(total):
        page.get_by_role("button", name="Next broken").click()
        page.locator("#about", has_text="large").wait_for()
        if page.evaluate("document.activeElement.closest('article') === null"):
            page.get_by_role("button", name="Next broken").click()
        passed.add(page.evaluate("document.activeElement.closest('article').id"))
    assert len(passed) == total
    page.get_by_role("button", name="Next broken").click()
    assert page.locator(".tools .said").inner_text() == "No further broken sample."


def test_samples_are_searched_and_ordered_by_change(page: Any, site: Path) -> None:
    page.goto(address(site, "samples/one-1.html"))
    page.get_by_label("Search").fill("sample-42")
    assert page.locator("article.sample:visible").count() == 1
    page.get_by_label("Search").fill("")
    page.get_by_label("Order by").select_option("change")
    order = ["broken", "fixed", "both-wrong", "both-right"]
    kinds = page.locator("article.sample").evaluate_all("all => all.map(one => one.dataset.kind)")
    assert kinds == sorted(kinds, key=order.index)


def test_samples_of_all_pages_are_searched_and_ordered(page: Any, site: Path) -> None:
    page.goto(address(site, "samples/one-1.html"))
    found = page.locator(".everywhere li")
    assert not page.locator(".everywhere").is_visible()
    page.get_by_label("Search").fill("sample-117")  # on the second page
    found.first.wait_for()
    assert found.count() == 1 and page.locator("article.sample:visible").count() == 0
    assert "1 of 120 samples" in page.locator("div:has(> .everywhere) .said").inner_text()
    href = found.locator("a").get_attribute("href")
    assert href and re.fullmatch(r"one-2\.html#sample-\d+", href)
    page.get_by_label("Search").fill("")
    page.get_by_label("Order by").select_option("change")
    page.wait_for_function("document.querySelectorAll('.everywhere li').length === 60")
    page.get_by_label("Judged").select_option("small-full")
    page.locator("#about", has_text="small · full fine-tune is right").wait_for()
    kinds = [text.rpartition("· ")[2] for text in found.all_inner_texts()]
    order = ["broken", "fixed", "both wrong", "both right"]
    assert kinds == sorted(kinds, key=order.index) and kinds.count("fixed") == tallied(page)["fixed"] > 0
    assert "judged=small-full" in (found.first.locator("a").get_attribute("href") or "")
    found.first.locator("a").click()
    assert page.locator("article.sample:target").count() == 1


def test_strange_arms_in_the_address_are_said_and_break_nothing(page: Any, site: Path) -> None:
    page.goto(address(site, "samples/one-1.html?judged=<script>alert(1)</script>&seed=9#fixed"))
    page.locator(".tools .said", has_text="There is no").wait_for()
    said = page.locator(".tools .said").inner_text()
    assert said.startswith("There is no “<script>alert(1)</script>” or “9” here. ")


def test_the_same_arm_twice_is_said_on_the_samples_too(page: Any, site: Path) -> None:
    page.goto(address(site, "samples/one-1.html?judged=small-lora&against=small-lora"))
    page.locator("#about", has_text="Both are the same arm: choose another.").wait_for()
    assert set(tallied(page)) <= {"both right", "both wrong"}


def test_chosen_hostile_answers_are_text(page: Any, site: Path) -> None:
    page.goto(address(site, "samples/evil-1.html?against=small-few_shot&judged=small-lora&seed=1"))
    page.locator("#about", has_text="Of seed 1 alone").wait_for()
    text = page.locator("article.sample .said-by").first.text_content()
    assert "<script>document.title = 'owned'</script></script>{{ 7*7 }}⟨U+202E⟩⟨U+0000⟩" in text
    assert page.title() != "owned"


def test_a_page_leads_from_the_task_to_a_sample_and_back(page: Any, site: Path) -> None:
    page.goto(address(site, "tasks/one.html"))
    page.get_by_role("link", name="Samples", exact=True).click()
    assert page.url == address(site, "samples/one-1.html")
    page.locator("h1 a").click()
    assert page.url == address(site, "tasks/one.html")


def test_a_model_s_page_leads_to_its_rows_side_by_side(page: Any, site: Path, table: Table) -> None:
    page.goto(address(site, "models/small.html"))
    page.locator("#board-table tr", has_text="full fine-tune").get_by_role("link", name="zero-shot").click()
    wait_for_said(page, "against")
    check_numbers(page, table, row_of(table, "small", "full"), row_of(table, "small", "zero_shot"))
