"""Check a task against its examples: `examples.jsonl` states prompts and scores that it must give.

A line of the file is `{"row": …, "sample": {"id": …, "target": …}, "prompt": …, "answers": [{"completion": …,
"scores": {metric: number}}, …]}`. Without a `row` the sample is looked up in test. With output
`perplexity` nothing is written, so there are no answers.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.authoring.finding import Finding, short
from harness.counts import agreeing, count_of
from harness.data.dataset import make_sample
from harness.errors import UserError, short_repr
from harness.jsonl import read_jsonl
from harness.metrics import answer_of, certain_logprobs, evaluate
from harness.plugin_code import PluginFault, plugin_code
from harness.score.judging import metrics_of
from harness.task import Metric, Reply, Sample, Task
from harness.task.prompts import render

EXAMPLES = "examples.jsonl"

_LINE_KEYS = {"row", "sample", "prompt", "answers"}


def check_examples(task: Task, test: Mapping[str, Sample] | None, path: Path) -> list[Finding]:
    """Compare the stated prompts and scores with those that the task gives.

    `test`: the test samples by id, or None when the data could not be loaded.
    """
    place = str(path)
    if not path.is_file():
        text = "no such file; a few scored completions would show that extract and metrics do as meant"
        # With perplexity no completion is scored.
        return [] if task.output == "perplexity" else [Finding("warning", place, text)]
    try:
        lines = read_jsonl(path)
    except (UserError, UnicodeDecodeError) as error:
        return [Finding("error", place, str(error).removeprefix(place).lstrip(",: "))]
    findings = []
    scores: list[dict[str, float]] = []
    for number, line in enumerate(lines):
        if test is None and "row" not in line:
            continue  # the sample is in data that could not be loaded, which is a finding already
        try:
            scores += _hold_example(task, line, number, test or {})
        except UserError as error:
            findings.append(Finding("error", f"{place}, example {number + 1}", str(error)))
    if findings:
        return findings
    if scores and all(outcome == scores[0] for outcome in scores):
        return [Finding("warning", place, "every completion scores the same; add a right or a wrong one")]
    they = "it" if len(scores) == 1 else "they"
    sentence = f"{count_of(len(scores), 'completion')} {agreeing('score', len(scores))} as {they} should"
    return [Finding("ok", place, sentence)]


def certain_reply(task: Task, sample: Sample, completion: str) -> Reply:
    """What metrics would see if a model were certain of a completion, or for `perplexity` of the target.

    Raises `UserError` when the task's `extract` fails on it.
    """
    measured = task.output == "perplexity"
    return Reply(
        answer=answer_of(task, completion),
        targets=sample.targets,
        choices=sample.choices,
        choice_logprobs=certain_logprobs(sample.choices, completion),
        logprob=0.0 if measured else None,
        target_tokens=1 if measured else None,
        greedy=True if measured else None,
        metadata=sample.metadata,
    )


def score_of(metric: Metric, reply: Reply) -> float:
    """A reply's score; for a corpus metric, its value over this reply alone.

    Raises `UserError` for any error of the metric, and for a result that is no number in its range.
    """
    named = f"metric '{metric.name}'"
    try:
        with plugin_code("", f"{named}, which must take any answer,"):
            returned = metric.score(reply) if metric.score is not None else evaluate(metric, [reply])
    except PluginFault:
        raise
    except UserError as error:
        raise UserError(f"{named}: {error}") from error
    return _number_in_range(metric, returned, named)


def _number_in_range(metric: Metric, returned: object, named: str) -> float:
    try:
        score = float(returned)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        score = math.nan
    if isinstance(returned, str) or not math.isfinite(score) or not metric.low <= score <= metric.high:
        allowed = metric.range_text.partition(",")[0]
        raise UserError(f"{named} returned {short_repr(returned)}; it must be a number from {allowed}")
    if metric.binary and score not in (0.0, 1.0):
        raise UserError(
            f"{named} is binary and returned {short_repr(returned)}; give 0 or 1, or leave binary=True out"
        )
    return score


def _hold_example(
    task: Task, line: Mapping[str, Any], number: int, test: Mapping[str, Sample]
) -> list[dict[str, float]]:
    """The scores that an example states for each completion. Raises `UserError` if it is malformed, or if the
    task gives others."""
    metrics = {metric.name: metric for metric in metrics_of(task)}
    sample = _sample(task, line, number, test)
    prompt = render(task.prompts, sample, template=next(iter(task.prompts.templates))).question
    if prompt != line.get("prompt"):
        raise UserError(f"the prompt is rendered as {json.dumps(prompt)}; the example states otherwise")
    answers = _answers(task, line, metrics)
    for answer in answers:
        completion = answer["completion"]
        try:
            reply = certain_reply(task, sample, completion)
            scores = {name: score_of(metrics[name], reply) for name in answer["scores"]}
        except UserError as error:
            raise UserError(f"{error} on {short(completion)}") from error
        for name, stated in answer["scores"].items():
            if abs(scores[name] - stated) > 1e-6:
                raise UserError(
                    f"completion {short(completion)} scores {scores[name]:.6g} on {name}; "
                    f"the example states {stated:.6g}"
                )
    return [answer["scores"] for answer in answers]


def _sample(task: Task, line: Mapping[str, Any], number: int, test: Mapping[str, Sample]) -> Sample:
    """The sample of one example: made from its `row`, or looked up in test."""
    unknown = sorted(set(line) - _LINE_KEYS)
    if unknown:
        raise UserError(f"unknown key '{unknown[0]}'; allowed are {', '.join(sorted(_LINE_KEYS))}")
    stated = line.get("sample")
    if not isinstance(stated, dict) or set(stated) != {"id", "target"}:
        raise UserError('\'sample\' must be an object {"id": …, "target": …}')
    if "row" in line:
        sample = make_sample(task, line["row"], number)
    elif stated["id"] in test:
        sample = test[stated["id"]]
    else:
        raise UserError(f"sample '{stated['id']}' is not in test")
    target = sample.target if isinstance(sample.target, str) else list(sample.target)
    if (stated["id"], stated["target"]) != (sample.id, target):
        raise UserError(
            f"the sample has id '{sample.id}' and target {short(target)}; the example states otherwise"
        )
    return sample


def _answers(task: Task, line: Mapping[str, Any], metrics: Mapping[str, Metric]) -> list[dict[str, Any]]:
    if task.output == "perplexity":
        if "answers" in line:
            raise UserError("a perplexity task writes nothing; leave 'answers' out")
        return []
    answers = line.get("answers")
    # A corpus metric over a single answer may say little, so its score is optional.
    needed = task.primary_metric if metrics[task.primary_metric].score is not None else None
    if (
        not isinstance(answers, list)
        or not answers
        or not all(_is_answer(answer, needed, metrics) for answer in answers)
    ):
        required_scores = f"at least the primary metric '{needed}'" if needed else "at least one metric"
        raise UserError(
            '\'answers\' must be a list of {"completion": text, "scores": {metric: number}} with '
            f"{required_scores} and no others than {', '.join(metrics)}"
        )
    return answers


def _is_answer(answer: object, needed: str | None, metrics: Mapping[str, Metric]) -> bool:
    if (
        not isinstance(answer, dict)
        or set(answer) != {"completion", "scores"}
        or not isinstance(answer["completion"], str)
    ):
        return False
    scores = answer["scores"]
    if not isinstance(scores, dict) or not scores or not all(_is_number(score) for score in scores.values()):
        return False
    return scores.keys() <= metrics.keys() and (needed is None or needed in scores)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
