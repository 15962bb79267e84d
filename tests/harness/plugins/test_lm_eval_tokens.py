"""On tokenizers of every kind,
tasks of lm-eval are answered token by token as `lm_eval --model hf` does it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from home_made_tokenizers import KINDS, home_made, tiny_model
from toy_models import in_order, scoring_job, write_jsonl

pytest.importorskip("lm_eval", reason="needs the lm-eval extra")
pytest.importorskip("torch", reason="needs the train extra")

from harness.plugins.lm_eval.adapter import Adapter
from harness.task import Task
from harness.task.prompts import prompt_row

DOCUMENTS = [
    {"text": "What is the capital of France?", "choices": ["Paris", "London", "the lamp"], "gold": 0},
    {
        "text": "Is the lamp in London red, blue or green?",
        "choices": ["blue", "red or green", "no"],
        "gold": 2,
    },
    {"text": "The colour is", "choices": ["no", "yes", "A"], "gold": 1},
    {"text": "Word", "choices": ["no", "(A) Paris", "B"], "gold": 0},
]

CHOICE = {
    "output_type": "multiple_choice",
    "doc_to_text": "Question: {{text}}\nAnswer:",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "gold",
}
WRITTEN = {
    "output_type": "generate_until",
    "doc_to_text": "Question: {{text}}\nAnswer:",
    "doc_to_target": "{{choices[gold]}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 8},
}
LIKELY = {
    "output_type": "loglikelihood",
    "doc_to_text": "{{text}}",
    "doc_to_target": " {{choices[gold]}}",
    "target_delimiter": "",
}

TASKS: dict[str, dict[str, Any]] = {
    "choices after a space": CHOICE,
    "choices after nothing": CHOICE | {"target_delimiter": ""},
    "choices after a line break": CHOICE | {"target_delimiter": "\n"},
    "choices after a sign": CHOICE | {"target_delimiter": " = "},
    "choices in brackets": CHOICE | {"doc_to_text": "{{text}} The answer is (", "target_delimiter": ""},
    "a prompt that ends in a space": CHOICE
    | {"doc_to_text": "{{text}} The answer is ", "target_delimiter": ""},
    "a description and choices": CHOICE | {"description": "Short questions.\n\n"},
    "the likelihood of a target": LIKELY,
    "the likelihood of a target within a word": LIKELY | {"doc_to_target": "{{choices[gold]}}"},
    "the likelihood of a target after nothing": LIKELY | {"doc_to_text": "", "doc_to_target": "{{text}}"},
    "the likelihood of a text": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}} {{choices[gold]}}.",
    },
    "written to a line break": WRITTEN,
    "written to words and marks": WRITTEN
    | {"generation_kwargs": {"until": ["no", " o", ".", "s\n"], "max_gen_toks": 12}},
    "written after the beginning of an answer": WRITTEN | {"gen_prefix": "The answer is"},
    "written after the beginning of an answer that ends in a space": WRITTEN
    | {"gen_prefix": "The answer is "},
    "written after a beginning of a document's own": WRITTEN | {"gen_prefix": "{{choices[2]}}, no,"},
    "choices after the beginning of an answer": CHOICE | {"gen_prefix": "The answer is"},
    "choices after the beginning of an answer that ends in a space": CHOICE
    | {"gen_prefix": "The answer is "},
    "choices in brackets after the beginning of an answer": CHOICE
    | {"gen_prefix": "The answer is (", "target_delimiter": ""},
    "the likelihood of a target after the beginning of an answer": LIKELY | {"gen_prefix": "The answer is:"},
}


REFUSED = "lm-eval refuses it: no token of the answer is left"
"""Where an answer merges with its prompt into as many tokens as the prompt has."""

Responses = list[list[Any]]
"""A list of responses for each document."""


@dataclass(frozen=True)
class Both:
    """What a tiny model of random weights answers for each harness, by task and whether it is a chat."""

    theirs: dict[tuple[str, bool], Responses]
    ours: dict[tuple[str, bool], list[dict[str, Any]]]


CASES = [(name, chat) for name in TASKS for chat in (False, True)]


@pytest.fixture(scope="module", params=KINDS)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = home_made(request.param)
    tokenizer.save_pretrained(folder)
    tiny_model(tokenizer).save_pretrained(folder)
    return Both(by_lm_eval(folder), by_gainboard(folder))


def by_lm_eval(folder: Path) -> dict[tuple[str, bool], Responses]:
    """All tasks at once."""
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=32)
    responses: dict[tuple[str, bool], Responses] = {case: [[] for _ in DOCUMENTS] for case in CASES}
    asked: dict[tuple[str, bool], list[tuple[list[Any], int, Any]]] = {}
    for name, chat in CASES:
        for instance in instances(name, model.apply_chat_template if chat else None):
            place = responses[name, chat][instance.doc_id]
            place.append(REFUSED)
            weighed = instance.request_type == "loglikelihood" and instance.args[0] != ""
            if not weighed or model._encode_pair(*instance.args)[1]:
                # A batch of prompts to be written after is encoded as its first one wants it.
                requests = asked.setdefault((instance.request_type, chat), [])
                requests.append((place, len(place) - 1, instance))
    for (request_type, _), requests in asked.items():
        answers = getattr(model, request_type)([instance for *_, instance in requests], disable_tqdm=True)
        for (place, index, _), answer in zip(requests, answers, strict=True):
            place[index] = answer
    return responses


def instances(name: str, chat_template: Any) -> list[Any]:
    """lm-eval's requests for a task, in the order of its documents and their choices."""
    lm_task = configurable(name)
    chat = chat_template is not None
    lm_task.build_all_requests(
        rank=0, world_size=1, apply_chat_template=chat, fewshot_as_multiturn=chat, chat_template=chat_template
    )
    return list(lm_task.instances)


def by_gainboard(folder: Path) -> dict[tuple[str, bool], list[dict[str, Any]]]:
    """All tasks at once."""
    from harness.engines.scoring import ScoringWorker
    from harness.engines.transformers import TransformersEngine

    asks = []
    for place, (name, chat) in enumerate(CASES):
        task, prompts = task_of(name), folder / f"{place}.prompts"
        samples = [task.to_sample(document, index) for index, document in enumerate(DOCUMENTS)]
        write_jsonl(prompts, [prompt_row(task.prompts, sample, "lm_eval") for sample in samples])
        sampling = {"max_tokens": task.max_tokens, "stop": list(task.stop)}
        job = scoring_job(
            prompts,
            folder / f"{place}.out",
            weights=None,
            output=task.output,
            chat=chat,
            sampling=sampling,
        )
        asks += job["asks"]
    ScoringWorker(TransformersEngine(str(folder), None))({"asks": asks}, lambda _: None)
    return {case: in_order(folder / f"{place}.out") for place, case in enumerate(CASES)}


def configurable(name: str) -> Any:
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask

    def documents(**_: Any) -> dict[str, Any]:
        return {"train": Dataset.from_list(DOCUMENTS), "test": Dataset.from_list(DOCUMENTS)}

    splits = {"training_split": "train", "test_split": "test", "num_fewshot": 0}
    return ConfigurableTask(config={"task": name, "custom_dataset": documents, **splits, **TASKS[name]})


@cache
def task_of(name: str) -> Task:
    return Adapter(f"lm_eval:{name}", configurable(name)).task()


@pytest.mark.parametrize(("name", "chat"), CASES, ids=[f"{name}{', chat' * chat}" for name, chat in CASES])
def test_the_model_answers_as_for_lm_eval(both: Both, name: str, chat: bool) -> None:
    for row, responses in zip(both.ours[name, chat], both.theirs[name, chat], strict=True):
        assert "error" not in row
        if row["finish_reason"] == "choice":
            for ours, theirs in zip(row["choice_logprobs"], responses, strict=True):
                assert theirs == REFUSED or ours == pytest.approx(theirs[0], abs=1e-3)
        elif row["finish_reason"] == "measured":
            (response,) = responses
            logprob = response[0] if isinstance(response, tuple) else response
            assert logprob == REFUSED or row["logprob"] == pytest.approx(logprob, abs=1e-3)
        else:
            assert [row["completion"]] == responses
