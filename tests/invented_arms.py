"""Invented answers of the arms of one model, to be analysed. TEST DATA: no model was run for them."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from synthetic import make_run, task_card, write_result

from harness.analysis.arms import ArmAnswers, ArmComparison, AskedSample
from harness.records.result import Result
from harness.records.scores import TaskCard
from harness.sweep.methods import Method


@cache
def finished_runs(method: Method, seeds: int, binary: bool, output: str) -> tuple[Result, ...]:
    """The records of an arm; what they scored is of no account."""
    card = task_card(binary=binary, output=output)
    with TemporaryDirectory() as folder:
        return tuple(
            write_result(Path(folder), make_run("small", method, card, seed), card, [1.0, 0.0])
            for seed in range(seeds)
        )


def asked(place: int, target: str = "yes", **changes: Any) -> AskedSample:
    """A sample with nothing special."""
    declared: dict[str, Any] = {
        "id": f"sample-{place}",
        "targets": (target,),
        "choices": (),
        "metadata": {},
        "cluster": "",
        "overlap": False,
        "fields": {},
    }
    return AskedSample(**(declared | changes))


def an_arm(
    method: Method,
    scores: ArrayLike,
    *,
    answers: Any = None,
    card: TaskCard | None = None,
    templates: Sequence[str] = (),
    **changes: Any,
) -> ArmAnswers:
    """An arm with these scores: samples, seeds × samples, or seeds × wordings × samples."""
    card = card or task_card()
    table = np.asarray(scores, dtype=np.float64)
    table = table.reshape((1,) * (3 - table.ndim) + table.shape) if table.ndim < 2 else table
    table = table[:, None] if table.ndim == 2 else table
    said = np.full(table.shape, "", object)
    if answers is not None:
        said[:] = np.asarray(answers, dtype=object).reshape(
            np.shape(answers) if np.ndim(answers) == 3 else (-1, 1, table.shape[2])
        )
    declared: dict[str, Any] = {
        "answers": said,
        "completions": said,
        "prompts": np.full(table.shape, "", object),
        "parsed": np.full(table.shape, None, object),
        "cut": np.zeros(table.shape, dtype=np.bool_),
        "logprobs": None,
    }
    runs = finished_runs(method, len(table), card.binary, card.output)
    names = tuple(templates) or tuple(f"wording-{place}" for place in range(table.shape[1]))
    return ArmAnswers(method, runs, names, table, **(declared | changes))


def a_comparison(
    arms: Sequence[ArmAnswers], samples: Sequence[AskedSample] | None = None, card: TaskCard | None = None
) -> ArmComparison:
    """Of these arms, the last of which is judged."""
    n = arms[-1].scores.shape[2]
    return ArmComparison(
        card or task_card(), tuple(samples or [asked(place) for place in range(n)]), tuple(arms)
    )


def with_fields(n: int, fields: Mapping[str, Sequence[str]], **changes: Any) -> list[AskedSample]:
    """So many samples with these fields."""
    return [
        asked(place, fields={name: texts[place] for name, texts in fields.items()}, **changes)
        for place in range(n)
    ]
