"""Render pages from templates: what foreign text says is shown as text, whatever it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leaderboards.text import shown

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Place:
    """Where in a site some pages lie."""

    folder: Path
    home: str = ""
    """From there to the folder of the site's first page."""

    address: str = ""
    """On the web, with a slash at the end; empty where the site does not know its own."""


class Renderer:
    """Renders the pages of one folder, and writes them when all are there."""

    def __init__(self, place: Place, **shared: Any) -> None:
        """`shared`: what all its templates may use."""
        self._place, self._shared = place, shared
        self._written: dict[str, str] = {}
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            # Every expression passes here: what a model wrote cannot turn the text around it, nor hide in it.
            finalize=lambda value: shown(value) if type(value) is str else value,
        )

    def render(self, template: str, href: str, page: Any, *, root: str | None = None) -> None:
        """Render one page. `root` leads from it to the folder; None: as deep as its address says."""
        if root is None:
            root = "../" if "/" in href else ""
        address = f"{self._place.address}{href}".removesuffix("index.html") if self._place.address else ""
        self._written[href] = self._environment.get_template(template).render(
            page=page, root=root, home=root + self._place.home, address=address, **self._shared
        )

    def write(self, others: Mapping[str, str] = MappingProxyType({})) -> int:
        """Write all pages, and `others`, files that are no pages; say how many pages there are."""
        for href, text in sorted({**self._written, **others}.items()):
            path = self._place.folder / href
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        return len(self._written)
