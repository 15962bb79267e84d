"""Thoughts on their way from an engine to predictions: room to think, no stop string within, and a count."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from invented_engine import Invented, Letters
from toy_models import in_order, scoring_job, write_jsonl

from harness.engines.engine import Choose, Completion, Generate, Measure, Request
from harness.engines.scoring import ScoringWorker
from harness.sweep.thoughts import MAX_THOUGHT_TOKENS
from harness.task import PromptSet, Sample
from harness.task.prompts import prompt_row

THINKS, OPENS = "may write <think>", "begins with <think>\n"


class Chatting(Letters):
    """One token a letter, and a chat template whose source is one of the two above, or none of them."""

    def __init__(self, template: str) -> None:
        self.chat_template = template  # type: ignore[assignment]

    def apply_chat_template(self, messages: Sequence[dict[str, str]], **arguments: Any) -> str:
        asked = "".join(message["content"] for message in messages) + "|"
        if arguments.get("enable_thinking") is False:
            return asked + "<think></think>"
        return asked + ("<think>\n" if self.chat_template == OPENS else "")


class Writing(Invented):
    """Writes one text, a token a letter, as far as it is allowed."""

    context = 4096

    def __init__(self, text: str, template: str = THINKS) -> None:
        super().__init__(text=text)
        self.tokenizer = Chatting(template)

    def _answer(self, request: Request) -> Any:
        if not isinstance(request, Generate):
            return [-1.0, -2.0]
        token_ids = list(map(ord, self.text))[: request.sampling.max_tokens]
        text, reason = self.tokenizer.decode(token_ids), "length"
        if len(token_ids) == len(self.text) < request.sampling.max_tokens:
            token_ids, reason = [*token_ids, self.tokenizer.eos_token_id], "stop"
        for stop in request.sampling.stop:
            if stop in text:
                text, reason = text[: text.index(stop)], "stop"
        return [Completion(text, token_ids, reason)]


def answered(
    folder: Path,
    engine: Invented,
    output: str = "generate",
    *,
    max_tokens: int = 8,
    stop: str = "",
    **changed: Any,
) -> tuple[dict[str, Any], dict[str, Any], list[Request]]:
    """The row of one sample, the worker's record, and what the engine was asked."""
    sample = Sample("1", {"text": "colour"}, "red", choices=("red", "blue"))
    write_jsonl(folder / "prompts", [prompt_row(PromptSet({"only": "Which {text}?"}), sample, "only")])
    sampling = {"max_tokens": max_tokens, "stop": [stop] if stop else []}
    job = scoring_job(
        folder / "prompts",
        folder / "out",
        weights=None,
        output=output,
        chat=None,
        sampling=sampling,
        **changed,
    )
    record = ScoringWorker(engine)(job, lambda _: None)["records"][0]
    (row,) = in_order(folder / "out")
    return row, record, engine.asked


@pytest.mark.parametrize(
    ("template", "written"),
    [
        (THINKS, "<think>\nOkay\nso.</think>\n\nred"),
        (OPENS, "Okay\nso.</think>\n\nred"),
        (OPENS, "<think>\nOkay\nso.\n</think>\nred"),
        ("knows of no thought", "<think>\nOkay\nso.</think>\nred"),
    ],
)
def test_the_thought_is_kept_beside_the_answer_and_counted(
    tmp_path: Path, template: str, written: str
) -> None:
    row, record, _ = answered(tmp_path, Writing(written, template), max_tokens=40)
    assert (row["completion"], row["thought"], row["finish_reason"]) == ("red", "Okay\nso.", "stop")
    thought_tokens = written.index("</think>") + len("</think>")
    assert (row["thought_tokens"], row["completion_tokens"]) == (thought_tokens, len(written) + 1)
    assert record["thought_tokens"] == thought_tokens and record["completion_tokens"] == len(written) + 1


def test_a_stop_string_ends_the_answer_and_no_thought(tmp_path: Path) -> None:
    written = "<think>\nOkay\nso.</think>\n\nred\nAnd more"
    row, _, (request,) = answered(tmp_path, Writing(written), stop="\n")
    assert isinstance(request, Generate) and request.sampling.stop == ()
    assert (row["completion"], row["finish_reason"]) == ("red", "stop")


def test_an_answer_without_a_thought_ends_at_its_stop_string_as_any_other(tmp_path: Path) -> None:
    row, record, _ = answered(tmp_path, Writing("red\nAnd more"), stop="\n")
    assert (row["completion"], row["finish_reason"]) == ("red", "stop")
    assert "thought" not in row and record["thought_tokens"] == 0


@pytest.mark.parametrize(("allowed", "room"), [(None, MAX_THOUGHT_TOKENS), (100, 100)])
def test_a_model_that_may_think_has_room_for_its_thought_besides_the_answer(
    tmp_path: Path, allowed: int | None, room: int
) -> None:
    _, _, (request,) = answered(tmp_path, Writing("red"), max_thought_tokens=allowed)
    assert isinstance(request, Generate) and request.sampling.max_tokens == room + 8


def test_room_is_given_on_request_where_no_template_speaks_of_thoughts(tmp_path: Path) -> None:
    _, _, (request,) = answered(tmp_path, Writing("red", "plain"), max_thought_tokens=100, stop="\n")
    assert isinstance(request, Generate)
    assert (request.sampling.max_tokens, request.sampling.stop) == (108, ())


@pytest.mark.parametrize("template", ["plain", THINKS])
def test_where_nothing_is_to_be_thought_the_engine_is_asked_as_ever(tmp_path: Path, template: str) -> None:
    arguments = {"enable_thinking": False} if template == THINKS else {}
    row, _, (request,) = answered(
        tmp_path, Writing("red", template), stop="\n", chat_template_kwargs=arguments
    )
    assert isinstance(request, Generate)
    assert (request.sampling.max_tokens, request.sampling.stop) == (8, ("\n",))
    assert row["completion"] == "red"


def test_a_thought_takes_no_more_than_the_context_leaves(tmp_path: Path) -> None:
    engine = Writing("red")
    engine.context = 200
    _, _, (request,) = answered(tmp_path, engine)
    assert isinstance(request, Generate)
    assert len(request.prompt) + request.sampling.max_tokens <= engine.context
    assert request.sampling.max_tokens - 8 == 128  # in steps, so that many prompts share a batch


def test_a_thought_that_is_cut_leaves_no_answer(tmp_path: Path) -> None:
    row, record, _ = answered(tmp_path, Writing("Okay, " * 99, OPENS), max_thought_tokens=50)
    assert (row["completion"], row["finish_reason"]) == ("", "length")
    assert row["thought_tokens"] == row["completion_tokens"] == record["thought_tokens"] == 58


def test_an_answer_has_no_more_tokens_than_one_without_a_thought(tmp_path: Path) -> None:
    row, _, _ = answered(tmp_path, Writing("<think>a</think> The colour is red"), max_tokens=8)
    assert (row["completion"], row["finish_reason"]) == ("The col", "length")
    row, _, _ = answered(tmp_path, Writing("The colour is red"), max_tokens=8)
    assert (row["completion"], row["finish_reason"]) == ("The colo", "length")


@pytest.mark.parametrize("template", [THINKS, OPENS])
def test_choices_are_weighed_after_an_empty_thought(tmp_path: Path, template: str) -> None:
    row, _, (request,) = answered(tmp_path, Writing("", template), "choice")
    assert isinstance(request, Choose)
    assert "".join(map(chr, request.prompt)).endswith("<think>\n\n</think>\n\n")
    assert [bytes(choice).decode() for choice in request.choices] == ["red", "blue"]
    assert row["prompt"].endswith("<think>\n\n</think>\n\n")


def test_a_text_is_measured_after_an_empty_thought(tmp_path: Path) -> None:
    engine = Writing("", OPENS)
    engine.logprobs = (-1.0,)
    engine._answer = Invented._answer.__get__(engine)  # type: ignore[method-assign]
    _, _, (request,) = answered(tmp_path, engine, "perplexity")
    assert isinstance(request, Measure) and bytes(request.continuation).decode() == "red"
    assert "".join(map(chr, request.prompt)).endswith("</think>\n\n")


@pytest.mark.parametrize("changed", [{"structured_outputs": "choice"}, {"max_thought_tokens": 0}])
def test_an_answer_that_is_held_to_a_form_or_asked_at_once_follows_an_empty_thought(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    row, _, (request,) = answered(tmp_path, Writing("red", OPENS), stop="\n", **changed)
    assert isinstance(request, Generate)
    assert (request.sampling.max_tokens, request.sampling.stop) == (8, ("\n",))
    assert "".join(map(chr, request.prompt)).endswith("<think>\n\n</think>\n\n")
    assert row["completion"] == "red" and "thought" not in row


def test_no_choice_is_cut_at_a_stop_string(tmp_path: Path) -> None:
    row, _, (request,) = answered(tmp_path, Writing("blue"), stop="lu", structured_outputs="choice")
    assert isinstance(request, Generate) and request.sampling.stop == ()
    assert row["completion"] == "blue"
