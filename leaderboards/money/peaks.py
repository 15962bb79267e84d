"""Model FLOPs utilisation: which share of a device's peak a training reached, where the peak is known.

    MFU = model FLOPs / (training seconds · devices · peak)

Model FLOPs are 6·N·D, or with an adapter 4·N·D + 6·N_adapter·D (Kaplan et al. 2020, arXiv 2001.08361),
without what gradient checkpointing repeats (Chowdhery et al. 2022, arXiv 2204.02311, appendix B). The seconds
include evaluations on dev, so the figure is a little low.
"""

from collections.abc import Iterable

from harness.records.training import TrainingRecord

PEAK_FLOPS = {
    "H200": 989e12,
    "H100": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H200 NVL": 835e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
}
"""Operations a second in bfloat16 or float16, dense, by part of the device's name: NVIDIA's data sheets."""

HALF = {"bfloat16", "float16"}

LIKELY = (0.05, 0.60)
"""Outside of it, a logging error is more likely than the figure; or the model is too small to fill the
device."""


def peak_flops(device: str, dtype: str) -> float | None:
    """Peak operations a second of a device in a number format; None where it is not known."""
    words = f" {device.casefold().replace('-', ' ')} "
    matching = [name for name in PEAK_FLOPS if f" {name.casefold()} " in words]
    return PEAK_FLOPS[max(matching, key=len)] if matching and dtype in HALF else None


def mfu(trainings: Iterable[TrainingRecord]) -> float | None:
    """Share of the peak over several trainings, each on one device; None without any, or where a peak is not
    known."""
    done = available = 0.0
    for training in trainings:
        peak = peak_flops(training.device, training.dtype)
        if peak is None:
            return None
        done += model_flops(training)
        available += training.train_seconds * peak
    return done / available if available else None


def model_flops(training: TrainingRecord) -> float:
    """Forward and backward passes over all trained tokens; weight gradients for trainable parameters only."""
    frozen = training.parameters - training.trainable_parameters
    return (4.0 * frozen + 6.0 * training.trainable_parameters) * training.tokens
