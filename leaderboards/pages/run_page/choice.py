"""How a run's settings were chosen: all that a search tried, what became of it, and what it took."""

from dataclasses import dataclass

from harness.counts import count_of
from harness.records.result import Result
from harness.records.scores import MetricCard
from harness.records.training import Selection, TrialRecord
from harness.sweep.settings import TRIAL_SEED, Search, SearchSettings
from leaderboards.money.prices import Prices
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, Pairs, Tone
from leaderboards.text import MISSING, duration, in_units, listed, quantity, setting_text, shortened, usd

MOST_TRIALS = 100
"""Rows of the table; the result file has all."""


@dataclass(frozen=True)
class ChoiceView:
    """The search for a run's settings."""

    summary: str
    facts: Pairs
    grid: Grid
    left_out: str
    """What the table does not show; empty when it is whole."""


def choice_view(result: Result, prices: Prices) -> ChoiceView | None:
    """What a run says of its search; None where there was nothing to choose."""
    selection = result.selection
    if selection is None or not selection.trials:
        return None
    card = result.task.metrics.get(selection.metric)
    # Those that came furthest first, and of these the best.
    order = sorted(range(len(selection.trials)), key=lambda place: _standing(selection, place))
    hidden = len(order) - MOST_TRIALS
    return ChoiceView(
        summary=_summary(selection),
        facts=_facts(result, selection, card, prices),
        grid=_grid(selection, order[:MOST_TRIALS], card),
        left_out=f"{count_of(hidden, 'more trial')}, none of them better, in the result file."
        if hidden > 0
        else "",
    )


def _standing(selection: Selection, place: int) -> tuple[bool, float, float, int]:
    """Orders trials: the chosen one, then by how far they were trained, then by what they scored there."""
    trial = selection.trials[place]
    score = trial.scores[-1] if trial.scores else None
    if score is None:
        return place != selection.chosen, 1.0, 0.0, place
    return (
        place != selection.chosen,
        -trial.shares[-1],
        -score if selection.higher_is_better else score,
        place,
    )


def _summary(selection: Selection) -> str:
    shares = _shares(selection)
    tried = count_of(len(selection.trials), "setting")
    when = (
        f"after {listed([_share_text(share) for share in shares])} of the training"
        if shares
        else "before they failed"
    )
    halving = ""
    if len(shares) > 1:
        reached = [sum(share in trial.shares for trial in selection.trials) for share in shares]
        halving = f" {listed([str(count) for count in reached])} of them got that far."
    judged = f"{count_of(selection.judged, 'sample')} of " if selection.judged else ""
    were = "was" if len(selection.trials) == 1 else "were"
    return (
        f"{tried} {were} tried and judged by {selection.metric} on {judged}dev, {when}.{halving} "
        "Test was scored once, with the chosen one, for every seed."
    )


def _facts(result: Result, selection: Selection, card: MetricCard | None, prices: Prices) -> Pairs:
    facts = []
    chosen = _chosen(selection)
    if chosen is not None:
        facts.append(
            (
                "Chosen",
                "; ".join(f"{name} = {setting_text(value)}" for name, value in chosen.settings.items()),
            )
        )
        if chosen.scores and chosen.scores[-1] is not None:
            facts.append((f"Its {selection.metric} on dev", in_units(card, chosen.scores[-1])))
    spent = selection.spent
    hour = prices.hour(result.trainings[-1].device) if result.trainings else None
    money = f", {usd(hour.times(spent.seconds / 3600).mid)}" if hour else ""
    facts.append(
        (
            "The search took",
            f"{duration(spent.seconds)} of device time, {quantity(spent.tokens)} tokens{money}",
        )
    )
    search = result.run.search
    if search is not None:
        budget = search.settings.budget
        limits = [f"{value:,} {name.replace('_', ' ')}" for name, value in budget or () if value is not None]
        shared = f", shared by {search.methods} methods" if search.methods > 1 else ""
        facts += [
            ("Sampler", search.settings.sampler),
            ("Tuning budget", f"{limits[0]}{shared}" if limits else f"none: {_unlimited(search.settings)}"),
            ("Trials trained with", _seed_of(search)),
        ]
    if selection.stopped:
        facts.append(("Ended early", selection.stopped))
    return tuple(facts)


def _seed_of(search: Search) -> str:
    """Whose luck chose the settings: results from before `TRIAL_SEED` have a scored seed here."""
    return (
        "a seed that is never scored"
        if search.seed == TRIAL_SEED
        else f"seed {search.seed}, which is scored, too"
    )


def _unlimited(settings: SearchSettings) -> str:
    """What is tried where no budget says less."""
    return "all of the grid" if settings.sampler == "grid" else count_of(settings.trials, "trial")


def _grid(selection: Selection, order: list[int], card: MetricCard | None) -> Grid:
    names = _differing(selection)
    shares = _shares(selection)
    columns = (
        Column("Outcome", text=True),
        *(
            Column(name, text=not all(_is_number(trial.settings.get(name)) for trial in selection.trials))
            for name in names
        ),
        *(
            Column(
                f"After {_share_text(share)}", f"{selection.metric} on dev after this much of the training."
            )
            for share in shares
        ),
        Column("Tokens", "Trained on, in all.", narrow=False),
        Column("Time", "Of the device: training, and answering on dev.", narrow=False),
    )
    lines = []
    for place in order:
        trial, chosen = selection.trials[place], place == selection.chosen
        scores = dict(zip(trial.shares, trial.scores, strict=False))
        items = (
            _outcome(trial, shares, chosen=chosen),
            *(_setting_item(trial, name) for name in names),
            *(_score_item(scores.get(share), card) for share in shares),
            Item(quantity(trial.spent.tokens), sort=trial.spent.tokens),
            Item(duration(trial.spent.seconds), sort=trial.spent.seconds),
        )
        lines.append(GridRow(Head(f"{place + 1}", lead=chosen), items))
    return Grid(
        "Settings that were tried", Column("Trial", "In the order they were started."), columns, tuple(lines)
    )


def _differing(selection: Selection) -> list[str]:
    """The settings in which trials differ; all of them where there is only one trial."""
    values: dict[str, set[str]] = {}
    for trial in selection.trials:
        for name, value in trial.settings.items():
            values.setdefault(name, set()).add(repr(value))
    return [name for name, texts in values.items() if len(texts) > 1] or list(values)


def _shares(selection: Selection) -> list[float]:
    return sorted(set[float]().union(*(trial.shares for trial in selection.trials)))


def _share_text(share: float) -> str:
    parts = round(1 / share) if share > 0 else 0
    if share == 1:
        return "all"
    return f"1/{parts}" if parts and abs(1 / parts - share) < 1e-9 else f"{100 * share:.3g} %"


def _chosen(selection: Selection) -> TrialRecord | None:
    place = selection.chosen
    return selection.trials[place] if 0 <= place < len(selection.trials) else None


def _setting_item(trial: TrialRecord, name: str) -> Item:
    if name not in trial.settings:
        return Item()
    value = trial.settings[name]
    return Item(setting_text(value), sort=value if _is_number(value) else setting_text(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _score_item(score: float | None, card: MetricCard | None) -> Item:
    return Item() if score is None else Item(in_units(card, score), sort=score)


def _outcome(trial: TrialRecord, shares: list[float], *, chosen: bool) -> Item:
    tone: Tone = "muted"
    if chosen:
        return Item("chosen", tone="good")
    if trial.reason:
        return Item("failed", shortened(trial.reason, 300), tone="bad")
    if trial.shares and trial.shares[-1] < shares[-1]:
        return Item(f"dropped after {_share_text(trial.shares[-1])}", tone=tone)
    return Item("not the best" if trial.scores else MISSING, tone=tone)
