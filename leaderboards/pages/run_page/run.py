"""A run's page: everything needed to judge it and to repeat it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.counts import count_of
from harness.records.generation import BosRecord, GuardRecord
from harness.records.preflight import PreflightFinding
from harness.records.result import Result
from harness.records.scores import MetricCard, MetricValue, SampleCounts
from harness.sweep.run import Candidate
from harness.sweep.thoughts import THOUGHT_MARKS
from leaderboards.links import model_href, samples_href, task_href
from leaderboards.money.prices import Prices
from leaderboards.money.spend import training_usd
from leaderboards.pages.parts.cost_items import energy_text
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, Pairs, without_empty
from leaderboards.pages.parts.heads import run_head
from leaderboards.pages.parts.samples import Excerpt, load_excerpt
from leaderboards.pages.parts.use import UseBox, run_box
from leaderboards.pages.run_page.choice import ChoiceView, choice_view
from leaderboards.pages.run_page.training import TrainingView, training_views
from leaderboards.rank.flags import flag_of
from leaderboards.text import MISSING, duration, in_units, method_name, points, quantity, size_of_memory, usd


@dataclass(frozen=True)
class Phase:
    """Seconds of one phase of a run."""

    name: str
    text: str
    share: float
    """Of the longest phase, in percent."""


@dataclass(frozen=True)
class RunPage:
    """One run: everything needed to judge and to repeat it."""

    label: str
    model: str
    place: str
    """What it is called below its model."""

    model_href: str
    task: str
    task_href: str
    samples_href: str
    scores: Grid
    details: Grid | None
    templates: Grid | None
    facts: Pairs
    settings: Pairs
    provenance: Pairs
    packages: Pairs
    phases: tuple[Phase, ...]
    trainings: tuple[TrainingView, ...]
    choice: ChoiceView | None
    members: Grid | None
    """What an ensemble is made of; None for all else."""

    untrusted: str
    """Why its scores are not to be believed; empty where they may be."""

    collapsed: str
    """Why they say nothing of the task; empty where they do."""

    diverged: tuple[str, ...]
    """Why a training behind them is not to be trusted."""

    noticed: Pairs
    """Of its model, before anything was trained: each kind of fact with a sentence, what needs explaining
    first."""

    cut: str
    """That many answers were cut, and what to do; empty where few were."""

    lost: Pairs
    """Metrics that could not be computed, and why."""

    guards: Grid | None
    use: UseBox
    command: str
    excerpt: Excerpt
    several_draws: bool


@dataclass(frozen=True)
class Surroundings:
    """What a run's page needs to know of the board."""

    folder: Path
    """The results."""

    prices: Prices
    models: frozenset[str]
    """Those that have a page."""

    tasks: frozenset[str]


def run_page(result: Result, members: Sequence[Result], around: Surroundings) -> RunPage:
    """Provenance, measurements and a few predictions of one run. `members`: what it is made of, if it is an
    ensemble."""
    run, provenance = result.run, result.provenance
    longest = max(result.cost.seconds.values(), default=0.0) or 1.0
    samples = [] if run.budget is None else [f"{run.budget:,} samples"]
    place = " · ".join([method_name(run), run.task_label, *samples, f"seed {run.seed}"])
    return RunPage(
        label=f"{run.candidate.name} · {place}",
        model=run.candidate.name,
        place=place,
        model_href=model_href(run.candidate.name) if run.candidate.name in around.models else "",
        task=run.task,
        task_href=task_href(run.task) if run.task in around.tasks else "",
        samples_href=samples_href(run.task),
        scores=_metric_grid(result),
        details=_detail_grid(result),
        templates=_template_grid(result),
        facts=_run_facts(result, around.prices),
        settings=_settings(result),
        provenance=(
            ("GainBoard", provenance.gainboard),
            ("Commit", provenance.git_commit or MISSING),
            ("Engine", f"{provenance.engine}, {provenance.dtype}"),
            ("Device", provenance.device),
            ("Python", provenance.python),
            ("Platform", provenance.platform),
            ("Finished", provenance.finished_at),
            ("Run key", result.key),
            ("Task fingerprint", run.task_fingerprint),
            ("Model fingerprint", run.candidate.fingerprint),
            ("Model revision", run.candidate.revision or MISSING),
        ),
        packages=tuple(sorted(provenance.packages.items())),
        phases=tuple(
            Phase(name.replace("_", " "), duration(seconds), round(100 * seconds / longest, 2))
            for name, seconds in result.cost.seconds.items()
        ),
        trainings=training_views(result),
        choice=choice_view(result, around.prices),
        members=_member_grid(result, members),
        untrusted=result.untrusted or "",
        collapsed=result.collapsed,
        diverged=tuple(training.diverged for training in result.trainings if training.diverged),
        noticed=_noticed(result.preflight, result.generation.bos),
        cut=result.often_cut,
        lost=tuple(sorted(result.lost.items())),
        guards=_guard_grid(result.generation.guards),
        use=run_box(result),
        command=provenance.command,
        excerpt=load_excerpt(around.folder, result),
        several_draws=run.generation.n > 1,
    )


def _metric_grid(result: Result) -> Grid:
    primary = result.task.primary_metric
    ordered = sorted(result.metrics.items(), key=lambda pair: (pair[0] != primary, pair[0]))
    lines = tuple(
        GridRow(
            Head(name, "primary" if name == primary else ""),
            (
                _metric_item(result.task.metrics[name], metric),
                Item(f"{metric.n:,}"),
                _level_item(result.task.metrics[name], result.task.metrics[name].chance),
                _level_item(result.task.metrics[name], result.task.metrics[name].majority),
                Item(result.task.metrics[name].description),
            ),
        )
        for name, metric in ordered
    )
    help_text = "With a 95 % interval over samples only: one run says nothing about seed noise."
    columns = (
        Column("Score", help_text),
        Column("n"),
        Column("Chance", "The score of guessing uniformly among the choices.", narrow=False),
        Column("Majority", "The score of always giving the most frequent training answer.", narrow=False),
        Column("Description", narrow=False, text=True),
    )
    return without_empty(Grid("Metrics of this run", Column("Metric"), columns, lines))


def _metric_item(card: MetricCard, metric: MetricValue) -> Item:
    """A value with its interval."""
    direction = "" if card.higher_is_better else ", lower is better"
    low, high = (in_units(card, bound) for bound in (metric.low, metric.high))
    return Item(in_units(card, metric.value), f"{low}–{high}{direction}", metric.value)


def _level_item(card: MetricCard, level: float | None) -> Item:
    return Item() if level is None else Item(in_units(card, level), sort=level)


def _detail_grid(result: Result) -> Grid | None:
    """The named parts of the metrics: precision, recall and F1 by class, say."""
    lines: list[GridRow] = []
    for name, metric in result.metrics.items():
        for part, value in metric.details.items():
            lines.append(GridRow(Head(part, name), (Item(points(value), sort=value),)))
    if not lines:
        return None
    return Grid("Parts of the metrics", Column("Part"), (Column("Score"),), tuple(lines))


def _template_grid(result: Result) -> Grid | None:
    """The primary metric by wording; None where one was scored."""
    primary = result.task.primary_metric
    scored = {
        template: metrics[primary] for template, metrics in result.by_template.items() if primary in metrics
    }
    if len(scored) < 2:
        return None
    card = result.task.metrics[primary]
    lines = tuple(
        GridRow(Head(template), (_metric_item(card, scored[template]),))
        for template in result.run.templates
        if template in scored
    )
    return Grid(f"{result.task.primary_metric} by template", Column("Template"), (Column("Score"),), lines)


def _score_fact(result: Result) -> str:
    """Its primary metric with the interval over samples; why there is none, where no sample was scored."""
    name = result.task.primary_metric
    metric = result.metrics.get(name)
    if metric is None:
        return "no sample was scored"
    card = result.task.metrics[name]
    item = _metric_item(card, metric)
    return f"{item.text} ({item.detail}), {name}"


def _run_facts(result: Result, prices: Prices) -> Pairs:
    """What it took to answer the samples, and to train for it."""
    cost, generation = result.cost, result.generation
    facts = [
        ("Score", _score_fact(result)),
        *_answer_facts(result),
        (
            "Weights in the engine",
            {"swap": "swapped in place", "adapters": "as an adapter"}.get(generation.way, generation.way),
        ),
        (
            "Peak memory",
            ", ".join(f"{size_of_memory(size)} ({phase})" for phase, size in cost.peak_memory_bytes.items()),
        ),
        ("Energy", MISSING if cost.energy_joules is None else energy_text(cost.energy_joules)),
    ]
    if result.overlap.exact + result.overlap.near:
        overlap = result.overlap
        facts.append(
            (
                "In the training rows",
                f"{overlap.exact:,} of {overlap.samples:,} test samples, and {overlap.near:,} nearly",
            )
        )
    if result.trainings:
        price = training_usd(result.trainings, prices)
        seconds = sum(training.all_seconds for training in result.trainings)
        several = f", {count_of(len(result.trainings), 'training')}" if len(result.trainings) > 1 else ""
        facts.append(
            ("Total training", f"{duration(seconds)}{f', {usd(price.mid)}' if price else ''}{several}")
        )
    return tuple(facts)


def _answer_facts(result: Result) -> list[tuple[str, str]]:
    """How many samples were answered, with how many tokens,
    and in which of the ways that are not the usual one."""
    counts, cost, generation = result.samples, result.cost, result.generation
    failed = f", {counts.failed:,} failed" if counts.failed else ""
    thoughts = f", {cost.thought_tokens:,} of them in thoughts" if cost.thought_tokens else ""
    facts = [
        ("Samples", f"{counts.scored:,} of {counts.total:,} scored{failed}"),
        ("Requests/s", quantity(cost.requests_per_second)),
        ("Prompt / output tokens", f"{cost.prompt_tokens:,} / {cost.completion_tokens:,}{thoughts}"),
        (
            "Prompt tokens from the prefix cache",
            _share(generation.cached_prompt_tokens, generation.prompt_tokens),
        ),
    ]
    if generation.uncached_requests_per_second:
        facts.append(("Requests/s without prefix cache", quantity(generation.uncached_requests_per_second)))
    if generation.reused_requests:
        facts.append(("Answers reused", f"{generation.reused_requests:,}"))
    if generation.requests_by_transformers:
        share = _share(generation.requests_by_transformers, generation.requests)
        facts.append(("Choices scored by transformers, with the same weights", share))
    if counts.truncated:
        facts.append(("Prompts cut to fit the context", f"{counts.truncated:,}"))
    if counts.cut:
        facts.append(("Answers cut at max_tokens", _cut_text(counts)))
    return facts


def _cut_text(counts: SampleCounts) -> str:
    thinking = f", {counts.cut_in_thought:,} while still thinking" if counts.cut_in_thought else ""
    return f"{counts.cut:,} of {counts.total:,}{thinking}"


def _member_grid(result: Result, members: Sequence[Result]) -> Grid | None:
    """The runs an ensemble is made of; those that are there no more are counted."""
    run = result.run
    if not run.members:
        return None
    lines = [
        GridRow(
            run_head(member)._replace(flag=flag_of([member])),
            (
                Item(str(member.run.seed)),
                _score_of(member),
                Item(
                    duration(sum(training.all_seconds for training in member.trainings))
                    if member.trainings
                    else MISSING
                ),
            ),
        )
        for member in members
    ]
    gone = len(run.members) - len(lines)
    if gone:
        lines.append(
            GridRow(Head(f"{count_of(gone, 'member')} no longer among the results"), (Item(), Item(), Item()))
        )
    columns = (Column("Seed"), Column("Score", "On its own, scored like this run."), Column("Training"))
    return Grid("What this ensemble is made of", Column("Member"), columns, tuple(lines))


def _score_of(result: Result) -> Item:
    primary = result.task.primary_metric
    value = result.metrics.get(primary)
    return Item() if value is None else _metric_item(result.task.metrics[primary], value)


def _share(part: int, total: int) -> str:
    return f"{100 * part / total:.0f} %" if total else MISSING


def _noticed(findings: Sequence[PreflightFinding], bos: BosRecord | None) -> Pairs:
    ordered = sorted(findings, key=lambda finding: finding.severity == "note")
    of_preflight = tuple((finding.fact.replace("_", " "), finding.sentence) for finding in ordered)
    return (("BOS token", bos.doubt), *of_preflight) if bos and bos.doubt else of_preflight


_GUARDS = {
    "matches_transformers": (
        "transformers, reading the same weights, finds the engine’s words as likely as the engine does"
    ),
    "differs_from_base": "the tuned model does not answer exactly as its base",
    "matches_training": (
        "dev samples are as likely as they were at the end of the training, and are the same tokens"
    ),
    "base_repeats": "after the last swap of weights the base answers exactly as at the start",
}


def _guard_grid(guards: Sequence[GuardRecord]) -> Grid | None:
    """What the engine was checked for; None where nothing was, as when every answer was known already."""
    if not guards:
        return None
    lines = tuple(
        GridRow(
            Head(guard.name.replace("_", " ")),
            (
                Item("passed" if guard.passed else "failed", tone="" if guard.passed else "bad"),
                Item(f"{guard.value:.2g}", sort=guard.value),
                Item(_guard_bound(guard)),
                Item(guard.reason or _GUARDS.get(guard.name, "")),
            ),
        )
        for guard in guards
    )
    help_text = "The largest difference in a token’s natural-log probability, on a few prompts of the sweep."
    columns = (
        Column("Outcome", text=True),
        Column("Difference", help_text),
        Column("Allowed", narrow=False),
        Column("What it shows", narrow=False, text=True),
    )
    return Grid("Checks of the engine", Column("Check"), columns, lines)


def _guard_bound(guard: GuardRecord) -> str:
    return "above 0" if guard.name == "differs_from_base" else f"up to {guard.bound:g}"


def _settings(result: Result) -> Pairs:
    run = result.run
    settings: list[tuple[str, Any]] = [
        ("method", run.candidate.method),
        ("model", run.candidate.model),
        ("n_train", run.n_train),
        ("num_fewshot", run.num_fewshot),
        ("demonstrations", run.demonstrations),
        ("test_seed", run.test_seed),
        ("templates", ", ".join(run.templates)),
        ("limit", run.limit),
        *_prompting(run.candidate),
        *run.generation.model_dump().items(),
    ]
    return tuple((name, MISSING if value is None else str(value)) for name, value in settings)


def _prompting(candidate: Candidate) -> list[tuple[str, Any]]:
    """How the model is prompted, as far as a sweep file says so; of a template's arguments each."""
    arguments = [
        (f"chat_template_kwargs.{name}", json.dumps(value, ensure_ascii=False))
        for name, value in candidate.chat_template_kwargs.items()
    ]
    settings: list[tuple[str, Any]] = [*arguments]
    if candidate.thought_marks != THOUGHT_MARKS:
        settings.append(("thought_marks", json.dumps(candidate.thought_marks, ensure_ascii=False)))
    if candidate.max_thought_tokens is not None:
        settings.append(("max_thought_tokens", candidate.max_thought_tokens))
    return settings
