"""How tuned weights get into an engine: by device, by size and by what the sweep as a whole has, so that a part
of it that is answered alone is answered as the rest."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from invented_executor import InventedExecutor
from invented_worker import InventedWorker, in_place_of_engines
from rich.console import Console
from shared_results import NOTHING_LOADED
from toy_task import adding

import harness.driver.group
import harness.driver.loop
from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.driver import ways
from harness.driver.answers import AnswerPhase
from harness.driver.node import WaveReport
from harness.driver.outcome import Folders, SweepOutcome
from harness.driver.progress import SweepProgress
from harness.driver.render import in_order
from harness.driver.ways import check_way, choose_way, servable_bases
from harness.errors import UserError
from harness.plan.ensembles import plan_ensembles
from harness.plan.runs import make_runs
from harness.sweep.run import Run
from harness.sweep.settings import EngineSettings
from harness.sweep.sweep import Sweep
from harness.workers.jobs import BaseJob, WaveJob
from harness.workers.listener import Listener

TASKS = {
    task.name: LoadedTask(task, load_dataset(task))
    for task in (
        adding(),
        adding(name="weighing", output="perplexity", metrics=("perplexity",), primary_metric="perplexity"),
    )
}


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> type[InventedWorker]:
    """Engines of a machine with a GPU, where nothing is loaded."""
    for name, answer in NOTHING_LOADED.items():
        monkeypatch.setattr(harness.driver.loop, name, answer)
    monkeypatch.setattr(ways.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    return in_place_of_engines(monkeypatch)


def declared(*methods: str, model: str = "x/a-1b", **changes: Any) -> Sweep:
    candidates = [{"name": "a", "model": model, "methods": methods}]
    fields = {"name": "s", "tasks": ["adding"], "seeds": [0, 1], "candidates": candidates}
    return Sweep.model_validate(fields | changes)


def planned(sweep: Sweep) -> list[Run]:
    return make_runs(sweep, TASKS, fingerprint=lambda model, revision: "f", limit=None)


# The rule


def way_of(sweep: Sweep, engine: str = "vllm") -> str:
    (model,) = {candidate.model for candidate in sweep.candidates}
    servable = (model, None) in servable_bases(planned(sweep), TASKS, engine)
    base = BaseJob(name="a", model=model, revision=None, engine=engine, max_model_len=None, servable=servable)
    return choose_way(base, sweep.engine)


def test_plain_adapters_of_large_models_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    assert way_of(declared("zero_shot", "lora", model="x/a-5b")) == "adapters"
    assert way_of(declared("zero_shot", "lora", model="x/a-5b"), "transformers") == "swap"
    assert way_of(declared("zero_shot", "lora", model="x/a-5b", engine={"way": "swap"})) == "swap"
    monkeypatch.setattr(ways.shutil, "which", lambda name: None)
    assert way_of(declared("zero_shot", "lora", model="x/a-5b")) == "swap"


@pytest.mark.parametrize("model", ["x/a-500m", "x/a-of-no-size"])
def test_arms_of_small_models_are_swapped(model: str) -> None:
    assert way_of(declared("lora", model=model)) == "swap"


@pytest.mark.parametrize("methods", [("zero_shot",), ("full",), ("lora", "full"), ("lora", "dora")])
def test_a_base_is_swapped_where_some_arm_is_no_plain_adapter_or_none_is_tuned(
    methods: Sequence[str],
) -> None:
    assert way_of(declared(*methods)) == "swap"


def test_arms_whose_texts_are_weighed_are_swapped() -> None:
    assert way_of(declared("lora", tasks=["adding", "weighing"])) == "swap"


@pytest.mark.parametrize(
    ("sweep", "engine", "reason"),
    [
        (declared("lora", "full"), "vllm", "serves adapters only, and a · full · adding"),
        (declared("dora"), "vllm", r"has magnitudes \(DoRA\) that vLLM does not read"),
        (declared("lora", tasks=["weighing"]), "vllm", "weighs no texts, as a · lora · weighing"),
        (declared("lora"), "transformers", "takes vLLM"),
    ],
)
def test_adapters_that_cannot_be_served_are_refused_where_they_are_asked_for(
    sweep: Sweep, engine: str, reason: str
) -> None:
    check_way(planned(sweep), TASKS, engine, EngineSettings(way="auto"))
    with pytest.raises(UserError, match=reason):
        check_way(planned(sweep), TASKS, engine, EngineSettings(way="adapters"))


# Whole sweeps


@dataclass
class Workplace:
    """Invents weights and answers, of which a phase with engines of its own is asked, too."""

    executor: InventedExecutor
    phase: AnswerPhase

    def execute(self, wave: WaveJob) -> WaveReport:
        self.executor.execute(wave)
        return WaveReport(*self.phase.run(wave.asks))


class PhasedExecutor(InventedExecutor):
    """One whose engines are started as those of a real sweep are."""

    @contextmanager
    def open(
        self, base: BaseJob, *, work: Path, settings: EngineSettings, listener: Listener, **_: Any
    ) -> Iterator[Workplace]:
        phase = AnswerPhase(base, work=work, settings=settings, devices=None, listener=listener)
        yield Workplace(self, phase)
        phase.close()


def start(folder: Path, sweep: Sweep, *, left_out: Collection[str] = (), workers: int = 1) -> SweepOutcome:
    """`left_out`: methods whose runs are not to be done."""
    runs = planned(sweep)
    recipes = {recipe.key: recipe for recipe in in_order(run.recipe for run in runs if run.recipe)}
    executor = PhasedExecutor(recipes)
    executor.workers = workers
    left_out_runs = [run for run in runs if run.candidate.method in left_out]
    outcome = harness.driver.loop.run_sweep(
        [run for run in runs if run not in left_out_runs],
        TASKS,
        Folders(folder / "results", folder / "work"),
        engine="vllm",
        settings=sweep.engine,
        progress=SweepProgress(Console(quiet=True)),
        executor=executor,
        ensembles=plan_ensembles(sweep.ensembles, runs, TASKS),
        left_out=left_out_runs,
    )
    assert outcome.failed == []
    return outcome


def answered(workers: type[InventedWorker]) -> dict[str, set[str]]:
    """What was asked of engines of each way, without seeds."""
    labels: dict[str, set[str]] = {}
    for worker in workers.started:
        asks = [ask for job in worker.jobs for ask in job.get("asks", ())]
        labels.setdefault(worker.settings.get("way", "swap"), set()).update(
            ask["label"].partition(" · adding")[0] for ask in asks
        )
    return labels


def forget(folder: Path, method: str) -> None:
    """As if the sweep had been stopped before these runs were answered."""
    for result in folder.glob(f"results/a/{method}/**/result.json"):
        result.unlink()


def test_a_way_that_the_arms_cannot_take_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="serves adapters only"):
        start(tmp_path, declared("lora", "full", engine={"way": "adapters"}))
    assert not (tmp_path / "work").exists()


LORA_BESIDE_FULL = ("zero_shot", "lora", "full")
ADAPTERS_ALONE = ("zero_shot", "lora")


@pytest.mark.parametrize(
    ("methods", "left", "way"),
    [(LORA_BESIDE_FULL, "lora", "swap"), (ADAPTERS_ALONE, "zero_shot", "adapters")],
)
def test_what_an_interrupted_sweep_has_left_is_answered_as_all_of_it_would_have_been(
    tmp_path: Path, workers: type[InventedWorker], methods: Sequence[str], left: str, way: str
) -> None:
    sweep = declared(*methods)
    start(tmp_path, sweep)
    assert set(answered(workers)) == {way}
    forget(tmp_path, left)
    workers.started.clear()
    assert len(start(tmp_path, sweep).finished) == 2
    assert set(answered(workers)) == {way}


@pytest.mark.parametrize(
    ("methods", "first", "way"),
    [(LORA_BESIDE_FULL, "lora", "swap"), (ADAPTERS_ALONE, "zero_shot", "adapters")],
)
def test_a_part_of_a_sweep_that_alone_is_asked_for_is_answered_as_all_of_it_is(
    tmp_path: Path, workers: type[InventedWorker], methods: Sequence[str], first: str, way: str
) -> None:
    sweep = declared(*methods)
    assert len(start(tmp_path, sweep, left_out={*methods} - {first}).finished) == 2
    assert answered(workers) == {way: {f"a · {first}"}}
    start(tmp_path, sweep)
    assert set(answered(workers)) == {way}


@pytest.mark.parametrize(("methods", "way"), [(LORA_BESIDE_FULL, "swap"), (ADAPTERS_ALONE, "adapters")])
def test_every_portion_of_a_sweep_is_answered_in_the_same_way(
    tmp_path: Path,
    workers: type[InventedWorker],
    monkeypatch: pytest.MonkeyPatch,
    methods: Sequence[str],
    way: str,
) -> None:
    monkeypatch.setattr(harness.driver.group, "RUNS_AT_ONCE", 2)
    start(tmp_path, declared(*methods))
    assert answered(workers) == {way: {f"a · {method}" for method in methods}}


@pytest.mark.parametrize(("methods", "way"), [(LORA_BESIDE_FULL, "swap"), (ADAPTERS_ALONE, "adapters")])
def test_workers_that_share_a_base_answer_in_the_same_way(
    tmp_path: Path, workers: type[InventedWorker], methods: Sequence[str], way: str
) -> None:
    start(tmp_path, declared(*methods), workers=2)
    assert len(workers.started) == 2
    assert set(answered(workers)) == {way}


def test_trials_are_answered_as_the_runs_whose_settings_they_choose(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    searched = {"lora": {"r": [4, 8]}}
    start(tmp_path, declared("lora", "full", defaults=searched))
    assert set(answered(workers)) == {"swap"}


def test_a_soup_is_answered_as_the_arms_of_its_sweep(tmp_path: Path, workers: type[InventedWorker]) -> None:
    soup = {"name": "mean", "method": "soup", "members": ["a/lora"]}
    start(tmp_path, declared("lora", "full", ensembles=[soup]))
    assert set(answered(workers)) == {"swap"}
    workers.started.clear()
    start(tmp_path / "alone", declared("lora", ensembles=[soup]))
    assert set(answered(workers)) == {"adapters"}
