"""Margins, maps and flips, by hand and from planted arms."""

import math
from typing import Any

import numpy as np
import pytest
from invented_arms import a_comparison, an_arm, asked

from harness.analysis.advice import Parts, findings_of
from harness.analysis.analyse import analysis_of
from harness.analysis.boundary.boundary import boundary_of
from harness.analysis.boundary.edits import edits_of
from harness.analysis.boundary.margins import REACH, bin_edges, margins_record, most_ambiguous
from harness.analysis.boundary.reread import Changed, RereadArm, weighed_sample
from harness.records.analysis.boundary import BoundaryRecord, FlipRate
from harness.records.analysis.span import Span
from harness.task import PromptSet, Sample

TEAMS = ("billing", "sales", "repairs")


def logs(*probabilities: float) -> list[float]:
    return [math.log(probability) for probability in probabilities]


def weighed(*rows: tuple[str, list[float]]) -> list[Any]:
    return [
        weighed_sample(f"sample-{place}", (target,), TEAMS, logprobs)
        for place, (target, logprobs) in enumerate(rows)
    ]


def test_a_margin_is_the_right_choice_against_the_best_wrong_one() -> None:
    right, near, wrong = weighed(
        ("billing", logs(0.8, 0.15, 0.05)), ("sales", logs(0.3, 0.5, 0.2)), ("repairs", logs(0.5, 0.4, 0.1))
    )
    assert right.margin == pytest.approx(math.log(0.8 / 0.15))
    assert near.margin == pytest.approx(math.log(5 / 3)) and near.answer == "sales"
    assert wrong.margin == pytest.approx(math.log(0.1 / 0.5)) and wrong.answer == "billing"


def test_of_several_accepted_choices_the_likeliest_counts_and_without_a_wrong_one_there_is_no_margin() -> (
    None
):
    several = weighed_sample("a", ("sales", " repairs "), TEAMS, logs(0.5, 0.1, 0.4))
    assert several.margin == pytest.approx(math.log(0.4 / 0.5))
    assert weighed_sample("a", TEAMS, TEAMS, logs(0.5, 0.1, 0.4)).margin is None
    assert weighed_sample("a", ("other",), TEAMS, logs(0.5, 0.1, 0.4)).margin is None


def test_a_histogram_counts_every_sample_once_and_what_is_within_reach_is_under_three_to_one() -> None:
    rows = weighed(
        ("billing", logs(0.76, 0.24, 1e-9)),
        ("billing", logs(0.74, 0.26, 1e-9)),
        ("sales", logs(0.7, 0.3, 1e-9)),
        ("sales", logs(1 - 2e-30, 1e-30, 1e-30)),
    )
    record = margins_record("lora", rows, edges=bin_edges([rows]), saved=True)
    everything, billing, sales = record.classes
    assert (everything.n, everything.right, everything.near, everything.near_wrong) == (4, 2, 2, 1)
    assert (billing.label, billing.n, billing.near) == ("billing", 2, 1)
    assert (sales.label, sales.n, sales.near_wrong) == ("sales", 2, 1)
    assert [sum(one.counts) for one in record.classes] == [4, 2, 2]
    assert record.edges[0] == -record.edges[-1] and record.edges[-1] > 2 * REACH


def test_a_thousand_labels_are_the_most_frequent_ones_and_all_others() -> None:
    names = tuple(f"label-{place:04d}" for place in range(1000))
    rows = [
        weighed_sample(
            str(place), (names[place],), names, [-1.0 * (number == place) for number in range(1000)]
        )
        for place in [*range(1000), *range(5)]
    ]
    record = margins_record("lora", rows, edges=bin_edges([rows]), saved=True)
    assert len(record.classes) == 1 + 12 and record.classes[-1].label == "989 others"
    assert sum(one.n for one in record.classes[1:]) == record.n == 1005
    assert {one.label for one in record.classes[1:6]} == set(names[:5])


def test_the_most_ambiguous_are_nearest_to_zero_on_either_side() -> None:
    rows = weighed(
        ("billing", logs(0.8, 0.1, 0.1)), ("billing", logs(0.4, 0.42, 0.18)), ("sales", logs(0.3, 0.4, 0.3))
    )
    named = most_ambiguous(rows, rows[:2], most=2)
    assert [one.sample for one in named] == ["sample-1", "sample-2"]
    assert named[0].base_answer == "sales" and named[1].base_margin is None


def comparison_of(logprobs: np.ndarray, targets: list[str], **changes: Any) -> Any:
    samples = [asked(place, target=target, choices=TEAMS) for place, target in enumerate(targets)]
    right = np.array(TEAMS, dtype=object)[logprobs.argmax(axis=-1)]
    scores = (right == np.array(targets, dtype=object)).astype(float)
    base = an_arm("zero_shot", scores[:1], answers=right[:1], logprobs=logprobs[:1])
    return a_comparison([base, an_arm("lora", scores, answers=right, logprobs=logprobs, **changes)], samples)


def test_margins_equal_the_saved_log_probabilities() -> None:
    generator = np.random.default_rng(5)
    logits = generator.normal(0, 2, (2, 1, 60, 3))
    logprobs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    targets = [TEAMS[place % 3] for place in range(60)]
    record = boundary_of(comparison_of(logprobs, targets))
    assert record is not None and [one.arm for one in record.margins] == ["zero_shot", "lora"]
    by_hand = [
        row[TEAMS.index(target)] - max(row[place] for place in range(3) if TEAMS[place] != target)
        for row, target in zip(logprobs[0, 0].tolist(), targets, strict=True)
    ]
    (_, tuned), everything = record.margins, record.margins[1].classes[0]
    assert tuned.saved and everything.median == pytest.approx(np.median(by_hand))
    assert everything.right == sum(margin > 0 for margin in by_hand)
    assert everything.near == sum(abs(margin) < math.log(3) for margin in by_hand)
    nearest = min(range(60), key=lambda place: abs(by_hand[place]))
    assert record.ambiguous[0].sample == f"sample-{nearest}"
    assert record.ambiguous[0].margin == pytest.approx(by_hand[nearest])
    assert record.maps == () and record.flip_rates == () and record.passes == ()


def test_written_answers_in_one_wording_have_no_boundary() -> None:
    arm = an_arm("lora", [1.0, 0.0], answers=["a", "b"])
    assert boundary_of(a_comparison([arm])) is None


def test_flips_under_another_wording_are_counted_by_hand() -> None:
    answers = np.array(
        [[["a", "a", "b", "b"], ["a", "b", "b", "b"], ["a", "a", "a", "a"]]], dtype=object
    )  # one seed, three wordings, four samples
    arm = an_arm("lora", np.ones((1, 3, 4)), answers=answers, templates=("plain", "terse", "role"))
    record = boundary_of(a_comparison([arm]))
    assert record is not None
    (rate,) = record.flip_rates
    # terse changes the second, role the last two: 3 of 8.
    assert (rate.share.value, rate.samples, rate.edits, rate.saved) == (3 / 8, 4, 8, True)
    assert (rate.worst, rate.worst_share) == ("role", 0.5)


def read_arm(generator: np.random.Generator, *, apart: float, labels: int = 3, n: int = 90) -> RereadArm:
    """Hidden states of planted labels, and an arm that answers by them."""
    names = tuple(f"label-{place:03d}" for place in range(labels))
    given = np.arange(n) % labels
    centres = apart * generator.normal(0, 1, (labels, 40))
    test, train = (centres[given] + generator.normal(0, 1, (n, 40)) for _ in range(2))
    logits = -((test[:, None] - centres) ** 2).sum(axis=-1)
    rows = tuple(
        weighed_sample(f"sample-{place}", (names[given[place]],), names, logits[place].tolist())
        for place in range(n)
    )
    changed = [
        Changed("sample-0", "wording", "terse", names[0], names[0], names[-1]),
        Changed("sample-0", "word", "a [b] c", names[0], names[0], names[-1]),
        Changed("sample-0", "word", "[a] b", names[0], names[0], names[0]),
        Changed("sample-1", "word", "[x] y", names[0], names[0], names[0]),
    ]
    return RereadArm(
        "lora", rows, test, train, tuple(names[label] for label in given), tuple(changed), 2, (), rows
    )


def reread_comparison(n: int = 90) -> Any:
    return a_comparison([an_arm("lora", np.ones(n), answers=["label-000"] * n)])


def test_planted_states_are_parted_on_the_map_and_its_marks_are_the_test_samples() -> None:
    record = boundary_of(reread_comparison(), [read_arm(np.random.default_rng(3), apart=3)])
    assert record is not None
    (drawn,) = record.maps
    assert (drawn.projection, drawn.labels) == ("lda", ("label-000", "label-001", "label-002"))
    assert drawn.plane_accuracy is not None and drawn.plane_accuracy > 0.95 and len(drawn.marks) == 90
    assert [region.label for region in drawn.regions] == [0, 1, 2]
    assert drawn.marks[4].sample == "sample-4" and drawn.marks[4].label == 1
    assert drawn.accuracy > 0.95 and (drawn.dimensions, drawn.n_train) == (40, 90)
    for mark in drawn.marks:
        assert drawn.low[0] < mark.x < drawn.high[0] and drawn.low[1] < mark.y < drawn.high[1]
    assert record.agreement == pytest.approx(1 / 3, abs=0.05)


def test_of_noise_the_map_says_that_it_parts_nothing() -> None:
    record = boundary_of(reread_comparison(), [read_arm(np.random.default_rng(3), apart=0)])
    assert record is not None
    plane_accuracy = record.maps[0].plane_accuracy
    assert plane_accuracy is not None and plane_accuracy == pytest.approx(1 / 3, abs=0.15)


@pytest.mark.parametrize("labels", [1, 40])
def test_one_label_or_many_are_drawn_without_regions(labels: int) -> None:
    arm = read_arm(np.random.default_rng(3), apart=2, labels=labels)
    record = boundary_of(reread_comparison(), [arm])
    assert record is not None
    (drawn,) = record.maps
    assert (drawn.projection, drawn.labels, drawn.regions, drawn.plane_accuracy) == ("pca", (), (), None)


def test_without_hidden_states_there_is_no_map_and_margins_stay() -> None:
    arm = read_arm(np.random.default_rng(3), apart=3)
    bare = RereadArm(arm.name, arm.weighed, None, None, (), (), 0, ())
    record = boundary_of(reread_comparison(), [bare])
    assert record is not None and record.maps == () and not record.margins[0].saved


def test_what_flips_an_answer_is_named_the_smallest_edit_first() -> None:
    record = boundary_of(reread_comparison(), [read_arm(np.random.default_rng(3), apart=3)])
    assert record is not None
    rates = {rate.edit: rate for rate in record.flip_rates}
    # Of the first sample one of two words, of the other none.
    assert rates["word"].share.value == pytest.approx(0.25) and rates["word"].edits == 3
    assert (rates["wording"].share.value, rates["wording"].worst) == (1.0, "terse")
    assert [(flip.edit, flip.what) for flip in record.flips] == [("word", "a [b] c"), ("wording", "terse")]


PROMPTS = PromptSet({"both": "{title}\n{text}", "text": "{text}"})
TICKET = Sample("1", {"title": "Late", "text": "Where  is my\nparcel now"}, "sales")
OTHER = Sample("2", {"title": "Broken", "text": "It does not print"}, "sales")
ELSE = Sample("3", {"title": "Paid", "text": "Twice"}, "billing")


def test_every_word_is_dropped_once_and_the_rest_stays_as_it_was() -> None:
    edits = edits_of(TICKET, PROMPTS, "text", [OTHER, ELSE], most=99, seed=0)
    assert {edit.kind for edit in edits} == {"word"}
    assert sorted(edit.sample.fields["text"] for edit in edits) == sorted(
        [
            "is my\nparcel now",
            "Where  my\nparcel now",
            "Where  is parcel now",
            "Where  is my\nnow",
            "Where  is my\nparcel",
        ]
    )
    assert "Where  is my\n[parcel] now" in {edit.what for edit in edits}
    assert all(edit.sample.fields["title"] == "Late" and edit.template == "text" for edit in edits)


def test_a_field_is_exchanged_for_that_of_a_training_sample_of_the_same_label() -> None:
    edits = edits_of(TICKET, PROMPTS, "both", [OTHER, ELSE], most=99, seed=0)
    exchanged = {edit.what: edit.sample.fields for edit in edits if edit.kind == "field"}
    assert exchanged == {
        "title": {**TICKET.fields, "title": "Broken"},
        "text": {**TICKET.fields, "text": "It does not print"},
    }
    assert not [
        edit for edit in edits_of(TICKET, PROMPTS, "both", [ELSE], most=9, seed=0) if edit.kind == "field"
    ]


def test_edits_are_few_and_the_same_for_the_same_seed() -> None:
    long = Sample("1", {"title": "", "text": "word " * 10_000}, "sales")
    first, again = (edits_of(long, PROMPTS, "both", [OTHER], most=12, seed=4) for _ in range(2))
    assert first == again and len(first) == 12
    assert all(len(edit.what) < 80 for edit in first)


def flip_rate(arm: str, share: float, low: float) -> FlipRate:
    span = Span(value=share, low=low, high=1.0, n=100)
    return FlipRate(arm=arm, edit="wording", share=span, samples=100, edits=100, saved=True)


@pytest.mark.parametrize(("low", "says"), [(0.06, True), (0.04, False)])
def test_a_wording_that_flips_answers_is_worth_a_sentence(low: float, says: bool) -> None:
    boundary = BoundaryRecord(
        reach=REACH, flip_rates=(flip_rate("zero_shot", 0.3, 0.2), flip_rate("lora", 0.12, low))
    )
    parts = Parts(
        slices=(), wordings=(), kinds=(), confusion=None, labels=None, agreement=0.0, calibration=None,
        boundary=boundary, arm="lora",
    )  # fmt: skip
    findings = findings_of(parts)
    assert [finding.evidence for finding in findings] == ["boundary"] * says
    if says:
        assert findings[0].sentence.startswith(
            "Another wording changes 12.0 % of the answers, and 30.0 % of the untuned model's: train on several"
        )


def test_the_record_of_an_analysis_holds_the_boundary() -> None:
    record = analysis_of(reread_comparison(), (), [read_arm(np.random.default_rng(3), apart=3)])
    assert record.boundary is not None and len(record.boundary.maps) == 1
    assert type(record).model_validate_json(record.model_dump_json()) == record
