"""What a browser sees of a page: a visit takes a second and more, so that one records whatever tests want to
know of the page at its width and in its colours."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""
PAPER = 1032
"""Pixels across an A4 page that lies, minus its margins."""

PARTS = ("main h1", "main h2", "main tr", "main article", "main figure")

FAULTS = (
    "(options) => axe.run(document, {...options, preload: false, resultTypes: ['violations']})"
    ".then((found) => found.violations)"
)
RULES: dict[str, dict[str, list[str]]] = {
    "light": {},
    "dark": {"runOnly": ["color-contrast", "link-in-text-block"]},
}
"""What axe-core looks for: everything;
in the dark only colours are others, held to the same level of contrast."""


@dataclass(frozen=True)
class Visit:
    """One page, opened once."""

    complaints: list[str]
    """What the console, failed requests and answers of 400 and above said."""

    violations: list[str]
    """Directives of the page's policy that something violated."""

    max_width: str
    """Of the body, as its style has it: "none" without the stylesheet."""

    scroll_width: int
    row_heights: list[float]
    rows: list[str]
    """The text of each row of a table."""

    unseen: list[str]
    """`PARTS` that are there and not visible, with their counts."""

    ranking: tuple[int, int] | None
    """Pixels that the ranking takes, and has."""

    ends_on_paper: list[float]
    """Where each table ends, of `PAPER` pixels."""

    faults: list[str]
    """Serious ones that axe-core found."""


Visited = Callable[[str, int, str], Visit]
"""(kind of page, width, scheme) → its visit."""


def listened_to(page: Any) -> list[str]:
    """Whatever the page says from now on."""
    complaints: list[str] = []

    def answered(response: Any) -> None:
        if response.status >= 400:
            complaints.append(f"{response.status}: {response.url}")

    page.add_init_script(LISTEN)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on("response", answered)
    return complaints


@cache
def _tab(browser: Any, width: int, scheme: Any) -> tuple[Any, list[str]]:
    """A page for all visits of this width and in these colours, and what it says: a new one takes longer to
    start than most pages to load."""
    # Without smooth scrolling, which a reader can ask for, nothing has to be waited for.
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    return page, listened_to(page)


def visit(browser: Any, address: str, *, width: int, scheme: Any) -> Visit:
    """Open a page and record it."""
    page, complaints = _tab(browser, width, scheme)
    complaints.clear()
    page.goto(address, wait_until="load")
    seen = {
        "violations": page.evaluate("window.violations"),
        "max_width": page.evaluate("getComputedStyle(document.body).maxWidth"),
        "scroll_width": page.evaluate("document.documentElement.scrollWidth"),
        "row_heights": page.evaluate(
            "[...document.querySelectorAll('tr')].map((row) => row.getBoundingClientRect().height)"
        ),
        "rows": rows_of(page),
        "unseen": unseen_parts(page),
        "ranking": page.evaluate("""() => {
            const table = document.querySelector("#ranking-table");
            return table && [table.scrollWidth, table.parentElement.clientWidth];
        }"""),
        "ends_on_paper": _ends_on_paper(page),
        "complaints": list(complaints),
        "faults": _faults(page, scheme),
    }
    page.goto("about:blank")
    return Visit(**seen)


def rows_of(page: Any) -> list[str]:
    """The text of each row of a table, with single spaces."""
    return [" ".join(row.split()) for row in page.locator("main tr").all_inner_texts()]


def unseen_parts(page: Any) -> list[str]:
    """Parts of the page that are there and not visible: those of these kinds that wait for a script. What
    stands in `<details>` waits for its reader alone."""
    unseen = []
    for part in PARTS:
        shown = f"{part}:not(details:not([open]) *)"
        count, visible = page.locator(shown).count(), page.locator(f"{shown}:visible").count()
        if count != visible:
            unseen.append(f"{part}: {count - visible} of {count}")
    return unseen


def _ends_on_paper(page: Any) -> list[float]:
    screen = page.viewport_size
    page.set_viewport_size({"width": PAPER, "height": 700})
    page.emulate_media(media="print")
    ends: list[float] = page.evaluate(
        "[...document.querySelectorAll('table')].map((table) => table.getBoundingClientRect().right)"
    )
    page.emulate_media(media="screen")
    page.set_viewport_size(screen)
    return ends


def _faults(page: Any, scheme: str) -> list[str]:
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate(_axe())
    return [
        f"{fault['id']}: {place['html'][:200]} {place['failureSummary'][:300]}"
        for fault in page.evaluate(FAULTS, RULES[scheme])
        if fault["impact"] in ("serious", "critical")
        for place in fault["nodes"]
    ]


@cache
def _axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
