"""What a kind of page is: a row of the list in `leaderboards.pages.contents`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from leaderboards.gathered import Site
from leaderboards.write.processes import Workers
from leaderboards.write.rendering import Pages
from leaderboards.write.score_reader import Stamps

SubjectT = TypeVar("SubjectT")
"""What a page is about: a task, a model, or the whole board."""


class LoadedFile(Protocol):
    """A file that a page loads, which takes long to make: other processes make it, and a former one is taken
    over. It must survive pickling."""

    @property
    def href(self) -> str:
        """Its address, from the folder of the board."""

    def made_of(self, stamps: Stamps) -> bytes:
        """All that its text depends on."""

    def text(self, results: Path) -> str:
        """What it holds. `results`: their folder."""


@dataclass(frozen=True)
class Page:
    """A page of a board."""

    href: str
    """From the folder of the board."""

    content: Any
    """What its template reads as `page`."""

    files: Mapping[str, str] = field(default_factory=dict)
    """What the page loads besides: texts by their address."""

    loaded: Sequence[LoadedFile] = ()
    """More of it, which takes long to make."""


@dataclass(frozen=True)
class PageKind:
    """A kind of page, of which a board may have none, one or many."""

    name: str
    places: tuple[str, ...]
    """Names in the folder of a board that its pages and their files take."""

    @property
    def template(self) -> str:
        """A file of `templates/`."""
        return f"{self.name}.html"


@dataclass(frozen=True)
class PagesBySubject(PageKind, Generic[SubjectT]):
    """Pages that are made one after the other, subject by subject."""

    subjects: Callable[[Site], Iterable[SubjectT]]
    """Of kinds that follow each other with the same subjects, all pages about one subject are made before the
    next: what a subject takes to read is read once, and not held."""

    pages: Callable[[Site, SubjectT], Iterable[Page]]
    """Those about one subject."""

    reused: bool
    """Whether the former site's page is taken over if it was made of the same content. Such a page does not
    tell how many runs there are, so that another run leaves it as it is."""


@dataclass(frozen=True)
class PagesOfWorkers(PageKind):
    """Pages that are so many that other processes help to write them; former ones are taken over."""

    begin: Callable[[Site, Pages, Workers, Stamps], Callable[[], None]]
    """Begins to write them all; calling what is returned waits for the last."""


def whole_board(site: Site) -> tuple[Site]:
    """The one subject of a page that a board has once."""
    return (site,)


def single_page(name: str, make: Callable[[Site], Any]) -> PagesBySubject[Site]:
    """A page that a board has once, as `name.html`; it has none where `make` returns None."""
    href = f"{name}.html"
    return PagesBySubject(name, (href,), whole_board, partial(_page_if_any, href, make), reused=False)


def _page_if_any(href: str, make: Callable[[Site], Any], site: Site, _board: Site) -> Iterator[Page]:
    content = make(site)
    if content is not None:
        yield Page(href, content)


def page_for_each(
    subjects: Callable[[Site], Iterable[SubjectT]],
    name: str,
    folder: str,
    href_of: Callable[[SubjectT], str],
    make: Callable[[Site, SubjectT], Any],
) -> PagesBySubject[SubjectT]:
    """A page for each subject, in a folder of its own."""
    return PagesBySubject(name, (folder,), subjects, partial(_page_of, href_of, make), reused=True)


def _page_of(
    href_of: Callable[[SubjectT], str], make: Callable[[Site, SubjectT], Any], site: Site, subject: SubjectT
) -> Iterator[Page]:
    yield Page(href_of(subject), make(site, subject))
