"""What a task's author waits for: `tox -e bench`."""

import csv
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from reference import in_references, reference_seconds

import harness

ROWS = 10_000
MOST_REFERENCES_FOR_A_NEW_TASK, MOST_REFERENCES_FOR_ALL_TASKS = 8.0, 40.0
MOST_REFERENCES_FOR_A_SWEEP = 10.0


def gainboard(folder: Path, *arguments: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(harness.__file__).parents[1])}
    command = [sys.executable, "-m", "harness.cli", *arguments]
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_a_csv_of_ten_thousand_rows_becomes_a_checked_task(benchmark: Any, tmp_path: Path) -> None:
    draws = random.Random(0)
    words = [f"word{number}" for number in range(3000)]
    with (tmp_path / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows(
            (" ".join(draws.choices(words, k=25)), f"label {index % 7}") for index in range(ROWS)
        )
    folders = iter(range(100))

    def new_and_check() -> None:
        tasks = f"tasks-{next(folders)}"
        table = ["--from", "data.csv", "--input", "text", "--target", "label"]
        gainboard(tmp_path, "new", "tickets", *table, "--tasks-dir", tasks)
        gainboard(tmp_path, "check", "tickets", "--tasks-dir", tasks)

    before = reference_seconds()
    benchmark.pedantic(new_and_check, rounds=3)
    references = in_references(benchmark.stats.stats.median, [before, reference_seconds()])
    print(f"\na checked task after {benchmark.stats.stats.median:.1f} s, {references:.1f} references")
    assert references <= MOST_REFERENCES_FOR_A_NEW_TASK


def test_all_bundled_tasks_are_checked_offline(benchmark: Any, tmp_path: Path) -> None:
    before = reference_seconds()
    benchmark.pedantic(gainboard, args=(tmp_path, "check"), rounds=1)
    references = in_references(benchmark.stats.stats.max, [before, reference_seconds()])
    print(f"\nall tasks checked in {benchmark.stats.stats.max:.1f} s, {references:.1f} references")
    assert references <= MOST_REFERENCES_FOR_ALL_TASKS


def test_a_sweep_and_its_models_are_checked(benchmark: Any, tmp_path: Path) -> None:
    """Tokenizers, chat templates and configurations of two toys are looked at in a process of their own."""
    before = reference_seconds()
    benchmark.pedantic(gainboard, args=(tmp_path, "check", "quickstart"), rounds=3)
    references = in_references(benchmark.stats.stats.median, [before, reference_seconds()])
    print(f"\na sweep checked in {benchmark.stats.stats.median:.1f} s, {references:.1f} references")
    assert references <= MOST_REFERENCES_FOR_A_SWEEP
