"""Where the answers of an arm and of its untuned rivals look, and what they depend on."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special, stats

from harness.analysis.arms import ArmAnswers, ArmComparison
from harness.analysis.passes import Inspector, PassOutput, PassRequest
from harness.analysis.prompt_parts import prompt_parts
from harness.data.loaded import LoadedTask
from harness.records.analysis.attention import (
    Agreement,
    ArmLook,
    AttentionRecord,
    HeadLook,
    SegmentLook,
    TintedSample,
    TokenLook,
)
from harness.records.analysis.passes import PassRecord
from harness.statistics import FloatArray
from harness.task import Sample
from harness.workers.worker import Message

MOST_READ = 32
"""Samples: a backward pass, and one forward pass for each part of the prompt, take longer than weighing."""

MOST_TINTED = 4
"""Samples that are shown token by token."""

LEAST_RANKED = 5
"""Tokens of a prompt from which on ranks are compared."""

MEASURES = ("attention", "occlusion", "gradient")
ARRAYS = {"attention": "rollout", "occlusion": "token_occlusion", "gradient": "gradient"}
"""What the pass calls them, token by token."""


@dataclass(frozen=True)
class LookedArm:
    """An arm, and what a pass has read of it."""

    arm: ArmAnswers
    rows: Sequence[Message]
    output: PassOutput


def arms_to_look_at(comparison: ArmComparison) -> list[ArmAnswers]:
    """The untuned arms without and with demonstrations, where there are any, and the judged one."""
    judged = comparison.judged
    untuned = [arm for arm in comparison.arms if arm.name in ("zero_shot", "few_shot") and arm is not judged]
    return [*untuned, judged]


def look_at(
    comparison: ArmComparison, loaded: LoadedTask, inspector: Inspector
) -> tuple[AttentionRecord | None, list[PassRecord]]:
    """What the arms look at on some of the samples, and what it took to read that. Raises `UserError` where
    it fails; None of a task whose answers are no texts to be written or chosen."""
    samples = _drawn(comparison, loaded, inspector)
    if not samples:
        return None, []
    looked = [_read(arm, samples, loaded, inspector) for arm in arms_to_look_at(comparison)]
    passes = [each.output.record for each in looked]
    looks = [_arm_look(comparison, each) for each in looked]
    if not any(look.n for look in looks):
        return None, passes
    return AttentionRecord(arms=tuple(looks), samples=tuple(_tinted(samples, looked))), passes


def _drawn(comparison: ArmComparison, loaded: LoadedTask, inspector: Inspector) -> list[Sample]:
    if comparison.card.output == "perplexity":
        return []
    test = {sample.id: sample for sample in loaded.dataset.test}
    asked = [test[name] for name in comparison.ids if name in test and test[name].targets]
    settings = inspector.settings
    number = min(len(asked), settings.samples, MOST_READ)
    # As they come, and not in order: the first ones are looked at token by token.
    return random.Random(settings.seed).sample(asked, number)


def _read(arm: ArmAnswers, samples: Sequence[Sample], loaded: LoadedTask, inspector: Inspector) -> LookedArm:
    run = arm.results[0].run
    asked = [replace(sample, choices=(sample.targets[0],)) for sample in samples]
    rows = loaded.prompt_rows(
        asked,
        arm.templates[:1],
        num_fewshot=run.num_fewshot,
        demonstrations=run.demonstrations,
        seed=run.seed,
    )
    prompts = loaded.task.prompts
    named = [
        row | {"segments": prompt_parts(prompts, sample, row)}
        for sample, row in zip(asked, rows, strict=True)
    ]
    return LookedArm(arm, named, inspector.read(PassRequest(run, loaded.task, named, "attention")))


def _arm_look(comparison: ArmComparison, looked: LookedArm) -> ArmLook:
    output, rows = looked.output, looked.rows
    places = [place for place in range(len(rows)) if output.array(place, "occlusion") is not None]
    names = list(dict.fromkeys(name for row in rows for name, _ in row["segments"]))
    segments = [segment for name in names if (segment := _segment(output, rows, places, name)) is not None]
    heads = [attention for place in places if (attention := output.array(place, "attention")) is not None]
    copied, by_chance = _copied(comparison, looked) or (None, None)
    return ArmLook(
        arm=looked.arm.name,
        n=len(places),
        layers=heads[0].shape[0] if heads else 0,
        heads=heads[0].shape[1] if heads else 0,
        segments=tuple(segments),
        most_of=tuple(_most_of(output, rows, places, [segment.name for segment in segments])),
        agreements=tuple(_agreements(output, places)),
        copied=copied,
        copied_by_chance=by_chance,
    )


def _order(row: Message) -> list[str]:
    """The names of a row's segments, in the order of the arrays of a pass."""
    return sorted({name for name, _ in row["segments"]})


def _segment(
    output: PassOutput, rows: Sequence[Message], places: Sequence[int], name: str
) -> SegmentLook | None:
    """What one part is worth, over the samples whose tokens show it."""
    shares: list[float] = []
    lost: list[float] = []
    looked, layers = [], []
    for place in places:
        found = _found(output, rows[place], place, name)
        if found is None:
            continue
        number, tokens = found
        shares.append(float(tokens.mean()))
        lost.append(float(_array(output, place, "occlusion")[number]))
        rollout, attention = output.array(place, "rollout"), output.array(place, "attention")
        if rollout is not None and attention is not None:
            looked.append(rollout[tokens].sum())
            layers.append(attention[:, :, number].mean(axis=1))
    if not lost:
        return None
    mean = float(np.mean(lost))
    half = 0.0
    if len(lost) > 1:
        half = float(special.stdtrit(len(lost) - 1, 0.975) * np.std(lost, ddof=1) / np.sqrt(len(lost)))
    return SegmentLook(
        name=name,
        tokens=float(np.mean(shares)),
        attention=_share(np.mean(looked)) if looked else None,
        n=len(lost),
        lost=mean,
        lost_low=mean - half,
        lost_high=mean + half,
        by_layer=tuple(map(_share, np.mean(layers, axis=0))) if layers else (),
    )


def _found(
    output: PassOutput, row: Message, place: int, name: str
) -> tuple[int, "np.ndarray[tuple[int], np.dtype[np.bool_]]"] | None:
    """The number of a segment among those of a sample, and its tokens; None where no token shows it."""
    order, masks = _order(row), output.array(place, "segments")
    if masks is None or name not in order or len(masks) != len(order):
        return None
    tokens = masks[order.index(name)]
    return (order.index(name), tokens) if tokens.any() else None


def _array(output: PassOutput, place: int, name: str) -> FloatArray:
    array = output.array(place, name)
    assert array is not None, "only samples that were read come here"
    return np.asarray(array, dtype=np.float64)


def _share(value: Any) -> float:
    """Sums of shares may be a little more than the whole."""
    return float(min(max(value, 0.0), 1.0))


def _most_of(
    output: PassOutput, rows: Sequence[Message], places: Sequence[int], names: Sequence[str]
) -> Iterator[HeadLook]:
    """For each segment the head with the largest share, on average over the samples that have it."""
    for name in names:
        looked = [
            attention[:, :, found[0]]
            for place in places
            if (attention := output.array(place, "attention")) is not None
            and (found := _found(output, rows[place], place, name)) is not None
        ]
        if looked:
            mean = np.mean(looked, axis=0)
            layer, head = np.unravel_index(int(mean.argmax()), mean.shape)
            yield HeadLook(layer=int(layer), head=int(head), segment=name, share=_share(mean[layer, head]))


def _agreements(output: PassOutput, places: Sequence[int]) -> Iterator[Agreement]:
    """Rank correlations of each two measures. The last token is left out: half of its attention is its own by
    definition."""
    for first, second in (("attention", "occlusion"), ("gradient", "occlusion"), ("attention", "gradient")):
        found = []
        for place in places:
            pair = [output.array(place, ARRAYS[name]) for name in (first, second)]
            if any(array is None or len(array) <= LEAST_RANKED for array in pair):
                continue
            correlation = stats.spearmanr(*(np.asarray(array)[:-1] for array in pair)).statistic
            if np.isfinite(correlation):
                found.append(float(correlation))
        if found:
            yield Agreement(first=first, second=second, correlation=float(np.mean(found)), n=len(found))


def _copied(comparison: ArmComparison, looked: LookedArm) -> tuple[float, float] | None:
    """How often the answer is the last demonstration's, and how often it would be by chance: if the answers
    were dealt to the samples anew. None without demonstrations."""
    answers = dict(zip(comparison.ids, looked.arm.answers[0, 0].tolist(), strict=True))
    shown, given = [], []
    for row in looked.rows:
        turns = [turn for turn in row["prompt"]["messages"][:-1] if turn["role"] == "assistant"]
        if turns and row["id"] in answers:
            shown.append(str(turns[-1]["content"]).strip())
            given.append((answers[row["id"]] or "").strip())
    if not shown or looked.arm.results[0].run.num_fewshot == 0:
        return None
    n = len(shown)
    counted, told = Counter(shown), Counter(given)
    by_chance = sum(count * told[text] for text, count in counted.items()) / n**2
    return sum(map(str.__eq__, shown, given)) / n, by_chance


def _tinted(samples: Sequence[Sample], looked: Sequence[LookedArm]) -> Iterator[TintedSample]:
    """The first samples that every arm has read token by token, each prompt once: arms with demonstrations
    have another one, and are shown in the heat maps alone."""
    plain = [each for each in looked if each.arm.results[0].run.num_fewshot == 0]
    shown = 0
    for place, sample in enumerate(samples):
        arms = [look for each in plain if (look := _token_look(each, place)) is not None]
        tokens = plain[0].output.array(place, "tokens") if plain else None
        if shown < MOST_TINTED and tokens is not None and arms and len(arms) == len(plain):
            shown += 1
            yield TintedSample(
                sample=sample.id,
                target=sample.targets[0],
                tokens=tuple(map(str, tokens.tolist())),
                arms=tuple(arms),
            )


def _token_look(looked: LookedArm, place: int) -> TokenLook | None:
    logprob = looked.output.array(place, "logprob")
    measured = {name: looked.output.array(place, ARRAYS[name]) for name in MEASURES}
    if logprob is None or measured["occlusion"] is None:
        return None
    numbers = {
        name: () if array is None else tuple(np.asarray(array, dtype=np.float64).round(5).tolist())
        for name, array in measured.items()
    }
    return TokenLook(arm=looked.arm.name, logprob=float(logprob), **numbers)
