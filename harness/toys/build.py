"""Build toy models anew: train the tokenizer and the model itself, and save both in the Hugging Face format.

The package holds what this has built; after a change here, run `python -m harness.toys.build NAME…`. One
thread and fixed seeds make the result the same on every start of one machine.
"""

import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from harness.toys import TOYS, toy_folder
from harness.toys.text import Turn, documents

STEPS = 1000
BATCH, LENGTH = 8, 128
"""Sequences a step, tokens a sequence."""
LEARNING_RATES = {"toy-llama": 4e-3, "toy-qwen3": 4e-3, "toy-neox": 3e-3}
WARMUP_STEPS = 30
VOCABULARY, CONTEXT = 1024, 512
IGNORED = -100
"""The label of a token that carries no loss."""

END, PAD, USER, ASSISTANT, SYSTEM = "<|end|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|system|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}" + END + "{% endfor %}"
    "{% if add_generation_prompt %}" + ASSISTANT + "{% endif %}"
)


def build(name: str, folder: Path, *, steps: int = STEPS) -> None:
    """Train the toy from scratch and save it to the folder, in half precision:
    that halves what is shipped."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    corpus = documents(random.Random(0))
    tokenizer = _train_tokenizer(["".join(text for text, _ in _pieces(next(corpus))) for _ in range(4000)])
    model = AutoModelForCausalLM.from_config(_config(name, len(tokenizer)), dtype=torch.float32)
    _pretrain(model, _batches(tokenizer, corpus), steps, learning_rate=LEARNING_RATES[name])
    model.half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = folder / "config.json"
    # Whoever loads it without asking for a precision gets the one that it was trained in.
    config.write_text(json.dumps(json.loads(config.read_text()) | {"dtype": "float32"}, indent=2) + "\n")


def _pieces(document: list[Turn] | str) -> Iterator[tuple[str, bool]]:
    """A document's text in pieces, each with whether it is learnt: all of plain text, only the answers of
    questions."""
    if isinstance(document, str):
        yield document + END, True
        return
    for question, answer in document:
        yield f"{USER}{question}{END}{ASSISTANT}", False
        yield f"{answer}{END}", True


def _train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE that keeps every digit a token, so that numbers are read digit by digit."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    special = [END, PAD, USER, ASSISTANT, SYSTEM]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=special[2:],
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
    )


def _config(name: str, vocabulary: int) -> PreTrainedConfig:
    common = {
        "vocab_size": vocabulary,
        "max_position_embeddings": CONTEXT,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 1,
        "tie_word_embeddings": True,
    }
    # Heads of 32 are the smallest that vLLM's attention on CPUs computes.
    if name == "toy-llama":
        return LlamaConfig(
            hidden_size=160, intermediate_size=384, num_hidden_layers=4, num_attention_heads=5, **common
        )
    if name == "toy-qwen3":
        return Qwen3Config(
            hidden_size=160,
            intermediate_size=384,
            num_hidden_layers=4,
            num_attention_heads=6,
            num_key_value_heads=3,
            head_dim=32,
            **common,
        )
    # With rotary positions in a quarter of each head, as is usual, so small a model hardly learns to copy.
    return GPTNeoXConfig(
        hidden_size=160,
        intermediate_size=640,
        num_hidden_layers=4,
        num_attention_heads=5,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 1.0},
        **common,
    )


def _batches(
    tokenizer: PreTrainedTokenizerFast, corpus: Iterator[list[Turn] | str]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless token ids and labels, both (BATCH × LENGTH), documents packed one after another."""
    size = BATCH * LENGTH
    tokens: list[int] = []
    labels: list[int] = []
    while True:
        while len(tokens) < size:
            for text, learnt in _pieces(next(corpus)):
                piece = tokenizer(text, add_special_tokens=False)["input_ids"]
                tokens += piece
                labels += piece if learnt else [IGNORED] * len(piece)
        yield torch.tensor(tokens[:size]).view(BATCH, LENGTH), torch.tensor(labels[:size]).view(BATCH, LENGTH)
        del tokens[:size], labels[:size]


def _pretrain(
    model: PreTrainedModel,
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    steps: int,
    *,
    learning_rate: float,
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARMUP_STEPS) * (1 - 0.95 * step / steps)
    )
    started = time.monotonic()
    for step in range(1, steps + 1):
        input_ids, labels = next(batches)
        loss = model(input_ids=input_ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 50 == 0:
            print(
                f"step {step}/{steps} · loss {loss.item():.3f} · {time.monotonic() - started:.0f} s",
                flush=True,
            )


def main() -> None:
    """Build the toys named on the command line."""
    for name in sys.argv[1:]:
        if name not in TOYS:
            raise SystemExit(f"toy '{name}' not found; there are {', '.join(TOYS)}")
        build(name, toy_folder(name))


if __name__ == "__main__":
    main()
