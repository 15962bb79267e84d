"""The navigation of a board: the same links on every page, which of them leads to where the reader is, and
the tasks before and after a task."""

from dataclasses import dataclass
from typing import Literal

from leaderboards.gathered import Site
from leaderboards.links import LISTS, task_href
from leaderboards.pages.method import methods_of
from leaderboards.pages.parts.grid import Link
from leaderboards.pages.parts.heads import compared_rows


@dataclass(frozen=True)
class NavLink:
    """A page that every other one leads to."""

    title: str
    href: str
    folders: tuple[str, ...] = ()
    """Beginnings of the addresses of the pages below it."""

    def current(self, here: str) -> Literal["page", "true", ""]:
        """Its `aria-current` on the page `here`: `page` on the page itself, `true` on one below it."""
        if here == self.href:
            return "page"
        return "true" if here.startswith(self.folders) else ""


@dataclass(frozen=True)
class Navigation:
    """The links at the top of every page of a board."""

    links: tuple[NavLink, ...]
    tasks: tuple[Link, ...]
    """In the order of the board."""

    def listing(self, here: str) -> NavLink | None:
        """The list that a page deep in the site belongs to; None for all other pages."""
        return next(
            (link for link in self.links if link.href in LISTS and link.current(here) == "true"), None
        )

    def previous_task(self, here: str) -> Link | None:
        """On the page of a task, the task before it; None on the first, and on all other pages."""
        place = self._place(here)
        return self.tasks[place - 1] if place else None

    def next_task(self, here: str) -> Link | None:
        """On the page of a task, the task after it; None on the last, and on all other pages."""
        place = self._place(here)
        return None if place is None or place + 1 == len(self.tasks) else self.tasks[place + 1]

    def _place(self, here: str) -> int | None:
        return next((place for place, task in enumerate(self.tasks) if task.href == here), None)


def navigation(site: Site) -> Navigation:
    """The pages that this board has. No link depends on the runs or the models that it holds: another run
    leaves all pages that do not tell of it as they are."""
    links = (
        NavLink("Board", "index.html", ("ranking.html", "gains.html")),
        NavLink("Costs", "cost.html"),
        *((NavLink("Compare", "compare.html"),) if compared_rows(site) else ()),
        NavLink("Tasks", "tasks.html", ("tasks/", "samples/", "why/")),
        NavLink("Models", "models.html", ("models/", "runs/")),
        *((NavLink("Methods", "methods.html", ("methods/",)),) if methods_of(site) else ()),
        NavLink("About the numbers", "methodology.html"),
    )
    return Navigation(links, tuple(Link(name, task_href(name)) for name in site.table.tasks))
