"""What must be there before a sweep starts: the libraries that its runs need."""

import importlib.util
from collections.abc import Sequence

from harness.errors import UserError
from harness.sweep.engines import ENGINE_TABLE, EngineName
from harness.sweep.run import Run


def require_libraries(engine: EngineName, runs: Sequence[Run]) -> None:
    """Raise `UserError` when a library that the runs need is missing."""
    # Every engine renders and counts with transformers' tokenizers.
    needed = {"torch": "train", "transformers": "train"}
    row = ENGINE_TABLE[engine]
    if row.library is not None:
        needed[row.library] = row.extra
    if any(run.stages for run in runs):
        needed |= {"trl": "train", "peft": "train", "datasets": "train"}
    for library, extra in needed.items():
        if importlib.util.find_spec(library) is None:
            raise UserError(
                f"this sweep needs {library}, which is not installed: pip install 'gainboard[{extra}]' "
                "(or 'gainboard[cpu]' on a machine without a GPU)"
            )
