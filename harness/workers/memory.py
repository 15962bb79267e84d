"""Memory that a worker may take, and what it is told when there is no more."""

import sys
from pathlib import Path

MEMORY = 4 << 30
"""Bytes that such a process may take beyond what its libraries do: the largest tokenizers take a quarter."""


def bound_memory(besides: int = 0) -> None:
    """Let an allocation beyond the bound fail, where the system can; it must not take the machine's memory.

    `besides`: bytes of a file that is mapped into it.
    """
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + MEMORY + besides
    _, hard_limit = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS,
        (bound if hard_limit == resource.RLIM_INFINITY else min(bound, hard_limit), hard_limit),
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, torch's allocator or an accelerator could not have the memory that it asked for.

    What reaches us through a library's own processes has lost its class, but not what torch said.
    """
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and (
        should_reduce_batch_size(error) or "out of memory" in str(error)
    )
