"""Loading and rendering a large task: `tox -e bench`.

The work runs in a process of its own on one core, so that its peak memory is its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from reference import in_references, reference_seconds

import harness

SAMPLES = 100_000
MOST_REFERENCES, MOST_BYTES = 14.0, 2**30

PROGRAM = """
import json, random, resource, sys, time
from pathlib import Path
from harness import PromptSet, Sample, Splits, Task
from harness.data.dataset import load_dataset, training_subset
from harness.task.prompts import prompt_row

WORDS = [f"word{{number}}" for number in range(5000)]
CLASSES = tuple(f"class {{index}}" for index in range(4))
draws = random.Random(0)

def rows(count, first):
    return [
        {{"text": " ".join(draws.choices(WORDS, k=50)) + f" {{first + index}}", "label": f"class {{index % 4}}"}}
        for index in range(count)
    ]

splits = Splits(rows({samples} - 2000, 0), rows(1000, {samples}), rows(1000, 2 * {samples}))
task = Task(
    name="large", version=1, description="A large task.", data=lambda: splits,
    to_sample=lambda row, index: Sample(str(index), {{"text": row["text"]}}, row["label"], CLASSES),
    prompts=PromptSet({{"plain": "Which class has this text?\\n{{text}}", "short": "{{text}}\\nClass?"}}),
    output="choice", metrics=("accuracy",), primary_metric="accuracy", chance=0.25,
)
started = time.monotonic()
dataset = load_dataset(task)
with Path(sys.argv[1]).open("w") as file:
    for samples in (training_subset(dataset.train, None), dataset.dev, dataset.test):
        for sample in samples:
            file.write(json.dumps(prompt_row(task.prompts, sample, "plain")) + "\\n")
seconds = time.monotonic() - started
print(json.dumps({{"seconds": seconds, "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}}))
"""


def test_a_hundred_thousand_samples_are_loaded_checked_and_rendered(benchmark: Any, tmp_path: Path) -> None:
    program = PROGRAM.format(samples=SAMPLES)
    environment = os.environ | {"PYTHONPATH": str(Path(harness.__file__).parents[1])}
    command = [sys.executable, "-c", program, str(tmp_path / "rendered.jsonl")]
    measured: list[dict[str, float]] = []

    def load_and_render() -> None:
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        measured.append(json.loads(finished.stdout))

    before = reference_seconds()
    benchmark.pedantic(load_and_render, rounds=3)
    best = min(measured, key=lambda record: record["seconds"])
    benchmark.extra_info |= best
    assert sum(1 for _ in (tmp_path / "rendered.jsonl").open()) == SAMPLES
    references = in_references(best["seconds"], [before, reference_seconds()])
    print(f"\n{best['seconds']:.1f} s, {references:.1f} references; {best['peak_bytes'] / 2**30:.2f} GiB")
    assert references <= MOST_REFERENCES
    assert best["peak_bytes"] <= MOST_BYTES
