"""Several samples in one row, which must not see each other."""

from collections.abc import Sequence
from heapq import nsmallest
from typing import Any

import torch
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from harness.errors import UserError

PACKED_APART = {torch.float32: 1e-3}
"""By how much natural-log probabilities of packed samples may differ from those of the same samples alone."""

PACKED_APART_IN_HALF_PRECISION = 0.25
"""The bound where numbers have only 8 or 11 significant bits."""


def check_packing(model: Any, samples: Sequence[dict[str, list[int]]]) -> None:
    """Raise `UserError` unless the model reads packed samples as it reads each of them alone."""
    pair = nsmallest(2, samples, key=_length)
    if len(pair) < 2:
        return
    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
    model.eval()
    read = []
    with torch.no_grad():
        for rows in ([pair[1]], pair):
            batch = {
                name: value.to(model.device) if isinstance(value, torch.Tensor) else value
                for name, value in collate(rows).items()
                if name != "labels"
            }
            logits = model(**batch, use_cache=False).logits[0, -len(pair[1]["input_ids"]) :]
            read.append(logits.float().log_softmax(dim=-1))
    alone, packed = read
    difference = float((alone - packed).abs().max())
    if not difference <= PACKED_APART.get(model.dtype, PACKED_APART_IN_HALF_PRECISION):
        raise UserError(
            f"packing = true, but {type(model).__name__} lets packed samples see each other here "
            f"(their log-probabilities differ by up to {difference:.3g} from those of the samples alone); "
            "set packing = false"
        )


def _length(sample: dict[str, list[int]]) -> int:
    return len(sample["input_ids"])
