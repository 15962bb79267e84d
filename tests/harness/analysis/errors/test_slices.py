"""Where an arm is worst: a planted slice is found, and none in noise."""

import numpy as np
import pytest
from invented_arms import a_comparison, an_arm, asked, with_fields

from harness.analysis.advice import SIGNIFICANT
from harness.analysis.errors.features import Feature, features_of, script_of
from harness.analysis.errors.slices import _shuffled_p, slices_of
from harness.records.analysis.errors import SliceRecord


def drawn(generator: np.random.Generator, rate: float, *shape: int) -> np.ndarray:
    return (generator.random(shape) < rate).astype(float)


def texts(generator: np.random.Generator, n: int) -> list[str]:
    """Of 5 to 80 words, and six first words."""
    words = np.array(["the", "printer", "invoice", "is", "late", "why"])
    return [" ".join(generator.choice(words, size)) for size in generator.integers(5, 80, n).tolist()]


def named(records: list[SliceRecord]) -> list[SliceRecord]:
    return [
        one for one in records if min(one.score_p, 1.0 if one.gain_p is None else one.gain_p) < SIGNIFICANT
    ]


def records_of(comparison: object) -> list[SliceRecord]:
    return [found.record for found in slices_of(comparison)]  # type: ignore[arg-type]


def test_a_planted_slice_of_long_texts_is_found_with_what_it_loses() -> None:
    generator = np.random.default_rng(1)
    n = 400
    spoken = texts(generator, n)
    long = np.array([len(text.split()) > 62 for text in spoken])
    tuned = np.where(long, drawn(generator, 0.4, 3, n), drawn(generator, 0.85, 3, n))
    base = drawn(generator, 0.6, 1, n)
    comparison = a_comparison(
        [an_arm("zero_shot", base), an_arm("lora", tuned)], with_fields(n, {"text": spoken})
    )
    first = records_of(comparison)[0]
    assert (first.feature, first.part.split()[0]) == ("words", "over")
    assert first.score.value < first.rest - 0.3 and first.score_p < 0.01
    assert first.gain is not None and first.gain_p is not None
    assert first.gain.value < -0.1 < (first.gain_rest or 0) and first.gain_p < 0.01


def test_in_noise_at_most_one_board_in_twenty_names_a_slice() -> None:
    boards, guilty = 60, 0
    generator = np.random.default_rng(7)
    for _ in range(boards):
        n = 80
        hardness = generator.random(n)
        fields = {
            "text": texts(generator, n),
            "topic": generator.choice(["a", "b", "c", "d"], n).tolist(),
            "price": [f"{price:.2f}" for price in generator.random(n)],
        }
        tuned = (0.6 * hardness + 0.4 * generator.random((3, n)) < 0.8).astype(float)
        base = (0.6 * hardness + 0.4 * generator.random((1, n)) < 0.5).astype(float)
        comparison = a_comparison([an_arm("zero_shot", base), an_arm("lora", tuned)], with_fields(n, fields))
        guilty += bool(named(records_of(comparison)))
    # Of 60 boards that name one with probability .05, more than 8 do in 1 % of cases.
    assert guilty <= 8


def test_shuffling_is_exact_for_one_seed_of_right_and_wrong() -> None:
    # Of 40 samples 20 are right; the slice holds 10, of which 9 are: the hypergeometric tails at that distance.
    values = np.array([1.0] * 9 + [0.0] + [1.0] * 11 + [0.0] * 19)
    from scipy.stats import hypergeom

    exact = hypergeom.cdf(1, 40, 20, 10) + hypergeom.sf(8, 40, 20, 10)
    (p,) = _shuffled_p([np.arange(10)], values, None).tolist()
    assert p == pytest.approx(exact, abs=0.003)


def test_clusters_are_shuffled_as_wholes() -> None:
    # Ten passages of ten questions, answered all right or all wrong: only ten things vary, not a hundred.
    values = np.repeat([1.0, 1, 1, 1, 1, 0, 0, 0, 0, 0], 10)
    clusters = np.repeat(np.arange(10), 10)
    places = [np.arange(30)]
    (alone,), (together,) = _shuffled_p(places, values, None), _shuffled_p(places, values, clusters)
    assert alone < 0.001 and together == pytest.approx(2 * (10 / 120), abs=0.03)


def test_without_an_untuned_arm_there_are_scores_and_no_gains() -> None:
    generator = np.random.default_rng(3)
    topic = ["a"] * 40 + ["b"] * 40
    tuned = np.concatenate([drawn(generator, 0.3, 1, 40), drawn(generator, 0.95, 1, 40)], axis=1)
    first = records_of(a_comparison([an_arm("lora", tuned)], with_fields(80, {"topic": topic})))[0]
    assert (first.feature, first.gain, first.gain_p) == ("field topic", None, None)
    assert first.score_p < SIGNIFICANT


def names_of(features: list[Feature]) -> dict[str, set[str]]:
    return {feature.name: set(feature.slices) for feature in features}


def test_samples_are_parted_by_labels_categories_numbers_and_first_words() -> None:
    n = 80
    fields = {
        "text": [f"{'why' if place % 2 else 'how'} {'very ' * place}long" for place in range(n)],
        "topic": ["sport" if place % 4 else "news" for place in range(n)],
        "price": [str(place) for place in range(n)],
    }
    samples = [
        asked(
            place,
            target=("a", "b")[place % 2],
            fields={name: of_field[place] for name, of_field in fields.items()},
            metadata={"source": "web" if place < 30 else "book"},
            cluster="passage" if place < 20 else "",
            overlap=place < 10,
        )
        for place in range(n)
    ]
    found = names_of(features_of(a_comparison([an_arm("lora", np.ones(n))], samples)))
    assert found["label"] == {"a", "b"}
    assert found["first word"] == {"why", "how"}
    assert found["field topic"] == {"sport", "news"}
    assert found["field price"] == {"up to 19", "over 19 to 39", "over 39 to 59", "over 59"}
    assert found["metadata source"] == {"web", "book"}
    assert found["cluster"] == {"passage"}
    assert found["in the training data"] == {"yes", "no"}
    assert "words" in found and "script" not in found


@pytest.mark.parametrize(
    ("text", "script"),
    [("Hello", "Latin"), ("Привет, мир", "Cyrillic"), ("今日は", "Cjk"), ("¡123!", None), ("12", None)],
)
def test_the_script_of_a_text_is_that_of_most_letters(text: str, script: str | None) -> None:
    assert script_of(text) == script
