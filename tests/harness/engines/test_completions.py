"""What a model wrote is cut where its answer ends, and nowhere else;
here models write what they are told to."""

from pathlib import Path
from typing import Any

import pytest
from home_made_tokenizers import EOS, KINDS, USER, home_made, scripted_model
from tokenizers.decoders import DecodeStream
from toy_models import in_order, scoring_job, write_jsonl

pytest.importorskip("torch", reason="needs the train extra")

from harness.engines.completion import text_after, written_text
from harness.engines.encode import PromptEncoder
from harness.engines.engine import Completion, Generate, Sampling
from harness.engines.scoring import ScoringWorker
from harness.engines.transformers import LoadedEngine
from harness.task import PromptSet, Rendered, Sample
from harness.task.prompts import prompt_row

WITH_BORDERS = ("SentencePiece, normaliser", "SentencePiece, first", "bytes, GPT-2", "Unigram")
"""Kinds of tokenizers in which no token goes over the end of a prompt."""


def completion(kind: str, prompt: str, answer: str, **sampling: Any) -> Completion:
    """What a model that writes this answer after this prompt is understood to have written."""
    tokenizer = home_made(kind)
    read, script = tokenizer(prompt)["input_ids"], tokenizer(prompt + answer)["input_ids"]
    assert script[: len(read)] == read
    engine = LoadedEngine(scripted_model(tokenizer, script), tokenizer)
    (answered,) = engine.answer([Generate(read, Sampling(**({"max_tokens": 12} | sampling)))])
    (written,) = answered.answer
    assert isinstance(written, Completion)
    return written


@pytest.mark.parametrize("kind", WITH_BORDERS)
@pytest.mark.parametrize(
    ("prompt", "answer", "stop", "text"),
    [
        ("Is it Omar?", f" no;{EOS}", "? no", " no;"),
        ("the lamp:\n", f"\nred{EOS}", "\n\n", "\nred"),
        ("Word:", " no. Paris", ". P", " no"),
        ("Word:", f" no. Paris{EOS}", "no", " "),
        ("Word:", f" no{EOS}", " no", ""),
    ],
    ids=["begins in the prompt", "straddles the border", "over tokens", "in a word", "is all there is"],
)
def test_a_stop_string_is_looked_for_in_the_answer_alone(
    kind: str, prompt: str, answer: str, stop: str, text: str
) -> None:
    written = completion(kind, prompt, answer, stop=(stop,))
    assert (written.text, written.finish_reason) == (text, "stop")


@pytest.mark.parametrize("kind", WITH_BORDERS)
def test_a_special_token_within_an_answer_is_kept_and_the_one_that_ends_it_is_not(kind: str) -> None:
    written = completion(kind, "Answer:", f" {USER} blue{EOS}")
    assert written.text == f" {USER} blue"
    assert written.finish_reason == "stop"
    assert completion(kind, "Answer:", f" {USER} blue{EOS}", skip_special_tokens=True).text.strip() == "blue"


ALIKE = ("SentencePiece, always", "Unigram")
"""Kinds that have the same tokens for a word behind a special token with and without a space."""


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_model_is_trained_to_write_comes_back_as_it_was(kind: str, chat: bool) -> None:
    tokenizer = home_made(kind)
    prompt = Rendered([{"role": "user", "content": "Word:"}], "Word:")
    for target in (f"{USER} blue", f"no{USER} (A) {USER}", "no (A)\n\n Paris", f"{USER}blue", f"no{USER}\nA"):
        if kind in ALIKE and f"{USER} " not in f"{target} ":
            continue
        (sample,) = PromptEncoder(tokenizer, chat).completed([(prompt, target)])
        text = written_text(tokenizer, sample.prompt, sample.answer[:-1], Sampling(max_tokens=1))
        assert text.removeprefix(" ") == target


@pytest.mark.parametrize("kind", WITH_BORDERS)
def test_a_token_that_ends_a_turn_ends_the_answer(kind: str) -> None:
    answer = f" blue{USER} red"
    (end,) = home_made(kind).convert_tokens_to_ids([USER])
    assert completion(kind, "Answer:", answer, max_tokens=3).finish_reason == "length"
    written = completion(kind, "Answer:", answer, stop_token_ids=(end,))
    assert (written.text, written.finish_reason) == (" blue", "stop")
    assert written.token_ids[-1] == end


@pytest.mark.parametrize("kind", KINDS)
def test_what_tokens_add_to_a_prompt_is_what_vllm_adds_to_it_token_by_token(kind: str) -> None:
    tokenizer = home_made(kind)
    for prompt in ("Word:", f"the lamp{USER}", "x\n", ""):
        read = tokenizer(prompt)["input_ids"] or [tokenizer.bos_token_id]
        for answer in (" no. Paris", f" {USER} blue", "\n\nred", "(A)"):
            written = tokenizer(answer, add_special_tokens=False)["input_ids"]
            stream = DecodeStream(ids=read, skip_special_tokens=False)
            parts = [stream.step(tokenizer.backend_tokenizer, token) or "" for token in written]
            assert text_after(tokenizer, read, written) == "".join(parts)


def test_a_run_in_a_chat_ends_its_answers_at_the_templates_turn_and_notes_its_date(tmp_path: Path) -> None:
    template = (
        "{{ strftime_now('%Y') }}{% for message in messages %}{{ '<|user|>' + message.content + '<|assistant|>' }}"
        "{% endfor %}{% if add_generation_prompt %}<|user|>{% endif %}"
    )
    tokenizer = home_made("bytes, GPT-2", template=template)
    row = prompt_row(PromptSet({"bare": "{text}"}, marker=""), Sample("1", {"text": "Word:"}, "no"), "bare")
    (prompt,) = PromptEncoder(tokenizer, True).prompts([Rendered(**row["prompt"])])
    script = tokenizer(f"{prompt.text} no<|assistant|> red London", add_special_tokens=False)["input_ids"]
    worker = ScoringWorker(LoadedEngine(scripted_model(tokenizer, script), tokenizer))
    write_jsonl(tmp_path / "prompts", [row])
    job = scoring_job(tmp_path / "prompts", tmp_path / "out", weights=None, output="generate")
    (record,) = worker(job, lambda _: None)["records"]
    (answer,) = in_order(tmp_path / "out")
    assert prompt.text == "2024<|user|>Word:<|assistant|><|user|>"
    assert (answer["completion"], answer["finish_reason"], answer["completion_tokens"]) == (" no", "stop", 2)
    assert record["template_date"] == "2024-07-26"


SAID = (
    "{% for message in messages %}{{ message.role + ': ' + message.content + '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
"""No token ends a turn: the next one begins."""


@pytest.mark.parametrize(
    ("template", "goes_on"),
    [(SAID, "\n\nuser: And London?"), (SAID.replace("'\n\n'", "' (end)\n'"), " (end)\nuser: And London?")],
)
@pytest.mark.parametrize("kind", WITH_BORDERS)
def test_a_turn_that_ends_in_ordinary_tokens_ends_the_answer(
    kind: str, template: str, goes_on: str, tmp_path: Path
) -> None:
    tokenizer = home_made(kind, template=template)
    row = prompt_row(PromptSet({"bare": "{text}"}, marker=""), Sample("1", {"text": "Word:"}, "no"), "bare")
    (prompt,) = PromptEncoder(tokenizer, True).prompts([Rendered(**row["prompt"])])
    script = tokenizer(f"{prompt.text} no{goes_on}", add_special_tokens=False)["input_ids"]
    worker = ScoringWorker(LoadedEngine(scripted_model(tokenizer, script), tokenizer))
    whole = f" no{goes_on}"
    for output, completion, stop in (("generate", "no", []), ("choice", whole, ["user"])):
        write_jsonl(tmp_path / "prompts", [row | {"choices": [" yes", whole] if output == "choice" else []}])
        job = scoring_job(tmp_path / "prompts", tmp_path / "out", weights=None, output=output)
        job["asks"][0]["sampling"] = {"max_tokens": 24, "stop": stop}
        worker(job, lambda _: None)
        (answer,) = in_order(tmp_path / "out")
        ended = "stop" if output == "generate" else "choice"
        assert (answer["completion"].strip(), answer["finish_reason"]) == (completion.strip(), ended)


def test_a_tokenizer_without_an_end_of_text_writes_to_the_limit() -> None:
    tokenizer = home_made("bytes, GPT-2", eos_token=None, pad_token=None)
    script = tokenizer("Word: no. Paris London")["input_ids"]
    engine = LoadedEngine(scripted_model(tokenizer, script), tokenizer)
    requests = [Generate(script[:length], Sampling(max_tokens=2)) for length in (2, 3)]
    texts = {answered.place: answered.answer[0].text for answered in engine.answer(requests)}
    assert texts == {0: " no.", 1: ". Paris"}
