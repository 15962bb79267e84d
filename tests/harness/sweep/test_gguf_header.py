"""The header of a GGUF file is read without any library, and what is no such file gets a sentence."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from gguf_files import gguf_bytes, llama_tensors, small_metadata, write_gguf

from harness.errors import UserError
from harness.sweep.gguf_header import ARCHITECTURES, read_gguf_header
from harness.sweep.models import check_model, count_parameters, fingerprint, is_tiny, model_kind


@pytest.fixture
def whole() -> bytes:
    return gguf_bytes(small_metadata(), llama_tensors(4))


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as raised:
        check_model(str(path), None, "sweep.toml, candidate 'small'")
    message = str(raised.value)
    assert message.startswith("sweep.toml, candidate 'small': ")
    assert "\n" not in message
    return message


def test_the_header_tells_architecture_metadata_and_shapes(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata(), llama_tensors(4))
    header = read_gguf_header(path)
    assert header.architecture == "llama"
    assert header.metadata["tokenizer.ggml.tokens"] == 4  # of an array its length
    assert header.of_architecture("context_length") == 64
    assert header.shapes["blk.0.ffn_down.weight"] == (8, 16)
    assert read_gguf_header(path, ("tokenizer.ggml.tokens",)).metadata["tokenizer.ggml.tokens"][3] == "a"


def test_a_gguf_file_is_a_model_whose_size_is_in_its_header(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata(), llama_tensors(4))
    assert model_kind(str(path)) == "gguf"
    check_model(str(path), None, "here")
    expected = 4 * 8 + 8 + 2 * 8 + 4 * 64 + 3 * 128
    assert count_parameters(str(path)) == expected
    assert is_tiny(str(path))


def test_the_fingerprint_of_a_gguf_file_is_of_its_contents(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(whole)
    before = fingerprint(str(path), None)
    moved = path.rename(tmp_path / "other.gguf")
    assert fingerprint(str(moved), None) == before
    moved.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert fingerprint(str(moved), None) != before


@pytest.mark.parametrize("kept", [0, 3, 4, 8, 20, 30, 100, 300, 500])
def test_a_file_that_is_cut_within_its_header_is_refused(tmp_path: Path, whole: bytes, kept: int) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(whole[:kept])
    assert "is no GGUF file" in refusal(path) if kept < 4 else "is cut off within its header" in refusal(path)


def test_a_file_that_lacks_its_last_weights_is_refused(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(whole[:-4])
    assert "is cut off: its tensors end at byte" in refusal(path)


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is it a git-lfs pointer?"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "is of GGUF version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "is cut off within its header"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**63), "is cut off within its header"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "does not say which architecture"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2) + b"\xff\xfe" + b"\0" * 8, "is not UTF-8"),
        (b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 99), "a value of type 99"),
    ],
)
def test_what_is_no_sound_gguf_file_gets_a_sentence(tmp_path: Path, contents: bytes, says: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(contents)
    assert says in refusal(path)


def test_a_file_of_an_unknown_architecture_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata(general__architecture="clip"), llama_tensors(4))
    message = refusal(path)
    assert "of the architecture 'clip'" in message
    assert "qwen3" in message


def test_a_part_of_several_a_vocabulary_alone_and_a_model_without_tokenizer_are_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "m.gguf"
    write_gguf(path, small_metadata(split__count=3), llama_tensors(4))
    assert "is one of 3 parts: join them first" in refusal(path)
    write_gguf(path, small_metadata(), {})
    assert "holds no tensors" in refusal(path)
    write_gguf(path, small_metadata(tokenizer__ggml__tokens=None), llama_tensors(4))
    assert "holds no tokenizer" in refusal(path)
    write_gguf(path, small_metadata(), {"output_norm.weight": np.ones(8, np.float32)})
    assert "holds no token embeddings" in refusal(path)


def test_a_vocabulary_smaller_than_its_tokenizer_is_refused(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", small_metadata(), llama_tensors(3))
    assert "the tokenizer knows token 3, and the model's vocabulary ends at 2" in refusal(path)


def test_what_is_no_ordinary_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    assert "pipe.gguf is no ordinary file" in refusal(pipe)
    (tmp_path / "zero.gguf").symlink_to("/dev/zero")
    assert "zero.gguf is no ordinary file" in refusal(tmp_path / "zero.gguf")
    assert "absent.gguf is not there" in refusal(tmp_path / "absent.gguf")


def test_every_architecture_that_is_let_through_is_one_that_transformers_reads() -> None:
    library = pytest.importorskip("transformers.modeling_gguf_pytorch_utils", reason="needs the train extra")
    gguf = pytest.importorskip("transformers.integrations.gguf")
    known = {name.replace("_", "") for name in library.GGUF_SUPPORTED_ARCHITECTURES}
    known |= {name.replace("_", "") for name in gguf.GGUF_ARCHS}
    assert {name.replace("-", "") for name in ARCHITECTURES} <= known | {"gptoss", "minimaxm2"}
