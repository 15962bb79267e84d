"""Faults of a model's files are told before anything is trained: each was planted into a copy of a toy's
tokenizer, and the process that looks at models names it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from home_made_tokenizers import home_made
from installed import need

from harness.preflight.job import ModelJob, PromptProbe, Remark, TrainingProbe
from harness.task import PromptSet, Sample
from harness.task.prompts import prompt_row
from harness.toys import toy_folder
from harness.workers.worker import Worker

PROMPTS = PromptSet({"plain": "Repeat: {text}"})
CONFIG, TOKENIZER, TEMPLATE = "config.json", "tokenizer_config.json", "chat_template.jinja"


def rows(*targets: str) -> tuple[dict[str, Any], ...]:
    return tuple(
        prompt_row(PROMPTS, Sample(str(place), {"text": target}, target), "plain")
        for place, target in enumerate(targets)
    )


def asked(*targets: str, **changed: Any) -> PromptProbe:
    probe = PromptProbe(
        task="repeat",
        templates=("plain",),
        num_fewshot=0,
        demonstrations=None,
        output="generate",
        max_tokens=16,
        max_model_len=None,
        may_be_cut=False,
        rows=rows(*targets),
        typical=tuple(range(len(targets))),
    )
    return probe.model_copy(update=changed)


def trained(*targets: str, max_length: int = 1024) -> TrainingProbe:
    places = tuple(range(len(targets)))
    return TrainingProbe(task="repeat", max_length=max_length, rows=rows(*targets), typical=places)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    need("transformers", reason="needs the train extra")
    with Worker("harness.preflight", ["20"], log=tmp_path_factory.mktemp("preflight") / "log") as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a toy."""
    return shutil.copytree(toy_folder("toy-llama"), tmp_path / "model")


def remarks(
    process: Worker, folder: Path, *probes: PromptProbe | TrainingProbe, **changed: Any
) -> list[Remark]:
    job = ModelJob(
        candidates=("toy",),
        model=str(folder),
        revision=None,
        is_here=True,
        downloads=False,
        chat=None,
        prompts=tuple(probe for probe in probes if isinstance(probe, PromptProbe)),
        trainings=tuple(probe for probe in probes if isinstance(probe, TrainingProbe)),
    ).model_copy(update=changed)
    answer = process.request(job.model_dump(mode="json"), lambda _: None)
    return [Remark.model_validate(remark) for remark in answer["remarks"]]


def set_json(file: str, **values: Any) -> Callable[[Path], None]:
    """Change keys of a JSON file; None takes one away."""

    def change(folder: Path) -> None:
        content = json.loads((folder / file).read_text()) | values
        content = {name: value for name, value in content.items() if value is not None}
        (folder / file).write_text(json.dumps(content))

    return change


def add_token(folder: Path) -> None:
    """Give the tokenizer a token that the model has no embedding of."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    content["added_tokens"].append(content["added_tokens"][-1] | {"id": 1024, "content": "<|new|>"})
    path.write_text(json.dumps(content))


def write_text(file: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(text) and None


def remove(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


def test_a_toy_has_nothing_to_tell(process: Worker, folder: Path) -> None:
    assert remarks(process, folder, asked("red", "green"), trained("red", "green")) == []


def test_a_template_that_lets_a_model_think_is_told_with_what_that_takes(
    process: Worker, folder: Path
) -> None:
    template = (folder / TEMPLATE).read_text()
    (folder / TEMPLATE).write_text(template.replace("<|assistant|>", "<|assistant|><think>\n"))
    (remark,) = remarks(process, folder, asked("red"))
    assert (remark.severity, remark.fact) == ("note", "thoughts")
    assert (
        "up to 1,024 tokens an answer, besides max_tokens; say how many with max_thought_tokens"
        in remark.sentence
    )
    for changed in ({"max_thought_tokens": 256}, {"thought_marks": ()}):
        assert remarks(process, folder, asked("red"), **changed) == []
    assert remarks(process, folder, asked("red", output="choice")) == []


def test_marks_of_thoughts_that_nobody_looks_for_are_told(process: Worker, folder: Path) -> None:
    template = (folder / TEMPLATE).read_text()
    marks = ("[THINK]", "<seed:think>", "<|thinking|>", "<reasoning>", "<|START_THINKING|>", "◁think▷")
    for mark in (*marks, "<|channel|>analysis<|message|>"):
        (folder / TEMPLATE).write_text(template.replace("<|assistant|>", f"<|assistant|>{mark}"))
        (remark,) = remarks(process, folder, asked("red"))
        assert (remark.severity, remark.fact) == ("warn", "thought_marks") and repr(mark) in remark.sentence
        assert remarks(process, folder, asked("red"), thought_marks=()) == []
        own = {"thought_marks": (mark, "</>"), "max_thought_tokens": 8}
        assert remarks(process, folder, asked("red"), **own) == []


@pytest.mark.parametrize(
    ("damage", "severity", "fact", "says"),
    [
        (
            set_json(CONFIG, model_type="llamma"),
            "refuse",
            "configuration",
            "its configuration cannot be loaded: ValueError: The checkpoint you are trying to load has model "
            "type `llamma`",
        ),
        (write_text(CONFIG, "{"), "refuse", "configuration", "is not a valid JSON file"),
        (
            set_json(CONFIG, hidden_size=-4),
            "refuse",
            "configuration",
            "The hidden size (-4) is not a multiple",
        ),
        (set_json(CONFIG, model_type="t5"), "refuse", "configuration", "of type 't5', which is no causal"),
        (write_text("tokenizer.json", "{"), "refuse", "tokenizer", "its tokenizer cannot be loaded: "),
        (remove("tokenizer.json"), "refuse", "tokenizer", "its tokenizer cannot be loaded: "),
        (
            add_token,
            "refuse",
            "vocabulary",
            "the tokenizer knows token 1024, and the model's vocabulary ends at 1023",
        ),
        (
            set_json(CONFIG, max_position_embeddings=16),
            "refuse",
            "context",
            "all 2 prompts looked at take more than the context of 16 tokens, up to",
        ),
        (
            set_json(CONFIG, max_position_embeddings=-5),
            "refuse",
            "context",
            "its context is of -5 tokens: correct max_position_embeddings in its config.json",
        ),
        (
            set_json(CONFIG, num_hidden_layers=9),
            "refuse",
            "weights",
            "its weights have 4 layers, and its configuration says 9; give the folder",
        ),
        (
            set_json(CONFIG, vocab_size=1100),
            "refuse",
            "weights",
            "its weights have embeddings of 1,024 tokens (model.embed_tokens.weight), and its configuration says",
        ),
        (
            remove("model.safetensors"),
            "refuse",
            "weights",
            "holds no weights (*.safetensors); give the folder",
        ),
        (
            set_json(TOKENIZER, eos_token=None),
            "refuse",
            "end_of_answer",
            "the tokenizer has no eos_token, so a tuned answer has no end to learn",
        ),
        (
            write_text(TEMPLATE, "{% for message in messages %}\n{{ message['content'] }"),
            "refuse",
            "chat_template",
            "it raises TemplateSyntaxError: unexpected '}' in line 2; correct the template",
        ),
        (
            write_text(TEMPLATE, "{{ raise_exception('Only tools are answered') }}"),
            "refuse",
            "chat_template",
            "it raises TemplateError: Only tools are answered; correct the template",
        ),
        (
            write_text(TEMPLATE, "{{ messages[7]['content'] }}"),
            "refuse",
            "chat_template",
            "it raises UndefinedError: list object has no element 7; correct the template",
        ),
        (
            write_text(TEMPLATE, "{% for a in range(9 ** 9) %}x{% endfor %}"),
            "refuse",
            "chat_template",
            "it raises OverflowError: Range too big.",
        ),
        (
            write_text(TEMPLATE, "{{ 'x' * 9 ** 12 }}"),
            "refuse",
            "chat_template",
            "it takes more than 1,024 MiB for one; correct the template, or set chat = false",
        ),
    ],
)
def test_a_damaged_model_is_refused_in_a_sentence(
    process: Worker, folder: Path, damage: Callable[[Path], None], severity: str, fact: str, says: str
) -> None:
    damage(folder)
    (remark,) = remarks(process, folder, asked("red", "green"), trained("red", "green"))
    assert (remark.severity, remark.fact) == (severity, fact)
    assert says in remark.sentence


def test_a_chat_that_is_asked_for_needs_a_template(process: Worker, folder: Path) -> None:
    (folder / TEMPLATE).unlink()
    (remark,) = remarks(process, folder, asked("red"), chat=True)
    assert (
        remark.severity == "refuse"
        and "chat = true, but the tokenizer has no chat template" in remark.sentence
    )


def test_a_template_that_is_not_used_may_be_broken(process: Worker, folder: Path) -> None:
    (folder / TEMPLATE).write_text("{% if %}")
    assert remarks(process, folder, asked("red"), chat=False) == []


def test_a_tokenizer_without_an_end_only_warns_where_nothing_is_trained(
    process: Worker, folder: Path
) -> None:
    set_json(TOKENIZER, eos_token=None)(folder)
    (remark,) = remarks(process, folder, asked("red"))
    assert remark.severity == "warn" and "every answer runs on to max_tokens" in remark.sentence
    assert remarks(process, folder, asked("red", output="choice")) == []


def test_targets_longer_than_max_tokens_are_counted_in_the_models_own_tokens(
    process: Worker, folder: Path
) -> None:
    (remark,) = remarks(process, folder, asked("red", "это довольно длинный ответ", "green", max_tokens=12))
    assert (remark.severity, remark.fact, remark.task) == ("warn", "max_tokens", "repeat")
    assert remark.sentence.startswith(
        "1 of 3 targets looked at is longer than max_tokens = 12 in this model's tokens, the longest 49: "
        "right answers are cut; set max_tokens to 50 or more"
    )
    assert remarks(process, folder, asked("это довольно длинный ответ", output="choice")) == []


def test_a_target_with_a_token_that_ends_answers_is_refused(process: Worker, folder: Path) -> None:
    (remark,) = remarks(process, folder, asked("red", "red<|end|> blue"))
    assert (remark.severity, remark.fact) == ("refuse", "special_tokens")
    assert (
        "1 of 2 targets looked at holds a token that ends an answer of this model, such as '<|end|>' in "
        "'red<|end|> blue': what follows it is never written"
    ) in remark.sentence


def test_a_target_that_no_tokens_of_the_model_spell_is_told(process: Worker, folder: Path) -> None:
    set_json("tokenizer.json", normalizer={"type": "Lowercase"})(folder)
    (remark,) = remarks(process, folder, asked("red", "Green"))
    assert (remark.severity, remark.fact) == ("warn", "read_back")
    assert (
        "1 of 2 targets looked at comes back from this model's tokens as another text, such as 'Green' as 'green'"
        in (remark.sentence)
    )


def test_a_target_with_another_special_token_is_written_as_any_other(process: Worker, folder: Path) -> None:
    assert remarks(process, folder, asked("red", "<|user|> blue")) == []


def test_answers_that_merge_with_their_prompts_are_counted(process: Worker, folder: Path) -> None:
    halved = PromptSet({"plain": "{text}"}, marker="", target_delimiter="")
    probe = asked(
        rows=tuple(
            prompt_row(halved, Sample(text, {"text": text}, target), "plain")
            for text, target in (("The address is Par", "is"), ("The address is\n", "Paris"))
        )
    )
    (remark,) = remarks(process, folder, probe, chat=False)
    assert (remark.severity, remark.fact) == ("note", "joined_encoding")
    assert remark.sentence.startswith(
        "in 1 of 2 samples looked at, the answer merges with the end of its prompt"
    )
    assert remarks(process, folder, probe) == [], "a chat's template stands between them"


def test_prompts_beyond_the_context_are_counted(process: Worker, folder: Path) -> None:
    long = " ".join(["red"] * 600)
    (remark,) = remarks(process, folder, asked("red", long, max_tokens=8, num_fewshot=4))
    assert (remark.severity, remark.fact) == ("warn", "context")
    assert remark.sentence.startswith(
        "1 of 2 prompts looked at with 4 demonstrations takes more than the context of 512 tokens, up to 620 "
        "with the answer: its sample has no answer; "
        "shorten the prompts or lower num_fewshot or lower max_tokens"
    )
    (short,) = remarks(process, folder, asked("red", max_tokens=8, max_model_len=16))
    assert short.sentence.endswith("shorten the prompts or lower max_tokens or raise max_model_len")
    (cut,) = remarks(process, folder, asked(long, max_tokens=8, num_fewshot=4, may_be_cut=True))
    assert cut.severity == "warn" and "the 1 prompt looked at" in cut.sentence and "it is cut" in cut.sentence


def test_training_samples_that_are_too_long_are_counted(process: Worker, folder: Path) -> None:
    (some,) = remarks(process, folder, trained("red", " ".join(["red"] * 20), max_length=32))
    assert some.severity == "warn"
    assert some.sentence.startswith(
        "1 of 2 training samples looked at is longer than 32 tokens, up to 53: it is not trained on"
    )
    (every,) = remarks(process, folder, trained("red", max_length=4))
    assert every.severity == "refuse" and every.sentence.startswith("the 1 training sample looked at is")


def test_answers_that_cannot_be_held_to_their_choices_are_refused(process: Worker, folder: Path) -> None:
    held, free = asked("red", is_held=True), asked("red")
    assert remarks(process, folder, held) == []
    home_made("Unigram", template=None).save_pretrained(folder)
    assert "structured_outputs" not in {remark.fact for remark in remarks(process, folder, free)}
    refusals = [remark for remark in remarks(process, folder, held) if remark.fact == "structured_outputs"]
    assert [(remark.severity, remark.task) for remark in refusals] == [("refuse", "repeat")]
    assert "its tokenizer (Unigram) writes spaces as" in refusals[0].sentence


# What a chat template does that one would not expect

TURNS = "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
BEGUN = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
WITHOUT_SYSTEM = TURNS.replace("messages %}", "messages if message['role'] != 'system' %}")


@pytest.mark.parametrize(
    ("template", "severity", "fact", "says"),
    [
        (
            TURNS,
            "warn",
            "generation_prompt",
            "ignores add_generation_prompt: a prompt ends before the assistant's turn",
        ),
        (
            "{% for message in messages %}{{ message['content'] }}\n{% endfor %}",
            "warn",
            "turn_end",
            "puts nothing behind an answer by which its end could be told: an untuned model may run on",
        ),
        (
            TURNS.replace("<|end|>", "(end)") + BEGUN,
            "note",
            "turn_end",
            "the text '(end)' ends an answer, and tuning teaches it",
        ),
        (
            TURNS.replace("<|end|>", "\n") + BEGUN,
            "note",
            "turn_end",
            "the text '\\n<|user|>' ends an answer, and tuning teaches the tokenizer's end of a text, not it",
        ),
        (
            TURNS.replace("<|end|>", "<|pad|>") + BEGUN,
            "note",
            "turn_end",
            "ends a turn with '<|pad|>', and the tokenizer a text with '<|end|>'",
        ),
        (
            "<|system|>You are a helpful toy.<|end|>" + TURNS + BEGUN,
            "note",
            "system_line",
            "begins every conversation with words of its own: 'You are a helpful toy.'",
        ),
        (
            "<|system|>Today is {{ strftime_now('%d %B %Y') }}, says GainBoard.<|end|>" + TURNS + BEGUN,
            "note",
            "date",
            "asks for today's date, and is told 2024-07-26 in every run",
        ),
        (
            "{% if enable_thinking %}<|system|>{% endif %}" + TURNS + BEGUN,
            "note",
            "template_arguments",
            "the chat template also reads enable_thinking, which chat_template_kwargs can set",
        ),
    ],
)
def test_what_a_template_does_is_told(
    process: Worker, folder: Path, template: str, severity: str, fact: str, says: str
) -> None:
    (folder / TEMPLATE).write_text(template)
    noticed = {remark.fact: remark for remark in remarks(process, folder, asked("red"))}
    assert noticed[fact].severity == severity
    assert says in noticed[fact].sentence
    assert remarks(process, folder, asked("red"), chat=False) == [], "it is not used then"


def test_targets_that_hold_the_text_of_a_turns_end_are_refused(process: Worker, folder: Path) -> None:
    (folder / TEMPLATE).write_text(TURNS.replace("<|end|>", "(end)") + BEGUN)
    noticed = {remark.fact: remark for remark in remarks(process, folder, asked("red", "the (end) is red"))}
    assert noticed["special_tokens"].severity == "refuse"
    assert noticed["special_tokens"].sentence == (
        "1 of 2 targets looked at holds a text that ends an answer of this model, such as '(end)' in 'the (end) is "
        "red': what follows it is never written; reword such targets"
    )


def test_a_template_that_ends_only_some_turns_with_the_end_of_a_text_is_as_usual(
    process: Worker, folder: Path
) -> None:
    (folder / TEMPLATE).write_text(TURNS.replace("<|end|>", "{% if loop.last %}<|end|>{% endif %}") + BEGUN)
    assert remarks(process, folder, asked("red")) == []


def test_arguments_that_a_template_does_not_read_are_refused(process: Worker, folder: Path) -> None:
    (folder / TEMPLATE).write_text("{% if enable_thinking %}<|system|>{% endif %}" + TURNS + BEGUN)
    given = {"enable_thoughts": False}
    (remark,) = remarks(process, folder, asked("red"), chat_template_kwargs=given)
    assert (remark.severity, remark.fact) == ("refuse", "template_arguments")
    assert remark.sentence == (
        "the chat template does not read enable_thoughts of chat_template_kwargs; the arguments that it "
        "reads are enable_thinking"
    )
    assert remarks(process, folder, asked("red"), chat_template_kwargs={"enable_thinking": False}) == []


def test_a_system_line_that_a_template_drops_or_refuses_is_told(process: Worker, folder: Path) -> None:
    prompts = PromptSet({"plain": "Repeat: {text}"}, system="Answer in one word.")
    row = prompt_row(prompts, Sample("0", {"text": "red"}, "red"), "plain")
    (folder / TEMPLATE).write_text(WITHOUT_SYSTEM + BEGUN)
    assert remarks(process, folder, asked("red")) == [], "no prompt has one"
    (dropped,) = remarks(process, folder, asked(rows=(row,)))
    assert (dropped.severity, dropped.fact) == ("warn", "system_line")
    assert dropped.sentence.startswith(
        "the chat template drops system lines, and repeat has one; put it into the"
    )
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No.') }}{% endif %}"
    (folder / TEMPLATE).write_text(refusing + TURNS + BEGUN)
    refused = remarks(process, folder, asked(rows=(row,)))
    assert [remark.severity for remark in refused] == ["refuse"]


def test_a_chat_without_the_token_that_plain_texts_begin_with_is_told(process: Worker, folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    token = next(each for each in content["added_tokens"] if each["content"] == "<|pad|>")
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<|pad|>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [],
        "special_tokens": {"<|pad|>": {"id": "<|pad|>", "ids": [token["id"]], "tokens": ["<|pad|>"]}},
    }
    path.write_text(json.dumps(content))
    set_json(TOKENIZER, bos_token="<|pad|>")(folder)
    (remark,) = remarks(process, folder, asked("red"))
    assert (remark.severity, remark.fact) == ("note", "beginning")
    assert remark.sentence.startswith("plain texts begin with '<|pad|>', and chats do not")
    (folder / TEMPLATE).write_text("{{ bos_token }}" + TURNS + BEGUN)
    assert remarks(process, folder, asked("red")) == []
