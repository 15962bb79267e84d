"""axe-core finds no serious fault on any kind of page, light or dark, on a desktop or a phone."""

from importlib.resources import files
from typing import Any

import pytest
from showcase import KINDS, Showcase

pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python, which carries axe-core")

FAULTS = "(options) => axe.run(document, {...options, resultTypes: ['violations']}).then((found) => found.violations)"
RULES: dict[str, dict[str, list[str]]] = {
    "light": {},
    "dark": {"runOnly": ["color-contrast", "link-in-text-block"]},
}
"""All of them; in the dark only colours are others, held to the same level of contrast as in the light."""


@pytest.fixture(scope="module")
def axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_no_serious_fault(
    browser: Any, shown: Showcase, axe: str, kind: str, width: int, scheme: Any
) -> None:
    # The policy keeps out every script that is not the site's own, axe among them: here alone it is set
    # aside.
    context = browser.new_context(
        bypass_csp=True,
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(shown.kinds[kind].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate(axe)
    said = [
        f"{fault['id']}: {place['html'][:200]} {place['failureSummary'][:300]}"
        for fault in page.evaluate(FAULTS, RULES[scheme])
        if fault["impact"] in ("serious", "critical")
        for place in fault["nodes"]
    ]
    context.close()
    assert said == []
