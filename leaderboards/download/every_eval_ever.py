"""A board as records of Every Eval Ever, schema 0.3: the EvalEval coalition's shared format of evaluation
results.

One file for each candidate, with a result for each task: the mean of its primary metric over seeds and
samples. The schema has no fields for tuning and cost; they stand under its `additional_details` and
`details`, which map names to texts. Paths are those of its datastore,
`data/<collection>/<developer>/<model>/<uuid>.json`.
"""

import datetime
import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.records.scores import MetricCard, TaskCard
from harness.statistics import CONFIDENCE, Estimate
from harness.sweep.run import Candidate
from harness.task.metric import Scale
from harness.visible import visible
from leaderboards.gathered import Site
from leaderboards.money.ledger import Entry
from leaderboards.rank.cells import Cell
from leaderboards.rank.tables import Row
from leaderboards.text import slug

SCHEMA_VERSION = "0.3.0"
TOYS = "gainboard/"
"""How ids of toy models begin."""

UNKNOWN = "unknown"


def records(site: Site) -> dict[str, str]:
    """Every candidate of the table that has a score, by path; the same table gives the same texts and
    paths."""
    texts = {}
    for entry in site.ledger.entries:
        results = [
            _result(site, entry.row, task, cell) for task, cell in entry.row.cells.items() if cell.estimate
        ]
        if results:
            record = _record(site, entry, results)
            texts[_path(site, record)] = (
                json.dumps(record, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
            )
    return texts


def _path(site: Site, record: Mapping[str, Any]) -> str:
    developer, _, model = record["model_info"]["id"].partition("/")
    digest = hashlib.sha256(record["evaluation_id"].encode("utf-8", "surrogatepass")).digest()
    # The datastore takes random UUIDs only; this one looks like it, and is the same each time.
    name = uuid.UUID(bytes=digest[:16], version=4)
    return f"data/{_collection(site)}/{slug(developer)}/{slug(model)}/{name}.json"


def _collection(site: Site) -> str:
    return slug(f"gainboard-{'-'.join(site.board.title.lower().split())}")


def _record(site: Site, entry: Entry, results: list[dict[str, Any]]) -> dict[str, Any]:
    row = entry.row
    result = row.results[0]
    moment = _moment(row)
    # A site knows no clock: the record is as old as the newest run in it.
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": visible(f"{_collection(site)}/{row.name}/{row.method}/{moment}"),
        "evaluation_timestamp": moment,
        "retrieved_timestamp": moment,
        "source_metadata": {
            "source_name": visible(site.board.title),
            "source_type": "evaluation_run",
            "source_organization_name": UNKNOWN,
            # Who fine-tuned it is who scored it; of a base that is not known.
            "evaluator_relationship": "first_party" if row.tuned else "other",
        },
        "eval_library": {"name": "gainboard", "version": result.provenance.gainboard},
        "model_info": _model(site, entry),
        "evaluation_results": results,
    }


def _moment(row: Row) -> str:
    """When the newest run was finished, in seconds since 1970; 0 where none says so."""
    moments = [0]
    for result in row.results:
        try:
            finished = datetime.datetime.fromisoformat(result.provenance.finished_at)
        except ValueError:  # somebody else's result
            continue
        moments.append(int(finished.replace(tzinfo=finished.tzinfo or datetime.UTC).timestamp()))
    return str(max(moments))


def _model(site: Site, entry: Entry) -> dict[str, Any]:
    row, spent = entry.row, entry.spend
    result = row.results[0]
    base = _hub_id(result.run.candidate)
    engine = result.provenance.engine
    release = result.provenance.packages.get(engine)
    money = {
        "prices_as_of": str(site.prices.as_of),
        "train_usd": spent.training.mid if spent.training and row.tuned else None,
        "train_device_hours": spent.device_seconds / 3600 if row.tuned else None,
        "all_in_usd": entry.bill.price.mid if entry.bill.price and row.tuned else None,
        "all_in_device_hours": entry.bill.spent.seconds / 3600 if row.tuned else None,
        "serve_usd_per_1k_requests": 1000 * spent.request.mid if spent.request else None,
        "requests_per_second": spent.requests_per_second,
        "device": spent.device,
        "break_even_requests_over_few_shot": entry.over_few.requests if entry.over_few else None,
    }
    tuning = {
        "method": row.method,
        "method_name": row.method_name,
        "base_model": base,
        "base_revision": result.run.candidate.revision,
        "base_parameters": site.base_parameters.get(row.name),
        "ensemble_members": row.members or None,
        "tuned": row.tuned,
    }
    return {
        "name": visible(row.label),
        # A fine-tune is another model than its base; its weights may have no name on the hub.
        "id": f"{base}+{row.method}" if row.tuned else base,
        "inference_engine": {"name": engine, **({"version": release} if release else {})},
        "additional_details": {
            "deployment_type": "self_deployed",
            "model_availability": "open_weights" if result.run.candidate.revision else UNKNOWN,
            **_texts({f"tuning.{name}": value for name, value in tuning.items()}),
            **_texts({f"cost.{name}": value for name, value in money.items()}),
        },
    }


def _hub_id(candidate: Candidate) -> str:
    """`developer/model`; of a folder, whose path is nobody else's business, its name alone."""
    if candidate.revision or candidate.model.startswith(TOYS):
        return visible(candidate.model)
    return f"{UNKNOWN}/{visible(Path(candidate.model).name) or UNKNOWN}"


def _result(site: Site, row: Row, task: str, cell: Cell) -> dict[str, Any]:
    card, run = cell.results[0].task, cell.results[0].run
    assert cell.estimate, "a cell without a score has no record"
    estimate = _in_own_unit(cell.estimate, card.metrics[card.primary_metric].scale)
    return {
        "evaluation_result_id": visible(f"{row.name}/{row.method}/{task}/{card.primary_metric}"),
        "evaluation_name": visible(task),
        "source_data": _source(card),
        "metric_config": _metric(card, card.metrics[card.primary_metric]),
        "score_details": {
            "score": estimate.value,
            "details": _details(site, row, task, cell),
            "uncertainty": _uncertainty(estimate),
        },
        "generation_config": {
            "generation_args": {
                "temperature": run.generation.temperature,
                "top_p": run.generation.top_p,
                **({"max_tokens": run.generation.max_tokens} if run.generation.max_tokens else {}),
                "execution_command": visible(cell.results[0].provenance.command),
            },
            "additional_details": _texts(
                {
                    "templates": list(run.templates),
                    "num_fewshot": run.num_fewshot,
                    "demonstrations": run.demonstrations,
                    "draws": run.generation.n,
                    "chat_template_kwargs": run.candidate.chat_template_kwargs or None,
                    "max_thought_tokens": run.candidate.max_thought_tokens,
                    "split": run.split,
                    "seeds": list(cell.seeds),
                }
            ),
        },
    }


def _source(card: TaskCard) -> dict[str, Any]:
    details = _texts({"version": card.version, "license": card.license, "test_samples": card.n_test})
    if card.reference and re.fullmatch(r"https?://\S+", card.reference):
        place: dict[str, Any] = {"source_type": "url", "url": [visible(card.reference)]}
    else:
        place = {"source_type": "other"}
    return {"dataset_name": visible(card.name), **place, "additional_details": details}


def _metric(card: TaskCard, metric: MetricCard) -> dict[str, Any]:
    return {
        "evaluation_description": visible(f"{card.description} Metric: {metric.description}."),
        "metric_id": visible(card.primary_metric),
        "metric_name": visible(card.primary_metric),
        "lower_is_better": not metric.higher_is_better,
        "score_type": "continuous",
        # JSON has no infinity; the schema spells it out.
        "min_score": "-Infinity" if metric.low is None else metric.low,
        "max_score": "Infinity" if metric.high is None else metric.high,
        "additional_details": _texts({"chance": card.chance, "binary_samples": card.binary}),
    }


def _in_own_unit(estimate: Estimate, scale: Scale) -> Estimate:
    """An estimate on a board's scale, as the metric gives it."""
    if scale.is_share:
        return estimate
    low, high = sorted((scale.value(estimate.low), scale.value(estimate.high)))
    width = abs(scale.best - scale.worst)
    stderr = None if estimate.stderr is None else estimate.stderr * width
    return replace(estimate, value=scale.value(estimate.value), low=low, high=high, stderr=stderr)


def _uncertainty(estimate: Estimate) -> dict[str, Any]:
    method = "samples and seeds as crossed random effects" if estimate.seeds > 1 else "samples of one seed"
    error = (
        {}
        if estimate.stderr is None
        else {"standard_error": {"value": estimate.stderr, "method": f"analytic: {method}"}}
    )
    return {
        **error,
        "confidence_interval": {
            "lower": estimate.low,
            "upper": estimate.high,
            "confidence_level": CONFIDENCE,
            "method": method,
        },
        "num_samples": estimate.n,
    }


def _details(site: Site, row: Row, task: str, cell: Cell) -> dict[str, str]:
    """What tuning gained on the task, and what it was."""
    run, training = cell.results[0].run, cell.results[0].training
    details: dict[str, Any] = {"seeds": len(cell.results), "samples_asked": cell.total}
    for method in ("few_shot", "zero_shot"):
        gain = site.table.gain_on(task, row, method)
        if gain is not None:
            named = f"gain_over_{method}"
            details |= {named: gain.value, f"{named}_low": gain.low, f"{named}_high": gain.high}
    if row.tuned:
        details |= {
            "tuning.n_train": run.n_train,
            "tuning.trained_tokens": round(
                sum(result.cost.train_tokens for result in cell.results) / len(cell.results)
            ),
            "tuning.trainable_parameters": training.trainable_parameters if training else None,
            "tuning.settings": run.training.model_dump(mode="json") if run.training else None,
            "cost.train_seconds": sum(result.cost.seconds.get("train", 0.0) for result in cell.results)
            / len(cell.results),
            "cost.train_flops": sum(result.cost.train_flops for result in cell.results) / len(cell.results),
        }
    return _texts(details)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """All values as texts, which is what the schema's free fields take; what is missing is left out."""
    return {
        name: visible(value if isinstance(value, str) else json.dumps(value, sort_keys=True))
        for name, value in values.items()
        if value is not None
    }
