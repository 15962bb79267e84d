"""Toy candidates: small causal language models of different architectures, built on this machine from
nothing.

They stand in for real models in the quickstart and the tests, where no model hub can be reached. A toy is
named like a hub model (`gainboard/toy-llama`), built once into a cache folder, and is from then on an
ordinary Hugging Face folder: config.json, model.safetensors, tokenizer with chat template.
"""

import hashlib
import os
from pathlib import Path

PREFIX = "gainboard/"
TOYS = ("toy-llama", "toy-qwen3", "toy-neox")
"""Built-in candidates, without the `gainboard/` prefix."""


def recipe_fingerprint(name: str) -> str:
    """Changes when the recipe of the toy (its code) does; a changed recipe is built anew."""
    digest = hashlib.sha256(name.encode())
    for source in ("text.py", "build.py"):
        digest.update((Path(__file__).parent / source).read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """`$GAINBOARD_CACHE`, or `gainboard` in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "gainboard"
    return Path(os.environ.get("GAINBOARD_CACHE", default))


def toy_folder(name: str) -> Path:
    """Where the toy lies once it is built."""
    return cache_folder() / "toys" / f"{name}-{recipe_fingerprint(name)}"
