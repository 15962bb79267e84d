"""Estimate what a training step keeps of its forward pass: activations, for the backward one.

Per token and layer a decoder keeps about 10 h + 4 f numbers, where its MLP is gated (with h the width and f
that of the MLP; 2 f in one that is not), beside 3 h and the vocabulary's V logits once. It is the count of
Korthikanti et al. 2022 (arXiv 2205.05198, equation 1: 34 s b h bytes in 16 bits for f = 4 h) without dropout,
and without the attention's scores, which today's kernels do not keep. With gradient checkpointing each layer
keeps its input, h, and one layer at a time is computed anew. What torch keeps of the toys is within a sixth
of it; the peak of a whole step, with all that comes and goes in between, was 1.3 to 1.9 times as much on a
CPU. Numbers take 4 bytes on a CPU, and 2 with autocast on a GPU; logits and their gradient always 4.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.foreign import read_json_object
from harness.sweep.converted import location
from harness.sweep.models import model_kind
from harness.sweep.recipe import Training

LOGITS_BYTES = 3 * 4
"""Of a token and an entry of the vocabulary: the logit, its log-probability and its gradient."""


@dataclass(frozen=True)
class Widths:
    """What a configuration says of a decoder's size."""

    hidden: int
    mlp: int
    """Numbers that an MLP keeps of a token."""

    layers: int
    vocabulary: int
    context: int

    def kept(self, *, gradient_checkpointing: bool) -> int:
        """Numbers per token until the backward pass, logits apart."""
        of_a_layer = 10 * self.hidden + self.mlp
        if gradient_checkpointing:
            return self.layers * self.hidden + of_a_layer + 3 * self.hidden
        return self.layers * of_a_layer + 3 * self.hidden


def widths_of(model: str) -> Widths | None:
    """From the configuration of a model whose folder is on this machine; None where nothing tells."""
    try:
        place = None if model_kind(model) == "hub" else location(model)
        config = {} if place is None else read_json_object(Path(place) / "config.json")
    except (OSError, UserError, ValueError):
        return None
    text = config.get("text_config")
    return _widths(text if isinstance(text, dict) else config)


_NAMES = (
    ("hidden_size", "n_embd", "d_model"),
    ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    ("vocab_size",),
    ("max_position_embeddings", "n_positions", "max_seq_len", "n_ctx"),
)
_MLP_NAMES = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
"""Llama's names, and those of GPT-2, OPT, MPT and BLOOM."""


def _size(config: dict[str, Any], names: tuple[str, ...]) -> int | None:
    """The first of some names that a configuration gives a size."""
    sizes = (config.get(name) for name in names)
    return next((size for size in sizes if isinstance(size, int) and size > 0), None)


def _widths(config: dict[str, Any]) -> Widths | None:
    hidden, layers, vocabulary, context = (_size(config, names) for names in _NAMES)
    if hidden is None or layers is None or vocabulary is None or context is None:
        return None
    mlp = _size(config, _MLP_NAMES) or 4 * hidden  # what models mean that do not say
    gated = "silu" in str(config.get("hidden_act")) or "tanh" in str(config.get("hidden_activation"))
    return Widths(hidden, (4 if gated else 2) * mlp, layers, vocabulary, context)


def activation_bytes(widths: Widths, training: Training, *, bytes_each: int) -> int:
    """Of one step on the longest samples that it may have, in bytes. A step that does not find them is
    repeated with fewer samples at a time."""
    tokens = training.per_device_train_batch_size * min(training.max_length, widths.context)
    numbers_per_token = widths.kept(gradient_checkpointing=training.gradient_checkpointing)
    return tokens * (numbers_per_token * bytes_each + widths.vocabulary * LOGITS_BYTES)
