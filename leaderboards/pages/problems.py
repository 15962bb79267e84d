"""The page of what went wrong: runs that broke down, failed or were kept out, a line for each candidate, and
what was left out of the comparison."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from harness.counts import count_of
from harness.records.result import Failure, Result
from harness.records.scores import MANY_CUT
from harness.sweep.run import Run
from leaderboards.gathered import Site
from leaderboards.links import model_href
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, remainder_line
from leaderboards.pages.parts.heads import model_names
from leaderboards.rank.baselines import Key, key_of
from leaderboards.rank.flags import OF_TRAININGS, TROUBLE_WORDS, TroubleKind
from leaderboards.text import LONGEST_REASON, duration, listed, method_name, shortened

MOST_CANDIDATES = 50
"""Lines of a table."""

MOST_LINKED = 24
"""Runs of a line that are named."""


@dataclass(frozen=True)
class ProblemRun:
    """A run with what is wrong with it."""

    run: Run
    what: str
    reason: str
    href: str = ""
    seconds: float = 0.0
    """Device time of a failed run."""


@dataclass(frozen=True)
class ProblemsPage:
    """What went wrong; each table is None without any."""

    untrusted: Grid | None
    flagged: Grid | None
    begun: Grid | None
    cut: Grid | None
    many_cut: str
    """The share of a run's answers above which they are more than a few."""

    failures: Grid | None
    notes: tuple[str, ...]
    """What was left out, and why."""


def problems_page(site: Site) -> ProblemsPage | None:
    """Every problem of the board; None where there is none."""
    if not problems_summary(site):
        return None
    return ProblemsPage(
        untrusted=_grid(site, "Runs kept out of the ranking", _untrusted(site)),
        flagged=_grid(site, "Runs whose training went wrong", _flagged(site, OF_TRAININGS)),
        begun=_grid(site, "Runs with prompts begun wrongly", _flagged(site, ("begun",))),
        cut=_grid(site, "Runs with answers that were cut", _flagged(site, ("cut",))),
        many_cut=f"{100 * MANY_CUT:.0f} %",
        failures=_grid(site, "Runs that failed", _failed(site.failures)),
        notes=site.problems,
    )


def problems_summary(site: Site) -> str:
    """`16 runs collapsed or diverged, 1 run failed and 2 remarks`; empty where nothing went wrong."""
    flagged = _count(_flagged(site, OF_TRAININGS))
    begun = _count(_flagged(site, ("begun",)))
    cut = _count(_flagged(site, ("cut",)))
    parts = [
        f"{count_of(len(site.untrusted), 'run')} kept out" if site.untrusted else "",
        f"{count_of(flagged, 'run')} collapsed or diverged" if flagged else "",
        f"{count_of(begun, 'run')} begun wrongly" if begun else "",
        f"{count_of(cut, 'run')} with cut answers" if cut else "",
        f"{count_of(len(site.failures), 'run')} failed" if site.failures else "",
        count_of(len(site.problems), "note") if site.problems else "",
    ]
    said = [part for part in parts if part]
    return listed(said) if said else ""


def _count(problems: Iterable[ProblemRun]) -> int:
    """How many runs they are: one may have several problems."""
    return len({problem.run.place for problem in problems})


def _untrusted(site: Site) -> Iterator[ProblemRun]:
    for result in site.untrusted:
        yield _of_result(site, result, "kept out", result.untrusted or "")


def _flagged(site: Site, kinds: Sequence[TroubleKind]) -> Iterator[ProblemRun]:
    for result in site.results:
        if result.run.task not in site.table.tasks:
            continue
        for trouble in site.troubles.get(result.key, ()):
            if trouble.kind in kinds:
                yield _of_result(site, result, TROUBLE_WORDS[trouble.kind], trouble.reason)


def _of_result(site: Site, result: Result, what: str, reason: str) -> ProblemRun:
    return ProblemRun(result.run, what, reason, site.run_hrefs[result.key])


def _failed(failures: Iterable[Failure]) -> Iterator[ProblemRun]:
    for failure in failures:
        what = f"failed in {failure.phase}"
        yield ProblemRun(failure.run, what, failure.reason, seconds=failure.spent.seconds)


def _grid(site: Site, caption: str, problems: Iterable[ProblemRun]) -> Grid | None:
    """A line for each candidate and kind of problem; None without any."""
    groups: dict[tuple[Key, str], list[ProblemRun]] = {}
    for problem in problems:
        groups.setdefault((key_of(problem.run), problem.what), []).append(problem)
    if not groups:
        return None
    columns = (
        Column("What", text=True),
        Column("Reason", text=True),
        *((Column("Spent", "Device time until it failed."),) if _spent(groups) else ()),
        Column("Runs", "Task and seed.", text=True, narrow=False),
    )
    runs_of, names = _run_counts(site), frozenset(model_names(site))
    lines = [_line(group, runs_of, names, columns) for group in groups.values()]
    hidden = len(lines) - MOST_CANDIDATES
    if hidden > 0:
        lines[MOST_CANDIDATES:] = [remainder_line(hidden, columns, "marked in the tables")]
    return Grid(caption, Column("Candidate"), columns, tuple(lines))


def _spent(groups: Mapping[tuple[Key, str], Sequence[ProblemRun]]) -> bool:
    return any(problem.seconds for group in groups.values() for problem in group)


def _run_counts(site: Site) -> dict[Key, int]:
    """By candidate, how many runs it has, failed ones among them."""
    counts: dict[Key, int] = {}
    for run in (*(result.run for result in site.results), *(failure.run for failure in site.failures)):
        counts[key_of(run)] = counts.get(key_of(run), 0) + 1
    return counts


def _line(
    group: Sequence[ProblemRun],
    runs_of: Mapping[Key, int],
    names: Set[str],
    columns: Sequence[Column],
) -> GridRow:
    """`names`: the models that have a page."""
    run = group[0].run
    name = run.candidate.name
    head = Head(
        name,
        method_name(run),
        method=run.candidate.method,
        href=model_href(name) if name in names else "",
    )
    affected = _count(group)
    share = Item(f"{affected:,} of {runs_of[key_of(run)]:,} {group[0].what}", sort=affected)
    seconds = sum(problem.seconds for problem in group)
    spent = (Item(duration(seconds), sort=seconds) if seconds else Item(),) if len(columns) == 4 else ()
    return GridRow(head, (share, Item(_reasons(group)), *spent, _runs_item(group)))


def _reasons(group: Sequence[ProblemRun]) -> str:
    """The first reason, and how many others there are."""
    reasons = list(dict.fromkeys(problem.reason for problem in group))
    first = shortened(reasons[0], LONGEST_REASON)
    return first if len(reasons) == 1 else f"{first} (and {count_of(len(reasons) - 1, 'other reason')})"


def _runs_item(group: Sequence[ProblemRun]) -> Item:
    """The runs by task and seed, and by training samples where these differ; links where they have pages."""
    several = len({problem.run.budget for problem in group}) > 1
    places: dict[tuple[str, str], None] = {}
    for problem in group:
        run = problem.run
        budget = f", {run.budget:,} samples" if several and run.budget is not None else ""
        places[f"{run.task_label} {run.seed}{budget}", problem.href] = None
    shown = list(places)[:MOST_LINKED]
    more = f"and {len(places) - MOST_LINKED:,} more" if len(places) > MOST_LINKED else ""
    if all(href for _, href in shown):
        return Item(links=tuple(shown), detail=more)
    return Item(", ".join(text for text, _ in shown), more)
