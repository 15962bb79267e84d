"""Which labels are mixed up."""

from collections import Counter
from collections.abc import Mapping

from scipy import special

from harness.analysis.arms import ArmAnswers, ArmComparison
from harness.records.analysis.errors import Confused, ConfusionRecord
from harness.statistics import false_discovery

DRAWN_LABELS = 12
"""Labels up to which every cell is kept; of more only mistakes are."""

MOST_PAIRS = 40
"""Pairs of labels that are kept where not all are."""

SHOWN_SAMPLES = 12
"""Samples of a cell that are named."""


def confusion_of(comparison: ArmComparison) -> tuple[ConfusionRecord, ...]:
    """For every arm how often each label was answered for each other; empty where targets are no labels.

    A sample counts once, with its most frequent answer over seeds and wordings.
    """
    if not comparison.labels:
        return ()
    return tuple(_record(comparison, arm) for arm in comparison.arms)


def most_frequent(arm: ArmAnswers) -> list[str]:
    """Of every sample the most frequent answer over seeds and wordings; of equally frequent ones the
    first."""
    by_sample = arm.answers.reshape(-1, arm.answers.shape[2]).T.tolist()
    return [
        Counter((answer or "").strip() for answer in answers).most_common(1)[0][0] for answers in by_sample
    ]


def _record(comparison: ArmComparison, arm: ArmAnswers) -> ConfusionRecord:
    labels = comparison.labels
    samples: dict[tuple[str, str], list[str]] = {}
    for sample, answer in zip(comparison.samples, most_frequent(arm), strict=True):
        accepted = {target.strip() for target in sample.targets}
        target = answer if answer in accepted else sample.targets[0].strip()
        samples.setdefault((target, answer if answer in labels else ""), []).append(sample.id)
    counts = {pair: len(names) for pair, names in samples.items()}
    p_values = _p_values(counts, labels)
    cells = [
        Confused(
            target=target,
            answer=answer,
            count=counts[target, answer],
            samples=tuple(names[:SHOWN_SAMPLES]) if target != answer else (),
            p=p_values.get((target, answer)),
        )
        for (target, answer), names in samples.items()
    ]
    if len(labels) > DRAWN_LABELS:
        mistakes = [cell for cell in cells if cell.target != cell.answer]
        cells = sorted(mistakes, key=lambda cell: (-cell.count, cell.target, cell.answer))[:MOST_PAIRS]
    places = {label: place for place, label in enumerate((*labels, ""))}
    cells.sort(key=lambda cell: (places.get(cell.target, len(places)), places[cell.answer]))
    return ConfusionRecord(arm=arm.name, labels=labels, cells=tuple(cells))


def _p_values(counts: Mapping[tuple[str, str], int], labels: tuple[str, ...]) -> dict[tuple[str, str], float]:
    """Of every pair of different labels, whether the second stands for the first more often than its share of
    all answers explains: a binomial test of the first one's mistakes, corrected for all pairs."""
    if len(labels) < 3:  # two labels can only be taken for each other
        return {}
    answered = {label: 1 + sum(counts.get((target, label), 0) for target in labels) for label in labels}
    pairs, p_values = [], []
    for target in labels:
        other_labels = [label for label in labels if label != target]
        mistakes = sum(counts.get((target, label), 0) for label in other_labels)
        total = sum(answered[label] for label in other_labels)
        for label in other_labels:
            count = counts.get((target, label), 0)
            pairs.append((target, label))
            p_values.append(
                1.0 if not count else float(special.bdtrc(count - 1, mistakes, answered[label] / total))
            )
    return dict(zip(pairs, false_discovery(p_values).tolist(), strict=True))
