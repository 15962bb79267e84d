"""Planning the largest published comparison's size: `tox -e bench -- tests/bench/bench_plan.py`.

310 models × 31 tasks × 3 seeds are 28,830 runs; they must be planned, and their cost told, in 7 times the
reference's seconds and 500 MiB.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from reference import in_references, reference_seconds

MODELS, TASKS, SEEDS = 310, 31, 3
MOST_REFERENCES, MOST_BYTES = 7.0, 500 * 2**20

PROGRAM = """
import json, resource, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from toy_task import adding
import dataclasses
from harness.sweep.sweep import Sweep
from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.plan.estimate import Estimator
from harness.plan.groups import group_runs
from harness.plan.runs import is_done, make_runs

tasks = {{}}
for number in range({task_count}):
    task = dataclasses.replace(adding(), name=f"task_{{number}}")
    tasks[task.name] = LoadedTask(task, load_dataset(task))
sweep = Sweep.model_validate({{
    "name": "large", "tasks": list(tasks), "seeds": list(range({seeds})),
    "candidates": [
        {{"name": f"model-{{n}}", "model": f"owner/model-{{n}}-7b", "methods": ["lora"]}} for n in range({models})
    ],
}})
started = time.perf_counter()
runs = make_runs(sweep, tasks, fingerprint=lambda model, revision: model, limit=None)
groups = group_runs(runs)
estimator = Estimator(tasks)
rows = [estimator.forecast(run, done=is_done(Path("nowhere"), run)) for run in runs]
seconds = time.perf_counter() - started
print(json.dumps({{
    "runs": len(runs), "groups": len(groups), "seconds": seconds,
    "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "device_seconds": sum(row.device_seconds for row in rows), "train_tokens": sum(row.train_tokens for row in rows),
}}))
"""


def test_a_plan_of_28830_runs_takes_seconds(benchmark: Any) -> None:
    program = PROGRAM.format(
        tests=str(Path(__file__).parents[1]), models=MODELS, task_count=TASKS, seeds=SEEDS
    )

    def plan() -> dict[str, Any]:
        finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        return dict(json.loads(finished.stdout))

    before = reference_seconds()
    planned = benchmark.pedantic(plan, rounds=1)
    references = in_references(planned["seconds"], [before, reference_seconds()])
    benchmark.extra_info.update(planned, references=references)
    print(f"\n{references:.1f} references: {planned}")
    assert (planned["runs"], planned["groups"]) == (MODELS * TASKS * SEEDS, MODELS)
    assert references <= MOST_REFERENCES
    assert planned["bytes"] <= MOST_BYTES
    assert planned["device_seconds"] > 0
