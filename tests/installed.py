"""What a test needs to be installed, without importing it: torch, vLLM and their like take seconds, in each process
that runs tests, most of which only start other processes that use them."""

from importlib.util import find_spec

import pytest


def need(library: str, *, reason: str = "") -> None:
    """Skip the test without a library, a top-level module; called outside a test, skip all tests of the file."""
    if find_spec(library) is None:
        pytest.skip(reason or f"needs {library}", allow_module_level=True)
