"""Say where a metric cannot read the script that a task's targets are written in."""

from collections.abc import Mapping, Sequence

from harness.data.loaded import LoadedTask
from harness.metrics import find_metric
from harness.metrics.overlap import MOST_DROPPED, dropped_by_rouge
from harness.task import Sample, Task
from harness.task.words import unspaced_share

MOST_TARGETS = 500
"""Targets that are looked at: a script is told by few."""

_OF_SPACED_WORDS = frozenset({"bleu", "bleu_intl", "ter"})
"""Metrics whose words end at spaces."""

_OF_LATIN_WORDS = frozenset({"rouge1", "rouge2", "rougeL"})


def unread_scripts(task: Task, samples: Sequence[Sample]) -> list[str]:
    """A sentence for each metric that does not tell the words of these samples' targets apart, without the
    task's name."""
    if task.output == "perplexity" or task.prompts.render is not None:
        return []  # another harness has metrics of its own
    targets = [sample.targets[0] for sample in samples[:MOST_TARGETS]]
    names = {find_metric(metric).name for metric in task.metrics}
    sentences = []
    if sum(map(unspaced_share, targets)) >= len(targets) / 2:
        sentences += [
            f"{name} takes what stands between spaces for words, and the targets' script has none between "
            "words: rank by chrf, or by bleu_zh or bleu_char"
            for name in sorted(names & _OF_SPACED_WORDS)
        ]
    dropped = dropped_by_rouge(targets)
    if dropped > MOST_DROPPED:
        sentences += [
            f"{name} drops all letters but a to z, which are {dropped:.0%} of those of the targets: rank by "
            "chrf or token_f1"
            for name in sorted(names & _OF_LATIN_WORDS)
        ]
    return sentences


def unread_scripts_of(tasks: Mapping[str, LoadedTask]) -> list[str]:
    """Of all tasks of a sweep, with their names."""
    return [
        f"task '{name}': {sentence}"
        for name, loaded in tasks.items()
        for sentence in unread_scripts(loaded.task, loaded.dataset.test)
    ]
