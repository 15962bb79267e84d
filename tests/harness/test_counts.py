"""One thing is spoken of as one."""

import pytest

from harness.counts import agreeing, count_of


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (1234, "1,234 runs")]
)
def test_a_noun_is_singular_after_one_alone(number: int, text: str) -> None:
    assert count_of(number, "run") == text


@pytest.mark.parametrize(
    ("verb", "of_one"),
    [("have", "has"), ("are", "is"), ("were", "was"), ("do", "does"), ("ask", "asks"), ("repeat", "repeats")],
)
def test_a_verb_agrees_with_its_count(verb: str, of_one: str) -> None:
    assert [agreeing(verb, count) for count in (0, 1, 2)] == [verb, of_one, verb]
