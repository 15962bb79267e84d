"""Tasks of lm-evaluation-harness in GainBoard's terms: names, data, prompts and metrics, without a model."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from places import ROOT
from toy_task import besides_power

pytest.importorskip("lm_eval", reason="needs the lm-eval extra")

from harness.authoring.check import check_task
from harness.authoring.demonstrations import demonstration_fault
from harness.data.dataset import Dataset, load_dataset
from harness.errors import UserError
from harness.metrics import evaluate
from harness.plugins.lm_eval.metrics import make_metric
from harness.plugins.lm_eval.tasks import lm_eval_plugins
from harness.plugins.registry import load_task
from harness.task import Metric, Rendered, Reply, Sample, Task
from harness.task.prompts import render

FOLDER = ROOT / "tests" / "data" / "lm_eval"

WriteTask = Callable[..., Task]


@pytest.fixture(autouse=True)
def beside_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """The YAML files name their data by relative paths, which lm-eval resolves from where it was started."""
    monkeypatch.chdir(FOLDER)


def load(name: str, folder: Path = FOLDER) -> Task:
    name = f"lm_eval:{name}"
    return load_task(name, lm_eval_plugins([name], [folder]))


@pytest.fixture
def write_task(tmp_path: Path) -> WriteTask:
    """A task of a given name like one of the folder's, with some of its settings changed, loaded."""

    def load_written(name: str, base: str, **settings: Any) -> Task:
        # JSON is YAML. An index of a folder is kept, so each task has a folder of its own.
        settings = {"include": str(FOLDER / f"{base}.yaml"), "task": name, **settings}
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "task.yaml").write_text(json.dumps(settings))
        return load(name, folder)

    return load_written


@pytest.fixture
def changed(write_task: WriteTask) -> WriteTask:
    """A task like one of the folder's, with some of its settings changed, loaded."""

    def load_changed(base: str, **settings: Any) -> Task:
        return write_task("changed", base, **settings)

    return load_changed


@pytest.fixture
def own_tasks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for the index of lm-eval's own tasks, which takes seconds, and notes when it is asked for."""
    from harness.plugins.lm_eval import library

    requests: list[str] = []
    manager = library._manager

    def indexed(dirs: tuple[Path, ...]) -> Any:
        if dirs:
            return manager(dirs)
        requests.append("asked")
        return SimpleNamespace(task_index={}, all_tasks=["arc_easy"])

    monkeypatch.setattr(library, "_manager", indexed)
    return requests


def lm_eval_task(name: str) -> Any:
    """lm-eval's own task object."""
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(FOLDER), include_defaults=False)
    return manager.load([name])["tasks"][name]


def rendered(task: Task, dataset: Dataset, shots: int = 0) -> Rendered:
    return render(task.prompts, dataset.test[0], template="lm_eval", demonstrations=dataset.train[:shots])


def reply(sample: Sample, answer: str = "", **values: Any) -> Reply:
    return Reply(answer, sample.targets, choices=sample.choices, metadata=sample.metadata, **values)


def metric(task: Task, name: str) -> Metric:
    return next(metric for metric in task.metrics if isinstance(metric, Metric) and metric.name == name)


# Names


def test_only_names_with_the_prefix_become_plugins() -> None:
    assert list(lm_eval_plugins(["gsm8k", "lm_eval:gsm8k"])) == ["lm_eval:gsm8k"]


def test_naming_a_task_does_not_import_the_library() -> None:
    code = """
import sys
from harness.plugins.lm_eval.tasks import lm_eval_plugins
lm_eval_plugins(["lm_eval:arc_easy"])
sys.exit("lm_eval" in sys.modules)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_a_folder_that_does_not_exist_is_named() -> None:
    with pytest.raises(UserError, match="--lm-eval-dir nowhere does not exist"):
        lm_eval_plugins([], [Path("nowhere")])


def test_without_the_library_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.plugins.lm_eval import library

    monkeypatch.setitem(sys.modules, "lm_eval.tasks", None)
    library.prepare.cache_clear()
    with pytest.raises(
        UserError, match=r"task 'lm_eval:arc_easy': it needs lm-eval: pip install 'gainboard\[lm-eval\]'"
    ):
        load("arc_easy")


@pytest.mark.parametrize("name", ["lm_eval:", "lm_eval: "])
def test_the_prefix_alone_is_refused_at_once(name: str) -> None:
    with pytest.raises(UserError, match="'lm_eval:' names no task; write lm_eval:arc_easy, say"):
        lm_eval_plugins([name])


def test_an_unknown_name_gets_a_suggestion_from_the_users_folder(own_tasks: list[str]) -> None:
    with pytest.raises(
        UserError, match=r"'lm_eval:sales_choise': lm-eval has no such task\. Did you mean 'sales_choice'"
    ):
        load("sales_choise")
    assert own_tasks == []  # lm-eval's own tasks take seconds to index


def test_a_task_of_lm_eval_may_be_called_nearly_like_one_of_the_users(
    write_task: WriteTask, tmp_path: Path, own_tasks: list[str]
) -> None:
    write_task("arc_easier", "sales_topic")
    with pytest.raises(UserError, match="Did you mean 'arc_easier'"):  # the stand-in knows no task
        load("arc_easy", tmp_path / "arc_easier")
    assert own_tasks == ["asked"]


def test_without_a_folder_an_unknown_name_is_told_of_the_option(own_tasks: list[str]) -> None:
    with pytest.raises(
        UserError, match=r"no such task\. Did you mean 'arc_easy'\? .*with --lm-eval-dir DIR it finds yours"
    ):
        load_task("lm_eval:arc_esy", lm_eval_plugins(["lm_eval:arc_esy"]))


@pytest.mark.parametrize("split", ["test_split", "training_split", "validation_split", "fewshot_split"])
def test_a_misspelt_split_is_told_with_the_splits_there_are(changed: WriteTask, split: str) -> None:
    with pytest.raises(UserError) as raised:
        changed("sales_choice", **{split: "trian"})
    assert "its data has no split 'trian'; there are train, validation, test. Did you mean 'train'?" in str(
        raised.value
    )


def test_what_lm_eval_logs_is_not_shown(changed: WriteTask, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UserError):
        changed("sales_choice", doc_to_choice=None)
    assert caplog.records == []


def test_a_group_is_refused_with_the_tasks_in_it() -> None:
    members = "lm_eval:sales_choice, lm_eval:sales_place, lm_eval:sales_text$"
    with pytest.raises(UserError, match=f"'sales' is a group of lm-eval; name its tasks instead: {members}"):
        load("sales")


def test_a_tag_is_refused_with_the_tasks_that_bear_it() -> None:
    with pytest.raises(
        UserError, match=r"'trade' is a tag of lm-eval; name its tasks instead: lm_eval:sales_place$"
    ):
        load("trade")


def test_a_yaml_file_that_names_missing_data_is_refused_with_the_reason(changed: WriteTask) -> None:
    with pytest.raises(UserError, match=r"'lm_eval:changed': lm-eval cannot load it: .*missing\.jsonl"):
        changed("sales_choice", dataset_kwargs={"data_files": {"train": "missing.jsonl"}})


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"repeats": 3}, "asks for 3 answers to each prompt"),
        ({"unsafe_code": True}, "runs code that the model writes"),
        ({"doc_to_image": "text"}, "shows images or plays sound"),
        ({"doc_to_text": "{{right}}"}, "its choices stand in the prompt"),
        (
            {"metric_list": [{"metric": "acc_mutual_info"}]},
            "'acc_mutual_info' compares choices with and without the prompt",
        ),
        ({"metric_list": [{"metric": "exact_match"}]}, "'exact_match' asks whether a choice is what"),
        ({"metric_list": [{"metric": "acc", "aggregation": "median"}]}, "'acc' is aggregated by 'median'"),
        ({"test_split": None, "validation_split": None}, "neither a test_split nor a validation_split"),
    ],
)
def test_what_cannot_be_done_as_lm_eval_does_it_is_refused(
    changed: WriteTask, settings: dict[str, Any], fault: str
) -> None:
    with pytest.raises(UserError, match=fault):
        load_dataset(changed("sales_choice", **settings))


def test_what_a_yaml_file_alone_tells_is_refused_before_its_data_is_looked_for(changed: WriteTask) -> None:
    with pytest.raises(UserError, match="asks for 3 answers to each prompt"):
        changed("sales_choice", repeats=3, dataset_path="nobody/has-this", dataset_kwargs=None)


def test_a_class_of_its_own_is_refused_though_it_may_be_one_of_lm_evals(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from lm_eval.api.task import ConfigurableTask\nclass Own(ConfigurableTask):\n    pass\n"
    )
    (tmp_path / "own.yaml").write_text("task: own\nclass: !function own.Own\n")
    with pytest.raises(
        UserError, match="it is a Python class of its own; only tasks that are declared in YAML"
    ):
        load("own", tmp_path)


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.sleep(600)",
        "import time\nwhile True:\n    try:\n        1 / 0\n    except:\n        time.sleep(600)",
    ],
)
def test_code_that_never_comes_to_an_end_is_refused_with_its_line(
    tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.plugins.lm_eval.waiting.MOST_SECONDS", 0.5)
    (tmp_path / "own_code.py").write_text(code)
    (tmp_path / "own.yaml").write_text(
        f"include: {FOLDER / 'sales_topic.yaml'}\ntask: own\ndoc_to_text: !function own_code.ask\n"
    )
    handler = signal.getsignal(signal.SIGALRM)
    line = len(code.splitlines())
    with pytest.raises(
        UserError,
        match=rf"'lm_eval:own': its own code is not done after 0.5 seconds \(own_code.py, line {line}\)",
    ):
        load("own", tmp_path)
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("import nobody_has_this", "needs what is not installed here: No module named 'nobody_has_this'"),
        ("raise ImportError('pip install own')", "needs what is not installed here: pip install own"),
        ("import sys; sys.exit('no Prolog')", "its own code called exit.'no Prolog'"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_code_that_cannot_be_imported_ends_in_a_sentence(tmp_path: Path, code: str, fault: str) -> None:
    (tmp_path / "own_code.py").write_text(code)
    (tmp_path / "own.yaml").write_text(
        f"include: {FOLDER / 'sales_topic.yaml'}\ntask: own\ndoc_to_text: !function own_code.ask\n"
    )
    with pytest.raises(UserError, match=fault):
        load("own", tmp_path)


# Groups


GROUP = """
group: both
num_fewshot: 2
task:
  - sales_place
  - task: sales_topic
    num_fewshot: 1
    task_alias: topics
  - group: inner
    description: "Read well."
    task:
      - sales_choice
      - task: nowhere_else
        include: {base}
        doc_to_text: !function group_code.ask
  - trade
"""


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """A folder with a group that changes its members, and the members."""
    for file in FOLDER.glob("sales_*.yaml"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "both.yaml").write_text(GROUP.format(base=FOLDER / "sales_topic.yaml"))
    (tmp_path / "group_code.py").write_text("def ask(doc):\n    return 'Well? ' + doc['letter']\n")
    return tmp_path


def test_the_members_of_a_group_are_named_after_it_where_it_changes_them(group: Path) -> None:
    names = "both::sales_place, both::sales_topic, both::inner::sales_choice, both::inner::nowhere_else"
    listing = ", ".join(f"lm_eval:{name}" for name in names.split(", "))
    with pytest.raises(UserError, match=f"'both' is a group of lm-eval; name its tasks instead: {listing}$"):
        load("both", group)


@pytest.mark.parametrize(
    ("name", "shots", "system"),
    [
        ("both::sales_place", 2, None),
        ("both::sales_topic", 1, None),
        ("both::inner::sales_choice", 2, "Read well."),
        ("both::inner::nowhere_else", 2, "Read well."),
        ("sales_topic", 4, None),
    ],
)
def test_a_member_of_a_group_is_what_the_group_makes_of_it(
    group: Path, name: str, shots: int, system: str | None
) -> None:
    task = load(name, group)
    assert (task.name, task.prompts.num_fewshot, task.prompts.system) == (f"lm_eval:{name}", shots, system)


def test_a_member_that_only_the_group_defines_has_its_files_and_functions(group: Path) -> None:
    task = load("both::inner::nowhere_else", group)
    assert rendered(task, load_dataset(task)).text.startswith("Read well.Well? ")


def test_a_member_that_a_group_lacks_is_told_with_those_it_has(group: Path) -> None:
    with pytest.raises(
        UserError, match=r"the group 'both' has no such member.* Did you mean 'both::sales_topic'"
    ):
        load("both::sales_topics", group)


def test_a_group_may_list_members_of_lm_evals_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.plugins.lm_eval import library

    manager = library._manager

    def indexed(dirs: tuple[Path, ...], *, own_tasks: bool = False) -> Any:
        return manager((*dirs, FOLDER) if own_tasks else dirs)  # stands in for lm-eval's own

    monkeypatch.setattr(library, "_manager", indexed)
    monkeypatch.setattr(library, "_may_be_its_own", lambda name: name == "sales_topic")
    (tmp_path / "mine.yaml").write_text("group: mine\ntask:\n  - task: sales_topic\n    num_fewshot: 7\n")
    assert load("mine::sales_topic", tmp_path).prompts.num_fewshot == 7


def test_a_member_without_a_name_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("group: mine\ntask:\n  - dataset_path: json\n")
    with pytest.raises(UserError, match="the group 'mine' has a member without a name; write `task: NAME`"):
        load("mine", tmp_path)


# Declarations


def test_a_choice_task_is_declared_as_lm_eval_has_it() -> None:
    task = load("sales_choice")
    assert (task.output, task.version, task.primary_metric) == ("choice", 2, "acc")
    assert [metric.name for metric in task.metrics if isinstance(metric, Metric)] == ["acc", "acc_norm"]


def test_chance_is_an_even_guess_among_each_samples_choices() -> None:
    task = load("sales_choice")
    samples = load_dataset(task).test
    assert {len(sample.choices) for sample in samples} == {3, 4}
    assert task.chance == pytest.approx(sum(1 / len(sample.choices) for sample in samples) / len(samples))


def test_a_generation_task_stops_and_ends_as_its_generation_kwargs_say() -> None:
    task = load("sales_topic")
    assert (task.output, task.stop, task.max_tokens) == ("generate", ("\n", "."), 12)


def test_metrics_of_several_filters_are_named_with_them() -> None:
    task = load("sales_topic")
    names = [metric.name for metric in task.metrics if isinstance(metric, Metric)]
    assert names == ["exact_match,strict", "exact_match,flexible"]
    assert task.primary_metric == "exact_match,strict"


def test_a_task_of_likelihoods_alone_is_ranked_by_the_probability_of_a_byte() -> None:
    task = load("sales_text")
    assert (task.output, task.primary_metric) == ("perplexity", "byte_probability")


def test_a_task_with_no_whole_version_number_gets_its_whole_part(changed: WriteTask) -> None:
    assert changed("sales_choice", metadata={"version": "3.1-beta"}).version == 3
    assert changed("sales_choice", metadata={}).version == 1


def test_the_number_of_demonstrations_is_the_yaml_files_own_if_it_has_one() -> None:
    assert [load(name).prompts.num_fewshot for name in ("sales_written", "sales_topic")] == [3, 4]


# Data


SAME_DOCS = """
def same(docs):
    return docs.map(dict)
"""


def test_loading_a_task_draws_no_progress_bars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import datasets

    # As for a user, whose environment says nothing of bars, and who loads the data for the first time.
    bars = sys.modules["datasets.utils.tqdm"]
    monkeypatch.setattr(bars, "HF_DATASETS_DISABLE_PROGRESS_BARS", None)
    monkeypatch.setattr(bars, "_hf_datasets_progress_bars_disabled", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "same_docs.py").write_text(SAME_DOCS)
    (tmp_path / "same.yaml").write_text(
        f"include: {FOLDER / 'sales_topic.yaml'}\ntask: same\nprocess_docs: !function same_docs.same\n"
    )
    assert sizes(load_dataset(load("same", tmp_path))) == (30, 10, 40)
    assert capfd.readouterr().err == ""
    assert not datasets.are_progress_bars_disabled()


def sizes(dataset: Dataset) -> tuple[int, int, int]:
    return len(dataset.train), len(dataset.dev), len(dataset.test)


def test_its_three_splits_are_train_dev_and_test() -> None:
    assert sizes(load_dataset(load("sales_choice"))) == (30, 10, 40)


def test_without_a_test_split_it_is_tested_on_validation_and_dev_is_cut_from_train(
    changed: WriteTask,
) -> None:
    assert sizes(load_dataset(changed("sales_choice", test_split=None))) == (27, 3, 10)


def test_without_a_training_split_train_and_dev_are_cut_from_validation(changed: WriteTask) -> None:
    assert sizes(load_dataset(changed("sales_choice", training_split=None))) == (9, 1, 40)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, ")"),
        ({"training_split": None}, "), trained on its validation split"),
        (
            {"training_split": None, "validation_split": None, "fewshot_split": "train"},
            "), trained on the samples it sets apart for demonstrations",
        ),
    ],
)
def test_the_description_tells_what_stands_in_for_a_training_split(
    changed: WriteTask, settings: dict[str, Any], says: str
) -> None:
    assert changed("sales_choice", **settings).description.partition("(data: json")[2].endswith(says)


def test_without_both_they_are_cut_from_what_is_set_apart_for_demonstrations(changed: WriteTask) -> None:
    task = changed("sales_choice", training_split=None, validation_split=None, fewshot_split="train")
    assert sizes(load_dataset(task)) == (27, 3, 40)


def test_samples_written_in_the_yaml_file_will_do_where_there_is_no_other_data(changed: WriteTask) -> None:
    task = changed("sales_written", training_split=None, validation_split=None)
    assert sizes(load_dataset(task)) == (2, 1, 40)


def test_a_training_split_that_is_tested_on_is_not_trained_on(changed: WriteTask) -> None:
    assert sizes(load_dataset(changed("sales_choice", training_split="test"))) == (9, 1, 40)


def test_of_data_that_lm_eval_only_tests_on_one_half_is_trained_on_and_that_is_told(
    changed: WriteTask,
) -> None:
    task = changed("sales_choice", training_split=None, validation_split=None)
    dataset = load_dataset(task)
    assert sizes(dataset) == (18, 2, 20)
    documents = {sample.metadata["doc"] for sample in (*dataset.train, *dataset.dev, *dataset.test)}
    assert len(documents) == 40
    assert task.description.endswith(", trained on a half of its test split and tested on the other")
    assert dataset.remarks == (
        "lm-eval tests on all the data that it has; here 20 of these documents are tested on and 20 trained on, so "
        "its scores are those of other samples",
    )


ODD_COLUMNS = """
import datetime, decimal
from datasets import Dataset, Image
from PIL.Image import new

def add(docs):
    rows = [dict(row) for row in docs]
    for number, row in enumerate(rows):
        row["when"] = datetime.datetime(2024, 2, 29, 12, number % 60)
        row["day"] = datetime.date(2024, 2, 29)
        row["price"] = decimal.Decimal("12.50")
        row["raw"] = bytes([number, 255])
        row["took"] = datetime.timedelta(seconds=number)
        row["shown"] = new("RGB", (2, 2))
    return Dataset.from_list(rows).cast_column("shown", Image())

def ask(doc):
    return f"{doc['when'].year} {doc['day']:%B} {doc['price'] + 1} {doc['raw'][1]} {doc['took'].seconds}"

def look(doc):
    return str(doc["shown"].size)
"""


def odd_columns(folder: Path, question: str) -> Task:
    (folder / "odd.py").write_text(ODD_COLUMNS)
    (folder / "odd.yaml").write_text(
        f"include: {FOLDER / 'sales_topic.yaml'}\ntask: odd\nprocess_docs: !function odd.add\n"
        f"doc_to_text: !function odd.{question}\n"
    )
    return load("odd", folder)


def test_dates_decimals_and_bytes_reach_a_tasks_code_as_they_are_and_images_refuse_no_task(
    tmp_path: Path,
) -> None:
    pytest.importorskip("PIL")
    task = odd_columns(tmp_path, "ask")
    assert rendered(task, load_dataset(task)).text == "2024 February 13.50 255 0"


def test_a_prompt_made_of_an_image_is_refused_in_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    task = odd_columns(tmp_path, "look")
    with pytest.raises(
        UserError, match="sample '0' cannot be rendered: the task's render raised KeyError: 'shown'"
    ):
        rendered(task, load_dataset(task))


def test_an_empty_answer_may_be_the_right_one(changed: WriteTask) -> None:
    task = changed("sales_topic", doc_to_target="{{topic if count > 50 else ''}}", filter_list=None)
    samples = load_dataset(task).test
    empty = next(sample for sample in samples if sample.targets == ("",))
    exact = metric(task, "exact_match")
    assert [evaluate(exact, [reply(empty, answer)]) for answer in ("", "money")] == [1.0, 0.0]


def test_the_cut_for_dev_is_the_same_every_time_and_shares_no_sample(changed: WriteTask) -> None:
    first, second = (load_dataset(changed("sales_choice", test_split=None)) for _ in range(2))
    assert first.dev == second.dev
    assert {sample.metadata["doc"] for sample in first.dev}.isdisjoint(
        sample.metadata["doc"] for sample in first.train
    )


def test_a_sample_has_the_choices_and_the_target_of_its_document() -> None:
    sample = load_dataset(load("sales_choice")).test[0]
    doc = json.loads(sample.metadata["doc"])
    assert sample.choices == tuple(doc["options"])
    assert sample.target == (doc["options"][doc["right"]],)


def test_a_target_that_is_no_choice_is_named(changed: WriteTask) -> None:
    with pytest.raises(
        UserError, match=r"a document's target is 9, which is none of its choices \['lamps in Lima', "
    ):
        changed("sales_choice", doc_to_target="{{9 if count < 10 else right}}")


def test_of_several_accepted_answers_all_are_targets(changed: WriteTask) -> None:
    task = changed("sales_topic", doc_to_target="{{[topic, 'about ' + topic]}}")
    sample = load_dataset(task).test[0]
    topic = json.loads(sample.metadata["doc"])["topic"]
    assert sample.targets == (topic, f"about {topic}")


# Prompts


@pytest.mark.parametrize("shown", [0, 3])
@pytest.mark.parametrize("name", ["sales_choice", "sales_topic", "sales_place"])
def test_a_prompt_is_the_context_that_lm_eval_builds(name: str, shown: int) -> None:
    task, theirs = load(name), lm_eval_task(name)
    dataset = load_dataset(task)
    theirs.sampler.sample = lambda **_: [
        json.loads(sample.metadata["doc"]) for sample in dataset.train[:shown]
    ]
    context = theirs.fewshot_context(json.loads(dataset.test[0].metadata["doc"]), num_fewshot=shown)
    assert rendered(task, dataset, shown).text == context


@pytest.mark.parametrize("name", ["sales_choice", "sales_place"])
def test_what_follows_a_prompt_is_the_continuation_that_lm_eval_measures(name: str) -> None:
    task, theirs = load(name), lm_eval_task(name)
    dataset = load_dataset(task)
    sample, prompt = dataset.test[0], rendered(task, dataset)
    requests = theirs.construct_requests(json.loads(sample.metadata["doc"]), "context", metadata=(name, 0, 1))
    wanted = [request.args[1] for request in (requests if isinstance(requests, list) else [requests])]
    assert [prompt.before + answer for answer in sample.choices or sample.targets] == wanted


def test_white_space_that_ends_a_context_begins_the_choice(changed: WriteTask) -> None:
    task = changed("sales_choice", doc_to_text="{{text}}: ", target_delimiter="")
    prompt = rendered(task, load_dataset(task))
    assert prompt.text.endswith(".:")
    assert prompt.before == " "


def test_a_model_writes_after_the_white_space_that_ends_a_context(changed: WriteTask) -> None:
    task = changed("sales_topic", doc_to_text="{{letter}}: ", target_delimiter="")
    prompt = rendered(task, load_dataset(task))
    assert prompt.text.endswith(".: ")
    assert prompt.before == ""


def test_a_prefix_of_the_answer_ends_the_prompt(changed: WriteTask) -> None:
    task = changed("sales_topic", gen_prefix="It is about")
    dataset = load_dataset(task)
    prompt = rendered(task, dataset, shots=1)
    assert prompt.text.endswith(".\nIt is about")
    assert f"\nIt is about {dataset.train[0].targets[0]}\n---\n" in prompt.text
    assert prompt.before == " "
    question, begun = prompt.messages[-2:]
    assert (question["role"], question["content"][-1]) == ("user", ".")
    assert begun == {"role": "assistant", "content": "It is about"}
    assert prompt.question == question["content"]


def test_a_chat_has_the_description_as_system_line_and_demonstrations_as_turns() -> None:
    task = load("sales_choice")
    dataset = load_dataset(task)
    messages = rendered(task, dataset, shots=2).messages
    assert [message["role"] for message in messages] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert messages[2]["content"] == dataset.train[0].targets[0]


def test_demonstrations_written_in_the_yaml_file_are_the_ones_shown() -> None:
    task = load("sales_written")
    messages = rendered(task, load_dataset(task), shots=2).messages
    assert [message["content"] for message in messages if message["role"] == "assistant"] == [
        "topic: money",
        "topic: machines",
    ]


def test_the_first_of_a_split_are_shown_where_the_sampler_takes_the_first(changed: WriteTask) -> None:
    task = changed("sales_topic", fewshot_split="validation", fewshot_config={"sampler": "first_n"})
    dataset = load_dataset(task)
    messages = rendered(task, dataset, shots=2).messages
    shown = [message["content"] for message in messages if message["role"] == "assistant"]
    assert shown == [sample.targets[0] for sample in dataset.dev[:2]]


def test_demonstrations_are_never_what_is_tested_on(changed: WriteTask) -> None:
    task = changed("sales_topic", fewshot_split="test", fewshot_config={"sampler": "first_n"})
    dataset = load_dataset(task)
    messages = rendered(task, dataset, shots=1).messages
    assert messages[1]["content"] == dataset.train[0].targets[0]


def test_what_can_be_asked_but_not_shown_is_told_of(changed: WriteTask) -> None:
    # lm-eval shows the first of several right answers where it is a text, and raises where it is a number.
    task = changed("sales_choice", doc_to_target="{{[right]}}")
    dataset = load_dataset(task)
    assert rendered(task, dataset).text
    with pytest.raises(UserError, match=r"sample '0' cannot be rendered after the demonstrations '0', '1': "):
        rendered(task, dataset, shots=2)
    fault = demonstration_fault(task, dataset)
    assert fault is not None
    assert fault.startswith(
        "30 of 30 tried training samples cannot be shown as demonstrations (the first is '0'): "
    )


def test_a_rolling_likelihood_is_of_the_text_alone() -> None:
    task = load("sales_text")
    prompt = rendered(task, load_dataset(task), shots=2)
    assert (prompt.text, prompt.before, prompt.after) == ("", "", "")


WRITTEN = [
    {"letter": "The lamp is dark.", "topic": "machines"},
    {"letter": "Who pays for this?", "topic": "money"},
    {"letter": "It never came.", "topic": "delivery"},
]


@pytest.mark.parametrize(
    "few_shot",
    [
        {"samples": [*WRITTEN[:2], {"letter": "It never came.", "topic": "login"}]},
        {"samples": WRITTEN, "doc_to_text": "{{letter}}"},
        {"samples": WRITTEN, "doc_to_target": "{{topic}}"},
    ],
)
def test_the_fingerprint_changes_with_what_is_shown(write_task: WriteTask, few_shot: dict[str, Any]) -> None:
    before = write_task("before", "sales_written", fewshot_config={"sampler": "first_n", "samples": WRITTEN})
    after = write_task("after", "sales_written", fewshot_config={"sampler": "first_n", **few_shot})
    assert load_dataset(after).fingerprint != load_dataset(before).fingerprint


def test_the_fingerprint_stays_where_only_scoring_changes(write_task: WriteTask) -> None:
    before = write_task("before", "sales_topic")
    after = write_task("after", "sales_topic", filter_list=None, metric_list=[{"metric": "bleu"}])
    assert load_dataset(after).fingerprint == load_dataset(before).fingerprint


OWN_PROMPTS = """
from functools import partial

def put(doc, opening):
    return opening + question(doc)

def question(doc):
    return doc["letter"]

ask = partial(put, opening="About what? ")
"""


def test_the_fingerprint_is_of_the_tasks_own_code_and_not_of_where_it_stands(tmp_path: Path) -> None:
    fingerprints = []
    for place, code in (
        ("here", OWN_PROMPTS),
        ("there", OWN_PROMPTS),
        ("other", OWN_PROMPTS.replace("return doc", "return '' or doc")),
    ):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "own_prompts.py").write_text(code)
        (folder / "own.yaml").write_text(
            f"include: {FOLDER / 'sales_topic.yaml'}\ntask: own\ndoc_to_text: !function own_prompts.ask\n"
        )
        fingerprints.append(load_dataset(load("own", folder)).fingerprint)
    here, there, other = fingerprints
    assert here == there != other


# Metrics


def test_targets_are_not_held_to_filters_that_are_made_for_completions() -> None:
    name = "lm_eval:sales_topic"
    findings = besides_power(check_task(name, lm_eval_plugins([name], [FOLDER])))
    assert [finding for finding in findings if finding.level in ("error", "warning")] == []


def test_a_choice_is_judged_by_the_log_probabilities() -> None:
    task = load("sales_choice")
    sample = load_dataset(task).test[0]
    right = tuple(-1.0 if choice in sample.targets else -90.0 for choice in sample.choices)
    wrong = tuple(-90.0 if choice in sample.targets else -1.0 for choice in sample.choices)
    scores = [
        evaluate(metric(task, "acc"), [reply(sample, choice_logprobs=values)]) for values in (right, wrong)
    ]
    assert scores == [1.0, 0.0]


def test_each_filter_sees_the_completion_as_the_model_wrote_it() -> None:
    task = load("sales_topic")
    sample = load_dataset(task).test[0]
    topic = json.loads(sample.metadata["doc"])["topic"]
    scores = {
        completion: tuple(metric.score(reply(sample, completion)) for metric in task.metrics)  # type: ignore[union-attr, misc]
        for completion in (topic, f" {topic}", f"It is {topic}", "")
    }
    assert scores == {
        topic: (1.0, 1.0),
        f" {topic}": (0.0, 1.0),
        f"It is {topic}": (0.0, 1.0),
        "": (0.0, 0.0),
    }


def test_a_given_continuation_is_judged_by_its_likelihood() -> None:
    task = load("sales_place")
    first, second = load_dataset(task).test[:2]
    replies = [reply(first, logprob=-3.0, greedy=False), reply(second, logprob=-1.0, greedy=True)]
    values = [evaluate(metric(task, name), replies) for name in ("perplexity", "acc")]
    assert values == [
        pytest.approx(lm_eval_task("sales_place").aggregation()["perplexity"]([-3.0, -1.0])),
        0.5,
    ]


@pytest.mark.parametrize("name", ["word_perplexity", "bits_per_byte"])
def test_likelihoods_of_texts_come_to_the_value_of_lm_eval(name: str) -> None:
    task, theirs = load("sales_text"), lm_eval_task("sales_text")
    samples = load_dataset(task).test[:3]
    items = [
        theirs.process_results(json.loads(sample.metadata["doc"]), [logprob])[name]
        for sample, logprob in zip(samples, (-30.0, -12.0, -50.0), strict=True)
    ]
    replies = [
        reply(sample, logprob=logprob) for sample, logprob in zip(samples, (-30.0, -12.0, -50.0), strict=True)
    ]
    assert evaluate(metric(task, name), replies) == pytest.approx(theirs.aggregation()[name](items))


CLASSES = {
    "metric_list": [{"metric": name} for name in ("f1", "mcc", "brier_score")],
    "doc_to_choice": ["few of them", "many of them"],
    "doc_to_target": "{{1 if count > 50 else 0}}",
}


@pytest.mark.parametrize("name", ["f1", "mcc", "brier_score"])
def test_metrics_of_two_classes_come_to_the_value_of_lm_eval(changed: WriteTask, name: str) -> None:
    from lm_eval.api.registry import get_metric_aggregation

    task = changed("sales_choice", **CLASSES)
    samples = load_dataset(task).test
    replies = [
        reply(sample, choice_logprobs=(-1.0, -0.1 * (place % 20) - 0.05))
        for place, sample in enumerate(samples)
    ]
    from numpy import argmax, exp

    items: list[Any] = []
    for each in replies:
        gold, chances = (
            each.choices.index(each.targets[0]),
            exp(each.choice_logprobs) / exp(each.choice_logprobs).sum(),
        )
        items.append((gold, chances if name == "brier_score" else argmax(each.choice_logprobs)))
    assert evaluate(metric(task, name), replies) == pytest.approx(get_metric_aggregation(name)(items))


@pytest.mark.parametrize("name", ["bleu", "chrf", "ter"])
def test_metrics_of_texts_are_those_of_lm_eval_divided_by_100(changed: WriteTask, name: str) -> None:
    from lm_eval.api.registry import get_metric_aggregation

    task = changed(
        "sales_topic", doc_to_target="{{letter}}", filter_list=None, metric_list=[{"metric": name}]
    )
    samples = load_dataset(task).test[:10]
    written = [
        sample.targets[0].replace(" the ", " a ").upper()[:8] + sample.targets[0][8:] for sample in samples
    ]
    replies = [reply(sample, text) for sample, text in zip(samples, written, strict=True)]
    items = [[sample.targets[0], text] for sample, text in zip(samples, written, strict=True)]
    assert evaluate(metric(task, name), replies) == pytest.approx(get_metric_aggregation(name)(items) / 100)


def averaged(name: str, gives: float, *, higher_is_better: bool) -> Metric:
    """The mean of what a task's own code gives for a sample."""
    return make_metric(
        name,
        lambda _: gives,
        aggregation="mean",
        label=name,
        higher_is_better=higher_is_better,
        own_code=True,
    )


@pytest.mark.parametrize(
    ("name", "higher_is_better", "gives", "score", "ends"),
    [
        ("exact_match", True, 0.5, 0.5, (0.0, 1.0)),
        ("rougeL", True, 0.25, 0.25, (0.0, 1.0)),
        ("rougeL_max", True, 25.0, 0.25, (0.0, 1.0)),
        ("bleu_max", True, 100.00000000000004, 1.0, (0.0, 1.0)),
        ("bleu_acc", True, 1.0, 1.0, (0.0, 1.0)),
        ("bleu_diff", True, -40.0, -0.4, (-1.0, 1.0)),
        ("chrf", True, 60.0, 60.0, (0.0, 100.0)),
        ("eqbench", True, -30.0, -30.0, (-math.inf, 100.0)),
        ("wer", False, 1.5, 1.5, (0.0, math.inf)),
        ("pct_stereotype", False, 1.0, 1.0, (0.0, 1.0)),
        ("likelihood_diff", False, -3.0, -3.0, (-math.inf, math.inf)),
    ],
)
def test_a_mean_has_the_range_that_its_name_tells(
    name: str, higher_is_better: bool, gives: float, score: float, ends: tuple[float, float]
) -> None:
    found = averaged(name, gives, higher_is_better=higher_is_better)
    assert (found.low, found.high) == ends
    assert evaluate(found, [Reply("", ("a",))]) == score


@pytest.mark.parametrize(("name", "gives"), [("rougeL_max", 100.5), ("rouge1", 34.0), ("bleu_diff", -101.0)])
def test_a_score_outside_its_range_is_refused_in_the_numbers_of_lm_eval(name: str, gives: float) -> None:
    with pytest.raises(UserError, match=f"lm-eval gives {name} = {gives:g}, which is outside"):
        evaluate(averaged(name, gives, higher_is_better=True), [Reply("", ("a",))])


def test_a_task_of_no_metric_to_rank_by_gets_one_of_ours(changed: WriteTask) -> None:
    """A share of edits has no upper end; a Brier score has two."""
    task = changed("sales_topic", metric_list=[{"metric": "ter"}])
    assert (task.primary_metric, task.metrics[-1]) == ("exact_match", "exact_match")
    assert changed("sales_choice", metric_list=[{"metric": "brier_score"}]).primary_metric == "brier_score"


OWN_CODE = """
def judge(doc, results):
    if "raise" in results[0]:
        raise ValueError("no such thing")
    return {"share": float(results[0])} if results[0] else {}
"""


@pytest.mark.parametrize(
    ("completion", "fault"),
    [
        ("", "lm-eval gives no 'share' for this sample"),
        ("nan", "which is no finite number"),
        ("7", "lm-eval gives share = 7, which is outside 0 to 1"),
        ("raise", "lm-eval's scoring raised ValueError: no such thing"),
    ],
)
def test_a_score_that_cannot_be_one_is_the_samples_error(tmp_path: Path, completion: str, fault: str) -> None:
    (tmp_path / "own_code.py").write_text(OWN_CODE)
    (tmp_path / "own.yaml").write_text(
        f"include: {FOLDER / 'sales_topic.yaml'}\ntask: own\nfilter_list: null\nprocess_results: !function own_code.judge\n"
        "metric_list:\n  - metric: share\n    aggregation: mean\n    higher_is_better: true\n"
    )
    task = load("own", tmp_path)
    sample = load_dataset(task).test[0]
    share = metric(task, "share")
    assert evaluate(share, [reply(sample, "0.25")]) == 0.25
    with pytest.raises(UserError, match=fault):
        evaluate(share, [reply(sample, completion)])
