"""Weigh choices with a model of transformers: each prompt is read once, and after it the trie of its choices.

Where a model's attention takes a mask of its own, the whole trie is read in one pass, each token seeing its
prompt and the beginning it belongs to. Elsewhere the prompt's keys and values are continued by each beginning
in a row of its own, or, where a model keeps none, prompt and beginning are read together. Which of them a
model can do is tried out on a small question.
"""

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from transformers.cache_utils import DynamicLayer

from harness.engines.choices import Beginning, NextTokens, Read, Trie, trie_of
from harness.engines.engine import bound_of
from harness.workers.memory import is_out_of_memory

PROMPTS_AT_ONCE = 32
"""The most rows that are read at once."""

NODES_AT_ONCE = 1024
"""Tokens after prompts that are read at once: their logits, and the mask that says what each
of them sees, are held in memory."""

KEYS_AT_ONCE = 16_384
"""Tokens of prompts and beginnings whose keys and values are held at once."""

LEAST_SHARED = 32
"""Tokens that all prompts begin with, from which on they are read once for all of them."""

Reading = Literal["tree", "rows", "apart"]
"""How tries are read. `tree`: all nodes after their prompt in one pass. `rows`: each beginning in a row of
its own, after the keys and values of its prompt. `apart`: each beginning with its prompt."""

READINGS: tuple[Reading, ...] = ("tree", "rows", "apart")
"""The one that reads the fewest tokens first."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """A prompt, and the choices that are weighed after it."""

    prompt: list[int]
    trie: Trie


@dataclass(frozen=True)
class Shared:
    """What all prompts begin with, read once."""

    tokens: int = 0
    keys: Any = None
    """Transformers' cache of its keys and values, one row."""


@dataclass(frozen=True)
class _Prompts:
    """A batch of prompts that were read: what comes after them can go on from here."""

    keys: Any
    """Transformers' cache of keys and values, a row per prompt; None where nothing comes after them."""

    seen: torch.Tensor
    """(rows × tokens), 1 where a token of the prompt is and 0 where padding is."""

    logits: torch.Tensor
    """(rows × vocabulary), what is predicted after each prompt."""

    @property
    def lengths(self) -> torch.Tensor:
        """(rows), tokens of each prompt."""
        return self.seen.sum(dim=1)


@dataclass(frozen=True)
class _Layout:
    """The nodes of a trie as the tensors that a pass over them takes."""

    tokens: torch.Tensor
    depths: torch.Tensor
    """Places after the prompt's last token, from 1 on."""

    sees: torch.Tensor
    """(nodes × nodes), whether the other is the one itself or lies before it in a choice."""


class ChoiceReader:
    """One model of transformers, on its device and in evaluation, as it weighs choices."""

    def __init__(self, model: Any, pad: int, *, reading: Reading | None = None) -> None:
        """`pad`: a token that fills rows up, seen by none. `reading`: how models of this architecture read
        tries; where it is not given, that is tried out when it is first needed."""
        self._model, self._pad, self._device = model, pad, model.device
        self.tried = reading

    @property
    def reading(self) -> Reading:
        """The first of `READINGS` whose log-probabilities are those of a plain reading."""
        if self.tried is not None:
            return self.tried
        *economical, last = READINGS
        chosen: Reading = next((reading for reading in economical if self._can(reading)), last)
        self.tried = chosen
        return chosen

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def shared(self, prompts: Sequence[list[int]]) -> Shared:
        """Read what all these prompts begin with, where that is worth it.

        What the rest of a prompt is padded with comes between: a window of attention would count it.
        """
        tokens = shared_tokens(prompts)
        if tokens < LEAST_SHARED or self.reading != "tree":
            return Shared()
        begin = torch.tensor([prompts[0][:tokens]], device=self._device)
        return Shared(tokens, self._model(input_ids=begin, use_cache=True, logits_to_keep=1).past_key_values)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def read(self, questions: Sequence[Weighed], shared: Shared | None = None) -> list[NextTokens]:
        """For each question the natural-log probability of every token of its choices.

        Several questions must not have more than `NODES_AT_ONCE` nodes together, the widest counted for each.
        """
        nodes = any(question.trie.nodes for question in questions)
        if nodes and self.reading == "apart":
            return self._apart(questions)
        prompts = self._prompts([question.prompt for question in questions], shared or Shared(), keep=nodes)
        following: list[NextTokens] = []
        for row, question in enumerate(questions):
            following.append(_predicted(prompts.logits[row : row + 1], {(): 0}, question.trie.following))
        if nodes:
            continued = self._tree if self.reading == "tree" else self._rows
            for row, next_tokens in continued(questions, prompts):
                following[row].update(next_tokens)
        return following

    def read_all(self, questions: Sequence[Weighed]) -> Iterator[tuple[int, NextTokens]]:
        """The place of each question and what `read` says of it, batch after batch."""
        shared = self.shared([question.prompt for question in questions])
        for places, size in batches(questions):
            for start in range(0, len(places), size):
                batch = places[start : start + size]
                yield from zip(batch, self.read([questions[place] for place in batch], shared), strict=True)

    def _prompts(self, prompts: Sequence[list[int]], shared: Shared, *, keep: bool) -> _Prompts:
        """Read prompts as far as they are not shared, padded on the left."""
        rests = [prompt[shared.tokens :] for prompt in prompts]
        longest = max(map(len, rests))
        input_ids = torch.tensor(
            [[self._pad] * (longest - len(rest)) + rest for rest in rests], device=self._device
        )
        seen = torch.tensor(
            [[1] * shared.tokens + [0] * (longest - len(rest)) + [1] * len(rest) for rest in rests],
            device=self._device,
        )
        rows = torch.zeros(len(prompts), dtype=torch.long, device=self._device)
        output = self._model(
            input_ids=input_ids,
            attention_mask=seen,
            position_ids=(seen.cumsum(dim=1) - 1).clamp(min=0)[:, shared.tokens :],
            past_key_values=_rows_of(shared.keys, rows) if shared.tokens else None,
            use_cache=keep or shared.tokens > 0,
            logits_to_keep=1,
        )
        return _Prompts(output.past_key_values if keep else None, seen, output.logits[:, -1])

    # A trie in one pass

    def _tree(self, questions: Sequence[Weighed], prompts: _Prompts) -> Iterator[tuple[int, NextTokens]]:
        """For each row what follows its nodes; in several passes where a single trie is very large."""
        parts = [question.trie.parts(NODES_AT_ONCE) for question in questions]
        for tries in zip(*parts, strict=True):
            logits = self._one_pass(tries, prompts)
            for row, trie in enumerate(tries):
                places = {node: place for place, node in enumerate(trie.nodes)}
                yield row, _predicted(logits[row], places, trie.following)

    def _one_pass(self, tries: Sequence[Trie], prompts: _Prompts) -> torch.Tensor:
        """The logits after every node, (rows × nodes × vocabulary)."""
        layouts = [_layout(trie) for trie in tries]
        width, before = max(len(layout.tokens) for layout in layouts), prompts.seen.shape[1]
        input_ids = torch.full((len(tries), width), self._pad)
        position_ids = torch.zeros((len(tries), width), dtype=torch.long)
        sees = torch.zeros((len(tries), width, before + width), dtype=torch.bool)
        sees[:, :, :before] = prompts.seen[:, None].bool().cpu()
        # Each sees itself, what fills a row up, too: of nothing seen the attention is no number.
        sees[:, :, before:] = torch.eye(width, dtype=torch.bool)
        for row, layout in enumerate(layouts):
            count = len(layout.tokens)
            input_ids[row, :count] = layout.tokens
            position_ids[row, :count] = layout.depths + int(prompts.lengths[row]) - 1
            sees[row, :count, before : before + count] = layout.sees
        dtype = self._model.dtype
        mask = torch.zeros(sees.shape, dtype=dtype).masked_fill_(~sees, torch.finfo(dtype).min)
        logits: torch.Tensor = self._model(
            input_ids=input_ids.to(self._device),
            attention_mask=mask[:, None].to(self._device),
            position_ids=position_ids.to(self._device),
            past_key_values=_copied(prompts.keys),
            use_cache=True,
        ).logits
        return logits

    # A row for each beginning

    def _rows(self, questions: Sequence[Weighed], prompts: _Prompts) -> Iterator[tuple[int, NextTokens]]:
        """For each row what follows its nodes, by prompts that are continued once for each beginning."""
        reads = [(row, read) for row, read in _numbered_reads(questions) if read.beginning]
        before, longest = prompts.seen.shape[1], max(len(read.beginning) for _, read in reads)
        for batch in _split(reads, min(KEYS_AT_ONCE // (before + longest), NODES_AT_ONCE // longest)):
            rows = torch.tensor([row for row, _ in batch], device=self._device)
            longest = max(len(read.beginning) for _, read in batch)
            tokens = [[*read.beginning, *[self._pad] * (longest - len(read.beginning))] for _, read in batch]
            filled = [[1] * len(read.beginning) + [0] * (longest - len(read.beginning)) for _, read in batch]
            logits = self._model(
                input_ids=torch.tensor(tokens, device=self._device),
                attention_mask=torch.cat(
                    [prompts.seen[rows], torch.tensor(filled, device=self._device)], dim=1
                ),
                position_ids=prompts.lengths[rows][:, None] + torch.arange(longest, device=self._device),
                past_key_values=_rows_of(prompts.keys, rows),
                use_cache=True,
            ).logits
            for (row, read), after in zip(batch, logits, strict=True):
                places = {read.beginning[: end + 1]: end for end in range(len(read.beginning))}
                yield row, _predicted(after, places, read.predicts)

    def _apart(self, questions: Sequence[Weighed]) -> list[NextTokens]:
        """What follows prompts and nodes, each beginning read with its prompt."""
        following: list[NextTokens] = [{} for _ in questions]
        reads = _numbered_reads(questions)
        deepest = 1 + max(len(read.beginning) for _, read in reads)
        longest = deepest + max(len(question.prompt) for question in questions)
        for batch in _split(reads, min(KEYS_AT_ONCE // longest, NODES_AT_ONCE // deepest)):
            texts = [[*questions[row].prompt, *read.beginning] for row, read in batch]
            longest = max(map(len, texts))
            seen = torch.tensor(
                [[0] * (longest - len(text)) + [1] * len(text) for text in texts], device=self._device
            )
            padded = [[self._pad] * (longest - len(text)) + text for text in texts]
            logits = self._model(
                input_ids=torch.tensor(padded, device=self._device),
                attention_mask=seen,
                position_ids=(seen.cumsum(dim=1) - 1).clamp(min=0),
                logits_to_keep=deepest,
            ).logits
            for (row, read), after in zip(batch, logits, strict=True):
                # The last of them follows the beginning, the one before it all but its last token.
                last = after.shape[0] - 1 - len(read.beginning)
                places = {read.beginning[:end]: last + end for end in range(len(read.beginning) + 1)}
                following[row].update(_predicted(after, places, read.predicts))
        return following

    # What a model can do

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _can(self, reading: Reading) -> bool:
        """Whether it gives the tokens of a small question the log-probabilities of a plain reading."""
        trial = ChoiceReader(self._model, self._pad, reading=reading)
        size = self._model.get_input_embeddings().num_embeddings
        tokens = [(37 * number + 11) % size for number in range(64)]
        choices = [tokens[40:43], [*tokens[40:42], tokens[44]], [tokens[40], *tokens[45:50]], tokens[50:52]]
        questions = [
            Weighed(tokens[:11], trie_of(choices)),
            Weighed(tokens[11:30], trie_of([tokens[50:53], *choices[:2]])),
        ]
        try:
            prompts = trial._prompts([question.prompt for question in questions], Shared(), keep=True)
            if reading == "tree" and any(type(layer) is not DynamicLayer for layer in prompts.keys.layers):
                return False  # a window or a state: what a token sees is not for a mask to say
            following = trial.read(questions)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            return False  # the model takes no such mask, or keeps no such keys
        bound = bound_of(str(self._model.dtype).removeprefix("torch."))
        pairs = itertools.chain.from_iterable(map(self._pairs, questions, following))
        return all(abs(logprob - plain) <= bound for logprob, plain in pairs)

    def _pairs(self, question: Weighed, following: NextTokens) -> Iterator[tuple[float, float]]:
        """Each token's log-probability as it was read, and as a plain reading has it."""
        for beginning, tokens in question.trie.following.items():
            text = torch.tensor([[*question.prompt, *beginning]], device=self._device)
            plain = self._model(input_ids=text).logits[0, -1].float().log_softmax(dim=-1)
            for token in tokens:
                yield following[beginning][token], float(plain[token])


def batches(questions: Sequence[Weighed]) -> Iterator[tuple[list[int], int]]:
    """Places of questions with about as many tokens, in their prompts and in their tries, and how
    many of them may be read at once."""
    alike: dict[tuple[int, int], list[int]] = {}
    for place in sorted(range(len(questions)), key=lambda place: len(questions[place].prompt)):
        question = questions[place]
        size = len(question.prompt).bit_length(), len(question.trie.nodes).bit_length()
        alike.setdefault(size, []).append(place)
    for places in alike.values():
        widest = max(len(questions[place].trie.nodes) for place in places)
        longest = widest + max(len(questions[place].prompt) for place in places)
        room = min(PROMPTS_AT_ONCE, NODES_AT_ONCE // max(1, widest), KEYS_AT_ONCE // longest)
        yield places, max(1, room)


def shared_tokens(prompts: Sequence[list[int]]) -> int:
    """How many tokens all prompts begin with, their last ones left out; 0 for a single prompt."""
    if len(prompts) < 2:
        return 0
    # What the first and the last in order begin with, all between them begin with, too.
    lowest, highest = min(prompts), max(prompts)
    limit = min(map(len, prompts)) - 1
    parting = (place for place in range(limit) if lowest[place] != highest[place])
    return next(parting, limit)


@lru_cache(maxsize=256)
def _layout(trie: Trie) -> _Layout:
    place = {node: index for index, node in enumerate(trie.nodes)}
    sees = torch.eye(len(place), dtype=torch.bool)
    for node, index in place.items():
        if len(node) > 1:
            sees[index] |= sees[place[node[:-1]]]
    return _Layout(
        tokens=torch.tensor([node[-1] for node in place], dtype=torch.long),
        depths=torch.tensor([len(node) for node in place], dtype=torch.long),
        sees=sees,
    )


def _predicted(
    logits: torch.Tensor, places: Mapping[Beginning, int], wanted: Mapping[Beginning, Sequence[int]]
) -> NextTokens:
    """Log-probabilities of the wanted tokens, of those after beginnings that have a place in
    `logits`, (places × vocabulary)."""
    pairs: list[tuple[Beginning, int]] = []
    for beginning, tokens in wanted.items():
        if beginning in places:
            pairs += [(beginning, token) for token in tokens]
    if not pairs:
        return {}
    rows = torch.tensor([places[beginning] for beginning, _ in pairs], device=logits.device)
    columns = torch.tensor([token for _, token in pairs], device=logits.device)
    logits = logits.float()
    logprobs = (logits[rows, columns] - logits.logsumexp(dim=-1)[rows]).tolist()
    following: NextTokens = {}
    for (beginning, token), logprob in zip(pairs, logprobs, strict=True):
        following.setdefault(beginning, {})[token] = logprob
    return following


def _copied(keys: Any) -> Any:
    """A cache to go on from, which leaves the other as it is: its layers join tensors to new ones."""
    copied = copy.copy(keys)
    copied.layers = [copy.copy(layer) for layer in keys.layers]
    return copied


def _rows_of(keys: Any, rows: torch.Tensor) -> Any:
    """A cache with these rows of another, some of them several times."""
    copied = _copied(keys)
    copied.reorder_cache(rows)
    return copied


def _numbered_reads(questions: Sequence[Weighed]) -> list[tuple[int, Read]]:
    """What is to be read for each question, with the question's place."""
    reads: list[tuple[int, Read]] = []
    for row, question in enumerate(questions):
        reads += [(row, read) for read in question.trie.reads]
    return reads


def _split(reads: Sequence[tuple[int, Read]], size: int) -> Iterator[Sequence[tuple[int, Read]]]:
    for start in range(0, len(reads), max(1, size)):
        yield reads[start : start + max(1, size)]
