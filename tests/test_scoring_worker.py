"""What the scoring worker makes of an engine's answers. The engine is invented: no real one gives these faults at will."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.engines import Completion, Likelihood
from harness.engines.__main__ import ScoringWorker
from harness.prompts import prompt_row
from harness.task import PromptSet, Sample


class Letters:
    """One token a letter."""

    bos_token_id, eos_token_id, chat_template = 1, 2, None

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [*([1] if add_special_tokens else []), *map(ord, text)]}


class Invented:
    """Answers as it is told to."""

    name, device, dtype, context, parameters, tokenizer = "invented", "cpu", "float32", 32, 1000, Letters()

    def __init__(self, *, text: str = "", logprobs: Sequence[float] = ()) -> None:
        self._text, self._logprobs = text, logprobs

    def generate(self, prompts: Sequence[list[int]], sampling: Any, *, progress: Any) -> list[Completion]:
        return [Completion(self._text, 3, "stop")] * len(prompts)

    def choice_logprobs(self, prompts: Any, choices: Any, *, progress: Any) -> list[list[float]]:
        return [list(self._logprobs)] * len(prompts)

    def likelihoods(self, prompts: Any, continuations: Any, *, progress: Any) -> list[Likelihood]:
        return [Likelihood(self._logprobs[0], True) for _ in prompts]


def answered(folder: Path, engine: Any, output: str, template: str, sample: Sample) -> tuple[dict[str, Any], dict[str, Any]]:
    """The row of the one sample, and the worker's record."""
    row = prompt_row(PromptSet({"only": template}), sample, "only")
    (folder / "prompts").write_text(json.dumps(row) + "\n")
    job = {"prompts": str(folder / "prompts"), "completions": str(folder / "out"), "weights": None, "output": output}
    record = ScoringWorker(engine)(job | {"sampling": {"max_tokens": 8}, "chat": False}, lambda _: None)["record"]
    return json.loads((folder / "out").read_text()), record


@pytest.mark.parametrize(("written", "answer"), [(" 3.5.", " 3.5"), (" 3.5. And more", " 3.5. And more"), (" 3.5", " 3.5")])
def test_what_follows_the_slot_is_taken_off_the_end_of_an_answer_only(tmp_path: Path, written: str, answer: str) -> None:
    row, _ = answered(tmp_path, Invented(text=written), "generate", "It is [output].", Sample("1", {}, "3.5"))
    assert row["completion"] == answer


def test_choices_without_finite_log_probabilities_are_an_error_and_no_first_choice(tmp_path: Path) -> None:
    engine = Invented(logprobs=(math.nan, math.nan))
    row, _ = answered(tmp_path, engine, "choice", "Which?", Sample("1", {}, "a", ("a", "b")))
    assert "completion" not in row
    assert "log-probabilities [nan, nan]" in row["error"]


def test_a_text_without_a_finite_likelihood_is_an_error(tmp_path: Path) -> None:
    row, _ = answered(tmp_path, Invented(logprobs=(-math.inf,)), "perplexity", "<mask>", Sample("1", {}, "abc"))
    assert "no finite log-probability" in row["error"]


def test_the_tokens_of_a_measured_text_are_counted_and_those_read_twice_twice(tmp_path: Path) -> None:
    _, short = answered(tmp_path, Invented(logprobs=(-1.0,)), "perplexity", "<mask>", Sample("1", {}, "abc"))
    assert short["prompt_tokens"] == 1 + 3
    _, long = answered(tmp_path, Invented(logprobs=(-1.0,)), "perplexity", "<mask>", Sample("1", {}, "x" * 40))
    assert long["prompt_tokens"] == 2 * 31
    assert long["flops"] == 2 * 1000 * 2 * 31


def test_a_long_text_is_the_sum_of_its_windows(tmp_path: Path) -> None:
    row, _ = answered(tmp_path, Invented(logprobs=(-1.5,)), "perplexity", "<mask>", Sample("1", {}, "x" * 40))
    assert (row["logprob"], row["target_tokens"]) == (-3.0, 40)


def test_a_prompt_that_fills_the_context_is_refused_for_every_output(tmp_path: Path) -> None:
    for output in ("generate", "choice", "perplexity"):
        sample = Sample("1", {"text": "y" * 40}, "a", ("a", "b") if output == "choice" else ())
        row, _ = answered(tmp_path, Invented(logprobs=(-1.0, -2.0)), output, "{text} <mask>", sample)
        assert "exceed the model's context of 32" in row["error"]
