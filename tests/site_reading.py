"""Read a published site as its readers do: the words of its pages, and the figures it offers for reuse."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from leaderboards import Published


def figures(published: Published) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        (published.index.parent / "data" / "leaderboard.json").read_text(encoding="utf-8")
    )
    return loaded


def row(published: Published, candidate: str, method: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in figures(published)["rows"] if (one["candidate"], one["method"]) == (candidate, method)
    )
    return found


def problems(published: Published) -> str:
    """What the page of problems says; nothing where a board has none."""
    page = published.index.with_name("problems.html")
    return Text(page).text if page.exists() else ""


class Text(HTMLParser):
    """The words of a page, or of a part of one, and its tags with their attributes."""

    def __init__(self, page: Path | str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page if isinstance(page, str) else page.read_text(encoding="utf-8"))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @property
    def foreign_scripts(self) -> list[dict[str, str | None]]:
        """Scripts that would run and are no file of the site's own."""
        scripts = [attributes for tag, attributes in self.tags if tag == "script"]
        own = [
            (script.get("src") or "").removeprefix("../").startswith(("static/", "compare/", "answers/"))
            for script in scripts
        ]
        data = [script.get("type") == "application/json" and "src" not in script for script in scripts]
        return [script for script, *known in zip(scripts, own, data, strict=True) if not any(known)]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def lines(page: Path, table: str) -> list[str]:
    """The rows of a table of a page, each as text."""
    _, _, source = page.read_text(encoding="utf-8").partition(f'id="{table}"')
    body = source.partition("<tbody>")[2].partition("</tbody>")[0]
    return [Text(row).text for row in body.split("<tr>")[1:]]
