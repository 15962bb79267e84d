"""What to change next, in sentences: only what is more than chance, the most useful first."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from scipy import special

from harness.analysis.amounts import POINTS, Amounts
from harness.analysis.errors.slices import FoundSlice
from harness.analysis.prompt_parts import INSTRUCTION, SYSTEM
from harness.counts import agreeing, count_of
from harness.records.analysis.attention import ArmLook, AttentionRecord
from harness.records.analysis.boundary import BoundaryRecord
from harness.records.analysis.errors import (
    CalibrationRecord,
    ConfusionRecord,
    ErrorKinds,
    LabelErrors,
    SliceRecord,
    SuspectRecord,
    WordingRecord,
)
from harness.records.analysis.record import AnalysisFinding
from harness.statistics import holm, score

SIGNIFICANT = 0.05

SURE_ENOUGH = 0.75
"""Share of right answers among those that all seeds agree on, from which their agreement speaks against a
label."""

MUCH = 0.02
"""Share of answers that may be wrong in a way that a setting mends, before it is worth a sentence."""

NEXT_TO_NOTHING = 0.05
"""Natural logarithms that an answer may lose or win without a part of its prompt that is hardly read."""

WORTH_MUCH = 0.5
"""Natural logarithms that an answer loses without a part that it depends on."""

LEAST_LOOKED = 20
"""Samples from which on that is said."""

SURPLUS = 0.03
"""Difference of confidence and accuracy that may be left."""

FLIPPED = 0.05
"""Share of answers that another wording may change."""

MOST_SLICES, MOST_PAIRS = 3, 2
OVERLAP = 0.5
"""Share of a slice's samples that may be in one that is named already."""

REMEDIES = {
    "cut off": "are cut before they end: raise max_tokens",
    "empty": "are empty: look at the stop strings and at the task's extract",
    "refusal": "refuse to answer: reword the prompt",
    "wrong form": "lack the form that the task wants: ask for it in the prompt, or hold answers to it "
    "(structured_outputs)",
    "copied from a demonstration": "are copied from a demonstration: choose others, or fewer",
}
"""Kinds of error that a setting or the prompt mends."""

NEAR_REMEDIES = {
    "case": "differ from the target in nothing but case",
    "punctuation or spaces": "differ from the target in nothing but punctuation or spaces",
    "unit": "have the right number and another unit",
}
"""Near misses that `extract`, or a metric that overlooks them, mends."""


@dataclass(frozen=True)
class Parts:
    """What findings are made of."""

    slices: Sequence[FoundSlice]
    wordings: Sequence[WordingRecord]
    kinds: Sequence[ErrorKinds]
    confusion: ConfusionRecord | None
    """The judged arm's, as the following ones."""

    labels: LabelErrors | None
    agreement: float
    """Share of right answers among those that all seeds agree on."""

    calibration: CalibrationRecord | None
    boundary: BoundaryRecord | None = None
    attention: AttentionRecord | None = None
    arm: str = ""
    """The name of the judged arm."""

    ids: Sequence[str] = ()
    """Of the samples, by the places that slices hold."""

    tuned: bool = True
    """Whether the judged arm was trained."""

    amounts: Amounts = POINTS
    """How scores are written."""


def findings_of(parts: Parts) -> tuple[AnalysisFinding, ...]:
    """What to change next.

    Each part is corrected within itself; the parts are corrected for their number here (Holm), so that in
    noise at most one analysis in twenty names anything.
    """
    doubted = _doubted(parts)
    families = {
        "labels": [] if parts.labels is None else [_labels_p(parts.labels, doubted)],
        "slices": [*chain.from_iterable(_p_values(each.record) for each in parts.slices)],
        "wordings": [wording.p for wording in parts.wordings],
        "confusion": [] if parts.confusion is None else _confusion_p(parts.confusion),
        "calibration": [] if parts.calibration is None else [parts.calibration.p],
    }
    best = {name: min(p_values) for name, p_values in families.items() if p_values}
    corrected = dict(zip(best, holm(list(best.values())).tolist(), strict=True)) if best else {}
    significant = {name for name, p in corrected.items() if p < SIGNIFICANT}
    findings: list[AnalysisFinding] = []
    if "labels" in significant and parts.labels is not None:
        findings += _of_labels(parts.labels, doubted, parts.agreement, parts.amounts)
    findings += _of_kinds(parts.kinds)
    if "slices" in significant:
        findings += _of_slices(parts.slices, parts.amounts, tuned=parts.tuned)
    if "wordings" in significant:
        findings += _of_wordings(parts.wordings, parts.amounts, tuned=parts.tuned)
    if "confusion" in significant and parts.confusion is not None:
        findings += _of_confusion(parts.confusion)
    if "calibration" in significant and parts.calibration is not None:
        findings += _of_calibration(parts.calibration)
    if parts.attention is not None and parts.tuned:
        findings += _of_attention(parts.attention.arms[-1])
    if parts.boundary is not None:
        findings += _of_boundary(parts.boundary, parts.arm, tuned=parts.tuned)
    return tuple(findings)


def _of_attention(look: ArmLook) -> Iterator[AnalysisFinding]:
    """Parts of the prompt that a fine-tune does without: their worth to the right answer is shown to be next
    to nothing, where another part is worth much: noise passes neither."""
    if all(segment.lost_low < WORTH_MUCH for segment in look.segments):
        return
    for segment in look.segments:
        is_optional = segment.name in (SYSTEM, INSTRUCTION) and segment.n >= LEAST_LOOKED
        if is_optional and max(-segment.lost_low, segment.lost_high) < NEXT_TO_NOTHING:
            yield AnalysisFinding(
                evidence="attention",
                sentence=f"The fine-tune hardly reads its {segment.name}, {segment.tokens:.0%} of the "
                f"prompt: without it, a right answer is {_times(segment.lost)} as likely. A shorter prompt, "
                "tuned and scored anew, would cost less",
            )


def _times(lost: float) -> str:
    """`0.98 times`: what is left of a probability."""
    return f"{math.exp(-lost):.2f} times"


def _p_values(record: SliceRecord) -> list[float]:
    return [record.score_p] if record.gain_p is None else [record.score_p, record.gain_p]


def _confusion_p(confusion: ConfusionRecord) -> list[float]:
    return [cell.p for cell in confusion.cells if cell.p is not None]


def _doubted(parts: Parts) -> list[SuspectRecord]:
    """The suspects that every seed contradicts alike, but for those of slices that are hard anyway: there
    seeds make the same mistakes."""
    if parts.labels is None:
        return []
    hard: set[str] = set()
    for found_slice in parts.slices:
        if _is_worse(found_slice.record):
            hard |= {parts.ids[place] for place in found_slice.places}
    return [suspect for suspect in parts.labels.suspects if suspect.unanimous and suspect.sample not in hard]


def _labels_p(labels: LabelErrors, doubted: Sequence[SuspectRecord]) -> float:
    return (
        1.0
        if labels.p >= SIGNIFICANT or not doubted
        else float(special.pdtrc(len(doubted) - 1, labels.expected))
    )


def _of_labels(
    labels: LabelErrors, doubted: Sequence[SuspectRecord], agreement: float, amounts: Amounts
) -> Iterator[AnalysisFinding]:
    sides = [suspect.untuned for suspect in doubted]
    # A mistake that the fine-tunes share is one that the untuned arm, which has learnt no label, need not
    # make.
    unsupported = any(sides) and sides.count("suggested") <= sides.count("given")
    if agreement < SURE_ENOUGH or unsupported:
        return
    count = len(doubted)
    judged = labels.scores[-1] if labels.scores else None
    effect = (
        ""
        if judged is None
        else f"; with every suspected label corrected the {amounts.metric} would be "
        f"{amounts.score(judged.corrected)}, not {amounts.score(judged.now)}"
    )
    yield AnalysisFinding(
        evidence="labels",
        sentence=f"{count_of(count, 'label')} {agreeing('contradict', count)} what every seed answers: check "
        f"{'it' if count == 1 else 'them'}{effect}",
    )


def _of_kinds(kinds: Sequence[ErrorKinds]) -> Iterator[AnalysisFinding]:
    """Of the judged arm; of a few-shot arm beside it, what it copies."""
    for arm_kinds in kinds:
        judged = arm_kinds is kinds[-1]
        for kind, remedy in REMEDIES.items():
            count = arm_kinds.counts.get(kind, 0)
            if (judged or kind == "copied from a demonstration") and _is_much(count, arm_kinds):
                who = "answers" if judged else f"answers of {arm_kinds.arm}"
                share = _percent(count / arm_kinds.answers)
                yield AnalysisFinding(evidence="kinds", sentence=f"{share} of the {who} {remedy}")
        for near, fault in NEAR_REMEDIES.items():
            count = arm_kinds.near_misses.get(near, 0)
            if judged and _is_much(count, arm_kinds):
                share = _percent(count / arm_kinds.answers)
                yield AnalysisFinding(
                    evidence="kinds",
                    sentence=(
                        f"{share} of the answers {fault}: let the task's extract, or another metric, "
                        "overlook it"
                    ),
                )


def _is_much(count: int, kinds: ErrorKinds) -> bool:
    """Whether even the lower end of the share's interval is more than a little. Answers to one sample count
    as one."""
    if not count:
        return False
    right = round(kinds.samples * count / kinds.answers)
    values = np.zeros(kinds.samples)
    values[:right] = 1.0
    return score(values, binary=True).low > MUCH


def _of_slices(slices: Sequence[FoundSlice], amounts: Amounts, *, tuned: bool) -> Iterator[AnalysisFinding]:
    """The clearest slices that do worse than the rest, each of mostly other samples."""
    named: list[FoundSlice] = []
    for found_slice in slices:
        record = found_slice.record
        worse = _is_worse(record)
        gained = record.gain
        less = (
            gained is not None
            and record.gain_rest is not None
            and record.gain_p is not None
            and record.gain_p < SIGNIFICANT
            and gained.value < record.gain_rest
            # Less is gained, too, where there is less left to gain.
            and (gained.high < 0 or record.score.value < record.rest)
        )
        if not (worse or less) or any(_overlap(found_slice, before) > OVERLAP for before in named):
            continue
        named.append(found_slice)
        sentence = _slice_sentence(record, amounts, worse=worse, tuned=tuned)
        yield AnalysisFinding(evidence="slices", sentence=sentence)
        if len(named) == MOST_SLICES:
            return


def _is_worse(record: SliceRecord) -> bool:
    return record.score_p < SIGNIFICANT and record.score.value < record.rest


def _overlap(found_slice: FoundSlice, before: FoundSlice) -> float:
    return len(found_slice.places & before.places) / min(len(found_slice.places), len(before.places))


def _slice_sentence(record: SliceRecord, amounts: Amounts, *, worse: bool, tuned: bool) -> str:
    place = f"{place_of(record)} ({count_of(record.n, 'sample')})"
    remedy = "train on more such samples" if tuned else "show such samples as demonstrations, or tune on some"
    gained, rest = record.gain, record.gain_rest
    if worse:
        behind = amounts.behind(record.rest - record.score.value)
        lost = ", and it is worse than without" if gained is not None and gained.high < 0 else ""
        return f"{place} {behind}{lost}: {remedy}"
    assert gained is not None and rest is not None, "less is gained there than elsewhere"
    if gained.high < 0:
        return f"{place} {amounts.difference(-gained.value)} are lost: {remedy}"
    return f"{place} the gain is {amounts.difference(rest - gained.value)} smaller than elsewhere: {remedy}"


_PLACES = {
    "label": "On samples labelled '{}'",
    "words": "On texts of {} words",
    "script": "On texts in {} letters",
    "first word": "On texts that begin with '{}'",
    "words of the target": "Where the target has {} words",
    "cluster": "In the cluster '{}'",
}


def place_of(record: SliceRecord) -> str:
    """What the samples of a slice have in common, as the beginning of a sentence."""
    feature, part = record.feature, record.part
    if feature in _PLACES:
        return _PLACES[feature].format(part)
    if feature == "in the training data":
        return f"On samples that are {'' if part == 'yes' else 'not '}in the training data"
    for kind in ("words of field ", "words of metadata "):
        if feature.startswith(kind):
            return f"Where {feature.removeprefix(kind)} has {part} words"
    return f"Where {feature.partition(' ')[2]} is {part}"


def _of_wordings(
    wordings: Sequence[WordingRecord], amounts: Amounts, *, tuned: bool
) -> Iterator[AnalysisFinding]:
    worst = min(wordings, key=lambda wording: wording.difference.value)
    if worst.p < SIGNIFICANT and worst.difference.value < 0:
        cost = amounts.difference(-worst.difference.value)
        remedy = "drop it, or train on all wordings (train_templates)" if tuned else "drop it"
        yield AnalysisFinding(
            evidence="wordings",
            sentence=f"The wording '{worst.template}' costs {cost} against the others: {remedy}",
        )


def _of_confusion(confusion: ConfusionRecord) -> Iterator[AnalysisFinding]:
    named = [cell for cell in confusion.cells if cell.p is not None and cell.p < SIGNIFICANT]
    for cell in sorted(named, key=lambda cell: -cell.count)[:MOST_PAIRS]:
        yield AnalysisFinding(
            evidence="confusion",
            sentence=f"'{cell.target}' is taken for '{cell.answer}' in "
            f"{count_of(cell.count, 'sample')}: say in the prompt what tells the two apart, or add "
            "samples of both",
        )


def _of_calibration(record: CalibrationRecord) -> Iterator[AnalysisFinding]:
    surplus = record.surplus
    if surplus.low > SURPLUS:
        yield AnalysisFinding(
            evidence="calibration",
            sentence=f"It is too sure of itself: {_percent(record.confidence)} on average, and right in "
            f"{_percent(record.accuracy)}; choose thresholds from the coverage table, not from its "
            "confidence",
        )
    elif surplus.high < -SURPLUS:
        yield AnalysisFinding(
            evidence="calibration",
            sentence=f"It is not sure enough: {_percent(record.confidence)} on average, and right in "
            f"{_percent(record.accuracy)}; choose thresholds from the coverage table, not from its "
            "confidence",
        )


def _of_boundary(boundary: BoundaryRecord, arm: str, *, tuned: bool) -> Iterator[AnalysisFinding]:
    """How far the judged arm hangs on the wording, where even the lower end of the interval is much."""
    rates = {rate.arm: rate for rate in boundary.flip_rates if rate.edit == "wording"}
    rate = rates.get(arm)
    if rate is None or rate.share.low <= FLIPPED:
        return
    base = next((other for name, other in rates.items() if name != arm), None)
    beside = "" if base is None else f", and {_percent(base.share.value)} of the untuned model's"
    remedy = (
        "train on several wordings (train_templates), and ask in the one that was scored"
        if tuned
        else "ask in the wording that was scored, or tune on several"
    )
    yield AnalysisFinding(
        evidence="boundary",
        sentence=f"Another wording changes {_percent(rate.share.value)} of the answers{beside}: {remedy}",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
