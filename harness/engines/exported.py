"""Write tuned weights out as a folder that transformers and vLLM load as it is."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import UserError, naming_what_is_written, one_line
from harness.foreign import read_json_object
from harness.records.result import Result
from harness.records.sealed import check_seal
from harness.records.store import read_record
from harness.records.training import TrainingRecord
from harness.sweep.converted import location
from harness.sweep.model_files import (
    ADAPTER,
    TRAINING,
    check_folder,
    folder_fingerprint,
    loaded_files,
)
from harness.sweep.models import model_kind

CARD = "README.md"
MERGED_USE = """## Use

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("this folder", dtype="auto")
tokenizer = AutoTokenizer.from_pretrained("this folder")
```

With vLLM: `vllm serve this-folder`.
"""

Form = Literal["model", "adapter"]


@dataclass(frozen=True)
class ExportedWeights:
    """A folder of weights that was written."""

    run: str
    folder: Path
    form: Form
    """A whole model, or an adapter that needs its base."""

    merged: bool
    """Whether an adapter was merged into its base for it."""

    fingerprint: str
    """Changes with any file of the folder that a library loads."""

    size_bytes: int


def export_weights(result: Result, source: Path, out: Path, *, as_adapter: bool = False) -> ExportedWeights:
    """Write the tuned weights of a run, which lie in `source`, to the new folder `out`.

    An adapter is merged into its base in the precision that the run was scored in, so that the folder holds
    what was scored; `as_adapter` leaves it an adapter. Raises `UserError` where the weights are gone, are not
    those that the run was scored with, or `out` holds something.
    """
    check_weights(result, source)
    is_adapter = (source / ADAPTER).exists()
    if as_adapter and not is_adapter:
        raise UserError(f"{result.run.label} has tuned all weights, and no adapter: leave out --adapter")
    with _new_folder(out) as folder:
        if is_adapter and not as_adapter:
            _write_merged(result, source, folder)
            check_folder(folder)
        else:
            _write_copy(result, source, folder, is_adapter=is_adapter)
        return ExportedWeights(
            run=result.run.label,
            folder=out,
            form="adapter" if as_adapter else "model",
            merged=is_adapter and not as_adapter,
            fingerprint=folder_fingerprint(folder),
            size_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        )


def check_weights(result: Result, source: Path) -> None:
    """Raise `UserError` unless a folder holds the weights that a run was
    scored with, as far as files tell."""
    run = result.run
    if not source.is_dir():
        elsewhere = "another machine or a node of a cluster"
        if result.weights_at:
            elsewhere = f"a cluster ({result.weights_at})"
        raise UserError(
            f"the weights of {run.label} are gone: there is no {source}. If they were trained elsewhere, on "
            f"{elsewhere}, copy its work folder here or name it with --work. "
            "Otherwise remove the run's result.json and start the sweep again, which trains them anew"
        )
    record = source / TRAINING
    if not record.exists():
        raise UserError(f"{source} holds no {TRAINING}: its training did not end, or it was taken away")
    made = read_record(record, TrainingRecord).key
    if run.recipe is not None and made != run.recipe.key:
        raise UserError(f"{source} holds the weights of another training, {made}, and not of {run.label}")
    check_seal(source)


def _write_merged(result: Result, source: Path, folder: Path) -> None:
    from harness.engines.base_model import BaseModel
    from harness.engines.weights import save_merged

    candidate = result.run.candidate
    model = candidate.model if model_kind(candidate.model) == "gguf" else location(candidate.model)
    base = BaseModel(str(model), candidate.revision, candidate.fingerprint, lambda _: None)
    try:
        save_merged(base.path, base.revision, source, folder, dtype=result.provenance.dtype)
    except OSError as error:
        if error.errno is not None:
            raise
        # transformers' own, of a model that it finds neither here nor on the hub
        raise UserError(f"the base model {candidate.model} cannot be loaded: {one_line(error)}") from None
    base.check()
    for path in loaded_files(source):  # what is left is the tokenizer
        if path.name != ADAPTER and path.suffix != ".safetensors":
            _copy(path, source, folder)
    card = source / CARD
    if card.is_file():
        text = card.read_text(encoding="utf-8").replace("library_name: peft", "library_name: transformers", 1)
        (folder / CARD).write_text(text.partition("## Use\n")[0] + MERGED_USE, encoding="utf-8")


def _write_copy(result: Result, source: Path, folder: Path, *, is_adapter: bool) -> None:
    for path in loaded_files(source):
        _copy(path, source, folder)
    if (source / CARD).is_file():
        shutil.copyfile(source / CARD, folder / CARD)
    candidate = result.run.candidate
    if is_adapter and candidate.revision and model_kind(candidate.model) == "hub":
        # PEFT leaves it out, and would then take whatever revision is the newest.
        settings = read_json_object(folder / ADAPTER) | {"revision": candidate.revision}
        (folder / ADAPTER).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _copy(path: Path, source: Path, folder: Path) -> None:
    place = folder / path.relative_to(source)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, place)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A folder that appears at `out` once it is whole. Raises `UserError` where something lies there."""
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise UserError(f"{out} is there already: give another folder with --out, or remove it")
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with naming_what_is_written(unfinished):
        unfinished.mkdir(parents=True)
        try:
            yield unfinished
            if out.exists():
                out.rmdir()
            unfinished.rename(out)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
