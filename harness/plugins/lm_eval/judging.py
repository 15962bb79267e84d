"""Judge a model's replies as lm-evaluation-harness does: its filters, its `process_results`, its metrics."""

from functools import lru_cache, partial
from typing import Any

from harness.errors import UserError, first_line
from harness.metrics.likelihood import choice_logprobs
from harness.plugins.lm_eval.documents import document_of
from harness.plugins.lm_eval.metrics import Judged, make_metric
from harness.plugins.lm_eval.refusals import aggregation_name, unusable_metrics
from harness.task import Metric, Output, Reply


class Judge:
    """Judges the replies to one task of lm-eval; `lm_task` is its `ConfigurableTask`."""

    def __init__(self, name: str, lm_task: Any, output: Output) -> None:
        self._name = name
        self._lm_task = lm_task
        self._output = output
        # All metrics of a sample read the same judgement, one after another.
        self._judge = lru_cache(maxsize=8)(self._judge_anew)

    def metrics(self) -> list[Metric]:
        """Every usable metric of the task after every pipeline of filters, named as lm-eval names them."""
        own_code = self._lm_task.config.process_results is not None
        pipelines = [pipeline.name for pipeline in self._lm_task._filters]
        unusable = unusable_metrics(self._lm_task)
        aggregations = {
            name: aggregation_name(aggregation)
            for name, aggregation in self._lm_task.aggregation().items()
            if name not in unusable
        }
        metrics = []
        for pipeline in pipelines:
            for name, aggregation in aggregations.items():
                assert aggregation is not None, "a metric is unusable without"
                metrics.append(
                    make_metric(
                        name,
                        partial(self._value, name, pipeline),
                        aggregation=aggregation,
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
        """For each pipeline of filters, what lm-eval says about the responses to one document, which is a
        text."""
        from lm_eval.api.instance import Instance

        judged: Judged = {}
        try:
            for pipeline in self._lm_task._filters:
                fresh = document_of(document)  # a task's own code may write into it
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
