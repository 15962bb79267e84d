"""What tuning costs on tasks that it did not train on: told from the base of the same model, sample by
sample."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from site_reading import Text, figures, lines, row
from synthetic import guarding, make_run, task_card, write_result, write_sweep

from harness.records.generation import GuardRecord
from harness.records.predictions import PREDICTIONS
from harness.records.result import Result
from harness.records.scores import TaskCard
from harness.records.store import read_results
from harness.sweep.methods import Method
from leaderboards import publish
from leaderboards.board import load_board
from leaderboards.gathered import gather, read_folder
from leaderboards.rank.forgetting import Forgetting, forgetting
from leaderboards.rank.tabulate import tabulate

CARD, OTHER, BOOLQ, MNLI = (task_card(name) for name in ("capitals", "rivers", "boolq", "mnli"))
SEEDS = (0, 1, 2)


def shares(right: int, of: int = 200) -> list[float]:
    """So many right answers, those of the first samples."""
    return [float(place < right) for place in range(of)]


def write_base(results: Path, right: int, guard: TaskCard = BOOLQ, *, seeds: Sequence[int] = SEEDS) -> None:
    """The base's score on a guard task."""
    for seed in seeds:
        write_result(
            results, guarding(make_run("small", "zero_shot", CARD, seed), guard), guard, shares(right)
        )


def write_tuned(
    results: Path, right: int, guard: TaskCard = BOOLQ, *, task: TaskCard = CARD, n_train: int = 500
) -> list[Result]:
    """That of its tuned weights, of every seed."""
    tuned = [guarding(make_run("small", "lora", task, seed, n_train=n_train), guard) for seed in SEEDS]
    return [write_result(results, run, guard, shares(right)) for run in tuned]


def found(
    results: Path, *, points: float = 1.0, notes: list[str] | None = None, random_wordings: bool = False
) -> Forgetting | None:
    return forgetting(
        read_results(results),
        results,
        [] if notes is None else notes,
        points=points,
        random_wordings=random_wordings,
    ).get(("small", "lora"))


@pytest.mark.parametrize(
    ("right", "verdict"),
    [(150, "passed"), (148, "unresolved"), (100, "failed")],
    ids=["gained", "about the same", "lost"],
)
def test_a_row_passes_fails_or_is_unresolved_at_its_margin(tmp_path: Path, right: int, verdict: str) -> None:
    write_base(tmp_path, 140 if verdict == "passed" else 150)
    write_tuned(tmp_path, right)
    made = found(tmp_path)
    assert made is not None
    assert made.verdict == verdict


def test_a_wider_margin_lets_more_pass(tmp_path: Path) -> None:
    write_base(tmp_path, 150)
    write_tuned(tmp_path, 140)
    assert [made.verdict for points in (1.0, 20.0) if (made := found(tmp_path, points=points))] == [
        "failed",
        "passed",
    ]


def test_the_change_is_paired_and_averaged_over_the_guard_tasks(tmp_path: Path) -> None:
    for guard, right in ((BOOLQ, 140), (MNLI, 160)):
        write_base(tmp_path, 150, guard)
        write_tuned(tmp_path, right, guard)
    made = found(tmp_path)
    assert made is not None
    assert {task: change.value for task, change in made.changes.items()} == pytest.approx(
        {"boolq": -0.05, "mnli": 0.05}
    )
    assert made.mean.value == pytest.approx(0)
    assert (made.mean.n, made.mean.seeds) == (400, 3)


def test_wordings_that_are_a_draw_make_a_change_less_certain_where_they_disagree(tmp_path: Path) -> None:
    guard = task_card("worded", n_train=0, templates=("plain", "short"))
    for seed in SEEDS:
        base = guarding(make_run("small", "zero_shot", CARD, seed, templates=guard.templates), guard)
        write_result(tmp_path, base, guard, shares(150) * 2)
        tuned = guarding(make_run("small", "lora", CARD, seed, templates=guard.templates), guard)
        write_result(tmp_path, tuned, guard, [*shares(100), *shares(170)])
    fixed, drawn = found(tmp_path), found(tmp_path, random_wordings=True)
    assert fixed is not None and drawn is not None
    assert drawn.mean.value == fixed.mean.value == pytest.approx(-0.075)
    # The two wordings' changes are −.25 and +.1: their mean has a standard error of .175 as a draw of two.
    assert fixed.mean.stderr < 0.03 and drawn.mean.stderr == pytest.approx(0.175, rel=0.05)
    assert (fixed.verdict, drawn.verdict) == ("failed", "unresolved")


def test_weights_that_were_tuned_for_several_tasks_count_alike(tmp_path: Path) -> None:
    write_base(tmp_path, 150)
    write_tuned(tmp_path, 140)
    write_tuned(tmp_path, 120, task=OTHER)
    made = found(tmp_path)
    assert made is not None
    assert made.mean.value == pytest.approx(-0.1)
    assert made.mean.n == 200, "they answered the same samples"


def test_of_several_training_budgets_the_largest_counts(tmp_path: Path) -> None:
    write_base(tmp_path, 150)
    write_tuned(tmp_path, 100, n_train=500)
    write_tuned(tmp_path, 150, n_train=64)
    made = found(tmp_path)
    assert made is not None
    assert made.mean.value == pytest.approx(-0.25)


def test_a_smaller_budget_is_judged_by_its_own_guard_runs_or_not_at_all(tmp_path: Path) -> None:
    """On 64 labels nothing is forgotten, on all 500 much is; of 100 labels nobody asked."""
    results = tmp_path / "results"
    write_sweep(results, {("small", "zero_shot"): 0.3, ("small", "lora"): 0.8}, tasks=[CARD], n=200)
    for budget in (64, 100):
        for seed in SEEDS:
            run = make_run("small", "lora", CARD, seed, n_train=budget)
            write_result(results, run, CARD, shares(150))
    write_base(results, 150)
    write_tuned(results, 100, n_train=500)
    write_tuned(results, 155, n_train=64)
    site = gather(read_folder(results))
    judged = {case.budget: case.entry.row.forgetting for case in site.choices.cases if case.tuned}
    assert judged[None] and judged[64]
    assert judged[100] is None
    assert (judged[None].verdict, judged[64].verdict) == ("failed", "passed")
    assert [case.budget for case in site.choices.cases if case.forgets] == [None]
    published = publish(results, tmp_path / "site")
    assert published.verdict.startswith("Don’t tune on all labels: every fine-tune forgot too much.")
    assert "With fewer labels, less was lost by small · LoRA r16 with 64 labels;" in published.verdict
    cost = Text(published.index.parent / "cost.html").text
    assert (
        "What small · LoRA r16 · 100 labels forgot is not known: no guard run scored these weights." in cost
    )


def test_seeds_that_the_base_does_not_have_are_left_out(tmp_path: Path) -> None:
    write_base(tmp_path, 150, seeds=(0, 1))
    write_tuned(tmp_path, 100)
    made = found(tmp_path)
    assert made is not None
    assert made.mean.seeds == 2


def test_samples_of_one_cluster_widen_the_interval(tmp_path: Path) -> None:
    spans = []
    for name, clusters in (("alone", []), ("shared", [f"passage {place // 20}" for place in range(200)])):
        for seed in SEEDS:
            tuned = guarding(make_run("small", "lora", CARD, seed), BOOLQ)
            base = guarding(make_run("small", "zero_shot", CARD, seed), BOOLQ)
            write_result(tmp_path / name, tuned, BOOLQ, shares(120), clusters=clusters)
            write_result(tmp_path / name, base, BOOLQ, shares(140), clusters=clusters)
        made = found(tmp_path / name)
        assert made is not None
        assert made.mean.value == pytest.approx(-0.1)
        spans.append(made.mean.high - made.mean.low)
    assert spans[1] > 1.5 * spans[0]


def test_without_its_base_nothing_is_told(tmp_path: Path) -> None:
    write_tuned(tmp_path, 100)
    assert found(tmp_path) is None


def test_a_base_that_was_asked_otherwise_is_no_base(tmp_path: Path) -> None:
    write_tuned(tmp_path, 100)
    for seed in SEEDS:
        run = guarding(make_run("small", "zero_shot", CARD, seed, limit=200), BOOLQ)
        write_result(tmp_path, run, BOOLQ, shares(150))
    assert found(tmp_path) is None


def test_an_untrusted_run_tells_nothing(tmp_path: Path) -> None:
    write_base(tmp_path, 150)
    failed = GuardRecord(
        name="matches_transformers", passed=False, value=1.0, bound=0.001, reason="other weights"
    )
    results = write_tuned(tmp_path, 100)
    doubted = [
        one.model_copy(update={"generation": one.generation.model_copy(update={"guards": (failed,)})})
        for one in results
    ]
    bases = [one for one in read_results(tmp_path) if not one.trainings]
    assert forgetting([*bases, *doubted], tmp_path, [], points=1.0) == {}


def test_a_run_without_readable_predictions_is_named_and_left_out(tmp_path: Path) -> None:
    write_base(tmp_path, 150)
    first, *_ = write_tuned(tmp_path, 100)
    (tmp_path / first.run.folder / PREDICTIONS).write_bytes(b"junk")
    notes: list[str] = []
    made = found(tmp_path, notes=notes)
    assert made is not None
    assert made.mean.seeds == 2
    (note,) = notes
    assert note.startswith(
        "small · lora · boolq after capitals · 500 samples · seed 0: its predictions cannot be read"
    )
    assert str(tmp_path) not in note


def test_guard_runs_are_no_cells_of_the_table(tmp_path: Path) -> None:
    write_sweep(tmp_path, {("small", "zero_shot"): 0.4, ("small", "lora"): 0.8}, tasks=[CARD])
    before = tabulate(read_results(tmp_path), tmp_path, load_board(None))
    write_base(tmp_path, 150)
    write_tuned(tmp_path, 140)
    after = tabulate(read_results(tmp_path), tmp_path, load_board(None))
    assert (list(after.tasks), after.notes) == (list(before.tasks), ())
    assert [(row.key, row.score) for row in after.rows] == [(row.key, row.score) for row in before.rows]


def test_a_site_is_published_from_results_with_guard_runs(tmp_path: Path) -> None:
    results = tmp_path / "results"
    write_sweep(results, {("small", "zero_shot"): 0.4, ("small", "lora"): 0.8}, tasks=[CARD])
    plain = publish(results, tmp_path / "plain")
    write_base(results, 150)
    write_tuned(results, 140)
    guarded = publish(results, tmp_path / "guarded")
    assert guarded.verdict.startswith("Don’t tune") and plain.verdict.startswith("Fine-tune small")
    pages = guarded.index.parent / "runs"
    title = Text(pages / "small--lora--boolq-v1--after-capitals-v1--n-500--seed-0.html").text
    assert "small · LoRA r16 · boolq after capitals · 500 samples · seed 0" in title
    assert (
        "small · zero-shot · boolq before tuning · seed 1"
        in Text(pages / "small--zero_shot--boolq-v1--before--seed-1.html").text
    )


def test_the_margin_of_a_board_is_a_point_unless_it_says_otherwise(tmp_path: Path) -> None:
    assert load_board(None).forgetting_margin == 1.0
    (tmp_path / "board.toml").write_text("forgetting_margin = 2.5\n")
    assert load_board(tmp_path).forgetting_margin == 2.5


# What a board makes of it

RATES: dict[tuple[str, Method], float] = {
    ("small", "zero_shot"): 0.3,
    ("small", "few_shot"): 0.5,
    ("small", "lora"): 0.85,
    ("small", "full"): 0.75,
}


def write_board(results: Path, *, lora: int, full: int) -> None:
    """A sweep in which LoRA scores most, with so many right answers on the guard task, of 150 of the base."""
    write_sweep(results, RATES, tasks=[CARD], n=200)
    write_base(results, 150)
    write_tuned(results, lora)
    for seed in SEEDS:
        write_result(results, guarding(make_run("small", "full", CARD, seed), BOOLQ), BOOLQ, shares(full))


def test_a_row_that_failed_is_ranked_and_not_advised_and_the_verdict_says_why(tmp_path: Path) -> None:
    write_board(tmp_path / "results", lora=100, full=155)
    published = publish(tmp_path / "results", tmp_path / "site")
    assert published.verdict.startswith("Fine-tune all weights of small.")
    assert "small · LoRA r16 scores more but is passed over: −25.0 (" in published.verdict
    assert "points on tasks it was not trained on; the limit is −1.0." in published.verdict
    assert row(published, "small", "lora")["rank_best"] == 1
    best = Text(published.index).text.partition("Best score")[2].partition("to train")[0]
    assert "full fine-tune" in best and "LoRA" not in best
    cost = Text(published.index.parent / "cost.html").text
    assert "small · LoRA r16 would come first but is passed over: it lost too much on guard tasks." in cost


def test_where_every_fine_tune_forgets_none_is_advised(tmp_path: Path) -> None:
    write_board(tmp_path / "results", lora=100, full=90)
    published = publish(tmp_path / "results", tmp_path / "site")
    assert published.verdict.startswith("Don’t tune: every fine-tune forgot too much.")
    assert "Every fine-tune lost more than 1 point on tasks that it was not trained on." in published.verdict
    cost = Text(published.index.parent / "cost.html").text
    assert "no fine-tune keeps what its base could do" in cost


def test_an_unresolved_guard_is_a_caveat(tmp_path: Path) -> None:
    write_board(tmp_path / "results", lora=148, full=155)
    verdict = publish(tmp_path / "results", tmp_path / "site").verdict
    assert verdict.startswith("Fine-tune small with LoRA")
    assert "May have forgotten something: −1.0 (" in verdict
    assert "A loss below 2" in verdict and "points could not have been detected." in verdict


def test_the_guard_stands_in_the_ranking_on_the_model_page_and_in_the_figures(tmp_path: Path) -> None:
    write_board(tmp_path / "results", lora=100, full=155)
    published = publish(tmp_path / "results", tmp_path / "site")
    ranking = lines(published.index, "ranking-table")
    assert "✗ −25.0 failed" in ranking[0] and "✓ +2.5 passed" in ranking[1]
    tuned = row(published, "small", "lora")
    assert (tuned["guard"], tuned["guard_change"]) == ("failed", pytest.approx(-0.25))
    assert row(published, "small", "few_shot")["guard"] is None
    lora, full = lines(published.index.parent / "models" / "small.html", "forgetting-table")
    assert lora.startswith("LoRA r16 ✗ −25.0 failed") and full.startswith("full fine-tune ✓ +2.5 passed")


def test_guard_runs_of_tasks_that_are_not_on_the_board_do_not_count(tmp_path: Path) -> None:
    write_board(tmp_path / "results", lora=155, full=155)
    write_sweep(tmp_path / "results", RATES, tasks=[OTHER], n=20)
    write_tuned(tmp_path / "results", 50, task=OTHER)
    (tmp_path / "board.toml").write_text('tasks = ["capitals"]\n', encoding="utf-8")
    alone = publish(tmp_path / "results", tmp_path / "site", board=tmp_path / "board.toml")
    assert row(alone, "small", "lora")["guard"] == "passed"
    both = publish(tmp_path / "results", tmp_path / "site")
    assert row(both, "small", "lora")["guard"] == "failed"


def test_without_guard_tasks_there_is_no_column(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", RATES, tasks=[CARD])
    published = publish(tmp_path / "results", tmp_path / "site")
    assert ">Guard<" not in published.index.read_text(encoding="utf-8")
    assert {one["guard"] for one in figures(published)["rows"]} == {None}
