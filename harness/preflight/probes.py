"""Choose what the preflight shows to each model: the sweep's own prompts and training samples."""

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

from harness.data.dataset import training_subset
from harness.data.loaded import LoadedTask
from harness.preflight.job import ModelJob, PromptProbe, Rows, TargetModules, TargetProbe, TrainingProbe
from harness.sweep.converted import location
from harness.sweep.methods import METHOD_TABLE, TUNERS
from harness.sweep.models import gguf_file, is_on_this_machine, model_kind
from harness.sweep.recipe import Portion, is_all_linear
from harness.sweep.run import Run
from harness.sweep.space import Range
from harness.task import Sample
from harness.task.conversation import question_text
from harness.task.demonstrations import choose_demonstrations
from harness.task.prompts import prompt_row

ProbeT = TypeVar("ProbeT")

EVENLY, LONGEST = 48, 8
"""Samples of a task: so many at even distances, and those with the longest inputs and the longest targets."""

SEARCHED = 100_000
"""Conversations that are searched for turns in an order that no other has: a template may refuse it."""


class Probes:
    """Renders the samples that models are looked at with; those that several models share once."""

    def __init__(self, tasks: Mapping[str, LoadedTask], *, downloads: bool) -> None:
        """`downloads`: see `ModelJob`."""
        self._tasks, self._downloads = tasks, downloads
        self._prompts: dict[object, PromptProbe | None] = {}
        self._trainings: dict[object, TrainingProbe | None] = {}

    def jobs(self, runs: Iterable[Run]) -> list[ModelJob]:
        """A job for every model and every way of putting prompts to it, in the order of the runs."""
        users: dict[tuple[str, str | None, str], list[Run]] = {}
        for run in runs:
            candidate = run.candidate
            prompting = json.dumps(candidate.prompting, sort_keys=True)
            users.setdefault((candidate.model, candidate.revision, prompting), []).append(run)
        return [self._job(members) for members in users.values()]

    def _job(self, runs: Sequence[Run]) -> ModelJob:
        """Of runs that use one model alike."""
        candidate = runs[0].candidate
        place = location(candidate.model)
        return ModelJob(
            candidates=tuple(dict.fromkeys(run.candidate.name for run in runs)),
            model=str(gguf_file(candidate.model)) if place is None else place,
            is_converted=place is not None,
            revision=candidate.revision,
            is_here=is_on_this_machine(candidate.model, candidate.revision),
            is_foreign=model_kind(candidate.model) in ("folder", "hub"),
            downloads=self._downloads,
            prompts=_each_once(self._prompt_probe(run) for run in runs),
            trainings=_each_once(self._training_probes(runs)),
            targets=tuple(_targets(runs)),
            **candidate.prompting,
        )

    def _prompt_probe(self, run: Run) -> PromptProbe | None:
        """What a run is asked; None where the task's own code cannot render it,
        which the run itself tells."""
        generation, task = run.generation, self._tasks[run.task].task
        method = METHOD_TABLE[run.candidate.method]
        is_held = method.held_to_choices or task.structured_outputs is not None
        key = (
            *(run.task, run.num_fewshot, run.demonstrations, run.templates, run.limit, run.split),
            *(generation.max_tokens, generation.max_model_len, is_held),
        )
        if key not in self._prompts:
            self._prompts[key] = None
            with suppress(Exception):
                rows, typical = self._prompt_rows(run)
                self._prompts[key] = PromptProbe(
                    task=run.task,
                    templates=run.templates,
                    num_fewshot=run.num_fewshot,
                    demonstrations=run.demonstrations,
                    output=task.output,
                    max_tokens=generation.max_tokens or task.max_tokens,
                    max_model_len=generation.max_model_len,
                    is_held=is_held,
                    may_be_cut=task.truncation_side is not None,
                    rows=rows,
                    typical=typical,
                )
        return self._prompts[key]

    def _prompt_rows(self, run: Run) -> tuple[Rows, tuple[int, ...]]:
        """Telling samples in their prompts, and the places of the typical ones."""
        loaded = self._tasks[run.task]
        prompts, dataset = loaded.task.prompts, loaded.dataset
        if run.demonstrations is not None:
            prompts = dataclasses.replace(prompts, demonstrations=run.demonstrations)
        samples, typical = telling_samples(
            (dataset.test if run.split == "test" else dataset.dev)[: run.limit]
        )
        demonstrations = choose_demonstrations(
            prompts, dataset.originals, samples, count=run.num_fewshot, seed=run.seed
        )
        # In every wording would take too long where there are dozens: each of them has some of the samples.
        rows = tuple(
            prompt_row(prompts, sample, run.templates[place % len(run.templates)], drawn)
            for place, (sample, drawn) in enumerate(zip(samples, demonstrations, strict=True))
        )
        return rows, typical

    def _training_probes(self, runs: Iterable[Run]) -> Iterable[TrainingProbe | None]:
        """Of the largest budget of each task: it holds the samples of the smaller ones."""
        largest: dict[tuple[str, int], Portion] = {}
        for run in runs:
            for stage in run.stages:
                for portion in stage.portions:
                    key = portion.task, stage.training.max_length
                    if key not in largest or portion.n_train > largest[key].n_train:
                        largest[key] = portion
        for (_, max_length), portion in largest.items():
            yield self._training_probe(portion, max_length)

    def _training_probe(self, portion: Portion, max_length: int) -> TrainingProbe | None:
        key = portion.task, portion.n_train, portion.templates, max_length
        if key not in self._trainings:
            self._trainings[key] = None
            loaded = self._tasks[portion.task]
            with suppress(Exception):
                samples, typical = telling_samples(training_subset(loaded.dataset.train, portion.n_train))
                rows = tuple(
                    prompt_row(loaded.task.prompts, sample, portion.templates[place % len(portion.templates)])
                    for place, sample in enumerate(samples)
                )
                self._trainings[key] = TrainingProbe(
                    task=portion.task, max_length=max_length, rows=rows, typical=typical
                )
        return self._trainings[key]


def _targets(runs: Iterable[Run]) -> Iterator[TargetProbe]:
    """The layers that the trainings of adapters name, those that a search tries among them."""
    candidates: dict[TargetModules, list[str]] = {}
    for run in runs:
        trainings = [stage.training for stage in run.stages if not TUNERS[stage.tuner].all_weights]
        named = [training.target_modules for training in trainings]
        values = run.search.space.get("target_modules", ()) if run.search and trainings else ()
        for target_modules in (*named, *(() if isinstance(values, Range) else values)):
            if isinstance(target_modules, str | tuple) and not is_all_linear(target_modules):
                candidates.setdefault(target_modules, []).append(run.candidate.name)
    for target_modules, names in candidates.items():
        yield TargetProbe(target_modules=target_modules, candidates=tuple(dict.fromkeys(names)))


class TellingSamples(NamedTuple):
    """Some samples at even distances, and those with the longest inputs and targets: in their order."""

    samples: list[Sample]
    typical: tuple[int, ...]
    """Where those at even distances are among them."""


def telling_samples(samples: Sequence[Sample]) -> TellingSamples:
    """Choose what a model is looked at with."""
    places = range(len(samples))
    step = max(1, len(samples) / EVENLY)
    even = {int(number * step) for number in range(min(EVENLY, len(samples)))}
    chosen = set(even)
    chosen |= set(sorted(places, key=lambda place: _input_length(samples[place]))[-LONGEST:])
    chosen |= set(sorted(places, key=lambda place: len(samples[place].targets[0]))[-LONGEST:])
    chosen |= set(_with_other_turns(samples[:SEARCHED]))
    ordered = sorted(chosen)
    typical = tuple(number for number, place in enumerate(ordered) if place in even)
    return TellingSamples([samples[place] for place in ordered], typical)


def _with_other_turns(samples: Sequence[Sample]) -> Iterable[int]:
    """The first conversation in which a kind of turn follows another kind."""
    pairs: set[object] = set()
    for place, sample in enumerate(samples):
        kinds = [(turn["role"], len(turn.get("tool_calls") or ()) > 1) for turn in sample.messages]
        of_sample = {*itertools.pairwise(["beginning", *kinds, "end"])} if kinds else set()
        if not of_sample <= pairs:
            pairs |= of_sample
            yield place


def _input_length(sample: Sample) -> int:
    """In characters, of all that a wording may show."""
    return len(question_text(sample))


def _each_once(probes: Iterable[ProbeT | None]) -> tuple[ProbeT, ...]:
    """Without those that could not be rendered."""
    # Equal runs share one probe, and comparing long prompts takes longer than comparing places in memory.
    by_identity = {id(probe): probe for probe in probes if probe is not None}
    return tuple(by_identity.values())
