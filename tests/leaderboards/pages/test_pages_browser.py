"""Every kind of page in a real browser, from a file and from a server: silent, within its budget, whole
without a script."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from showcase import KINDS, Showcase

KIB = 1024
INDEX, PAGE, SCRIPT = 150 * KIB, 300 * KIB, 15_000
"""Bytes."""

LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""


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


def address_of(shown: Showcase, kind: str, root: str) -> str:
    path = shown.kinds[kind]
    return f"{root}{path.relative_to(shown.site.parent).as_posix()}" if root else path.as_uri()


@pytest.mark.parametrize("protocol", ["file", "http"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_silent_and_fits_a_phone(
    browser: Any, shown: Showcase, server: str, kind: str, protocol: str
) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    said: list[str] = []
    page.add_init_script(LISTEN)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("requestfailed", lambda request: said.append(f"failed: {request.url}"))
    page.on(
        "response",
        lambda answer: said.extend([f"{answer.status}: {answer.url}"] if answer.status >= 400 else []),
    )
    page.goto(address_of(shown, kind, server if protocol == "http" else ""), wait_until="load")
    assert page.evaluate("window.violations") == []
    assert said == []
    # The policy lets the stylesheet in, so the page is not merely unbroken but dressed.
    assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


@pytest.mark.parametrize("kind", ["index", "large-index", "ranking"])
def test_a_ranking_fits_a_desktop(browser: Any, shown: Showcase, kind: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(shown.kinds[kind].as_uri())
    table, room = page.locator("#ranking-table").evaluate(
        "table => [table.scrollWidth, table.parentElement.clientWidth]"
    )
    page.close()
    assert table <= room


@pytest.mark.parametrize("kind", KINDS)
def test_no_table_is_cut_off_on_paper(browser: Any, shown: Showcase, kind: str) -> None:
    width = 1032  # an A4 page that lies, less its margins
    page = browser.new_page(viewport={"width": width, "height": 700})
    page.emulate_media(media="print")
    page.goto(shown.kinds[kind].as_uri())
    ends = page.evaluate(
        "[...document.querySelectorAll('table')].map((table) => table.getBoundingClientRect().right)"
    )
    page.close()
    assert max(ends, default=0) <= width


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
def test_a_page_says_the_same_without_javascript(browser: Any, shown: Showcase, kind: str) -> None:
    rows = []
    for scripted in (True, False):
        context = browser.new_context(java_script_enabled=scripted)
        page = context.new_page()
        page.goto(shown.kinds[kind].as_uri())
        rows.append([" ".join(row.split()) for row in page.locator("main tr").all_inner_texts()])
        # Nothing waits hidden for a script but the tools that need one.
        for part in ("main h1", "main h2", "main tr", "main article", "main figure"):
            assert page.locator(part).count() == page.locator(f"{part}:visible").count(), part
        context.close()
    assert rows[0] == rows[1]


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
