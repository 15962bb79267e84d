"""Attention, occlusion and gradients find the token that an answer is known to depend on, and add up."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="needs the train extra")

import torch
from home_made_tokenizers import home_made, tiny_model
from toy_models import ask_job, write_jsonl
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from harness.engines.base_model import BaseModel
from harness.engines.weighing import ChoiceReader
from harness.inspection import attention
from harness.inspection.arm import LoadedArm, load_arm, read_samples
from harness.inspection.attention import mean_embedding, read_attention, rollout, segment_names
from harness.inspection.segments import segments_of, token_texts
from harness.task import PromptSet, Sample
from harness.task.prompts import prompt_row
from harness.workers.jobs import PassJob

FIRST, SECOND, LEFT, RIGHT, FILLER = 5, 6, 7, 8, 9
"""Tokens of the known model: two keys, the answers that they make likely, and one that means nothing."""

ONE, IS_KEY, WHICH, SAYS = range(4)
"""Dimensions of its embeddings."""


def known_model() -> Any:
    """A Llama of one layer and one head that looks at the keys alone: after the first it says the left answer, after
    the second the right one, wherever the key stands."""
    size = 16
    config = LlamaConfig(
        vocab_size=12, hidden_size=size, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=128, tie_word_embeddings=False, rope_theta=1e12,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    slow = size // 2 - 1  # the pair of dimensions that turns the least with the position
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "norm" in name else 0.0)
        embeddings = model.get_input_embeddings().weight
        embeddings[:, ONE] = 1.0
        embeddings[[FIRST, SECOND], IS_KEY] = 1.0
        embeddings[FIRST, WHICH], embeddings[SECOND, WHICH] = 1.0, -1.0
        layer = model.model.layers[0].self_attn
        layer.q_proj.weight[slow, ONE] = 8.0
        layer.k_proj.weight[slow, IS_KEY] = 2.0
        layer.v_proj.weight[0, WHICH] = 1.0
        layer.o_proj.weight[SAYS, 0] = 4.0
        model.lm_head.weight[LEFT, SAYS], model.lm_head.weight[RIGHT, SAYS] = 1.0, -1.0
    return model


class KnownSample:
    """What a pass reads of a sample, as far as attention does."""

    def __init__(self, tokens: list[int], answer: int) -> None:
        self.question = type("Question", (), {"tokens": tokens, "answer_tokens": [[answer]]})()
        self.segments = ()


class Numbered:
    """Writes tokens as their numbers."""

    def decode(self, token_ids: list[int]) -> str:
        return "".join(f"<{token}>" for token in token_ids)


def read(model: PreTrainedModel, tokens: list[int], answer: int) -> dict[str, Any]:
    arm = LoadedArm(model, Numbered(), 128, ChoiceReader(model, 0))
    (reading,) = read_attention(arm, [(0, KnownSample(tokens, answer))])  # type: ignore[list-item]
    assert not reading.error
    return dict(reading.arrays)


@pytest.mark.parametrize("place", [0, 3, 9])
@pytest.mark.parametrize(("key", "answer"), [(FIRST, LEFT), (SECOND, RIGHT)])
def test_all_three_measures_find_the_token_that_decides(place: int, key: int, answer: int) -> None:
    tokens = [FILLER] * 10 + [4]
    tokens[place] = key
    arrays = read(known_model(), tokens, answer)
    for name in ("rollout", "gradient", "token_occlusion"):
        looked = arrays[name].copy()
        if name == "rollout":
            looked[-1] = 0.0  # half of it is the position's own, by the residual connection
        assert looked.argmax() == place, name
        others = np.delete(np.abs(looked), place)
        assert np.abs(looked[place]) > 5 * others.max(), name
    assert arrays["attention"].shape == (1, 1, 0)
    assert arrays["tokens"].tolist() == [f"<{token}>" for token in tokens]
    # Without its key the answer is one of twelve.
    without = arrays["logprob"] - arrays["token_occlusion"][place]
    assert without == pytest.approx(-np.log(12), abs=0.05)


def test_attention_of_a_model_is_what_transformers_tells_and_rows_sum_to_one(tmp_path: Path) -> None:
    tokenizer = home_made("bytes, Llama 3")
    model = tiny_model(tokenizer).eval()
    tokens = tokenizer("Question: Is the lamp red?")["input_ids"]
    arrays = read(model, tokens, tokens[3])
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        told = model(torch.tensor([tokens]), output_attentions=True).attentions
    joined = np.eye(len(tokens))
    for layer in told:
        joined = (layer[0].mean(0).double().numpy() + np.eye(len(tokens))) / 2 @ joined
    np.testing.assert_allclose(arrays["rollout"], joined[-1], atol=1e-6)
    assert arrays["rollout"].sum() == pytest.approx(1.0, abs=1e-5)
    # By hand: the log-probability without the third token, and a difference quotient on the way there.
    mean = model.get_input_embeddings().weight.detach().mean(dim=0)
    torch.testing.assert_close(mean_embedding(model), mean)
    embedded = model.get_input_embeddings()(torch.tensor([[*tokens, tokens[3]]]))

    def logprob(scale: float) -> float:
        rows = embedded.clone()
        rows[0, 2] = mean + scale * (rows[0, 2] - mean)
        with torch.inference_mode():
            logits = model(inputs_embeds=rows).logits
        return float(torch.log_softmax(logits[0, -2].double(), -1)[tokens[3]])

    assert arrays["token_occlusion"][2] == pytest.approx(logprob(1.0) - logprob(0.0), abs=1e-4)
    assert arrays["gradient"][2] == pytest.approx(
        (logprob(1.001) - logprob(0.999)) / 0.002, rel=0.05, abs=1e-3
    )


def test_rollout_of_the_identity_is_the_identity() -> None:
    attentions = np.broadcast_to(np.eye(5), (3, 2, 5, 5))
    np.testing.assert_array_equal(rollout(attentions), np.eye(5, dtype=np.float32))


def test_a_model_without_attentions_has_the_rest(tmp_path: Path) -> None:
    from transformers import MambaConfig, MambaForCausalLM

    torch.manual_seed(0)
    model = MambaForCausalLM(
        MambaConfig(vocab_size=12, hidden_size=16, num_hidden_layers=2, state_size=4, expand=2)
    ).eval()
    arrays = read(model, [1, 2, 3, 4], 5)
    assert "attention" not in arrays and "rollout" not in arrays
    assert arrays["token_occlusion"].shape == arrays["gradient"].shape == (4,)


def test_attentions_that_memory_should_not_hold_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "MOST_ATTENTION_BYTES", 4 * 10**2)
    monkeypatch.setattr(attention, "TOKEN_BY_TOKEN", 10 * 11)
    assert "rollout" in read(known_model(), [FILLER] * 10, LEFT)
    beyond = read(known_model(), [FILLER] * 11, LEFT)
    assert "rollout" not in beyond and "token_occlusion" not in beyond
    assert beyond["gradient"].shape == (11,)


def test_segments_are_found_in_order_and_borders_belong_to_one() -> None:
    tokenizer = home_made("bytes, GPT-2")
    text = "red or blue? red: the red lamp"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    named = [
        ("instruction", "red or blue?"),
        ("text", "red"),
        ("instruction", ": the"),
        ("text", "red lamp"),
        ("no", "x"),
    ]
    segments = segments_of(tokenizer, text, [7, *ids], named)
    assert [segment.name for segment in segments] == ["instruction", "text", "instruction", "text"]
    parts = [tokenizer.decode([7, *ids][segment.begin : segment.end]).strip() for segment in segments]
    assert parts == ["red or blue?", "red", ": the", "red lamp"]
    assert [segment.begin for segment in segments] == [1, *(segment.end for segment in segments[:-1])]
    assert segments_of(tokenizer, text, ids[1:], named) == ()


def test_shares_of_segments_come_with_a_real_job(tmp_path: Path, qwen3: Path) -> None:
    prompts = PromptSet({"plain": "Which team?\n{text}"}, system="You sort mail.")
    sample = Sample("1", {"text": "My invoice is wrong."}, "billing", ("billing", "sales"))
    named = [["system", "You sort mail."], ["instruction", "Which team?"], ["text", "My invoice is wrong."]]
    write_jsonl(tmp_path / "prompts", [prompt_row(prompts, sample, "plain") | {"segments": named}])
    ask = ask_job(tmp_path / "prompts", tmp_path / "unwritten", weights=None, output="choice")
    arm = load_arm(BaseModel(str(qwen3), None, None, lambda _: None), None, max_model_len=None)
    (read_sample,) = read_samples(PassJob(ask=ask, reading="attention", readings=tmp_path / "x.npz"), arm)
    assert segment_names(read_sample) == ["instruction", "system", "text"]
    (reading,) = read_attention(arm, [(0, read_sample)])
    shares = reading.arrays["attention"]
    assert shares.shape[2] == 3 and (shares.sum(axis=2) <= 1 + 1e-5).all() and (shares >= 0).all()
    assert reading.arrays["occlusion"].shape == (3,)
    masked = {
        segment.name: reading.arrays["gradient"][segment.begin : segment.end]
        for segment in read_sample.segments
    }
    assert all(len(part) for part in masked.values())


@pytest.mark.parametrize("kind", ["bytes, GPT-2", "bytes, Llama 3", "SentencePiece, first", "Unigram"])
def test_texts_of_tokens_add_up_to_the_prompt(kind: str) -> None:
    tokenizer = home_made(kind)
    ids = tokenizer("Is the lamp red? 東京 – naïve 🎈\nno", add_special_tokens=False)["input_ids"]
    assert "".join(token_texts(tokenizer, ids)) == tokenizer.decode(ids)
