"""What a training step keeps of its forward pass is estimated as torch is seen to keep it."""

from typing import Any

import pytest

from harness.plan.activations import LOGITS_BYTES, activation_bytes, widths_of
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


def test_nothing_is_estimated_of_a_model_that_is_elsewhere() -> None:
    assert widths_of("owner/name-7b") is None
