"""A board that ranks by an error: lower is better everywhere, in the unit of the metric."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from numpy.random import default_rng
from synthetic import make_run, task_card, write_result

from harness.analysis.analyse import analyse_arm
from harness.analysis.arms import compare
from harness.analysis.choose import arms_among, chosen_arms
from harness.records.result import Result
from harness.records.scores import MetricCard, TaskCard
from harness.records.store import read_results
from harness.statistics import Estimate
from harness.task.metric import Scale
from leaderboards.site import publish
from leaderboards.text import Unit, interval, with_interval

ARMS = {
    ("small", "zero_shot"): 0.6,
    ("small", "few_shot"): 0.7,
    ("small", "lora"): 0.85,
    ("large", "zero_shot"): 0.75,
}
"""Mean closeness of an answer; an error is ten times what it lacks of 1."""


def card(name: str, *, high: float, higher_is_better: bool) -> TaskCard:
    metric = MetricCard(
        description="how near", low=0.0, high=high, higher_is_better=higher_is_better, corpus=False
    )
    return task_card(
        "essays", primary_metric=name, binary=False, chance=0.0, output="generate", metrics={name: metric}
    )


def board(folder: Path, name: str, *, high: float, higher_is_better: bool) -> Path:
    """The site of results whose scores are the same, or the errors that they mean."""
    task = card(name, high=high, higher_is_better=higher_is_better)
    for arm, mean in ARMS.items():
        for seed in range(3):
            closeness = (
                default_rng([seed, len(arm[1]), len(arm[0])]).beta(20 * mean, 20 * (1 - mean), 60).round(3)
            )
            scores: Sequence[float] = closeness if higher_is_better else (high * (1 - closeness)).round(3)
            channels = [json.dumps({"channel": ("mail", "chat")[place % 2]}) for place in range(60)]
            columns = {"metadata": channels}
            write_result(folder / "results", make_run(*arm, task, seed), task, list(scores), columns=columns)  # type: ignore[arg-type]
    publish(folder / "results", folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        name: board(tmp_path_factory.mktemp(name), name, high=high, higher_is_better=higher)
        for name, high, higher in (("closeness", 1.0, True), ("mae", 10.0, False))
    }


def without_names(figures: object) -> object:
    text = json.dumps(figures, sort_keys=True)
    # Scores were rounded to different digits; texts name the metric.
    return json.loads(re.sub(r"-?\d+\.\d+(e-?\d+)?", lambda match: f"{float(match[0]):.2g}", text))


def page(site: Path, name: str = "index.html") -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", (site / name).read_text(encoding="utf-8")))


def test_ranks_gains_costs_and_verdict_are_those_of_the_closeness_that_an_error_lacks(
    sites: dict[str, Path],
) -> None:
    rows = {}
    for name, site in sites.items():
        figures = json.loads((site / "data" / "leaderboard.json").read_text())
        rows[name] = figures["rows"]
    for close, erring in zip(rows["closeness"], rows["mae"], strict=True):
        for key, value in close.items():
            if isinstance(value, float):
                assert erring[key] == pytest.approx(value, rel=0.02, abs=0.002), key
            elif key not in ("key", "folder"):
                assert erring[key] == value, key


def test_the_first_page_tells_errors_in_their_own_unit(sites: dict[str, Path]) -> None:
    text = page(sites["mae"])
    assert "mae on essays, 0 to 10, lower is better; a point is 0.10 mae" in text
    headline = re.search(
        r"Fine-tune small with LoRA r16\. Score (\d\.\d\d) \((\d\.\d\d)–(\d\.\d\d)\): \+(\d\.\d\d)", text
    )
    assert headline, text[:3000]
    value, low, high, gain = map(float, headline.groups())
    assert low < value < high < 3 and 0.5 < gain < 2, (
        "an error of about 1.5, a gain of about 1 over the best prompt"
    )


@pytest.mark.parametrize(
    "name", ["index.html", "cost.html", "compare.html", "tasks/essays.html", "models/small.html"]
)
def test_no_page_has_errors_in_points(sites: dict[str, Path], name: str) -> None:
    text = page(sites["mae"], name)
    assert "lower is better" in text or name.startswith(("models", "cost", "compare"))
    assert not re.search(r"\b\d\d\.\d \(\d\d\.\d–\d\d\.\d\)", text), "a score such as 85.0 (83.1–86.9)"
    assert re.search(r"\b\d\.\d\d\b", text)


def test_two_rows_are_compared_in_the_unit_of_the_error(sites: dict[str, Path]) -> None:
    text = page(sites["mae"], "compare.html")
    finding = re.search(r"beats few-shot on 1 of 1 task, \+(\d\.\d\d) mae overall \(\+(\d\.\d\d) to", text)
    assert finding and 0.5 < float(finding[1]) < 2
    row = re.search(r"essays (\d\.\d\d) \S+ (\d\.\d\d) \S+ \+(\d\.\d\d) ", text.partition("p of flips")[2])
    assert row, text
    first, second, difference = map(float, row.groups())
    assert difference == pytest.approx(second - first, abs=0.011)


def test_the_history_of_an_error_is_told_in_its_unit(tmp_path: Path) -> None:
    site = board(tmp_path, "mae", high=10.0, higher_is_better=False)
    first = page(site, "history.html")
    assert re.search(r"small · LoRA r16, 1\.\d\d \(1\.\d\d to 1\.\d\d\)", first), first
    task = card("mae", high=10.0, higher_is_better=False)
    for seed in range(3):
        run = make_run("large", "zero_shot", task, seed)
        write_result(tmp_path / "results", run, task, [0.5 + 0.01 * place for place in range(60)])
    publish(tmp_path / "results", site)
    moved = page(site, "history.html")
    assert re.search(
        r"score beyond noise 0\.\d\d \(0\.\d\d to 0\.\d\d\) was 2\.\d\d \(2\.\d\d to 2\.\d\d\)", moved
    ), moved


def test_why_an_arm_errs_is_told_in_the_unit_of_its_error(tmp_path: Path) -> None:
    site = board(tmp_path, "mae", high=10.0, higher_is_better=False)
    results = tmp_path / "results"
    for arm in chosen_arms(arms_among(read_results(results)), ["small/lora"], results):
        analyse_arm(results, arm)
    publish(results, site)
    text = page(site, "why/essays.html")
    arms = re.findall(r"(?:Zero-shot|Few-shot|LoRA) (\d\.\d\d) \((\d\.\d\d)–(\d\.\d\d)\), seeds", text)
    assert len(arms) == 3 and all(low < value < high for value, low, high in arms)
    slices = text.partition("Slices of the test samples")[2].partition("Kinds of error")[0]
    assert re.search(r"\+\d\.\d\d to \+\d\.\d\d", slices)
    assert not re.search(r"\b\d\d\.\d\b", slices), slices


def test_the_task_page_says_what_always_giving_one_answer_would_be(sites: dict[str, Path]) -> None:
    assert "Ranked by mae: how near; lower is better." in page(sites["mae"], "tasks/essays.html")


def test_an_analysis_compares_errors_as_the_closeness_that_they_lack(sites: dict[str, Path]) -> None:
    """The fine-tune is held against the better prompt, which is the one with the smaller error."""
    methods, gains = [], []
    for site in sites.values():
        folder = site.parent / "results"
        arms = {arm[0].run.candidate.method: arm for arm in _small(folder)}
        comparison = compare(folder, [arms["zero_shot"], arms["few_shot"], arms["lora"]])
        assert comparison.reference is not None
        methods.append(comparison.reference.name)
        gains.append(float((comparison.judged.means - comparison.reference.means).mean()))
    assert methods == ["few_shot", "few_shot"]
    assert gains[0] > 0.05 and gains[1] == pytest.approx(gains[0], abs=0.002)


def _small(folder: Path) -> list[tuple[Result, ...]]:
    results = [result for result in read_results(folder) if result.run.candidate.name == "small"]
    methods = {result.run.candidate.method for result in results}
    return [
        tuple(result for result in results if result.run.candidate.method == method) for method in methods
    ]


# Units


@pytest.mark.parametrize(
    ("low", "high", "higher", "value", "share"),
    [
        (0.0, 10.0, False, 2.0, 0.8),
        (0.0, 100.0, True, 25.0, 0.25),
        (-1.0, 1.0, True, -0.5, -0.5),
        (0.0, 1.0, True, 0.3, 0.3),
    ],
)
def test_a_scale_goes_from_the_worst_value_to_the_best(
    low: float, high: float, higher: bool, value: float, share: float
) -> None:
    scale = Scale.of(low, high, higher_is_better=higher)
    assert scale.share(value) == pytest.approx(share)
    assert scale.value(share) == pytest.approx(value)


@pytest.mark.parametrize("ends", [(0.0, None), (0.0, float("inf")), (1.0, 1.0), (-1e308, 1e308)])
def test_a_range_without_two_ends_has_no_scale(ends: tuple[float, float | None]) -> None:
    assert Scale.of(*ends, higher_is_better=False).is_share


def test_an_estimate_is_written_with_the_smaller_number_first_and_a_gain_with_its_sign() -> None:
    unit = Unit(Scale(10.0, 0.0), "mae")
    score = Estimate(value=0.85, low=0.8, high=0.9, stderr=0.02, n=10, seeds=1)
    gain = Estimate(value=0.1, low=-0.02, high=0.22, stderr=0.02, n=10, seeds=1)
    assert with_interval(score, unit=unit) == "1.50 (1.00–2.00)"
    assert with_interval(gain, sign=True, unit=unit) == "+1.00 (−0.20 to +2.20)"
    assert interval(score) == "80.0–90.0"
    assert unit.amount(0.05) == "0.50 mae"
