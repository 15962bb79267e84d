"""Toy candidates: small causal language models of different architectures that come with the package.

They stand in for real models in the quickstart and the tests, where no model hub can be reached. A toy is
named like a hub model (`gainboard/toy-llama`) and is otherwise an ordinary Hugging Face folder: config.json,
model.safetensors, tokenizer with chat template. `build.py` says how each was pre-trained, from nothing.
"""

from pathlib import Path

PREFIX = "gainboard/"
TOYS = ("toy-llama", "toy-qwen3", "toy-neox")
"""Built-in candidates, without the `gainboard/` prefix."""


def toy_folder(name: str) -> Path:
    """Where the toy lies."""
    return Path(__file__).parent / "trained" / name
