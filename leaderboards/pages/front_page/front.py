"""The front page of a site with several boards: what each of them says."""

from dataclasses import dataclass

from harness.counts import count_of
from leaderboards.decide.verdict import Verdict
from leaderboards.gathered import Site
from leaderboards.pages.history import news


@dataclass(frozen=True)
class BoardView:
    """A board in a few lines."""

    title: str
    description: str
    href: str
    history: str
    """The page of its history."""

    verdict: Verdict
    facts: str
    news: str
    """What has changed since it was published before; empty where it was not."""


@dataclass(frozen=True)
class FrontPage:
    """All boards, in the order they were asked for."""

    boards: tuple[BoardView, ...]


def board_view(site: Site, slug: str) -> BoardView:
    """A board as the front page shows it; `slug` is its folder."""
    sizes = (
        count_of(len(site.table.rows), "candidate"),
        count_of(len(site.table.tasks), "task"),
        count_of(len(site.results), "finished run"),
    )
    return BoardView(
        title=site.board.title,
        description=site.board.description,
        href=f"{slug}/index.html",
        history=f"{slug}/history.html",
        verdict=site.verdict,
        facts=f"{', '.join(sizes)}. Prices of {site.prices.as_of}.",
        news=news(site),
    )
