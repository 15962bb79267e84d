"""Successive halving against the full grid: `tox -e bench -- tests/bench/bench_search.py`.

Sixteen settings of a toy, chosen on dev both ways and scored on test: halving must come within a point of the
grid's choice with a quarter of its trained tokens. Both are whole sweeps as a user runs them.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import harness
from harness.records.result import Result
from harness.records.store import read_record

MOST_TOKENS, MOST_LOST = 1 / 4, 0.01

SWEEP = """
name = "search"
tasks = ["date_normalise"]
seeds = [0]
n_train = 1200

[defaults.training]
num_train_epochs = 2
per_device_train_batch_size = 8
lr_scheduler_type = "constant_with_warmup"
eval_steps = 0.5

[defaults.full]
learning_rate = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2]
weight_decay = [0.0, 0.1]

[search]
{search}

[[candidates]]
name = "toy"
model = "gainboard/toy-qwen3"
methods = ["full"]
"""


def run(place: Path, search: str) -> Result:
    """The result of the setting that a search chose."""
    place.mkdir()
    (place / "sweep.toml").write_text(SWEEP.format(search=search))
    environment = os.environ | {"PYTHONPATH": str(Path(harness.__file__).parents[1])}
    command = [sys.executable, "-m", "harness.cli", "run", "sweep.toml"]
    finished = subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    (path,) = (place / "results").glob("**/result.json")
    return read_record(path, Result)


def test_halving_finds_what_the_grid_finds_for_a_quarter_of_its_tokens(
    benchmark: Any, tmp_path: Path
) -> None:
    grid = run(tmp_path / "grid", "rungs = 1")
    halved = benchmark.pedantic(run, args=(tmp_path / "halved", "rungs = 3\nreduction_factor = 3"), rounds=1)
    assert grid.selection is not None and halved.selection is not None
    assert len(grid.selection.trials) == len(halved.selection.trials) == 16
    share = halved.selection.spent.tokens / grid.selection.spent.tokens
    scores = [result.metrics[result.task.primary_metric].value for result in (grid, halved)]
    chosen = [
        result.selection.trials[result.selection.chosen].settings
        for result in (grid, halved)
        if result.selection
    ]
    benchmark.extra_info.update(token_share=share, grid_score=scores[0], halved_score=scores[1])
    print(
        f"\ntokens {share:.3f} of the grid's; test score {scores[1]:.3f} against {scores[0]:.3f}; chosen {chosen}"
    )
    assert share <= MOST_TOKENS
    assert scores[1] >= scores[0] - MOST_LOST
