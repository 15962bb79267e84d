"""Load a base model with the weights of one arm: as it is, fully fine-tuned, or with a LoRA adapter merged
in."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from harness.counts import agreeing, count_of
from harness.errors import UserError
from harness.sweep.model_files import ADAPTER

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""By the names that records have for them."""


def load_model(
    base: str, revision: str | None, weights: Path | None, *, dtype: torch.dtype
) -> PreTrainedModel:
    """The model of an arm, in memory on the CPU. `weights` is None (the base), a model folder or an adapter
    folder.

    Raises `UserError` when the weights are not exactly those of the base's architecture: transformers fills
    what is missing with random numbers and goes on, and an adapter that is not applied looks like a fine-tune
    without gain.
    """
    if weights is not None and not weights.is_dir():
        raise UserError(
            f"the weights folder {weights} does not exist; it may have been removed from the work folder"
        )
    if weights is None:
        return _load(base, revision, dtype)
    if is_adapter(weights):
        return put_adapter(_load(base, revision, dtype), weights).merge_and_unload()
    model = _load(str(weights), None, dtype)
    _check_architecture(model, base, revision, weights)
    return model


def save_merged(base: str, revision: str | None, adapter: Path, folder: Path, *, dtype: str) -> None:
    """Write an adapter, merged into its base, to a folder as a model of transformers, in the precision named
    `dtype`. Raises `UserError` like `load_model`."""
    load_model(base, revision, adapter, dtype=DTYPES.get(dtype, torch.float32)).save_pretrained(folder)


def check_base(base: str, revision: str | None) -> int:
    """The parameters of a whole model, whose weights are looked at and not loaded. Raises `UserError` like
    `load_without_numbers`."""
    return sum(tensor.numel() for tensor in load_without_numbers(base, revision).parameters())


def load_without_numbers(base: str, revision: str | None) -> PreTrainedModel:
    """A whole model whose layers have their names and shapes, and no numbers in them.

    Raises `UserError` when its weights are not exactly those of its architecture.
    """
    model, info = AutoModelForCausalLM.from_pretrained(
        base,
        revision=revision,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # `check_loaded` names them
        device_map="meta",
    )
    check_loaded(base, type(model).__name__, info)
    return cast("PreTrainedModel", model)


def is_adapter(weights: Path) -> bool:
    """Whether the folder holds a PEFT adapter, not a whole model."""
    return (weights / ADAPTER).exists()


def put_adapter(model: Any, adapter: Path, *, trainable: bool = False) -> Any:
    """The model with a PEFT adapter beside its weights. Raises `UserError` when it does not fit exactly."""
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", framework="pt") as file:
        saved = set(file.keys())
    try:
        wrapped = PeftModel.from_pretrained(model, adapter, is_trainable=trainable)
    except (RuntimeError, ValueError) as error:  # other shapes; target modules that the base does not have
        raise UserError(f"adapter {adapter} does not fit the base model: {_first_line(error)}") from None
    expected = set(get_peft_model_state_dict(wrapped))
    if saved != expected:
        odd = sorted(saved ^ expected)
        wrapped.unload()
        unlike = f"{count_of(len(odd), 'tensor')} {agreeing('do', len(odd))} not match"
        raise UserError(f"adapter {adapter}: {unlike} the base model, the first is {odd[0]}")
    return wrapped


def _load(model: str, revision: str | None, dtype: torch.dtype) -> Any:
    loaded, info = AutoModelForCausalLM.from_pretrained(
        model,
        revision=revision,
        dtype=dtype,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # `check_loaded` names them
    )
    # transformers does not count what it may leave out, as the output layer of tied embeddings.
    check_loaded(model, type(loaded).__name__, info)
    return loaded


def check_loaded(model: str, architecture: str, info: Mapping[str, Any]) -> None:
    """Raise `UserError` unless the weights of a model were exactly those of its architecture. `info`: what
    transformers says of the loading."""
    problems = {"lack": info["missing_keys"], "have another shape for": info["mismatched_keys"]}
    for problem, tensors in problems.items():
        if tensors:
            raise UserError(
                f"the weights in {model} {problem} {count_of(len(tensors), 'tensor')} of their architecture "
                f"({architecture}), the first is {_first(tensors)}"
            )
    unexpected = info["unexpected_keys"]
    if unexpected:  # what would be scored is not the model that was saved
        raise UserError(
            f"the weights in {model} hold {count_of(len(unexpected), 'tensor')} that their architecture "
            f"({architecture}) lacks, the first is {_first(unexpected)}: config.json counts fewer "
            "layers than there are, or is another model's"
        )


def _first(tensors: Collection[Any]) -> str:
    """The name of the first; of those with another shape transformers tells the shapes, too."""
    tensor = min(tensors)
    return tensor if isinstance(tensor, str) else str(tensor[0])


def _check_architecture(model: PreTrainedModel, base: str, revision: str | None, weights: Path) -> None:
    """An engine of the base can take the weights only if every tensor has its name and shape there."""
    of_base, of_arm = _shapes(_without_weights(base, revision).state_dict()), _shapes(model.state_dict())
    if of_base == of_arm:
        return
    odd = min(name for name in of_base.keys() | of_arm.keys() if of_base.get(name) != of_arm.get(name))
    raise UserError(
        f"the weights in {weights} are of another architecture than {base}: {odd} is "
        f"{_shape(of_arm.get(odd))} there and "
        f"{_shape(of_base.get(odd))} in the base"
    )


def _without_weights(base: str, revision: str | None) -> Any:
    """The base's architecture, its tensors without memory behind them."""
    from transformers import AutoConfig

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base, revision=revision))


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _shape(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else "×".join(map(str, shape))


def _first_line(error: Exception) -> str:
    """The part of torch's message that says which tensor it is about."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if re.match(r"(size mismatch|Target modules)", line)), lines[0])
