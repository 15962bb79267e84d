"""Arms made of other arms, from saved answers or averaged weights, without a training of their own."""

import fnmatch
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.data.loaded import LoadedTask
from harness.errors import UserError
from harness.sweep.methods import TUNERS
from harness.sweep.recipe import EnsembleSpec
from harness.sweep.run import Candidate, Run


@dataclass(frozen=True)
class Ensemble:
    """One derived arm on one task and training budget, and what it is made of."""

    spec: EnsembleSpec
    members: tuple[Run, ...]
    """As the sweep plans them, perhaps before their settings are chosen."""

    @property
    def label(self) -> str:
        """How people read it."""
        return f"{self.spec.name} · {self.spec.method} · {self.members[0].task}"


def plan_ensembles(
    specs: Iterable[EnsembleSpec],
    runs: Sequence[Run],
    tasks: Mapping[str, LoadedTask],
    *,
    joined_seeds: Collection[int] | None = None,
) -> list[Ensemble]:
    """Every ensemble of a sweep: one per task and training budget, and per seed where members are candidates.

    `joined_seeds`: those that ensembles over seeds are made of, which seeds that are added later must not
    change; None: all. Ensembles are not scored on guard tasks. Raises `UserError` when a glob matches
    nothing, or when a method cannot join the members that it names.
    """
    planned = []
    runs = [run for run in runs if run.guard is None]
    for spec in specs:
        cells: dict[tuple[object, ...], list[Run]] = {}
        for run in _members(spec, runs):
            if spec.over == "seeds" and joined_seeds is not None and run.seed not in joined_seeds:
                continue
            seed = (run.seed,) if spec.over == "candidates" else ()
            cells.setdefault((run.task, run.n_train, *seed), []).append(run)
        for members in cells.values():
            _check(spec, members, tasks)
            planned.append(Ensemble(spec, tuple(members)))
    return planned


def _members(spec: EnsembleSpec, runs: Sequence[Run]) -> list[Run]:
    members: dict[str, Run] = {}
    for pattern in spec.members:
        matching = [
            run for run in runs if fnmatch.fnmatch(f"{run.candidate.name}/{run.candidate.method}", pattern)
        ]
        if not matching:
            names = sorted({f"{run.candidate.name}/{run.candidate.method}" for run in runs})
            raise UserError(
                f"ensemble '{spec.name}': '{pattern}' matches no candidate/method of the sweep; there are "
                f"{', '.join(names)}"
            )
        # By key, since several globs may match the same run.
        members |= {run.key: run for run in matching if spec.tasks is None or run.task in spec.tasks}
    return list(members.values())


def _check(spec: EnsembleSpec, members: Sequence[Run], tasks: Mapping[str, LoadedTask]) -> None:
    place = f"ensemble '{spec.name}', task '{members[0].task}'"
    if len(members) < 2:
        kind = "seed" if spec.over == "seeds" else "candidate or method"
        raise UserError(
            f"{place}: it has one member, {members[0].label}; give it another {kind}, or set `over`"
        )
    output = tasks[members[0].task].task.output
    if spec.method == "mean_probability" and output != "choice":
        instead = "soup" if output == "perplexity" else "vote"
        raise UserError(
            f"{place}: mean_probability needs a task whose answers are choices; use method = '{instead}', or "
            "name other tasks under `tasks`"
        )
    if spec.method == "vote" and output == "perplexity":
        raise UserError(
            f"{place}: a vote counts answers, and the task only weighs texts (output = 'perplexity'); use "
            "method = 'soup', or name other tasks under `tasks`"
        )
    if spec.method != "soup":
        return
    if len({run.candidate.model for run in members}) > 1:
        raise UserError(f"{place}: weights of different models cannot be averaged; use method = 'vote'")
    if any(run.candidate.prompting != members[0].candidate.prompting for run in members):
        raise UserError(
            f"{place}: its members are prompted in different ways (chat, chat_template_kwargs, "
            "thought_marks), and averaged weights can be prompted in one only; use method = 'vote'"
        )
    tuners = {run.recipe.tuner if run.recipe else None for run in members}
    if len(tuners) > 1 or any(tuner is None or not TUNERS[tuner].in_soups for tuner in tuners):
        raise UserError(
            f"{place}: only the weights of members that are all tuned in one way, by lora or in full, can "
            "be averaged"
        )


def derive(ensemble: Ensemble, members: Sequence[Run]) -> Run:
    """The run of an ensemble, once its members are finished and their settings are chosen."""
    spec, leader = ensemble.spec, members[0]
    averaged = spec.method == "soup"  # a vote asks nothing: its members are prompted each in its own way
    models = list(dict.fromkeys(run.candidate.model for run in members))
    fingerprints = list(dict.fromkeys(run.candidate.fingerprint for run in members))
    candidate = Candidate(
        name=spec.name,
        model=" + ".join(models),
        revision=leader.candidate.revision if len(models) == 1 else None,
        fingerprint=fingerprints[0]
        if len(models) == 1
        else hashlib.sha256("".join(fingerprints).encode()).hexdigest()[:16],
        method=spec.method,
        **(leader.candidate.prompting if averaged else {"chat": leader.candidate.chat}),
    )
    return leader.model_copy(
        update={
            "candidate": candidate,
            "stages": (),
            "search": None,
            "num_fewshot": 0,
            "demonstrations": None,
            "members": tuple(run.key for run in members),
            "averaged": tuple(run.recipe for run in members) if averaged else (),
        }
    )
