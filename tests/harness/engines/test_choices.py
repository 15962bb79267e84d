"""Choices as a trie of tokens, and what each way to weigh them costs, counted by hand."""

import pytest

from harness.engines.choices import (
    ChoiceCost,
    Rates,
    Trie,
    cost_of_beginnings,
    cost_of_one_pass,
    cost_of_whole_readings,
    least,
    logprob_of,
    trie_of,
)


def test_a_trie_has_what_choices_begin_with_once_and_before_what_goes_on_from_it() -> None:
    trie = trie_of([[5, 8, 9], [5, 8], [6], [5, 7, 9]])
    assert trie.following == {(): (5, 6), (5,): (8, 7), (5, 7): (9,), (5, 8): (9,)}
    assert trie.nodes == ((5,), (5, 7), (5, 8))
    assert list(trie.following) == sorted(trie.following)
    assert trie_of([[5], [6]]) is trie_of([[5], [6]]), "samples that share their choices share their trie"


def test_a_choice_is_read_once_and_not_at_all_where_a_longer_one_begins_with_it() -> None:
    def read(*choices: list[int]) -> dict[tuple[int, ...], set[tuple[int, ...]]]:
        """What is read after the prompt → the beginnings whose last token it predicts."""
        return {
            one.beginning: {(*before, token) for before, tokens in one.predicts.items() for token in tokens}
            for one in trie_of(choices).reads
        }

    assert read([5], [6], [7]) == {(): {(5,), (6,), (7,)}}
    assert read([5, 8, 9], [5, 8], [6]) == {(5, 8): {(5,), (6,), (5, 8), (5, 8, 9)}}
    parting = read([5, 8, 9], [5, 7, 9])
    assert set(parting) == {(5, 7), (5, 8)}
    assert set.union(*parting.values()) == {(5,), (5, 7), (5, 8), (5, 7, 9), (5, 8, 9)}
    assert sum(map(len, parting.values())) == 5, "each is predicted once"


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_parts_of_a_trie_ask_for_every_token_once_and_hold_what_lies_before_it(most: int) -> None:
    whole = trie_of([[5, 8, 9], [5, 8, 7], [6, 1], [5, 7, 9, 3], [5, 7, 9, 4]])
    parts = whole.parts(most)
    asked = [
        (beginning, token)
        for part in parts
        for beginning, tokens in part.following.items()
        for token in tokens
    ]
    assert sorted(asked) == sorted(
        (beginning, token) for beginning, tokens in whole.following.items() for token in tokens
    )
    assert len(asked) == len(set(asked))
    for part in parts:
        assert all(beginning[:-1] in part.following for beginning in part.nodes)
        assert sum(bool(tokens) for beginning, tokens in part.following.items() if beginning) <= most
    assert len(parts) == (1 if most == 100 else -(-len(whole.nodes) // most))


def test_a_choice_has_the_summed_log_probability_of_its_tokens() -> None:
    next_tokens = {(): {5: -1.0, 6: -2.0}, (5,): {7: -0.25}}
    assert logprob_of([5, 7], next_tokens) == -1.25
    assert logprob_of([6], next_tokens) == -2.0


# Blocks of 32, prompts of 50 tokens: 18 lie past the last whole block.

LABELS = trie_of([[5], [6], [7]])
PARTING = trie_of([[5, 8], [5, 9], [6]])


def test_labels_of_one_token_cost_their_prompt_in_every_way_but_whole_readings() -> None:
    assert cost_of_beginnings(50, LABELS, cached=0, block=32, max_logprobs=128) == ChoiceCost(50, 1, 1)
    assert cost_of_one_pass(50, LABELS, cached=0) == ChoiceCost(50, 1, 1)
    choices = [[5], [6], [7]]
    assert cost_of_whole_readings(50, choices, cached=0, block=32, alone=False) == ChoiceCost(
        51 + 19 + 19, 51 + 19 + 19, 3
    )
    assert cost_of_whole_readings(50, choices, cached=0, block=32, alone=True) == ChoiceCost(
        50 + 3 * 19, 58, 4
    )


def test_a_beginning_is_read_with_what_lies_past_the_last_whole_block() -> None:
    assert cost_of_beginnings(50, PARTING, cached=0, block=32, max_logprobs=128) == ChoiceCost(50 + 19, 2, 2)
    # At 63 tokens the beginning fills the block, and its own last token must still be read.
    assert cost_of_beginnings(63, PARTING, cached=0, block=32, max_logprobs=128) == ChoiceCost(63 + 32, 2, 2)
    assert cost_of_beginnings(64, PARTING, cached=0, block=32, max_logprobs=128) == ChoiceCost(64 + 1, 2, 2)
    assert cost_of_one_pass(50, PARTING, cached=0) == ChoiceCost(51, 2, 1)


def test_what_a_prompt_shares_with_the_one_before_it_is_not_read() -> None:
    assert cost_of_beginnings(100, LABELS, cached=70, block=32, max_logprobs=128) == ChoiceCost(
        100 - 64, 1, 1
    )
    assert cost_of_beginnings(64, LABELS, cached=64, block=32, max_logprobs=128) == ChoiceCost(32, 1, 1)
    assert cost_of_one_pass(100, LABELS, cached=70) == ChoiceCost(30, 1, 1)
    assert cost_of_one_pass(64, LABELS, cached=64) == ChoiceCost(1, 1, 1)
    whole = cost_of_whole_readings(100, [[5, 8], [6, 9]], cached=70, block=32, alone=True)
    assert whole == ChoiceCost(36 + 2 * (4 + 2), 1 + 12, 3)


def test_more_tokens_than_are_told_at_once_take_more_requests() -> None:
    many = trie_of([[token] for token in range(129)])
    assert cost_of_beginnings(50, many, cached=0, block=32, max_logprobs=128) == ChoiceCost(50 + 18, 2, 2)


def test_seventy_seven_labels_of_a_few_tokens_cost_a_fifth_of_it_in_one_pass() -> None:
    """A token costs the parameters of a layer stack of 106 million, a distribution 28 million."""
    choices = [[label % 12, 100 + label, 200 + label] for label in range(77)]
    trie, rates = trie_of(choices), Rates(106e6, 28e6, 8e6)
    one_pass = cost_of_one_pass(50, trie, cached=0)
    assert one_pass == ChoiceCost(50 + 12 + 77, 1 + 12 + 77, 1)
    others = [
        cost_of_beginnings(50, trie, cached=0, block=32, max_logprobs=128),
        *(cost_of_whole_readings(50, choices, cached=0, block=32, alone=alone) for alone in (False, True)),
    ]
    assert min(map(rates.total, others)) > 5 * rates.total(one_pass)


def test_one_pass_is_taken_where_it_reads_a_third_of_what_the_engine_would() -> None:
    rates = Rates(1.0, 0.0, 100.0)

    def way(engines: ChoiceCost, one_pass: ChoiceCost) -> str:
        return least({"beginnings": engines, "whole": ChoiceCost(10**6, 0, 1), "one pass": one_pass}, rates)

    assert way(ChoiceCost(300, 0, 1), ChoiceCost(100, 0, 1)) == "one pass"
    assert way(ChoiceCost(300, 0, 1), ChoiceCost(101, 0, 1)) == "beginnings"
    # The many requests of a tiny model are no reason.
    assert way(ChoiceCost(100, 0, 50), ChoiceCost(90, 0, 1)) == "beginnings"


def test_the_total_weighs_each_unit_by_its_rate() -> None:
    assert Rates(10.0, 3.0, 100.0).total(ChoiceCost(tokens=7, distributions=2, requests=1)) == 176.0


def test_a_trie_of_very_many_choices_is_parted_in_no_time() -> None:
    trie = trie_of([[first, second, 7, 8] for first in range(50) for second in range(10)])
    parts = trie.parts(1000)
    assert len(trie.nodes) == 50 + 500 + 500
    assert len(parts[0].nodes) == 1000
    assert isinstance(parts[0], Trie)
