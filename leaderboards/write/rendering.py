"""Render pages from templates: what foreign text says is shown as text, whatever it holds."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import pydantic_core
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.sweep.methods import METHOD_TABLE
from harness.visible import visible
from leaderboards.text import shown
from leaderboards.write.cache import code_version
from leaderboards.write.former_pages import FormerPages, PageStamp

_TEMPLATES = Path(__file__).parents[1] / "templates"


@dataclass(frozen=True)
class Place:
    """Where in a site some pages lie."""

    folder: Path
    home: str = ""
    """From there to the folder of the site's first page."""

    address: str = ""
    """On the web, with a slash at the end; empty where the site does not know its own."""


@dataclass(frozen=True)
class Renderer:
    """Writes the pages of one folder, one by one: a large board's would fill the memory."""

    place: Place
    shared: Mapping[str, Any] = field(default_factory=dict)
    """What all its templates may use."""

    def write(self, template: str, href: str, page: Any, *, root: str | None = None) -> PageStamp:
        """Write one page. `root` leads from it to the folder; None: as deep as its address says."""
        if root is None:
            root = "../" if "/" in href else ""
        address = f"{self.place.address}{href}".removesuffix("index.html") if self.place.address else ""
        places = {
            "here": href,
            "root": root,
            "home": root + self.place.home,
            "address": address,
            "folder_address": self.place.address,
        }
        return self.write_text(href, rendered(template, {"page": page, **places, **self.shared}))

    def write_text(self, href: str, text: str) -> PageStamp:
        """Write a page or a file that is a text already."""
        path = self.path(href)
        path.write_text(text, encoding="utf-8", newline="\n")
        status = path.stat()
        return PageStamp("", status.st_size, status.st_mtime_ns)

    def path(self, href: str) -> Path:
        """Where a page or a file is written; its folder is made."""
        path = self.place.folder / href
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def made_of(self, template: str, href: str, data: bytes) -> str:
        """A digest of all that a page depends on, `data` among it: what is not the same for all pages."""
        return digest_of(f"{self._of_all} {template} {href} ".encode() + data)

    @cached_property
    def _of_all(self) -> str:
        return digest_of(
            code_version().encode() + as_bytes((self.place.home, self.place.address, self.shared))
        )


def as_bytes(data: Any) -> bytes:
    """Plain data, dataclasses and records as bytes that differ where the data do.
    Raises for anything else."""
    try:
        return pydantic_core.to_json(data, inf_nan_mode="constants")
    except pydantic_core.PydanticSerializationError:
        # Half a surrogate pair has no UTF-8; JSON in ASCII spells it out.
        return json.dumps(pydantic_core.to_jsonable_python(data, inf_nan_mode="constants")).encode("ascii")


def digest_of(data: bytes) -> str:
    """A short text that stands for some data."""
    return hashlib.sha256(data).hexdigest()


@dataclass
class Pages:
    """Writes pages, takes over those of the former site that would come out the same, and counts them."""

    renderer: Renderer
    former: FormerPages
    count: int = 0
    _folders: set[str] = field(default_factory=set)
    """Those that were made."""

    def write(self, template: str, href: str, page: Any) -> None:
        """Write a page."""
        self.renderer.write(template, href, page)
        self.count += 1

    def take_or_write(self, template: str, href: str, page: Any) -> None:
        """Write a page of plain data, unless its former version can be taken over."""
        try:
            made_of = self.renderer.made_of(template, href, as_bytes(page))
        except ValueError:  # half a surrogate pair has no bytes to compare: the page is always written
            self.write(template, href, page)
            return
        if not self.take(href, made_of):
            self.wrote(href, made_of, self.renderer.write(template, href, page))

    def take(self, href: str, made_of: str) -> bool:
        """Whether the former page was made of the same things, and is now the new one, too."""
        took = self.take_file(href, made_of)
        self.count += took
        return took

    def wrote(self, href: str, made_of: str, stamp: PageStamp) -> None:
        """Count a page that was written, and remember what it was made of."""
        self.wrote_file(href, made_of, stamp)
        self.count += 1

    def take_file(self, href: str, made_of: str) -> bool:
        """`take` for a file that is no page, and is not counted."""
        folder = href.rpartition("/")[0]
        if folder not in self._folders:
            self.renderer.path(href)
            self._folders.add(folder)
        return self.former.take(href, made_of, self.renderer.place.folder)

    def wrote_file(self, href: str, made_of: str, stamp: PageStamp) -> None:
        """`wrote` for a file that is no page, and is not counted."""
        self.former.add(href, PageStamp(made_of, stamp.size, stamp.modified))


def rendered(template: str, values: Mapping[str, Any], *, uncut: bool = False) -> str:
    """The text of a page. `uncut`: a text is never cut, however long it is."""
    return _environment(uncut=uncut).get_template(template).render(values)


LONGEST_UNBROKEN = 24
"""Characters of a word that is never broken at its hyphens."""


def _unbroken(text: str, *, readable: Callable[[str], str]) -> Markup:
    """A text of which a browser may break no word at a hyphen: `Qwen3-4B` stays whole, and so does `1–5`."""
    words = (
        Markup('<span class="whole">{}</span>').format(word)
        if len(word) <= LONGEST_UNBROKEN and _BREAKS & set(word)
        else escape(word)
        for word in readable(text).split(" ")
    )
    return Markup(" ").join(words)


_BREAKS = frozenset("-–/")
"""Characters behind which a browser breaks a word."""


@cache
def _environment(*, uncut: bool) -> Environment:
    readable = visible if uncut else shown
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Every expression passes here: foreign text cannot turn the text around it, nor hide in it.
        finalize=lambda value: readable(value) if type(value) is str else value,
    )
    environment.filters["unbroken"] = partial(_unbroken, readable=readable)
    environment.globals["marks"] = {name: Markup(row.mark) for name, row in METHOD_TABLE.items()}
    return environment
