"""An `lm_eval:` task on a toy model gives what `lm_eval --model hf` gives, sample by sample."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from places import TESTS
from toy_models import scoring_job, write_jsonl

pytest.importorskip("lm_eval", reason="needs the lm-eval extra")
pytest.importorskip("torch", reason="needs the train extra")

from harness.data.dataset import load_dataset
from harness.plugins.lm_eval.tasks import lm_eval_plugins
from harness.plugins.registry import load_task
from harness.records.predictions import read_answers
from harness.score.judging import Scored, collect, score_predictions
from harness.task import Task
from harness.task.prompts import prompt_row
from harness.toys import toy_folder

FOLDER = TESTS / "data" / "lm_eval"


@dataclass(frozen=True)
class Case:
    """A task of tests/data/lm_eval, and how it is put to the model."""

    task: str
    shown: int = 0
    chat: bool = False

    def __str__(self) -> str:
        return f"{self.task}, {self.shown} shown{', chat' if self.chat else ''}"


CASES = (
    Case("sales_choice"),
    Case("sales_choice", chat=True),
    Case("sales_topic"),
    Case("sales_topic", chat=True),
    Case("sales_written", shown=3),
    Case("sales_written", shown=3, chat=True),
    Case("sales_place"),
    Case("sales_text"),
)


@dataclass(frozen=True)
class Both:
    """One case, answered and scored by both harnesses."""

    case: Case
    task: Task
    ours: Scored
    theirs: dict[str, list[dict[str, Any]]]
    """By pipeline of filters, lm-eval's logged samples."""

    their_values: dict[str, float]
    """By metric, as lm-eval names it."""


@pytest.fixture(scope="module")
def folder() -> Path:
    return toy_folder("toy-neox")


@pytest.fixture(scope="module")
def worker(folder: Path) -> Any:
    from harness.engines.scoring import ScoringWorker
    from harness.engines.transformers import TransformersEngine

    return ScoringWorker(TransformersEngine(str(folder), None, max_model_len=None))


@pytest.fixture(scope="module")
def their_model(folder: Path) -> Any:
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=8)


@pytest.fixture(scope="module", params=CASES, ids=str)
def both(
    request: pytest.FixtureRequest, worker: Any, their_model: Any, tmp_path_factory: pytest.TempPathFactory
) -> Both:
    case: Case = request.param
    before = Path.cwd()
    os.chdir(FOLDER)  # the YAML files name their data by relative paths, which lm-eval resolves from here
    try:
        task, ours = by_gainboard(case, worker, tmp_path_factory.mktemp("run"))
        found = by_lm_eval(case, their_model)
    finally:
        os.chdir(before)
    theirs: dict[str, list[dict[str, Any]]] = {}
    for sample in found["samples"][case.task]:
        theirs.setdefault(sample["filter"], []).append(sample)
    return Both(case, task, ours, theirs, found["results"][case.task])


def by_gainboard(case: Case, worker: Any, work: Path) -> tuple[Task, Scored]:
    name = f"lm_eval:{case.task}"
    task = load_task(name, lm_eval_plugins([name], [FOLDER]))
    dataset = load_dataset(task)
    shown = dataset.train[: case.shown]
    write_jsonl(
        work / "prompts", [prompt_row(task.prompts, sample, "lm_eval", shown) for sample in dataset.test]
    )
    sampling = {"max_tokens": task.max_tokens, "stop": list(task.stop)}
    prompts, out = work / "prompts", work / "completions"
    job = scoring_job(prompts, out, weights=None, output=task.output, chat=case.chat, sampling=sampling)
    worker(job, lambda _: None)
    return task, score_predictions(task, collect(dataset.test, read_answers(out)))


def by_lm_eval(case: Case, model: Any) -> Any:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    return simple_evaluate(
        model=model,
        tasks=[case.task],
        task_manager=TaskManager(include_path=str(FOLDER), include_defaults=False),
        num_fewshot=case.shown,
        apply_chat_template=case.chat,
        fewshot_as_multiturn=case.chat,
        bootstrap_iters=0,
        log_samples=True,
    )


def test_every_sample_was_scored_by_both(both: Both) -> None:
    assert both.ours.samples.scored == 40
    assert [len(samples) for samples in both.theirs.values()] == [40] * len(both.theirs)


def test_the_model_answers_the_same(both: Both) -> None:
    rows = both.ours.table().to_dict("records")
    for samples in both.theirs.values():
        for row, sample in zip(rows, samples, strict=True):
            responses = [answers[0] for answers in sample["resps"]]
            if both.task.output == "generate":
                assert [row["completion"]] == responses
            elif both.task.output == "choice":
                assert row["choice_logprobs"] == pytest.approx(
                    [logprob for logprob, _ in responses], abs=1e-3
                )
            elif both.case.task == "sales_place":
                assert (row["logprob"], row["greedy"]) == (
                    pytest.approx(responses[0][0], abs=1e-3),
                    responses[0][1],
                )
            else:
                assert row["logprob"] == pytest.approx(responses[0], abs=1e-3)


def test_every_sample_has_the_score_of_lm_eval(both: Both) -> None:
    metrics = [
        metric for metric in both.task.metrics if not isinstance(metric, str) and metric.score is not None
    ]
    assert metrics or both.task.name == "lm_eval:sales_text", "the others have metrics of single samples"
    for metric in metrics:
        name, _, pipeline = metric.name.partition(",")
        samples = both.theirs[pipeline or next(iter(both.theirs))]
        assert both.ours.table()[f"score_{metric.name}"].tolist() == [
            float(sample[name]) for sample in samples
        ]


def test_every_metric_has_the_value_of_lm_eval(both: Both) -> None:
    own = [metric.name for metric in both.task.metrics if not isinstance(metric, str)]
    pipeline = next(iter(both.theirs))
    for name in own:
        theirs = both.their_values[name if "," in name else f"{name},{pipeline}"]
        assert both.ours.metrics[name].value == pytest.approx(theirs, rel=1e-4)


def test_some_answers_are_right_and_some_are_wrong(both: Both) -> None:
    """Else two harnesses could agree without having asked anything."""
    if both.task.output == "generate" and not both.case.chat:
        # The toy knows questions and answers as chats only; without, it goes on with what it likes to say,
        # which is another thing wherever it was trained: what matters is that different questions have
        # different answers.
        assert len(set(both.ours.table()["completion"]) - {""}) > 1
    else:
        assert 0 < both.ours.metrics[both.task.primary_metric].value < 1
