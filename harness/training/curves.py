"""Read the curves of a training from the trainer's log, and tell from them whether it went astray."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from harness.records.training import CurvePoint

END_SHARE = 0.2
"""Share of the training curve's points that count as its start, and as its end: a single point may be a batch
of hard samples."""

TRAIN_RISE = 1.25
"""A training has diverged when its loss ends above its start times this."""

DEV_RISE = 1.01
"""A training has diverged when its lowest loss on dev is above that of the untrained model times this."""


def train_curve(history: Sequence[dict[str, Any]]) -> tuple[CurvePoint, ...]:
    """The points logged during training steps."""
    return tuple(
        CurvePoint(
            step=int(entry["step"]),
            epoch=entry["epoch"],
            loss=entry["loss"],
            learning_rate=entry["learning_rate"],
            grad_norm=entry.get("grad_norm"),
            tokens_per_second=entry.get("tokens_per_second"),
        )
        for entry in history
        if "loss" in entry
    )


def dev_curve(history: Sequence[dict[str, Any]]) -> tuple[CurvePoint, ...]:
    """The points logged at evaluations on dev, including the one before the first step."""
    return tuple(
        CurvePoint(
            step=int(entry["step"]),
            epoch=entry["epoch"],
            loss=entry["eval_loss"],
            metric=entry.get("eval_task_metric"),
        )
        for entry in history
        if "eval_loss" in entry
    )


def not_a_number(name: str, loss: float, step: int) -> str:
    """Why a loss ends a training, and what to do: before the first step no learning rate has changed a
    thing."""
    if step == 0:
        return (
            f"{name} is {loss} before the first step: the weights that the training starts from are damaged; "
            "copy the model once more"
        )
    return f"{name} became {loss} at step {step}; lower learning_rate"


def divergence(train: Sequence[CurvePoint], dev: Sequence[CurvePoint]) -> str:
    """Why the training is not to be trusted, in a sentence; empty when all is well."""
    if train and all(point.grad_norm == 0 for point in train):
        return (
            "no gradient reached the weights: nothing was learnt; "
            "tune more of the model, or by another method"
        )
    count = max(1, round(len(train) * END_SHARE))
    losses = [point.loss for point in train]
    start, end = fmean(losses[:count] or [0.0]), fmean(losses[-count:] or [0.0])
    if len(train) > 1 and end > TRAIN_RISE * start:
        return f"the training loss rose from {start:.3g} to {end:.3g}; lower learning_rate"
    untrained = next((point.loss for point in dev if point.step == 0), None)
    lowest = min((point.loss for point in dev if point.step > 0), default=None)
    if untrained is not None and lowest is not None and lowest > DEV_RISE * untrained:
        return (
            f"the loss on dev was {untrained:.3g} before training and never below {lowest:.3g} since; "
            "lower learning_rate, or evaluate more often"
        )
    return ""
