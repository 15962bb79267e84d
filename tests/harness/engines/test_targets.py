"""`target_modules` on models without weights:
what matches, what may not, and what is refused in one sentence."""

from typing import Any

import pytest
from installed import need

from harness.errors import UserError
from harness.toys import toy_folder

torch = pytest.importorskip("torch")
need("peft", reason="needs the train extra")


def toy(name: str, **changes: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(toy_folder(name))
    for field, value in changes.items():
        setattr(config, field, value)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def gpt2() -> Any:
    from transformers import AutoModelForCausalLM, GPT2Config

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(
            GPT2Config(n_layer=1, n_embd=32, n_head=2, vocab_size=64, bos_token_id=0, eos_token_id=0)
        )


def refusal(model: Any, target_modules: Any) -> str:
    from harness.engines.targets import check_target_modules

    with pytest.raises(UserError) as refused:
        check_target_modules(model, target_modules)
    return str(refused.value)


def accept(model: Any, target_modules: Any) -> None:
    from harness.engines.targets import check_target_modules

    check_target_modules(model, target_modules)


@pytest.mark.parametrize("target_modules", ["all-linear", "All-Linear", None, ("q_proj", "v_proj")])
def test_layers_with_weights_of_their_own_are_accepted(target_modules: Any) -> None:
    accept(toy("toy-llama"), target_modules)


@pytest.mark.parametrize(
    "target_modules",
    [("layers.0.mlp.up_proj",), r".*\.(q|v)_proj", r"model\.layers\.\d+\.mlp\.down_proj"],
)
def test_ends_of_names_and_patterns_are_accepted(target_modules: Any) -> None:
    accept(toy("toy-qwen3"), target_modules)


@pytest.mark.parametrize(
    ("model", "target_modules"),
    [
        ("toy-llama", ("q_proj", "v_proj", "embed_tokens")),
        ("toy-llama", ("model.embed_tokens",)),
        ("toy-llama", ("q_proj", "lm_head")),
        ("toy-qwen3", r".*(q_proj|embed_tokens)"),
        ("toy-qwen3", r"lm_head|.*o_proj"),
        ("toy-neox", ("embed_in",)),
        ("toy-neox", ("query_key_value", "lm_head")),
    ],
)
def test_tied_embeddings_are_refused_from_either_side(model: str, target_modules: Any) -> None:
    said = refusal(toy(model), target_modules)
    assert "(tied embeddings)" in said
    assert "leave it out, or tune all weights with the method 'full'" in said


@pytest.mark.parametrize("name", ["wte", "lm_head", "transformer.wte"])
def test_tied_embeddings_of_other_architectures_are_refused(name: str) -> None:
    assert f"'{name}' reaches" in refusal(gpt2(), ("c_attn", name))


def test_embeddings_that_are_not_tied_are_accepted() -> None:
    accept(toy("toy-llama", tie_word_embeddings=False), ("q_proj", "embed_tokens", "lm_head"))


def test_a_name_that_matches_nothing_is_refused_though_others_match() -> None:
    said = refusal(toy("toy-llama"), ("q_proj", "v_porj"))
    assert "'v_porj' matches no module of this model. Did you mean 'v_proj'?" in said
    assert "embed_tokens" not in said, "that would be refused next"
    assert "There are q_proj, k_proj" in said
    assert "Did you mean 'q_proj'?" in refusal(toy("toy-llama"), ("Q_proj",))


def test_the_end_of_a_word_is_no_name() -> None:
    assert "matches no module" in refusal(toy("toy-llama"), ("proj",))


def test_all_linear_in_a_list_is_no_name() -> None:
    assert 'write target_modules = "all-linear"' in refusal(toy("toy-llama"), ("all-linear", "q_proj"))


def test_a_name_that_is_given_as_a_pattern_is_told_how_to_be_a_name() -> None:
    assert 'name modules in a list instead: ["q_proj"]' in refusal(toy("toy-llama"), "q_proj")


@pytest.mark.parametrize(
    ("target_modules", "said"),
    [
        ("(", "is no regular expression"),
        ("nope.*", "matches no module"),
        (("self_attn",), "a LlamaAttention, which no adapter goes beside"),
        (("input_layernorm",), "a LlamaRMSNorm, which no adapter goes beside"),
        (".*", "which no adapter goes beside"),
        (("",), "matches no module"),
    ],
)
def test_what_peft_cannot_do_is_refused_in_a_sentence(target_modules: Any, said: str) -> None:
    assert said in refusal(toy("toy-llama"), target_modules)
