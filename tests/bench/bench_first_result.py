"""When the first result of a very large sweep comes: `tox -e bench -- tests/bench/bench_first_result.py`.

100,000 runs of one base model are planned (25 tasks × 4,000 seeds, zero-shot), and a real engine answers. Until
the first result is there, no more than a portion's prompts may be rendered, and planning, checks, the start of the
engine and that portion may take `MOST_REFERENCES` times the reference's seconds and `MOST_BYTES` of the driver.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from reference import in_references, reference_seconds

from harness.driver.group import RUNS_AT_ONCE

TASKS, SEEDS = 25, 4_000
MOST_REFERENCES, MOST_BYTES = 60.0, 1000 * 2**20

PROGRAM = """
import dataclasses, json, os, resource, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from rich.console import Console
from toy_task import adding
from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.driver.executors import LocalExecutor
from harness.driver.loop import run_sweep
from harness.driver.outcome import Folders
from harness.driver.progress import SweepProgress
from harness.plan.runs import make_runs
from harness.sweep.models import fingerprint
from harness.sweep.settings import EngineSettings
from harness.sweep.sweep import Sweep

folder = Path({folder!r})
tasks = {{}}
for number in range({task_count}):
    task = dataclasses.replace(adding(), name=f"task_{{number}}")
    tasks[task.name] = LoadedTask(task, load_dataset(task))
sweep = Sweep.model_validate({{
    "name": "large", "tasks": list(tasks), "seeds": list(range({seeds})),
    "candidates": [{{"name": "toy", "model": "gainboard/toy-llama", "methods": ["zero_shot"]}}],
}})
started = time.perf_counter()
seconds = {{}}

def hear(event):
    moment = event["event"] if event["event"] == "finished" else event.get("phase", "")
    seconds.setdefault(moment, time.perf_counter() - started)
    if event["event"] == "progress" and {show!r}:
        print(moment, event["done"], round(time.perf_counter() - started, 1), file=sys.stderr, flush=True)
    if event["event"] == "finished":
        print(json.dumps({{
            "runs": len(runs), "seconds": seconds, "rendered": len(list(folder.glob("work/*/prompts.jsonl"))),
            "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }}), flush=True)
        os._exit(0)  # the worker ends with its driver

runs = make_runs(sweep, tasks, fingerprint=fingerprint, limit=None)
seconds["planned"] = time.perf_counter() - started
run_sweep(
    runs, tasks, Folders(folder / "results", folder / "work"), engine="transformers", settings=EngineSettings(),
    progress=SweepProgress(Console(quiet=True), emit=hear), executor=LocalExecutor(1),
)
"""


def program(folder: Path, *, tasks: int = TASKS, seeds: int = SEEDS, show: bool = False) -> str:
    """What plans and starts the sweep, prints when what happened, and ends with the first result."""
    tests = str(Path(__file__).parents[1])
    return PROGRAM.format(tests=tests, folder=str(folder), task_count=tasks, seeds=seeds, show=show)


def test_the_first_of_100000_results_comes_before_the_others_are_rendered(
    benchmark: Any, tmp_path: Path
) -> None:
    def first_result() -> dict[str, Any]:
        command = [sys.executable, "-c", program(tmp_path)]
        finished = subprocess.run(command, capture_output=True, text=True, check=True)
        return dict(json.loads(finished.stdout))

    before = reference_seconds()
    first = benchmark.pedantic(first_result, rounds=1)
    references = in_references(first["seconds"]["finished"], [before, reference_seconds()])
    benchmark.extra_info.update(first, references=references)
    print(f"\n{references:.1f} references: {first}")
    assert (first["runs"], first["rendered"]) == (TASKS * SEEDS, RUNS_AT_ONCE)
    assert references <= MOST_REFERENCES
    assert first["bytes"] <= MOST_BYTES
