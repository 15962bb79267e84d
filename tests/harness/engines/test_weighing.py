"""A trie read at once gives choices the log-probabilities of separate readings, whatever the architecture."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("transformers", reason="needs the train extra")

import torch
import transformers

from harness.engines import weighing
from harness.engines.choices import Trie, logprob_of, trie_of
from harness.engines.engine import Choose
from harness.engines.transformers import LoadedEngine
from harness.engines.weighing import ChoiceReader, Weighed, batches, shared_tokens
from harness.toys import TOYS, toy_folder

PAD, VOCABULARY = 1, 97

SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 256,
}

SIZES_OF_STATES = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}


def tiny(config: str, **settings: Any) -> Any:
    """A model of random weights, far enough from zero for what a token sees to matter."""
    torch.manual_seed(0)
    made = getattr(transformers, config)(**{"initializer_range": 0.5} | settings)
    return transformers.AutoModelForCausalLM.from_config(made).eval()


def toy(name: str) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(toy_folder(name)).eval()


ARCHITECTURES: dict[str, tuple[Callable[[], Any], str]] = {
    **{name: (lambda name=name: toy(name), "tree") for name in TOYS},
    "learned positions": (
        lambda: tiny("GPT2Config", vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=2),
        "tree",
    ),
    "a window": (lambda: tiny("MistralConfig", sliding_window=6, num_key_value_heads=1, **SIZES), "rows"),
    "windows in some layers": (
        lambda: tiny("Gemma3TextConfig", sliding_window=6, head_dim=16, num_key_value_heads=1, **SIZES),
        "rows",
    ),
    "a state": (lambda: tiny("MambaConfig", **SIZES_OF_STATES), "apart"),
}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> tuple[Any, str]:
    make, reading = ARCHITECTURES[request.param]
    return make(), reading


def tokens(count: int, *, begin: int = 0) -> list[int]:
    return [2 + (31 * number + 17 * begin) % (VOCABULARY - 2) for number in range(begin, begin + count)]


CHOICES = [
    [[5], [6], [7]],
    [[5, 8, 9], [5, 8], [6], [5, 7, 9, 11], [5, 7, 9, 12], [20, 21, 22, 23, 24, 25]],
    [[60 + number % 3, 70 + number % 5, 2 + number] for number in range(16)],
]


def plainly(model: Any, prompt: list[int], choice: list[int]) -> float:
    """Without batches, padding, masks or caches."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([prompt + choice])).logits[0, len(prompt) - 1 : -1]
    logprobs = logits.float().log_softmax(dim=-1)
    return float(logprobs.gather(1, torch.tensor(choice)[:, None]).sum())


def questions() -> list[Weighed]:
    prompts = [tokens(count, begin=count) for count in (3, 40, 17)]
    return [Weighed(prompt, trie_of(choices)) for prompt, choices in zip(prompts, CHOICES, strict=True)]


def hold(model: Any, prompts: list[list[int]], found: list[Any]) -> None:
    for prompt, choices, next_tokens in zip(prompts, CHOICES, found, strict=True):
        expected = [plainly(model, prompt, choice) for choice in choices]
        assert [logprob_of(choice, next_tokens) for choice in choices] == pytest.approx(expected, abs=1e-3)


def test_every_architecture_is_read_in_the_fewest_tokens_it_can(architecture: tuple[Any, str]) -> None:
    model, reading = architecture
    assert ChoiceReader(model, PAD).reading == reading


def test_choices_have_the_log_probabilities_of_plain_readings(architecture: tuple[Any, str]) -> None:
    model, _ = architecture
    asked = questions()
    hold(model, [question.prompt for question in asked], ChoiceReader(model, PAD).read(asked))


def test_what_all_prompts_begin_with_is_read_once(architecture: tuple[Any, str]) -> None:
    model, _ = architecture
    begin = tokens(50)
    prompts = [begin + tokens(count, begin=count) for count in (2, 9, 5)]
    assert shared_tokens(prompts) == 50
    reader = ChoiceReader(model, PAD)
    asked = [Weighed(prompt, trie_of(choices)) for prompt, choices in zip(prompts, CHOICES, strict=True)]
    shared = reader.shared(prompts)
    assert shared.tokens == (50 if reader.reading == "tree" else 0)
    hold(model, prompts, reader.read(asked, shared))
    hold(model, prompts, reader.read(asked, shared))  # what was read is as it was


def test_a_trie_too_large_for_memory_is_read_in_parts(
    architecture: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = architecture
    reader = ChoiceReader(model, PAD)
    assert reader.reading
    monkeypatch.setattr(weighing, "NODES_AT_ONCE", 5)
    monkeypatch.setattr(weighing, "KEYS_AT_ONCE", 100)
    for question, choices in zip(questions(), CHOICES, strict=True):
        (found,) = reader.read([question])
        expected = [plainly(model, question.prompt, choice) for choice in choices]
        assert [logprob_of(choice, found) for choice in choices] == pytest.approx(expected, abs=1e-3)


def test_a_model_that_leaves_masks_aside_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = toy(TOYS[0])
    forward = model.forward

    def without_a_mask(attention_mask: Any = None, **asked: Any) -> Any:
        if attention_mask is not None and attention_mask.ndim == 4:
            attention_mask = None
        return forward(attention_mask=attention_mask, **asked)

    monkeypatch.setattr(model, "forward", without_a_mask)
    assert ChoiceReader(model, PAD).reading == "rows"


def test_a_question_reads_its_prompt_and_each_node_once() -> None:
    """77 labels of some 4 tokens after 50, in a model that counts what it reads."""
    model = toy(TOYS[0])
    reader = ChoiceReader(model, PAD, reading="tree")
    read: list[int] = []
    model.register_forward_pre_hook(
        lambda _, args, asked: read.append(asked["input_ids"].numel()), with_kwargs=True
    )
    trie = trie_of([[5 + label % 12, 100 + label, 200 + label, 300 + label] for label in range(77)])
    reader.read([Weighed(tokens(50), trie)])
    assert read == [50, 12 + 77 + 77]


def test_an_engine_reads_no_more_after_prompts_at_once_than_it_may() -> None:
    """500 labels after prompts that nearly fill the context; nothing after prompts is read twice."""
    model = toy(TOYS[0])
    tokenizer = transformers.AutoTokenizer.from_pretrained(toy_folder(TOYS[0]))
    engine = LoadedEngine(model, tokenizer)
    shapes: list[tuple[int, int]] = []
    model.register_forward_pre_hook(
        lambda _, args, asked: shapes.append(tuple(asked["input_ids"].shape)), with_kwargs=True
    )
    many = [[2 + label % 500, 2 + label // 3, 9, 10] for label in range(500)]
    few = [[2, 5], [2, 6], [3, 5]]
    requests = [
        Choose(tokens(400 + number, begin=number), many if number < 2 else few) for number in range(6)
    ]
    answers = {answered.place: answered.answer for answered in engine.answer(requests)}
    widths = [len(trie_of(choices).nodes) for choices in (many, few)]
    after = [shape for shape in shapes[-6:] if shape[1] < 400]
    assert max(rows * columns for rows, columns in after) <= weighing.NODES_AT_ONCE
    assert widths[1] == 2
    assert answers[5] == pytest.approx(
        [plainly(model, requests[5].prompt, choice) for choice in few], abs=1e-3
    )
    assert answers[0][7] == pytest.approx(plainly(model, requests[0].prompt, many[7]), abs=1e-3)
    assert len(answers[1]) == 500


def test_as_many_questions_are_read_at_once_as_there_is_room_for() -> None:
    few, many = trie_of([[1, 2], [1, 3], [4]]), trie_of([[number, 1, 2] for number in range(200)])
    lengths = (50, 60, 4000, 3000, 50, 20_000)
    questions = [Weighed([1] * length, few) for length in lengths] + [Weighed([1] * 50, many)]
    assert sorted(batches(questions)) == [
        ([0, 4, 1], 32),  # short prompts, the shortest first
        ([3, 2], 4),
        ([5], 1),
        ([6], 2),
    ]


def test_prompts_share_what_all_of_them_begin_with_but_for_their_last_token() -> None:
    assert shared_tokens([[1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 9]]) == 2
    assert shared_tokens([[1, 2], [1, 2]]) == 1
    assert shared_tokens([[1, 2]]) == shared_tokens([]) == 0
    assert shared_tokens([[1], [2]]) == 0


def test_a_trie_without_nodes_takes_its_prompt_alone(architecture: tuple[Any, str]) -> None:
    model, _ = architecture
    trie: Trie = trie_of([[5], [6]])
    (found,) = ChoiceReader(model, PAD).read([Weighed(tokens(9), trie)])
    assert found.keys() == {()}
