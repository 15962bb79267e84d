"""Analyses on disk: made once, made again when predictions change, and what a task adds."""

import json
import random
from pathlib import Path
from typing import Any

import pandas
import pytest
from synthetic import make_run, rewrite, task_card, write_result

from harness.analysis.analyse import Analysed, analyse_arm
from harness.analysis.choose import AnalysableArm, arms_among, chosen_arms
from harness.analysis.source import TaskSource
from harness.errors import UserError
from harness.records.analysis.record import ANALYSED_SAMPLES, ANALYSIS, AnalysisRecord
from harness.records.predictions import PREDICTIONS
from harness.records.store import read_record, read_results
from harness.task import AnalysedSample, Analysis, AnalysisTable

LABELS = ("billing", "sales", "repairs", "delivery")
N = 120


def write_arms(results: Path, *, model: str = "small", seeds: int = 2) -> None:
    """A task with four labels, whose few-shot arm is better than the bare model, and its fine-tune best."""
    card = task_card("tickets", output="generate", chance=0.25)
    luck = random.Random(model)
    targets = [LABELS[place % 4] for place in range(N)]
    for method, rate in (("zero_shot", 0.4), ("few_shot", 0.6), ("lora", 0.9)):
        for seed in range(seeds):
            answers = [target if luck.random() < rate else luck.choice(LABELS) for target in targets]
            scores = [float(answer == target) for answer, target in zip(answers, targets, strict=True)]
            write_result(
                results,
                make_run(model, method, card, seed),  # type: ignore[arg-type]
                card,
                scores,
                targets=targets,
                answers=answers,
                columns={"prompt": [f"Ticket {place}: {'late ' * (place % 30)}" for place in range(N)]},
            )


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_arms(tmp_path / "results")
    return tmp_path / "results"


def tuned_arm(results: Path) -> AnalysableArm:
    (arm,) = chosen_arms(arms_among(read_results(results)), ["small/lora"], results)
    return arm


def analysed(results: Path, **source: Any) -> Analysed:
    return analyse_arm(results, tuned_arm(results), lambda _: TaskSource(**source))


def test_an_analysis_lies_beside_the_seeds_of_its_arm(results: Path) -> None:
    record = analysed(results).record
    folder = results / "small" / "lora" / "tickets-v1" / "n-500"
    assert read_record(folder / ANALYSIS, AnalysisRecord) == record
    assert [arm.name for arm in record.arms] == ["zero_shot", "few_shot", "lora"]
    assert (record.judged, record.reference, record.samples) == ("lora", "few_shot", N)
    assert record.arm("lora").score.value == pytest.approx(0.9, abs=0.06)
    samples = pandas.read_parquet(folder / ANALYSED_SAMPLES)
    assert len(samples) == N and {"score_lora", "answer_zero_shot", "suggested_label"} <= {*samples.columns}
    assert samples["score_lora"].mean() == pytest.approx(record.arm("lora").score.value)


def test_a_finished_analysis_is_not_made_again_until_predictions_change(results: Path) -> None:
    first = analysed(results)
    again = analysed(results)
    assert first.made_now and not again.made_now and again.record == first.record
    path = next(results.glob(f"small/zero_shot/**/{PREDICTIONS}"))
    table = pandas.read_parquet(path)
    table["answer"] = "sales"
    rewrite(path, table)
    changed = analysed(results)
    assert changed.made_now and changed.record.kinds != first.record.kinds


def test_a_damaged_analysis_is_made_again(results: Path) -> None:
    first = analysed(results)
    path = results / first.arm.folder / ANALYSIS
    path.write_text('{"schema_version": 1, ', encoding="utf-8")
    assert analysed(results).record == first.record == read_record(path, AnalysisRecord)


def test_an_analysis_that_knew_the_fields_is_kept_where_the_task_is_not_at_hand(results: Path) -> None:
    fields = {f"sample-{place}": {"topic": "ab"[place % 2]} for place in range(N)}
    first = analysed(results, fields=fields)
    assert "field topic" in {one.feature for one in first.record.slices}
    assert not analysed(results).made_now
    other = {name: {"topic": text["topic"] + "!"} for name, text in fields.items()}
    assert analysed(results, fields=other).made_now


def test_without_untuned_arms_an_arm_is_analysed_alone(results: Path) -> None:
    (bare,) = chosen_arms(arms_among(read_results(results)), ["small/zero_shot"], results)
    record = analyse_arm(results, bare).record
    assert (record.judged, record.reference, len(record.arms)) == ("zero_shot", None, 1)


def test_an_arm_is_compared_with_the_untuned_ones_of_its_own_model(results: Path) -> None:
    write_arms(results, model="large")
    arm = tuned_arm(results)
    assert {result.run.candidate.name for of_arm in arm.arms for result in of_arm} == {"small"}


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("tickets", 3),
        ("small", 3),
        ("small/lora", 1),
        ("small/*/tickets-v1*", 3),
        ("small/lora/tickets-v1/n-500/seed-1", 1),
        ("small/lora/tickets-v1/n-500/", 1),
    ],
)
def test_an_arm_is_meant_by_task_candidate_method_folder_or_glob(
    results: Path, name: str, count: int
) -> None:
    arms = arms_among(read_results(results))
    assert len(chosen_arms(arms, [name], results)) == count
    assert len(chosen_arms(arms, [name, name], results)) == count
    if "/" in name:
        assert len(chosen_arms(arms, [f"{results}/{name}"], results)) == count


def test_a_name_that_means_nothing_is_answered_with_those_that_do(results: Path) -> None:
    with pytest.raises(UserError, match=r"'tickts' is no task.*Did you mean 'tickets'\?.*small, tickets"):
        chosen_arms(arms_among(read_results(results)), ["tickts"], results)


def test_unreadable_predictions_are_named(results: Path) -> None:
    next(results.glob(f"small/lora/**/{PREDICTIONS}")).write_bytes(b"nothing")
    with pytest.raises(
        UserError, match=r"small · lora · tickets · 500 samples · seed 0: its predictions cannot be read"
    ):
        analysed(results)


def test_older_predictions_without_some_columns_are_analysed(results: Path) -> None:
    for path in results.glob(f"**/{PREDICTIONS}"):
        rewrite(path, pandas.read_parquet(path).drop(columns=["cluster", "parsed"]))
    assert analysed(results).record.samples == N


def by_first_letter(samples: Any, judged: str) -> AnalysisTable:
    wrong: dict[str, int] = {}
    for sample in samples:
        for answer in sample.answers[judged]:
            letter = answer.reply.targets[0][0]
            wrong[letter] = wrong.get(letter, 0) + (answer.score == 0)
    return AnalysisTable(("letter", "wrong"), tuple(sorted(wrong.items())), ("Look at the letters.",))


OWN = Analysis("letters", "Wrong answers by first letter.", by_first_letter)


def test_a_task_adds_an_analysis_as_it_adds_a_metric(results: Path) -> None:
    record = analysed(results, analyses=(OWN,)).record
    (table,) = record.more
    assert (table.name, table.columns) == ("letters", ("letter", "wrong"))
    assert [row[0] for row in table.rows] == ["b", "d", "r", "s"]
    kinds = record.kinds[-1]
    assert sum(int(row[1] or 0) for row in table.rows) == kinds.wrong
    assert record.findings[-1].sentence == "Look at the letters."
    assert not analysed(results, analyses=(OWN,)).made_now


def failing(samples: list[AnalysedSample], judged: str) -> AnalysisTable:
    raise KeyError("nothing")


def of_the_wrong_type(samples: list[AnalysedSample], judged: str) -> Any:
    return [("a", 1)]


@pytest.mark.parametrize(
    ("analysis", "says"),
    [
        (Analysis("own", "", failing), "it raised KeyError: 'nothing'"),
        (Analysis("own", "", of_the_wrong_type), "it returned list, expected an AnalysisTable"),
        (
            Analysis("own", "", by_first_letter, needs=("predictions", "attentions")),
            "it needs attentions, which nothing saves yet",
        ),
    ],
)
def test_an_analysis_of_a_task_that_fails_says_why_and_stops_nothing(
    results: Path, analysis: Analysis, says: str
) -> None:
    record = analysed(results, analyses=(analysis,)).record
    assert record.more[0].error.startswith(says) and record.slices


def test_what_is_on_disk_is_plain_json(results: Path) -> None:
    arm = analysed(results).arm
    record = json.loads((results / arm.folder / ANALYSIS).read_text(encoding="utf-8"))
    assert {"slices", "kinds", "confusion", "to_see", "findings"} <= set(record)
