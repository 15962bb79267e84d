"""Load a base model for training: an adapter beside frozen weights, or all weights."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from harness.engines.targets import check_target_modules
from harness.engines.weights import check_base, load_model, put_adapter
from harness.errors import UserError
from harness.sweep.methods import TUNERS, Tuner
from harness.sweep.recipe import Training


def load_tunable(
    model: str, revision: str | None, *, tuner: Tuner, training: Training, start: Path | None
) -> Any:
    """The model to train, on the CPU (in four bits: on its device); for an adapter the base, with the adapter
    in `start` if there is one. Raises `UserError` for `target_modules` that do not fit the model.

    `qlora` trains its adapter beside weights rounded to four bits. Engines and `merge_and_unload` put it
    beside, or into, the base's unrounded weights, as is usual; a board's scores are of these.
    """
    # Full fine-tuning keeps master weights in float32, where small updates are not rounded away; autocast
    # computes in bfloat16. Under an adapter the base is frozen, so bfloat16 loses nothing.
    tuning = TUNERS[tuner]
    if tuning.all_weights:
        return load_model(model, revision, start, dtype=torch.float32)
    if tuning.four_bits:
        base = _in_four_bits(model, revision)
    else:
        dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
        base = load_model(model, revision, None, dtype=dtype)
    check_target_modules(base, training.target_modules)
    return base if start is None else put_adapter(base, start, trainable=True)


def adapter_config(tuner: Tuner, training: Training) -> LoraConfig:
    """A new adapter, as the settings describe it."""
    modules = training.target_modules
    options = {
        "r": training.r,
        "lora_alpha": training.lora_alpha,
        "lora_dropout": training.lora_dropout,
        "target_modules": modules if isinstance(modules, str) else list(modules or ()),
        "use_rslora": bool(training.use_rslora),
    }
    return LoraConfig(task_type="CAUSAL_LM", **options | dict(TUNERS[tuner].lora_config))


def check_bitsandbytes(tuner: Tuner, training: Training) -> None:
    """Raise `UserError` where the tuner or the optimiser needs bitsandbytes, and it is missing or does not
    work here."""
    four_bits = TUNERS[tuner].four_bits
    if four_bits:
        setting, instead = f"tuner '{tuner}'", "use 'lora' instead"
    elif training.optim == "paged_adamw_8bit":
        setting, instead = "optim = 'paged_adamw_8bit'", "use 'adamw_torch' or 'adafactor' instead"
    else:
        return
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            f"{setting} needs bitsandbytes, which is not installed here; "
            f"pip install bitsandbytes, or {instead}"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if not four_bits and device == "cpu":
            raise RuntimeError("its optimisers need a CUDA device")
        _multiply_in_four_bits(device)
    except (ImportError, RuntimeError, AttributeError, NotImplementedError, OSError) as error:
        raise UserError(
            f"{setting} needs bitsandbytes, which does not work here ({_line(error)}); {instead}"
        ) from None


def count_parameters(model: Any) -> tuple[int, int]:
    """Parameters that are trained, and all. Tied embeddings count once, as the output layer that they also
    are; packed weights count as those they stand for."""
    trainable = total = 0
    for tensor in model.parameters():
        count = tensor.quant_state.shape.numel() if hasattr(tensor, "quant_state") else tensor.numel()
        total += count
        trainable += count if tensor.requires_grad else 0
    return trainable, total


def _in_four_bits(model: str, revision: str | None) -> Any:
    """The base rounded to four bits. Raises `UserError` when bitsandbytes cannot multiply by its matrices: on
    CPUs their widths must be multiples of 64."""
    check_base(model, revision)
    loaded = AutoModelForCausalLM.from_pretrained(
        model,
        revision=revision,
        use_safetensors=True,
        dtype=torch.bfloat16,
        device_map={"": 0 if torch.cuda.is_available() else "cpu"},
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        ),
    )
    for module in loaded.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # An evaluation would pack its weights for a kernel
            # that no gradient comes back from, and leave them so.
            module.support_avx512bf16_for_cpu = False
    try:
        with torch.no_grad():
            loaded.eval()(input_ids=torch.zeros(1, 2, dtype=torch.long, device=loaded.device))
    except RuntimeError as error:
        raise UserError(
            f"tuner 'qlora': bitsandbytes cannot multiply by this model's weights here ({_line(error)}); "
            "use 'lora' instead"
        ) from None
    return loaded


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _multiply_in_four_bits(device: str) -> None:
    import bitsandbytes

    layer = bitsandbytes.nn.Linear4bit(64, 64, bias=False, quant_type="nf4", compute_dtype=torch.bfloat16).to(
        device
    )
    layer(torch.ones(1, 64, dtype=torch.bfloat16, device=device)).sum().item()
