"""Say which models do not fit this machine, before any is loaded."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.data.loaded import LoadedTask
from harness.plan.estimate import Estimator, assumed_device
from harness.plan.needs import ModelNeed, free_disk_bytes, memory_bytes, model_needs
from harness.records.preflight import PreflightFinding
from harness.sweep.run import Run

TIGHT = 0.9
"""Share of the memory from which little is left for activations and everything else."""


def room_findings(
    runs: Iterable[Run], tasks: Mapping[str, LoadedTask], *, work: Path, devices: int
) -> list[PreflightFinding]:
    """What the models' sizes tell against this machine. `devices`: that one engine's model is spread over."""
    needs = model_needs(runs, Estimator(tasks), devices=devices, trained=work / "trained")
    memory = memory_bytes()
    findings: list[PreflightFinding] = []
    if memory is not None:
        for need in needs:
            findings += _memory_findings(need, memory)
    return [*findings, *_disk_findings(needs, free_disk_bytes(work))]


def _memory_findings(need: ModelNeed, memory: int) -> Iterator[PreflightFinding]:
    place, to_answer = "this machine has", "use another machine"
    if assumed_device() == "cuda":
        place, to_answer = "the GPU has", "spread it over several GPUs (tensor_parallel_size)"
    for needed, work, remedy in (
        (need.train, f"training it ({need.tuner})", "tune adapters beside fewer bits (lora, qlora)"),
        (need.answer, "answering", to_answer),
    ):
        if needed <= TIGHT * memory:
            continue
        # A name says too little of a model to refuse it: its weights may be quantised.
        is_certain = need.is_counted and needed > memory
        size = "" if need.is_counted else ", judged by its name"
        for candidate in need.candidates:
            yield PreflightFinding(
                severity="refuse" if is_certain else "warn",
                fact="memory",
                candidate=candidate,
                sentence=f"{work} takes at least {size_text(needed)} of memory for its "
                f"{count_text(need.parameters)} parameters{size}, before activations, and {place} "
                f"{size_text(memory)}; {remedy}, or take a smaller model",
            )


def _disk_findings(needs: list[ModelNeed], free: int) -> Iterator[PreflightFinding]:
    needed = sum(need.disk for need in needs)
    if needed <= free:
        return
    largest = max(needs, key=_disk)
    yield PreflightFinding(
        severity="warn",
        fact="disk",
        candidate=largest.candidates[0],
        sentence=f"the weights of all tuned arms take about {size_text(needed)} on disk, "
        f"{size_text(largest.disk)} of it of this model, and {size_text(free)} are free; give --work a "
        "folder on a larger disk, or tune adapters",
    )


def _disk(need: ModelNeed) -> int:
    return need.disk


def size_text(size: int) -> str:
    """`2.1 GB`."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def count_text(count: int) -> str:
    """`1.5 billion`."""
    return f"{count / 1e9:,.1f} billion" if count >= 1e9 else f"{count / 1e6:,.1f} million"
