"""The preflight's second process, which knows the layers of a model and reads GGUF files.

It has torch, and loads no weights.

The driver starts it as `python -m harness.preflight.architecture SECONDS`, the processor time of a job, and
only for what a tokenizer and a configuration do not tell.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub import try_to_load_from_cache
from transformers import AutoConfig, AutoModelForCausalLM

from harness.engines.gguf import save_without_weights
from harness.engines.targets import check_target_modules
from harness.engines.weights import load_without_numbers
from harness.errors import UserError, one_line, shortened
from harness.preflight.job import GgufJob, LayersJob, ModelReport, Remark
from harness.records.preflight import Severity
from harness.workers.memory import bound_memory
from harness.workers.processor import within_processor_seconds
from harness.workers.worker import Handler, Message, Report, serve


def examine(message: Message, report: Report) -> Message:
    """Do a `LayersJob` or a `GgufJob`; a `ModelReport`."""
    if "folder" in message:
        report({"at": "reading its configuration and tokenizer"})
        remarks = tuple(_gguf_remarks(GgufJob.model_validate(message)))
    else:
        report({"at": "looking at its layers"})
        remarks = tuple(_layer_remarks(LayersJob.model_validate(message)))
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
        sentence = f"its tokenizer could not be looked at: {shortened(one_line(error), 300)}"
        yield Remark(severity="warn", fact="conversion", sentence=sentence)


class _Verdict(NamedTuple):
    """What an error that a library raised over a model means for the sweep."""

    error: type[Exception]
    fact: str
    sentence: Callable[[Exception], str]
    of_weights: Severity
    """Where the weights are here: a worker would stumble over the same files."""

    of_quantised: Severity
    """Where these are quantised: their shapes only their device knows."""

    of_configuration: Severity
    """Where nothing but the configuration was looked at."""


def _unbuilt(error: Exception) -> str:
    why = shortened(one_line(error), 300)
    return f"it cannot be loaded: {why}; correct its config.json, or install what that asks for"


def _too_large(_: Exception) -> str:
    return "its layers took too much memory to look at"


_VERDICTS = (
    _Verdict(UserError, "weights", str, "refuse", "warn", "refuse"),
    # Of the bound on memory, which files that are mapped count for.
    _Verdict(MemoryError, "layers", _too_large, "warn", "warn", "warn"),
    _Verdict(ImportError, "layers", _unbuilt, "refuse", "refuse", "warn"),
    # Whatever the libraries think of what the configuration says.
    _Verdict(Exception, "layers", _unbuilt, "refuse", "warn", "warn"),
)
"""The first whose error it is counts."""


def _verdict_remark(error: Exception, *, has_weights: bool, config: Any) -> Remark:
    verdict = next(verdict for verdict in _VERDICTS if isinstance(error, verdict.error))
    is_quantised = getattr(config, "quantization_config", None) is not None
    severity = verdict.of_configuration
    if has_weights:
        severity = verdict.of_quantised if is_quantised else verdict.of_weights
    return Remark(severity=severity, fact=verdict.fact, sentence=verdict.sentence(error))


def _layer_remarks(job: LayersJob) -> Iterator[Remark]:
    has_weights, config = job.is_here and job.is_foreign, None
    try:
        config = AutoConfig.from_pretrained(
            job.model, revision=job.revision, local_files_only=job.is_here, trust_remote_code=False
        )
        if has_weights:
            bound_memory(_bytes_of_weights(job))
            model = load_without_numbers(job.model, job.revision)
        else:
            with torch.device("meta"):  # layers with their names and shapes, and no numbers in them
                model = AutoModelForCausalLM.from_config(config)
    except Exception as error:
        yield _verdict_remark(error, has_weights=has_weights, config=config)
        return
    for probe in job.targets:
        try:
            check_target_modules(model, probe.target_modules)
        except UserError as error:
            yield Remark(
                severity="refuse", fact="target_modules", sentence=str(error), candidates=probe.candidates
            )


def _bytes_of_weights(job: LayersJob) -> int:
    """Files of weights are mapped into memory whole, though next to nothing of them is read."""
    folder = Path(job.model)
    if not folder.is_dir():
        configuration = try_to_load_from_cache(job.model, "config.json", revision=job.revision)
        folder = Path(configuration).parent if isinstance(configuration, str) else folder
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def _start() -> Handler:
    bound_memory()
    return within_processor_seconds(examine, float(sys.argv[1]))


def main() -> None:
    """Serve jobs until the driver closes the pipe."""
    serve(_start)


if __name__ == "__main__":
    main()
