"""The preflight's second process, which knows the layers of a model and reads GGUF files.

It has torch, and loads no weights.

The driver starts it as `python -m harness.preflight.architecture`, and only for what a tokenizer and a
configuration do not tell.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from harness.engines.gguf import save_without_weights
from harness.engines.targets import check_target_modules
from harness.errors import UserError, one_line
from harness.preflight.job import GgufJob, LayersJob, ModelReport, Remark
from harness.workers.memory import bound_memory
from harness.workers.worker import Handler, Message, Report, serve


def examine(message: Message, report: Report) -> Message:
    """Do a `LayersJob` or a `GgufJob`; a `ModelReport`."""
    if "folder" in message:
        report({"at": "reading its configuration and tokenizer"})
        remarks = tuple(_gguf_remarks(GgufJob.model_validate(message)))
    else:
        report({"at": "looking for target_modules among its layers"})
        remarks = tuple(_target_remarks(LayersJob.model_validate(message)))
    return ModelReport(remarks=remarks).model_dump(mode="json")


def _gguf_remarks(job: GgufJob) -> Iterator[Remark]:
    """Write what can be looked at, or say why it cannot be."""
    # A file is mapped into memory whole, and counts for the bound though next to nothing of it is read.
    bound_memory(Path(job.model).stat().st_size)
    try:
        save_without_weights(job.model, Path(job.folder))
    except UserError as error:
        yield Remark(severity="refuse", fact="conversion", sentence=str(error))
    except OSError as error:
        sentence = f"its tokenizer could not be looked at: {one_line(error)[:300]}"
        yield Remark(severity="warn", fact="conversion", sentence=sentence)


def _target_remarks(job: LayersJob) -> Iterator[Remark]:
    try:
        config = AutoConfig.from_pretrained(
            job.model, revision=job.revision, local_files_only=job.is_here, trust_remote_code=False
        )
        with torch.device("meta"):  # layers with their names and shapes, and no numbers in them
            model = AutoModelForCausalLM.from_config(config)
    except Exception as error:  # whatever the libraries think of what the configuration says
        sentence = f"its layers could not be looked at for target_modules: {one_line(error)[:300]}"
        yield Remark(severity="warn", fact="target_modules", sentence=sentence)
        return
    for target_modules in job.target_modules:
        try:
            check_target_modules(model, target_modules)
        except UserError as error:
            yield Remark(severity="refuse", fact="target_modules", sentence=str(error))


def _start() -> Handler:
    bound_memory()
    return examine


def main() -> None:
    """Serve jobs until the driver closes the pipe."""
    serve(_start)


if __name__ == "__main__":
    main()
