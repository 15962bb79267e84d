"""Where an answer looks, and what it depends on: attention from its position, beside two measures of cause.

Everything is of the right answer: the first choice that a sample names. Attention of all layers is joined by
rollout (Abnar and Zuidema 2020, arXiv 2005.00928, with half of each layer taken from its residual
connection). *Occlusion* puts the mean embedding of the vocabulary in the place of tokens, and takes the
log-probability that the answer loses; *gradient × input* is its first-order estimate, with the input as its
difference from that mean: models norm what they read, and along the embedding itself the gradient of a norm
is zero. Attention is no explanation by itself (Jain and Wallace 2019, arXiv 1902.10186): the three are kept
side by side.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.inspection.arm import LoadedArm, PassSample
from harness.inspection.reading import SampleReading
from harness.inspection.segments import token_texts
from harness.workers.memory import is_out_of_memory

Numbers = NDArray[np.float32]

MOST_ATTENTION_BYTES = 2**30
"""Of the attentions of one sample, all layers and heads, which are held at once."""

TOKEN_BY_TOKEN = 60_000
"""Tokens that a pass may read to hide every single token of some samples in turn, the first ones: as many of
them as there is room for."""

TOKENS_AT_ONCE = 8192
"""In the rows of a batch of which each hides something else."""

IDS_AT_ONCE = 16_384
"""Of the vocabulary, whose embeddings are held at once."""


def read_attention(arm: LoadedArm, samples: Sequence[tuple[int, PassSample]]) -> Iterator[SampleReading]:
    """Of each sample, with T tokens in its prompt, L layers, H heads and G segments (those of its parts, in
    order of their names):

    `attention` (L × H × G) and `rollout` (T), what the answer's position looks at, in shares that sum to 1
    over the tokens; `gradient` (T), gradient × input; `occlusion` (G), and of the first samples
    `token_occlusion` (T), the log-probability that the answer loses without those tokens, with `tokens` (T),
    what each adds to the text; `logprob`, what it has with all; `segments` (G × T), which tokens each has. Of
    a model that tells no attentions the first two are missing.
    """
    arm.model.requires_grad_(False)
    mean, room = mean_embedding(arm.model), TOKEN_BY_TOKEN
    for place, sample in samples:
        tokens, answer = sample.question.tokens, sample.question.answer_tokens[0]
        room -= len(tokens) * (len(tokens) + len(answer))
        try:
            yield SampleReading(place, _arrays(arm, sample, mean, each_token=room >= 0))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            yield SampleReading(place, error=f"there is no memory for its {len(tokens):,} tokens at once")


def segment_names(sample: PassSample) -> list[str]:
    """The names of a sample's segments in the order of their arrays."""
    return sorted({segment.name for segment in sample.segments})


def _arrays(
    arm: LoadedArm, sample: PassSample, mean: torch.Tensor, *, each_token: bool
) -> dict[str, NDArray[Any]]:
    prompt, answer = sample.question.tokens, sample.question.answer_tokens[0]
    masks = _masks(sample)
    arrays: dict[str, NDArray[Any]] = {"segments": masks}
    attentions = _attentions(arm, prompt)
    if attentions is not None:
        looked = attentions[:, :, -1, :]
        arrays["attention"] = np.einsum("lht,gt->lhg", looked, masks.astype(np.float32))
        arrays["rollout"] = rollout(attentions)[-1]
    logprob, gradient = _gradient(arm, prompt, answer, mean)
    arrays |= {"logprob": np.array(logprob), "gradient": gradient}
    arrays["occlusion"] = logprob - _without(arm, prompt, answer, masks, mean)
    if each_token:
        texts = [text.replace("\0", "\ufffd") for text in token_texts(arm.tokenizer, prompt)]
        arrays["tokens"] = np.array(texts, dtype=np.str_)  # which drops zeros at the end of a text
        alone = np.eye(len(prompt), dtype=np.bool_)
        arrays["token_occlusion"] = logprob - _without(arm, prompt, answer, alone, mean)
    return arrays


def _masks(sample: PassSample) -> NDArray[np.bool_]:
    """The tokens of each segment name (G × T)."""
    names = segment_names(sample)
    masks = np.zeros((len(names), len(sample.question.tokens)), dtype=np.bool_)
    for segment in sample.segments:
        masks[names.index(segment.name), segment.begin : segment.end] = True
    return masks


def rollout(attentions: NDArray[Any]) -> Numbers:
    """Attention through all layers (T × T) of (layers × heads × T × T): the mean over heads and the residual
    connection in equal parts, multiplied layer by layer. Rows sum to 1."""
    joined = np.eye(attentions.shape[-1])
    for layer in attentions.mean(axis=1, dtype=np.float64):
        joined = (0.5 * layer + 0.5 * np.eye(len(layer))) @ joined
    return np.asarray(joined, dtype=np.float32)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _attentions(arm: LoadedArm, prompt: list[int]) -> Numbers | None:
    """(layers × heads × T × T); None of a model that has none, or more than memory should hold."""
    config = arm.model.config
    layers = getattr(config, "num_hidden_layers", 1)
    heads = getattr(config, "num_attention_heads", 1)
    if 4 * layers * heads * len(prompt) ** 2 > MOST_ATTENTION_BYTES:
        return None
    with _eager(arm.model):
        output = arm.model(
            input_ids=_tensor(arm, [prompt]), output_attentions=True, use_cache=False, logits_to_keep=1
        )
    told = [layer for layer in getattr(output, "attentions", None) or () if layer is not None]
    # Layers that attend to a part of what they compute, as state spaces beside attention do, tell nothing.
    square = [layer for layer in told if layer.shape[-2:] == (len(prompt), len(prompt))]
    if not square:
        return None
    return np.stack([layer[0].float().cpu().numpy() for layer in square])


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    """Attention that tells its weights; fused kernels do not."""
    former = getattr(model.config, "_attn_implementation", None)
    if former is None or former == "eager":
        yield
        return
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(former)


def _gradient(
    arm: LoadedArm, prompt: list[int], answer: list[int], mean: torch.Tensor
) -> tuple[float, Numbers]:
    """The answer's log-probability, and for each token of the prompt its gradient with respect to the token's
    embedding, times that embedding's difference from the mean one (T)."""
    token_ids = _tensor(arm, [prompt + answer])
    embedded = arm.model.get_input_embeddings()(token_ids).detach().requires_grad_()
    with torch.enable_grad():
        logits = arm.model(inputs_embeds=embedded, use_cache=False, logits_to_keep=len(answer) + 1).logits
        logprob = _answer_logprobs(logits, token_ids, len(answer))[0]
        (gradient,) = torch.autograd.grad(logprob, embedded)
    difference = embedded.detach() - mean
    product = (gradient * difference).sum(dim=-1)[0, : len(prompt)]
    return float(logprob.detach()), np.asarray(product.float().cpu().numpy(), dtype=np.float32)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _without(
    arm: LoadedArm, prompt: list[int], answer: list[int], masks: NDArray[np.bool_], mean: torch.Tensor
) -> Numbers:
    """The answer's log-probability where the tokens of each mask (G × T) have the mean embedding (G)."""
    row = _tensor(arm, [prompt + answer])
    embedded = arm.model.get_input_embeddings()(row)
    at_once = max(1, TOKENS_AT_ONCE // row.shape[1])
    logprobs = []
    for start in range(0, len(masks), at_once):
        hidden = torch.from_numpy(masks[start : start + at_once]).to(embedded.device)
        rows = embedded.repeat(len(hidden), 1, 1)
        rows[:, : len(prompt)] = torch.where(hidden[:, :, None], mean, rows[:, : len(prompt)])
        logits = arm.model(inputs_embeds=rows, use_cache=False, logits_to_keep=len(answer) + 1).logits
        logprobs.append(_answer_logprobs(logits, row.expand(len(hidden), -1), len(answer)).cpu().numpy())
    return np.concatenate(logprobs) if logprobs else np.zeros(0, dtype=np.float32)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def mean_embedding(model: Any) -> torch.Tensor:
    """Of the vocabulary, as the layer gives it: some scale what they look up. (dimensions,)"""
    layer = model.get_input_embeddings()
    total = torch.zeros(layer.embedding_dim, dtype=torch.float64)
    for start in range(0, layer.num_embeddings, IDS_AT_ONCE):
        ids = torch.arange(start, min(start + IDS_AT_ONCE, layer.num_embeddings), device=layer.weight.device)
        total += layer(ids).sum(dim=0, dtype=torch.float64).cpu()
    return (total / layer.num_embeddings).to(layer.weight.device, layer.weight.dtype)


def _answer_logprobs(logits: torch.Tensor, token_ids: torch.Tensor, length: int) -> torch.Tensor:
    """Of each row the log-probability of its last tokens (rows,), from the logits of those and the one
    before."""
    log_softmax = torch.log_softmax(logits[:, :-1].float(), dim=-1)
    return log_softmax.gather(-1, token_ids[:, -length:, None])[..., 0].sum(dim=-1)


def _tensor(arm: LoadedArm, rows: list[list[int]]) -> torch.Tensor:
    return torch.tensor(rows, device=arm.model.device)
