"""Small tokenizers of every kind that language models have, made without a download."""

from collections.abc import Callable
from functools import cache
from typing import Any

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

BOS, EOS, UNKNOWN, USER, ASSISTANT = "<s>", "</s>", "<unk>", "<|user|>", "<|assistant|>"
SPECIAL = [UNKNOWN, BOS, EOS, USER, ASSISTANT]

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
"""Ends a prompt with a line break, as most templates do."""

SENTENCES = (
    "Question: What is the capital of France?\nAnswer: Paris\n",
    "Question: Is the lamp in London red, blue or green?\nAnswer: blue (no, red)\n",
    "Word: no yes maybe. The colour is red; the answer (A) or (B) is: no\n\nWord:no\n",
    "[INST] Say a word of the text [/INST] yes = no, = red\n---\nassistant user system\n",
)

SPLIT_OF_LLAMA_3 = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""Without contractions. A mark and the letters after it may be one token."""

_STRIPPED = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]


def _trained(model: models.Model, before: pre_tokenizers.PreTokenizer, *, size: int = 420) -> Tokenizer:
    """Its tokens are pieces of what comes between the cuts of a pre-tokenizer."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = before
    alphabet = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;?!()[]=-/'\"\n▁")
    if isinstance(model, models.Unigram):
        trainer: Any = trainers.UnigramTrainer(
            vocab_size=size, special_tokens=SPECIAL, unk_token=UNKNOWN, initial_alphabet=alphabet
        )
    else:
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return tokenizer


def _words(scheme: str) -> pre_tokenizers.PreTokenizer:
    """Words and marks, each on its own."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(prepend_scheme=scheme),
            pre_tokenizers.Split("\n", behavior="isolated"),
            pre_tokenizers.Punctuation("isolated"),
        ]
    )


def _metaspace(scheme: str) -> Tokenizer:
    tokenizer = _trained(models.BPE(unk_token=UNKNOWN, fuse_unk=True), _words(scheme))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    tokenizer.decoder = decoders.Sequence(_STRIPPED)
    return tokenizer


def _normaliser() -> Tokenizer:
    """What transformers reads as it stands in Mistral's files: the whole text is one word."""
    tokenizer = _metaspace("always")
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return tokenizer


def _metaspace_whole(scheme: str) -> Tokenizer:
    """As transformers makes Llama's: the white space is written out, and the whole text is one word."""
    tokenizer = _metaspace(scheme)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    return tokenizer


def _over_spaces() -> Tokenizer:
    """Whose tokens go on past spaces, and past what usually ends a word."""
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    tokenizer.decoder = decoders.Sequence(_STRIPPED)
    return tokenizer


def _byte_level(split: pre_tokenizers.PreTokenizer) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = split
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=480, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _gpt2() -> Tokenizer:
    return _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))


def _llama_3() -> Tokenizer:
    split = pre_tokenizers.Split(Regex(SPLIT_OF_LLAMA_3), behavior="isolated")
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return _byte_level(pre_tokenizers.Sequence([split, level]))


def _unigram() -> Tokenizer:
    tokenizer = _trained(models.Unigram(), _words("always"), size=300)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    return tokenizer


_MAKERS: dict[str, Callable[[], Tokenizer]] = {
    "SentencePiece, normaliser": _normaliser,
    "SentencePiece, first": lambda: _metaspace_whole("first"),
    "SentencePiece, always": lambda: _metaspace("always"),
    "SentencePiece, over spaces": _over_spaces,
    "bytes, GPT-2": _gpt2,
    "bytes, Llama 3": _llama_3,
    "Unigram": _unigram,
}

KINDS = tuple(_MAKERS)

_WITHOUT_BOS = ("bytes, GPT-2",)


@cache
def _tokenizer(kind: str) -> str:
    tokenizer = _MAKERS[kind]()
    if kind not in _WITHOUT_BOS:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BOS} $A", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
        )
    return tokenizer.to_str()


def home_made(kind: str, *, template: str | None = TEMPLATE, **changed: Any) -> PreTrainedTokenizerFast:
    """A tokenizer of one of `KINDS`, with other settings of transformers where these are given."""
    settings = {
        "bos_token": BOS,
        "eos_token": EOS,
        "unk_token": UNKNOWN,
        "additional_special_tokens": [USER, ASSISTANT],
        "chat_template": template,
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(_tokenizer(kind)), **settings | changed
    )


def tiny_model(tokenizer: Any) -> Any:
    """A Llama of random weights that likes some tokens much better than others."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=512,
            initializer_range=0.5,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def scripted_model(tokenizer: Any, token_ids: list[int]) -> Any:
    """A GPT-2 that has these tokens at these places, whatever it reads; the last one from there on."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    places = 64
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=places,
        n_embd=places,
        n_layer=1,
        n_head=1,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = GPT2LMHeadModel(config)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "ln_" not in name:
                tensor.zero_()
        model.transformer.wpe.weight.copy_(torch.eye(places))
        for place in range(places):
            model.lm_head.weight[token_ids[min(place + 1, len(token_ids) - 1)], place] = 1.0
    return model
