"""What a training step keeps of its forward pass is estimated as torch is seen to keep it."""

from pathlib import Path
from typing import Any

import pytest

from harness.plan.activations import LOGITS_BYTES, Widths, activation_bytes, widths_of
from harness.sweep.recipe import Training
from harness.toys import TOYS, toy_folder


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("toy", TOYS)
def test_the_estimate_is_within_a_sixth_of_what_torch_keeps(toy: str, checkpointing: bool) -> None:
    torch = pytest.importorskip("torch", reason="needs the train extra")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(toy_folder(toy)).train()
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    parameters = {parameter.data_ptr() for parameter in model.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        if tensor.untyped_storage().data_ptr() not in parameters:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    token_ids = torch.randint(0, 512, (4, 64))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(input_ids=token_ids, labels=token_ids, use_cache=False)
    seen = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    widths = widths_of(f"gainboard/{toy}")
    assert widths is not None
    training = Training(
        learning_rate=1e-3,
        max_length=64,
        per_device_train_batch_size=4,
        gradient_checkpointing=checkpointing,
    )
    # Of the logits' three tables one is kept until the backward pass, which begins with the other two. What is
    # computed anew, a layer at a time, comes then, too.
    later = 256 * widths.vocabulary * (LOGITS_BYTES - 4)
    later += 256 * 4 * (10 * widths.hidden + widths.mlp) if checkpointing else 0
    assert activation_bytes(widths, training, bytes_each=4) - later == pytest.approx(seen, rel=1 / 6)


LAYERS, WIDE = {"num_hidden_layers": 3}, {"hidden_size": 64}


@pytest.mark.parametrize(
    ("kind", "sizes", "mlp"),
    [
        ("llama", WIDE | LAYERS | {"intermediate_size": 200, "max_position_embeddings": 128}, 4 * 200),
        ("gpt2", {"n_embd": 64, "n_layer": 3, "n_positions": 128}, 2 * 256),
        ("gpt2", {"n_embd": 64, "n_layer": 3, "n_positions": 128, "n_inner": 200}, 2 * 200),
        ("opt", WIDE | LAYERS | {"ffn_dim": 200, "max_position_embeddings": 128}, 2 * 200),
        ("mpt", {"d_model": 64, "n_layers": 3, "max_seq_len": 128}, 2 * 256),
        ("bloom", WIDE | {"n_layer": 3}, None),  # its context ends nowhere
    ],
)
def test_sizes_are_read_by_the_names_that_each_kind_of_model_gives_them(
    kind: str, sizes: dict[str, int], mlp: int | None, tmp_path: Path
) -> None:
    from transformers import AutoConfig

    config = AutoConfig.for_model(kind, **sizes)
    config.save_pretrained(tmp_path)
    expected = None if mlp is None else Widths(64, mlp, 3, config.vocab_size, 128)
    assert widths_of(str(tmp_path)) == expected


def test_nothing_is_estimated_of_a_model_that_is_elsewhere() -> None:
    assert widths_of("owner/name-7b") is None
