"""Load a base model with the weights of one arm: as it is, fully fine-tuned, or with a LoRA adapter merged in."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from harness.errors import UserError


def load_model(base: str, revision: str | None, weights: Path | None, *, dtype: torch.dtype) -> PreTrainedModel:
    """The model of an arm, in memory on the CPU. `weights` is None (the base), a model folder or an adapter folder.

    Raises `UserError` when an adapter's tensors are not exactly those its configuration puts into the base: an
    adapter that is silently not applied looks like a fine-tune that gained nothing.
    """
    if weights is not None and not weights.is_dir():
        raise UserError(f"the weights folder {weights} does not exist; it may have been removed from the work folder")
    if weights is None or is_adapter(weights):
        model = AutoModelForCausalLM.from_pretrained(base, revision=revision, dtype=dtype, use_safetensors=True)
    else:
        model = AutoModelForCausalLM.from_pretrained(weights, dtype=dtype, use_safetensors=True)
    if weights is not None and is_adapter(weights):
        model = _merge(model, weights)
    return model


def is_adapter(weights: Path) -> bool:
    """Whether the folder holds a PEFT adapter, not a whole model."""
    return (weights / "adapter_config.json").exists()


def _merge(model: Any, adapter: Path) -> Any:
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
        saved = set(file.keys())
    wrapped = PeftModel.from_pretrained(model, adapter)
    expected = set(get_peft_model_state_dict(wrapped))
    if saved != expected:
        odd = sorted(saved ^ expected)
        raise UserError(f"adapter {adapter}: {len(odd)} tensors do not match the base model, the first is {odd[0]}")
    return wrapped.merge_and_unload()
