"""Weights that are not those of their configuration are told by the names and shapes of their tensors."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.preflight.weights import weights_remarks

LAYERS = [f"model.layers.{number}.mlp.up_proj.weight" for number in range(3)]


def sentences(folder: Path, names: list[str], **config: Any) -> list[str]:
    save_file({name: np.zeros((4, 2), dtype=np.float32) for name in names}, folder / "model.safetensors")
    described = SimpleNamespace(**{"num_hidden_layers": 3, "vocab_size": 4} | config)
    return [remark.sentence for remark in weights_remarks(folder, described)]


def test_layers_that_are_missing_are_counted(tmp_path: Path) -> None:
    assert sentences(tmp_path, LAYERS) == []
    (sentence,) = sentences(tmp_path, LAYERS[:2])
    assert sentence.startswith("its weights have 2 layers, and its configuration says 3; give the folder")


def test_further_layers_and_those_of_something_else_are_no_fault(tmp_path: Path) -> None:
    assert sentences(tmp_path, LAYERS, num_hidden_layers=2) == []
    assert sentences(tmp_path, [*LAYERS[:1], *(f"model.stack.{number}.up" for number in range(9))]) == []


@pytest.mark.parametrize(
    "name", ["model.embed_tokens.weight", "transformer.wte.weight", "gpt_neox.embed_in.weight"]
)
def test_embeddings_of_another_vocabulary_are_a_fault(tmp_path: Path, name: str) -> None:
    assert sentences(tmp_path, [name, *LAYERS]) == []
    (sentence,) = sentences(tmp_path, [name, *LAYERS], vocab_size=5)
    assert sentence.startswith(
        f"its weights have embeddings of 4 tokens ({name}), and its configuration says 5;"
    )


def test_embeddings_of_another_width_are_a_fault_unless_the_configuration_has_one_for_them(
    tmp_path: Path,
) -> None:
    names = ["model.embed_tokens.weight", *LAYERS]
    assert sentences(tmp_path, names, hidden_size=2) == []
    for hidden_size in (0, -2, 8):
        (sentence,) = sentences(tmp_path, names, hidden_size=hidden_size)
        assert f"embeddings of 4×2 ({names[0]}), and its hidden_size is {hidden_size};" in sentence
    assert sentences(tmp_path, names, hidden_size=8, word_embed_proj_dim=2) == []


def test_what_a_configuration_does_not_say_is_not_asked(tmp_path: Path) -> None:
    assert sentences(tmp_path, LAYERS[:2], num_hidden_layers=None, vocab_size=None) == []


def test_weights_that_cannot_be_read_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    (remark,) = weights_remarks(tmp_path, SimpleNamespace())
    assert remark.sentence.startswith("its weights cannot be read: ")
