"""Scores as the model hub reads them from a model card: a `model-index`, one file for each set of tuned
weights.

The contents go into the header of the card beside the weights. JSON is YAML, so that no library is needed to
quote.
"""

import json
import math
from typing import Any

from harness.records.result import Result
from harness.visible import visible
from leaderboards.gathered import Site
from leaderboards.rank.comparable import groups
from leaderboards.text import slug


def records(site: Site) -> dict[str, str]:
    """The scores of all trusted weights that were trained, by file; a mixture of tasks has all its tasks in
    one."""
    tuned = [result for result in site.results if result.run.recipe is not None and result.untrusted is None]
    texts = {}
    for shared in groups(tuned, lambda result: result.run.recipe.key if result.run.recipe else ""):
        shared.sort(key=lambda result: result.run.guard is not None)  # first what they were trained for
        results = [entry for result in shared if (entry := _entry(result))["metrics"]]
        if results:
            name = "-".join((shared[0].run.guarded or shared[0].run.folder).parts)
            index = [{"name": visible(name), "results": results}]
            text = json.dumps({"model-index": index}, indent=2, ensure_ascii=False, allow_nan=False)
            texts[f"{slug(name)}.yaml"] = f"{text}\n"
    return texts


def _entry(result: Result) -> dict[str, Any]:
    task = visible(result.run.task)
    return {
        "task": {"type": "text-generation"},
        "dataset": {"type": task, "name": task, "split": result.run.split},
        "metrics": [
            {"type": visible(name), "name": visible(name), "value": metric.value, "verified": False}
            for name, metric in sorted(result.metrics.items())
            if math.isfinite(metric.value)
        ],
    }
