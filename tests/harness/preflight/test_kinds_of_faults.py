"""Every kind of fault that tokenizers, templates and settings of a training were seen to have: what `check` says of
one that is planted, before anything is trained, and the tests that show the rest of its kind."""

import ast
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from gguf_files import llama_tensors, sentencepiece, small_metadata, write_gguf
from installed import need
from places import TESTS

from harness import cli
from harness.preflight import examine as examining
from harness.toys import toy_folder

TURNS = "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
BEGUN = "{% if add_generation_prompt %}<|assistant|>{% endif %}"

TASK = """
from harness import PromptSet, Sample, Splits, Task, task

WORDS = ["red", "blue", "green", "grey", "black", "white"]


def rows(start, stop, word):
    return [{"text": f"{number} {WORDS[number % 6]}", "answer": word.format(number)} for number in range(start, stop)]


def make(name, word, template="{text}", marker="Answer:"):
    return Task(
        name=name,
        description="Say it.",
        data=lambda: Splits(rows(0, 20, word), rows(20, 30, word), rows(30, 40, word)),
        to_sample=lambda row, index: Sample(str(index), {"text": row["text"]}, target=row["answer"]),
        prompts=PromptSet({"plain": template}, marker=marker),
        output="generate",
        metrics=("exact_match",),
        max_tokens=16,
    )


@task
def declared():
    return make({arguments})
"""

TASKS = {
    "ended": '"ended", "<|end|> {}"',
    "cyrillic": '"cyrillic", "Зелёный {}"',
    "spaced": '"spaced", "{}", "{text}. The colour is ", ""',
}
"""Name → how each is made."""


def template(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "chat_template.jinja").write_text(text)

    return change


def settings(**values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def as_it_is(_: Path) -> None:
    """The fault lies in a setting."""


def gguf_without_bos(folder: Path) -> None:
    said = sentencepiece(tokenizer__ggml__add_bos_token=True, tokenizer__chat_template=TURNS + BEGUN)
    rows = len(said["tokenizer.ggml.tokens"])
    shutil.rmtree(folder)
    path = folder.with_name(f"{folder.name}.gguf")
    write_gguf(path, small_metadata(llama__context_length=512) | said, llama_tensors(rows))


@dataclass(frozen=True)
class Fault:
    """One kind."""

    name: str
    plant: Callable[[Path], None] | None
    """Changes a copy of a toy; None where the fault lies in a task."""

    level: str
    says: str
    """Words of the message of `check`."""

    shown_by: tuple[str, ...]
    """Tests of the rest of its kind, by file and name."""

    candidate: str = ""
    """What its candidate's table has besides the model."""


FAULTS = (
    Fault(
        "an argument that no template reads",
        template(TURNS + BEGUN),
        "error",
        "does not read enable_thinking of chat_template_kwargs",
        (
            "engines/test_thought_answers.py::test_the_thought_is_kept_beside_the_answer_and_counted",
            "driver/test_thinking_sweep.py::test_candidates_of_one_model_share_its_weights_and_have_runs_of_their_own",
            "driver/test_thinking_sweep.py::test_thoughts_that_were_cut_leave_no_answer_and_are_told",
        ),
        "chat_template_kwargs = { enable_thinking = true }",
    ),
    Fault(
        "a turn that does not end as a text does",
        template(TURNS.replace("<|end|>", "<|pad|>") + BEGUN),
        "note",
        "ends a turn with '<|pad|>', and the tokenizer a text with '<|end|>': both end an answer",
        (
            "engines/test_rendering.py::test_the_token_that_follows_a_finished_answer_ends_it",
            "engines/test_rendering.py::test_a_turn_end_of_ordinary_tokens_ends_an_answer_as_a_text",
            "engines/test_completions.py::test_a_turn_that_ends_in_ordinary_tokens_ends_the_answer",
        ),
    ),
    Fault(
        "adapters beside tied embeddings",
        as_it_is,
        "error",
        "'embed_tokens' reaches model.embed_tokens, whose weights are also those of lm_head",
        (
            "engines/test_targets.py::test_tied_embeddings_are_refused_from_either_side",
            "engines/test_matches_training.py::test_an_adapter_beside_tied_embeddings_would_be_noticed",
        ),
        'methods = ["lora"]\nlora = { target_modules = ["q_proj", "embed_tokens"] }',
    ),
    Fault(
        "adapters beside layers that there are not",
        as_it_is,
        "error",
        "target_modules: 'nope' matches no module of this model",
        ("engines/test_targets.py::test_a_name_that_matches_nothing_is_refused_though_others_match",),
        'methods = ["lora"]\nlora = { target_modules = ["q_proj", "nope"] }',
    ),
    Fault(
        "a date that changes at midnight",
        template("<|system|>{{ strftime_now('%d %b %Y') }}<|end|>" + TURNS + BEGUN),
        "note",
        "asks for today's date, and is told 2024-07-26 in every run",
        ("engines/test_rendering.py::test_the_date_is_the_same_on_every_day_and_is_told",),
    ),
    Fault(
        "a tokenizer without an end",
        settings(eos_token=None),
        "error",
        "the tokenizer has no eos_token, so a tuned answer has no end to learn",
        ("engines/test_completions.py::test_a_tokenizer_without_an_end_of_text_writes_to_the_limit",),
        'methods = ["lora"]',
    ),
    Fault(
        "a file whose tokenizer begins with BOS, and its chats not",
        gguf_without_bos,
        "note",
        "plain texts begin with '<s>', and chats do not",
        (
            "engines/test_gguf.py::test_byte_level_files_begin_with_bos_where_llama_cpp_begins_so",
            "engines/test_bos.py::test_a_model_that_cannot_do_without_it_is_told_of",
        ),
    ),
    Fault(
        "targets that hold a token which ends answers",
        None,
        "error",
        "hold a token that ends an answer of this model, such as '<|end|>'",
        ("engines/test_engines.py::test_special_tokens_that_end_no_answer_are_part_of_it",),
    ),
    Fault(
        "targets that take more tokens than characters",
        None,
        "warning",
        "targets looked at are longer than max_tokens = 16 in this model's tokens",
        (
            "preflight/test_look.py::test_targets_longer_than_max_tokens_are_counted_in_the_models_own_tokens",
            "score/test_score.py::test_answers_that_were_cut_are_counted_and_those_whose_thought_was_cut",
        ),
    ),
    Fault(
        "a question that ends in a space",
        None,
        "warning",
        "white space",
        (
            "task/test_prompts.py::test_white_space_that_ends_a_question_goes_with_the_answer_and_takes_the_"
            "delimiters_place",
            "authoring/test_lint.py::test_white_space_at_the_end_of_a_question_is_a_fault_since_an_answer_brings_its_own",
        ),
    ),
)

ELSEWHERE = {
    "answers whose tokens are those that follow the prompt": (
        "engines/test_encode.py::test_an_answer_that_would_merge_with_its_prompt_is_encoded_after_it",
        "plugins/test_lm_eval_tokens.py::test_the_model_answers_as_for_lm_eval",
    ),
    "stop strings that begin in the prompt": (
        "engines/test_completions.py::test_a_stop_string_is_looked_for_in_the_answer_alone",
        "engines/test_engines.py::test_a_stop_string_that_begins_in_the_prompt_ends_no_answer",
    ),
    "dev samples that are too long": (
        "training/test_train.py::test_dev_samples_over_max_length_are_left_out_counted_and_told",
    ),
}
"""Kinds that only what is answered or trained can show."""


def write_sweep() -> None:
    """Each candidate has one of the faults."""
    tables = ['name = "s"\ntasks = ["ended", "cyrillic"]\nseeds = [0]\n']
    for place, fault in enumerate(FAULTS):
        if fault.plant is None:
            continue
        model = shutil.copytree(toy_folder("toy-llama"), Path(f"model-{place}"))
        fault.plant(model)
        model = model if model.is_dir() else model.with_suffix(".gguf")
        methods = "" if "methods" in fault.candidate else 'methods = ["zero_shot"]\n'
        tables.append(f'[[candidates]]\nname = "c{place}"\nmodel = "./{model}"\n{methods}{fault.candidate}\n')
    Path("sweep.toml").write_text("".join(tables), encoding="utf-8")


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Of one check of them all, and of a task."""
    need("gguf", reason="needs the train extra")
    need("peft", reason="needs the train extra")
    folder = tmp_path_factory.mktemp("faults")
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(StringIO()) as said:
        patched.chdir(folder)
        patched.setenv("GAINBOARD_CACHE", str(folder / "cache"))
        patched.setattr(examining, "SECONDS_TOGETHER", 300.0)
        for name, arguments in TASKS.items():
            Path("tasks", name).mkdir(parents=True)
            Path("tasks", name, "task.py").write_text(
                TASK.replace("{arguments}", arguments), encoding="utf-8"
            )
        write_sweep()
        with pytest.raises(SystemExit) as ended:
            cli.main(["check", "sweep.toml", "spaced", "--tasks-dir", "tasks", "--json"])
    assert ended.value.code == 2
    return list(json.loads(said.getvalue()))


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_planted_fault_is_told_before_anything_is_trained(
    fault: Fault, findings: list[dict[str, str]]
) -> None:
    told = [finding for finding in findings if fault.says in finding["message"]]
    if fault.plant is not None:
        name = f"candidate 'c{FAULTS.index(fault)}'"
        assert [finding for finding in told if name in finding["where"]], fault.says
    assert {finding["level"] for finding in told} == {fault.level}


def test_the_rest_of_every_kind_is_shown_by_tests_that_there_are() -> None:
    named = [test for fault in FAULTS for test in fault.shown_by]
    named += [test for tests in ELSEWHERE.values() for test in tests]
    missing = []
    for file, _, name in (test.partition("::") for test in named):
        tree = ast.parse((TESTS / "harness" / file).read_text(encoding="utf-8"))
        missing += [] if name in {getattr(node, "name", "") for node in tree.body} else [f"{file}::{name}"]
    assert missing == []
