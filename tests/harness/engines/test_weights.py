"""Weights that do not belong to a base are refused, in words: transformers would fill in random numbers and
go on."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("peft", reason="needs the train extra")

import torch

from harness.engines.engine import check_vocabulary
from harness.engines.weights import check_base, load_model
from harness.errors import UserError


def save(folder: Path, **changed: Any) -> Path:
    """A tiny model of random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(**(sizes | {"vocab_size": 40} | changed))).save_pretrained(folder)
    return folder


def adapt(base: Path, folder: Path, **settings: Any) -> Path:
    """A LoRA adapter of that model."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig(**({"r": 2, "target_modules": "all-linear", "init_lora_weights": False} | settings))
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(folder)
    return folder


def load(base: Path, weights: Path | None) -> Any:
    return load_model(str(base), None, weights, dtype=torch.float32)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("base"))


def test_an_adapter_is_merged(base: Path, tmp_path: Path) -> None:
    plain, merged = load(base, None).state_dict(), load(base, adapt(base, tmp_path)).state_dict()
    assert plain.keys() == merged.keys()
    assert not torch.equal(
        plain["model.layers.0.mlp.up_proj.weight"], merged["model.layers.0.mlp.up_proj.weight"]
    )


def test_a_full_model_of_other_sizes_is_refused(base: Path, tmp_path: Path) -> None:
    other = save(tmp_path, intermediate_size=48)
    with pytest.raises(
        UserError, match=r"another architecture .*down_proj.weight is 16×48 there and 16×32 in the base"
    ):
        load(base, other)


def test_a_full_model_with_other_layers_is_refused(base: Path, tmp_path: Path) -> None:
    other = save(tmp_path, num_hidden_layers=3)
    with pytest.raises(UserError, match=r"model.layers.2.* is .* there and missing in the base"):
        load(base, other)


def test_a_model_whose_tensors_have_other_shapes_than_it_says_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path) / "config.json"
    path.write_text(path.read_text().replace('"intermediate_size": 32', '"intermediate_size": 48'))
    with pytest.raises(
        UserError, match=r"have another shape for 6 tensors .*the first is model.layers.0.mlp"
    ):
        load(tmp_path, None)
    with pytest.raises(UserError, match=r"have another shape for 6 tensors"):
        check_base(str(tmp_path), None)


def test_a_model_that_lacks_a_tensor_is_refused(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        UserError, match=r"lack 1 tensor of their architecture .*the first is model.norm.weight"
    ):
        load(base, tmp_path)


def test_the_output_layer_that_tied_embeddings_leave_out_is_not_missed(tmp_path: Path) -> None:
    tied = save(tmp_path / "base", tie_word_embeddings=True)
    assert load(tied, save(tmp_path / "tuned", tie_word_embeddings=True)) is not None


def test_an_adapter_of_a_larger_model_is_refused(base: Path, tmp_path: Path) -> None:
    adapter = adapt(save(tmp_path / "other", intermediate_size=48), tmp_path / "adapter")
    with pytest.raises(UserError, match=r"does not fit the base model: size mismatch for .*mlp"):
        load(base, adapter)


def test_an_adapter_of_modules_that_the_base_lacks_is_refused(base: Path, tmp_path: Path) -> None:
    import json

    adapter = adapt(base, tmp_path, target_modules=["q_proj"])
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["query"]}))
    with pytest.raises(UserError, match="does not fit the base model: Target modules"):
        load(base, adapter)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused() -> None:
    class Tokenizer:
        def get_vocab(self) -> dict[str, int]:
            return {"a": 0, "b": 41}

    check_vocabulary(Tokenizer(), 42)
    with pytest.raises(UserError, match="knows token 41, and the model's vocabulary ends at 39"):
        check_vocabulary(Tokenizer(), 40)


def test_weights_with_more_layers_than_the_configuration_counts_are_refused(tmp_path: Path) -> None:
    import json

    save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    says = r"hold 9 tensors that their architecture .* lacks, the first is model\.layers\.1\..*fewer layers"
    for look in (lambda: load(tmp_path, None), lambda: check_base(str(tmp_path), None)):
        with pytest.raises(UserError, match=says):
            look()


def test_a_tensor_that_no_architecture_has_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors") | {"model.extra.weight": torch.zeros(2)}
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"hold 1 tensor .* the first is model\.extra\.weight"):
        load(tmp_path, None)


def test_a_look_at_a_base_counts_its_parameters(base: Path) -> None:
    expected = sum(tensor.numel() for tensor in load(base, None).parameters())
    assert check_base(str(base), None) == expected
