"""Nothing in a model folder is trusted: what is nonsense gets one sentence, and all that is loaded counts."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.sweep.model_files import loaded_files, tensor_shapes
from harness.sweep.models import check_model, check_unchanged, count_parameters, fingerprint
from harness.toys import toy_folder


def safetensors(**shapes: list[int]) -> bytes:
    """A file of zeros in one-byte numbers."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        size = 1
        for length in shape:
            size *= length
        header[name] = {"dtype": "U8", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


def with_header(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a small saved model; nothing here loads them."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "vocab_size": 3}')
    (folder / "tokenizer.json").write_text(
        '{"model": {"vocab": {"a": 0, "b": 1}}, "added_tokens": [{"id": 2}]}'
    )
    (folder / "model.safetensors").write_bytes(safetensors(weight=[4, 8]))
    return folder


@pytest.fixture
def sharded(folder: Path) -> Path:
    """The same with its weights in two files, one of them in a folder below."""
    (folder / "model.safetensors").unlink()
    (folder / "below").mkdir()
    parts = {"a": "model-00001-of-00002.safetensors", "b": "below/model-00002-of-00002.safetensors"}
    for name, part in parts.items():
        (folder / part).write_bytes(safetensors(**{name: [4, 8]}))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as raised:
        check_model(str(folder), None, "here")
    message = str(raised.value)
    assert message.startswith("here: ")
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_what_is_whole_passes(folder: Path) -> None:
    check_model(str(folder), None, "here")
    for toy in ("toy-llama", "toy-qwen3", "toy-neox"):
        check_model(str(toy_folder(toy)), None, "here")


# Weights


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"1234567",
        b"\xff" * 8,
        b"\xff" * 4096,
        with_header([1, 2]),
        with_header("text"),
        with_header(None),
        with_header({"a": 12}),
        with_header({"a": {}}),
        with_header({"a": {"dtype": "U8", "shape": 3, "data_offsets": [0, 3]}}, bytes(3)),
        with_header({"a": {"dtype": "U8", "shape": [-1], "data_offsets": [0, -1]}}),
        with_header({"a": {"dtype": "U8", "shape": [True], "data_offsets": [0, 1]}}, bytes(1)),
        with_header({"a": {"dtype": "Q9", "shape": [3], "data_offsets": [0, 3]}}, bytes(3)),
        with_header({"a": {"dtype": "U8", "shape": [3], "data_offsets": [0]}}, bytes(3)),
        with_header({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 3]}}, bytes(3)),
        with_header({"a": {"dtype": "U8", "shape": [10**30], "data_offsets": [0, 10**30]}}),
        with_header({"a": {"dtype": "U8", "shape": [3], "data_offsets": [1, 4]}}, bytes(4)),
        with_header(b"[" * 100_000),
        with_header(b'{"a":' * 100_000),
        with_header(b'{"a": ' + b"9" * 10_000 + b"}"),
        with_header(b"\xff\xfe{}"),
        (10**15).to_bytes(8, "little") + b"{}",
    ],
)
def test_a_safetensors_header_that_is_nonsense_gets_a_sentence(folder: Path, contents: bytes) -> None:
    (folder / "model.safetensors").write_bytes(contents)
    assert "model.safetensors is not a safetensors file (" in refusal(folder)


@pytest.mark.parametrize("change", [-1, 1])
def test_weights_that_are_cut_off_or_too_long_are_refused(folder: Path, change: int) -> None:
    contents = safetensors(weight=[4, 8])
    (folder / "model.safetensors").write_bytes(contents[:change] if change < 0 else contents + b"\0")
    assert "its tensors take 32 bytes, and it has" in refusal(folder)


def test_a_header_longer_than_the_format_allows_is_not_read(folder: Path) -> None:
    with (folder / "model.safetensors").open("wb") as file:
        file.write((200_000_000).to_bytes(8, "little"))
        file.truncate(300_000_000)  # it takes no disk
    assert "its header is larger than 100 MB" in refusal(folder)


def test_real_safetensors_of_every_type_are_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the train extra")
    from safetensors.torch import save_file

    types = [
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.float16, torch.bfloat16, torch.int32,
        torch.float32, torch.int64, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64,
    ]  # fmt: skip
    save_file({str(dtype): torch.zeros(3, 2, dtype=dtype) for dtype in types}, tmp_path / "w.safetensors")
    assert tensor_shapes(tmp_path / "w.safetensors") == {str(dtype): [3, 2] for dtype in types}


# Parts


def test_weights_in_several_files_count_wherever_they_lie_in_the_folder(sharded: Path) -> None:
    check_model(str(sharded), None, "here")
    assert count_parameters(str(sharded)) == 64
    before = fingerprint(str(sharded), None)
    part = sharded / "below" / "model-00002-of-00002.safetensors"
    part.write_bytes(part.read_bytes()[:-1] + b"\1")
    assert fingerprint(str(sharded), None) != before


@pytest.mark.parametrize(
    "name", ["../other/model.safetensors", "/tmp/model.safetensors", "below/../../x.safetensors", "model.bin"]
)
def test_an_index_may_name_nothing_outside_the_folder(sharded: Path, name: str) -> None:
    (sharded.parent / "other").mkdir()
    (sharded.parent / "other" / "model.safetensors").write_bytes(safetensors(a=[4, 8]))
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    assert f"names '{name}': weights are *.safetensors files inside the model's own folder" in refusal(
        sharded
    )


@pytest.mark.parametrize(
    ("index", "says"),
    [
        ([], "holds a list where a JSON object is needed"),
        ({}, "names no file"),
        ({"weight_map": []}, "names no file"),
        ({"weight_map": {}}, "names no file"),
        ({"weight_map": {"a": 3}}, "each tensor in 'weight_map' must be given the name of its file"),
        ({"weight_map": {"a": "model-3.safetensors"}}, "names 'model-3.safetensors', which is not there"),
    ],
)
def test_an_index_that_is_nonsense_gets_a_sentence(sharded: Path, index: Any, says: str) -> None:
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    assert says in refusal(sharded)


def test_weights_that_no_library_finds_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    assert "holds weights.safetensors, but neither model.safetensors nor" in refusal(folder)


# Configuration and tokenizer


@pytest.mark.parametrize(
    "name", ["config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json"]
)
@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (b"[]", "holds a list where a JSON object is needed"),
        (b'"llama"', "holds a text"),
        (b"", "is not valid JSON"),
        (b"{", "is not valid JSON"),
        (b"\xff\xfe\x00", "is not valid JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "is not valid JSON"),
    ],
)
def test_a_configuration_that_is_nonsense_gets_a_sentence(
    folder: Path, name: str, contents: bytes, says: str
) -> None:
    (folder / name).write_bytes(contents)
    assert f"{name} {says}" in refusal(folder)


@pytest.mark.parametrize(
    "name",
    [
        "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "merges.txt",
        "model.safetensors", "model.safetensors.index.json", "additional_chat_templates/tools.jinja",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_only_ordinary_files_are_read(folder: Path, name: str, kind: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    if name.endswith("index.json"):
        (folder / "model.safetensors").unlink()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    assert "is no ordinary file" in refusal(folder)
    with pytest.raises(UserError, match="is no ordinary file"):
        fingerprint(str(folder), None)


def test_a_huge_configuration_takes_no_memory(folder: Path) -> None:
    """In a process that may have 1 GB."""
    for name in ("config.json", "tokenizer.json"):
        copy = folder.parent / name.partition(".")[0]
        shutil.copytree(folder, copy)
        os.truncate(copy / name, 8 << 30)  # it takes no disk
        code = (
            "import sys; from harness.sweep.models import check_model\n"
            "try: check_model(sys.argv[1], None, 'here')\n"
            "except Exception as error: print(type(error).__name__, error)"
        )
        command = [sys.executable, "-c", code, str(copy)]
        finished = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True, preexec_fn=_with_one_gigabyte
        )
        assert finished.stdout.startswith("UserError here: ")
        assert f"{name} is larger than" in finished.stdout


def _with_one_gigabyte() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))


def test_of_a_folder_that_holds_a_gguf_file_the_file_is_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "small.gguf").write_bytes(b"GGUF")
    assert f"holds no config.json; name the file itself, {tmp_path / 'small.gguf'}" in refusal(tmp_path)


def test_a_folder_that_holds_an_adapter_would_be_another_model(folder: Path) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "somebody/else"}')
    assert "holds an adapter (adapter_config.json)" in refusal(folder)


def test_a_configuration_that_names_weights_of_its_own_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"transformers_weights": "../other.safetensors"}')
    assert "names weights of its own" in refusal(folder)


@pytest.mark.parametrize(
    "tokenizer",
    [
        {"model": {"vocab": {"a": 0, "b": 3}}},
        {"model": {"vocab": [["a", -1.0]] * 4}},
        {"model": {"vocab": {}}, "added_tokens": [{"id": 3}]},
    ],
)
def test_a_vocabulary_smaller_than_its_tokenizer_is_refused_early(
    folder: Path, tokenizer: dict[str, Any]
) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "the tokenizer knows token 3, and the model's vocabulary ends at 2" in refusal(folder)


@pytest.mark.parametrize(
    "tokenizer", [[], {}, {"model": 3}, {"model": {"vocab": 3}, "added_tokens": {"id": 9}}]
)
def test_a_tokenizer_of_another_make_is_left_to_its_library(folder: Path, tokenizer: Any) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    if tokenizer == []:
        assert "tokenizer.json holds a list" in refusal(folder)
    else:
        check_model(str(folder), None, "here")


# Changes


@pytest.mark.parametrize(
    "name",
    [
        "config.json", "generation_config.json", "tokenizer_config.json", "chat_template.jinja", "vocab.txt",
        "tokenizer.model", "additional_chat_templates/tools.jinja", "model-00001-of-00002.safetensors",
    ],
)  # fmt: skip
def test_every_file_that_is_loaded_is_in_the_fingerprint(folder: Path, name: str) -> None:
    before = fingerprint(str(folder), None)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text('{"something": "else"}')
    assert folder / name in loaded_files(folder)
    assert fingerprint(str(folder), None) != before


def test_a_model_that_changed_after_it_was_planned_is_refused(folder: Path) -> None:
    planned = fingerprint(str(folder), None)
    check_unchanged(str(folder), None, planned)
    (folder / "model.safetensors").write_bytes(safetensors(weight=[8, 4]))
    with pytest.raises(
        UserError, match=r"has changed since this sweep was planned \(fingerprint .*start the sweep"
    ):
        check_unchanged(str(folder), None, planned)
    shutil.rmtree(folder)
    with pytest.raises(UserError, match="cannot be read any more"):
        check_unchanged(str(folder), None, planned)


def test_a_file_is_not_read_again_while_nobody_has_written_to_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.sweep import models

    reads = []
    contents = models._contents
    monkeypatch.setattr(models, "_contents", lambda model: reads.append(model) or contents(model))
    monkeypatch.setattr(models, "_SETTLED_SECONDS", -1.0)
    first = fingerprint(str(folder), None)
    assert fingerprint(str(folder), None) == first
    assert len(reads) == 1
    monkeypatch.setattr(models, "_SETTLED_SECONDS", 3600.0)
    assert fingerprint(str(folder), None) == first
    assert len(reads) == 2
