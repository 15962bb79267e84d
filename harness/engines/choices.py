"""The choices of a question as a trie of tokens, and what each way to weigh them costs.

Labels begin alike, and there may be hundreds of them: reading a prompt once for each costs many times what
reading every token of the trie once does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

Beginning = tuple[int, ...]
"""The first tokens of a choice, some or none of them."""

NextTokens = dict[Beginning, dict[int, float]]
"""Natural-log probabilities of tokens, by what lies between the prompt and them."""


@dataclass(frozen=True, eq=False)
class Trie:
    """The choices of a question, with what several of them begin with only once."""

    following: dict[Beginning, tuple[int, ...]]
    """Every beginning that a choice goes on from, and the tokens it goes on with; the empty beginning comes
    first, and each other after those that it goes on from."""

    @cached_property
    def nodes(self) -> tuple[Beginning, ...]:
        """The beginnings whose last token has to be read: all but the empty one."""
        return tuple(beginning for beginning in self.following if beginning)

    @cached_property
    def reads(self) -> tuple["Read", ...]:
        """The fewest beginnings whose readings, each with all tokens of it, predict every token once."""
        reads: list[Read] = []
        # In this order, a beginning comes right after those that go on from it.
        for beginning in reversed(self.following):
            if not reads or reads[-1].beginning[: len(beginning)] != beginning:
                reads.append(Read(beginning, {}))
            reads[-1].predicts[beginning] = self.following[beginning]
        return tuple(reads)

    def parts(self, max_nodes: int) -> "list[Trie]":
        """This trie as several, each with `max_nodes` nodes at most besides those that others have, too."""
        if len(self.nodes) <= max_nodes:
            return [self]
        tries: list[dict[Beginning, tuple[int, ...]]] = []
        room = 0
        for beginning, tokens in self.following.items():
            if not tries or not room:
                # What lies before is read once more, and nothing is asked of it.
                tries.append({beginning[:end]: () for end in range(len(beginning))})
                room = max_nodes
            tries[-1][beginning] = tokens
            room -= bool(beginning)
        return [Trie(following) for following in tries]


@dataclass(frozen=True)
class Read:
    """A beginning that is read."""

    beginning: Beginning
    predicts: dict[Beginning, tuple[int, ...]]
    """Beginnings on the way to it, or it itself, and the tokens that follow them."""


def trie_of(choices: Sequence[Sequence[int]]) -> Trie:
    """The trie of choices, each of at least one token."""
    return _trie_of(tuple(map(tuple, choices)))


@lru_cache(maxsize=1024)
def _trie_of(choices: tuple[Beginning, ...]) -> Trie:
    following: dict[Beginning, dict[int, None]] = {}
    for choice in choices:
        for end, token in enumerate(choice):
            following.setdefault(choice[:end], {})[token] = None
    # In this order a beginning comes right before those that go on from it.
    return Trie({beginning: tuple(following[beginning]) for beginning in sorted(following)})


def logprob_of(choice: Sequence[int], next_tokens: Mapping[Beginning, Mapping[int, float]]) -> float:
    """The natural-log probability of a choice, by those of its tokens."""
    return sum(next_tokens[tuple(choice[:end])][token] for end, token in enumerate(choice))


def is_weighed(choice: Sequence[int], next_tokens: Mapping[Beginning, Mapping[int, float]]) -> bool:
    """Whether the log-probability of each of its tokens is there."""
    return all(token in next_tokens.get(tuple(choice[:end]), {}) for end, token in enumerate(choice))


# What it costs

ChoiceWay = Literal["beginnings", "whole", "prompt, then whole", "one pass"]
"""How choices are weighed. `beginnings`: one request after each beginning of a choice, for the tokens that
follow it. `whole`: one request for each choice, the first of which reads the prompt along; `prompt, then
whole`: the prompt has a request of its own before. `one pass`: the prompt and then all nodes of the trie,
by transformers."""

WORTH_ANOTHER_PROGRAM = 1 / 3
"""The share of the engine's own cost that one pass may take: an engine answers for all arms of a model, and
leaves choices to transformers only where that saves two thirds."""


@dataclass(frozen=True)
class ChoiceCost:
    """What a way to weigh the choices of one question takes."""

    tokens: int
    """Tokens read through the model's layers; what a prefix cache has is not read."""

    distributions: int
    """Positions at which the log-probabilities of the whole vocabulary are worked out."""

    requests: int
    """Requests to the engine."""


@dataclass(frozen=True)
class Rates:
    """What the units of a `ChoiceCost` take on a machine, in multiplications: a token takes one for each
    parameter of the layers, a distribution one for each of the output layer's."""

    token: float
    distribution: float
    request: float

    def total(self, cost: ChoiceCost) -> float:
        """Multiplications."""
        return (
            self.token * cost.tokens + self.distribution * cost.distributions + self.request * cost.requests
        )


def least(costs: Mapping[ChoiceWay, ChoiceCost], rates: Rates) -> ChoiceWay:
    """The way that costs least; one pass only where it is worth another program.

    That is judged by what is read alone: requests cost most where the model is tiny, and little in all.
    """
    reading = replace(rates, request=0.0)
    request_ways: list[ChoiceWay] = [way for way in costs if way != "one pass"]
    best = min(request_ways, key=lambda way: rates.total(costs[way]))
    least_read = min(reading.total(costs[way]) for way in request_ways)
    worth_it = reading.total(costs["one pass"]) <= WORTH_ANOTHER_PROGRAM * least_read
    return "one pass" if worth_it else best


def costs_of(
    prompt: int, choices: Sequence[Sequence[int]], *, cached: int, block: int, max_logprobs: int
) -> dict[ChoiceWay, ChoiceCost]:
    """What each way takes after a prompt of so many tokens, of which the first `cached` were read before.

    The engine's prefix cache has whole blocks of `block` tokens, and a request tells the log-probabilities of
    `max_logprobs` tokens.
    """
    trie = trie_of(choices)
    costs: dict[ChoiceWay, ChoiceCost] = {
        "beginnings": cost_of_beginnings(prompt, trie, cached=cached, block=block, max_logprobs=max_logprobs),
        "prompt, then whole": cost_of_whole_readings(prompt, choices, cached=cached, block=block, alone=True),
        "one pass": cost_of_one_pass(prompt, trie, cached=cached),
    }
    if prompt % block:  # or the cache has the token that each choice's first is predicted from
        costs["whole"] = cost_of_whole_readings(prompt, choices, cached=cached, block=block, alone=False)
    return costs


def cost_of_beginnings(prompt: int, trie: Trie, *, cached: int, block: int, max_logprobs: int) -> ChoiceCost:
    """One request after each beginning for the tokens that follow it, `max_logprobs` of them at once.

    `prompt`: its tokens, of which the prefix cache has the first `cached` when the first request comes. The
    cache has whole blocks of `block` tokens: the rest of a beginning is read once more with every request.
    """
    tokens, requests = 0, 0
    for beginning, following in trie.following.items():
        request_count = -(-len(following) // max_logprobs)
        length = prompt + len(beginning)
        rest = length - (length - 1) // block * block
        tokens += request_count * rest
        requests += request_count
    # The very first of them finds less of its prompt.
    first_tokens = prompt - _whole_blocks(min(cached, prompt - 1), block)
    return ChoiceCost(tokens + first_tokens - (prompt - (prompt - 1) // block * block), requests, requests)


def cost_of_whole_readings(
    prompt: int, choices: Sequence[Sequence[int]], *, cached: int, block: int, alone: bool
) -> ChoiceCost:
    """One request for each choice, with the log-probabilities of the tokens that are read.

    `alone`: the prompt is read before by a request of its own, which works out one distribution; otherwise
    the first choice reads it along, and works out one for each of its tokens.
    """
    again = prompt - _whole_blocks(prompt, block)
    first_tokens = prompt - _whole_blocks(min(cached, prompt - 1), block)
    read = sum(again + len(choice) for choice in choices)
    if alone:
        return ChoiceCost(first_tokens + read, 1 + read, 1 + len(choices))
    return ChoiceCost(read - again + first_tokens, read - again + first_tokens, len(choices))


def cost_of_one_pass(prompt: int, trie: Trie, *, cached: int) -> ChoiceCost:
    """The prompt once, and every node of the trie once after it."""
    return ChoiceCost(prompt - min(cached, prompt - 1) + len(trie.nodes), 1 + len(trie.nodes), 1)


def _whole_blocks(tokens: int, block: int) -> int:
    """The tokens of them that lie in whole blocks."""
    return tokens // block * block
