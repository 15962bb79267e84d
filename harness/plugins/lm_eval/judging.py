"""Judge a model's replies as lm-evaluation-harness does: its filters, its `process_results`, its metrics."""

import json
from functools import lru_cache, partial
from typing import Any

from harness.errors import UserError, first_line
from harness.metrics.likelihood import choice_logprobs
from harness.plugins.lm_eval.metrics import AGGREGATIONS, Judged, make_metric
from harness.task import Metric, Output, Reply

_UNMEASURED = {
    "acc_mutual_info": "compares choices with and without the prompt",
    "exact_match": "asks whether a choice is what the model would write",
}
"""Metrics of choices that need more than the choices' likelihoods, which is all that is measured here."""


class Judge:
    """Judges the replies to one task of lm-eval; `lm_task` is its `ConfigurableTask`."""

    def __init__(self, name: str, lm_task: Any, output: Output) -> None:
        self._name = name
        self._lm_task = lm_task
        self._output = output
        # All metrics of a sample read the same judgement, one after another.
        self._judge = lru_cache(maxsize=8)(self._judge_anew)

    def metrics(self) -> list[Metric]:
        """Every metric of the task after every pipeline of filters, named as lm-eval names them."""
        own_code = self._lm_task.config.process_results is not None
        pipelines = [pipeline.name for pipeline in self._lm_task._filters]
        metrics = []
        for pipeline in pipelines:
            for name, aggregation in self._lm_task.aggregation().items():
                if self._output == "choice" and name in _UNMEASURED:
                    raise UserError(f"its metric '{name}' {_UNMEASURED[name]}, which is not measured here")
                metrics.append(
                    make_metric(
                        name,
                        partial(self._value, name, pipeline),
                        aggregation=_aggregation_name(name, aggregation),
                        label=name if len(pipelines) == 1 else f"{name},{pipeline}",
                        higher_is_better=bool(self._lm_task.higher_is_better()[name]),
                        own_code=own_code,
                    )
                )
        return metrics

    def _value(self, name: str, pipeline: str, reply: Reply) -> Any:
        values = self._judge(reply.metadata["doc"], self._responses(reply))[pipeline]
        if name not in values:
            raise UserError(f"lm-eval gives no '{name}' for this sample")
        return values[name]

    def _responses(self, reply: Reply) -> tuple[Any, ...]:
        """What lm-eval expects of a model, one for each of its requests."""
        if self._output == "generate":
            return (reply.answer,)
        if self._output == "choice":
            # The second of each pair would say whether the model would write this choice by itself. That is
            # not measured; `metrics` refuses the metric that reads it.
            return tuple((logprob, False) for logprob in choice_logprobs(reply))
        if reply.logprob is None:
            raise UserError(f"{self._name} needs the likelihood of the target")
        if self._lm_task.OUTPUT_TYPE == "loglikelihood_rolling":
            return (reply.logprob,)
        return ((reply.logprob, bool(reply.greedy)),)

    def _judge_anew(self, document: str, responses: tuple[Any, ...]) -> Judged:
        """For each pipeline of filters, what lm-eval says about the responses to one document (as JSON)."""
        from lm_eval.api.instance import Instance

        judged: Judged = {}
        try:
            for pipeline in self._lm_task._filters:
                fresh = json.loads(document)  # a task's own code may write into it
                instances = [
                    Instance(
                        request_type=self._lm_task.OUTPUT_TYPE,
                        doc=fresh,
                        arguments=(),
                        idx=index,
                        resps=[response],
                    )
                    for index, response in enumerate(responses)
                ]
                pipeline.apply(instances)
                filtered = [instance.filtered_resps[pipeline.name] for instance in instances]
                judged[pipeline.name] = self._lm_task.process_results(fresh, filtered)
        except Exception as error:  # a task's own code may raise anything
            raise UserError(
                f"lm-eval's scoring raised {type(error).__name__}: {first_line(error)}"
            ) from error
        return judged


def _aggregation_name(metric: str, aggregation: Any) -> str:
    """lm-eval's name for the function that makes one value of all samples' scores; a task object only holds
    the function itself."""
    from lm_eval.api.registry import get_aggregation

    for name in AGGREGATIONS:
        if aggregation is get_aggregation(name):
            return name
    function = getattr(aggregation, "__name__", str(aggregation))
    raise UserError(
        f"its metric '{metric}' is aggregated by '{function}', for which no intervals can be computed; known "
        f"are {', '.join(AGGREGATIONS)}. Leave the metric out in a YAML file of your own that includes this "
        "one (--lm-eval-dir)"
    )
