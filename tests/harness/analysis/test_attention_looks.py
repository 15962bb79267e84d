"""Looks of arms, worked out by hand from what a pass would have read."""

import math
from typing import Any

import numpy as np
import pytest
from invented_arms import a_comparison, an_arm, asked
from synthetic import task_card

from harness.analysis.advice import Parts, findings_of
from harness.analysis.attention import look_at
from harness.analysis.passes import PassOutput, PassRequest
from harness.analysis.prompt_parts import prompt_parts
from harness.data.dataset import Dataset
from harness.data.loaded import LoadedTask
from harness.records.analysis.attention import ArmLook, AttentionRecord, SegmentLook
from harness.records.analysis.passes import PassRecord
from harness.sweep.settings import AnalysisSettings
from harness.task import PromptSet, Sample, Splits, Task
from harness.task.prompts import prompt_row

TEXTS = ("the lamp is red", "a blue door", "red again", "no colour")
TARGETS = ("red", "blue", "red", "none")
PROMPTS = PromptSet({"plain": "Which colour?\n{text}\nSay one of {labels:>4}."}, system="Be brief.")


def sample(place: int, **changes: Any) -> Sample:
    fields = {"text": TEXTS[place], "labels": "red"}
    return Sample(f"sample-{place}", fields, TARGETS[place], ("red", "blue", "none"), **changes)


def test_a_prompt_is_parted_in_order_and_its_text_has_every_part() -> None:
    row = prompt_row(PROMPTS, sample(1), "plain", [sample(0), sample(2)])
    parts = prompt_parts(PROMPTS, sample(1), row)
    assert parts == [
        ("system message", "Be brief."),
        ("earlier examples", "Which colour?\nthe lamp is red\nSay one of  red.\nAnswer:"),
        ("earlier examples", "red"),
        ("last example", "Which colour?\nred again\nSay one of  red.\nAnswer:"),
        ("last example", "red"),
        ("instruction", "Which colour?"),
        ("{text}", "a blue door"),
        ("instruction", "Say one of"),
        ("{labels}", "red"),
        ("instruction", "."),
        ("marker", "Answer:"),
    ]
    searched = 0
    for _, text in parts:
        searched = row["prompt"]["text"].index(text, searched) + len(text)


def test_a_slot_ends_the_question_and_conversations_have_turns() -> None:
    prompts = PromptSet({"cloze": "{text} It is <mask>, is it?"})
    assert [name for name, _ in prompt_parts(prompts, sample(0), prompt_row(prompts, sample(0), "cloze"))] == [
        "{text}", "instruction",
    ]  # fmt: skip
    turns = (
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": ""},
    )
    talk = sample(0, messages=turns)
    row = prompt_row(PROMPTS, talk, "plain")
    assert [name for name, _ in prompt_parts(PROMPTS, talk, row)] == [
        "system message", "earlier turns", "earlier turns", "question",
    ]  # fmt: skip


class Read:
    """Answers passes with arrays that stand for two layers of two heads over four tokens: the first is the chat
    template's, the second the instruction, the last two the text."""

    settings = AnalysisSettings(samples=4)

    def __init__(self, lost: dict[str, float], *, attends: bool = True) -> None:
        self.lost, self.attends, self.asked = lost, attends, []

    def read(self, request: PassRequest) -> PassOutput:
        self.asked.append(request)
        arrays: dict[str, Any] = {}
        for place, row in enumerate(request.rows):
            names = sorted({name for name, _ in row["segments"]})
            masks = np.zeros((len(names), 4), dtype=np.bool_)
            masks[names.index("instruction"), 1] = True
            masks[names.index("{text}"), 2:] = True
            arrays |= {
                f"{place}.segments": masks,
                f"{place}.occlusion": np.array([self.lost.get(name, 0.0) + 0.01 * place for name in names]),
                f"{place}.logprob": np.array(-0.5),
                f"{place}.gradient": np.array([0.0, 0.1, 0.4, 0.2]),
            }
            if self.attends:
                looked = np.array([[[0.1, 0.2, 0.3, 0.4]] * 2, [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]])
                arrays[f"{place}.attention"] = np.einsum("lht,gt->lhg", looked, masks.astype(float))
                arrays[f"{place}.rollout"] = np.array([0.1, 0.3, 0.2, 0.4])
            if place == 0:
                arrays |= {
                    f"{place}.tokens": np.array(["<s>", "Which", " lamp", " red"]),
                    f"{place}.token_occlusion": np.array([0.0, 0.2, 0.9, -0.1]),
                }
        record = PassRecord(
            reading="attention", arm=request.run.candidate.method, samples=len(request.rows), prompt_tokens=4, failed=0,
            device="cpu", dtype="float32", load_seconds=0.0, seconds=1.0, peak_memory_bytes=1,
        )  # fmt: skip
        return PassOutput(record, arrays)


def looked(read: Read, *, output: str = "choice", few_shot: bool = False) -> AttentionRecord | None:
    task = Task(
        name="colours", description="Colours.", data=lambda: Splits((), (), ()),
        to_sample=lambda row, index: Sample("", {}, ""), prompts=PROMPTS, output="choice", metrics=("accuracy",),
    )  # fmt: skip
    samples = [sample(place) for place in range(4)]
    loaded = LoadedTask(task, Dataset(samples, [], samples, ""))
    arms = ["zero_shot", "few_shot", "lora"] if few_shot else ["zero_shot", "lora"]
    card = task_card(output=output)
    made = [an_arm(arm, [1.0] * 4, answers=["red"] * 4, card=card, templates=("plain",)) for arm in arms]  # type: ignore[arg-type]
    comparison = a_comparison(made, [asked(place, target=TARGETS[place]) for place in range(4)], card)
    return look_at(comparison, loaded, read)[0]  # type: ignore[arg-type]


def test_shares_losses_heads_and_ranks_are_means_over_samples() -> None:
    read = Read({"instruction": 0.2, "{text}": 2.0})
    record = looked(read)
    assert record is not None and [look.arm for look in record.arms] == ["zero_shot", "lora"]
    assert all(row["choices"] == [row["target"]] for request in read.asked for row in request.rows)
    look = record.arms[-1]
    assert (look.n, look.layers, look.heads, look.copied) == (4, 2, 2, None)
    parts = {segment.name: segment for segment in look.segments}
    assert list(parts) == ["instruction", "{text}"], (
        "in the order of the prompt; others are shown by no token"
    )
    text = parts["{text}"]
    assert text.by_layer == pytest.approx((0.7, 0.5)) and text.attention == pytest.approx(0.6)
    assert text.tokens == 0.5 and text.n == 4
    # Losses of 2.00, 2.01, 2.02 and 2.03: t of three degrees is 3.182, their standard deviation .01291.
    assert text.lost == pytest.approx(2.015)
    assert text.lost_high - text.lost == pytest.approx(3.182 * 0.01291 / 2, rel=1e-3)
    most = {head.segment: (head.layer, head.head, head.share) for head in look.most_of}
    assert most == {"instruction": (1, 0, 1.0), "{text}": (1, 1, 1.0)}
    (tinted,) = record.samples
    assert tinted.tokens == ("<s>", "Which", " lamp", " red") and tinted.arms[0].occlusion == (
        0.0,
        0.2,
        0.9,
        -0.1,
    )


def test_a_model_without_attentions_has_losses_alone() -> None:
    record = looked(Read({"{text}": 1.0}, attends=False))
    assert record is not None
    look = record.arms[-1]
    assert (look.layers, look.most_of) == (0, ()) and look.segments[-1].attention is None
    assert record.samples[0].arms[0].attention == ()


def test_answers_of_the_last_example_are_counted_beside_chance() -> None:
    record = looked(Read({}), few_shot=True)
    assert record is not None
    look = record.arms[1]
    # Every answer is "red": it is the last example's wherever that is red, however answers are dealt.
    assert look.arm == "few_shot" and look.copied == look.copied_by_chance and look.copied is not None


def test_texts_that_are_measured_have_no_answer_to_look_from() -> None:
    assert looked(Read({}), output="perplexity") is None


def test_a_part_is_hardly_read_only_where_another_is_worth_much() -> None:
    def part(name: str, lost: float, half: float = 0.01) -> SegmentLook:
        return SegmentLook(
            name=name,
            tokens=0.4,
            attention=None,
            n=32,
            lost=lost,
            lost_low=lost - half,
            lost_high=lost + half,
        )

    def said(*parts: SegmentLook, tuned: bool = True) -> list[str]:
        look = ArmLook(arm="lora", n=32, layers=0, heads=0, segments=parts)
        return [
            finding.sentence
            for finding in findings_of(
                Parts(
                    slices=[], wordings=[], kinds=[], confusion=None, labels=None, agreement=1.0, calibration=None,
                    attention=AttentionRecord(arms=(look,)), tuned=tuned,
                )
            )
        ]  # fmt: skip

    (sentence,) = said(part("instruction", 0.02), part("{text}", 3.0))
    assert sentence.startswith("The fine-tune hardly reads its instruction, 40% of the prompt")
    assert f"{math.exp(-0.02):.2f} times as likely" in sentence
    assert said(part("instruction", 0.02), part("{text}", 0.1)) == [], "it reads nothing"
    assert said(part("instruction", 0.02, half=0.2), part("{text}", 3.0)) == [], "too uncertain"
    assert said(part("{text}", 0.0), part("instruction", 3.0)) == [], "a field is no instruction"
    assert said(part("instruction", 0.02), part("{text}", 3.0), tuned=False) == []
