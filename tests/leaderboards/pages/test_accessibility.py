"""axe-core finds no serious fault on any kind of page, light or dark, on a desktop or a phone."""

import pytest
from showcase import KINDS
from visits import Visited


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_no_serious_fault(visited: Visited, kind: str, width: int, scheme: str) -> None:
    assert visited(kind, width, scheme).faults == []
