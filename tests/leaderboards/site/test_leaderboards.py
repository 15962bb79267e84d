"""The site says what the results say: the verdict, the numbers, what is missing; and no result can harm
it."""

import csv
import json
import math
import re
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas
import pytest
from places import TESTS
from site_reading import Text, figures, lines, problems, row
from synthetic import (
    Scores,
    draw_scores,
    make_run,
    rewrite,
    task_card,
    training_record,
    write_failure,
    write_result,
    write_sweep,
)

from harness.errors import UserError
from harness.plan.selection import with_settings
from harness.records.predictions import PREDICTIONS
from harness.records.result import RESULT
from harness.records.store import read_results
from harness.records.training import ResourceUse, TrainingRecord
from harness.sweep.methods import Method
from harness.sweep.settings import Generation
from harness.visible import visible
from leaderboards import publish, shipped_board
from leaderboards.board import load_board, shipped_boards
from leaderboards.money.frontier import staircase
from leaderboards.money.payback import Line, break_even
from leaderboards.money.prices import SHIPPED_PRICES, Price, Prices, load_prices
from leaderboards.money.spend import price_runs, training_usd, usd_of
from leaderboards.rank.pairs import paired
from leaderboards.rank.tabulate import tabulate
from leaderboards.text import (
    chart_label,
    duration,
    page_slug,
    points,
    quantity,
    shortened,
    slug,
    usd,
    volume,
)

MALFORMED = TESTS / "data" / "results"

CLEAR: dict[tuple[str, Method], float] = {
    ("small", "zero_shot"): 0.3,
    ("small", "few_shot"): 0.5,
    ("small", "lora"): 0.8,
    ("small", "full"): 0.7,
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "site"


def write_arms(
    results: Path, arms: dict[Method, Scores], *, candidate: str = "small", seeds: int = 3, **options: Any
) -> None:
    """The same scores in every seed, on one task."""
    for method, scores in arms.items():
        for seed in range(seeds):
            write_result(
                results, make_run(candidate, method, task_card(), seed), task_card(), scores, **options
            )


# The verdict


def test_the_verdict_names_the_candidate_its_gains_its_cost_and_where_it_pays(
    results: Path, out: Path
) -> None:
    write_sweep(results, CLEAR, n=200)
    verdict = publish(results, out).verdict
    assert verdict.startswith("Fine-tune small with LoRA r16. Score ")
    assert "over few-shot prompts of small, the best without tuning." in verdict
    assert "over its base model" in verdict
    assert "$1.00 to train; $0.14 per 1k requests on devices that are busy 30 % of the time." in verdict
    # $1.02 for training and $54.60 for labels beyond those of the prompts; at 30 % use.
    assert "Cheaper to run than few-shot prompts of small above about 601,000 requests." in verdict


def test_the_verdict_is_on_the_first_screen(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=200)
    page = Text(publish(results, out).index).text
    assert page.index("Fine-tune small with LoRA r16.") < page.index("Ranking Score:")


def test_no_clear_gain_over_the_best_untuned_arm_decides_nothing(results: Path, out: Path) -> None:
    """That the data do not show a gain does not show that there is none."""
    write_sweep(results, {("small", "few_shot"): 0.6, ("small", "lora"): 0.6}, n=60)
    verdict = publish(results, out).verdict
    assert verdict.startswith(
        "Undecided: the data do not show whether tuning beats few-shot prompts of small."
    )
    assert "Until then, use few-shot prompts of small." in verdict


def test_a_fine_tune_below_few_shot_of_a_larger_model_is_not_advised(results: Path, out: Path) -> None:
    write_sweep(results, {**CLEAR, ("large", "few_shot"): 0.97}, n=200)
    verdict = publish(results, out).verdict
    assert verdict.startswith("Don’t tune: no fine-tune adds 2 points to few-shot prompts of large.")
    assert "clearly worse" in verdict


def test_rows_that_cannot_be_told_from_the_leader_are_named(results: Path, out: Path) -> None:
    write_sweep(results, {**CLEAR, ("other", "lora"): 0.79}, n=100)
    assert "Fine-tune other with LoRA r16." in (verdict := publish(results, out).verdict)
    assert "Not ruled out as equally good: small · LoRA r16 (" in verdict and "small · full" not in verdict


def test_serving_that_is_no_cheaper_never_pays_on_cost_alone(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=200, requests_per_second=20.0)
    published = publish(results, out)
    said = "It never pays for itself by saving money: it is no cheaper to run than few-shot prompts of small."
    assert said in published.verdict
    assert row(published, "small", "lora")["break_even_few_shot_why"] == "never"


def test_one_seed_is_said_to_hide_seed_noise_and_two_to_make_a_weak_claim(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=100, seeds=(0,))
    of_one = publish(results, out).verdict
    assert of_one.startswith("Promising, not shown: train small · LoRA r16 with more seeds.")
    assert "To decide it: 2 more seeds ($2" in of_one
    assert "Only one seed: how far another would differ is unknown." in of_one
    write_sweep(results, CLEAR, n=100, seeds=(1,))
    assert "Only 2 seeds; use at least 3." in publish(results, out).verdict


def test_a_fine_tune_without_any_baseline_has_an_unknown_gain(results: Path, out: Path) -> None:
    write_sweep(results, {("small", "lora"): 0.8}, n=100)
    verdict = publish(results, out).verdict
    assert verdict.startswith(
        "No verdict yet: no arm without tuning is complete. Best so far: small · LoRA r16."
    )
    assert "its gain is unknown." in verdict


def test_a_fine_tune_without_few_shot_is_measured_against_zero_shot_and_says_so(
    results: Path, out: Path
) -> None:
    write_sweep(results, {("small", "zero_shot"): 0.3, ("small", "lora"): 0.8}, n=200)
    published = publish(results, out)
    assert "Few-shot was not run for this model." in published.verdict
    assert row(published, "small", "lora")["gain_few_shot"] is None


def test_untuned_arms_alone_give_no_advice(results: Path, out: Path) -> None:
    write_sweep(results, {("small", "zero_shot"): 0.3, ("small", "few_shot"): 0.5}, n=50)
    assert publish(results, out).verdict.startswith("No verdict yet: no fine-tune is complete.")


def test_a_gain_that_does_not_survive_the_number_of_fine_tunes_is_no_advice(results: Path, out: Path) -> None:
    """Of forty fine-tunes the best is clear of zero, as one of two that gains as much."""
    rates: dict[tuple[str, Method], float] = {
        ("small", "few_shot"): 0.5,
        ("tuned-0", "lora"): 0.54,
        ("tuned-1", "lora"): 0.5,
    }
    write_sweep(results, rates, n=100)
    assert publish(results, out).verdict.startswith("Fine-tune tuned-0")
    write_sweep(results, {(f"tuned-{number}", "lora"): 0.48 for number in range(2, 40)}, n=100)
    published = publish(results, out)
    assert published.verdict.startswith("Undecided: ")
    said = "clear of zero alone, but not after correction for 40 fine-tunes (p = 0."
    assert said in published.verdict
    # Money alone may speak for what scores do not.
    doubt = rf"By scores no tuning is advised\. The best .* over small · few-shot, {re.escape(said)}"
    assert re.search(doubt, Text(out / "cost.html").text)


# The numbers


def test_scores_and_gains_are_those_computed_by_hand(results: Path, out: Path) -> None:
    write_arms(results, {"zero_shot": [0, 0, 1, 0], "few_shot": [1, 0, 1, 0], "lora": [1, 1, 1, 0]})
    tuned = row(publish(results, out), "small", "lora")
    assert (tuned["score"], tuned["gain_zero_shot"], tuned["gain_few_shot"]) == (0.75, 0.5, 0.25)
    assert tuned["score_low"] < 0.75 < tuned["score_high"]
    assert (tuned["seeds"], tuned["n"], tuned["n_total"]) == (3, 4, 4)


def test_several_tasks_are_averaged_after_chance_is_taken_off(results: Path, out: Path) -> None:
    for card, scores in (
        (task_card("four", chance=0.25), [1, 1, 1, 0]),
        (task_card("free", chance=0.0), [1, 0, 0, 0]),
    ):
        for method in ("zero_shot", "lora"):
            for seed in range(3):
                given = scores if method == "lora" else [0, 0, 0, 0]
                write_result(results, make_run("small", method, card, seed), card, given)
    tuned = row(publish(results, out), "small", "lora")
    assert tuned["score"] == pytest.approx(((0.75 - 0.25) / 0.75 + 0.25) / 2)
    assert tuned["gain_zero_shot"] == pytest.approx((0.75 / 0.75 + 0.25) / 2)


def test_weights_of_the_board_weigh_the_tasks(results: Path, out: Path, tmp_path: Path) -> None:
    for name, scores in (("one", [1, 1, 1, 0]), ("two", [1, 0, 0, 0])):
        card = task_card(name, chance=0.0)
        write_result(results, make_run("small", "lora", card, 0), card, scores)
    board = tmp_path / "board.toml"
    board.write_text("[weights]\none = 3\n", encoding="utf-8")
    assert row(publish(results, out, board=board), "small", "lora")["score"] == pytest.approx(
        (3 * 0.75 + 0.25) / 4
    )


def test_only_samples_scored_in_every_seed_count_and_n_says_so(results: Path, out: Path) -> None:
    scores: list[list[float | None]] = [[1, 1, 0, None], [1, 0, 0, 1], [1, None, 0, 1]]
    for seed, given in enumerate(scores):
        write_result(results, make_run("small", "lora", task_card(), seed), task_card(), given)
    published = publish(results, out)
    tuned = row(published, "small", "lora")
    assert (tuned["score"], tuned["n"], tuned["n_total"]) == (0.5, 2, 4)
    assert "2/4" in Text(published.index).text
    assert "2 of 4 samples were scored in every seed and wording." in published.verdict


@pytest.mark.parametrize("alike", ["seeds", "wordings"])
def test_a_task_of_which_no_sample_was_scored_throughout_keeps_no_other_from_the_pages(
    results: Path, out: Path, alike: str
) -> None:
    write_sweep(results, CLEAR, n=40)
    card = task_card("patchy", templates=("plain", "short") if alike == "wordings" else ("plain",))
    every_other: list[float | None] = [1.0, None] * 20
    for seed in (0, 1, 2):
        scores = every_other if seed else every_other[::-1]
        if alike == "wordings":
            scores = [1.0] * 40 + [None] * 40
        write_result(results, make_run("small", "lora", card, seed), card, scores)
    page = Text(publish(results, out).index).text
    assert re.search(
        r"Not ranked: incomplete\. What is missing .* LoRA r16 · 1B – no sample scored in all runs", page
    )
    assert (
        "LoRA r16 · 1B patchy: no sample was scored in every seed and wording"
        in Text(out / "methodology.html").text
    )
    assert (out / "tasks" / "capitals.html").is_file() and (out / "tasks" / "patchy.html").is_file()


def test_gains_pair_the_seeds_and_samples_that_both_have(results: Path) -> None:
    for seed in range(3):
        write_result(results, make_run("small", "lora", task_card(), seed), task_card(), [1, 1, 0, 1])
    for seed in range(2):
        write_result(results, make_run("small", "few_shot", task_card(), seed), task_card(), [1, None, 0, 0])
    table = tabulate(read_results(results), results, load_board(None))
    first, second = (table.row("small", method) for method in ("lora", "few_shot"))
    assert first and second
    gain = paired(first.cells["capitals"], second.cells["capitals"])
    assert gain and (gain.value, gain.n, gain.seeds) == (pytest.approx(1 / 3), 3, 2)


def test_a_row_that_misses_a_cell_is_shown_and_not_ranked(results: Path, out: Path) -> None:
    tasks = (task_card("one"), task_card("two"))
    write_sweep(results, CLEAR, tasks=tasks, n=40)
    shutil.rmtree(results / "small" / "lora" / "two-v1" / "n-500" / "seed-1")
    published = publish(results, out)
    missing = row(published, "small", "lora")
    assert (missing["complete"], missing["score"], missing["rank_best"], missing["gain_few_shot"]) == (
        False,
        None,
        None,
        None,
    )
    assert "Not ranked: incomplete" in (page := Text(published.index).text) and "5/6 runs" in page


def test_ranks_are_ranges_where_the_order_is_open(results: Path, out: Path) -> None:
    write_sweep(results, {("a", "lora"): 0.9, ("b", "lora"): 0.89, ("c", "lora"): 0.2}, n=100)
    published = publish(results, out)
    ranks = {
        name: (row(published, name, "lora")["rank_best"], row(published, name, "lora")["rank_worst"])
        for name in "abc"
    }
    assert ranks == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}


def test_a_rule_divides_tiers_in_the_order_of_the_ranking(results: Path, out: Path) -> None:
    write_sweep(results, {("a", "lora"): 0.9, ("b", "lora"): 0.89, ("c", "lora"): 0.2}, n=100)
    published = publish(results, out)
    assert [row(published, name, "lora")["tier"] for name in "abc"] == [1, 1, 2]
    ranking = (
        published.index.read_text(encoding="utf-8")
        .partition('id="ranking-table"')[2]
        .partition("</table>")[0]
    )
    assert ranking.count('class="tier"') == 1
    assert 'class="tier"' in ranking.partition(">b</a>")[2].partition(">c</a>")[0]


def test_win_rate_and_mean_rank_stand_beside_the_mean_where_a_board_asks(
    results: Path, out: Path, tmp_path: Path
) -> None:
    """One row wins two tasks of three by little, and loses the third by much."""
    for name, rates in {"often": (0.6, 0.6, 0.2), "much": (0.5, 0.5, 0.9)}.items():
        for task, rate in zip(("one", "two", "three"), rates, strict=True):
            write_sweep(results, {(name, "lora"): rate}, tasks=[task_card(task)], n=60)
    board = tmp_path / "board.toml"
    board.write_text('columns = ["score", "win_rate", "mean_rank"]\n', encoding="utf-8")
    published = publish(results, out, board=board)
    assert "By win rate and mean rank, often · LoRA r16 comes before much · LoRA r16." in published.verdict
    often = row(published, "often", "lora")
    assert (often["win_rate"], often["mean_rank"]) == (pytest.approx(2 / 3), pytest.approx(4 / 3))
    assert "67 % 1.3" in lines(published.index, "ranking-table")[1]


def test_csv_and_json_hold_the_same_figures(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=40)
    published = publish(results, out)
    loaded = figures(published)
    with (out / "data" / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(loaded["rows"]) + len(loaded["cells"])
    assert [float(line["score"]) for line in lines] == [
        one["score"] for one in (*loaded["rows"], *loaded["cells"])
    ]


# Runs that may not be compared


def test_runs_with_another_limit_are_left_out_and_named(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=40)
    write_result(results, make_run("quick", "lora", task_card(), 0, limit=2), task_card(), [1, 1])
    published = publish(results, out)
    assert "quick" not in {one["candidate"] for one in figures(published)["rows"]}
    assert (
        "1 run was made differently (limit = 2 instead of none) and left out of the comparison."
        in problems(published)
    )


def test_runs_with_another_generation_are_left_out_and_named(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=40)
    warm = make_run("warm", "lora", task_card(), 0, generation=Generation(temperature=0.7))
    write_result(results, warm, task_card(), [1.0] * 40)
    assert "generation.temperature = 0.7 instead of 0.0" in problems(publish(results, out))


def test_a_newer_version_of_a_task_replaces_the_older_one(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=40)
    newer = task_card(version=2)
    write_result(results, make_run("small", "zero_shot", newer, 0), newer, [1.0] * 10)
    published = publish(results, out)
    assert [(one["method"], one["n"]) for one in figures(published)["rows"]] == [("zero_shot", 10)]


def test_a_gain_is_never_taken_over_another_model_of_the_same_name(results: Path, out: Path) -> None:
    write_arms(results, {"lora": [1, 1, 1, 0]})
    run = make_run("small", "few_shot", task_card(), 0)
    for seed in range(3):
        other = run.candidate.model_copy(update={"model": "invented/another"})
        write_result(
            results, run.model_copy(update={"candidate": other, "seed": seed}), task_card(), [0, 0, 1, 0]
        )
    assert row(publish(results, out), "small", "lora")["gain_few_shot"] is None


# Files that cannot be used


@pytest.mark.parametrize("name", sorted(file.name for file in MALFORMED.glob("*.json")))
def test_a_malformed_result_is_named_and_skipped(results: Path, out: Path, name: str) -> None:
    write_sweep(results, CLEAR, n=20)
    (results / "bad").mkdir()
    shutil.copy(MALFORMED / name, results / "bad" / RESULT)
    with pytest.warns(UserWarning, match="bad"):
        published = publish(results, out)
    assert published.runs == 12
    page = problems(published)
    assert "bad/result.json" in page
    assert str(results) not in page


def test_a_newer_schema_is_skipped_with_a_sentence(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=20)
    path = results / "small" / "lora" / "capitals-v1" / "n-500" / "seed-0" / RESULT
    path.write_text(
        path.read_text(encoding="utf-8").replace('"schema_version": 5', '"schema_version": 7'),
        encoding="utf-8",
    )
    with pytest.warns(UserWarning, match="schema 7"):
        published = publish(results, out)
    assert "is schema 7; this version reads up to 5. Upgrade gainboard." in problems(published)


@pytest.mark.parametrize("damage", ["missing", "cut off", "no column", "out of range"])
def test_a_run_whose_predictions_cannot_be_read_is_named_and_left_out(
    results: Path, out: Path, damage: str
) -> None:
    import pandas

    write_sweep(results, CLEAR, n=20)
    path = results / "small" / "lora" / "capitals-v1" / "n-500" / "seed-0" / PREDICTIONS
    table = pandas.read_parquet(path)
    if damage == "missing":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "no column":
        table.drop(columns="score_accuracy").to_parquet(path)
    else:
        table.assign(score_accuracy=3.0).to_parquet(path)
    published = publish(results, out)
    assert (
        "small · lora · capitals · 500 samples · seed 0: its predictions cannot be read and the run is left out"
        in problems(published)
    )
    assert not row(published, "small", "lora")["complete"]


def test_failed_runs_are_listed_with_their_reason(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=20)
    write_failure(results, make_run("huge", "full", task_card(), 0), reason="CUDA out of memory")
    page = problems(publish(results, out))
    assert "Runs that failed" in page and "CUDA out of memory" in page


def test_nothing_to_publish_says_what_to_do(results: Path, out: Path) -> None:
    with pytest.raises(UserError, match="does not exist; `gainboard run SWEEP` makes one"):
        publish(results, out)
    write_failure(results, make_run("huge", "full", task_card(), 0))
    with pytest.raises(UserError, match=r"holds no finished run. 1 failed. `gainboard run SWEEP"):
        publish(results, out)
    assert not out.exists()


# Economics


def recorded(**changes: Any) -> TrainingRecord:
    recipe = make_run("small", "lora", task_card(), 0).recipe
    assert recipe
    return training_record(recipe, **changes)


def at_three_dollars(low: float = 3.0) -> Prices:
    """The shipped prices, with an H100 at $3 an hour."""
    prices = load_prices()
    price = Price(low=low, mid=3, high=3)
    devices = [
        entry.model_copy(update={"usd_per_hour": price}) for entry in prices.devices if entry.match == "H100"
    ]
    return prices.model_copy(update={"devices": tuple(devices)})


def test_the_worked_example_of_an_8b_lora_pays_from_22500_requests() -> None:
    flops_per_second = 0.40 * 989e12
    tokens = 10_000 * 600 * 3
    train_flops = (
        4 * 8e9 * tokens
    )  # LoRA: forward and backward through frozen weights, without their gradients
    assert train_flops == pytest.approx(5.8e17, rel=0.01)
    seconds = train_flops / flops_per_second
    assert seconds / 3600 == pytest.approx(0.40, abs=0.01)
    trained = recorded(startup_seconds=0.0, load_seconds=0.0, train_seconds=seconds)
    paid = training_usd([trained], at_three_dollars())
    assert paid
    training = paid.mid
    assert training == pytest.approx(1.21, abs=0.005)
    per_request = {prompt: 2 * 8e9 * prompt / flops_per_second for prompt in (200, 1800)}
    few, tuned = (usd_of({"NVIDIA H100": per_request[prompt]}, at_three_dollars()) for prompt in (1800, 200))
    assert few and tuned
    assert few.mid - tuned.mid == pytest.approx(5.4e-5, rel=0.01)
    volume_needed = break_even(Line(training, tuned.mid), Line(0.0, few.mid))
    assert volume_needed == pytest.approx(22_500, rel=0.001)
    assert volume(volume_needed) == "22,500"


def test_start_up_loading_and_what_was_thrown_away_are_paid_for() -> None:
    trained = recorded(
        startup_seconds=300.0,
        load_seconds=300.0,
        train_seconds=1200.0,
        discarded=ResourceUse(seconds=1800.0, tokens=5),
    )
    paid = training_usd([trained], at_three_dollars(low=1.0))
    assert paid
    assert (paid.low, paid.mid, paid.high) == (1.0, 3.0, 3.0)


def test_every_training_is_paid_at_the_price_of_its_own_device() -> None:
    first = recorded(startup_seconds=0.0, load_seconds=0.0, train_seconds=3600.0)
    second = first.model_copy(update={"device": "cpu (4 cores, an invented processor)"})
    prices = load_prices()
    both, gpu, processor = (training_usd(some, prices) for some in ([first, second], [first], [second]))
    assert both and gpu and processor
    assert both.mid == pytest.approx(gpu.mid + processor.mid)
    assert processor.mid < gpu.mid / 2
    assert training_usd([first, first.model_copy(update={"device": "Abacus 9"})], prices) is None


def test_serving_on_two_devices_costs_twice_as_much(results: Path) -> None:
    one = write_result(results, make_run("small", "lora", task_card(), 0), task_card(), [1.0, 0.0])
    two = one.model_copy(update={"cost": replace(one.cost, num_devices=2)})
    prices = load_prices()
    single, double = (usd_of(price_runs([], prices).serving(result), prices) for result in (one, two))
    assert single and double
    assert double.mid == pytest.approx(2 * single.mid)


def test_serving_at_a_third_of_the_time_costs_three_times_as_much() -> None:
    busy, idle = (usd_of({"NVIDIA H100": 0.1}, at_three_dollars(), utilisation=share) for share in (1, 0.3))
    assert busy and idle
    assert (1200 * busy.mid, 1200 * idle.mid) == (pytest.approx(0.1), pytest.approx(0.1 / 0.3))


def test_break_even_is_never_where_serving_is_not_cheaper() -> None:
    assert break_even(Line(10, 2), Line(0, 2)) == math.inf
    assert break_even(Line(10, 3), Line(0, 2)) == math.inf
    # The sum is more by a rounding error.
    assert break_even(Line(10, 0.3), Line(0, 0.1 + 0.2)) == math.inf


def test_break_even_with_few_seeds_is_unresolved_and_with_more_of_the_same_it_is_not(
    results: Path, out: Path
) -> None:
    """One pair of runs in six has serving cost more: with more evidence the saving is clear all the same."""
    whys = []
    for seeds in (2, 6):
        write_sweep(results, CLEAR, n=200, seeds=tuple(range(seeds)), requests_per_second=20.0)
        for seed, rate in enumerate((19.0, 24.0, 26.0, 25.0, 24.0, 25.0)[:seeds]):
            run = make_run("small", "lora", task_card(), seed)
            write_result(results, run, task_card(), [1.0] * 200, requests_per_second=rate)
        whys.append(row(publish(results, out), "small", "lora")["break_even_few_shot_why"])
    assert whys == ["unresolved", None]


def test_no_break_even_is_given_where_throughputs_differ_both_ways(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=200)
    for seed, rate in enumerate((10.0, 40.0, 40.0)):
        write_result(
            results,
            make_run("small", "lora", task_card(), seed),
            task_card(),
            [1.0] * 200,
            requests_per_second=rate,
        )
    assert row(publish(results, out), "small", "lora")["break_even_few_shot_why"] == "unresolved"


def test_a_gain_within_noise_has_no_price(results: Path, out: Path) -> None:
    write_sweep(results, {("small", "few_shot"): 0.6, ("small", "lora"): 0.6}, n=60)
    published = publish(results, out)
    tuned = row(published, "small", "lora")
    assert (tuned["usd_per_point"], tuned["break_even_few_shot_why"]) == (None, "unresolved")


def test_a_fine_tune_that_scores_less_is_dominated(results: Path, out: Path) -> None:
    write_sweep(results, {("small", "few_shot"): 0.8, ("small", "lora"): 0.3}, n=200)
    published = publish(results, out)
    assert row(published, "small", "lora")["break_even_few_shot_why"] == "dominated"
    assert not row(published, "small", "lora")["frontier"]


def test_a_device_without_a_price_is_shown_in_device_time(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=200, device="Abacus 9")
    published = publish(results, out)
    assert "It took 20.5 min of device time to train; no price is known for Abacus 9." in published.verdict
    assert row(published, "small", "lora")["train_usd"] is None
    assert "$nan" not in published.index.read_text(encoding="utf-8").lower()


def test_devices_are_matched_by_the_longest_name_and_processors_priced_by_core() -> None:
    prices = load_prices()
    gpu, processor = prices.hour("NVIDIA H200"), prices.hour("cpu (2 cores, Intel(R) Xeon(R) Processor)")
    per_core = next(entry for entry in prices.devices if entry.match == "cpu").usd_per_hour
    assert (
        gpu and gpu.mid == next(entry for entry in prices.devices if entry.match == "H200").usd_per_hour.mid
    )
    assert processor and processor.mid == pytest.approx(2 * per_core.mid)
    assert prices.hour("Abacus 9") is None


def test_a_device_is_matched_by_whole_words_of_its_name() -> None:
    prices = load_prices()
    names = ("NVIDIA A100-SXM4-80GB", "NVIDIA H100 80GB HBM3", "nvidia h200 nvl")
    assert [entry.match for name in names if (entry := prices.device(name))] == ["A100", "H100", "H200"]
    for name in ("NVIDIA RTX A1000 Laptop GPU", "NVIDIA H1000", "XH200", "cpux (2 cores)"):
        assert prices.device(name) is None, name


def test_prices_of_ones_own_replace_the_shipped_ones(results: Path, out: Path, tmp_path: Path) -> None:
    write_sweep(results, CLEAR, n=40)
    shipped = row(publish(results, out), "small", "lora")["train_usd"]
    own = tmp_path / "prices.toml"
    text = SHIPPED_PRICES.read_text(encoding="utf-8")
    own.write_text(
        text.replace("low = 2.00, mid = 3.00, high = 5.00", "low = 6, mid = 6, high = 6"), encoding="utf-8"
    )
    published = publish(results, out, prices=own)
    assert row(published, "small", "lora")["train_usd"] == pytest.approx(2 * shipped)
    assert (out / "data" / "prices.toml").read_bytes() == own.read_bytes()


def test_a_faulty_prices_file_is_one_sentence(results: Path, out: Path, tmp_path: Path) -> None:
    write_sweep(results, CLEAR, n=20)
    own = tmp_path / "prices.toml"
    own.write_text("as_of = 2026-01-01\ndevice = []\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"prices.toml: .*device"):
        publish(results, out, prices=own)


@pytest.mark.parametrize(
    ("price", "says"),
    [
        ("inf", "'devices.1.usd_per_hour.high' is inf; every number must be finite"),
        ("nan", "'devices.1.usd_per_hour.high' is nan; every number must be finite"),
        ("1e308", "'devices.1.usd_per_hour': a price above $1,000,000 cannot be meant"),
    ],
)
def test_a_price_that_cannot_be_meant_is_one_sentence(tmp_path: Path, price: str, says: str) -> None:
    own = tmp_path / "prices.toml"
    text = SHIPPED_PRICES.read_text(encoding="utf-8")
    own.write_text(text.replace("mid = 3.00, high = 5.00", f"mid = 3.00, high = {price}"), encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(says)):
        load_prices(own)


def test_the_staircase_keeps_what_nothing_dominates_even_inside_the_hull() -> None:
    # (2, 0.5) lies below the line from (0, 0.4) to (3, 0.9), so a convex hull would drop it.
    assert staircase([(3, 0.9), (0, 0.4), (2, 0.5), (2, 0.45), (5, 0.9)]) == [1, 2, 0]


# The files of the site


def test_two_builds_of_the_same_results_are_the_same_bytes(results: Path, tmp_path: Path) -> None:
    write_sweep(results, CLEAR, n=20)
    write_failure(results, make_run("huge", "full", task_card(), 0))
    (results / "bad").mkdir()
    shutil.copy(MALFORMED / "cut_off.json", results / "bad" / RESULT)
    moved = tmp_path / "elsewhere" / "results"
    shutil.copytree(results, moved)
    sites = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source, name in ((results, "first"), (moved, "second")):
            folder = publish(source, tmp_path / name).index.parent
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            sites.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
    assert sites[0] == sites[1]


def test_every_link_of_every_page_leads_somewhere_inside_the_site(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, tasks=(task_card("one"), task_card("two")), n=20)
    published = publish(results, out)
    pages = list(out.rglob("*.html"))
    # … comparing, the costs, the history, a missing page, the methodology, the methods, the lists, the gains
    assert len(pages) == published.pages == 1 + 2 + 1 + 24 + 2 + 1 + 1 + 2 + 1 + 3 + 3 + 1
    for page in pages:
        for _, attributes in Text(page).tags:
            for name in ("href", "src"):
                target = attributes.get(name)
                if not target or target.startswith(("#", "data:")):
                    continue
                assert not re.match(r"[a-z]+:|/", target), f"{page.name} leaves the site: {target}"
                assert (page.parent / re.split("[?#]", target)[0]).is_file(), (
                    f"{page.name} links to {target}, which is missing"
                )


def test_hostile_output_is_shown_as_text(results: Path, out: Path) -> None:
    evil = "<script>alert(1)</script>\u202e\x1b[31m{{ 7*7 }}</pre><img src=x onerror=alert(1)>"
    write_arms(
        results, {"few_shot": [1, 0], "lora": [1, 1]}, prompt=evil, answer=evil, target=[evil, "France"]
    )
    card = task_card("evil", description=evil, license=evil, reference="javascript:alert(1)")
    write_result(results, make_run("small", "lora", card, 0), card, [1.0, 0.0], device=evil)
    write_failure(results, make_run("small", "full", task_card(), 0), reason=evil)
    publish(results, out)
    for page in out.rglob("*.html"):
        source = page.read_text(encoding="utf-8")
        assert "\u202e" not in source and "\x1b" not in source
        assert Text(page).foreign_scripts == []
        assert not [
            tag
            for tag, attributes in Text(page).tags
            if tag == "img" or any(name.startswith("on") for name in attributes)
        ]
        assert not [tag for tag, attributes in Text(page).tags if "style" in attributes]
        assert 'href="javascript:' not in source
    run = (out / "runs" / "small--lora--capitals-v1--n-500--seed-0.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩⟨U+001B⟩[31m{{ 7*7 }}" in run


def test_long_output_is_cut_with_its_full_length_stated(results: Path, out: Path) -> None:
    write_arms(results, {"lora": [1, 0]}, answer="x" * 50_000)
    publish(results, out)
    page = out / "runs" / "small--lora--capitals-v1--n-500--seed-0.html"
    assert "[the first 1,200 of 50,000 characters]" in Text(page).text
    assert page.stat().st_size < 300 * 1024


@pytest.mark.parametrize("dashes", ["-", "--", "---"])
def test_runs_whose_names_join_to_the_same_have_pages_of_their_own(tmp_path: Path, dashes: str) -> None:
    results, plain, other = tmp_path / "results", task_card("day"), task_card(f"full{dashes}day")
    for run, task in (
        (make_run(f"small{dashes}lora", "full", plain, 0), plain),
        (make_run("small", "lora", other, 0), other),
        (make_run("small-", "lora", other, 0), other),
    ):
        write_result(results, run, task, [1.0, 0.0])
    published = publish(results, tmp_path / "site")
    assert len(list((published.index.parent / "runs").iterdir())) == 3


def test_a_task_called_like_a_path_cannot_write_outside(tmp_path: Path) -> None:
    results, out = tmp_path / "in" / "results", tmp_path / "in" / "site"
    card = task_card("../../x")
    write_result(results, make_run("small", "lora", card, 0), card, [1.0, 0.0])
    write_result(results, make_run("small", "full", task_card(), 0), task_card(), [1.0, 0.0])
    publish(results, out)
    written = {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {("in", "results"), ("in", "site")}
    assert sorted(path.name for path in (out / "tasks").iterdir()) == ["capitals.html", "x-9cdf6a50.html"]


def test_a_copy_of_a_result_elsewhere_in_the_folder_does_not_count(results: Path, out: Path) -> None:
    card = task_card()
    write_result(results, make_run("small", "lora", card, 0), card, [1.0, 0.0])
    shutil.copytree(results / "small", results / "a-backup")
    with pytest.warns(UserWarning, match="a copy or a moved result is not read"):
        published = publish(results, out)
    assert published.runs == 1


def test_slugs_are_plain_and_never_collide() -> None:
    names = ["a b", "a-b", "a/b", "..", ".", "", "é", "x" * 300, "\ud800", "a b "]
    slugs = [slug(name) for name in names]
    assert len(set(slugs)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", one) and len(one) <= 100 for one in slugs)
    assert slug("Qwen2.5-0.5B") == "Qwen2.5-0.5B"


def test_pages_of_names_that_differ_only_in_case_never_collide() -> None:
    names = ["Small", "small", "SMALL", "small ", "Small "]
    assert len({page_slug(name).lower() for name in names}) == len(names)
    assert page_slug("small") == "small"


def test_a_folder_that_is_no_site_is_never_replaced(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=20)
    out.mkdir()
    (out / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UserError, match="not empty and not a site made by gainboard"):
        publish(results, out)
    assert (out / "thesis.txt").exists()


def test_a_site_is_never_built_over_the_results_it_is_made_of(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=20)
    publish(results, out)
    shutil.move(results, out / "results")
    with pytest.raises(UserError, match="holds the results"):
        publish(out / "results", out)
    assert (out / "results").is_dir()


def test_a_failed_publish_leaves_the_former_site(
    results: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sweep(results, CLEAR, n=20)
    before = publish(results, out).index.read_bytes()

    def broken(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("leaderboards.site.write_data", broken)
    with pytest.raises(OSError, match="No space left"):
        publish(results, out)
    assert (out / "index.html").read_bytes() == before
    assert sorted(path.name for path in out.parent.iterdir()) == ["results", "site"]


def test_a_site_replaces_the_former_one_whole(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=20)
    publish(results, out)
    shutil.rmtree(results / "small" / "full")
    publish(results, out)
    assert not list((out / "runs").glob("small-full-*"))


def test_a_board_of_thirty_candidates_and_four_tasks_keeps_its_first_page_small(
    results: Path, out: Path
) -> None:
    rates: dict[tuple[str, Method], float] = {}
    for number in range(10):
        rates |= {
            (f"model-{number}", method): rate for (_, method), rate in CLEAR.items() if method != "full"
        }
    write_sweep(results, rates, tasks=[task_card(f"task-{number}") for number in range(4)], seeds=(0,), n=20)
    published = publish(results, out)
    assert published.index.stat().st_size < 150 * 1024
    assert (out / "static" / "site.js").stat().st_size < 15 * 1024


@pytest.mark.slow
def test_a_board_of_310_rows_folds_its_ranking_and_keeps_every_page_within_its_budget(
    results: Path, out: Path
) -> None:
    names = [f"organisation-model-{number}-7b-instruct" for number in range(78)]
    rates = {
        (name, method): rate + number / 400
        for (_, method), rate in CLEAR.items()
        for number, name in enumerate(names)
    }
    write_sweep(results, dict(list(rates.items())[:310]), seeds=(0,), n=8)
    published = publish(results, out)
    assert published.index.stat().st_size <= 150 * 1024
    assert max(path.stat().st_size for path in out.rglob("*.html")) <= 300 * 1024
    assert len(lines(published.index, "ranking-table")) == 60
    assert len(lines(out / "ranking.html", "ranking-table")) == 310
    assert "The first 60 of 310 rows." in Text(published.index).text
    assert re.match(r"1–\d+ organisation-model-", lines(out / "ranking.html", "ranking-table")[0])


# Boards


def test_a_board_chooses_its_tasks_and_names_what_it_has_no_run_of(
    results: Path, out: Path, tmp_path: Path
) -> None:
    write_sweep(results, CLEAR, tasks=(task_card("one"), task_card("two")), n=20)
    board = tmp_path / "board.toml"
    board.write_text('title = "Mine"\ntasks = ["one", "tow"]\n', encoding="utf-8")
    published = publish(results, out, board=board)
    page = problems(published)
    assert "Task 'tow' of the board has no finished run. Did you mean 'two'?" in page
    assert "Not on this board: the runs of two." in page
    assert published.verdict.startswith("No verdict yet: no candidate is complete.")


def test_a_misspelt_key_of_a_board_is_one_sentence(tmp_path: Path) -> None:
    board = tmp_path / "board.toml"
    board.write_text('titel = "Mine"\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"unknown key 'titel'. Did you mean 'title'\?"):
        load_board(board)


def test_every_shipped_board_loads() -> None:
    assert "quickstart" in shipped_boards()
    for folder in shipped_boards().values():
        assert load_board(folder).title
    assert shipped_board("no such board") is None


# Text


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "$0"),
        (1.2134, "$1.20"),
        (1.25, "$1.20"),
        (0.0421, "$0.042"),
        (0.00013, "$0.00013"),
        (12345, "$12,000"),
        (290.06, "$290"),
        (9.96, "$10"),
        (None, "–"),
        (0.5, "$0.50"),
        (949.9, "$950"),
        (999.999, "$1,000"),
    ],
)
def test_dollars_have_the_digits_that_matter(amount: float | None, shown: str) -> None:
    assert usd(amount) == shown


def test_points_have_one_decimal_and_a_true_minus() -> None:
    assert [points(value, sign=True) for value in (0.184, -0.061, 0.0, -0.0001)] == [
        "+18.4",
        "−6.1",
        "0.0",
        "0.0",
    ]


def test_volumes_and_durations_are_rounded_for_people() -> None:
    assert [volume(value) for value in (22_456, 812.3, 1_234_567, 999_999)] == [
        "22,500",
        "812",
        "1.23 million",
        "1 million",
    ]
    assert [duration(value) for value in (0.81, 45.2, 1230, 5400, None)] == [
        "0.8 s",
        "45 s",
        "20.5 min",
        "1.5 h",
        "–",
    ]


@pytest.mark.parametrize(
    ("count", "shown"), [(999.4, "999"), (999.7, "1k"), (18_400, "18.4k"), (999_700, "1M"), (5e13, "50T")]
)
def test_counts_are_rounded_before_their_unit_is_chosen(count: float, shown: str) -> None:
    assert quantity(count) == shown


def test_a_long_training_is_told_in_plain_hours_and_sorts_by_money_alone(results: Path, out: Path) -> None:
    write_sweep(results, {("small", "lora"): 0.8}, n=20, train_seconds=120 * 3600.0)
    assert "$360 120 h" in Text(publish(results, out).index).text
    write_sweep(results, {("small", "lora"): 0.8}, n=20, train_seconds=120 * 3600.0, device="Abacus 9")
    page = publish(results, out).index.read_text(encoding="utf-8")
    assert '<td><span class="value">–</span><small>120 h</small>' in page


def test_invisible_characters_are_spelt_out_and_words_left_alone() -> None:
    assert visible("naïve 你好 👩‍💻\n\tok") == "naïve 你好 👩‍💻\n\tok"
    assert visible("a\u202eb\x00c\ud800") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+D800⟩"
    assert shortened("abc", 3) == "abc"


def test_a_long_label_in_a_chart_loses_of_the_model_and_not_the_method() -> None:
    assert chart_label("small", "LoRA r16", 34) == "small · LoRA r16"
    assert chart_label("organisation-model-" * 3, "LoRA r16", 34) == "organisation-model-org… · LoRA r16"
    assert chart_label("small", "a very long method " * 3, 20) == "small · a very long…"


def test_a_single_sample_is_published_without_an_error(results: Path, out: Path) -> None:
    write_arms(results, {"few_shot": [1], "lora": [1]}, seeds=1)
    assert publish(results, out).verdict.startswith("Nothing is shown to work yet: ")


def test_runs_judged_by_another_metric_are_left_out_and_named(results: Path, out: Path) -> None:
    old, new = task_card(), task_card(primary_metric="exact_match")
    for seed in (0, 1):
        write_result(results, make_run("small", "zero_shot", old, seed), old, [1.0, 0.0])
        write_result(results, make_run("small", "few_shot", old, seed), old, [1.0, 0.0])
    write_result(results, make_run("small", "lora", new, 0), new, [1.0, 1.0])
    page = problems(publish(results, out))
    assert "1 run was judged by exact_match (0 to 1), chance at 0.25, and left out of the comparison" in page


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"high": 2.0}, "accuracy (0 to 2)"),
        ({"low": None}, "accuracy (any to 1)"),
        ({"higher_is_better": False}, "accuracy (0 to 1, lower is better)"),
    ],
)
def test_a_run_whose_metric_has_another_scale_is_named_and_left_out(
    results: Path, out: Path, changed: dict[str, Any], told: str
) -> None:
    write_arms(results, {"zero_shot": [1, 0], "lora": [1, 1]}, seeds=2)
    path = max(results.rglob(RESULT))
    record = json.loads(path.read_text(encoding="utf-8"))
    record["task"]["metrics"]["accuracy"] |= changed
    path.write_text(json.dumps(record), encoding="utf-8")
    page = problems(publish(results, out))
    assert f"1 run was judged by {told}, chance at 0.25, and left out of the comparison" in page


def test_the_largest_budget_is_ranked_and_the_others_are_a_learning_curve(results: Path, out: Path) -> None:
    card = task_card()
    for n_train, right in ((16, 0.3), (64, 0.5), (256, 0.8)):
        for seed in (0, 1, 2):
            run = make_run("small", "lora", card, seed, n_train=n_train)
            write_result(results, run, card, draw_scores(right, 100, seed))
    ranked = row(publish(results, out), "small", "lora")
    assert ranked["score"] == pytest.approx(0.8, abs=0.15)
    assert "By training samples" in Text(out / "tasks" / "capitals.html").text


def test_a_learning_curve_mixes_no_recipes(results: Path, out: Path) -> None:
    card = task_card()
    for seed, n_train, rate in ((0, 16, 1e-4), (1, 16, 1e-4), (0, 64, 5e-3)):
        run = make_run("small", "lora", card, seed, n_train=n_train)
        write_result(results, with_settings(run, {"learning_rate": rate}), card, [1.0, 0.0])
    page = problems(publish(results, out))
    assert "(training.learning_rate = 0.005 instead of 0.0001)" in page
    assert "By training samples" not in Text(out / "tasks" / "capitals.html").text


def test_a_score_by_template_stands_beside_their_mean(results: Path, out: Path) -> None:
    card = task_card(templates=("plain", "short"))
    for seed in (0, 1):
        run = make_run("small", "zero_shot", card, seed)
        write_result(results, run, card, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0])
    published = publish(results, out)
    assert row(published, "small", "zero_shot")["score"] == pytest.approx(0.75)
    page = Text(out / "tasks" / "capitals.html").text
    assert re.search(r"By wording.*100\.0.*50\.0", page, flags=re.DOTALL)


# Runs that the engine's guards do not vouch for


def distrust(results: Path, run: str, reason: str = "it answered with <b>other</b> weights") -> None:
    """Have a guard of a written result fail."""
    path = results / run / RESULT
    record = json.loads(path.read_text(encoding="utf-8"))
    guard = {"name": "matches_transformers", "passed": False, "value": 2.5, "bound": 0.001, "reason": reason}
    record["generation"]["guards"] = [guard]
    path.write_text(json.dumps(record), encoding="utf-8")


def test_an_untrusted_run_leaves_its_row_unranked_and_is_named_with_the_reason(
    results: Path, out: Path
) -> None:
    write_sweep(results, CLEAR, n=40)
    before = publish(results, out)
    assert before.untrusted == 0
    run = "small/lora/capitals-v1/n-500/seed-0"
    distrust(results, run)
    published = publish(results, out)
    assert published.untrusted == 1
    table = tabulate(read_results(results), results, load_board(None))
    row = table.row("small", "lora")
    assert row is not None
    assert row.score is None
    assert row.missing == ("capitals: no finished run with seed 0",)
    text = problems(published)
    assert "Kept out of the ranking" in text
    assert "it answered with <b>other</b> weights" in text


def test_the_page_of_an_untrusted_run_says_that_its_scores_are_not_to_be_believed(
    results: Path, out: Path
) -> None:
    write_sweep(results, CLEAR, n=40)
    distrust(results, "small/lora/capitals-v1/n-500/seed-0")
    publish(results, out)
    pages = [Text(path).text for path in sorted((out / "runs").glob("*.html"))]
    told = [page for page in pages if "Untrusted, and excluded" in page]
    assert len(told) == 1
    assert "Was it this model that answered?" in told[0]
    assert "matches transformers" in told[0]


def test_the_page_of_a_run_says_what_was_noticed_before_anything_was_trained(
    results: Path, out: Path
) -> None:
    write_sweep(results, CLEAR, n=20)
    path = results / "small/lora/capitals-v1/n-500/seed-0" / RESULT
    record = json.loads(path.read_text(encoding="utf-8"))
    record["preflight"] = [
        {"severity": severity, "fact": fact, "candidate": "small", "task": "", "sentence": f"About {fact}."}
        for severity, fact in (("note", "turn_end"), ("warn", "max_tokens"))
    ]
    path.write_text(json.dumps(record), encoding="utf-8")
    publish(results, out)
    pages = [Text(path).text for path in sorted((out / "runs").glob("*.html"))]
    (told,) = [page for page in pages if "Noticed before training" in page]
    assert told.index("About max_tokens.") < told.index("turn end") < told.index("About turn_end.")


def test_nothing_but_untrusted_runs_is_an_error_that_says_why(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=20)
    for path in results.glob(f"**/{RESULT}"):
        distrust(results, str(path.parent.relative_to(results)), "the engine was stale")
    with pytest.raises(UserError, match=r"holds no run that can be trusted\. .*: the engine was stale"):
        publish(results, out)


def test_of_several_draws_a_sample_s_score_is_the_mean(results: Path, out: Path) -> None:
    write_sweep(results, CLEAR, n=30)
    once = tabulate(read_results(results), results, load_board(None))
    for path in results.glob(f"**/{RESULT}"):
        record = json.loads(path.read_text(encoding="utf-8"))
        record["run"]["generation"] |= {"n": 2, "temperature": 0.7}
        record["metrics"]["accuracy"]["value"] /= 2
        path.write_text(json.dumps(record), encoding="utf-8")
        predictions = pandas.read_parquet(path.parent / PREDICTIONS)
        wrong = predictions.assign(draw=1, score_accuracy=0.0)
        rewrite(path.parent / PREDICTIONS, pandas.concat([predictions, wrong]))
    twice = tabulate(read_results(results), results, load_board(None))
    for candidate in twice.rows:
        other = once.row(*candidate.key)
        assert other is not None
        for task, cell in candidate.cells.items():
            assert cell.scores.values == pytest.approx(other.cells[task].scores.values / 2)
    assert publish(results, out).pages > 0
