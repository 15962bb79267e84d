"""Take down what a model makes of a few dev samples at the end of its training, for a guard to compare."""

from typing import Any

from harness.engines.reference import TransformersReference
from harness.records.probes import PROBES, Probe, TrainingProbes
from harness.training.samples import IGNORED, Samples, Tokens
from harness.workers.worker import Message


def take_probes(model: Any, samples: Samples, *, dtype: str, four_bits: bool) -> TrainingProbes:
    """`model`: with its adapter beside it, not merged. `dtype`: in which it computes."""
    reference = TransformersReference(model)
    probes = []
    for sample, row in sorted(zip(samples.dev, samples.dev_rows, strict=True), key=_length)[:PROBES]:
        start = sample["labels"].count(IGNORED)
        prompt, answer = sample["input_ids"][:start], sample["input_ids"][start:]
        logprobs, _ = reference.logprobs(0, prompt, answer)
        probes.append(
            Probe(
                prompt=row["prompt"],
                target=row["target"],
                prompt_tokens=tuple(prompt),
                answer_tokens=tuple(answer),
                logprobs=tuple(logprobs),
            )
        )
    return TrainingProbes(dtype=dtype, four_bits=four_bits, probes=tuple(probes))


def _length(sample: tuple[Tokens, Message]) -> int:
    return len(sample[0]["input_ids"])
