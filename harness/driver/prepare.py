"""What must be there before a sweep starts: the libraries that its runs need, and models in a form that these
read."""

import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import UserError
from harness.sweep.converted import location
from harness.sweep.engines import ENGINE_TABLE, EngineName
from harness.sweep.models import model_kind
from harness.sweep.run import Run
from harness.workers.listener import Listener, Note
from harness.workers.worker import JobFailed, Message, Report, Worker, WorkerDied


def require_libraries(engine: EngineName, runs: Sequence[Run]) -> None:
    """Raise `UserError` when a library that the runs need is missing."""
    # Every engine renders and counts with transformers' tokenizers.
    needed = {"torch": "train", "transformers": "train"}
    if any(model_kind(run.candidate.model) == "gguf" for run in runs):
        needed["gguf"] = "train"
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


def convert_models(models: Iterable[str], *, log: Path, listener: Listener) -> None:
    """Turn GGUF files into folders, unless that was done before.
    Raises `UserError` for one that cannot be."""

    def hear(message: Message) -> None:
        listener(Note(message["note"]))

    for model in dict.fromkeys(models):
        if location(model) is not None:
            continue
        try:
            try:
                _convert(model, log, hear)
            except WorkerDied as death:
                listener(Note(f"{death}; it is started again"))
                _convert(model, log, hear)
        except JobFailed as error:
            raise UserError(str(error)) from None


def _convert(model: str, log: Path, report: Report) -> None:
    with Worker("harness.engines.convert", ["--model", model], log=log, report=report):
        pass  # it is ready when the folder is
