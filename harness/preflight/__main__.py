"""The preflight's process: loads tokenizers and configurations, and looks at what they make of prompts.

The driver starts it as `python -m harness.preflight SECONDS`, the processor time that a job may take. Memory
is bounded, too: templates are code of whoever published a model.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# transformers imports torch where it is there, which takes seconds; tokenizers and configurations do without.
if "torch" not in sys.modules:
    sys.modules["torch"] = None  # type: ignore[assignment]
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

from transformers import AutoConfig, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from harness.engines.gguf_tokenizer import tokenizer_without_torch
from harness.errors import one_line, shortened
from harness.preflight.counting import count_tokens
from harness.preflight.job import ModelJob, ModelReport, Remark
from harness.preflight.look import look
from harness.preflight.reach import reach
from harness.preflight.weights import weights_remarks
from harness.workers.memory import MEMORY, bound_memory
from harness.workers.processor import within_processor_seconds
from harness.workers.worker import Handler, Message, Report, serve


def examine(message: Message, report: Report) -> Message:
    """Look at the model of a `ModelJob`; a `ModelReport`."""
    job = ModelJob.model_validate(message)
    if job.only_counts:
        report({"at": "counting tokens"})
        # Importing torch, with which a GGUF file is looked at otherwise, takes longer than all of the rest.
        tokenizer = (
            _load(AutoTokenizer, job) if job.is_converted else tokenizer_without_torch(Path(job.model))
        )
        counts = count_tokens(job, tokenizer)
        return ModelReport(counts=counts).model_dump(mode="json")
    try:
        remarks = tuple(_remarks(job, report))
    except MemoryError:
        sentence = f"looking at it takes more than {MEMORY >> 30} GiB of memory; is a file of it damaged?"
        remarks = (Remark(severity="refuse", fact="memory", sentence=sentence),)
    return ModelReport(remarks=remarks).model_dump(mode="json")


def _remarks(job: ModelJob, report: Report) -> Iterator[Remark]:
    if not job.is_here:
        report({"at": "asking the hub for it"})
        refusals = list(reach(job.model, job.revision, downloads=job.downloads))
        yield from refusals
        if refusals or not job.downloads:
            return
    loaded: dict[str, Any] = {}
    for part, kind in (("configuration", AutoConfig), ("tokenizer", AutoTokenizer)):
        report({"at": f"loading its {part}"})
        try:
            loaded[part] = _load(kind, job)
        except MemoryError:
            raise
        except Exception as error:  # a damaged file makes the libraries raise anything
            sentence = f"its {part} cannot be loaded: {shortened(one_line(error), 300)}"
            yield Remark(severity="refuse", fact=part, sentence=sentence)
            return
    config = loaded["configuration"]
    if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        sentence = (
            f"its configuration is of type '{config.model_type}', which is no causal language model that "
            "transformers knows; take a model that writes text"
        )
        yield Remark(severity="refuse", fact="configuration", sentence=sentence)
        return
    text_config = config.get_text_config()
    if job.is_converted and Path(job.model).is_dir():
        yield from weights_remarks(Path(job.model), text_config)
    yield from look(job, loaded["tokenizer"], text_config, lambda step: report({"at": step}))


def _load(kind: Any, job: ModelJob) -> Any:
    """`kind`: `AutoConfig` or `AutoTokenizer`."""
    return kind.from_pretrained(
        job.model, revision=job.revision, local_files_only=job.is_here, trust_remote_code=False
    )


def _start() -> Handler:
    bound_memory()
    return within_processor_seconds(examine, float(sys.argv[1]))


def main() -> None:
    """Serve jobs until the driver closes the pipe."""
    serve(_start)


if __name__ == "__main__":
    main()
