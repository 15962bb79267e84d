"""An arm's weights in memory, and the samples that a pass reads with them: loaded and encoded as scoring
does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from harness.engines.base_model import BaseModel
from harness.engines.engine import check_vocabulary, context_length
from harness.engines.questions import Question, Questions
from harness.engines.weighing import ChoiceReader
from harness.engines.weights import load_model
from harness.errors import UserError
from harness.inspection.segments import Segment, segments_of
from harness.jsonl import read_jsonl
from harness.sweep.models import fingerprint
from harness.workers.jobs import PassJob


@dataclass
class LoadedArm:
    """One arm, ready to be read."""

    model: Any
    """Of transformers, in evaluation, on its device: float32 on CPUs, bfloat16 on CUDA. It attends as
    transformers chooses; `model.set_attn_implementation("eager")` has it tell its attentions."""

    tokenizer: Any
    context: int
    """Tokens that a prompt and its answer may take."""

    reader: ChoiceReader
    """Weighs choices with it, several prompts at a time."""

    @property
    def dtype(self) -> str:
        """Of the weights in memory."""
        return str(self.model.dtype).removeprefix("torch.")


@dataclass(frozen=True)
class PassSample:
    """A sample as the arm reads it."""

    question: Question
    """Its prompt as text and tokens, up to where the answer begins, and the tokens of each choice."""

    segments: tuple[Segment, ...]
    """Where the parts of its prompt lie that the job names; those that no token shows are left out."""


def load_arm(base: BaseModel, weights: Path | None, *, max_model_len: int | None) -> LoadedArm:
    """Load the base, or the base with an arm's weights. Raises `UserError` where they are gone, do not fit,
    or change meanwhile."""
    on_cuda = torch.cuda.is_available()
    digest = _digest(weights)
    model: Any = load_model(
        base.path, base.revision, weights, dtype=torch.bfloat16 if on_cuda else torch.float32
    )
    base.check()
    if _digest(weights) != digest:
        raise UserError(f"the weights in {weights} have changed while they were loaded")
    model = model.to("cuda" if on_cuda else "cpu").eval()
    # As engines do: answers of all arms are encoded with the base's tokenizer.
    tokenizer = AutoTokenizer.from_pretrained(base.path, revision=base.revision)
    check_vocabulary(tokenizer, model.get_input_embeddings().num_embeddings)
    pads = (tokenizer.pad_token_id, tokenizer.eos_token_id)
    pad = next((int(token) for token in pads if token is not None), 0)
    return LoadedArm(model, tokenizer, context_length(model.config, max_model_len), ChoiceReader(model, pad))


def _digest(weights: Path | None) -> str:
    return fingerprint(str(weights), None) if weights is not None and weights.is_dir() else ""


def read_samples(job: PassJob, arm: LoadedArm) -> list[PassSample]:
    """The samples of a job, in the order of its prompts file; those that cannot be asked have an error."""
    asked = Questions(job.ask, 0, arm)
    # What a model learns to end an answer with: the end of a turn in a chat, of a text elsewhere.
    stops = asked.encoder.stop_token_ids
    end = (stops[:1] if asked.encoder.chat else stops[-1:]) if job.ended else []
    samples = []
    for question, row in zip(asked.read(), read_jsonl(job.ask.prompts), strict=True):
        question.answer_tokens = [[*tokens, *end] for tokens in question.answer_tokens]
        samples.append(PassSample(question, _segments(arm, question, row.get("segments", ()))))
    return samples


def _segments(arm: LoadedArm, question: Question, named: Sequence[Sequence[str]]) -> tuple[Segment, ...]:
    if not named or question.error is not None or question.truncated:
        return ()
    return segments_of(arm.tokenizer, question.text, question.tokens, [(name, text) for name, text in named])
