"""Say what a tokenizer, a chat template and a configuration make of the prompts of a sweep.

Pure functions of what was loaded: no model is, and nothing is answered.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from harness.counts import agreeing, count_of
from harness.engines.completion import answer_text
from harness.engines.encode import NO_TOKENS, Encoded, PromptEncoder
from harness.engines.engine import check_vocabulary, context_length
from harness.engines.held import cannot_be_held
from harness.errors import UserError, shortened
from harness.preflight.chat import chat_remarks
from harness.preflight.conversations import conversation_remarks
from harness.preflight.job import ModelJob, PromptProbe, Remark, TrainingProbe
from harness.sweep.thoughts import MAX_THOUGHT_TOKENS
from harness.task import Rendered

Announce = Callable[[str], None]
"""Told what is about to be done, which may never end."""


def look(job: ModelJob, tokenizer: Any, config: Any, announce: Announce = lambda _: None) -> Iterator[Remark]:
    """What is worth telling of a model and of what it makes of the sweep's prompts;
    `refuse` where it can come to nothing.

    `config`: of transformers.
    """
    context = context_length(config, None)
    if context < 1:
        sentence = f"its context is of {context} tokens: correct max_position_embeddings in its config.json"
        yield Remark(severity="refuse", fact="context", sentence=sentence)
        return
    yield from _vocabulary(tokenizer, config)
    yield from _end_of_answer(job, tokenizer)
    try:
        encoder = PromptEncoder.of(tokenizer, job)
    except UserError as error:
        yield Remark(severity="refuse", fact="chat", sentence=str(error))
        return
    if encoder.chat:
        announce("rendering its chat template")
        remarks = list(chat_remarks(job, tokenizer, config))
        yield from remarks
        if any(remark.severity == "refuse" for remark in remarks):
            return
        yield from _begun_apart(tokenizer, encoder)
        yield from _thoughts(job, encoder)
    for probe in job.prompts:
        announce(f"rendering prompts of task '{probe.task}'")
        try:
            rendered = [Rendered(**row["prompt"]) for row in probe.rows]
            prompts = encoder.prompts(rendered)
            targets = [str(row["target"]) for row in probe.rows]
            answers = encoder.answer_texts(list(zip(rendered, targets, strict=True)), prompts)
        except UserError as error:
            yield Remark(severity="refuse", fact="chat_template", task=probe.task, sentence=str(error))
            return
        yield from conversation_remarks(probe.task, rendered, prompts, encoder)
        yield from _prompts(probe, prompts, answers, encoder, config)
    trainings = () if tokenizer.eos_token_id is None else job.trainings
    for training in trainings:
        announce(f"encoding training samples of task '{training.task}'")
        yield from _training(training, encoder, config)


# The model


def _vocabulary(tokenizer: Any, config: Any) -> Iterator[Remark]:
    rows = getattr(config, "vocab_size", None)
    if not isinstance(rows, int):
        return
    try:
        check_vocabulary(tokenizer, rows)
    except UserError as error:
        yield Remark(severity="refuse", fact="vocabulary", sentence=str(error))


def _thoughts(job: ModelJob, encoder: PromptEncoder) -> Iterator[Remark]:
    """Whether answers take longer than their tasks say because the model may think first."""
    if job.max_thought_tokens is not None or all(probe.output != "generate" for probe in job.prompts):
        return
    (chat,) = encoder.prompts([Rendered([{"role": "user", "content": "a"}], "a")])
    if chat.thought.empty:
        yield Remark(
            severity="note",
            fact="thoughts",
            sentence="the chat template lets the model think before it answers: up to "
            f"{MAX_THOUGHT_TOKENS:,} tokens an answer, besides max_tokens; say how many with "
            "max_thought_tokens (0: it answers at once)",
        )


def _begun_apart(tokenizer: Any, encoder: PromptEncoder) -> Iterator[Remark]:
    """Whether a chat begins with the token that a plain text begins with."""
    bos = tokenizer.bos_token_id
    if bos is None or tokenizer("a")["input_ids"][0] != bos:
        return
    (chat,) = encoder.prompts([Rendered([{"role": "user", "content": "a"}], "a")])
    if chat.token_ids[0] != bos:
        yield Remark(
            severity="note",
            fact="beginning",
            sentence=f"plain texts begin with {tokenizer.bos_token!r}, and chats do not: the chat template "
            "does not write it",
        )


def _end_of_answer(job: ModelJob, tokenizer: Any) -> Iterator[Remark]:
    if tokenizer.eos_token_id is not None:
        return
    writes = any(probe.output == "generate" for probe in job.prompts)
    if not (writes or job.trainings):
        return
    consequence = (
        "a tuned answer has no end to learn" if job.trainings else "every answer runs on to max_tokens"
    )
    yield Remark(
        severity="refuse" if job.trainings else "warn",
        fact="end_of_answer",
        sentence=f"the tokenizer has no eos_token, so {consequence}; name the token that ends an answer as "
        "eos_token in tokenizer_config.json",
    )


# Prompts of a task


def _prompts(
    probe: PromptProbe,
    prompts: Sequence[Encoded],
    targets: Sequence[str],
    encoder: PromptEncoder,
    config: Any,
) -> Iterator[Remark]:
    """`targets`: as they follow the prompts."""
    if not all(prompt.token_ids for prompt in prompts):
        yield Remark(severity="refuse", fact="prompt", task=probe.task, sentence=NO_TOKENS)
        return
    refusal = cannot_be_held(encoder.tokenizer) if probe.is_held else None
    if refusal is not None:
        yield Remark(severity="refuse", fact="structured_outputs", task=probe.task, sentence=refusal)
        return
    pairs = list(zip(encoder.without_thoughts(prompts), targets, strict=True))
    answers = list(zip(targets, encoder.answers(pairs), strict=True))
    yield from _merging(probe, prompts, targets, encoder.tokenizer)
    yield from _room(probe, prompts, answers, config)
    if probe.output == "generate" and not probe.num_fewshot:  # the same targets, whatever stands before them
        yield from _target_lengths(probe, answers)
        yield from _ends_within(probe, prompts, answers, encoder)
        yield from _otherwise_back(probe, prompts, answers, encoder.tokenizer)


def _merging(
    probe: PromptProbe, prompts: Sequence[Encoded], targets: Sequence[str], tokenizer: Any
) -> Iterator[Remark]:
    """Whether the tokens of a prompt stay what they are when its answer follows."""
    merging = 0
    for prompt, target in zip(prompts, targets, strict=True):
        texts = [prompt.text, prompt.text + prompt.before + target]
        alone, joined = tokenizer(texts, add_special_tokens=False)["input_ids"]
        merging += joined[: len(alone)] != alone
    if merging:
        yield Remark(
            severity="note",
            fact="joined_encoding",
            task=probe.task,
            sentence=f"in {merging} of {count_of(len(prompts), 'sample')} looked at, the answer merges "
            "with the end of its prompt into one token: a model that is asked the prompt can never write it. "
            "The prompt keeps its own tokens; a prompt that ends in a whole word, or a target_delimiter, "
            "avoids that",
        )


def _room(
    probe: PromptProbe, prompts: Sequence[Encoded], answers: Sequence[tuple[str, list[int]]], config: Any
) -> Iterator[Remark]:
    """Whether prompts and their answers fit the context, as `harness.engines.questions` asks it."""
    context = context_length(config, probe.max_model_len)
    beyond = []
    for prompt, (_, answer) in zip(prompts, answers, strict=True):
        room = {"generate": probe.max_tokens, "choice": len(answer), "perplexity": 2}[probe.output]
        if len(prompt.token_ids) + room > context:
            beyond.append(len(prompt.token_ids) + room)
    if not beyond:
        return
    all_are = len(beyond) == len(prompts)
    shots = f" with {count_of(probe.num_fewshot, 'demonstration')}" if probe.num_fewshot else ""
    prompts_take = (
        f"{_part_of(len(prompts), 'prompt', len(beyond))} looked at{shots} {agreeing('take', len(beyond))}"
    )
    remedies = ["shorten the prompts"]
    remedies += ["lower num_fewshot"] if probe.num_fewshot else []
    remedies += ["lower max_tokens"] if probe.output == "generate" else []
    if context < getattr(config, "max_position_embeddings", context + 1):
        remedies.append("raise max_model_len")
    if len(beyond) == 1:
        outcome = "it is cut" if probe.may_be_cut else "its sample has no answer"
    else:
        outcome = "they are cut" if probe.may_be_cut else "their samples have no answer"
    yield Remark(
        severity="refuse" if all_are and not probe.may_be_cut else "warn",
        fact="context",
        task=probe.task,
        sentence=f"{prompts_take} more than the context of {context:,} tokens, up "
        f"to {max(beyond):,} with the answer: {outcome}; {' or '.join(remedies)}",
    )


def _target_lengths(probe: PromptProbe, answers: Sequence[tuple[str, list[int]]]) -> Iterator[Remark]:
    lengths = [len(answer) for _, answer in answers]
    longer = sum(length > probe.max_tokens for length in lengths)
    if not longer:
        return
    yield Remark(
        severity="warn",
        fact="max_tokens",
        task=probe.task,
        sentence=f"{longer} of {count_of(len(lengths), 'target')} looked at {agreeing('are', longer)} longer "
        f"than max_tokens = {probe.max_tokens} in this model's tokens, the longest {max(lengths):,}: "
        f"right answers are cut; set max_tokens to {max(lengths) + 1} or more in [generation] or in the task",
    )


def _otherwise_back(
    probe: PromptProbe,
    prompts: Sequence[Encoded],
    answers: Sequence[tuple[str, list[int]]],
    tokenizer: Any,
) -> Iterator[Remark]:
    """Targets whose tokens are those of another text, as where a tokenizer writes all words in lower case."""
    changed = []
    for prompt, (target, token_ids) in zip(prompts, answers, strict=True):
        expected = f"{target}{prompt.after}".strip()
        text = answer_text(tokenizer, prompt.token_ids, token_ids).strip()
        if text != expected:
            changed.append((expected, text))
    if changed:
        target, text = changed[0]
        yield Remark(
            severity="warn",
            fact="read_back",
            task=probe.task,
            sentence=f"{len(changed)} of {count_of(len(answers), 'target')} looked at "
            f"{agreeing('come', len(changed))} back from this model's tokens as another text, such as "
            f"{shortened(target, 60)!r} as {shortened(text, 60)!r}: no answer matches "
            "exactly; reword such targets, or rank by another metric",
        )


def _ends_within(
    probe: PromptProbe,
    prompts: Sequence[Encoded],
    answers: Sequence[tuple[str, list[int]]],
    encoder: PromptEncoder,
) -> Iterator[Remark]:
    """Targets that hold a token or a text with which every answer ends."""
    ends = set(encoder.stop_token_ids)
    held_ends = []
    for prompt, (target, token_ids) in zip(prompts, answers, strict=True):
        tokens = encoder.tokenizer.convert_ids_to_tokens([token for token in token_ids if token in ends])
        texts = [text for text in prompt.turn_ends if text in target]
        held_ends += [(kind, end, target) for kind, end in (("token", tokens), ("text", texts)) if end]
    if not held_ends:
        return
    kind, end, target = held_ends[0]
    yield Remark(
        severity="refuse",
        fact="special_tokens",
        task=probe.task,
        sentence=f"{len(held_ends)} of {count_of(len(answers), 'target')} looked at "
        f"{agreeing('hold', len(held_ends))} a {kind} that ends an answer of this model, such as "
        f"{end[0]!r} in {shortened(target, 60)!r}: what follows it is never written; reword such targets",
    )


# Training


def _training(probe: TrainingProbe, encoder: PromptEncoder, config: Any) -> Iterator[Remark]:
    """Whether samples are short enough to be trained on, as `harness.training.samples` asks it."""
    longest = min(probe.max_length, int(getattr(config, "max_position_embeddings", probe.max_length)))
    samples = encoder.completed([(Rendered(**row["prompt"]), row["target"]) for row in probe.rows])
    lengths = [len(sample.prompt) + len(sample.answer) for sample in samples]
    longer = sum(length > longest for length in lengths)
    if not longer:
        return
    all_are = longer == len(lengths)
    yield Remark(
        severity="refuse" if all_are else "warn",
        fact="max_length",
        task=probe.task,
        sentence=f"{_part_of(len(lengths), 'training sample', longer)} "
        f"looked at {agreeing('are', longer)} longer than {longest:,} tokens, up to {max(lengths):,}: "
        f"{'they are' if longer > 1 else 'it is'} not trained on; raise max_length"
        + (f" (the model's context ends at {longest:,})" if longest < probe.max_length else ""),
    )


def _part_of(total: int, noun: str, part: int) -> str:
    """`2 of 3 prompts`, `all 3 prompts`, `the 1 prompt`."""
    which = f"{part} of" if part < total else "all" if total > 1 else "the"
    return f"{which} {count_of(total, noun)}"
