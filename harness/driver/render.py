"""Write what the workers read, and tell them where it lies: a run's prompts, a recipe's training samples, a
group's jobs."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from harness.data.dataset import balanced_order, training_subset
from harness.data.loaded import LoadedTask
from harness.records.store import atomic_write, linked
from harness.sweep.methods import METHOD_TABLE
from harness.sweep.recipe import Portion, Recipe, Training
from harness.sweep.run import Run
from harness.task import PromptSet, Sample, Task
from harness.task.prompts import prompt_row
from harness.workers.jobs import AskJob, FitJob, SamplingJob
from harness.workers.worker import Message


class Workshop:
    """A sweep's work folder: `<run key>/` for each run, `trained/<recipe key>/` for each training."""

    def __init__(
        self,
        work: Path,
        tasks: Mapping[str, LoadedTask],
        *,
        time_uncached: bool = False,
        report_to: Sequence[str] = (),
    ) -> None:
        """`report_to`: other places that trainings are logged to."""
        self.work, self._tasks = work, tasks
        self._time_uncached, self._report_to = time_uncached, tuple(report_to)
        self._written: set[str] = set()
        """Keys of recipes whose samples this process has written: several runs may share one."""

        self._prompts: dict[object, Path] = {}
        """By what prompts are made of, the file that this process has written: the seeds of an arm without
        demonstrations have the same ones, and so have an untuned arm and its fine-tunes."""

    # A run's prompts

    def samples(self, run: Run) -> list[Sample]:
        """What a run is scored on."""
        dataset = self._tasks[run.task].dataset
        if run.split == "test":
            return dataset.test[: run.limit]
        # The part that trials of a search answer should be as the whole is.
        return dataset.dev if run.limit is None else balanced_order(dataset.dev)[: run.limit]

    def write_prompts(self, run: Run) -> None:
        """Every sample in each of the run's templates."""
        path = self.ask(run).prompts
        seed = run.seed if run.num_fewshot else None
        made_of = (run.task, run.split, run.limit, run.templates, run.num_fewshot, run.demonstrations, seed)
        if made_of in self._prompts and linked(self._prompts[made_of], path):
            return
        rows = self._tasks[run.task].prompt_rows(
            self.samples(run),
            run.templates,
            num_fewshot=run.num_fewshot,
            demonstrations=run.demonstrations,
            seed=run.seed,
        )
        _write_jsonl(path, rows)
        self._prompts[made_of] = path

    def ask(self, run: Run) -> AskJob:
        """How a run's prompts are answered."""
        recipe, task = run.recipe, self._tasks[run.task].task
        method = METHOD_TABLE[run.candidate.method]
        return self._ask(
            task,
            folder=self.work / run.key,
            key=run.key,
            label=run.label,
            weights=None if recipe is None else self.fit(recipe).weights,
            tuner=None if recipe is None else recipe.tuner,
            weights_id=run.candidate.fingerprint,
            num_fewshot=run.num_fewshot,
            stride=run.generation.stride,
            structured_outputs=("choice" if method.held_to_choices else task.structured_outputs),
            sampling=SamplingJob(
                max_tokens=run.generation.max_tokens or task.max_tokens,
                temperature=run.generation.temperature,
                top_p=run.generation.top_p,
                n=run.generation.n,
                stop=task.stop,
                # A greedy answer is the same for every seed, and is not generated again for another.
                seed=run.seed if run.generation.temperature else 0,
            ),
            **run.candidate.prompting,
            time_uncached=self._time_uncached and method.demonstrations,
        )

    def _ask(self, task: Task, *, folder: Path, **fields: Any) -> AskJob:
        return AskJob(
            prompts=folder / "prompts.jsonl",
            completions=folder / "completions.jsonl",
            record=folder / "generation.json",
            task=task.name,
            output=task.output,
            truncation_side=task.truncation_side,
            **fields,
        )

    # A recipe's training samples

    def write_training(self, recipe: Recipe) -> None:
        """The samples of the recipe's last stage, and those of dev; nothing for weights that are averaged."""
        if recipe.members or recipe.key in self._written:
            return
        fit, stage = self.fit(recipe), recipe.stages[-1]
        _write_jsonl(fit.train, chain.from_iterable(map(self._train_rows, stage.portions)))
        dev = (self._dev_rows(portion, stage.training) for portion in stage.portions)
        _write_jsonl(fit.dev, chain.from_iterable(dev))
        if fit.judged is not None:
            (portion,) = stage.portions
            prompts = self._tasks[portion.task].task.prompts
            _write_jsonl(
                fit.judged.prompts,
                (prompt_row(prompts, sample, portion.templates[0]) for sample in self.judged_on(recipe)),
            )
        self._written.add(
            recipe.key
        )  # last: another run that needs samples that cannot be rendered fails, too

    def judged_on(self, recipe: Recipe) -> list[Sample]:
        """The dev samples that are answered in the middle of a training."""
        stage = recipe.stages[-1]
        samples = self._evaluated_on(stage.portions[0].task, stage.training)
        return samples[: stage.training.samples_per_evaluation]

    def _train_rows(self, portion: Portion) -> Iterator[Message]:
        loaded = self._tasks[portion.task]
        samples = training_subset(loaded.dataset.train, portion.n_train)
        return training_rows(portion, loaded.task.prompts, samples)

    def _dev_rows(self, portion: Portion, training: Training) -> Iterator[Message]:
        prompts = self._tasks[portion.task].task.prompts
        return training_rows(portion, prompts, self._evaluated_on(portion.task, training))

    def _evaluated_on(self, task: str, training: Training) -> list[Sample]:
        """The dev samples that a training reads."""
        dev = self._tasks[task].dataset.dev
        # The few of an evaluation should be as the whole is.
        ordered = dev if training.interim_eval_samples is None else balanced_order(dev)
        return ordered[: training.eval_samples]

    def fit(self, recipe: Recipe, label: str = "") -> FitJob:
        """How a recipe's weights are made: its last stage, after those that it needs."""
        folder = self.work / "trained" / recipe.key
        # The rungs of a search go on in one place.
        shared = self.work / "trained" / recipe.model_copy(update={"until": 1.0}).key
        stage = recipe.stages[-1] if recipe.stages else recipe.members[0].stages[-1]
        before = recipe.before
        return FitJob(
            key=recipe.key,
            label=label,
            tuner=recipe.tuner,
            weights=folder / "weights",
            record=folder / "training.json",
            start=None if before is None else self.fit(before).weights,
            train=shared / "train.jsonl",
            dev=shared / "dev.jsonl",
            checkpoints=shared / "checkpoints",
            until=recipe.until,
            training=stage.training,
            meta=stage.meta,
            members=tuple(self.fit(member).weights for member in recipe.members),
            seed=recipe.seed,
            judged=self._judged(recipe, folder) if recipe.stages else None,
            report_to=self._report_to,
            **recipe.prompting,
        )

    def _judged(self, recipe: Recipe, folder: Path) -> AskJob | None:
        stage = recipe.stages[-1]
        if stage.training.metric_for_best_model != "task_metric":
            return None
        task = self._tasks[stage.portions[0].task].task
        return self._ask(
            task,
            folder=folder / "judged",
            key=recipe.key,
            label="",
            weights=None,
            tuner=None,
            weights_id="",
            num_fewshot=0,
            stride=None,
            structured_outputs=task.structured_outputs,
            sampling=SamplingJob(max_tokens=task.max_tokens, stop=task.stop),
            **recipe.prompting,
        )


def in_order(recipes: Iterable[Recipe]) -> list[Recipe]:
    """Each recipe once, after those that it needs."""
    ordered: dict[str, Recipe] = {}
    for recipe in recipes:
        for needed in in_order(recipe.needs):
            ordered.setdefault(needed.key, needed)
        ordered.setdefault(recipe.key, recipe)
    return list(ordered.values())


def training_rows(portion: Portion, prompts: PromptSet, samples: Sequence[Sample]) -> Iterator[Message]:
    """Samples with their answers, each in one of the portion's templates, and their task."""
    # Drawn, not in turn: samples are ordered by label, and a wording that goes with a label would give it
    # away. Drawn in order, so that a larger budget shows the samples of a smaller one in the same wordings.
    draws = random.Random(0)
    for sample in samples:
        yield prompt_row(prompts, sample, draws.choice(portion.templates)) | {"task": portion.task}


def _write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with atomic_write(path) as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
