"""Invented results that have something to explain, analysed: a task with weighed choices, some of whose labels are
wrong, and one with written answers, some of which are cut."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from synthetic import make_run, task_card, write_result

from harness.analysis.analyse import analyse_arm
from harness.analysis.arms import ArmComparison, compare
from harness.analysis.boundary.boundary import boundary_of
from harness.analysis.boundary.margins import WeighedSample
from harness.analysis.boundary.reread import Changed, RereadArm, weighed_sample
from harness.analysis.choose import arms_among, chosen_arms
from harness.records.analysis.attention import (
    Agreement,
    ArmLook,
    AttentionRecord,
    HeadLook,
    SegmentLook,
    TintedSample,
    TokenLook,
)
from harness.records.analysis.file import write_analysis
from harness.records.analysis.passes import PassRecord
from harness.records.analysis.record import ANALYSIS
from harness.records.store import read_results
from harness.sweep.methods import Method

TEAMS = ("billing", "sales", "repairs", "delivery", "account", "a team with a long name")
WORDS = ("the", "printer", "invoice", "late", "why", "my", "account", "please", "box", "is")
WORDINGS = ("command", "question", "form")
SEEDS = (0, 1, 2)

Arm = tuple[Method, float]
"""An arm, and how well it does."""

ARMS: tuple[Arm, ...] = (("zero_shot", 1.2), ("few_shot", 1.8), ("lora", 3.4))


def write_explained(results: Path, *, samples: int = 240) -> None:
    """Write both tasks, and analyse their fine-tunes."""
    generator = np.random.default_rng(2024)
    _write_weighed(results, generator, samples)
    _write_written(results, generator, samples)
    for arm in chosen_arms(arms_among(read_results(results)), ["*/lora"], results):
        record = analyse_arm(results, arm).record
        if record.task == "ticket-triage":
            comparison = compare(results, arm.arms)
            read = [_read_anew(generator, one) for one in _weighed(comparison)]
            boundary = boundary_of(comparison, read)
            read_anew = {
                "boundary": boundary,
                "attention": _looks(generator),
                "attention_passes": (LOOK_COST,),
            }
            write_analysis(results / arm.folder / ANALYSIS, record.model_copy(update=read_anew))


def _weighed(comparison: ArmComparison) -> list[tuple[str, tuple[WeighedSample, ...]]]:
    """Both arms' samples, as their predictions weigh them."""
    return [
        (
            arm.name,
            tuple(
                weighed_sample(sample.id, sample.targets, sample.choices, logprobs.tolist())
                for sample, logprobs in zip(comparison.samples, arm.logprobs[0, 0], strict=True)
            ),
        )
        for arm in (comparison.arms[0], comparison.judged)
        if arm.logprobs is not None
    ]


def _read_anew(generator: np.random.Generator, arm: tuple[str, tuple[WeighedSample, ...]]) -> RereadArm:
    """Invented states, which lie apart as far as the choices of the samples do, and a few edits."""
    name, weighed = arm
    centres = generator.normal(0, 1, (len(TEAMS), 48))

    def states(logprobs: np.ndarray) -> np.ndarray:
        return 2.0 * np.exp(logprobs) @ centres + generator.normal(0, 0.4, (len(logprobs), 48))

    logprobs = np.array([sample.logprobs for sample in weighed])
    changed = [
        Changed(
            sample.id,
            ("word", "field", "wording")[place % 3],  # type: ignore[arg-type]
            ("my [late] parcel <b>", "subject", "question")[place % 3],
            sample.target,
            sample.answer,
            TEAMS[(TEAMS.index(sample.answer) + (place % 4 == 0)) % len(TEAMS)],
        )
        for place, sample in enumerate(weighed[:60])
    ]
    cost = PassRecord(
        reading="boundary", arm=name, samples=300, prompt_tokens=20_000, failed=0, device="an invented CPU",
        dtype="float32", load_seconds=1.5, seconds=12.0, peak_memory_bytes=10**9,
    )  # fmt: skip
    return RereadArm(
        name=name,
        weighed=weighed,
        states=states(logprobs),
        train_states=states(logprobs),
        train_targets=tuple(sample.target for sample in weighed),
        changed=tuple(changed),
        edited=40,
        passes=(cost,),
    )


LOOK_COST = PassRecord(
    reading="attention", arm="lora", samples=32, prompt_tokens=2_000, failed=0, device="an invented CPU",
    dtype="float32", load_seconds=1.5, seconds=20.0, peak_memory_bytes=10**9,
)  # fmt: skip

PARTS = ("instruction", "{text}", "a field with a name that is <b>long</b>", "marker")
TOKENS = ("<s>", "Which", " team", "?\n", "The", " <b>", " printer", "\n", "Answer", ":")


def _looks(generator: np.random.Generator) -> AttentionRecord:
    """Invented looks of three arms at four parts, through 30 layers, and two samples token by token."""
    return AttentionRecord(
        arms=tuple(_look(generator, name, place) for place, (name, _) in enumerate(ARMS)),
        samples=tuple(
            TintedSample(
                sample=f"sample-{place}",
                target=TEAMS[place],
                tokens=TOKENS,
                arms=tuple(
                    TokenLook(
                        arm=arm,
                        logprob=-0.3,
                        attention=tuple(generator.dirichlet(np.ones(len(TOKENS))).tolist()),
                        occlusion=tuple(generator.normal(0, 1, len(TOKENS)).tolist()),
                        gradient=tuple(generator.normal(0, 1, len(TOKENS)).tolist()),
                    )
                    for arm in ("zero_shot", "lora")
                ),
            )
            for place in range(2)
        ),
    )


def _look(generator: np.random.Generator, arm: Method, place: int) -> ArmLook:
    layers = generator.dirichlet(np.ones(len(PARTS) + 1), 30)
    lost = (0.02, 2.5, 0.4, -0.1)
    return ArmLook(
        arm=arm,
        n=32,
        layers=30,
        heads=9,
        segments=tuple(
            SegmentLook(
                name=name,
                tokens=0.2,
                attention=float(layers[:, number].mean()),
                n=32,
                lost=lost[number],
                lost_low=lost[number] - 0.02,
                lost_high=lost[number] + 0.02,
                by_layer=tuple(layers[:, number].tolist()),
            )
            for number, name in enumerate(PARTS)
        ),
        most_of=tuple(
            HeadLook(layer=3, head=number, segment=name, share=0.5) for number, name in enumerate(PARTS)
        ),
        agreements=(Agreement(first="attention", second="occlusion", correlation=0.3 + 0.2 * place, n=8),),
        copied=0.5 if arm == "few_shot" else None,
        copied_by_chance=0.25 if arm == "few_shot" else None,
    )


def _texts(generator: np.random.Generator, samples: int) -> list[str]:
    return [" ".join(generator.choice(WORDS, size)) for size in generator.integers(5, 90, samples).tolist()]


def _write_weighed(results: Path, generator: np.random.Generator, samples: int) -> None:
    """Texts over 70 words are hard, 'sales' is taken for 'account', and one label in fifteen is wrong."""
    card = task_card(
        "ticket-triage", n_test=samples, chance=1 / len(TEAMS), description="Which team a ticket goes to."
    )
    texts = _texts(generator, samples)
    true = generator.integers(0, len(TEAMS), samples)
    given = true.copy()
    wrong = generator.choice(samples, samples // 15, replace=False)
    given[wrong] = (given[wrong] + 1) % len(TEAMS)
    long = np.array([len(text.split()) > 70 for text in texts])
    for method, skill in ARMS:
        for seed in SEEDS:
            logits = skill * np.eye(len(TEAMS))[true] * np.where(long, 0.3, 1.0)[:, None]
            logits += generator.normal(0, 1, logits.shape)
            logits[:, TEAMS.index("account")] += 3.2 * (true == TEAMS.index("sales"))
            logprobs = 1.5 * logits - np.log(np.exp(1.5 * logits).sum(axis=1, keepdims=True))
            chosen = logprobs.argmax(axis=1)
            write_result(
                results,
                make_run("small", method, card, seed),
                card,
                (chosen == given).astype(float).tolist(),
                targets=[[TEAMS[place]] for place in given],
                answers=[TEAMS[place] for place in chosen],
                columns={
                    "choices": [list(TEAMS)] * samples,
                    "choice_logprobs": logprobs.tolist(),
                    "metadata": [
                        json.dumps({"channel": ("mail", "chat")[place % 2]}) for place in range(samples)
                    ],
                    "prompt": [f"Which team?\n\n{text}\n\nTeam:" for text in texts],
                },
            )


def _write_written(results: Path, generator: np.random.Generator, samples: int) -> None:
    """The last wording costs points, and answers are cut, off by one, in another form or refused."""
    card = task_card(
        "day-counts",
        n_test=samples,
        chance=0.0,
        output="generate",
        templates=WORDINGS,
        description="Days between dates.",
    )
    targets = [f"{number} days" for number in generator.integers(10, 999, samples)]
    texts = _texts(generator, samples)
    for method, skill in ARMS:
        for seed in SEEDS:
            said = [
                _written(generator, target, skill / 4 - 0.12 * (template == WORDINGS[-1]))
                for template in WORDINGS
                for target in targets
            ]
            columns = {
                "prompt": [f"{template}: {text}" for template in WORDINGS for text in texts],
                "finish_reason": [reason for _, reason in said],
                "completion": [answer for answer, _ in said],
            }
            answers = [answer for answer, _ in said]
            wanted = targets * len(WORDINGS)
            write_result(
                results,
                make_run("small", method, card, seed),
                card,
                [float(answer == target) for answer, target in zip(answers, wanted, strict=True)],
                targets=[[target] for target in wanted],
                answers=answers,
                parsed=[answer.endswith(("days", "months", "Days")) for answer in answers],
                cut=sum(reason == "length" for _, reason in said),
                columns=columns,
            )


def _written(generator: np.random.Generator, target: str, rate: float) -> tuple[str, str]:
    """An answer, and why it ended."""
    number = int(target.split()[0])
    if generator.random() < rate:
        return target, "stop"
    if generator.random() < 0.4:
        return "I count the days between both dates, one by one, and", "length"
    wrong: list[tuple[Any, str]] = [
        (f"{number + 1} days", "stop"),
        (f"{number} Days", "stop"),
        (f"{number} months", "stop"),
        ("about half of it", "stop"),
        ("I'm sorry, I cannot help with that.", "stop"),
        (f"{number + 50} days", "stop"),
    ]
    return wrong[int(generator.integers(len(wrong)))]
