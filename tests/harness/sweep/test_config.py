"""A sweep file says what it means, or the first fault is named with its key and what is allowed."""

from pathlib import Path
from typing import Any

import pytest
from places import TESTS
from synthetic import make_run, task_card

from harness.errors import UserError
from harness.sweep.methods import Tuner
from harness.sweep.prompting import RENDERER_ARGUMENTS, Prompting
from harness.sweep.recipe import LORA_FIELDS, Layers, Training, layered, listed, make_training
from harness.sweep.run import Run
from harness.sweep.sweep import load_sweep

SWEEPS = TESTS / "data" / "sweeps"

FAULTS = {
    "misspelt_key.toml": "unknown key 'sedes'. Did you mean 'seeds'? Allowed here: analysis, candidates, defaults,",
    "misspelt_nested_key.toml": "unknown key 'candidates.0.lora.learning_rat'. Did you mean 'learning_rate'?",
    "misspelt_training_key.toml": "unknown key 'defaults.training.num_epochs'. Did you mean 'num_train_epochs'?",
    "wrong_type.toml": "'seeds.0': must be a whole number",
    "list_for_number.toml": "'defaults.training.learning_rate': must be a number (got 'high')",
    "no_training_samples.toml": "'n_train': must be a positive number or \"all\", or a list of them (got 0)",
    "same_candidate_twice.toml": "candidate name 'toy' is given twice",
    "same_task_twice.toml": "task 'date_normalise' is given twice",
    "same_seed_twice.toml": "seed '0' is given twice",
    "no_tasks.toml": "'tasks' is missing",
    "no_candidates.toml": "'candidates' is missing",
    "no_model.toml": "'candidates.0.model' is missing",
    "unknown_method.toml": (
        "'candidates.0.methods.1': Input should be 'zero_shot', 'zero_shot_constrained', 'few_shot', 'lora', "
        "'dora', "
    ),
    "revision_is_a_branch.toml": "'candidates.0.revision'",
    "name_is_a_path.toml": "'name'",
    "several_greedy_answers.toml": "'generation': n = 4 answers at temperature 0 are all the same; set a temperature",
    "guard_task_is_trained_on.toml": "guard_tasks: task 'date_normalise' is among the sweep's tasks, and so trained on;",
    "same_guard_task_twice.toml": "guard task 'boolq' is given twice",
    "chat_without_a_template.toml": (
        "'candidates.0': candidate 'toy': chat = false renders no chat template, and chat_template_kwargs "
        "are arguments of one; leave one of the two out"
    ),
    "thinks_and_answers_at_once.toml": (
        "'candidates.0': candidate 'toy': enable_thinking = true lets the model think, and max_thought_tokens = 0 "
        "has it answer at once; leave one of the two out"
    ),
    "renderer_s_own_argument.toml": (
        "'candidates.0.chat_template_kwargs': 'add_generation_prompt' is set when a prompt is rendered and "
        "cannot be given; leave it out, and name only arguments that the chat template reads, such as "
        "enable_thinking"
    ),
    "one_thought_mark.toml": (
        "'candidates.0.thought_marks': must be two different texts, which begin and end a thought, such as"
    ),
    "not_toml.toml": "not valid TOML",
    "not_utf8.toml": "not valid TOML",
}


def test_every_malformed_sweep_file_is_in_the_table() -> None:
    assert {path.name for path in SWEEPS.glob("*.toml")} == {*FAULTS, "good.toml"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_malformed_sweep_names_the_file_the_key_and_the_fault(name: str) -> None:
    with pytest.raises(UserError) as raised:
        load_sweep(SWEEPS / name)
    assert str(raised.value).startswith(f"{SWEEPS / name}: {FAULTS[name]}")


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_of_a_malformed_sweep_is_one_line(name: str) -> None:
    with pytest.raises(UserError) as raised:
        load_sweep(SWEEPS / name)
    assert "\n" not in str(raised.value)


def test_a_sweep_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_sweep(tmp_path / "sweep.toml")


def test_a_folder_is_no_sweep(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_sweep(tmp_path)


def test_a_good_sweep_is_read_as_written() -> None:
    sweep = load_sweep(SWEEPS / "good.toml")
    assert sweep.tasks == ("date_normalise", "ticket_routing")
    assert (sweep.seeds, sweep.n_train, sweep.templates) == ((0, 1), 200, None)
    assert [candidate.methods for candidate in sweep.candidates] == [("zero_shot", "lora", "full")]


def resolved(tuner: Tuner, *layers: Layers) -> Training:
    return make_training(layered(tuner, tuner, *layers), tuner)


def test_a_setting_of_the_candidate_wins_over_one_of_the_sweep_and_unset_ones_fall_through() -> None:
    sweep = load_sweep(SWEEPS / "good.toml")
    lora = resolved("lora", sweep.defaults, sweep.candidates[0])
    assert (lora.num_train_epochs, lora.learning_rate, lora.r) == (2, 5e-3, 8)
    full = resolved("full", sweep.defaults, sweep.candidates[0])
    assert (full.num_train_epochs, full.learning_rate) == (2, 1e-3)


def test_a_method_has_its_own_default_learning_rate() -> None:
    assert resolved("lora").learning_rate > resolved("full").learning_rate


def test_a_setting_of_one_method_wins_over_the_common_one() -> None:
    common = Layers(training={"learning_rate": 1e-3}, lora={"learning_rate": 1e-2})
    assert resolved("lora", common, Layers(training={"learning_rate": 1e-5})).learning_rate == 1e-2


def test_a_setting_of_a_method_wins_over_one_of_what_it_trains() -> None:
    layers = Layers(training={"r": 2}, lora={"r": 4, "lora_alpha": 8}, few_shot_tuning={"r": 8})
    tens = make_training(layered("lora", "few_shot_tuning", layers), "lora")
    assert (tens.r, tens.lora_alpha) == (8, 8)


def test_a_setting_equal_to_the_built_in_default_still_wins_when_it_was_given() -> None:
    sweep = Layers(training={"num_train_epochs": 7})
    candidate = Layers(training={"num_train_epochs": Training().num_train_epochs})
    assert resolved("full", sweep, candidate).num_train_epochs == Training().num_train_epochs


def test_full_fine_tuning_has_no_adapter_settings() -> None:
    full = resolved("full", Layers(training={"r": 4}))
    assert {getattr(full, name) for name in LORA_FIELDS} == {None}


def test_a_list_of_modules_is_one_value_and_a_list_of_lists_several() -> None:
    assert listed("target_modules", ["q_proj", "v_proj"]) is None
    assert listed("target_modules", [["q_proj"], ["q_proj", "v_proj"]]) == [["q_proj"], ["q_proj", "v_proj"]]
    assert listed("r", [4, 8]) == [4, 8]


def test_the_key_of_a_run_depends_on_everything_in_it() -> None:
    run = make_run("small", "lora", task_card(), 0)
    changed = [
        run.model_copy(update={"seed": 1}),
        run.model_copy(update={"templates": ("other",)}),
        run.model_copy(update={"task_fingerprint": "f" * 16}),
        run.model_copy(update={"limit": 10}),
        run.model_copy(update={"stages": (run.stages[0].model_copy(update={"training": Training(r=2)}),)}),
    ]
    assert len({run.key, *(other.key for other in changed)}) == 1 + len(changed)


def test_the_key_of_a_run_is_the_same_after_reading_it_back() -> None:
    run = make_run("small", "lora", task_card(), 0)
    assert type(run).model_validate_json(run.model_dump_json()).key == run.key


def prompted(**fields: Any) -> Run:
    """A run whose candidate is prompted in another way."""
    run = make_run("small", "lora", task_card(), 0)
    return run.model_copy(update={"candidate": run.candidate.model_copy(update=fields)})


def test_a_candidate_that_is_prompted_as_ever_keeps_the_keys_that_it_had() -> None:
    run = make_run("small", "lora", task_card(), 0)
    assert run.recipe is not None
    # As they were before templates took arguments.
    assert (run.key, run.recipe.key) == ("c06266cb3803a3ab", "5c4e12b68f3c2a54")
    usual = Prompting(chat_template_kwargs={}, thought_marks=("<think>", "</think>"), max_thought_tokens=None)
    assert prompted(**usual.prompting).key == run.key
    assert set(run.model_dump(mode="json")["candidate"]) == {
        "name", "model", "revision", "fingerprint", "method", "chat",
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"chat_template_kwargs": {"reasoning_effort": "high", "levels": [1, {"a": None}]}},
        {"thought_marks": ("[THINK]", "[/THINK]")},
        {"max_thought_tokens": 0},
    ],
)
def test_how_a_candidate_is_prompted_is_part_of_the_keys_of_its_runs_and_recipes(
    fields: dict[str, Any],
) -> None:
    usual, run = prompted(), prompted(**fields)
    assert usual.recipe is not None and run.recipe is not None
    assert (run.key != usual.key, run.recipe.key != usual.recipe.key) == (True, True)
    read = Run.model_validate_json(run.model_dump_json())
    assert (read, read.key, read.candidate.prompting) == (run, run.key, run.candidate.prompting)


def test_template_arguments_may_be_any_json_values_and_a_date_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(
        'name = "s"\ntasks = ["boolq"]\n[[candidates]]\nname = "a"\nmodel = "gainboard/toy-qwen3"\n'
        "chat_template_kwargs = { enable_thinking = true, date_string = 2025-07-26, tags = [1, 2.5, { a = 'b' }] }\n"
    )
    arguments = load_sweep(path).candidates[0].chat_template_kwargs
    assert arguments == {"enable_thinking": True, "date_string": "2025-07-26", "tags": [1, 2.5, {"a": "b"}]}


def test_a_switch_in_quotes_is_refused_since_a_template_takes_any_text_for_true() -> None:
    with pytest.raises(
        ValueError, match=r"'enable_thinking' is the text 'false', .*; write false without quotes"
    ):
        Prompting(chat_template_kwargs={"enable_thinking": "false"})


@pytest.mark.parametrize("name", sorted(RENDERER_ARGUMENTS))
def test_what_the_renderer_sets_is_no_argument_of_a_template(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' is set when a prompt is rendered"):
        Prompting(chat_template_kwargs={name: True})


def test_a_run_lies_in_a_folder_of_its_own() -> None:
    assert make_run("small", "lora", task_card(), 3).folder == Path("small/lora/capitals-v1/n-500/seed-3")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('seeds = ["1"]', "'seeds.0': must be a whole number (got '1')"),
        ('num_fewshot = "4"', "'num_fewshot': must be a whole number (got '4')"),
        ("seeds = 3", "'seeds': must be a list (got 3)"),
        (
            "seeds = [4294967295]",
            "'seeds': 4294967295 is the seed of a search's trials, which may not be scored; take a smaller one",
        ),
        ("test_seed = true", "'test_seed': must be a whole number (got True)"),
        ('n_train = ["all", "all"]', "training budget 'all' is given twice; each must be unique"),
        ("n_train = []", "'n_train': must name at least one budget (got [])"),
        (
            "n_train = [16, -1]",
            "'n_train': must be a positive number or \"all\", or a list of them (got [16, -1])",
        ),
        ("[multitask]\ntasks = ['b']", "multitask.tasks: task 'b' is not among the sweep's tasks"),
        (
            "[multitask]\ntasks = ['a']\nheld_out = ['a']",
            "'multitask': task 'a' is both trained on and held out",
        ),
        (
            "[stages]\nmethods = ['lora', 'multitask']",
            "methods must begin with 'multitask' or 'meta' and end with one of the",
        ),
        (
            "[search]\nbudget = { trials = 3, tokens = 9 }",
            "'search.budget': give exactly one of trials, tokens, device_hours",
        ),
        ("[search]\nrungs = 0", "'search.rungs': Input should be greater than 0 (got 0)"),
        ("[defaults.lora]\nr = [8, 0]", "'defaults.lora.r': Input should be greater than 0 (got 0)"),
        (
            "[defaults.lora]\nlearning_rate = { low = 1e-3, high = 1e-4 }",
            "low = 0.001 must be below high = 0.0001",
        ),
        (
            "[defaults.lora]\nlearning_rate = { low = 0, high = 1e-4 }",
            "'defaults.lora.learning_rate': Input should be greater",
        ),
        ("[defaults.lora]\nlearning_rate = { min = 0, high = 1e-4 }", "'defaults.lora.learning_rate'"),
        ("[defaults.lora]\nr = []", "'defaults.lora.r': must name at least one"),
        ("[[ensembles]]\nname = 'v'\nmethod = 'vote'", "'ensembles.0.members' is missing"),
        (
            'demonstrations = "closest"',
            "'demonstrations': Input should be 'random', 'balanced', 'fixed' or 'nearest'",
        ),
        ("templates = []", "no template is named; give at least one, or leave the key out"),
        (
            '[[candidates]]\nname = "b"\nmodel = "b"\nrevision = "main"',
            "must be a commit, 40 hexadecimal digits (got 'main')",
        ),
    ],
)
def test_a_setting_of_the_wrong_kind_is_told_in_plain_words(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(
        f'name = "s"\ntasks = ["a"]\n{line}\n[[candidates]]\nname = "a"\nmodel = "gainboard/toy-llama"\n'
    )
    with pytest.raises(UserError) as error:
        load_sweep(path)
    assert told in str(error.value)
