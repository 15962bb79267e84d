"""Hold the shapes in a model's files against its configuration, without reading a weight.

transformers fills what is missing with random numbers, and a worker finds
that out only when it loads the model.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.counts import count_of
from harness.errors import UserError
from harness.preflight.job import Remark
from harness.sweep.model_files import tensor_shapes, weight_files

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\.")
_EMBEDDINGS = re.compile(r"(?:^|\.)(?:embed_tokens|embed_in|wte|word_embeddings)\.weight$")
"""Tensors by the names that causal language models of transformers give them."""

_WIDTHS = ("embedding_size", "word_embed_proj_dim", "quantization_config")
"""Settings with which embeddings may have another width than the layers."""


def weights_remarks(folder: Path, config: Any) -> Iterator[Remark]:
    """What a folder's weights lack of the model that its configuration describes. `config`: of its text."""
    try:
        shapes: dict[str, list[int]] = {}
        for path in weight_files(folder):
            shapes |= tensor_shapes(path)
    except (UserError, ValueError) as error:
        yield _refusal(f"its weights cannot be read: {error}")
        return
    yield from _layers(shapes, getattr(config, "num_hidden_layers", None))
    yield from _embeddings(shapes, config)


def _layers(shapes: Mapping[str, list[int]], expected: object) -> Iterator[Remark]:
    numbers = [int(match[1]) for name in shapes if (match := _LAYER.search(name))]
    # Where most tensors are called otherwise, these are the layers of something else.
    if len(numbers) < len(shapes) / 2 or not isinstance(expected, int):
        return
    # There may be more: some models bring layers that predict further tokens, which nothing else loads.
    if max(numbers, default=expected) + 1 < expected:
        yield _refusal(
            f"its weights have {count_of(max(numbers) + 1, 'layer')}, and its configuration says {expected}"
        )


def _embeddings(shapes: Mapping[str, list[int]], config: Any) -> Iterator[Remark]:
    rows = getattr(config, "vocab_size", None)
    has_own_width = any(hasattr(config, name) for name in _WIDTHS)
    width = None if has_own_width else getattr(config, "hidden_size", None)
    for name, shape in shapes.items():
        if not _EMBEDDINGS.search(name):
            continue
        if isinstance(width, int) and shape[1:] != [width]:
            wide = "×".join(map(str, shape))
            yield _refusal(f"its weights have embeddings of {wide} ({name}), and its hidden_size is {width}")
            return
        if isinstance(rows, int) and shape[0] != rows:
            yield _refusal(
                f"its weights have embeddings of {shape[0]:,} tokens ({name}), "
                f"and its configuration says {rows:,}"
            )
            return


def _refusal(fault: str) -> Remark:
    sentence = (
        f"{fault}; give the folder that `save_pretrained` wrote, with the configuration of these weights"
    )
    return Remark(severity="refuse", fact="weights", sentence=sentence)
