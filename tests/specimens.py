"""A whole record of every kind that results have, for tests that change a part of it."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from synthetic import (
    guarding,
    make_run,
    searched,
    task_card,
    write_ensemble,
    write_failure,
    write_result,
)

from harness.records.generation import BosRecord, GuardRecord
from harness.records.predictions import PREDICTIONS
from harness.records.preflight import PreflightFinding
from harness.records.result import FAILURE, RESULT, Result
from harness.records.scores import MetricValue, StepRecord
from harness.records.store import write_record
from harness.records.training import ResourceUse
from harness.sweep.run import Run
from leaderboards.elsewhere.scores import IMPORTED, Imported, ImportedMetric, Source

Place = tuple[str | int, ...]
"""Where a part of a record is: `("run", "stages", 0, "tuner")`."""

MISSING = object()
"""Stands for taking a part away."""


def parts(record: Any, path: Place = ()) -> Iterator[Place]:
    """Every part of a record; of a long list its first two items stand for all."""
    if path:
        yield path
    if isinstance(record, dict):
        for name, value in record.items():
            yield from parts(value, (*path, name))
    elif isinstance(record, list):
        for place, value in enumerate(record[:2]):
            yield from parts(value, (*path, place))


def changed(record: Any, path: Place, value: Any) -> Any:
    """A copy of a record with one part changed."""
    copied = copy.deepcopy(record)
    part = copied
    for step in path[:-1]:
        part = part[step]
    if value is MISSING:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return copied


@dataclass(frozen=True)
class Specimen:
    """A whole record of one kind, with where it lies and what lies beside it."""

    name: str
    file: str
    record: dict[str, Any]
    predictions: bytes | None = None

    def write(self, results: Path, number: int, path: Place, value: Any) -> Path:
        """Write it with one part changed, of a candidate of its own."""
        candidate = f"m{number:05}"
        if self.file == IMPORTED:
            record = changed(self.record, ("candidate",), candidate)
            folder = results / Imported.model_validate(record).folder
        else:
            record = changed(self.record, ("run", "candidate", "name"), candidate)
            record["key"] = f"{number:016x}"
            folder = results / Run.model_validate(record["run"]).folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.file).write_text(json.dumps(changed(record, path, value)), encoding="utf-8")
        if self.predictions is not None:
            (folder / PREDICTIONS).write_bytes(self.predictions)
        return folder / self.file


SCORES = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]


def make_specimens(folder: Path) -> list[Specimen]:
    """A record of every kind, with as many of its parts as there can be."""
    card = task_card(
        steps=(StepRecord(step="dedupe", split="train", before=9, after=8, changed=1),),
        reviewed=0.5,
        reference="https://example.org",
    )
    results = folder / "specimens"
    run, selection = searched(make_run("small", "dora", card, 0), scores={1e-3: 0.5, 1e-2: None, 3e-3: 0.6})
    written = _enriched(results, write_result(results, run, card, SCORES, selection=selection))
    meta = write_result(results, make_run("small", "meta", card, 0), card, SCORES)
    prompted = write_result(results, make_run("small", "few_shot", card, 0), card, SCORES)
    lora = [write_result(results, make_run("small", "lora", card, seed), card, SCORES) for seed in (0, 1)]
    soup = write_ensemble(results, "small", "soup", lora, SCORES)
    guard = write_result(results, guarding(lora[0].run, task_card("rivers")), task_card("rivers"), SCORES)
    found = [
        _specimen(results, name, result)
        for name, result in {
            "searched": written, "meta": meta, "prompted": prompted, "soup": soup, "guard": guard,
        }.items()
    ]  # fmt: skip
    failed = make_run("small", "full", card, 0)
    write_failure(results, failed, spent=ResourceUse(seconds=5.0, tokens=10, flops=1e9))
    record = json.loads((results / failed.folder / FAILURE).read_text(encoding="utf-8"))
    imported = json.loads(_imported().model_dump_json())
    return [*found, Specimen("failure", FAILURE, record), Specimen("imported", IMPORTED, imported)]


def _specimen(results: Path, name: str, result: Result) -> Specimen:
    folder = results / result.run.folder
    record = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return Specimen(name, RESULT, record, (folder / PREDICTIONS).read_bytes())


def _enriched(results: Path, result: Result) -> Result:
    """With all that a result may have."""
    generation = result.generation.model_copy(
        update={
            "template_date": date(2026, 1, 1),
            "uncached_requests_per_second": 10.0,
            "energy_joules": 5.0,
            "guards": (GuardRecord(name="base_repeats", passed=True, value=0.1, bound=0.5, reason="fine"),),
            "bos": BosRecord(token="<s>", began=True, loss_with=3.0, loss_without=3.5),
        }
    )
    value = next(iter(result.metrics.values()))
    detailed = MetricValue(
        value=value.value,
        stderr=value.stderr,
        low=value.low,
        high=value.high,
        n=value.n,
        details={"f1 a": 0.5},
    )
    update = {
        "generation": generation,
        "metrics": {"accuracy": detailed},
        "preflight": (
            PreflightFinding(
                severity="warn", fact="bos", candidate="small", task="capitals", sentence="It has none."
            ),
        ),
        "failed_before": ResourceUse(seconds=3.0, tokens=5, flops=1e9),
    }
    enriched = result.model_copy(update=update)
    write_record(results / result.run.folder / RESULT, enriched)
    return enriched


def _imported() -> Imported:
    source = Source(
        program="lm-eval", version="0.4.9", git_hash="abc", file="results.json", sha256="0" * 64,
        date="2026-01-01T00:00:00+00:00", settings={"model": "hf"},
    )  # fmt: skip
    metric = ImportedMetric(
        name="acc", filter="none", value=0.8, stderr=0.01, higher_is_better=True, low=0.7, high=0.9
    )
    return Imported(
        candidate="other", model="invented/other", task="capitals", task_version="1", num_fewshot=5, n=872,
        metrics=(metric,), source=source,
    )  # fmt: skip
