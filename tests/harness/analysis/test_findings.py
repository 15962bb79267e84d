"""Kinds of error, confusion, wrong labels, calibration, samples to see, and what is said of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from invented_arms import a_comparison, an_arm, asked
from synthetic import task_card

from harness.analysis.advice import Parts, findings_of
from harness.analysis.amounts import Amounts
from harness.analysis.analyse import analysis_of
from harness.analysis.errors.calibration import calibration_of
from harness.analysis.errors.changes import samples_to_see
from harness.analysis.errors.confusion import confusion_of
from harness.analysis.errors.kinds import kinds_of, near_miss, within_edits
from harness.analysis.errors.labels import label_errors_of
from harness.analysis.errors.wordings import wordings_of
from harness.records.analysis.errors import ERROR_KINDS, WordingRecord
from harness.records.scores import MetricCard

WRITTEN = task_card(output="generate")


@pytest.mark.parametrize(
    ("answer", "target", "near"),
    [
        ("paris", "Paris", "case"),
        ("Paris.", "Paris", "punctuation or spaces"),
        ("New  York", "New-York", "punctuation or spaces"),
        ("5 km", "5 m", "unit"),
        ("5", "5 m", "unit"),
        ("41", "42", "off by one"),
        ("1,001 days", "1,000 days", "off by one"),
        ("44", "42", None),
        ("2021-03-04", "2021-03-03", "off by one"),
        ("2021-04-04", "2021-03-03", None),
        ("Pariss", "Paris", "spelling"),
        ("London", "Paris", None),
        ("on", "off", None),
        ("", "Paris", None),
        ("Paris", "Paris", None),
    ],
)
def test_a_near_miss_says_in_what_it_differs(answer: str, target: str, near: str | None) -> None:
    assert near_miss(answer, [target]) == near


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [("kitten", "sitting", 3), ("", "abc", 3), ("flaw", "lawn", 2), ("same", "same", 0)],
)
def test_edits_are_counted_as_levenshtein_counts_them(first: str, second: str, distance: int) -> None:
    assert within_edits(first, second, distance)
    assert not distance or not within_edits(first, second, distance - 1)


def test_every_wrong_answer_has_one_kind() -> None:
    answers = [
        "Paris", "", "", "I'm sorry, I cannot help with that.", "paris", "Rome is old", "about the year", "London"
    ]  # fmt: skip
    n = len(answers)
    samples = [asked(place, target="Paris") for place in range(n)]
    parsed = np.full((1, 1, n), True, object)
    parsed[0, 0, 6] = False
    cut = np.zeros((1, 1, n), dtype=bool)
    cut[0, 0, 1] = True
    shown = "City: London\n\nCity of light?"
    base = an_arm("zero_shot", np.zeros(n), answers=answers, card=WRITTEN,
                  prompts=np.full((1, 1, n), "City of light?", object))  # fmt: skip
    few = an_arm(
        "few_shot", [1.0, *[0.0] * (n - 1)], answers=answers, parsed=parsed, cut=cut, card=WRITTEN,
        prompts=np.full((1, 1, n), shown, object),
    )  # fmt: skip
    record = kinds_of(a_comparison([base, few], samples, WRITTEN))[-1]
    assert record.counts == {
        "cut off": 1, "empty": 1, "refusal": 1, "wrong form": 1, "near miss": 1,
        "copied from a demonstration": 1, "another answer": 1,
    }  # fmt: skip
    assert record.near_misses == {"case": 1} and record.wrong == 7 and set(record.counts) <= set(ERROR_KINDS)
    assert record.examples["copied from a demonstration"] == ("sample-7",)


def test_another_label_is_told_from_an_answer_that_is_none() -> None:
    targets = ["billing", "sales"] * 10
    samples = [asked(place, target=target) for place, target in enumerate(targets)]
    answers = ["sales", "Sales", "selling", *targets[3:]]
    scores = [0.0, 0.0, 0.0] + [1.0] * 17
    arm = an_arm("lora", scores, answers=answers, card=WRITTEN)
    (record,) = kinds_of(a_comparison([arm], samples, WRITTEN))
    assert record.counts == {"another label": 1, "near miss": 1, "another answer": 1}


def labelled(given: list[str], answers: list[list[str]], **changes: Any) -> Any:
    """A written task with labels, answered once by every seed."""
    samples = [asked(place, target=target, **changes) for place, target in enumerate(given)]
    scores = [[float(one == target) for one, target in zip(row, given, strict=True)] for row in answers]
    return a_comparison([an_arm("lora", scores, answers=answers, card=WRITTEN)], samples, WRITTEN)


def test_the_confusion_matrix_counts_each_sample_once() -> None:
    given = ["a"] * 6 + ["b"] * 4 + ["c"] * 4
    answers = ["a", "a", "a", "b", "b", "none"] + ["b"] * 4 + ["c"] * 4
    (record,) = confusion_of(labelled(given, [answers, answers, given]))
    counts = {(cell.target, cell.answer): cell.count for cell in record.cells}
    assert counts == {("a", "a"): 3, ("a", "b"): 2, ("a", ""): 1, ("b", "b"): 4, ("c", "c"): 4}
    assert record.cells[1].samples == ("sample-3", "sample-4")


def test_a_pair_that_is_mixed_up_is_told_from_mistakes_that_are_spread() -> None:
    generator = np.random.default_rng(5)
    labels = [f"label-{number}" for number in range(6)]
    given = generator.choice(labels, 300).tolist()
    spread = [label if generator.random() < 0.7 else str(generator.choice(labels)) for label in given]
    mixed = ["label-1" if label == "label-0" and generator.random() < 0.5 else label for label in spread]
    (in_noise,), (planted,) = confusion_of(labelled(given, [spread])), confusion_of(labelled(given, [mixed]))
    named = [(cell.target, cell.answer) for cell in planted.cells if cell.p is not None and cell.p < 0.05]
    assert named == [("label-0", "label-1")]
    assert all(cell.p is None or cell.p > 0.05 for cell in in_noise.cells)


CHOICES = ("bad", "fair", "good")


def weighed(
    generator: np.random.Generator,
    true: np.ndarray,
    given: np.ndarray,
    *,
    seeds: int = 3,
    sharpness: float = 2.5,
) -> Any:
    """A comparison whose seeds weigh choices by the true label and noise of their own; accuracy about 0.9."""
    n = len(true)
    hard = generator.normal(0, 1.0, (n, 3))
    logits = sharpness * np.eye(3)[true] + 0.6 * hard + generator.normal(0, 0.7, (seeds, 1, n, 3))
    logprobs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    chosen = logprobs.argmax(axis=-1)
    answers = np.array(CHOICES, dtype=object)[chosen]
    samples = [asked(place, target=CHOICES[label], choices=CHOICES) for place, label in enumerate(given)]
    arm = an_arm("lora", (chosen == given).astype(float), answers=answers, logprobs=logprobs)
    return a_comparison([arm], samples)


def planted_errors(
    generator: np.random.Generator, n: int, share: float
) -> tuple[np.ndarray, np.ndarray, set[int]]:
    true = generator.integers(0, 3, n)
    given = true.copy()
    flipped = generator.choice(n, round(share * n), replace=False)
    given[flipped] = (given[flipped] + generator.integers(1, 3, len(flipped))) % 3
    return true, given, set(flipped.tolist())


def test_confident_learning_finds_four_of_five_planted_label_errors_among_twice_as_many_suspects() -> None:
    generator = np.random.default_rng(11)
    true, given, flipped = planted_errors(generator, 500, 0.06)
    record = label_errors_of(weighed(generator, true, given))
    assert record is not None and record.method == "confident_learning"
    first = {int(suspect.sample.removeprefix("sample-")) for suspect in record.suspects[: 2 * len(flipped)]}
    assert len(first & flipped) >= 0.8 * len(flipped)
    right = [
        suspect.suggested == CHOICES[true[int(suspect.sample[7:])]]
        for suspect in record.suspects
        if int(suspect.sample[7:]) in flipped
    ]
    assert sum(right) >= 0.9 * len(right)
    assert record.p < 0.01 and record.scores[0].corrected > record.scores[0].now


def test_without_label_errors_seeds_that_err_alone_accuse_no_label() -> None:
    generator = np.random.default_rng(12)
    accused = 0
    for _ in range(40):
        given = generator.choice(["a", "b", "c"], 200).tolist()
        rows = [
            [
                label if generator.random() < 0.85 else str(generator.choice(["a", "b", "c"]))
                for label in given
            ]
            for _ in range(3)
        ]
        record = label_errors_of(labelled(given, rows))
        assert record is not None
        accused += record.p < 0.05
    assert accused <= 5  # of 40 at 5 %, more in 1 % of cases


def test_written_answers_accuse_a_label_by_the_agreement_of_all_seeds() -> None:
    generator = np.random.default_rng(13)
    true = [f"{number}" for number in generator.integers(100, 999, 300)]
    flipped = set(generator.choice(300, 20, replace=False).tolist())
    given = [f"9{answer}" if place in flipped else answer for place, answer in enumerate(true)]
    rows = [
        [one if generator.random() < 0.92 else str(generator.integers(100, 999)) for one in true]
        for _ in range(3)
    ]
    record = label_errors_of(labelled(given, rows))
    assert record is not None and record.method == "agreement"
    first = {int(suspect.sample[7:]) for suspect in record.suspects[: 2 * len(flipped)]}
    assert len(first & flipped) >= 0.75 * len(flipped) and first <= flipped
    assert record.p < 0.001
    assert label_errors_of(labelled(given, rows[:1])) is None  # one seed agrees with itself


def test_an_answer_that_is_the_label_never_accuses_it() -> None:
    # A metric of a task's own may call an answer wrong that is the target, word by word.
    samples = [asked(place, target="yes") for place in range(40)]
    arm = an_arm("lora", [[0.0] * 20 + [1.0] * 20] * 3, answers=[["yes"] * 40] * 3, card=WRITTEN)
    record = label_errors_of(a_comparison([arm], samples, WRITTEN))
    assert record is not None and (record.suspects, record.unanimous, record.expected) == ((), 0, 0.0)


def test_a_calibrated_arm_has_a_small_error_and_an_overconfident_one_a_surplus() -> None:
    generator = np.random.default_rng(17)
    n = 2000
    confidence = generator.uniform(0.5, 0.99, n)
    for factor, too_sure in ((1.0, False), (0.8, True)):
        right = generator.random(n) < confidence * factor
        logprobs = np.log(np.stack([confidence, 1 - confidence], axis=-1))[None, None]
        arm = an_arm("lora", right.astype(float), logprobs=logprobs)
        (record,) = calibration_of(a_comparison([arm]))
        assert (record.p < 0.001) is too_sure
        assert record.error == pytest.approx(0.15 if too_sure else 0.0, abs=0.03)
        assert [point.coverage for point in record.coverage][-1] == 1.0
        assert record.coverage[0].accuracy.value > record.coverage[-1].accuracy.value
        assert record.coverage[-1].accuracy.value == pytest.approx(right.mean())


def test_the_calibration_error_is_that_of_a_hand_made_table() -> None:
    # Four answers at .9, three of them right; two at .6, both right: (4 · |.75 − .9| + 2 · |1 − .6|) / 6.
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.6, 0.6])
    logprobs = np.log(np.stack([confidence, 1 - confidence], axis=-1))[None, None]
    arm = an_arm("lora", [1, 1, 1, 0, 1, 1], logprobs=logprobs)
    (record,) = calibration_of(a_comparison([arm]))
    assert record.error == pytest.approx((4 * 0.15 + 2 * 0.4) / 6)


def test_the_hardest_the_fixed_and_the_broken_samples_are_named() -> None:
    base = an_arm("zero_shot", [0, 0, 1, 1, 0])
    tuned = an_arm("lora", [[1, 0, 0, 1, 0], [1, 0, 0, 1, 0], [0, 1, 0, 1, 0]])
    record = samples_to_see(a_comparison([base, tuned]))
    assert record.hardest == ("sample-4",)
    (change,) = record.changes
    assert (change.fixed, change.broken) == (("sample-0",), ("sample-2",))


def test_a_wording_that_costs_points_is_told_from_noise() -> None:
    generator = np.random.default_rng(19)
    n = 300
    hardness = generator.random(n)

    def scores(*rates: float) -> np.ndarray:
        noise = generator.random((3, len(rates), n))
        return (0.7 * hardness + 0.3 * noise < np.array(rates)[None, :, None]).astype(float)

    drawn = scores(0.8, 0.8, 0.65)
    comparison = a_comparison([an_arm("lora", drawn, templates=("plain", "terse", "role"))])
    worst = min(wordings_of(comparison), key=lambda wording: wording.difference.value)
    by_wording = drawn.mean(axis=(0, 2))
    assert worst.template == "role" and worst.p < 0.001
    assert worst.difference.value == pytest.approx(by_wording[2] - by_wording[:2].mean())
    even = a_comparison([an_arm("lora", scores(0.8, 0.8, 0.8))])
    assert all(wording.p > 0.05 for wording in wordings_of(even))


def test_what_to_change_next_is_said_in_sentences_with_their_evidence() -> None:
    generator = np.random.default_rng(23)
    true, given, _ = planted_errors(generator, 500, 0.06)
    record = analysis_of(weighed(generator, true, given))
    found = {finding.evidence: finding.sentence for finding in record.findings}
    assert "labels contradict what every seed answers: check them" in found["labels"]


def written(answers: list[list[str]], given: list[str], topics: list[str], untuned: list[str]) -> Any:
    """Written answers of three seeds, and of an untuned arm."""
    samples = [
        asked(place, target=target, metadata={"topic": topics[place]}) for place, target in enumerate(given)
    ]
    arms = [
        an_arm(method, [[float(one == target) for one, target in zip(row, given, strict=True)] for row in rows],
               answers=rows, card=WRITTEN)
        for method, rows in (("zero_shot", [untuned]), ("lora", answers))
    ]  # fmt: skip
    return a_comparison(arms, samples, WRITTEN)


@pytest.mark.parametrize(
    ("hard_slice", "side"), [(False, "suggested"), (False, "given"), (True, "suggested")]
)
def test_a_mistake_that_all_seeds_share_is_told_from_a_wrong_label(hard_slice: bool, side: str) -> None:
    """Ten samples of 200 get the same other answer from all seeds. It speaks against their labels only if they are
    no slice that is hard anyway, and if the untuned arm gives that answer, too."""
    given = [str(100 + place) for place in range(200)]
    others = [f"{target}0" if place % 20 == 0 else target for place, target in enumerate(given)]
    topics = ["hard" if hard_slice and place % 20 == 0 else "ab"[place // 20 % 2] for place in range(200)]
    untuned = [others[place] if side == "suggested" else given[place] for place in range(200)]
    record = analysis_of(written([others] * 3, given, topics, untuned))
    assert record.labels is not None and record.labels.unanimous == 10
    assert {suspect.untuned for suspect in record.labels.suspects} == {side}
    said = [finding for finding in record.findings if finding.evidence == "labels"]
    assert bool(said) is (side == "suggested" and not hard_slice)


def test_a_smaller_gain_where_little_is_left_to_gain_is_no_finding() -> None:
    generator = np.random.default_rng(31)
    easy = np.arange(300) < 150
    base = np.where(easy, 0.93, 0.3) > generator.random(300)
    tuned = np.where(easy, 0.98, 0.9) > generator.random((3, 300))
    samples = [asked(place, metadata={"level": "easy" if easy[place] else "hard"}) for place in range(300)]
    arms = [an_arm("zero_shot", base[None].astype(float)), an_arm("lora", tuned.astype(float))]
    record = analysis_of(a_comparison(arms, samples))
    easy_slice = next(one for one in record.slices if one.part == "easy")
    assert easy_slice.gain_p is not None and easy_slice.gain_p < 0.05
    assert not any("level is easy" in finding.sentence for finding in record.findings)


def test_answers_that_are_cut_ask_for_more_tokens() -> None:
    n = 100
    cut = np.zeros((1, 1, n), dtype=bool)
    cut[0, 0, :9] = True
    arm = an_arm("lora", np.where(cut, 0.0, 1.0), cut=cut, card=WRITTEN)
    record = analysis_of(a_comparison([arm], card=WRITTEN))
    assert [finding.sentence for finding in record.findings] == [
        "9.0 % of the answers are cut before they end: raise max_tokens"
    ]


def test_of_noise_nothing_is_said() -> None:
    generator = np.random.default_rng(29)
    spoken = 0
    for _ in range(40):
        n = 120
        given = generator.choice(["a", "b", "c", "d"], n)
        samples = [asked(place, target=str(label)) for place, label in enumerate(given)]
        arms = []
        for method, rate, seeds in (("zero_shot", 0.5, 1), ("lora", 0.8, 3)):
            wrong = generator.choice(["a", "b", "c", "d"], (seeds, n))
            answers = np.where(generator.random((seeds, n)) < rate, given, wrong)
            scores = (answers == given).astype(float)
            arms.append(an_arm(method, scores, answers=answers.tolist(), card=WRITTEN))  # type: ignore[arg-type]
        spoken += bool(analysis_of(a_comparison(arms, samples, WRITTEN)).findings)
    assert spoken <= 5  # of 40 at 5 %, more in 1 % of cases


def test_findings_are_in_the_unit_of_the_metric() -> None:
    errors = MetricCard(description="error", low=0, high=50, higher_is_better=False, corpus=False)
    card = replace(WRITTEN, primary_metric="mae", metrics={"mae": errors}, binary=False)
    span = {"value": -0.1, "low": -0.2, "high": -0.05, "n": 80}
    wording = WordingRecord(template="terse", score={**span, "value": 0.7}, difference=span, p=0.001)  # type: ignore[arg-type]
    nothing = {
        "slices": (),
        "kinds": (),
        "confusion": None,
        "labels": None,
        "agreement": 0.0,
        "calibration": None,
    }
    said = {
        card.primary_metric: findings_of(Parts(wordings=(wording,), amounts=Amounts.of(card), **nothing))[
            0
        ].sentence  # type: ignore[arg-type]
        for card in (card, WRITTEN)
    }
    assert "'terse' costs 5.0 mae against the others" in said["mae"]
    assert "'terse' costs 10.0 points against the others" in said[WRITTEN.primary_metric]
    amounts = Amounts.of(card)
    # A mean error of 15.0 where the rest has 10.0: lower is better.
    assert (amounts.score(0.7), amounts.behind(0.8 - 0.7)) == ("15.0", "mae is 5.0 worse than on the rest")
    assert Amounts.of(WRITTEN).behind(0.123) == "the score is 12.3 points below the rest"


def test_nothing_to_say_of_nothing() -> None:
    parts = Parts(
        slices=(), wordings=(), kinds=(), confusion=None, labels=None, agreement=0.0, calibration=None
    )
    assert findings_of(parts) == ()
