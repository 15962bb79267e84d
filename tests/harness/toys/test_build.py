"""Toys are ordinary model folders, and what builds them still does."""

import json
from pathlib import Path

import pytest

from harness.engines.weights import load_model
from harness.toys import TOYS, toy_folder
from harness.toys.build import build

torch = pytest.importorskip("torch", reason="needs the train extra")


@pytest.mark.parametrize("name", TOYS)
def test_a_shipped_toy_is_loaded_whole_and_answers_in_its_chat_template(name: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(toy_folder(name))
    model = load_model(str(toy_folder(name)), None, None, dtype=torch.float32)
    question = [{"role": "user", "content": "Which month comes after March?"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt")
    ids = prompt["input_ids"] if not isinstance(prompt, torch.Tensor) else prompt
    answer = model.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :]
    assert tokenizer.eos_token_id in answer.tolist(), "it ends its answers"


def test_all_shipped_toys_together_are_a_few_mebibytes() -> None:
    assert sum(path.stat().st_size for name in TOYS for path in toy_folder(name).iterdir()) < 9 * 2**20


@pytest.mark.parametrize("name", TOYS)
def test_a_toy_is_built_anew_like_the_shipped_one(name: str, tmp_path: Path) -> None:
    build(name, tmp_path, steps=2)
    shipped = toy_folder(name)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in shipped.iterdir()}
    for file in ("config.json", "tokenizer.json"):
        assert json.loads((tmp_path / file).read_text()) == json.loads((shipped / file).read_text())
