"""Whether a model wants its BOS token is asked of the model, and told where prompts begin otherwise."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers", reason="needs the train extra")

import torch
from toy_models import scoring_job, write_rows
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.engines.bos import SENTENCES, probe_bos
from harness.engines.scoring import ScoringWorker
from harness.engines.transformers import LoadedEngine
from harness.records.generation import BosRecord

BOS = 2
"""Of a toy, which has none of its own: `<|user|>`."""


def engine_of(toy: Path, *, needs_bos: bool = False, bos: bool = True) -> LoadedEngine:
    model = AutoModelForCausalLM.from_pretrained(toy, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(toy)
    if bos:
        tokenizer.bos_token = "<|user|>"
    if needs_bos:
        forward = model.forward

        def lost_without_it(*args: Any, **kwargs: Any) -> Any:
            """Guesses evenly in every row that does not begin with it."""
            output = forward(*args, **kwargs)
            if kwargs["attention_mask"].shape != kwargs["input_ids"].shape:
                return output  # the next step of an answer
            first = kwargs["attention_mask"].argmax(dim=1, keepdim=True)
            begun = kwargs["input_ids"].gather(1, first) == BOS
            output.logits = output.logits * begun[:, :, None]
            return output

        model.forward = lost_without_it
    return LoadedEngine(model, tokenizer)


def test_the_losses_are_those_of_a_plain_pass(qwen3: Path) -> None:
    engine = engine_of(qwen3)
    probe = probe_bos(engine)
    assert probe is not None
    losses, count = {True: 0.0, False: 0.0}, 0
    for sentence in SENTENCES:
        row = engine.tokenizer(sentence, add_special_tokens=False)["input_ids"]
        count += len(row) - 1
        for begun in (True, False):
            token_ids = torch.tensor([[BOS] * begun + row])
            with torch.inference_mode():
                logprobs = engine._model(input_ids=token_ids).logits[0].log_softmax(dim=-1)
            places = range(len(token_ids[0]) - len(row) + 1, len(token_ids[0]))
            losses[begun] -= sum(float(logprobs[place - 1, token_ids[0, place]]) for place in places)
    assert probe.loss_with == pytest.approx(losses[True] / count, abs=1e-4)
    assert probe.loss_without == pytest.approx(losses[False] / count, abs=1e-4)
    assert (probe.token_id, probe.token) == (BOS, "<|user|>")


def test_without_such_a_token_there_is_nothing_to_ask(qwen3: Path) -> None:
    assert probe_bos(engine_of(qwen3, bos=False)) is None


def test_a_model_that_cannot_do_without_it_is_told_of(qwen3: Path, tmp_path: Path) -> None:
    engine = engine_of(qwen3, needs_bos=True)
    probe = probe_bos(engine)
    assert probe is not None
    assert probe.loss_without == pytest.approx(6.93, abs=0.01)  # ln 1024
    write_rows(tmp_path / "prompts.jsonl", "date_normalise", "test", count=2)
    worker = ScoringWorker(engine, bos=probe)
    for chat, began in ((True, True), (False, False)):  # its template begins with <|user|>
        job = scoring_job(
            tmp_path / "prompts.jsonl", tmp_path / "out", weights=None, output="generate", chat=chat
        )
        record = BosRecord(**worker(job, lambda _: None)["records"][0]["bos"])
        assert record.began == began


@pytest.mark.parametrize(
    ("began", "loss_with", "loss_without", "says"),
    [
        (False, 3.0, 7.5, "prompts begin without the BOS token '<bos>', and so the model's loss on a few plain "
         "sentences is 7.50 a token, with it 3.00: it was trained with it"),
        (True, 7.5, 3.0, "prompts begin with the BOS token '<bos>', and so the model's loss on a few plain "
         "sentences is 7.50 a token, without it 3.00: it was trained without it"),
        (True, 3.0, 7.5, ""),
        (False, 7.5, 3.0, ""),
        (False, 2.7, 3.3, ""),
    ],
)  # fmt: skip
def test_only_a_large_difference_is_doubted(
    began: bool, loss_with: float, loss_without: float, says: str
) -> None:
    record = BosRecord(token="<bos>", began=began, loss_with=loss_with, loss_without=loss_without)
    assert record.doubt.startswith(says)
    assert bool(record.doubt) == bool(says)
