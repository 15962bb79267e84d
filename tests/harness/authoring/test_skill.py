"""What metrics give without any skill is part of a check."""

import pytest
from toy_task import adding, plugins_of

from harness.authoring.check import check_task
from harness.authoring.skill import LEVELS_LEDE
from harness.metrics import NumberRange
from harness.task import Metric, Row, Sample, Splits

ROWS = [{"text": f"essay {index}", "number": f"{(7 * index) % 20 / 2:.1f}"} for index in range(200)]
SCORES = NumberRange(0.0, 9.5, tolerance=0.5)


def messages(level: str, **changes: object) -> list[str]:
    settings = {
        "data": lambda: Splits(ROWS[:80], ROWS[80:100], ROWS[100:]),
        "to_sample": lambda row, index: Sample(str(index), {"text": row["text"]}, row["number"]),
        "metrics": SCORES.metrics,
        "primary_metric": "mae",
    }
    findings = check_task("adding", plugins_of(adding(**settings | changes)))
    return [finding.message for finding in findings if finding.level == level]


def test_each_metric_tells_what_targets_others_targets_a_constant_and_nothing_score() -> None:
    (sentence,) = [text for text in messages("note") if LEVELS_LEDE in text]
    levels = {
        part.split()[0]: part.split()[1:] for part in sentence.removeprefix(f"{LEVELS_LEDE}: ").split("; ")
    }
    assert list(levels) == [metric.name for metric in SCORES.metrics]
    targets, others, constant, empty = (float(number.strip(",")) for number in levels["mae"])
    assert (targets, float(levels["pearson"][0].strip(","))) == (0, 1)
    assert 2 < constant < 4, "the median of a flat range from 0 to 9.5 misses by a quarter of it"
    assert constant < others < empty


def test_levels_on_a_part_of_many_test_samples_say_on_how_many() -> None:
    (few,) = [text for text in messages("note") if LEVELS_LEDE in text]
    many = messages("note", data=lambda: Splits(ROWS[:80], ROWS[80:100], ROWS[100:] * 3))
    assert "drawn" not in few
    assert [text for text in many if text.startswith(f"{LEVELS_LEDE} (100 test samples drawn): ")]


def different(row: Row, index: int) -> Sample:
    """A sample whose target no other has, so that no answer is the most frequent."""
    return Sample(str(index), {"text": row["text"]}, f"{row['text']} is unlike any other")


def test_no_sample_gets_its_own_target_as_that_of_another() -> None:
    (sentence,) = [
        text
        for text in messages(
            "note", to_sample=different, metrics=("exact_match",), primary_metric="exact_match"
        )
        if LEVELS_LEDE in text
    ]
    assert sentence.endswith("exact_match 1, 0, –, 0")


def test_a_metric_that_takes_any_answer_is_warned_of() -> None:
    lenient = Metric(
        "lenient", "anything will do", lambda reply: float(bool(reply.answer.strip())), binary=True
    )
    (fault,) = [
        text
        for text in messages("warning", to_sample=different, metrics=(lenient,), primary_metric="lenient")
        if "other samples" in text
    ]
    assert fault.startswith(
        "the targets of other samples score 1 on lenient: it hardly tells right answers from wrong"
    )


@pytest.mark.parametrize(
    ("numbers", "warned"), [(["5.0"] * 197 + ["4.0", "6.0", "9.5"], True), (None, False)]
)
def test_a_constant_answer_that_scores_high_is_warned_of(numbers: list[str] | None, warned: bool) -> None:
    rows = (
        ROWS
        if numbers is None
        else [{**row, "number": number} for row, number in zip(ROWS, numbers, strict=True)]
    )
    warnings = messages("warning", data=lambda: Splits(rows[:80], rows[80:100], rows[100:]))
    assert any(text.startswith("always giving one answer scores") for text in warnings) is warned
