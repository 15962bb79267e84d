"""The tasks that come with lm-evaluation-harness: twenty on rows of their data sets' columns, and a draw of all; and
metrics that are the `evaluate` library's, which takes seconds to import."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lm_eval_walk import findings, reason_of, task_names
from places import ROOT

pytest.importorskip("lm_eval", reason="needs the lm-eval extra")

import lm_eval

from harness.authoring.demonstrations import demonstration_fault
from harness.data.dataset import load_dataset
from harness.errors import UserError
from harness.plugins.lm_eval.tasks import lm_eval_plugins
from harness.plugins.registry import load_task
from harness.score.judging import metrics_of
from harness.task.prompts import render

pytestmark = pytest.mark.slow

OWN_TASKS = Path(lm_eval.__file__).parent / "tasks"

Columns = Callable[[int], dict[str, Any]]

FOUR = ["the liver", "the heart", "the femur", "the skull"]


def numbered(number: int) -> dict[str, Any]:
    """What most data sets have in some column."""
    return {"question": f"Which one is number {number}", "sentence": f"Sentence {number}.", "idx": number}


def lettered(number: int) -> dict[str, Any]:
    choices = {"text": FOUR, "label": ["A", "B", "C", "D"]}
    return {**numbered(number), "choices": choices, "answerKey": "ABCD"[number % 4]}


TASKS: dict[str, tuple[str, tuple[str, ...], Columns]] = {
    "arc_easy": ("arc", ("train", "validation", "test"), lettered),
    "boolq": (
        "super_glue/boolq",
        ("train", "validation"),
        lambda n: {**numbered(n), "passage": f"Passage {n}.", "label": n % 2},
    ),
    "copa": (
        "super_glue/copa",
        ("train", "validation"),
        lambda n: {
            **{"premise": f"It rained {n} times.", "choice1": "The grass grew.", "choice2": "It snowed."},
            **{"question": "effect", "label": n % 2},
        },
    ),
    "hellaswag": (
        "hellaswag",
        ("train", "validation"),
        lambda n: {
            **{
                "ctx_a": f"A man lifts {n} bars.",
                "ctx_b": "he",
                "activity_label": "Lifting",
                "label": str(n % 4),
            },
            "endings": [f"{verb} them {n} times." for verb in ("drops", "throws", "holds", "eats")],
        },
    ),
    "piqa": (
        "piqa",
        ("train", "validation"),
        lambda n: {"goal": f"Open jar {n}.", "sol1": "Turn the lid.", "sol2": "Eat the lid.", "label": n % 2},
    ),
    "sciq": (
        "sciq",
        ("train", "validation", "test"),
        lambda n: {
            **numbered(n),
            **{"support": f"Text {n}.", "correct_answer": f"cell {n}"},
            **{f"distractor{place}": f"atom {place}" for place in (1, 2, 3)},
        },
    ),
    "openbookqa": (
        "openbookqa",
        ("train", "validation", "test"),
        lambda n: {**lettered(n), "question_stem": f"Stem {n} is"},
    ),
    "gsm8k": (
        "gsm8k",
        ("train", "test"),
        lambda n: {**numbered(n), "answer": f"It is {n} + 1 = {n + 1}.\n#### {n + 1}"},
    ),
    "lambada_openai": ("lambada", ("test",), lambda n: {"text": f"On page {n} she met her old friend Omar"}),
    "wikitext": (
        "wikitext",
        ("train", "validation", "test"),
        lambda n: {"page": f" = Page {n} = \n It has @-@ words .\n"},
    ),
    "truthfulqa_mc1": (
        "truthfulqa",
        ("validation",),
        lambda n: {**numbered(n), "mc1_targets": {"choices": FOUR, "labels": [1, 0, 0, 0]}},
    ),
    "rte": (
        "glue/rte",
        ("train", "validation"),
        lambda n: {"sentence1": f"There are {n} of them.", "sentence2": "There are some.", "label": n % 2},
    ),
    "cola": ("glue/cola", ("train", "validation"), lambda n: {**numbered(n), "label": n % 2}),
    "nq_open": (
        "nq_open",
        ("train", "validation"),
        lambda n: {**numbered(n), "answer": [f"{n}", f"No. {n}"]},
    ),
    "triviaqa": (
        "triviaqa",
        ("train", "validation"),
        lambda n: {**numbered(n), "answer": {"aliases": [f"{n}", f"No. {n}"], "value": f"{n}"}},
    ),
    "asdiv": (
        "asdiv",
        ("validation",),
        lambda n: {"body": f"Omar has {n} lamps.", "question": "How many?", "answer": f"{n} (lamps)"},
    ),
    "race": (
        "race",
        ("test",),
        lambda n: {
            "article": f"Article {n}.",
            "problems": str([{"question": f"What is {n}?", "options": FOUR, "answer": "ABCD"[n % 4]}]),
        },
    ),
    "mmlu_anatomy": (
        "mmlu/default",
        ("dev", "validation", "test"),
        lambda n: {**numbered(n), "subject": "anatomy", "choices": FOUR, "answer": n % 4},
    ),
    "anli_r1": (
        "anli",
        ("train_r1", "dev_r1", "test_r1"),
        lambda n: {"premise": f"There are {n}.", "hypothesis": "There are some.", "label": n % 3},
    ),
    "logiqa": (
        "logiqa",
        ("train", "validation", "test"),
        lambda n: {**numbered(n), "context": f"Context {n}.", "options": FOUR, "label": "abcd"[n % 4]},
    ),
}
"""Task → its folder, the splits of its data, and the columns of a row, made up."""


def load_dataset_of(splits: tuple[str, ...], columns: Columns) -> Callable[..., Any]:
    """Stands in for the hub: eight made-up rows in each split."""
    from datasets import Dataset, DatasetDict

    def load(*_: Any, **__: Any) -> Any:
        rows = {split: [columns(8 * place + n) for n in range(8)] for place, split in enumerate(splits)}
        return DatasetDict({split: Dataset.from_list(rows[split]) for split in splits})

    return load


@pytest.mark.parametrize("name", TASKS)
def test_a_task_of_lm_evals_own_is_asked_shown_and_judged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, splits, columns = TASKS[name]
    monkeypatch.setattr("datasets.load_dataset", load_dataset_of(splits, columns))
    task = load_task(f"lm_eval:{name}", lm_eval_plugins([f"lm_eval:{name}"], [OWN_TASKS / folder]))
    dataset = load_dataset(task)
    assert min(map(len, (dataset.train, dataset.dev, dataset.test))) > 0
    assert demonstration_fault(task, dataset) is None
    prompt = render(task.prompts, dataset.test[0], template="lm_eval", demonstrations=dataset.train[:2])
    assert (prompt.text == "") == (name == "wikitext")
    assert metrics_of(task)


def test_choices_that_stand_in_the_prompt_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def columns(n: int) -> dict[str, Any]:
        return {
            "sentence": f"Omar gave Mara {n} lamps, for _ asked.",
            "option1": "Mara",
            "option2": "Omar",
            "answer": "1",
        }

    monkeypatch.setattr("datasets.load_dataset", load_dataset_of(("train", "validation"), columns))
    with pytest.raises(UserError, match="its choices stand in the prompt"):
        load_task("lm_eval:winogrande", lm_eval_plugins(["lm_eval:winogrande"], [OWN_TASKS / "winogrande"]))


def test_a_drawn_task_is_used_or_refused_in_a_sentence() -> None:
    drawn = random.Random(0).sample(task_names(), 100)
    reasons = [finding.reason for finding in findings(drawn)]
    assert all(reason is None or reason.startswith(("it", "its", "lm-eval")) for reason in reasons)
    assert sum(reason is None for reason in reasons) >= 80
    assert reason_of("gsm8k_cot_self_consistency") == (
        "it asks for 64 answers to each prompt (repeats); only one is asked for here"
    )


# Metrics of the evaluate library


FOLDER = ROOT / "tests" / "data" / "lm_eval"


def load_with_metric(folder: Path, **metric: Any) -> None:
    """A task of the user's, judged by one metric."""
    settings = {"include": str(FOLDER / "sales_topic.yaml"), "task": folder.name, "metric_list": [metric]}
    folder.mkdir(exist_ok=True)
    (folder / "task.yaml").write_text(json.dumps(settings))
    name = f"lm_eval:{folder.name}"
    load_task(name, lm_eval_plugins([name], [folder]))


def test_a_hub_that_may_not_be_asked_is_not_asked_for_a_metric_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts: list[object] = []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("socket.getaddrinfo", lambda host, *_, **__: hosts.append(host) or [])
    with pytest.raises(UserError, match="'not_here' is none of lm-eval's, and the evaluate library cannot"):
        load_with_metric(tmp_path / "own", metric="not_here", aggregation="mean", higher_is_better=True)
    assert hosts == []


def test_a_metric_that_nobody_has_is_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def missing(name: str, **_: Any) -> None:
        names.append(name)
        raise FileNotFoundError(name)

    monkeypatch.setattr("evaluate.load", missing)
    for task in ("one", "another"):
        with pytest.raises(UserError, match="'nor_here' is none of lm-eval's"):
            load_with_metric(tmp_path / task, metric="nor_here", aggregation="mean", higher_is_better=True)
    assert names == ["nor_here"]


def test_a_metric_without_an_aggregation_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="its metric 'not_here' has no aggregation, and lm-eval has none for it"
    ):
        load_with_metric(tmp_path / "own", metric="not_here")


def test_code_that_loads_a_metric_which_is_not_here_is_told_of() -> None:
    assert reason_of("humaneval") == (
        "its own code needs 'code_eval' of the evaluate library, which cannot be had here; load it once with a network"
    )
