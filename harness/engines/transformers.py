"""The transformers engine: the reference in tests, and the engine where vLLM is not to be had."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from transformers import AutoTokenizer, GenerationConfig, StoppingCriteria

from harness.engines.choices import NextTokens, logprob_of, trie_of
from harness.engines.completion import READ_ALONG, text_after, written_text
from harness.engines.encode import NO_END
from harness.engines.engine import (
    MAX_NUM_SEQS,
    Answered,
    Choose,
    Completion,
    Generate,
    Likelihood,
    Measure,
    OutOfMemory,
    Reference,
    Request,
    Sampling,
    check_vocabulary,
    context_length,
    stop_token_ids,
)
from harness.engines.reference import TransformersReference
from harness.engines.weighing import ChoiceReader, Weighed, batches
from harness.engines.weights import load_model
from harness.errors import UserError
from harness.records.costs import device_name
from harness.sweep.engines import Way
from harness.workers.memory import is_out_of_memory

BATCH = 32
"""The most sequences at a time."""

LOGITS_AT_ONCE = 4096
"""Tokens of a batch whose logits are kept."""

ItemT = TypeVar("ItemT")
OutcomeT = TypeVar("OutcomeT")


class LoadedEngine:
    """Answers with a model in memory, such as one in the middle of its training: batched generation,
    left-padded, with the key-value cache.

    A sampled answer (temperature above 0) repeats with its seed only in the same batch: torch has one stream
    of random numbers for all of its rows.
    """

    way: Way = "swap"
    num_devices = 1

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        max_model_len: int | None = None,
        max_num_seqs: int = MAX_NUM_SEQS,
    ) -> None:
        """The model must be on its device, and its own `generation_config` is emptied."""
        self.name = f"transformers {transformers.__version__}"
        self.device, self.dtype = device_name(), str(model.dtype).removeprefix("torch.")
        self.tokenizer = tokenizer
        self._size = min(max_num_seqs, BATCH)
        self._compilers: dict[tuple[int, ...], Any] = {}
        """Of grammars, by the tokens that end an answer."""

        self._reader: ChoiceReader | None = None
        self._hold(model)
        check_vocabulary(tokenizer, model.get_input_embeddings().num_embeddings)
        self.context = context_length(model.config, max_model_len)
        self.parameters = sum(tensor.numel() for tensor in model.parameters())

    def use(self, arms: Sequence[Path | None]) -> Reference:
        """See `Engine.use`: it has the one arm that it was given."""
        assert list(arms) == [None], "a model in memory is its only arm"
        return TransformersReference(self._model)

    def _hold(self, model: Any) -> None:
        self._model = model.eval()
        self._device = model.device
        self._stop = stop_token_ids(self.tokenizer, model.generation_config.eos_token_id)
        # A model's own sampling defaults (a repetition penalty, say) would bend what `generate` is asked for.
        model.generation_config = GenerationConfig()
        # All that it holds are of one architecture.
        reading = self._reader.tried if self._reader else None
        self._reader = ChoiceReader(model, self._pad, reading=reading)

    def answer(self, requests: Sequence[Request]) -> Iterator[Answered]:
        """See `Engine.answer`. Requests of about the same length share a batch."""
        order = sorted(range(len(requests)), key=lambda place: len(requests[place].prompt))
        written: dict[Sampling, list[tuple[int, Generate]]] = {}
        chosen: list[tuple[int, Choose]] = []
        measured: list[tuple[int, Measure]] = []
        for place in order:
            request = requests[place]
            if isinstance(request, Generate):
                written.setdefault(replace(request.sampling, choice=()), []).append((place, request))
            elif isinstance(request, Choose):
                chosen.append((place, request))
            else:
                measured.append((place, request))
        for sampling, group in written.items():
            for (place, _), answer in self._in_batches(group, self._size, partial(self._write, sampling)):
                yield Answered(place, answer)
        yield from self._choose(chosen)
        longest = 1 + max((len(request.continuation) for _, request in measured), default=0)
        for (place, _), answer in self._in_batches(measured, LOGITS_AT_ONCE // longest, self._measure):
            yield Answered(place, answer)

    def _in_batches(
        self, items: Sequence[ItemT], size: int, work: Callable[[Sequence[ItemT]], Sequence[OutcomeT]]
    ) -> Iterator[tuple[ItemT, OutcomeT]]:
        """Each item with what `work` makes of it, in batches that the device has memory for."""
        start = 0
        while start < len(items):
            batch = items[start : start + max(1, min(size, self._size))]
            try:
                outcomes = work(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(batch) == 1:
                    raise OutOfMemory(
                        f"the device has no memory for one sequence of {self.context} tokens ({error})"
                    ) from None
                self._size = len(batch) // 2
                torch.cuda.empty_cache()
                continue
            yield from zip(batch, outcomes, strict=True)
            start += len(batch)

    # Written answers

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _write(self, sampling: Sampling, batch: Sequence[tuple[int, Generate]]) -> list[list[Completion]]:
        torch.manual_seed(sampling.seed)
        drawn = (
            {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
            if sampling.temperature
            else {}
        )
        config = GenerationConfig(
            max_new_tokens=sampling.max_tokens,
            do_sample=bool(drawn),
            num_return_sequences=sampling.n,
            eos_token_id=sorted(self._ends(sampling)) or None,
            pad_token_id=self._pad,
            return_dict_in_generate=True,
            output_logits=sampling.logprobs,
            **drawn,
        )
        input_ids, mask = self._left_padded([request.prompt for _, request in batch])
        strings = _StopStrings(self.tokenizer, sampling.stop, answers_begin=input_ids.shape[1])
        output = self._model.generate(
            input_ids=input_ids,
            attention_mask=mask,
            generation_config=config,
            logits_processor=self._constraints(batch, sampling),
            stopping_criteria=[strings] if sampling.stop else [],
        )
        rows = output.sequences[:, input_ids.shape[1] :]
        logprobs: list[list[float]] | None = None
        if sampling.logprobs:
            steps = torch.stack(output.logits, dim=1).float().log_softmax(dim=-1)
            logprobs = steps.gather(2, rows[:, :, None])[:, :, 0].tolist()
        completions = [
            self._completion(
                batch[row // sampling.n][1],
                token_ids[: strings.ends.get(row)],
                sampling,
                None if logprobs is None else logprobs[row],
                row in strings.ends,
            )
            for row, token_ids in enumerate(rows.tolist())
        ]
        return [completions[start : start + sampling.n] for start in range(0, len(completions), sampling.n)]

    def _completion(
        self,
        request: Generate,
        row: list[int],
        sampling: Sampling,
        logprobs: list[float] | None,
        at_string: bool,
    ) -> Completion:
        """`row`: a row of the batch, up to where a string ended its answer if one did."""
        ends = self._ends(sampling)
        ended = next((index for index, token in enumerate(row) if token in ends), None)
        token_ids = row if ended is None else row[: ended + 1]
        return Completion(
            written_text(self.tokenizer, request.prompt, row[:ended], sampling),
            token_ids,
            "length" if ended is None and not at_string else "stop",
            None if logprobs is None else logprobs[: len(token_ids)],
        )

    def _ends(self, sampling: Sampling) -> set[int]:
        """Every token that ends an answer."""
        return {*self._stop, *sampling.stop_token_ids}

    def _constraints(self, batch: Sequence[tuple[int, Generate]], sampling: Sampling) -> list[Any]:
        """What lets each row of the batch write only what its request allows."""
        choices = [request.sampling.choice for _, request in batch]
        if not sampling.json and not any(choices):
            return []
        compiler = self._compiler(sampling)
        if sampling.json:
            grammars = [compiler.compile_json_schema(sampling.json, any_whitespace=False)] * len(batch)
        else:
            grammars = [compiler.compile_grammar(_one_of(texts)) for texts in choices]
        by_row = []  # each prompt has a row per draw
        for grammar in grammars:
            by_row += [grammar] * sampling.n
        from xgrammar.contrib.hf import LogitsProcessor

        return [LogitsProcessor(by_row)]

    def _compiler(self, sampling: Sampling) -> Any:
        """What makes grammars after which an answer must end."""
        try:
            import xgrammar
        except ImportError:
            raise UserError(
                "structured_outputs takes xgrammar, which is not installed here: pip install xgrammar "
                "(vLLM brings it)"
            ) from None
        ends = tuple(sorted(self._ends(sampling)))
        if not ends:
            raise UserError(f"structured_outputs: {NO_END}")
        if ends not in self._compilers:
            size = self._model.get_output_embeddings().out_features
            tokenizer_info = xgrammar.TokenizerInfo.from_huggingface(
                self.tokenizer, vocab_size=size, stop_token_ids=list(ends)
            )
            self._compilers[ends] = xgrammar.GrammarCompiler(tokenizer_info)
        return self._compilers[ends]

    # Given answers

    def _choose(self, requests: Sequence[tuple[int, Choose]]) -> Iterator[Answered]:
        """See `ChoiceReader` for what is read after each prompt."""
        reader = self._reader
        assert reader is not None, "a model is held"
        questions = [Weighed(request.prompt, trie_of(request.choices)) for _, request in requests]
        shared = reader.shared([question.prompt for question in questions])
        for places, size in batches(questions):
            group = [(requests[place], questions[place]) for place in places]

            def read(batch: Sequence[tuple[tuple[int, Choose], Weighed]]) -> list[NextTokens]:
                next_tokens: list[NextTokens] = reader.read([question for _, question in batch], shared)
                return next_tokens

            for ((place, request), _), next_tokens in self._in_batches(group, size, read):
                yield Answered(place, [logprob_of(choice, next_tokens) for choice in request.choices])

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _measure(self, batch: Sequence[tuple[int, Measure]]) -> list[Likelihood]:
        keep = 1 + max(len(request.continuation) for _, request in batch)
        input_ids, mask = self._left_padded([request.prompt + request.continuation for _, request in batch])
        logits = self._read(input_ids, mask, keep=keep)
        likelihoods = []
        for row, (_, request) in enumerate(batch):
            # The token at place i is predicted at place i − 1; with left padding the text ends at the right
            # edge.
            predicted = logits[row, -len(request.continuation) - 1 : -1].float().log_softmax(dim=-1)
            wanted = torch.tensor(request.continuation, device=self._device)
            greedy = bool((predicted.argmax(dim=-1) == wanted).all())
            likelihoods.append(Likelihood(float(predicted.gather(1, wanted[:, None]).sum()), greedy))
        return likelihoods

    def _read(self, input_ids: torch.Tensor, mask: torch.Tensor, *, keep: int) -> torch.Tensor:
        """The logits of the last `keep` tokens, (rows × keep × vocabulary)."""
        position_ids = (mask.cumsum(dim=1) - 1).clamp(min=0)
        logits: torch.Tensor = self._model(
            input_ids=input_ids, attention_mask=mask, position_ids=position_ids, logits_to_keep=keep
        ).logits
        return logits

    @property
    def _pad(self) -> int:
        """What fills rows up; nothing attends to it."""
        token_ids = (self.tokenizer.pad_token_id, self.tokenizer.eos_token_id)
        return next((int(token_id) for token_id in token_ids if token_id is not None), 0)

    def _left_padded(self, rows: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and attention mask, both (rows × longest row)."""
        longest = max(len(row) for row in rows)
        padded = [[self._pad] * (longest - len(row)) + row for row in rows]
        mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        return torch.tensor(padded, device=self._device), torch.tensor(mask, device=self._device)


class TransformersEngine(LoadedEngine):
    """One base model and its arms, each loaded when it is used; float32 on CPUs, bfloat16 on CUDA."""

    def __init__(
        self,
        model: str,
        revision: str | None,
        *,
        max_model_len: int | None = None,
        max_num_seqs: int = MAX_NUM_SEQS,
    ) -> None:
        self._base, self._revision = model, revision
        tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
        super().__init__(self._load(None), tokenizer, max_model_len=max_model_len, max_num_seqs=max_num_seqs)

    def use(self, arms: Sequence[Path | None]) -> Reference:
        """See `Engine.use`."""
        (weights,) = arms
        self._hold(self._load(weights))
        return TransformersReference(self._model)

    def _load(self, weights: Path | None) -> Any:
        on_cuda = torch.cuda.is_available()
        model: Any = load_model(
            self._base, self._revision, weights, dtype=torch.bfloat16 if on_cuda else torch.float32
        )
        return model.to("cuda" if on_cuda else "cpu")


class _StopStrings(StoppingCriteria):  # type: ignore[misc]
    """Ends each row whose answer has a stop string in it. transformers' own criterion reads the prompt, too:
    a string that begins there would end an answer at its first token."""

    def __init__(self, tokenizer: Any, strings: Sequence[str], *, answers_begin: int) -> None:
        """`answers_begin`: the column after the prompts."""
        self._tokenizer, self._strings = tokenizer, strings
        self._begin = answers_begin
        # A character takes four tokens at most.
        self._longest = 1 + 4 * max(map(len, strings), default=0)
        self.ends: dict[int, int] = {}
        """By row, the number of its answer's tokens where a string ended it."""

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        length = input_ids.shape[1]
        begin = max(self._begin, length - self._longest)
        before = input_ids[:, max(0, begin - READ_ALONG) : begin].tolist()
        for row, (read, written) in enumerate(zip(before, input_ids[:, begin:].tolist(), strict=True)):
            if row in self.ends:
                continue
            text = text_after(self._tokenizer, read, written)
            if any(string in text for string in self._strings):
                self.ends[row] = length - self._begin
        ended = [row in self.ends for row in range(len(input_ids))]
        return torch.tensor(ended, device=input_ids.device)


def _one_of(texts: Sequence[str]) -> str:
    """A grammar, in xgrammar's notation, of one of these texts."""
    return "root ::= " + " | ".join(json.dumps(text, ensure_ascii=False) for text in texts)
