"""Guards: prove at run time that the engine answers with the weights it was given.

A few prompts of the sweep's own, the canaries, are answered greedily after every swap, and the engine's words
are weighed again by transformers, which reads the same weights. They are longer than a block of the prefix
cache where the context allows it, so that keys and values left over from other weights are noticed, too.

What transformers reads must be what was trained: a few dev samples are encoded as scoring encodes, and found
as likely as the training process found them with its own model.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.engines.encode import PromptEncoder
from harness.engines.engine import Completion, Engine, Generate, Reference, Sampling, bound_of
from harness.records.generation import GuardRecord
from harness.records.probes import TrainingProbes, probes_beside
from harness.records.store import read_record
from harness.task import Rendered

CANARIES, LONGEST, NEW_TOKENS = 6, 512, 8
"""The number of prompts, their most tokens, and the tokens that are written after each."""

BOUND_OF_FOUR_BITS = 1.5
"""The bound on the mean difference between an adapter beside weights of four bits, and merged into the
weights that were rounded: rounding alone moves SmolLM2 (135 million parameters) by 0.9 a token of answers
that it was not tuned for, and larger models by less."""

OTHER_TOKEN = 1e-6
"""The least difference of two answers with other tokens, even where those are equally likely."""


class Canaries:
    """Prompts that an engine must answer as transformers does. Made while the engine has the base's
    weights."""

    def __init__(self, engine: Engine, prompts: Iterable[list[int]]) -> None:
        """`prompts`: token ids; the longest that fit are taken, cut where they are very long."""
        room = min(LONGEST, engine.context - NEW_TOKENS)
        chosen = sorted({tuple(prompt[:room]) for prompt in prompts}, key=len, reverse=True)[:CANARIES]
        assert chosen, "there is a prompt to score, so there is one to check with"
        self._engine = engine
        self._prompts = [list(prompt) for prompt in chosen]
        self.bound = bound_of(engine.dtype)
        reference = engine.use([None])
        self._base = self._answers(0)
        self.of_base = (self._matches(reference, 0, self._base),)
        """How the base itself did, at the engine's start."""

    def check(self, reference: Reference, arm: int, *, tuned: bool) -> tuple[GuardRecord, ...]:
        """Whether an arm in use answers with its own weights."""
        answers = self._answers(arm)
        matches = self._matches(reference, arm, answers)
        return (matches, self._differs(answers)) if tuned else (matches,)

    def base_repeats(self) -> GuardRecord:
        """Whether the base, back in the engine after the last swap, answers exactly as at its start."""
        self._engine.use([None])
        difference = _difference(self._answers(0), self._base)
        passed = difference == 0
        reason = "" if passed else (
            "after the engine's last swap its base no longer answered as at the start "
            f"(log-probabilities differ by up to {difference:.3g}): weights or cached keys of another arm "
            "were left in it"
        )  # fmt: skip
        return GuardRecord(
            name="base_repeats", passed=passed, value=_finite(difference), bound=0.0, reason=reason
        )

    def _answers(self, arm: int) -> list[Completion]:
        sampling = Sampling(max_tokens=NEW_TOKENS, logprobs=True)
        requests = [Generate(prompt, sampling, arm) for prompt in self._prompts]
        answers = sorted(self._engine.answer(requests), key=lambda answered: answered.place)
        return [answered.answer[0] for answered in answers]

    def _matches(self, reference: Reference, arm: int, answers: Sequence[Completion]) -> GuardRecord:
        worst, makes_numbers = 0.0, True
        for prompt, answer in zip(self._prompts, answers, strict=True):
            of_tokens, highest = reference.logprobs(arm, prompt, answer.token_ids)
            makes_numbers = makes_numbers and not any(map(math.isnan, of_tokens))
            assert answer.logprobs is not None, "they were asked for"
            for engines, transformers, best in zip(answer.logprobs, of_tokens, highest, strict=True):
                # Greedy writing takes the likeliest token: what transformers finds likelier is a difference,
                # too.
                worst = _worse(worst, abs(engines - transformers), best - transformers)
        passed = worst <= self.bound
        reason = ""
        if not makes_numbers:
            reason = (
                "transformers makes no numbers (NaN) of these weights, which must hold some that are none: "
                "the training diverged, or the file is damaged"
            )
        elif not passed:
            reason = (
                f"the engine's log-probabilities differ from transformers' by up to {worst:.3g} with the "
                f"same weights (allowed: {self.bound:g}): it answered with other weights, or with cached "
                "keys of others"
            )
        return GuardRecord(
            name="matches_transformers", passed=passed, value=_finite(worst), bound=self.bound, reason=reason
        )

    def _differs(self, answers: Sequence[Completion]) -> GuardRecord:
        difference = _difference(answers, self._base)
        passed = difference > 0
        reason = "" if passed else (
            "the tuned model answers exactly as its base: its weights were not applied, or training "
            "changed nothing"
        )  # fmt: skip
        return GuardRecord(
            name="differs_from_base", passed=passed, value=_finite(difference), bound=0.0, reason=reason
        )


def matches_training(
    reference: Reference, arm: int, weights: Path, *, encoder: PromptEncoder, dtype: str
) -> tuple[GuardRecord, ...]:
    """Whether an arm in use is the model that was trained, read as it was
    in training: `dtype` is the engine's.

    Empty for weights without probes: averaged ones, and those trained before there were any.
    """
    path = probes_beside(weights)
    if not path.exists():
        return ()
    trained = read_record(path, TrainingProbes)
    pairs = [(Rendered(**probe.prompt), probe.target) for probe in trained.probes]
    differences: list[float] = []
    for probe, completed in zip(trained.probes, encoder.completed(pairs), strict=True):
        if (*probe.prompt_tokens, *probe.answer_tokens) != (*completed.prompt, *completed.answer):
            return (_trained_on_other_tokens(),)
        logprobs, _ = reference.logprobs(arm, completed.prompt, completed.answer)
        differences += [abs(now - then) for now, then in zip(logprobs, probe.logprobs, strict=True)]
    bound = max(bound_of(trained.dtype), bound_of(dtype))
    value = _worse(*differences)
    if trained.four_bits:
        bound, value = BOUND_OF_FOUR_BITS, _worse(math.fsum(differences) / len(differences))
    passed = value <= bound
    reason = "" if passed else (
        "the weights that are scored are not those that were trained: tokens of dev are more or less likely "
        f"than at the end of the training, by {value:.3g} of a natural logarithm (allowed: {bound:g}); "
        "train again"
    )  # fmt: skip
    return (
        GuardRecord(name="matches_training", passed=passed, value=_finite(value), bound=bound, reason=reason),
    )


def _trained_on_other_tokens() -> GuardRecord:
    reason = (
        "scoring reads the prompts of training as other tokens than training did: its tokenizer, chat "
        "template or chat setting is another; train again, or put back what was changed"
    )
    return GuardRecord(
        name="matches_training", passed=False, value=_finite(math.inf), bound=0.0, reason=reason
    )


def _difference(answers: Sequence[Completion], base_answers: Sequence[Completion]) -> float:
    """The largest difference of log-probabilities up to where other tokens were written, which is a
    difference itself."""
    worst = 0.0
    for answer, base_answer in zip(answers, base_answers, strict=True):
        assert answer.logprobs is not None and base_answer.logprobs is not None, "they were asked for"
        for logprob, base_logprob, token, base_token in zip(
            answer.logprobs, base_answer.logprobs, answer.token_ids, base_answer.token_ids, strict=False
        ):
            worst = _worse(worst, abs(logprob - base_logprob))
            if token != base_token:
                break  # what follows other words is not comparable
        if answer.token_ids != base_answer.token_ids:
            worst = _worse(worst, OTHER_TOKEN)
    return worst


def _worse(*values: float) -> float:
    """The largest; what is not a number is as bad as can be."""
    return max(math.inf if math.isnan(value) else value for value in values)


def _finite(value: float) -> float:
    """JSON has no infinity; no model gives a probability with such a logarithm."""
    return min(value, 999.0)
