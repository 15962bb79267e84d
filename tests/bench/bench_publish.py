"""Publishing at scale: `tox -e bench -- tests/bench/bench_publish.py`.

310 candidates (155 models, untuned and tuned) × 31 tasks × 3 seeds with 100 predictions each: 28,830 runs and
2.9 million predictions, invented. The site is built in processes of its own, as a user builds it, so that its
memory can be seen.
"""

import filecmp
import os
import re
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from reference import in_references, reference_seconds
from synthetic import make_run, task_card, write_result

import harness
from harness.records.binding import digest_of
from harness.records.predictions import PREDICTIONS
from harness.records.result import RESULT, PredictionsFile, Result
from harness.records.scores import MetricValue
from harness.sweep.methods import Method

MODELS, TASKS, SEEDS, SAMPLES = 155, 31, 3, 100
METHODS: tuple[Method, ...] = ("zero_shot", "lora")
MOST_REFERENCES, MOST_REFERENCES_AGAIN, MOST_BYTES = 200.0, 25.0, 2.5 * 2**30
INDEX_BYTES, PAGE_BYTES = 150 * 2**10, 300 * 2**10


@dataclass(frozen=True)
class Took:
    """One start of `gainboard publish`."""

    seconds: float
    cpu_seconds: float
    """Of all its processes: what counts on a machine that does other work besides."""

    peak_bytes: int
    """Of all its processes, each at its own peak."""


def publish(results: Path, out: Path, *options: str) -> Took:
    """In a process of its own, with a cache of its own."""
    cache = results.parent / "cache"
    environment = os.environ | {
        "PYTHONPATH": str(Path(harness.__file__).parents[1]),
        "GAINBOARD_CACHE": str(cache),
    }
    command = [
        sys.executable,
        "-m",
        "harness.cli",
        "publish",
        "--results",
        str(results),
        "--out",
        str(out),
        *options,
    ]
    started, spent = time.perf_counter(), _cpu_seconds()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peaks: dict[int, int] = {}
    while process.poll() is None:
        for pid in _family(process.pid):
            peaks[pid] = max(peaks.get(pid, 0), _resident(pid))
        time.sleep(0.2)
    assert process.stdout
    assert process.returncode == 0, process.stdout.read()
    return Took(time.perf_counter() - started, _cpu_seconds() - spent, sum(peaks.values()))


def republish(results: Path, out: Path, changed: Path) -> Took:
    """After a change to one result."""
    changed.write_text(changed.read_text().replace("invented.toml", "changed.toml"), encoding="utf-8")
    return publish(results, out)


def _cpu_seconds() -> float:
    """Of all processes that were started here and have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _family(pid: int) -> list[int]:
    """A process and its descendants."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                todo += map(int, children.read_text().split())
            except OSError:  # it has just ended
                continue
    return found


def _resident(pid: int) -> int:
    """Bytes of memory that lie in no file. Counters: to go through its pages would hold the process up, again
    and again."""
    try:
        fields = dict(re.findall(r"^(\w+):\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.M))
    except OSError:
        return 0
    return 1024 * (
        int(fields.get("RssAnon", 0)) + int(fields.get("RssShmem", 0))
    )  # one that has ended has none


def write_results(folder: Path) -> None:
    """All runs, by way of one of each kind."""
    generator = np.random.default_rng(0)
    difficulty = generator.normal(0, 1.2, (TASKS, SAMPLES))
    cards = [task_card(f"task_{number:02d}") for number in range(TASKS)]
    for model in range(MODELS):
        for method in METHODS:
            skill = generator.normal(0.8 if method == "lora" else -0.2, 0.5)
            kind = write_result(
                folder, make_run(f"model-{model:03d}", method, cards[0], 0), cards[0], [1.0, 0.0]
            )
            for card, hard in zip(cards, difficulty, strict=True):
                for seed in range(SEEDS):
                    effect = generator.normal(0, 0.2) if method == "lora" else 0.0
                    right = generator.random(SAMPLES) < 1 / (1 + np.exp(-(skill + hard + effect)))
                    _write(
                        folder,
                        kind,
                        make_run(f"model-{model:03d}", method, card, seed),
                        card,
                        right.astype(float),
                    )


def _write(folder: Path, kind: Result, run: Any, card: Any, scores: np.ndarray) -> None:
    value = float(scores.mean())
    stderr = float(scores.std(ddof=1) / len(scores) ** 0.5)
    metric = {
        "accuracy": MetricValue(
            value=value, stderr=stderr, low=max(0, value - 0.1), high=min(1, value + 0.1), n=SAMPLES
        )
    }
    trainings = tuple(training.model_copy(update={"key": run.recipe.key}) for training in kind.trainings)
    result = kind.model_copy(
        update={
            "key": run.key,
            "run": run,
            "task": card,
            "metrics": metric,
            "by_template": {"plain": metric},
            "trainings": trainings,
            "samples": replace(kind.samples, total=SAMPLES, scored=SAMPLES),
        }
    )
    place = folder / run.folder
    place.mkdir(parents=True, exist_ok=True)
    columns = {
        "sample_id": [f"sample-{number}" for number in range(SAMPLES)],
        "template": ["plain"] * SAMPLES,
        "draw": [0] * SAMPLES,
        "truncated": [0] * SAMPLES,
        "prompt": [f"Which country has this capital? City {number}\nAnswer:" for number in range(SAMPLES)],
        "target": [["France"]] * SAMPLES,
        "completion": [" France" if score else " Spain" for score in scores],
        "answer": ["France" if score else "Spain" for score in scores],
        "error": pyarrow.nulls(SAMPLES, pyarrow.string()),
        "score_accuracy": scores,
        "cluster": [""] * SAMPLES,
        "parsed": [True] * SAMPLES,
    }
    parquet.write_table(pyarrow.table(columns), place / PREDICTIONS)
    bound = PredictionsFile(rows=SAMPLES, sha256=digest_of(place / PREDICTIONS, inside=folder))
    text = result.model_copy(update={"predictions": bound}).model_dump_json()
    (place / RESULT).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large") / "results"
    write_results(folder)
    return folder


def test_a_board_of_28830_runs_is_published_in_minutes(benchmark: Any, results: Path) -> None:
    """And again after one changed result in a few seconds; the first page stays small, two builds are the
    same bytes."""
    assert len(list(results.glob("**/result.json"))) == MODELS * len(METHODS) * TASKS * SEEDS
    site, second = results.parent / "site", results.parent / "second"
    references = [reference_seconds()]
    first = benchmark.pedantic(publish, args=(results, site), rounds=1)
    references.append(reference_seconds())
    sizes = {page.relative_to(site): page.stat().st_size for page in site.rglob("*.html")}
    large = {str(page): size for page, size in sizes.items() if size > PAGE_BYTES}
    # Of three changes one after the other the quickest: what else a machine does only adds.
    changes = sorted(results.glob("model-000/lora/**/seed-0/result.json"))[:3]
    again = min((republish(results, site, change) for change in changes), key=lambda took: took.seconds)
    references.append(reference_seconds())
    fresh = publish(results, second, "--no-cache")
    whole, changed = in_references(first.seconds, references), in_references(again.seconds, references)
    benchmark.extra_info.update(
        seconds=first.seconds,
        references=whole,
        seconds_again=again.seconds,
        references_again=changed,
        peak_bytes=first.peak_bytes,
    )
    print(
        f"\npublished in {whole:.0f} references, again in {changed:.1f}; "
        f"{first.seconds:.0f} s ({first.cpu_seconds:.0f} s of CPU) and {first.peak_bytes / 2**30:.2f} GiB, "
        f"again in {again.seconds:.1f} s ({again.cpu_seconds:.1f} s) and {again.peak_bytes / 2**30:.2f} GiB; "
        f"{len(sizes):,} pages, the index {sizes[Path('index.html')] / 2**10:.0f} KiB, the largest "
        f"{max(sizes.values()) / 2**10:.0f} KiB; from nothing in {fresh.seconds:.0f} s"
    )
    assert same_files(site, second)
    assert sizes[Path("index.html")] <= INDEX_BYTES
    assert not large
    assert whole <= MOST_REFERENCES
    assert first.peak_bytes <= MOST_BYTES
    assert changed <= MOST_REFERENCES_AGAIN
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20
    )  # this process is not the one that is measured


def same_files(first: Path, second: Path) -> bool:
    """Whether two folders hold the same files with the same bytes."""
    names = [
        sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        for folder in (first, second)
    ]
    return names[0] == names[1] and all(
        filecmp.cmp(first / name, second / name, shallow=False) for name in names[0]
    )
