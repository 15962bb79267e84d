"""How much of dev a training reads: enough to choose by, and less than half of what it is trained on.

The rule knows only the plan: samples of train and dev, epochs or steps, and how often dev is read. Let B be
0.45 of the samples that are trained on, repeats included, shared evenly among the tasks of a mixture.
Where all evaluations together can read `eval_samples` (128) dev samples of a task within B, they do.
Otherwise the end of the training reads min(128, B/2), once, for the loss that is compared between
trainings; what is left of B is shared evenly among the evaluations before, which draw the curve and choose
the checkpoint. None reads fewer than 8.

A trial of a search answers up to q/σ² = 500 dev samples: from there on the luck of the samples adds no more
to the variance of the difference between two trials (q/n) than half of what the luck of their seeds does
(2σ²). Without end they would show a gap four fifths as large.
"""

import math
from collections.abc import Sequence

from harness.statistics.planning import DISAGREEMENT, SEED_SD
from harness.sweep.recipe import Portion, Training

MOST_READ = 0.45
"""Dev samples read for each sample trained on: half of the tokens, where those of dev are a tenth longer."""

MOST_JUDGED = round(DISAGREEMENT / SEED_SD**2)
"""Dev samples that a trial of a search answers at each rung, drawn by label."""

FEWEST = 8
"""Dev samples of an evaluation, where there are so many: fewer would choose by chance."""


def steps_of(training: Training, samples: int) -> int:
    """Updates of a training on so many samples."""
    if training.max_steps > 0:
        return training.max_steps
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
    return math.ceil(training.num_train_epochs * math.ceil(samples / batch))


def epochs_of(training: Training, samples: int) -> float:
    """How often each sample is trained on, on average;
    a fraction where steps end in the middle of an epoch."""
    if training.max_steps > 0:
        batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
        return training.max_steps * batch / max(1, samples)
    return training.num_train_epochs


def evaluations_of(training: Training, samples: int) -> int:
    """How often dev is read: before the first step, then every `eval_steps`, and after the last step."""
    steps = steps_of(training, samples)
    interval = math.ceil(training.eval_steps * steps) if training.eval_steps < 1 else int(training.eval_steps)
    return 1 + math.ceil(steps / interval)


def judged_limit(available: int) -> int | None:
    """The `limit` of a trial's answers on dev; None where it answers all that are `available`."""
    return MOST_JUDGED if available > MOST_JUDGED else None


def bounded(training: Training, portions: Sequence[Portion], *, available: int) -> Training:
    """The training with as many dev samples as the rule allows; as it is where that is all of `eval_samples`,
    or all that are `available` of a task."""
    samples = sum(portion.n_train for portion in portions)
    evaluations = evaluations_of(training, samples)
    # Where the task's metric chooses, every sample is read once for its loss and once to be answered.
    readings = 2 if training.metric_for_best_model == "task_metric" else 1
    budget = MOST_READ * epochs_of(training, samples) * samples / len(portions)
    max_samples = min(training.eval_samples, available)
    if evaluations * readings * max_samples <= budget:
        return training
    at_end = min(max_samples, int(budget / 2))
    interim = min(max_samples, max(FEWEST, int((budget - at_end) / (evaluations * readings))))
    return training.model_copy(update={"eval_samples": max(at_end, interim), "interim_eval_samples": interim})


def samples_read(training: Training, samples: int, *, available: int) -> int:
    """Dev samples of a task that a training reads, repeats included, where there are `available`."""
    readings = 2 if training.metric_for_best_model == "task_metric" else 1
    each = min(available, training.samples_per_evaluation)
    at_end = 0 if training.interim_eval_samples is None else min(available, training.eval_samples)
    return evaluations_of(training, samples) * readings * each + at_end
