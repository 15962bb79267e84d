"""Long texts in windows: every token is measured once, after as much as fits."""

from hypothesis import given
from hypothesis import strategies as st

from harness.engines.questions import windows


@given(st.integers(1, 30), st.integers(1, 200), st.integers(33, 70))
def test_every_target_token_is_measured_once_in_order_and_every_window_fits(
    prompt: int, target: int, context: int
) -> None:
    tokens = list(range(prompt + target))
    pairs = windows(tokens[:prompt], tokens[prompt:], context)
    assert [token for _, after in pairs for token in after] == tokens[prompt:]
    assert all(len(before) > 0 and len(before) + len(after) < context for before, after in pairs)


@given(st.integers(1, 30), st.integers(1, 200), st.integers(33, 70))
def test_what_a_window_reads_is_what_precedes_it(prompt: int, target: int, context: int) -> None:
    tokens = list(range(prompt + target))
    for before, after in windows(tokens[:prompt], tokens[prompt:], context):
        assert before == list(range(after[0] - len(before), after[0]))


def test_a_text_that_fits_is_one_window() -> None:
    assert windows([1], [2, 3], 10) == [([1], [2, 3])]


def test_the_last_window_reads_as_much_as_fits() -> None:
    assert windows([0], list(range(1, 12)), 9)[-1] == ([4, 5, 6, 7], [8, 9, 10, 11])


def test_the_first_window_reads_the_whole_prompt() -> None:
    prompt, target = list(range(100)), list(range(100, 2100))
    before, after = windows(prompt, target, 1024)[0]
    assert before == prompt
    assert len(before) + len(after) == 1023


@given(st.integers(1, 30), st.integers(1, 200), st.integers(33, 70), st.integers(1, 80))
def test_with_a_stride_every_window_but_the_first_measures_that_much_after_as_much_as_fits(
    prompt: int, target: int, context: int, stride: int
) -> None:
    tokens = list(range(prompt + target))
    first, *others = windows(tokens[:prompt], tokens[prompt:], context, stride)
    assert first[1] + [token for _, after in others for token in after] == tokens[prompt:]
    assert all(len(before) + len(after) == context - 1 for before, after in others)
    assert all(len(after) == min(stride, context - 2) for _, after in others[:-1])
