"""What the driver writes for its workers."""

import dataclasses
from pathlib import Path

from synthetic import make_run, task_card
from toy_models import read_jsonl
from toy_task import adding, rows

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.driver.render import Workshop
from harness.plan.evaluation import judged_limit
from harness.plan.runs import make_runs
from harness.sweep.sweep import Sweep
from harness.task import Splits

SWEEP = Sweep.model_validate(
    {
        "name": "s",
        "tasks": ["adding", "more adding"],
        "seeds": [0],
        "defaults": {"training": {"eval_samples": 3}},
        "candidates": [{"name": "a", "model": "x", "methods": ["lora", "multitask"]}],
    }
)


def test_a_training_is_evaluated_on_so_many_samples_of_each_task(tmp_path: Path) -> None:
    task = adding(data=lambda: Splits(rows(0, 6), rows(6, 16), rows(16, 20)))
    tasks = {
        name: LoadedTask(dataclasses.replace(task, name=name), load_dataset(task)) for name in SWEEP.tasks
    }
    shop = Workshop(tmp_path, tasks)
    read = {}
    for run in make_runs(SWEEP, tasks, fingerprint=lambda model, revision: "f", limit=None):
        assert run.recipe is not None
        shop.write_training(run.recipe)
        read[run.candidate.method] = [row["task"] for row in read_jsonl(shop.fit(run.recipe).dev)]
    assert read["lora"] == ["more adding"] * 3
    assert sorted(read["multitask"]) == ["adding"] * 3 + ["more adding"] * 3


def test_trials_of_a_search_answer_a_part_of_dev_that_is_as_the_whole(tmp_path: Path) -> None:
    """Though the task lists its dev samples label by label."""
    answers = [{"text": str(number), "answer": "ab"[number // 500]} for number in range(1000)]
    task = adding(data=lambda: Splits(rows(2000, 2128), answers, rows(3000, 3004)))
    shop = Workshop(tmp_path, {task.name: LoadedTask(task, load_dataset(task))})
    run = make_run("toy", "lora", task_card(task.name), 0).model_copy(update={"split": "dev"})
    judged = shop.samples(run.model_copy(update={"limit": judged_limit(1000)}))
    targets = [sample.targets[0] for sample in judged]
    assert (len(targets), targets.count("a")) == (500, 250)
    assert len(shop.samples(run.model_copy(update={"limit": judged_limit(500)}))) == 1000


def test_the_few_samples_of_an_evaluation_have_the_labels_of_all(tmp_path: Path) -> None:
    """Though the task lists its dev samples label by label."""
    answers = [{"text": str(number), "answer": "ab"[number // 100]} for number in range(200)]
    task = adding(data=lambda: Splits(rows(300, 428), answers, rows(500, 504)))
    tasks = {task.name: LoadedTask(task, load_dataset(task))}
    declared = {
        "name": "s",
        "tasks": [task.name],
        "seeds": [0],
        "candidates": [{"name": "a", "model": "x", "methods": ["lora"]}],
    }
    (run,) = make_runs(
        Sweep.model_validate(declared), tasks, fingerprint=lambda model, revision: "f", limit=None
    )
    assert run.recipe is not None and run.training is not None
    shop = Workshop(tmp_path, tasks)
    shop.write_training(run.recipe)
    targets = [row["target"] for row in read_jsonl(shop.fit(run.recipe).dev)]
    assert len(targets) == run.training.eval_samples == 86
    assert run.training.interim_eval_samples == 14
    assert targets[:14].count("a") == targets[:14].count("b") == 7


def test_equal_prompts_are_rendered_once(tmp_path: Path) -> None:
    task = adding(data=lambda: Splits(rows(0, 20), rows(20, 22), rows(22, 30)))
    shop = Workshop(tmp_path, {task.name: LoadedTask(task, load_dataset(task))})
    card = task_card(task.name)
    greedy = [make_run("toy", "zero_shot", card, seed) for seed in range(3)] + [
        make_run("toy", "lora", card, 0)
    ]
    drawn = [make_run("toy", "few_shot", card, seed, num_fewshot=3) for seed in range(2)]
    paths = []
    for run in (*greedy, *drawn):
        run = run.model_copy(update={"templates": ("plain",)})
        shop.write_prompts(run)
        paths.append(shop.ask(run).prompts)
    assert len({path.stat().st_ino for path in paths}) == 3
    assert [path.read_bytes() for path in paths[:4]] == [paths[0].read_bytes()] * 4
    assert len({path.read_bytes() for path in paths}) == 3
    # A file that was removed meanwhile is made again.
    run = greedy[1].model_copy(update={"templates": ("plain",)})
    before = paths[0].read_bytes()
    for path in paths:
        path.unlink()
    shop.write_prompts(run)
    assert paths[1].read_bytes() == before
    assert sorted(paths[1].parent.iterdir()) == [paths[1]]
