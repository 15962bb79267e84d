"""Where a site will be on the web, and the maps of it that search engines read: those need whole
addresses."""

from collections.abc import Sequence
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

from harness.errors import UserError

MOST_IN_A_MAP = 50_000
"""Pages of one sitemap, as sitemaps.org has it."""

_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def check_address(url: str | None) -> str:
    """The address with a slash at its end; empty without one. Raises `UserError` for what is no address of a
    folder."""
    if url is None:
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or not url.isprintable()
    ):
        raise UserError(
            f"--url '{url}' is not where a site can be; give its address, as https://example.org/leaderboard/"
        )
    if "@" in parts.netloc:
        raise UserError(
            "--url holds a user name, or a password, before its '@', which would stand in every page; "
            "leave it out"
        )
    if any(character in url for character in " \"'<>\\"):
        raise UserError(f"--url '{url}' holds a character that an address cannot; write it as %XX")
    return url if url.endswith("/") else f"{url}/"


def sitemaps(address: str, pages: Sequence[str], *, max_pages: int = MOST_IN_A_MAP) -> dict[str, str]:
    """`sitemap.xml` by name, or where there are more pages than one may hold, an index with its parts; none
    without an address.
    """
    if not address:
        return {}
    parts = [pages[start : start + max_pages] for start in range(0, len(pages), max_pages)]
    maps = [
        _document("urlset", "url", [address + quote(page.removesuffix("index.html")) for page in part])
        for part in parts
    ]
    if len(maps) == 1:
        return {"sitemap.xml": maps[0]}
    named = {f"sitemap-{number}.xml": text for number, text in enumerate(maps, start=1)}
    return {
        "sitemap.xml": _document("sitemapindex", "sitemap", [f"{address}{name}" for name in named]),
        **named,
    }


def _document(kind: str, entry: str, addresses: Sequence[str]) -> str:
    lines = [f"<{entry}><loc>{escape(address)}</loc></{entry}>" for address in addresses]
    return "\n".join(
        ['<?xml version="1.0" encoding="UTF-8"?>', f'<{kind} xmlns="{_NAMESPACE}">', *lines, f"</{kind}>", ""]
    )
