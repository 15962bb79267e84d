"""What `static/cost.js` works with when a reader edits the scenario."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.visible import visible
from leaderboards.chart.cost import ScoreScale, short_label
from leaderboards.decide.cases import Case, Choices, Rival
from leaderboards.decide.scenario import BUDGETS, Field, Scenario, need_fields, price_fields
from leaderboards.decide.swings import INPUTS
from leaderboards.pages.cost_page.sentences import INPUT_TITLES
from leaderboards.rank.draws import STEP
from leaderboards.text import Unit


def script_data(
    choices: Choices, scenario: Scenario, presets: Sequence[Mapping[str, float | None]]
) -> dict[str, Any]:
    """What the script works with. It may not depend on what the reader edits, but for the values to start
    with."""
    scale = ScoreScale.of([case.score for case in choices.cases], choices.unit)
    fields = [*need_fields(scenario), *price_fields(scenario, choices.devices)]
    return {
        "fields": [_field_data(field) for field in fields],
        "owned": scenario.owned,
        "cache": scenario.cache,
        "presets": list(presets),
        "budgets": list(BUDGETS),
        "inputs": [[name, INPUT_TITLES[name]] for name in INPUTS],
        "step": STEP,
        "right_per_score": choices.right_per_score,
        "unit": {
            "whole": choices.unit.whole,
            "decimals": choices.unit.decimals,
            "noun": visible(choices.unit.noun),
        },
        "count": len(choices.steps),
        # Little-endian whatever machine publishes.
        "draws": base64.b64encode(choices.steps.astype("<i2").tobytes()).decode("ascii"),
        "cases": [_case_data(case, scale, choices.unit) for case in choices.cases],
    }


def _field_data(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "value": field.value,
        "low": field.low,
        "high": field.high,
        "usual": list(field.usual),
        "whole": field.whole,
    }


def _case_data(case: Case, scale: ScoreScale, unit: Unit) -> dict[str, Any]:
    spent = case.entry.spend
    short, wide = short_label(case)
    return {
        "label": visible(case.label),
        "short": visible(short),
        "wide": wide,
        "tuned": case.tuned,
        "forgets": case.forgets,
        "seeds_known": case.seeds_known,
        "gain_unproven": case.gain_unproven,
        "few_shot": case.method == "few_shot",
        "method": case.method,
        "score": case.score,
        "points": unit.write(case.score),
        "y": scale.at(case.score),
        "training": case.training,
        "labels": case.labels,
        "devices": case.devices,
        "serving": case.serving,
        "uncached": case.uncached,
        "few": _rival_data(case.few_shot),
        "few_uncached": _rival_data(case.few_shot_uncached),
        "examples": None if case.examples is None else asdict(case.examples),
        "prompt": spent.prompt_tokens,
        "completion": spent.completion_tokens,
        "accuracy": case.entry.accuracy,
    }


def _rival_data(rival: Rival | None) -> dict[str, Any] | None:
    return None if rival is None else asdict(rival)
