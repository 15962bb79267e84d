"""axe-core finds no serious fault on any kind of page, light or dark, on a desktop or a phone."""

from typing import Any

import pytest
from installed import need
from showcase import KINDS, Showcase
from visits import Visited, faults_of, tab, unfold

FAINT = """() => {
    const cells = document.querySelectorAll("#ranking-table tbody td");
    const text = cells[Math.floor(cells.length / 2)].querySelector(".value");
    Object.assign(text.style, { color: "rgb(128, 128, 128)", backgroundColor: "rgb(110, 110, 110)" });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_no_serious_fault(visited: Visited, kind: str, width: int, scheme: str) -> None:
    assert visited(kind, width, scheme).faults == []


def test_one_faint_text_among_all_that_are_alike_would_be_noticed(browser: Any, shown: Showcase) -> None:
    need("axe_playwright_python", reason="needs axe-playwright-python, which carries axe-core")
    page, _ = tab(browser, 1280)
    page.goto(shown.kinds["index"].as_uri())
    unfold(page)
    page.evaluate(FAINT)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        (fault,) = faults_of(page, scheme)
        assert fault.startswith("color-contrast: ")
    page.goto("about:blank")
