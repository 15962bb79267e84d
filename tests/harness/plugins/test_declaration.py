"""What an author gets wrong in declaring a task is said in one sentence, before any of its functions is
called."""

import dataclasses
from typing import Any

import pytest
from toy_task import adding

from harness.data.steps import deduplicate
from harness.metrics import METRICS
from harness.plugins.declaration import declaration_fault
from harness.task import Analysis, AnalysisTable, Metric, PromptSet, Splits
from harness.task.step import Step


def fault(**changes: Any) -> str | None:
    return declaration_fault(adding(**changes), "adding")


def prompts_fault(**changes: Any) -> str | None:
    return fault(prompts=PromptSet({"plain": "{text} + 1"}, **changes))


def metrics_fault(*metrics: Any, **changes: Any) -> str | None:
    return fault(metrics=metrics, primary_metric="", **changes)


OWN = Metric("own", "nothing", lambda reply: 0.0)


def test_a_good_declaration_has_no_fault() -> None:
    assert fault() is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 0}, "version is 0; it must be 1 or more"),
        ({"version": True}, "version is True; it must be a whole number"),
        ({"max_tokens": 0}, "max_tokens is 0; it must be 1 or more"),
        ({"reference": 7}, "reference is 7; it must be a text or None"),
        ({"description": " "}, "description is empty; say in one sentence what the task measures"),
        ({"stop": "\n"}, "stop is '\\n'; it must be a tuple of texts"),
        ({"stop": ("\n", "")}, "stop holds ''; each is a non-empty text"),
        ({"stop": (3,)}, "stop holds 3; each is a non-empty text"),
    ],
)
def test_a_value_that_cannot_be_is_a_fault(changes: dict[str, Any], says: str) -> None:
    assert fault(**changes) == says


def test_a_long_value_is_shown_in_short() -> None:
    sentence = fault(data=Splits([{"text": "x" * 500}] * 900, [], []))
    assert sentence is not None
    assert sentence.startswith("data is Splits(train=[")
    assert len(sentence) < 200


# Metrics


@pytest.mark.parametrize("entry", [5, None, ["a"]])
def test_what_is_no_metric_is_a_fault(entry: Any) -> None:
    assert metrics_fault(entry) == f"metrics holds {entry!r}; each is a metric's name or a Metric"


def test_a_function_among_the_metrics_is_named() -> None:
    assert (
        metrics_fault(prompts_fault)
        == "metrics holds the function prompts_fault; each is a metric's name or a Metric"
    )


def test_no_metrics_are_a_fault() -> None:
    assert metrics_fault() == "metrics is empty; name at least one (`gainboard list metrics` shows all)"


@pytest.mark.parametrize("pair", [("chrf", "chrf"), (OWN, OWN), ("chrf", METRICS["chrf"])])
def test_a_metric_given_twice_is_a_fault(pair: tuple[Any, Any]) -> None:
    sentence = metrics_fault(*pair)
    assert sentence is not None
    assert sentence.endswith("twice; a metric's name is that of its score")


def test_a_metric_of_ones_own_with_a_built_in_name_is_a_fault() -> None:
    sentence = metrics_fault(dataclasses.replace(OWN, name="exact_match"))
    assert (
        sentence
        == "metrics holds a Metric of its own named 'exact_match', as a built-in one is; give it another name"
    )


def test_a_task_of_another_harness_may_name_its_metrics_as_there() -> None:
    prompts = PromptSet({"plain": ""}, render=lambda sample, demonstrations: None)  # type: ignore[arg-type, return-value]
    assert metrics_fault(dataclasses.replace(OWN, name="exact_match"), prompts=prompts) is None


def test_a_metric_without_a_name_is_a_fault() -> None:
    assert metrics_fault(dataclasses.replace(OWN, name="")) == (
        "metrics holds a Metric with the name ''; a name is a non-empty text"
    )


@pytest.mark.parametrize(
    ("metric", "output", "fitting"),
    [
        ("exact_match", "perplexity", "perplexity, bits_per_byte, byte_probability"),
        ("mcc", "perplexity", "perplexity, bits_per_byte, byte_probability"),
        ("byte_probability", "generate", "accuracy, exact_match"),
        ("accuracy_norm", "generate", "accuracy, exact_match"),
        ("brier", "generate", "accuracy, exact_match"),
        ("perplexity", "choice", "accuracy, accuracy_norm"),
    ],
)
def test_a_metric_that_cannot_judge_the_output_is_a_fault_with_those_that_can(
    metric: str, output: str, fitting: str
) -> None:
    sentence = metrics_fault(metric, output=output)
    assert sentence is not None
    assert sentence.startswith(f"metric '{metric}' does not fit output '{output}', which takes {fitting}")


@pytest.mark.parametrize("output", ["generate", "choice", "perplexity"])
def test_every_output_has_a_metric_to_rank_by(output: str) -> None:
    assert any(output in metric.outputs and metric.rankable for metric in METRICS.values())


@pytest.mark.parametrize("output", ["generate", "choice", "perplexity"])
def test_a_metric_of_ones_own_fits_every_output(output: str) -> None:
    assert metrics_fault(OWN, output=output) is None


# Prompts


@pytest.mark.parametrize(
    ("render", "says"),
    [
        ("x", "prompts.render is 'x'; it must be a function of (sample, demonstrations)"),
        (
            lambda sample: sample,
            "prompts.render takes (sample); it is called with (sample, demonstrations): too many",
        ),
    ],
)
def test_a_rendering_that_cannot_be_called_is_a_fault(render: Any, says: str) -> None:
    sentence = prompts_fault(render=render)
    assert sentence is not None
    assert sentence.startswith(says)


@pytest.mark.parametrize(
    ("fixed", "says"),
    [
        ((3,), "prompts.fixed holds 3; each is a training sample's id, a text"),
        (("0", "1", "0"), "prompts.fixed names '0' twice; a demonstration is shown once"),
    ],
)
def test_fixed_demonstrations_that_cannot_be_are_a_fault(fixed: Any, says: str) -> None:
    assert prompts_fault(demonstrations="fixed", fixed=fixed) == says


# Steps


def unchanged(samples: Any, draws: Any) -> Any:
    return samples


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (deduplicate, "steps holds the function deduplicate; call it: deduplicate()"),
        ("deduplicate", "steps holds 'deduplicate'; each is a Step, such as deduplicate()"),
        (Step(3, unchanged), "steps holds a Step with the name 3; a name is a non-empty text"),  # type: ignore[arg-type]
        (
            Step("mine", unchanged, "train"),  # type: ignore[arg-type]
            "step 'mine' has the splits 'train'; splits must be a tuple of split names (train, dev, test)",
        ),
        (
            deduplicate(splits="train"),
            "step 'deduplicate' has the splits ('t', 'r', 'a', 'i', 'n'); splits must be a tuple of split "
            "names (train, dev, test)",
        ),
        (Step("mine", "x"), "step 'mine': apply is 'x'; it must be a function of (samples, draws)"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_step_is_a_fault(step: Any, says: str) -> None:
    assert fault(steps=(step,)) == says


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"truncation_side": "middle"}, "truncation_side is 'middle'; it is 'left', 'right' or None"),
        ({"structured_outputs": "json"}, "it is 'choice' or a JSON schema, as a dict"),
        ({"structured_outputs": {"type": {1, 2}}}, "structured_outputs is no JSON schema"),
        ({"structured_outputs": {"answer": "text"}}, "give a JSON schema with a 'type'"),
        (
            {"structured_outputs": {"type": "object"}, "output": "choice", "metrics": ("accuracy",)},
            "answers that are written",
        ),
        ({"structured_outputs": {"type": "object"}}, None),
        ({"structured_outputs": "choice", "truncation_side": "left"}, None),
    ],
)
def test_what_answers_are_held_to_is_a_choice_or_a_schema(changed: dict[str, Any], fault: str | None) -> None:
    sentence = declaration_fault(dataclasses.replace(adding(), **changed, primary_metric=""), "adding")
    assert sentence == fault if fault is None else fault in str(sentence)


# Analyses


def looking(samples: Any, judged: str) -> AnalysisTable:
    return AnalysisTable((), ())


LOOKING = Analysis("looking", "nothing", looking)


def test_an_analysis_of_its_own_is_no_fault() -> None:
    assert fault(analyses=(LOOKING,)) is None


@pytest.mark.parametrize(
    ("analyses", "says"),
    [
        ([LOOKING], "analyses is [Analysis("),
        ((looking,), "analyses holds the function looking; each is an Analysis"),
        ((LOOKING, LOOKING), "analyses holds 'looking' twice; each needs a name of its own"),
        (
            (dataclasses.replace(LOOKING, name=""),),
            "analyses holds an Analysis with the name ''; a name is a non-empty text",
        ),
        (
            (dataclasses.replace(LOOKING, needs=("weights",)),),  # type: ignore[arg-type]
            "analysis 'looking' needs 'weights'; what it may need is predictions, hidden_states, attentions",
        ),
        (
            (dataclasses.replace(LOOKING, make=lambda samples: None),),  # type: ignore[arg-type]
            "analysis 'looking': make takes (samples); it is called with (samples, judged)",
        ),
    ],
)
def test_what_is_wrong_with_an_analysis_is_a_fault(analyses: Any, says: str) -> None:
    sentence = fault(analyses=analyses)
    assert sentence is not None and sentence.startswith(says)
