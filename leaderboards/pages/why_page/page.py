"""Why a task is answered as it is: what `gainboard analyse` found out about its best arm."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.counts import count_of
from harness.records.analysis.errors import ChangeRecord
from harness.records.analysis.record import AnalysisFinding, AnalysisRecord
from leaderboards.gathered import Site
from leaderboards.links import samples_href, task_href, why_href
from leaderboards.pages.parts.grid import Grid, Pairs
from leaderboards.pages.parts.kinds import Page
from leaderboards.pages.samples_page.answers import sample_hrefs
from leaderboards.pages.samples_page.arms import Arms
from leaderboards.pages.why_page.attention import AttentionSection, attention_section
from leaderboards.pages.why_page.boundary import BoundarySection, boundary_section
from leaderboards.pages.why_page.confidence import CalibrationSection, calibration_section
from leaderboards.pages.why_page.links import SampleLinks
from leaderboards.pages.why_page.sections import (
    ConfusionView,
    KindsSection,
    LabelsSection,
    Section,
    confusion_views,
    estimate_of,
    kinds_section,
    labels_section,
    own_grid,
    slices_section,
    title_of,
    wordings_section,
)
from leaderboards.rank.analyses import RowAnalysis
from leaderboards.text import POINTS, Unit, listed, with_interval


@dataclass(frozen=True)
class LinkedFinding:
    """Something to change next, and where it is shown why."""

    sentence: str
    href: str
    """From the root of the site."""


@dataclass(frozen=True)
class SampleList:
    """Samples of one sort to look at."""

    title: str
    count: int
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class OwnView:
    """An analysis of the task's own."""

    name: str
    description: str
    grid: Grid | None
    error: str


@dataclass(frozen=True)
class WhyPage:
    """What was found out about one arm on a task."""

    task: str
    task_href: str
    samples_href: str
    lede: str
    arms: Pairs
    advice: tuple[LinkedFinding, ...]
    slices: Section | None
    wordings: Section | None
    kinds: KindsSection | None
    confusion: tuple[ConfusionView, ...]
    labels: LabelsSection | None
    calibration: CalibrationSection | None
    boundary: BoundarySection | None
    attention: AttentionSection | None
    samples: tuple[SampleList, ...]
    more: tuple[OwnView, ...]


def why_pages(site: Site, arms: Arms) -> Iterator[Page]:
    """The page of a task whose best arm was analysed; none of another."""
    analysis = site.analyses.get(arms.task)
    if analysis is not None:
        yield Page(why_href(arms.task), _page(analysis, SampleLinks(sample_hrefs(arms))))


def advice_of(record: AnalysisRecord) -> tuple[LinkedFinding, ...]:
    """What to change next, each with a link to what shows it."""
    return tuple(_advice(record.task, finding) for finding in record.findings)


def questions_of(record: AnalysisRecord) -> tuple[tuple[str, str], ...]:
    """What the page answers, each with the part that does."""
    parts = (
        ("Which labels are mixed up?", "confusion", bool(record.confusion)),
        ("Is a label wrong?", "labels", labels_section(record, SampleLinks({}), POINTS) is not None),
        ("What is its confidence worth?", "calibration", bool(record.calibration)),
        ("Does the wording matter?", "wordings", bool(record.wordings)),
        ("How near is another answer?", "boundary", record.boundary is not None),
        ("Does it read the instruction?", "attention", record.attention is not None),
        ("Which samples to look at?", "changes", True),
    )
    return tuple((text, f"{why_href(record.task)}#{anchor}") for text, anchor, is_there in parts if is_there)


def _advice(task: str, finding: AnalysisFinding) -> LinkedFinding:
    return LinkedFinding(finding.sentence, f"{why_href(task)}#{finding.evidence}")


def _page(analysis: RowAnalysis, links: SampleLinks) -> WhyPage:
    record, unit = analysis.record, Unit.of(analysis.row.cells[analysis.record.task].card)
    return WhyPage(
        record.task,
        task_href(record.task),
        samples_href(record.task),
        _lede(record, analysis.row.label),
        tuple(
            (title_of(arm.name), f"{with_interval(estimate_of(arm.score), unit=unit)}, {_seeds(arm.seeds)}")
            for arm in record.arms
        ),
        advice_of(record),
        slices_section(record, links, unit),
        wordings_section(record, unit),
        kinds_section(record.kinds, links),
        confusion_views(record, links),
        labels_section(record, links, unit),
        calibration_section(record),
        boundary_section(record, links),
        attention_section(record, links),
        tuple(_sample_lists(record, links)),
        tuple(OwnView(table.name, table.description, own_grid(table), table.error) for table in record.more),
    )


def _lede(record: AnalysisRecord, label: str) -> str:
    judged = record.arm(record.judged)
    lede = f"Of {label}, from what it answered to {count_of(record.samples, 'test sample')}"
    if len(judged.templates) > 1:
        lede += f" in {len(judged.templates)} wordings"
    if record.reference is None:
        return f"{lede}."
    better = ", the better of its model’s untuned arms" if len(record.arms) > 2 else ""
    return f"{lede}. Gains are over {title_of(record.reference).lower()}{better}."


def _seeds(seeds: Sequence[int]) -> str:
    names = listed([str(seed) for seed in seeds])
    return f"seed {names}" if len(seeds) == 1 else f"seeds {names}"


def _sample_lists(record: AnalysisRecord, links: SampleLinks) -> Iterator[SampleList]:
    to_see = record.to_see
    for change in reversed(to_see.changes):
        yield _changed("Fixed", "wrong", "right", change, links)
        yield _changed("Broken", "right", "wrong", change, links)
    yield SampleList("Wrong in every arm and seed", to_see.n_hardest, links.of(to_see.hardest))


def _changed(word: str, before: str, after: str, change: ChangeRecord, links: SampleLinks) -> SampleList:
    count, samples = (change.n_fixed, change.fixed) if word == "Fixed" else (change.n_broken, change.broken)
    title = f"{word}: {before} by {title_of(change.before)}, {after} by {title_of(change.after)}"
    return SampleList(title, count, links.of(samples))
