"""Every kind of page in a real browser, from a file and from a server: silent, within its budget, whole
without a script."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from showcase import KINDS, Showcase
from visits import LISTEN, PAPER, Visited, rows_of, tab, unseen_parts

KIB = 1024
INDEX, PAGE, SCRIPT = 150 * KIB, 300 * KIB, 15_000
"""Bytes."""


class Silent(SimpleHTTPRequestHandler):
    """Serves a folder and keeps no log."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server(shown: Showcase) -> Iterator[str]:
    """Where the folder of the showcase is served."""
    handler = partial(Silent, directory=str(shown.site.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_address[1]}/"
        serving.shutdown()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_opens_from_a_file_without_an_error_or_a_violation(
    visited: Visited, kind: str, width: int, scheme: str
) -> None:
    visit = visited(kind, width, scheme)
    assert visit.violations == []
    assert visit.complaints == []
    # The policy lets the stylesheet in, so the page is not merely unbroken but dressed.
    assert visit.max_width != "none"


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_fits_a_phone(visited: Visited, kind: str) -> None:
    assert visited(kind, 360, "light").scroll_width <= 360


@pytest.mark.parametrize("kind", KINDS)
def test_a_served_page_is_silent_and_fits_a_phone(
    browser: Any, shown: Showcase, server: str, kind: str
) -> None:
    page, said = tab(browser, 360)
    said.clear()
    path = shown.kinds[kind].relative_to(shown.site.parent)
    page.goto(f"{server}{path.as_posix()}", wait_until="load")
    assert page.evaluate("window.violations") == []
    assert said == []
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.goto("about:blank")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_is_whole_pixels_high_so_that_no_rule_is_hidden(
    visited: Visited, kind: str, width: int
) -> None:
    """The first cell of a row sticks and is rounded apart from the others: it would cover the rule above, or
    double it."""
    heights = visited(kind, width, "light").row_heights
    assert [height for height in heights if abs(height - round(height)) > 0.01] == []


@pytest.mark.parametrize("kind", ["index", "large-index", "ranking"])
def test_a_ranking_fits_a_desktop(visited: Visited, kind: str) -> None:
    ranking = visited(kind, 1280, "light").ranking
    assert ranking is not None
    table, room = ranking
    assert table <= room


@pytest.mark.parametrize("kind", KINDS)
def test_no_table_is_cut_off_on_paper(visited: Visited, kind: str) -> None:
    assert max(visited(kind, 1280, "light").ends_on_paper, default=0) <= PAPER


def test_a_violation_would_be_noticed(browser: Any, shown: Showcase) -> None:
    page = browser.new_page()
    page.add_init_script(LISTEN)
    page.goto(shown.kinds["index"].as_uri())
    page.evaluate("""() => new Promise((done) => {
        addEventListener("securitypolicyviolation", () => done(), { once: true });
        document.body.append(Object.assign(document.createElement("script"), { textContent: "broken = 1" }));
    })""")
    assert len(page.evaluate("window.violations")) == 1
    assert page.evaluate("'broken' in window") is False
    page.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_says_the_same_without_javascript(
    browser: Any, shown: Showcase, visited: Visited, kind: str
) -> None:
    page, _ = tab(browser, 1280, scripts=False)
    page.goto(shown.kinds[kind].as_uri())
    scripted = visited(kind, 1280, "light")
    assert rows_of(page) == scripted.rows
    # Nothing waits hidden for a script but the tools that need one.
    assert unseen_parts(page) == scripted.unseen == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_keeps_to_its_budget(shown: Showcase, kind: str) -> None:
    assert shown.kinds[kind].stat().st_size <= (INDEX if kind.endswith("index") else PAGE)


def test_every_page_and_every_script_keeps_to_its_budget(shown: Showcase) -> None:
    pages = [path for folder in (shown.site, shown.large, shown.boards) for path in folder.rglob("*.html")]
    assert len(pages) > 200
    assert max(path.stat().st_size for path in pages) <= PAGE
    scripts = sorted((shown.site / "static").glob("*.js"))
    assert "site.js" in [path.name for path in scripts]
    assert {path.name: path.stat().st_size for path in scripts if path.stat().st_size > SCRIPT} == {}


def test_no_script_asks_for_the_colours(shown: Showcase) -> None:
    """A page that turns dark while it is open is then the one that is opened in the dark."""
    scripts = [*(shown.site / "static").glob("*.js"), shown.review]
    assert [path.name for path in scripts if "matchMedia" in path.read_text(encoding="utf-8")] == []
