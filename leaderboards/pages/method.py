"""A method's page: whether it helps, across models, with which settings, and what went wrong."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.counts import count_of
from harness.records.result import Result
from harness.statistics import Estimate
from harness.sweep.methods import METHODS, Method
from harness.sweep.recipe import Training, layered, make_training
from leaderboards.chart.forest import Forest, gain_forest
from leaderboards.gathered import Site, scale_of
from leaderboards.money.ledger import Entry
from leaderboards.pages.parts.costs import derived_grid, measured_grid
from leaderboards.pages.parts.grid import (
    Column,
    Grid,
    GridRow,
    Head,
    Item,
    gain_item,
    headroom_item,
    remainder_line,
    score_item,
)
from leaderboards.pages.parts.heads import METHOD_TITLES, MOST_ROWS, candidate_head, rank_text, short_name
from leaderboards.pages.parts.heat import HeatMap, heat_map
from leaderboards.rank.flags import TROUBLE_WORDS, TroubleKind
from leaderboards.rank.tables import Row
from leaderboards.text import listed, setting_text, shortened

MOST_FAILURES = 20
"""Failures that are listed with their reasons."""

MOST_VALUES = 4
"""Values of a setting that are named, the most frequent first."""


@dataclass(frozen=True)
class MethodPage:
    """One method across all models."""

    title: str
    answer: str
    """Whether it helps, in a sentence or two."""

    forests: tuple[tuple[str, Forest], ...]
    """Gains over an untuned arm, a line a model."""

    rows: Grid
    gains: HeatMap | None
    settings: Grid | None
    """What differs from the defaults; None for a method that trains nothing, or where nothing does."""

    failures: Grid | None
    trouble: str
    """How many runs failed or went wrong, in a sentence; empty where none did."""

    measured: Grid
    derived: Grid
    bound: str
    """Which rows are shown, where not all are."""


def methods_of(site: Site) -> list[Method]:
    """The methods that have a page: all but the one that everything is held against."""
    present = {row.method for row in site.table.rows}
    return [method for method in METHODS if method in present and method != "zero_shot"]


def method_page(site: Site, method: Method) -> MethodPage:
    """All candidates of one method, best first."""
    entries = [entry for entry in site.ledger.entries if entry.row.method == method]
    best = entries[:MOST_ROWS]
    rows = [entry.row for entry in best]
    gains_over = {
        "few-shot": [(row, row.over_few) for row in rows if row.over_few is not None],
        "zero-shot": [(row, row.over_zero) for row in rows if row.over_zero is not None],
    }
    sentences, forests = [], []
    for name, gains in gains_over.items():
        if gains:
            sentences.append(_counted(name, [gain for _, gain in gains]))
            named_gains = [(method, short_name(row.name), gain) for row, gain in gains]
            forests.append((f"Δ {name}", gain_forest(named_gains, unit=site.table.unit)))
    return MethodPage(
        METHOD_TITLES[method],
        " ".join(sentences) or "There is no untuned arm to compare it with: whether it helps is unknown.",
        tuple(forests),
        _row_grid(site, best),
        heat_map(site, rows),
        _setting_grid(method, [entry.row for entry in entries]),
        _failure_grid(site, method),
        _trouble(site, method),
        measured_grid(site, best),
        derived_grid(site, best),
        f"The first {MOST_ROWS} of {len(entries):,} models." if len(entries) > MOST_ROWS else "",
    )


def _counted(name: str, gains: Sequence[Estimate]) -> str:
    """`Over few-shot it gains on 3 of 4 models, and loses on 1; on the others it is within noise.`"""
    better, worse = sum(gain.low > 0 for gain in gains), sum(gain.high < 0 for gain in gains)
    open_ones = len(gains) - better - worse
    parts = [f"it gains on {better} of {count_of(len(gains), 'model')}"]
    if worse:
        parts.append(f"loses on {worse}")
    if open_ones:
        parts.append(f"is within noise on {open_ones}")
    return f"Over {name} {listed(parts)}."


def _row_grid(site: Site, entries: Sequence[Entry]) -> Grid:
    columns = (
        Column("Rank", "Among all candidates of the board.", low_first=True, about="rank"),
        Column("Score", f"With its 95 % interval. {scale_of(site.table)}.", about="score"),
        Column("Δ few-shot", "Paired gain over the few-shot arm of the same model, all tasks.", about="gain"),
        Column("Δ zero-shot", "The same over the untrained model.", about="gain"),
        Column(
            "Headroom closed",
            "Share of the way from the untrained model to a perfect score.",
            narrow=False,
            about="headroom",
        ),
        Column("Seeds", narrow=False, about="seeds"),
    )
    lines = []
    for entry in entries:
        row = entry.row
        items = (
            Item(rank_text(row.ranks), sort=row.ranks[0] if row.ranks else None),
            score_item(row.score, unit=site.table.unit),
            gain_item(
                row.over_few,
                p=row.significance.get("few_shot"),
                seeds_known=row.seed_noise_known,
                unit=site.table.unit,
            ),
            gain_item(
                row.over_zero,
                p=row.significance.get("zero_shot"),
                seeds_known=row.seed_noise_known,
                unit=site.table.unit,
            ),
            headroom_item(row.headroom_closed),
            Item(str(row.seeds), sort=row.seeds),
        )
        lines.append(GridRow(candidate_head(site, row, ranked=False), items, aside=row.score is None))
    return Grid("Models by score", Column("Model"), columns, tuple(lines))


def _setting_grid(method: Method, rows: Sequence[Row]) -> Grid | None:
    """Settings of the last stage that are not the built-in ones, with how many runs took which value."""
    values = defaultdict[str, Counter[str]](Counter)
    defaults: dict[str, str] = {}
    runs = [result.run for row in rows for result in row.results if not result.run.members]
    # Of thousands of runs few differ in their settings.
    runs_by_settings = Counter(
        (run.stages[-1].tuner, run.training.model_dump_json()) for run in runs if run.training is not None
    )
    for (tuner, settings), number in runs_by_settings.items():
        built_in = make_training(layered(tuner, method), tuner).model_dump(mode="json")
        run_settings = json.loads(settings)
        for name in Training.model_fields:
            # Records leave out a setting that they do not use.
            defaults[name] = setting_text(built_in.get(name))
            values[name][setting_text(run_settings.get(name))] += number
    changed = {name: counts for name, counts in sorted(values.items()) if set(counts) != {defaults[name]}}
    if not changed:
        return None
    lines = tuple(
        GridRow(Head(name), (Item(defaults[name]), Item(_spread(counts, runs_by_settings.total()))))
        for name, counts in changed.items()
    )
    columns = (
        Column("Built in", text=True),
        Column("Taken", "The values, with how many runs took each.", text=True),
    )
    return Grid("Settings that differ from the defaults", Column("Setting"), columns, lines)


def _spread(counts: Counter[str], runs: int) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    parts = [f"{value} in {number:,} of {runs:,}" for value, number in ordered[:MOST_VALUES]]
    hidden = len(ordered) - MOST_VALUES
    return ", ".join([*parts, f"{hidden} other values"] if hidden > 0 else parts)


def _failure_grid(site: Site, method: Method) -> Grid | None:
    failures = [failure for failure in site.failures if failure.run.candidate.method == method]
    if not failures:
        return None
    lines = [
        GridRow(
            Head(failure.run.candidate.name),
            (Item(failure.run.task_label), Item(str(failure.run.seed)), Item(shortened(failure.reason, 300))),
        )
        for failure in failures[:MOST_FAILURES]
    ]
    columns = (Column("Task", text=True), Column("Seed"), Column("Reason", text=True))
    hidden = len(failures) - MOST_FAILURES
    if hidden > 0:
        lines.append(remainder_line(hidden, columns))
    return Grid("Runs that failed", Column("Model"), columns, tuple(lines))


def _trouble(site: Site, method: Method) -> str:
    """Of all runs of the method on the board's tasks."""
    runs = [
        result
        for result in site.results
        if result.run.candidate.method == method and result.run.guard is None
    ]
    failed = sum(failure.run.candidate.method == method for failure in site.failures)
    counts = [
        (failed, "failed"),
        *((_with_trouble(site, runs, kind), words) for kind, words in TROUBLE_WORDS.items()),
        (sum(result.untrusted is not None for result in runs), "kept out as untrusted"),
    ]
    parts = [f"{number:,} {trouble}" for number, trouble in counts if number]
    return f"Of {count_of(len(runs) + failed, 'run')} {listed(parts)}." if parts else ""


def _with_trouble(site: Site, runs: Sequence[Result], kind: TroubleKind) -> int:
    return sum(any(trouble.kind == kind for trouble in site.troubles.get(run.key, ())) for run in runs)
