"""Write the site: a pure function of results, boards, prices and the former site's history, swapped in whole
so that a failure leaves the old one.
"""

import itertools
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.errors import UserError
from harness.records.collector import collector_paused
from harness.records.result import Result
from leaderboards.board import BOARD
from leaderboards.decide.advice_record import advice_record
from leaderboards.download.data import write_data
from leaderboards.gathered import ResultsFolder, Site, gather, read_folder
from leaderboards.history import FOLDER as HISTORY
from leaderboards.history import extended, read_history, snapshot_of
from leaderboards.money.prices import SHIPPED_PRICES
from leaderboards.pages.contents import PAGES
from leaderboards.pages.front_page.front import BoardView, FrontPage, board_view
from leaderboards.pages.parts.kinds import LoadedFile, PagesBySubject, PagesOfWorkers
from leaderboards.pages.parts.loaded_files import begin_loaded_files
from leaderboards.pages.parts.navigation import Navigation, navigation
from leaderboards.text import slug
from leaderboards.write.address import check_address, sitemaps
from leaderboards.write.cache import Cache
from leaderboards.write.checked_records import checked_before, keep_checked
from leaderboards.write.folders import claimed, replacing
from leaderboards.write.former_pages import FormerPages
from leaderboards.write.levels import IntervalLevels
from leaderboards.write.processes import Tell, Workers, tell_nobody
from leaderboards.write.rendering import Pages, Place, Renderer
from leaderboards.write.score_reader import ScoreReader, Stamps

MARKER = ".gainboard-site"
"""Lies in every site, and only there: a folder without it is never replaced."""

_PACKAGE = Path(__file__).parent
_RESERVED = frozenset({"404.html", "data", "index.html", HISTORY, "sitemap.xml", "static"})
"""Names in the root of a site that no board may have: files of the root, and what programs and the next
publish look for there. Pages of a board lie in its own folder."""

MANY_RUNS = 300
"""Runs from which on a cache is used."""


@dataclass(frozen=True)
class Means:
    """What makes publishing a large board faster."""

    processes: int = 1
    cache: Path | None = None
    """A folder for what the next publish can reuse; None keeps nothing."""

    tell: Tell = tell_nobody
    """Called with the progress of the work."""


PLAIN = Means()


@dataclass(frozen=True)
class Published:
    """A board that was written."""

    index: Path
    verdict: str
    """The first screen's answer, as plain text."""

    advice: dict[str, Any]
    """What the verdict says, and the figures that decide it, for scripts."""

    pages: int
    runs: int
    untrusted: int
    """Runs kept out of the ranking."""

    changed: tuple[str, ...]
    """What has changed since the site was last published, a sentence each."""


@dataclass(frozen=True)
class PublishedBoards:
    """A site of several boards that was written."""

    index: Path
    """The front page."""

    pages: int
    boards: dict[str, Published]
    """By folder."""


@collector_paused()
def publish(
    results: Path,
    out: Path,
    *,
    board: Path | None = None,
    prices: Path | None = None,
    url: str | None = None,
    means: Means = PLAIN,
) -> Published:
    """Build the site of every result below `results` in the folder `out`, in place of a former site.

    `board` is a board file or a folder with a `board.toml`; `prices` replaces the shipped prices; `url` is
    where the site will be, for what needs whole addresses; `means` make it faster, and change nothing in the
    pages. A file that cannot be read is named in a warning and on the page of problems. Raises `UserError`
    where there is nothing to publish, where a file given here is faulty, or where `out` holds something that
    is not a site or is being published to.
    """
    address = check_address(url)
    with (
        claimed(out, results, marker=MARKER, purpose="site") as target,
        Workers(means.processes, means.tell) as workers,
    ):
        contents = _read(results, means)
        cache = _cache(contents, means)
        scores = ScoreReader(cache, workers, Stamps(results, contents.digests))
        levels = IntervalLevels(cache, results)
        gathered = gather(contents, board, prices, read=scores, level_of=levels)
        site = _with_history(gathered, target, _name_of(board), several=False)
        with replacing(target) as folder, workers:
            former = FormerPages.of(target, cache, folder)
            pages = _write_board(site, Place(folder, address=address), prices, former, scores)
            pages += _finish(folder, address, navigation(site))
        keep_checked(cache, results, contents.digests.values())
        scores.keep(results)
        levels.keep()
        former.keep(cache)
    return _published(site, out / "index.html", pages)


@collector_paused()
def publish_boards(
    results: Path,
    out: Path,
    boards: Sequence[Path],
    *,
    prices: Path | None = None,
    url: str | None = None,
    means: Means = PLAIN,
) -> PublishedBoards:
    """Build a site of several boards, each in a folder of its own, and a front page that lists them.

    The other arguments are those of `publish`. A board takes its name from its file, or
    from the folder of its `board.toml`.
    """
    address = check_address(url)
    names = _names(boards)
    published: dict[str, Published] = {}
    views: list[BoardView] = []
    formers: list[FormerPages] = []
    with (
        claimed(out, results, marker=MARKER, purpose="site") as target,
        Workers(means.processes, means.tell) as workers,
    ):
        contents = _read(results, means)
        cache = _cache(contents, means)
        scores = ScoreReader(cache, workers, Stamps(results, contents.digests))
        levels = IntervalLevels(cache, results)
        with replacing(target) as folder, workers:
            for name, board in zip(names, boards, strict=True):
                gathered = gather(contents, board, prices, read=scores, level_of=levels)
                site = _with_history(gathered, target, name, several=True)
                place = Place(folder / name, "../", f"{address}{name}/" if address else "")
                place.folder.mkdir()
                formers.append(FormerPages.of(target / name, cache, place.folder))
                pages = _write_board(site, place, prices, formers[-1], scores)
                published[name] = _published(site, out / name / "index.html", pages)
                views.append(board_view(site, name))
            shared = {"versions": _versions(contents.results), "summary": views[0].verdict.headline}
            Renderer(Place(folder, address=address), shared).write(
                "front.html", "index.html", FrontPage(tuple(views))
            )
            pages = 1 + _finish(folder, address)
        keep_checked(cache, results, contents.digests.values())
        scores.keep(results)
        levels.keep()
        for former in formers:
            former.keep(cache)
    return PublishedBoards(
        out / "index.html", pages + sum(board_pages.pages for board_pages in published.values()), published
    )


def _read(results: Path, means: Means) -> ResultsFolder:
    """What lies in the results folder. How many runs there are, and whether a cache is used, shows only
    then; a folder of few has left none."""
    return read_folder(results, checked=checked_before(Cache(means.cache), results))


def _cache(contents: ResultsFolder, means: Means) -> Cache:
    """The cache of a large board; a small one is made faster than its cache is looked after."""
    return Cache(means.cache if len(contents.results) >= MANY_RUNS else None)


def _names(boards: Sequence[Path]) -> list[str]:
    """The folder of each board. Raises `UserError` where two would share one, or one of the site's own."""
    names: dict[str, Path] = {}
    for board in boards:
        name = _name_of(board)
        if name in _RESERVED:
            raise UserError(
                f"{board}: a folder of a site cannot be called '{name}'; rename the board's folder or file"
            )
        if name in names:
            raise UserError(
                f"{names[name]} and {board} would both be the folder '{name}' of the site; rename one of them"
            )
        names[name] = board
    return list(names)


def _name_of(board: Path | None) -> str:
    if board is None:
        return ""
    folder = board if board.is_dir() else board.parent
    return slug(folder.resolve().name if board.is_dir() or board.name == BOARD else board.stem)


def _with_history(site: Site, out: Path, name: str, *, several: bool) -> Site:
    """The board with its history in the former site: of several boards, each has its history in a
    folder of its name."""
    alone, among_others = out / HISTORY, out / name / HISTORY
    folder, other_folder = (among_others, alone) if several else (alone, among_others)
    former = read_history(folder)
    if not folder.is_dir() and name:
        # A board that was alone and is now one of several, or the other way round, keeps its history.
        moved = read_history(other_folder)
        if moved.snapshots and moved.snapshots[-1].table.board == site.board.title:
            former = moved
    advice = {
        task: tuple(finding.sentence for finding in analysis.record.findings)
        for task, analysis in site.analyses.items()
    }
    now = snapshot_of(site.board.title, site.table, site.ledger, site.prices, site.results, advice=advice)
    return replace(site, history=replace(extended(former, now), unit=site.table.unit))


def _published(site: Site, index: Path, pages: int) -> Published:
    return Published(
        index,
        site.verdict.text,
        advice_record(site.advice),
        pages,
        len(site.results),
        len(site.untrusted),
        tuple(change.text for change in site.history.fresh),
    )


def _write_board(
    site: Site, place: Place, prices: Path | None, former: FormerPages, scores: ScoreReader
) -> int:
    """Write the pages of one board, its downloads and its history; returns the number of pages."""
    pages = _write_pages(site, place, former, scores)
    write_data(site, place.folder / "data", prices or SHIPPED_PRICES, former, scores.stamps.digests)
    (place.folder / HISTORY).mkdir()
    for name, content in site.history.files.items():
        (place.folder / HISTORY / name).write_bytes(content)
    shutil.copytree(_PACKAGE / "static", place.folder / "static")
    return pages


def _write_pages(site: Site, place: Place, former: FormerPages, scores: ScoreReader) -> int:
    shared: dict[str, Any] = {
        "board": site.board,
        "navigation": navigation(site),
        "prices_as_of": str(site.prices.as_of),
        "versions": _versions(site.results),
    }
    if place.address:
        shared["summary"] = site.verdict.headline
    reused = Pages(Renderer(place, shared), former)
    remade = Pages(Renderer(place, shared | {"runs": len(site.results)}), former)
    finishers = [
        kind.begin(site, reused, scores.workers, scores.stamps)
        for kind in PAGES
        if isinstance(kind, PagesOfWorkers)
    ]
    made_here = [kind for kind in PAGES if isinstance(kind, PagesBySubject)]
    for subjects_of, kinds in itertools.groupby(made_here, key=lambda kind: kind.subjects):
        loaded = _write_by_subject(site, subjects_of(site), list(kinds), reused, remade)
        finishers.append(begin_loaded_files(loaded, site.folder, reused, scores.workers, scores.stamps))
    for finish in finishers:
        finish()
    return remade.count + reused.count


def _write_by_subject(
    site: Site, subjects: Iterable[Any], kinds: Sequence[PagesBySubject[Any]], reused: Pages, remade: Pages
) -> list[LoadedFile]:
    """Write pages of several kinds, all those about one subject before those about the next; returns the
    files that they load and that are still to be written."""
    loaded: list[LoadedFile] = []
    for subject in subjects:
        for kind in kinds:
            for page in kind.pages(site, subject):
                if kind.reused:
                    reused.take_or_write(kind.template, page.href, page.content)
                else:
                    remade.write(kind.template, page.href, page.content)
                for name, text in page.files.items():
                    remade.renderer.write_text(name, text)
                loaded += page.loaded
    return loaded


def _versions(results: Iterable[Result]) -> str:
    return ", ".join(sorted({result.provenance.gainboard for result in results}))


def _finish(folder: Path, address: str, links: Navigation | None = None) -> int:
    """Write what a site has once, in its root; returns the number of pages among it. `links`: those of the
    one board of the site."""
    pages = [path.relative_to(folder).as_posix() for path in folder.rglob("*.html")] if address else []
    # It is shown in place of a page at any depth, from where only the whole path leads home.
    Renderer(Place(folder), {"navigation": links}).write(
        "404.html", "404.html", None, root=urlsplit(address).path
    )
    if not (folder / "static").exists():
        shutil.copytree(_PACKAGE / "static", folder / "static")
    for name, text in sitemaps(address, sorted(pages)).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    # GitHub Pages would leave out what begins with an underscore, and look for a site generator's files.
    (folder / ".nojekyll").touch()
    (folder / MARKER).write_text(
        "Written by gainboard publish, which replaces this folder as a whole.\n", encoding="utf-8"
    )
    return 1
