"""What `data/leaderboard.json` holds, field by field: its JSON schema is made from these."""

import json
from functools import cache
from typing import Any

from pydantic import ConfigDict

from harness.records.scores import TaskCard
from harness.sweep.methods import Method
from harness.toml import Frozen
from leaderboards.elsewhere.scores import Imported
from leaderboards.money.payback import NoFigure
from leaderboards.rank.forgetting import GuardVerdict


class _Documented(Frozen):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class BillFigures(_Documented):
    """All that was spent, each training once."""

    all_in_usd: float | None
    """null where a device has no price."""

    all_in_device_hours: float
    all_in_train_tokens: int
    trainings: int
    trials: int
    """Settings that searches tried."""

    failures: int
    """Starts of runs that came to nothing."""


class CellFigures(_Documented):
    """A candidate on one task. Ends of intervals are at 95 %; null stands for what was not measured, or
    cannot be told."""

    candidate: str
    method: Method
    model: str
    """A hub id, a folder or a toy."""

    parameters: int | None
    """Of the base."""

    task: str | None
    """null in a row, which is on the whole board."""

    complete: bool
    """Whether it has every task and every seed."""

    score: float | None
    score_stderr: float | None
    score_low: float | None
    score_high: float | None
    gain_few_shot: float | None
    """Paired difference from the few-shot arm of the same model."""

    gain_few_shot_stderr: float | None
    gain_few_shot_low: float | None
    gain_few_shot_high: float | None
    gain_zero_shot: float | None
    gain_zero_shot_stderr: float | None
    gain_zero_shot_low: float | None
    gain_zero_shot_high: float | None
    gain_same_samples: float | None
    """Of stages and meta-learning: paired difference from the same samples tuned from the plain base."""

    gain_same_samples_stderr: float | None
    gain_same_samples_low: float | None
    gain_same_samples_high: float | None
    seeds: int
    """The fewest of any task."""

    n: int
    """Samples scored in every seed and template."""

    n_total: int
    """Samples asked for."""

    n_train: int | None
    """Labelled samples of its own task that each run was trained on; null where there are none, or not as
    many on all."""

    members: int
    """Arms that an ensemble is made of."""

    collapsed: int
    """Runs whose answers are nearly all the same, at chance."""

    diverged: int
    """Runs whose loss rose for good."""

    begun: int
    """Untuned runs whose prompts begin with the BOS token, or without, other than the base needs it."""

    cut: int
    """Runs with more than a few answers cut at max_tokens."""


class RowFigures(CellFigures, BillFigures):
    """A candidate on the whole board."""

    rank_best: int | None
    """null for a row that is not complete."""

    rank_worst: int | None
    tier: int | None
    """1 for the leader and all that are not clearly worse, and so on."""

    win_rate: float | None
    """Share of the comparisons with all other rows, task by task, that it wins; a tie is half a win."""

    mean_rank: float | None
    """Over the tasks."""

    headroom_closed: float | None
    """Share of the way from the zero-shot arm of its model to a perfect score."""

    gain_few_shot_p: float | None
    """P-value of the gain, corrected for all gains over untrained arms on the board (Holm)."""

    gain_zero_shot_p: float | None
    guard: GuardVerdict | None
    """Whether its weights lost less than the margin of the board on tasks they were not trained on; null
    without any."""

    guard_change: float | None
    """Paired change on them from the same model before its tuning, a mean over the guard tasks."""

    guard_change_stderr: float | None
    guard_change_low: float | None
    guard_change_high: float | None
    train_usd: float | None
    """One fine-tune, a mean over tasks and seeds."""

    train_device_hours: float
    data_usd: float
    """All labelled samples, those of dev and of prompts among them, if they are bought."""

    serve_usd_per_1k: float | None
    """A thousand requests on a device that is always busy."""

    break_even_few_shot: float | None
    """Requests from which it is cheaper in total than few-shot prompting of
    the same model, in the scenario."""

    break_even_few_shot_why: NoFigure | None
    """Why there is no such number."""

    break_even_few_shot_low: float | None
    """Low end of its 95 % interval; null where there is none, or it is never."""

    break_even_few_shot_high: float | None
    break_even_zero_shot: float | None
    break_even_zero_shot_why: NoFigure | None
    break_even_few_shot_uncached: float | None
    """Requests from which it is cheaper than few-shot prompting with the prefix cache off; null also where
    the speed without it was not measured."""

    break_even_few_shot_uncached_why: NoFigure | None
    break_even_hosted: float | None
    """Requests from which it is cheaper than the first hosted model of the prices, asked with as many
    tokens."""

    break_even_hosted_why: NoFigure | None
    usd_per_right_answer: float | None
    """On a device that is always busy; null for scores that are not right or wrong."""

    mfu: float | None
    """Share of the devices' peak that its trainings reached; null where a peak is not known."""

    usd_per_point: float | None
    """Training dollars for each point over the next cheaper row on the frontier."""

    usd_per_point_why: NoFigure | None
    frontier: bool
    """Whether no complete row scores as much for less training."""

    p_frontier: float | None
    """In which share of the draws of all scores that is so."""

    total_usd: float | None
    """Labels, training and all requests of the scenario."""

    net_benefit_usd: float | None
    """Over the reference of the scenario; null for itself."""

    net_benefit_usd_low: float | None
    net_benefit_usd_high: float | None
    p_worth_it: float | None
    """In which share of the draws the net benefit of a fine-tune is above zero."""

    p_best: float | None
    """In which share it is worth most of all within the budget; null for what the budget excludes."""

    expected_loss_usd: float | None
    """What the best one of each draw is worth more, on average."""


class ScenarioFigures(_Documented):
    """What total costs, net benefits and P(worth it) hold for: that with which the cost page opens."""

    usd_per_hour: dict[str, float | None]
    """By device; null where no price is known."""

    label: float
    """Dollars for a labelled sample."""

    api_input: float | None
    """Dollars for a million tokens that a hosted model reads."""

    api_output: float | None
    api_cached: float | None
    """Dollars for a million tokens that it has read before."""

    volume: float
    """Requests."""

    right_answer_usd: float
    """Dollars that one more right answer is worth."""

    budget_usd: float
    utilisation: float
    """Percent of the time that a device is busy."""

    hours: float
    """Hours that the served model must be reachable."""

    retrains: float
    relabel: float
    """Share of the labels that is bought anew at each retraining."""

    owned: bool
    """Whether labels cost nothing."""

    cache: bool
    """Whether few-shot arms are served with their prefix cache."""

    reference: tuple[str, Method] | None
    """Candidate and method that net benefits are over: of the rows without tuning the one worth most."""

    chosen: tuple[str, Method] | None
    """Candidate and method worth most after their costs, of all within the budget; null where none is."""

    excluded: tuple[str, Method] | None
    """What would be chosen without a budget; null where that is chosen."""

    chosen_labels: int | None
    """Training samples of its task, where these are fewer than the row is ranked with."""

    excluded_labels: int | None
    perfect_information_usd: float | None
    """What it would be worth to know all scores exactly; null where nothing is within the budget."""


class Figures(_Documented):
    """Everything the tables of a board show."""

    title: str
    prices_as_of: str
    score: str
    """What a row's score is."""

    seeds: tuple[int, ...]
    tasks: tuple[TaskCard, ...]
    total: BillFigures
    scenario: ScenarioFigures
    rows: tuple[RowFigures, ...]
    """Complete rows by score, best first; then the others."""

    cells: tuple[CellFigures, ...]
    elsewhere: tuple[Imported, ...]
    """Scores that another program gave: neither ranked nor paired."""


@cache
def schema_json() -> str:
    """The JSON schema of `leaderboard.json`, as a file: the same for every board."""
    unordered = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Figures.model_json_schema(mode="serialization"),
    }
    ordered = json.loads(json.dumps(unordered, sort_keys=True), object_hook=_described_in_one_line)
    return json.dumps(ordered, indent=1) + "\n"


def _described_in_one_line(node: dict[str, Any]) -> dict[str, Any]:
    """Part of a schema whose description, a docstring, has lost the line breaks of the source."""
    # A field may be called `description`: then a schema stands there, and no text.
    if isinstance(node.get("description"), str):
        node["description"] = " ".join(node["description"].split())
    return node
