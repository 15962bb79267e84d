"""The inspection worker: one base model and its arms, read sample by sample, pass after pass.

The driver starts it as `python -m harness.inspection --model M`, with a bound on its memory. It sees rendered
prompt files, never task code.
"""

import argparse
import gc
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.engines.base_model import BaseModel
from harness.inspection.arm import LoadedArm, load_arm, read_samples
from harness.inspection.attention import read_attention
from harness.inspection.boundary import read_boundary
from harness.inspection.reading import ReadSamples
from harness.records.analysis.passes import PassRecord
from harness.records.costs import Meter, device_name
from harness.records.store import atomic_write
from harness.sweep.models import count_parameters
from harness.workers.jobs import PassJob
from harness.workers.memory import bound_memory
from harness.workers.worker import Handler, Message, Report, serve, tell_driver

READINGS: dict[str, ReadSamples] = {"boundary": read_boundary, "attention": read_attention}
"""What a job may ask for."""

SECONDS_BETWEEN_REPORTS = 0.5

BYTES_PER_PARAMETER = 8
"""Of a model in float32, and of the file that it is read from, which is mapped beside it."""


class InspectionWorker:
    """Keeps the weights of the last arm, which several passes may ask for in turn."""

    def __init__(self, base: BaseModel, *, max_model_len: int | None) -> None:
        self._base, self._max_model_len = base, max_model_len
        self._arm: LoadedArm | None = None
        self._weights: Path | None = None

    def __call__(self, message: Message, report: Report) -> Message:
        """Do a `PassJob`: what it reads goes into its file, `<place>.<name>` each array. Answers with the
        `PassRecord`."""
        job = PassJob.model_validate(message)
        with Meter() as meter:
            started = time.monotonic()
            arm = self._loaded(job.ask.weights)
            load_seconds = time.monotonic() - started
            samples = list(enumerate(read_samples(job, arm)))
            askable = [(place, sample) for place, sample in samples if sample.question.error is None]
            errors = [sample.question.error for _, sample in samples if sample.question.error is not None]
            arrays: dict[str, Any] = {}
            reported = time.monotonic()
            for done, reading in enumerate(READINGS[job.reading](arm, askable), start=1):
                arrays |= {f"{reading.place}.{name}": array for name, array in reading.arrays.items()}
                errors += [reading.error] if reading.error else []
                now = time.monotonic()
                if now - reported > SECONDS_BETWEEN_REPORTS or done == len(askable):
                    report({"done": done, "total": len(askable)})
                    reported = now
        with atomic_write(job.readings, "wb") as file:
            np.savez(file, **arrays)
        record = PassRecord(
            reading=job.reading,
            samples=len(samples),
            prompt_tokens=sum(len(sample.question.tokens) for _, sample in askable),
            failed=len(errors),
            error=errors[0] if errors else "",
            device=device_name(),
            dtype=arm.dtype,
            load_seconds=load_seconds,
            seconds=meter.seconds - load_seconds,
            peak_memory_bytes=meter.peak_memory_bytes,
        )
        return {"record": record.model_dump(mode="json")}

    def _loaded(self, weights: Path | None) -> LoadedArm:
        if self._arm is None or self._weights != weights:
            self._arm = None  # one at a time: memory is bounded for no more
            gc.collect()
            self._arm = load_arm(self._base, weights, max_model_len=self._max_model_len)
            self._weights = weights
        return self._arm


def main() -> None:
    """Serve passes for the base model named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--revision")
    parser.add_argument("--fingerprint", help="of the model when it was scored")
    parser.add_argument("--max-model-len", type=int)
    options = parser.parse_args()

    def start() -> Handler:
        base = BaseModel(options.model, options.revision, options.fingerprint, tell_driver)
        parameters = count_parameters(base.path)
        if parameters is not None and not torch.cuda.is_available():  # CUDA maps more than it uses
            bound_memory(BYTES_PER_PARAMETER * parameters)
        return InspectionWorker(base, max_model_len=options.max_model_len)

    serve(start)


if __name__ == "__main__":
    main()
