"""How a GGUF file stretches its model's context: what transformers does not read from it."""

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.errors import UserError
from harness.sweep.gguf_header import GgufHeader, read_floats

TABLES = "rope_"
"""How the names of tensors of rotary positions begin."""

LLAMA_3: Mapping[str, float | int] = MappingProxyType(
    {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
)
"""Of Llama 3.1 and all that followed it; what differs among them is the factor."""

_TOLERANCE = 1e-4
_MOST_FREQUENCIES = 4096


def stretch_of(path: Path, header: GgufHeader) -> dict[str, Any]:
    """What a configuration's `rope_parameters` lack of what the file says; empty where its context is not
    stretched.

    Raises `UserError` for a stretch that transformers cannot be told of: without it the same weights would
    answer worse.
    """
    for name in sorted(header.shapes):
        if not name.startswith(TABLES):
            continue
        table = (
            read_floats(path, header, name) if math.prod(header.shapes[name]) <= _MOST_FREQUENCIES else None
        )
        if table and all(factor == 1 for factor in table):
            continue
        stretch = _of_llama_3(header, table) if name == "rope_freqs.weight" and table else None
        if stretch is None:
            raise _refusal(path, name)
        return stretch
    kind = header.of_architecture("rope.scaling.type")
    # gpt-oss is the one architecture that transformers reads it for.
    if header.architecture != "gpt-oss" and kind not in (None, "", "none"):
        raise _refusal(path, f"{header.architecture}.rope.scaling.type = {str(kind)[:40]!r}")
    if header.of_architecture("rope.scale_linear"):
        raise _refusal(path, f"{header.architecture}.rope.scale_linear")
    return {}


def _refusal(path: Path, scaling: str) -> UserError:
    return UserError(
        f"{path} stretches its context ({scaling}), which transformers does not read from GGUF: give the "
        "folder that it was made from"
    )


def _of_llama_3(header: GgufHeader, table: list[float]) -> dict[str, Any] | None:
    """The parameters whose factors are those of the table; None where there are none."""
    factor = max(table)
    theta = header.of_architecture("rope.freq_base")
    if not isinstance(theta, float) or header.architecture != "llama":
        return None
    expected = llama_3_factors(2 * len(table), theta, factor)
    if any(
        abs(stored - computed) > _TOLERANCE * computed
        for stored, computed in zip(table, expected, strict=True)
    ):
        return None
    return {"rope_type": "llama3", "factor": factor, **LLAMA_3}


def llama_3_factors(width: int, theta: float, factor: float) -> list[float]:
    """What every rotary frequency of a head of so many numbers is divided by,
    as llama.cpp's converter writes it.

    Waves that fit the original context four times are kept, those longer than it are stretched by the factor,
    and between the two it is blended (`rope_type` `llama3` of transformers).
    """
    low, high = LLAMA_3["low_freq_factor"], LLAMA_3["high_freq_factor"]
    context = LLAMA_3["original_max_position_embeddings"]
    factors = []
    for place in range(0, width, 2):
        wave = 2 * math.pi * theta ** (place / width)
        if wave < context / high:
            factors.append(1.0)
        elif wave > context / low:
            factors.append(factor)
        else:
            share = (context / wave - low) / (high - low)
            factors.append(1 / ((1 - share) / factor + share))
    return factors
