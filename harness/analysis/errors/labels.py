"""Samples whose given label is probably wrong."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.analysis.arms import ArmAnswers, ArmComparison, Flags
from harness.analysis.errors.confusion import most_frequent
from harness.records.analysis.errors import CorrectedScore, LabelErrors, SuspectRecord
from harness.statistics import FloatArray

Side = Literal["suggested", "given", "neither"]

MOST_SUSPECTS = 200
"""Suspects that are listed."""


def label_errors_of(comparison: ArmComparison) -> LabelErrors | None:
    """The samples whose label the judged arm contradicts, the most probable errors first; None where it
    cannot be told.

    Choices: confident learning (Northcutt, Jiang and Chuang, J. Artificial Intelligence Research 70, 2021). A
    class j has the threshold `t_j`, the mean probability of j over the samples labelled j. A sample labelled
    i is certainly suspected where the likeliest class is another one and reaches its threshold; those whose
    likeliest class does not reach it follow. Both are in the order of their margin, p(given) − p(suggested).
    Written answers: every seed gives the same answer, which has the right form and is no target.
    """
    if comparison.card.output == "perplexity":
        return None
    if _is_weighed(comparison):
        suspects = _confident(comparison)
        method = "confident_learning"
    elif len(comparison.judged.seeds) > 1:
        suspects = _agreed(comparison)
        method = "agreement"
    else:
        return None
    unanimous = sum(suspect.unanimous for suspect in suspects)
    expected = _expected(comparison)
    tested = len(comparison.judged.seeds) > 1 and unanimous > 0
    return LabelErrors(
        method="confident_learning" if method == "confident_learning" else "agreement",
        suspects=tuple(suspects[:MOST_SUSPECTS]),
        certain=sum(suspect.certain for suspect in suspects),
        unanimous=unanimous,
        expected=expected,
        p=float(special.pdtrc(unanimous - 1, expected)) if tested else 1.0,
        scores=_corrected(comparison, [suspect for suspect in suspects if suspect.certain]),
    )


def agreement_is_right(comparison: ArmComparison) -> float:
    """Of the samples that every seed answers alike in every wording, the share whose answer is right; 0
    without any."""
    answers, _ = _consensus(comparison.judged)
    alike = [place for place, answer in enumerate(answers) if answer is not None]
    if not alike:
        return 0.0
    right: Flags = np.asarray(comparison.right[-1].all(axis=(0, 1)))
    return float(right[alike].mean())


def _is_weighed(comparison: ArmComparison) -> bool:
    """Whether the probabilities of the same choices are known of every sample, and the targets are among
    them."""
    choices = comparison.samples[0].choices
    return (
        comparison.judged.probabilities is not None
        and len(set(choices)) == len(choices)
        and all(
            sample.choices == choices and set(sample.targets) & set(choices) for sample in comparison.samples
        )
    )


def _confident(comparison: ArmComparison) -> list[SuspectRecord]:
    judged, choices = comparison.judged, comparison.samples[0].choices
    assert judged.probabilities is not None, "they were asked for before"
    probabilities = judged.probabilities.mean(axis=(0, 1))
    given_labels = np.array([_given(sample.targets, choices) for sample in comparison.samples])
    suggested = probabilities.argmax(axis=1)
    reached = np.where(probabilities >= _thresholds(probabilities, given_labels), probabilities, -1.0)
    certain = (reached.argmax(axis=1) == suggested) & (reached.max(axis=1) > 0)
    chosen = judged.probabilities.argmax(axis=-1)
    untuned_answers = _said_untuned(comparison)
    suspects = []
    for place in np.flatnonzero(suggested != given_labels).tolist():
        label = choices[suggested[place]]
        if label in comparison.samples[place].targets:
            continue
        suspects.append(
            SuspectRecord(
                sample=comparison.ids[place],
                given=choices[given_labels[place]],
                suggested=label,
                confidence=float(probabilities[place, suggested[place]]),
                given_confidence=float(probabilities[place, given_labels[place]]),
                certain=bool(certain[place]),
                unanimous=bool((chosen[:, :, place] == suggested[place]).all()),
                untuned=_side(comparison, untuned_answers, place, label),
            )
        )
    return sorted(
        suspects, key=lambda suspect: (not suspect.certain, suspect.given_confidence - suspect.confidence)
    )


def _given(targets: Sequence[str], choices: Sequence[str]) -> int:
    return next(choices.index(target) for target in targets if target in choices)


def _thresholds(probabilities: FloatArray, given_labels: NDArray[np.int64]) -> FloatArray:
    """The mean probability of each class over the samples that are labelled so; out of reach for a class
    without any."""
    return np.array(
        [
            probabilities[given_labels == label, label].mean() if (given_labels == label).any() else 2.0
            for label in range(probabilities.shape[1])
        ]
    )


def _consensus(arm: ArmAnswers) -> tuple[list[str | None], list[list[str | None]]]:
    """Of each sample the answer that every seed gives in every wording, None where they differ; and likewise
    of each seed alone."""
    usable = (arm.parsed != False) & ~arm.cut  # noqa: E712 - of each entry; None says nothing
    answers = arm.answers.copy()
    answers[~usable] = None
    of_seeds = [_alike(answers[seed]) for seed in range(len(arm.seeds))]
    together = [_one(list(of_sample)) for of_sample in zip(*of_seeds, strict=True)]
    return together, of_seeds


def _alike(answers: NDArray[np.object_]) -> list[str | None]:
    """Of wordings × samples, the answer of each sample that all wordings share."""
    return [
        _one([answer.strip() if answer else None for answer in of_sample]) for of_sample in answers.T.tolist()
    ]


def _one(answers: Sequence[str | None]) -> str | None:
    distinct = set(answers)
    return distinct.pop() or None if len(distinct) == 1 else None


def _agreed(comparison: ArmComparison) -> list[SuspectRecord]:
    answers, _ = _consensus(comparison.judged)
    right: Flags = np.asarray(comparison.right[-1].any(axis=(0, 1)))
    answers_of_others = [arm.answers.reshape(-1, len(comparison.samples)) for arm in comparison.arms[:-1]]
    untuned = _said_untuned(comparison)
    suspects = []
    for place, answer in enumerate(answers):
        if answer is None or right[place] or _is_target(comparison, place, answer):
            continue
        answers_there = chain.from_iterable(arm[:, place].tolist() for arm in answers_of_others)
        other_answers = [(each or "").strip() for each in answers_there]
        suspect = SuspectRecord(
            sample=comparison.ids[place],
            given=comparison.samples[place].targets[0] if comparison.samples[place].targets else "",
            suggested=answer,
            confidence=1.0,
            given_confidence=0.0,
            certain=True,
            unanimous=True,
            untuned=_side(comparison, untuned, place, answer),
        )
        suspects.append((other_answers.count(answer) / len(other_answers) if other_answers else 0.0, suspect))
    # The other arms of the model were not trained on these labels: what they say, too, is the likelier.
    return [suspect for _, suspect in sorted(suspects, key=lambda pair: -pair[0])]


def _said_untuned(comparison: ArmComparison) -> list[str] | None:
    """The most frequent answers of the arm that gains are measured against; None without one."""
    return None if comparison.reference is None else most_frequent(comparison.reference)


def _side(
    comparison: ArmComparison, untuned_answers: Sequence[str] | None, place: int, suggested: str
) -> Side | None:
    """Whose side that arm takes."""
    if untuned_answers is None:
        return None
    if untuned_answers[place] == suggested.strip():
        return "suggested"
    return "given" if _is_target(comparison, place, untuned_answers[place]) else "neither"


def _is_target(comparison: ArmComparison, place: int, answer: str) -> bool:
    """Whether an answer is the given label, though the metric does not call it right."""
    return answer in {target.strip() for target in comparison.samples[place].targets}


def _expected(comparison: ArmComparison) -> float:
    """So many samples would get the same wrong answer from every seed if seeds erred independently: the sum
    over labels of their samples times each seed's share of consistent mistakes, and times the chance that two
    mistakes are the same one for each further seed."""
    _, of_seeds = _consensus(comparison.judged)
    right: Flags = np.asarray(comparison.right[-1].any(axis=1))
    targets = [sample.targets[0] if sample.targets else "" for sample in comparison.samples]
    labels = targets if comparison.labels else [""] * len(targets)
    mistakes = [
        [
            None if answer is None or right[seed, place] or _is_target(comparison, place, answer) else answer
            for place, answer in enumerate(answers)
        ]
        for seed, answers in enumerate(of_seeds)
    ]
    sizes, expected = Counter(labels), 0.0
    for label, size in sizes.items():
        places = [place for place, sample_label in enumerate(labels) if sample_label == label]
        product = float(size)
        mistake_counts: Counter[str] = Counter()
        for answers in mistakes:
            wrong = [answer for place in places if (answer := answers[place]) is not None]
            product *= len(wrong) / size
            mistake_counts.update(wrong)
        total = sum(mistake_counts.values())
        same = sum(count**2 for count in mistake_counts.values()) / total**2 if total else 0.0
        expected += product * same ** (len(mistakes) - 1)
    return expected


def _corrected(comparison: ArmComparison, suspects: Sequence[SuspectRecord]) -> tuple[CorrectedScore, ...]:
    """The score of every arm with the suggested labels; empty of scores that are not right or wrong."""
    if not comparison.card.binary or not suspects:
        return ()
    places = {name: place for place, name in enumerate(comparison.ids)}
    scores = []
    for arm in comparison.arms:
        means = arm.means.copy()
        for suspect in suspects:
            place = places[suspect.sample]
            answers = [(answer or "").strip() for answer in arm.answers[:, :, place].ravel().tolist()]
            means[place] = answers.count(suspect.suggested.strip()) / len(answers)
        scores.append(
            CorrectedScore(arm=arm.name, now=float(arm.means.mean()), corrected=float(means.mean()))
        )
    return tuple(scores)
