"""Copies of samples are worded, named or typed differently, and their answers stay right."""

import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_task import adding

from harness.data.augment import noise, paraphrase, swap_entities
from harness.data.steps import apply_steps
from harness.errors import UserError
from harness.task import Sample
from harness.task.step import Step

CITIES = ("Rome", "York", "New York", "Lima", "Oslo")
PEOPLE = ("Ann", "Bob", "Eve")
SWAP = swap_entities({"city": CITIES, "person": PEOPLE}, share=1)
SEEDS = st.integers(0, 1000)


def sample(text: str, target: str | tuple[str, ...] = "x", **rest: Any) -> Sample:
    return Sample("12", {"text": text}, target, **rest)


def copies(step: Step, *samples: Sample, seed: int = 0) -> list[Sample]:
    """What the step adds; that it keeps what was there is asserted on the way."""
    after = step.apply(list(samples), random.Random(seed))
    assert after[: len(samples)] == list(samples)
    return after[len(samples) :]


def test_a_paraphrase_adds_a_copy_for_each_template() -> None:
    added = copies(paraphrase("text", ["{text} Thanks!", "Hello, {text}"]), sample("where is it?"))
    assert [(copy.id, copy.fields["text"], copy.target) for copy in added] == [
        ("12~paraphrase1", "where is it? Thanks!", "x"),
        ("12~paraphrase2", "Hello, where is it?", "x"),
    ]


def test_braces_in_a_field_are_text() -> None:
    assert copies(paraphrase("text", ["{text}!"]), sample("{x} {"))[0].fields == {"text": "{x} {!"}


def test_the_other_fields_of_a_paraphrase_stay() -> None:
    both = Sample("1", {"text": "a", "other": "b"}, "x")
    assert copies(paraphrase("text", ["so: {text}"]), both)[0].fields == {"text": "so: a", "other": "b"}


def test_copies_of_two_uses_have_ids_of_their_own() -> None:
    task = adding(steps=(paraphrase("text", ["{text}!"]), paraphrase("text", ["{text}?"])))
    samples, counts = apply_steps(task, {"train": [sample("a")], "dev": [], "test": []})
    texts = {copy.id: copy.fields["text"] for copy in samples["train"]}
    assert texts == {
        "12": "a",
        "12~paraphrase1": "a!",
        "12~paraphrase2": "a?",
        "12~paraphrase1~paraphrase1": "a!?",
    }
    assert [(count.before, count.after, count.changed) for count in counts] == [(1, 2, 1), (2, 4, 2)]


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (paraphrase("text", ["{text}!"]), "paraphrase(text, 1 template)"),
        (paraphrase("text", ["{text}!", "{text}?"]), "paraphrase(text, 2 templates)"),
        (swap_entities({"city": CITIES, "person": PEOPLE}), "swap_entities(city, person, share=0.5)"),
        (noise("text", rate=0.1), "noise(text, rate=0.1)"),
    ],
)
def test_a_step_says_in_its_name_what_it_was_given_and_is_for_training(step: Step, name: str) -> None:
    assert (step.name, step.splits) == (name, ("train",))


def test_a_name_is_exchanged_alike_in_fields_and_targets() -> None:
    (copy,) = copies(SWAP, sample("Ann flies to Rome. Ann's bag stays.", ("Rome", "to Rome")))
    person, city = re.fullmatch(r"(\w+) flies to ([\w ]+)\. \w+'s bag stays\.", copy.fields["text"]).groups()
    assert copy.fields["text"] == f"{person} flies to {city}. {person}'s bag stays."
    assert copy.targets == (city, f"to {city}")
    assert person in {"Bob", "Eve"}
    assert city in set(CITIES) - {"Rome"}


@given(seed=SEEDS)
def test_two_names_never_become_one(seed: int) -> None:
    (copy,) = copies(SWAP, sample("Ann / Bob / Eve / Rome / New York"), seed=seed)
    names = copy.fields["text"].split(" / ")
    assert len(set(names)) == 5
    assert all(new != old for new, old in zip(names, ["Ann", "Bob", "Eve", "Rome", "New York"], strict=True))


@pytest.mark.parametrize(
    "untouched",
    [
        sample("Annual Romes and Yorkshire"),
        sample("no name"),
        sample("ann flies to Rome", choices=("Rome", "x")),
        sample("Shout: Ann", "ANN"),
        sample("The Roman of Rome is from ROME"),
    ],
    ids=["within words", "none", "in a choice", "the target in capitals", "another form beside it"],
)
def test_a_name_that_cannot_be_exchanged_is_left_alone(untouched: Sample) -> None:
    assert copies(SWAP, untouched) == []


@given(seed=SEEDS)
def test_choices_stay_and_no_name_turns_into_one(seed: int) -> None:
    (copy,) = copies(SWAP, sample("From Rome to Lima?", "Rome", choices=("Rome", "Oslo")), seed=seed)
    assert (copy.target, copy.choices) == ("Rome", ("Rome", "Oslo"))
    assert copy.fields["text"] in {"From Rome to York?", "From Rome to New York?"}


@pytest.mark.parametrize("names", [("York", "New York"), ("Ann", "Ann Lee")])
def test_a_longer_name_is_not_taken_for_the_one_within(names: tuple[str, str]) -> None:
    step = swap_entities({"name": names}, share=1)
    assert copies(step, sample(f"from {names[1]}"))[0].fields == {"text": f"from {names[0]}"}


def test_the_share_counts_samples_that_name_an_entity() -> None:
    samples = [Sample(str(index), {"text": "Ann" if index % 2 else "nobody"}, "x") for index in range(40)]
    assert len(copies(swap_entities({"person": PEOPLE}, share=0.3), *samples)) == 6


LONG = "Customers telephoned yesterday concerning parcel AB12CD and reference 40312 without success"


@given(seed=SEEDS)
def test_noise_changes_letters_within_long_words_only(seed: int) -> None:
    (copy,) = copies(noise("text", rate=1), sample(LONG, "parcel"), seed=seed)
    for before, after in zip(LONG.split(), copy.fields["text"].split(), strict=True):
        assert (before == after) == (before in {"parcel", "AB12CD", "and", "40312"})
        assert after[0] == before[0]
        assert abs(len(after) - len(before)) <= 1


def test_all_three_slips_occur() -> None:
    slips = {
        copies(noise("text", rate=1), sample("abcd"), seed=seed)[0].fields["text"] for seed in range(100)
    }
    assert slips == {"acbd", "abdc", "acd", "abd", "abbcd", "abccd"}


def test_words_of_answers_are_spared_whatever_their_case() -> None:
    spared = sample("Billing or shipping", "billing", choices=("billing", "shipping"))
    assert copies(noise("text", rate=1), spared) == []


def test_the_rate_is_the_share_of_words_with_a_slip() -> None:
    text = " ".join(["sentence"] * 5000)
    (copy,) = copies(noise("text", rate=0.1), sample(text))
    assert sum(word != "sentence" for word in copy.fields["text"].split()) == pytest.approx(500, abs=100)


def test_a_sample_without_a_slip_has_no_copy() -> None:
    assert copies(noise("text", rate=1), sample("a b c 123")) == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: paraphrase("text", []), "templates is []; give a list, such as ['{text} Thanks!']"),
        (lambda: paraphrase("text", "{text}!"), "templates is '{text}!'; give a list"),
        (lambda: paraphrase("text", ["Thanks!"]), "template 'Thanks!' must name {text}, and no other field"),
        (lambda: paraphrase("text", ["{text} {name}"]), "must name {text}, and no other field"),
        (lambda: paraphrase("text", ["{text"]), "is not a format string"),
        (lambda: swap_entities({}), "no groups; give at least one"),
        (
            lambda: swap_entities({"city": ["Rome", "Rome"]}),
            "group 'city' has 1 name; to exchange them takes at least two",
        ),
        (lambda: swap_entities({"city": ["Rome", ""]}), "group 'city' has an empty name"),
        (
            lambda: swap_entities({"a": ["Rome", "Lima"], "b": ["Rome", "Bob"]}),
            "'Rome' is in the groups 'a' and 'b'",
        ),
        (
            lambda: swap_entities({"city": CITIES}, share=0),
            "swap_entities: share is 0; it must be above 0 and at most 1",
        ),
        (lambda: noise("text", rate=1.5), "noise: rate is 1.5; it must be above 0 and at most 1"),
        (
            lambda: copies(noise("txt"), sample("a")),
            "sample '12' has no field 'txt'; it has text. Did you mean 'text'?",
        ),
        (lambda: copies(paraphrase("txt", ["{txt}!"]), sample("a")), "sample '12' has no field 'txt'"),
    ],
)
def test_a_step_that_is_asked_for_wrongly_says_what_to_do(make: Any, says: str) -> None:
    with pytest.raises(UserError) as raised:
        make()
    assert says in str(raised.value)
