"""Count what a batch of training samples holds, and cut it into pieces that take less memory."""

from collections.abc import Iterator
from typing import Any

import torch

from harness.training.samples import IGNORED


def count_samples(inputs: dict[str, Any]) -> int:
    """Samples in a batch: its rows, or the stretches of a packed row."""
    return len(inputs["input_ids"]) if "attention_mask" in inputs else len(inputs["cu_seq_lens_q"]) - 1


def count_tokens(inputs: dict[str, Any]) -> Any:
    """Tokens of a batch, without padding."""
    return inputs["attention_mask"].sum() if "attention_mask" in inputs else inputs["input_ids"].numel()


def count_targets(inputs: dict[str, Any]) -> Any:
    """Tokens of a batch that carry loss."""
    return (inputs["labels"] != IGNORED).sum()


def pieces_of(inputs: dict[str, Any], rows: int, batch_rows: int) -> Iterator[dict[str, Any]]:
    """A batch in pieces of `rows` samples; a full batch has `batch_rows`."""
    if rows >= batch_rows:
        yield inputs
    elif "attention_mask" in inputs:
        tensors = {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        for split_tensors in zip(*(tensor.split(rows) for tensor in tensors.values()), strict=True):
            piece = dict(zip(tensors, split_tensors, strict=True))
            longest = int(piece["attention_mask"].sum(dim=1).max())  # padding stands on the right
            yield {name: tensor[:, :longest] for name, tensor in piece.items()}
    else:
        yield from _pieces_of_packs(inputs, rows / batch_rows)


def _pieces_of_packs(inputs: dict[str, Any], share: float) -> Iterator[dict[str, Any]]:
    """Samples packed into one long row, cut between samples into pieces of at most about `share` of its
    tokens."""
    borders = inputs["cu_seq_lens_q"].tolist()
    largest, begin = share * borders[-1], 0
    for index in range(1, len(borders)):
        # The piece grows while the next sample still fits.
        if index < len(borders) - 1 and borders[index + 1] - borders[begin] <= largest:
            continue
        start, end = borders[begin], borders[index]
        lengths = inputs["cu_seq_lens_q"][begin : index + 1] - start
        longest = int(lengths.diff().max())
        yield {
            "input_ids": inputs["input_ids"][:, start:end],
            "labels": inputs["labels"][:, start:end],
            "position_ids": inputs["position_ids"][:, start:end],
            "seq_idx": inputs["seq_idx"][:, start:end] - begin,
            "cu_seq_lens_q": lengths,
            "cu_seq_lens_k": lengths,
            "max_length_q": longest,
            "max_length_k": longest,
        }
        begin = index
