"""Forecast what a sweep will take before anything is loaded: tokens, operations and seconds, from stated
assumptions.

Good enough to tell minutes from days. Demonstrations that all prompts begin with count once in seconds, where
the engine keeps a prefix cache. Tokens are those that a model's tokenizer counted, or `Lengths` tells from
characters; a model's parameters are read from the headers of its weights, or from its name (`…-0.5B`); the
speeds below are what training and scoring reach in practice, far below a device's peak. Results carry the
measured figures.
"""

import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from harness.data.loaded import LoadedTask
from harness.plan.evaluation import judged_limit, samples_read
from harness.plan.halving import full_trainings, rungs, trials_at
from harness.plan.lengths import NO_COUNTS, Lengths
from harness.plan.selection import fewest_finalists, planned_trials
from harness.plan.token_counts import ModelCounts
from harness.records.costs import forward_flops, training_flops
from harness.sweep.methods import TUNERS
from harness.sweep.models import count_parameters
from harness.sweep.recipe import MetaLearning, Stage, Training
from harness.sweep.run import Run

CPU_FLOPS_PER_CORE = 3e10
"""Toy models reach this on a core of a server with AVX-512."""
GPU_FLOPS = 4e14
"""40 % of the 989 TFLOP/s of an H100 in bfloat16."""
ADAPTER_SHARE = 0.01
"""Parameters of a LoRA adapter, as a share of its base."""


@dataclass(frozen=True)
class _Planned:
    """A training, or the trials of a search: what they train on, and what they read and write on dev."""

    stage: Stage
    tokens: float
    eval_tokens: float


@dataclass(frozen=True)
class Forecast:
    """About what one run will take."""

    run: str
    state: str
    """`done` or `to do`; a finished run takes nothing more."""

    train_tokens: int
    """Trials of a search included; a training that several runs share counts for the first of them."""

    eval_tokens: int
    """Read and written on dev: for the evaluations of these trainings,
    and to judge the trials of a search."""

    score_tokens: int
    """0 where an earlier run, of another seed, is asked the very same and its answers are reused."""

    parameters: int | None
    """None when neither the weights nor the name of the model tell."""

    flops: float | None
    device_seconds: float | None
    is_counted: bool = False
    """Whether the model's own tokenizer counted its tokens; otherwise they are told from characters."""


def assumed_device() -> str:
    """The device that estimates are for: this machine's GPU, or its CPU."""
    return "cuda" if shutil.which("nvidia-smi") else f"cpu ({os.cpu_count()} cores)"


class Estimator:
    """Forecasts runs in order: what an earlier run trains or answers, a later one does not once more."""

    def __init__(
        self,
        tasks: Mapping[str, LoadedTask],
        *,
        counts: Mapping[str, ModelCounts] = NO_COUNTS,
        caches_prefixes: bool = False,
    ) -> None:
        """`counts`: what candidates' tokenizers counted. `caches_prefixes`: whether the engine reads once
        what prompts begin with alike."""
        self._tasks, self._caches_prefixes = tasks, caches_prefixes
        self._lengths, self._lengths_by_characters = Lengths(tasks, counts), Lengths(tasks)
        self._speed = GPU_FLOPS if assumed_device() == "cuda" else CPU_FLOPS_PER_CORE * (os.cpu_count() or 1)
        self._trained: set[tuple[object, ...]] = set()
        self._answered: set[str] = set()
        """Keys of runs that are the same for every seed, without their seeds."""

        self._parameters = cache(count_parameters)
        self._planned_stages: dict[tuple[str, Stage], _Planned] = {}

    def forecast(self, run: Run, *, done: bool) -> Forecast:
        """What a run will take on this machine beyond what earlier runs have trained."""
        trained = list(
            self._trainings(run)
        )  # of a run that is done, too: its weights are there for its guard runs
        answered = self._is_answered(run)
        if done:
            return Forecast(run.label, "done", 0, 0, 0, None, 0.0, 0.0)
        train_tokens = int(sum(planned.tokens for planned in trained))
        eval_tokens = int(sum(planned.eval_tokens for planned in trained))
        score_tokens = 0 if answered else self._score_tokens(run)
        parameters = self._parameters(run.candidate.model)
        if parameters is None:
            return Forecast(run.label, "to do", train_tokens, eval_tokens, score_tokens, None, None, None)
        flops = forward_flops(parameters, score_tokens + eval_tokens)
        for planned in trained:
            flops += _training_flops(planned.stage, parameters, int(planned.tokens))
        return Forecast(
            run=run.label,
            state="to do",
            train_tokens=train_tokens,
            eval_tokens=eval_tokens,
            score_tokens=score_tokens,
            parameters=parameters,
            flops=flops,
            device_seconds=(flops - forward_flops(parameters, self._cached_tokens(run, score_tokens)))
            / self._speed,
            is_counted=self._lengths.is_counted(run),
        )

    def trial(self, run: Run) -> tuple[float, float]:
        """Tokens that one trial of a run's search trains on when it is not dropped, and the seconds that
        takes.

        By them the number of trials is chosen. Tokens are told from characters here in any case, so that a
        plan is the same on a machine that has the model's tokenizer and on one that does not.
        """
        stage = run.stages[-1]
        rows = self._lengths_by_characters.rows(run.candidate.name, stage)
        tokens = max(1, _train_tokens(stage, rows))
        parameters = self._parameters(run.candidate.model) or 0
        flops = _training_flops(stage, parameters, tokens)
        flops += forward_flops(parameters, self._dev_tokens(stage, rows))
        return float(tokens), max(flops / self._speed, 1e-3)

    def _trainings(self, run: Run) -> Iterable[_Planned]:
        """The stages that no earlier run has trained, with their tokens."""
        candidate = run.candidate
        for number, stage in enumerate(run.stages):
            # While a search has not chosen its settings, the search itself stands for them.
            training_key = (
                candidate.name,
                candidate.model,
                candidate.chat,
                run.seed,
                id(run.search),
                run.stages[: number + 1],
            )
            if training_key not in self._trained:
                self._trained.add(training_key)
                yield self._planned(candidate.name, stage)
        if run.search is not None:
            search_key = (candidate.name, id(run.search), run.stages)
            if search_key not in self._trained:
                self._trained.add(search_key)
                yield self._trials(run)

    def _trials(self, run: Run) -> _Planned:
        """The trials of a run's search: their trainings, and their answers on dev at every rung."""
        assert run.search is not None, "there is something to choose"
        stage, settings = run.stages[-1], run.search.settings
        tokens, seconds = self.trial(run)
        count = planned_trials(run.search, tokens_per_trial=tokens, seconds_per_trial=seconds)
        ladder = rungs(settings.reduction_factor, settings.rungs)
        fewest = fewest_finalists(run.search)
        trainings = full_trainings(ladder, count, fewest=fewest)
        each = self._planned(run.candidate.name, stage)
        answered = sum(trials_at(ladder, count, fewest=fewest))
        limit = judged_limit(len(self._tasks[run.task].dataset.dev))
        answer_tokens = self._score_tokens(run.model_copy(update={"split": "dev", "limit": limit}))
        eval_tokens = trainings * each.eval_tokens + answered * answer_tokens
        return _Planned(stage, trainings * each.tokens, eval_tokens)

    def _is_answered(self, run: Run) -> bool:
        """Whether an earlier run has the answers of this one, which differs in its seed alone."""
        if not run.same_for_every_seed:
            return False
        key = run.model_copy(update={"seed": 0}).key
        answered = key in self._answered
        self._answered.add(key)
        return answered

    def _planned(self, candidate: str, stage: Stage) -> _Planned:
        """One training of a stage."""
        if (candidate, stage) not in self._planned_stages:
            rows = self._lengths.rows(candidate, stage)
            tokens, eval_tokens = _train_tokens(stage, rows), self._dev_tokens(stage, rows)
            self._planned_stages[candidate, stage] = _Planned(stage, tokens, eval_tokens)
        return self._planned_stages[candidate, stage]

    def _dev_tokens(self, stage: Stage, rows: Sequence[float]) -> int:
        """Tokens of dev that a stage reads; a meta-learning reads none. `rows`: of `Lengths`."""
        if stage.meta is not None:
            return 0
        samples = sum(portion.n_train for portion in stage.portions)
        tokens = 0.0
        for portion, row in zip(stage.portions, rows, strict=True):
            available = len(self._tasks[portion.task].dataset.dev)
            tokens += samples_read(stage.training, samples, available=available) * row
        return int(tokens)

    def _score_tokens(self, run: Run) -> int:
        output = self._tasks[run.task].task.output
        answer: float = 0  # choices are compared, not written
        if output == "generate":
            written: float = run.generation.max_tokens or 0
            if _has_seen_answers(run):  # and writes such as these, with a token that ends them
                written = min(written, self._lengths.answer(run) + 1)
            answer = run.generation.n * (written + (run.candidate.max_thought_tokens or 0))
        elif output == "perplexity":
            answer = self._lengths.answer(run)
        return int(self._samples(run) * len(run.templates) * (self._lengths.prompt(run) + answer))

    def _cached_tokens(self, run: Run, score_tokens: int) -> int:
        """Of the tokens that are read: demonstrations which the engine has read with an earlier prompt."""
        if not (self._caches_prefixes and score_tokens):
            return 0
        return int((self._samples(run) - 1) * len(run.templates) * self._lengths.shared(run))

    def _samples(self, run: Run) -> int:
        dataset = self._tasks[run.task].dataset
        return len((dataset.test if run.split == "test" else dataset.dev)[: run.limit])


def _has_seen_answers(run: Run) -> bool:
    """Whether its model was shown right answers of the task, in its prompts or in training."""
    return run.num_fewshot > 0 or any(
        portion.task == run.task for stage in run.stages for portion in stage.portions
    )


def _train_tokens(stage: Stage, rows: Sequence[float]) -> int:
    """Tokens that a stage trains on. `rows`: of `Lengths`."""
    samples = sum(portion.n_train for portion in stage.portions)
    epoch = sum(portion.n_train * row for portion, row in zip(stage.portions, rows, strict=True))
    return int(epoch * _epochs(stage.training, stage.meta, samples))


def _training_flops(stage: Stage, parameters: int, tokens: int) -> float:
    trainable = parameters if TUNERS[stage.tuner].all_weights else int(parameters * ADAPTER_SHARE)
    checkpointing = stage.training.gradient_checkpointing
    return training_flops(parameters, tokens, trainable=trainable, gradient_checkpointing=checkpointing)


def _epochs(training: Training, meta: MetaLearning | None, samples: int) -> float:
    """How often each sample is trained on, on average; a fraction where steps end in the middle of an
    epoch."""
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
    if meta is not None:
        return meta.meta_steps * meta.inner_steps * batch / max(1, samples)
    if training.max_steps > 0:
        # Not `epochs_of`: the last step of an epoch may have fewer samples, down to a single one.
        return training.max_steps / max(1, math.ceil(samples / batch))
    return training.num_train_epochs
