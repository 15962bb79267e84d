"""What a browser sees of a page: a visit takes a second and more, so that one records whatever tests want to
know of the page at its width."""

from collections.abc import Callable
from dataclasses import dataclass, replace
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

CONTRAST = ["color-contrast", "link-in-text-block"]
"""What axe-core looks for in the dark, where only colours are others, held to the same level of contrast."""

FAULTS = """async (contrast) => {
  const options = { preload: false, resultTypes: ["violations"] };
  const run = async (where, which) => (await axe.run(where, { ...options, ...which })).violations;
  const looks = new Map(), numbers = new Map();
  const written = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const look = (element) => {
    if (!numbers.has(element)) {
      const style = getComputedStyle(element);
      const key = [
        element.parentElement ? look(element.parentElement) : "", element.localName, element.getAttribute("class"),
        written(element), style.color, style.backgroundColor, style.backgroundImage, style.opacity, style.fontSize,
        style.fontWeight, style.textDecorationLine,
      ].join("|");
      if (!looks.has(key)) looks.set(key, looks.size);
      numbers.set(element, looks.get(key));
    }
    return numbers.get(element);
  };
  const first = new Map(), last = new Map();
  for (const element of document.body.querySelectorAll("*")) {
    if (!element.checkVisibility() || !(written(element) || element.matches("input, select, textarea"))) continue;
    if (!first.has(look(element))) first.set(look(element), element);
    last.set(look(element), element);
  }
  const samples = [...new Set([...first.values(), ...last.values()])];
  const colours = samples.length ? await run({ include: samples }, { runOnly: contrast.only }) : [];
  if (contrast.alone) return colours;
  const rules = Object.fromEntries(contrast.only.map((rule) => [rule, { enabled: false }]));
  return [...colours, ...(await run(document, { rules }))];
}"""
"""All that axe-core finds on a page; or of contrast alone, which takes it longer than all else together. Texts
whose elements, up to the root, are of the same classes and colours have one look, and of each look the first and
the last are judged."""


@dataclass(frozen=True)
class Visit:
    """One page, as it is in one scheme of colours."""

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

    ends_on_paper: list[float] | None
    """Where each table ends, of `PAPER` pixels; a visit of a phone, which has the same paper, leaves it out."""

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
def tab(browser: Any, width: int, *, scripts: bool = True) -> tuple[Any, list[str]]:
    """A page for all visits of this width, and what it says: a new one takes longer to start than most pages
    to load."""
    # Without smooth scrolling, which a reader can ask for, nothing has to be waited for.
    page = browser.new_page(
        viewport={"width": width, "height": 900}, reduced_motion="reduce", java_script_enabled=scripts
    )
    return page, listened_to(page)


def visit(browser: Any, address: str, *, width: int) -> dict[str, Visit]:
    """Open a page once, and record it in light and in dark colours, which only its style asks for."""
    page, complaints = tab(browser, width)
    complaints.clear()
    page.emulate_media(color_scheme="light")
    page.goto(address, wait_until="load")
    light = _seen(page, complaints)
    page.emulate_media(color_scheme="dark")
    dark = replace(light, faults=faults_of(page, "dark"), **_policy(page, complaints))
    page.goto("about:blank")
    return {"light": light, "dark": dark}


def _policy(page: Any, complaints: list[str]) -> dict[str, Any]:
    return {
        "violations": page.evaluate("window.violations"),
        "complaints": list(complaints),
        "max_width": page.evaluate("getComputedStyle(document.body).maxWidth"),
    }


def _seen(page: Any, complaints: list[str]) -> Visit:
    seen = {
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
        "ends_on_paper": _ends_on_paper(page) if page.viewport_size["width"] > PAPER else None,
    }
    policy = _policy(page, complaints)
    unfold(page)
    return Visit(**seen, **policy, faults=faults_of(page, "light"))


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


def unfold(page: Any) -> None:
    """Open all that is folded, and have axe-core at hand: what is asked of a page as it was loaded comes
    before."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate(_axe())


def faults_of(page: Any, scheme: str) -> list[str]:
    """The serious faults of a page that was unfolded; in the dark, those of its colours."""
    return [
        f"{fault['id']}: {place['html'][:200]} {place['failureSummary'][:300]}"
        for fault in page.evaluate(FAULTS, {"only": CONTRAST, "alone": scheme == "dark"})
        if fault["impact"] in ("serious", "critical")
        for place in fault["nodes"]
    ]


@cache
def _axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
