"""Successive halving against the full grid: `tox -e bench -- tests/bench/bench_search.py`.

Twenty settings of a toy, chosen on dev both ways and scored on test with three seeds that chose nothing: halving
must train at most a quarter of the grid's tokens, and the mean score of its choice must come within a point of
that of the grid's. One seed would judge its own luck: at a rate that is too high seeds end tens of points apart.

Both are whole sweeps as a user runs them, side by side: each takes one core.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import Any

import harness
from harness.records.result import Result
from harness.records.store import read_record
from harness.records.training import Selection

MOST_TOKENS, MOST_LOST = 1 / 4, 0.01

SWEEP = """
name = "search"
tasks = ["date_normalise"]
seeds = [0, 1, 2]
n_train = 600

[defaults.training]
num_train_epochs = 2
per_device_train_batch_size = 8
lr_scheduler_type = "constant_with_warmup"
eval_steps = 0.1

[defaults.full]
learning_rate = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 3e-2]
weight_decay = [0.0, 0.1]

[search]
{search}

[[candidates]]
name = "toy"
model = "gainboard/toy-qwen3"
methods = ["full"]
"""


def run(place: Path, search: str) -> list[Result]:
    """The results of the setting that a search chose, one per seed."""
    place.mkdir()
    (place / "sweep.toml").write_text(SWEEP.format(search=search))
    environment = os.environ | {"PYTHONPATH": str(Path(harness.__file__).parents[1])}
    command = [sys.executable, "-m", "harness.cli", "run", "sweep.toml"]
    finished = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    return [read_record(path, Result) for path in sorted((place / "results").glob("**/result.json"))]


def selection_of(results: list[Result]) -> Selection:
    """How the setting of all seeds was chosen."""
    selection = results[0].selection
    assert selection is not None
    return selection


def test_halving_finds_what_the_grid_finds_for_a_quarter_of_its_tokens(
    benchmark: Any, tmp_path: Path
) -> None:
    places = [tmp_path / "grid", tmp_path / "halved"]
    with ThreadPoolExecutor(len(places)) as pool:
        grid, halved = benchmark.pedantic(
            lambda: list(pool.map(run, places, ["rungs = 1", "rungs = 3\nreduction_factor = 3"])), rounds=1
        )
    searches = [selection_of(results) for results in (grid, halved)]
    assert [len(search.trials) for search in searches] == [20, 20]
    share = searches[1].spent.tokens / searches[0].spent.tokens
    scores = [
        [result.metrics[result.task.primary_metric].value for result in results] for results in (grid, halved)
    ]
    assert [len(seeds) for seeds in scores] == [3, 3]
    benchmark.extra_info.update(token_share=share, grid_scores=scores[0], halved_scores=scores[1])
    print(f"\ntokens {share:.3f} of the grid's")
    for name, search, seeds in zip(("grid", "halving"), searches, scores, strict=True):
        for trial in search.trials:
            print(f"{name}: {trial.settings} {trial.shares} {trial.scores} {trial.losses}")
        print(f"{name} chose {search.trials[search.chosen].settings}: {fmean(seeds):.3f} on test, {seeds}")
    assert share <= MOST_TOKENS
    assert fmean(scores[1]) >= fmean(scores[0]) - MOST_LOST
