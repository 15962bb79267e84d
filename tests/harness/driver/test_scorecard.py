"""The card beside weights says what they scored and gained, as the leaderboard would."""

from pathlib import Path

from installed import need
from synthetic import draw_scores, make_run, task_card, training_record, write_result
from toy_models import QUICK, fit_job

from harness.driver.scorecard import write_card
from harness.records.store import read_results, write_record
from harness.statistics import cluster_numbers, gain
from harness.sweep.model_files import TRAINING

need("huggingface_hub", reason="needs the train extra")

N = 40


def test_samples_of_one_cluster_count_as_one_in_a_gain(tmp_path: Path) -> None:
    card, passages = task_card(), [f"passage {place // 8}" for place in range(N)]
    scores = {"zero_shot": draw_scores(0.3, N, 0), "lora": draw_scores(0.8, N, 0)}
    for method in ("zero_shot", "lora"):
        write_result(
            tmp_path / "results", make_run("small", method, card, 0), card, scores[method], clusters=passages
        )
    tuned, untuned = sorted(read_results(tmp_path / "results"), key=lambda one: one.run.candidate.method)
    fit = fit_job(tmp_path, "lora", QUICK)
    assert tuned.run.recipe
    fit.weights.mkdir(parents=True)
    write_record(fit.weights / TRAINING, training_record(tuned.run.recipe))
    write_card(fit, [(tuned, [untuned])], base=str(tmp_path), results=tmp_path / "results")
    found = gain(scores["lora"], scores["zero_shot"], binary=True, clusters=cluster_numbers(passages))
    told = f"| capitals | accuracy | zero_shot | {found.value:+.4g} | {found.low:.4g} to {found.high:.4g} | {N} |"
    assert told in (fit.weights / "README.md").read_text(encoding="utf-8")
    alone = gain(scores["lora"], scores["zero_shot"], binary=True)
    assert (found.low, found.high) != (alone.low, alone.high)
