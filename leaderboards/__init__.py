"""Turn a folder of results into a static leaderboard site. Importing this package loads nothing heavy."""

from typing import TYPE_CHECKING, Any

from leaderboards.board import Board, shipped_board

if TYPE_CHECKING:
    from leaderboards.site import Means, Published, PublishedBoards, publish, publish_boards

__all__ = ["Board", "Means", "Published", "PublishedBoards", "publish", "publish_boards", "shipped_board"]


def __getattr__(name: str) -> Any:
    # scipy, pandas and jinja2 take a second to import; a command that publishes nothing should not pay for
    # them.
    if name in ("Means", "Published", "PublishedBoards", "publish", "publish_boards"):
        from leaderboards import site

        return getattr(site, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
