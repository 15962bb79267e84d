"""The engines that answer prompts, by name."""

import importlib.util
from typing import Literal

EngineName = Literal["vllm", "transformers"]

Way = Literal["swap", "adapters"]
"""How an arm's weights get into a running engine. `swap`: an adapter is merged into the base, and the whole
model is loaded in place of the one before. `adapters`: the base stays, and the adapters of several arms are
served in one batch."""


MAX_MODEL_LEN = 4096
"""Context unless the sweep asks for more: vLLM's key-value cache must hold at least one sequence of this
length."""


def default_engine() -> EngineName:
    """vLLM where it is installed, else transformers."""
    return "vllm" if importlib.util.find_spec("vllm") else "transformers"
