"""From a sweep to runs: what is planned, what each run's key covers, what is already done."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from synthetic import make_run, task_card, write_result
from toy_task import adding, rows

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.data.sources import generated
from harness.driver.render import Workshop, in_order, training_rows
from harness.errors import UserError
from harness.plan.ensembles import plan_ensembles
from harness.plan.estimate import Estimator
from harness.plan.groups import group_runs
from harness.plan.prepare import plan_sweep
from harness.plan.runs import is_done, make_runs, select
from harness.plan.selection import with_settings
from harness.records.result import RESULT
from harness.sweep.recipe import EnsembleSpec
from harness.sweep.settings import TRIAL_SEED
from harness.sweep.sweep import Sweep
from harness.task import PromptSet, Sample, Splits, Task


def sweep(**changes: Any) -> Sweep:
    declared: dict[str, Any] = {
        "name": "s",
        "tasks": ["adding"],
        "seeds": [0, 1],
        "candidates": [{"name": "a", "model": "x/a"}, {"name": "b", "model": "x/b", "methods": ["lora"]}],
    }
    return Sweep.model_validate(declared | changes)


def runs(
    task: Task | None = None, *, fingerprint: str = "f", limit: int | None = None, **changes: Any
) -> list[Any]:
    task = task or adding()
    tasks = {task.name: LoadedTask(task, load_dataset(task))}
    return make_runs(sweep(**changes), tasks, fingerprint=lambda model, revision: fingerprint, limit=limit)


def test_a_sweep_is_candidates_by_methods_by_tasks_by_seeds() -> None:
    folders = [run.folder.as_posix() for run in runs()]
    assert len(folders) == len(set(folders)) == (4 + 1) * 2
    assert folders[0] == "a/zero_shot/adding-v1/seed-0"
    assert folders[-1] == "b/lora/adding-v1/n-6/seed-1"


def test_only_tuned_runs_have_training_and_only_few_shot_runs_have_demonstrations() -> None:
    for run in runs():
        tuned = run.candidate.method in ("lora", "full")
        assert (run.training is not None) == tuned
        assert run.n_train == (6 if tuned else None)
        assert run.num_fewshot == (4 if run.candidate.method == "few_shot" else 0)


def test_a_training_budget_beyond_the_data_takes_all_of_it() -> None:
    assert {run.n_train for run in runs(n_train=1000)} == {6, None}
    assert {run.n_train for run in runs(n_train=2)} == {2, None}


def test_several_budgets_are_runs_of_their_own_for_the_arms_that_train() -> None:
    planned = runs(n_train=[2, 4, "all"], seeds=[0])
    assert [run.n_train for run in planned if run.candidate.name == "a"] == [None, None, 2, 4, 6, 2, 4, 6]
    assert len({run.folder for run in planned}) == len(planned)


def test_budgets_beyond_the_data_are_one_run() -> None:
    assert [run.n_train for run in runs(n_train=[100, 1000, "all"], seeds=[0]) if run.n_train] == [6, 6, 6]


@pytest.mark.parametrize(
    ("names", "why"), [("Qq", "on disks that do not tell upper from lower case"), ("qr", "")]
)
def test_two_runs_that_would_share_a_folder_are_refused(names: str, why: str) -> None:
    task = adding()
    tasks = {task.name: LoadedTask(task, load_dataset(task))}
    candidates = [{"name": name, "model": "x/a", "methods": ["zero_shot"]} for name in names]
    planned = partial(
        plan_sweep, sweep(candidates=candidates), tasks, fingerprint=lambda model, revision: "f"
    )
    if not why:
        assert len(planned().runs) == 4
        return
    message = rf"Q · zero_shot · adding · seed 0 and q · zero_shot · adding · seed 0 would both lie .*, {why}; rename"
    with pytest.raises(UserError, match=message):
        planned()


TWO_WORDINGS = adding(prompts=PromptSet({"plain": "{text} + 1", "words": "Add one to {text}."}))


@pytest.mark.parametrize(
    ("asked", "scored"), [(None, ("plain",)), ("words", ("words",)), ("all", ("plain", "words"))]
)
def test_every_arm_is_scored_in_the_templates_the_sweep_names(
    asked: str | None, scored: tuple[str, ...]
) -> None:
    assert {run.templates for run in runs(TWO_WORDINGS, templates=asked)} == {scored}


def test_tuned_arms_are_trained_on_the_scored_templates_unless_told_otherwise() -> None:
    for asked, trained in ((None, ("plain", "words")), ("words", ("words",))):
        for run in runs(TWO_WORDINGS, templates="all", train_templates=asked):
            tuned = run.candidate.method in ("lora", "full")
            assert run.train_templates == (trained if tuned else ())


def test_a_sweep_may_choose_the_demonstrations() -> None:
    few_shot = [
        run for run in runs(num_fewshot=2, demonstrations="nearest") if run.candidate.method == "few_shot"
    ]
    assert {(run.num_fewshot, run.demonstrations) for run in few_shot} == {(2, "nearest")}
    assert {run.demonstrations for run in runs() if run.candidate.method != "few_shot"} == {None}


def with_choices(**changes: Any) -> Task:
    """The task, its answers written and to be one of a few."""
    numbers = tuple(str(number) for number in range(20))
    return adding(
        to_sample=lambda row, index: Sample(str(index), {"text": row["text"]}, row["answer"], numbers),
        **changes,
    )


HELD = [{"name": "a", "model": "x", "methods": ["zero_shot", "zero_shot_constrained"]}]


def test_the_base_may_be_held_to_the_choices_besides(tmp_path: Path) -> None:
    task = with_choices()
    tasks = {task.name: LoadedTask(task, load_dataset(task))}
    free, held = runs(task, candidates=HELD, seeds=[0])
    shop = Workshop(tmp_path, tasks)
    assert (shop.ask(free).structured_outputs, shop.ask(held).structured_outputs) == (None, "choice")
    assert (held.recipe, held.num_fewshot) == (None, 0)
    assert free.key != held.key


@pytest.mark.parametrize(
    "task", [adding(), with_choices(structured_outputs="choice"), with_choices(output="choice")]
)
def test_a_task_that_has_nothing_to_be_held_to_has_no_such_arm(task: Task) -> None:
    with pytest.raises(
        UserError, match="'zero_shot_constrained' holds written answers to their choices, and no task"
    ):
        runs(task, candidates=HELD)


def test_of_several_tasks_those_with_choices_have_the_arm() -> None:
    tasks = {
        task.name: LoadedTask(task, load_dataset(task)) for task in (adding(), with_choices(name="held"))
    }
    planned = make_runs(
        sweep(tasks=list(tasks), candidates=HELD, seeds=[0]),
        tasks,
        fingerprint=lambda model, revision: "f",
        limit=None,
    )
    assert [run.folder.as_posix() for run in planned] == [
        "a/zero_shot/adding-v1/seed-0",
        "a/zero_shot/held-v1/seed-0",
        "a/zero_shot_constrained/held-v1/seed-0",
    ]


LORA: list[dict[str, Any]] = [{"name": "a", "model": "x", "methods": ["lora"]}]


def guarded(*tasks: Task, **changes: Any) -> list[Any]:
    """Runs of a sweep that guards its tasks by another one, `spelling`."""
    tasks = tasks or (adding(),)
    guard = dataclasses.replace(TWO_WORDINGS, name="spelling")
    loaded = {task.name: LoadedTask(task, load_dataset(task)) for task in (*tasks, guard)}
    declared = {"tasks": [task.name for task in tasks], "guard_tasks": ["spelling"], "seeds": [0]}
    return make_runs(sweep(**declared | changes), loaded, fingerprint=lambda model, revision: "f", limit=None)


def test_every_tuned_arm_and_its_base_are_scored_on_the_guard_tasks() -> None:
    planned = guarded(candidates=[{"name": "a", "model": "x", "methods": ["few_shot", "lora"]}])
    assert [run.folder.as_posix() for run in planned] == [
        "a/zero_shot/spelling-v1/before/seed-0",
        "a/few_shot/adding-v1/seed-0",
        "a/lora/adding-v1/n-6/seed-0",
        "a/lora/spelling-v1/after-adding-v1/n-6/seed-0",
    ]
    assert [run.label for run in planned if run.guard] == [
        "a · zero_shot · spelling before tuning · seed 0",
        "a · lora · spelling after adding · 6 samples · seed 0",
    ]


def test_a_candidate_that_tunes_nothing_has_nothing_to_guard() -> None:
    planned = guarded(candidates=[{"name": "a", "model": "x", "methods": ["zero_shot", "few_shot"]}])
    assert not [run for run in planned if run.guard]


def test_a_guard_run_trains_nothing_of_its_own() -> None:
    _, *planned = guarded(n_train=[2, 6], candidates=LORA)
    for run, guard in zip(planned[::2], planned[1::2], strict=True):
        assert guard.recipe == run.recipe
        assert guard.guarded == run.folder
        assert (run.guard, run.guarded) == (None, None)
        assert (guard.n_train, guard.num_fewshot, guard.train_templates) == (0, 0, ())
        assert guard.key != run.key


def test_a_guard_task_is_asked_in_its_first_wording_whatever_the_sweep_asks_of_its_own() -> None:
    planned = guarded(TWO_WORDINGS, templates=["words"])
    assert {run.templates for run in planned if run.guard is None} == {("words",)}
    assert {run.templates for run in planned if run.guard} == {("plain",)}


def test_guards_change_no_ordinary_run() -> None:
    ordinary = [run for run in guarded() if run.guard is None]
    assert [(run.folder, run.key) for run in ordinary] == [(run.folder, run.key) for run in runs(seeds=[0])]


def test_weights_of_one_mixture_are_scored_after_each_of_its_tasks() -> None:
    tasks = [dataclasses.replace(adding(), name=name) for name in ("adding", "other")]
    planned = guarded(*tasks, candidates=[{"name": "a", "model": "x", "methods": ["multitask"]}])
    after = [run for run in planned if run.guard and run.guard.after]
    assert [run.folder.parts[3] for run in after] == ["after-adding-v1", "after-other-v1"]
    assert len({run.recipe.key for run in after}) == 1


def test_a_guard_run_is_of_the_arm_whose_settings_are_searched() -> None:
    planned = guarded(candidates=[{"name": "a", "model": "x", "methods": ["lora"], "lora": {"r": [4, 8]}}])
    _, run, guard = planned
    assert guard.arm == run.arm == ("a", "lora", "adding", 6)
    assert with_settings(guard, {"r": 8}).cell == guard.cell


def test_only_selects_guard_runs_by_their_own_folders() -> None:
    chosen = select(guarded(candidates=LORA), "*/spelling-v1/after-*")
    assert [run.folder.as_posix() for run in chosen] == ["a/lora/spelling-v1/after-adding-v1/n-6/seed-0"]
    assert all(run.guard is None for run in select(guarded(candidates=LORA), "*/lora/adding-v1/*"))


@pytest.mark.parametrize("settings", [{}, {"lora": {"r": [4, 8]}}])
def test_a_guard_run_goes_where_its_weights_are_trained(settings: dict[str, Any]) -> None:
    (group,) = group_runs(
        guarded(seeds=[0, 1], candidates=[{**LORA[0], **settings, "methods": ["lora", "full"]}])
    )
    halves = group.halves()
    assert halves is not None
    recipes = [{run.recipe.key for run in half.runs if run.recipe} for half in halves]
    assert not recipes[0] & recipes[1]


def test_a_guard_run_is_forecast_without_a_training() -> None:
    task = adding()
    tasks = {name: LoadedTask(task, load_dataset(task)) for name in ("adding", "spelling")}
    _, run, guard = guarded(candidates=LORA)
    for done in (False, True):
        estimator = Estimator(tasks)
        assert (estimator.forecast(run, done=done).train_tokens > 0) is not done
        forecast = estimator.forecast(guard, done=False)
        assert forecast.train_tokens == 0
        assert forecast.score_tokens > 0


def test_an_ensemble_is_made_of_ordinary_runs_alone() -> None:
    planned = guarded(seeds=[0, 1], candidates=LORA)
    spec = EnsembleSpec.model_validate({"name": "soup", "method": "soup", "members": ["*/lora"]})
    task = adding()
    (ensemble,) = plan_ensembles([spec], planned, {"adding": LoadedTask(task, load_dataset(task))})
    assert [run.guard for run in ensemble.members] == [None, None]


METHODS_OF_SEVERAL = [
    {"name": "a", "model": "x", "methods": ["lora", "few_shot_tuning", "multitask", "stages", "meta"]},
]


def several(**changes: Any) -> list[Any]:
    """Runs of the methods that are more than one training, over three tasks."""
    tasks = {name: dataclasses.replace(adding(), name=name) for name in ("adding", "other", "third")}
    declared = {
        "tasks": list(tasks),
        "seeds": [0],
        "candidates": METHODS_OF_SEVERAL,
        "few_shot_tuning": {"n_train": 3},
    }
    loaded = {name: LoadedTask(task, load_dataset(task)) for name, task in tasks.items()}
    return make_runs(sweep(**declared | changes), loaded, fingerprint=lambda model, revision: "f", limit=None)


def of(planned: list[Any], method: str, task: str) -> Any:
    return next(run for run in planned if (run.candidate.method, run.task) == (method, task))


def test_a_multitask_model_is_one_training_for_all_its_tasks() -> None:
    planned = several(multitask={"held_out": ["third"]})
    arms = [of(planned, "multitask", task) for task in ("adding", "other", "third")]
    assert len({arm.recipe.key for arm in arms}) == 1
    assert [portion.task for portion in arms[0].stages[0].portions] == ["adding", "other"]
    assert [arm.n_train for arm in arms] == [6, 6, 0]


def test_stages_begin_with_the_weights_of_the_mixture() -> None:
    planned = several()
    run = of(planned, "stages", "other")
    assert run.recipe.before.key == of(planned, "multitask", "adding").recipe.key
    assert [portion.task for portion in run.stages[-1].portions] == ["other"]


@pytest.mark.parametrize(
    ("defaults", "said"),
    [
        (
            {"multitask": {"r": 4}},
            "r of 'lora' is not that of 'multitask', and 'stages' goes on with the adapter",
        ),
        (
            {"few_shot_tuning": {"target_modules": ["q_proj"]}},
            "target_modules of 'few_shot_tuning' is not that of",
        ),
        (
            {"few_shot_tuning": {"lora_alpha": [8, 16]}},
            "lora_alpha of 'few_shot_tuning' is not that of 'meta'",
        ),
    ],
)
def test_a_later_stage_cannot_ask_for_another_adapter(defaults: dict[str, Any], said: str) -> None:
    """It would go on with the one that it has, and say that it had another."""
    with pytest.raises(UserError, match=said):
        several(defaults=defaults)


def test_all_stages_may_ask_for_the_same_adapter_or_tune_all_weights() -> None:
    run = of(several(defaults={"training": {"r": 4}}), "stages", "other")
    assert [stage.training.r for stage in run.stages] == [4, 4]
    changes = {"few_shot_tuning": {"n_train": 3, "tuner": "full"}, "defaults": {"few_shot_tuning": {"r": 4}}}
    assert of(several(**changes), "meta", "other").stages[-1].training.r is None


def test_meta_learning_never_sees_the_task_before_its_few_samples() -> None:
    run = of(several(), "meta", "other")
    first, last = run.stages
    assert [portion.task for portion in first.portions] == ["adding", "third"]
    assert [(portion.task, portion.n_train) for portion in last.portions] == [("other", 3)]
    assert first.meta is not None
    assert last == of(several(), "few_shot_tuning", "other").stages[0], (
        "the plain base is tuned in the same way"
    )


def test_settings_of_a_first_stage_are_not_searched() -> None:
    with pytest.raises(
        UserError, match="learning_rate of 'multitask' has several values, and 'multitask' comes first"
    ):
        several(defaults={"multitask": {"learning_rate": [1e-3, 1e-4]}})


def test_meta_learning_from_no_other_task_is_refused() -> None:
    with pytest.raises(UserError, match="method 'meta' has no task to learn from before 'adding'"):
        runs(candidates=[{"name": "a", "model": "x", "methods": ["meta"]}])


def test_a_setting_with_several_values_is_searched_and_the_others_are_not() -> None:
    planned = runs(defaults={"lora": {"learning_rate": [1e-3, 1e-4], "r": [8]}}, seeds=[3, 4])
    for run in planned:
        assert (run.search is not None) == (run.candidate.method == "lora")
        if run.search is not None:
            assert run.search.space == {"learning_rate": (1e-3, 1e-4)}
            assert (run.training.learning_rate, run.training.r) == (1e-3, 8)


def test_no_trial_of_a_search_has_the_seed_of_a_scored_run() -> None:
    # Settings are chosen for what they score with the trials' seed, which would flatter that seed's own run.
    for seeds in ([0], [3, 4], [0, 2**32 - 2]):
        planned = runs(defaults={"lora": {"r": [4, 8]}}, seeds=seeds)
        trial_seeds = {run.search.seed for run in planned if run.search is not None}
        assert trial_seeds == {TRIAL_SEED}
        assert not trial_seeds & {run.seed for run in planned}


def test_whatever_a_search_chooses_the_run_is_the_same_cell() -> None:
    (run,) = runs(
        defaults={"lora": {"r": [8, 4]}},
        seeds=[0],
        candidates=[{"name": "b", "model": "x", "methods": ["lora"]}],
    )
    chosen = with_settings(run, {"r": 4})
    assert chosen.key != run.key
    assert chosen.cell == run.cell
    assert chosen.cell != with_settings(run, {"r": 4, "lora_alpha": 1}).cell


def test_groups_are_halved_between_runs_that_share_nothing() -> None:
    (group,) = group_runs(several(seeds=[0, 1]))
    first, second = group.halves()
    assert len(first.runs) + len(second.runs) == len(group.runs)
    recipes = [
        {recipe.key for run in half.runs for recipe in in_order([run.recipe])} for half in (first, second)
    ]
    assert not recipes[0] & recipes[1]


def test_fixed_demonstrations_are_as_many_as_the_task_fixes() -> None:
    prompts = PromptSet({"plain": "{text}"}, demonstrations="fixed", fixed=("0", "3"))
    few_shot = [run for run in runs(adding(prompts=prompts)) if run.candidate.method == "few_shot"]
    assert {(run.num_fewshot, run.demonstrations) for run in few_shot} == {(2, "fixed")}


def test_fixed_demonstrations_asked_of_a_task_that_fixes_none_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"demonstrations = 'fixed', but the task fixes none; give prompts\.fixed the ids"
    ):
        runs(demonstrations="fixed")


def test_a_test_seed_is_told_of_the_tasks_whose_data_is_generated() -> None:
    drawn = adding(
        data=generated(
            lambda draws, index, split: {"text": f"{split}{draws.random()}", "answer": "1"},
            train=3,
            dev=1,
            test=2,
            seed=0,
        )
    )
    assert {run.test_seed for run in runs(drawn, test_seed=7)} == {7}
    assert {run.test_seed for run in runs(test_seed=7)} == {None}


@pytest.mark.parametrize("count", [1, 5, 40])
def test_a_mixture_of_templates_shows_a_sample_of_a_smaller_budget_in_the_same_wording_as_a_larger(
    count: int,
) -> None:
    task = dataclasses.replace(TWO_WORDINGS, data=lambda: Splits(rows(0, 60), rows(60, 61), rows(61, 62)))
    samples = load_dataset(task).train
    (run,) = runs(
        task, templates="all", seeds=[0], candidates=[{"name": "a", "model": "x", "methods": ["lora"]}]
    )
    (portion,) = run.stages[0].portions
    whole = list(training_rows(portion, task.prompts, samples))
    assert list(training_rows(portion, task.prompts, samples[:count])) == whole[:count]
    assert 20 <= sum(row["template"] == "plain" for row in whole) <= 40


@pytest.mark.parametrize(
    "changed",
    [
        {"limit": 1},
        {"fingerprint": "g"},
        {"generation": {"temperature": 1.0}},
        {"generation": {"max_tokens": 7}},
        {"task": adding(version=2)},
        {"task": adding(data=lambda: Splits(rows(0, 6), rows(6, 8), rows(9, 12)))},
        {"defaults": {"training": {"learning_rate": 0.5}}},
        {"n_train": 3},
    ],
)
def test_whatever_can_change_a_score_changes_the_key(changed: dict[str, Any]) -> None:
    before = {run.folder: run.key for run in runs() if run.candidate.method == "lora"}
    after = {run.folder: run.key for run in runs(**changed) if run.candidate.method == "lora"}
    assert not set(before.values()) & set(after.values())


def test_keys_are_the_same_on_every_start() -> None:
    assert [run.key for run in runs()] == [run.key for run in runs()]
    assert len({run.key for run in runs()}) == 10


def test_only_selects_by_glob() -> None:
    chosen = select(runs(), "a/*/adding-v1/*seed-1")
    assert [run.candidate.method for run in chosen] == ["zero_shot", "few_shot", "lora", "full"]


def test_a_glob_that_matches_nothing_says_what_one_looks_like() -> None:
    with pytest.raises(UserError, match=r"'c/\*' matches no run.*like 'a/zero_shot/adding-v1/seed-0'"):
        select(runs(), "c/*")


def test_an_unknown_template_is_named_with_its_neighbour() -> None:
    with pytest.raises(UserError, match=r"template 'plein' not found; there are plain. Did you mean 'plain'"):
        runs(templates="plein")


def test_runs_of_one_model_form_one_group() -> None:
    both = [{"name": name, "model": "x/same", "methods": ["full"]} for name in ("a", "b")]
    (group,) = group_runs(runs(candidates=both))
    assert [run.candidate.name for run in group.runs] == ["a", "a", "b", "b"]


def test_a_run_is_done_when_its_own_result_is_there(tmp_path: Path) -> None:
    run = make_run("toy", "lora", task_card(), 0)
    assert not is_done(tmp_path, run)
    write_result(tmp_path, run, task_card(), [1.0, 0.0])
    assert is_done(tmp_path, run)


def test_a_result_of_another_configuration_is_in_the_way(tmp_path: Path) -> None:
    run = make_run("toy", "lora", task_card(), 0)
    write_result(tmp_path, run, task_card(), [1.0, 0.0])
    other = run.model_copy(update={"limit": 5})
    with pytest.raises(UserError, match="limit is None there, 5 here"):
        is_done(tmp_path, other)


def test_a_result_of_a_newer_version_stops_with_a_sentence(tmp_path: Path) -> None:
    run = make_run("toy", "lora", task_card(), 0)
    write_result(tmp_path, run, task_card(), [1.0])
    path = tmp_path / run.folder / RESULT
    path.write_text(path.read_text().replace('"schema_version": 5', '"schema_version": 6'))
    with pytest.raises(UserError, match=r"is schema 6; this version reads up to 5. Upgrade gainboard."):
        is_done(tmp_path, run)
