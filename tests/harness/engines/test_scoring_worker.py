"""What the scoring worker makes of an engine's answers. The engine is invented: no real one gives these
faults at will."""

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from invented_engine import Invented
from toy_models import in_order, scoring_job, write_jsonl

from harness.engines.cache import AnswerCache
from harness.engines.engine import Answered, Completion, Request
from harness.engines.scoring import ScoringWorker
from harness.records.generation import GenerationRecord
from harness.score.finish import cost
from harness.task import PromptSet, Sample
from harness.task.prompts import prompt_row


def answered(
    folder: Path,
    engine: Any,
    output: str,
    template: str,
    *samples: Sample,
    cache: AnswerCache | None = None,
    **changed: Any,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows of the samples, and the worker's record."""
    write_jsonl(
        folder / "prompts", [prompt_row(PromptSet({"only": template}), sample, "only") for sample in samples]
    )
    changed = {"weights": None, "output": output, "chat": False, "sampling": {"max_tokens": 8}} | changed
    job = scoring_job(folder / "prompts", folder / "out", **changed)
    record = ScoringWorker(engine, cache=cache)(job, lambda _: None)["records"][0]
    return in_order(folder / "out"), record


@pytest.mark.parametrize(
    ("written", "answer"), [(" 3.5.", " 3.5"), (" 3.5. And more", " 3.5. And more"), (" 3.5", " 3.5")]
)
def test_what_follows_the_slot_is_taken_off_the_end_of_an_answer_only(
    tmp_path: Path, written: str, answer: str
) -> None:
    (row,), _ = answered(
        tmp_path, Invented(text=written), "generate", "It is [output].", Sample("1", {}, "3.5")
    )
    assert row["completion"] == answer


def test_choices_without_finite_log_probabilities_are_an_error_and_no_first_choice(tmp_path: Path) -> None:
    engine = Invented(logprobs=(math.nan, math.nan))
    (row,), _ = answered(tmp_path, engine, "choice", "Which?", Sample("1", {}, "a", ("a", "b")))
    assert "completion" not in row
    assert "log-probabilities [nan, nan]" in row["error"]


def test_a_choice_without_tokens_is_an_error_of_its_sample_alone(tmp_path: Path) -> None:
    engine = Invented(logprobs=(-1.0, -2.0))
    samples = [Sample("1", {}, "a", ("a", "b")), Sample("2", {}, "a", ("a", ""))]
    (good, bad), _ = answered(tmp_path, engine, "choice", "<mask>", *samples)
    assert good["completion"] == "a"
    assert bad["error"].startswith("the choice '' has no tokens")
    assert len(engine.asked) == 1


def test_an_empty_prompt_begins_with_the_tokenizers_first_token(tmp_path: Path) -> None:
    engine = Invented(text="x")
    answered(tmp_path, engine, "generate", "{text}[output]", Sample("1", {"text": ""}, "a"))
    assert [request.prompt for request in engine.asked] == [[1]]


def test_an_empty_prompt_is_an_error_where_the_tokenizer_has_nothing_to_begin_with(tmp_path: Path) -> None:
    engine = Invented(text="x")
    engine.tokenizer.bos_token_id = engine.tokenizer.eos_token_id = None  # type: ignore[misc, assignment]
    samples = [Sample("1", {"text": ""}, "a"), Sample("2", {"text": "b"}, "a")]
    (empty, other), _ = answered(tmp_path, engine, "generate", "{text}[output]", *samples)
    assert "the prompt is empty" in empty["error"]
    assert other["completion"] == "x"


def test_a_text_without_a_finite_likelihood_is_an_error(tmp_path: Path) -> None:
    (row,), _ = answered(
        tmp_path, Invented(logprobs=(-math.inf,)), "perplexity", "<mask>", Sample("1", {}, "abc")
    )
    assert "no finite log-probability" in row["error"]


def test_the_tokens_of_a_measured_text_are_counted_and_those_read_twice_twice(tmp_path: Path) -> None:
    _, short = answered(tmp_path, Invented(logprobs=(-1.0,)), "perplexity", "<mask>", Sample("1", {}, "abc"))
    assert short["prompt_tokens"] == 1 + 3
    _, long = answered(
        tmp_path, Invented(logprobs=(-1.0,)), "perplexity", "<mask>", Sample("1", {}, "x" * 40)
    )
    assert long["prompt_tokens"] == 2 * 31
    assert long["flops"] == 2 * 1000 * 2 * 31


def test_a_long_text_is_the_sum_of_its_windows(tmp_path: Path) -> None:
    (row,), _ = answered(
        tmp_path, Invented(logprobs=(-1.5,)), "perplexity", "<mask>", Sample("1", {}, "x" * 40)
    )
    assert (row["logprob"], row["target_tokens"]) == (-3.0, 40)


def test_a_stride_measures_a_long_text_in_more_windows(tmp_path: Path) -> None:
    engine = Invented(logprobs=(-1.5,))
    (row,), record = answered(tmp_path, engine, "perplexity", "<mask>", Sample("1", {}, "x" * 40), stride=5)
    assert row["logprob"] == -1.5 * 3
    assert (len(engine.asked), record["requests"]) == (3, 1)


def test_a_prompt_that_fills_the_context_is_refused_for_every_output(tmp_path: Path) -> None:
    for output in ("generate", "choice", "perplexity"):
        sample = Sample("1", {"text": "y" * 40}, "a", ("a", "b") if output == "choice" else ())
        (row,), _ = answered(tmp_path, Invented(logprobs=(-1.0, -2.0)), output, "{text} <mask>", sample)
        assert "exceed the model's context of 32" in row["error"]


@pytest.mark.parametrize(
    ("side", "kept"), [("left", "\x01" + "d" * 23), ("right", "\x01" + "c" * 20 + "ddd")]
)
def test_a_task_may_have_long_prompts_cut_which_is_counted(tmp_path: Path, side: str, kept: str) -> None:
    engine = Invented(text="x")
    long, short = Sample("1", {"text": "c" * 20 + "d" * 30}, "a"), Sample("2", {"text": "b"}, "a")
    rows, _ = answered(tmp_path, engine, "generate", "{text}[output]", long, short, truncation_side=side)
    assert [row["truncated"] for row in rows] == [27, 0]
    assert (rows[0]["prompt"], rows[0]["prompt_tokens"], rows[0]["completion"]) == (kept, 24, "x")


def test_several_answers_to_a_prompt_are_rows_of_their_own(tmp_path: Path) -> None:
    sampling = {"max_tokens": 8, "n": 3, "temperature": 0.7}
    rows, record = answered(
        tmp_path,
        Invented(text="x"),
        "generate",
        "Say.",
        Sample("1", {}, "a"),
        Sample("2", {}, "b"),
        sampling=sampling,
    )
    assert [(row["id"], row["draw"], row["completion"]) for row in rows] == [
        ("1", 0, "x"), ("1", 1, "x1"), ("1", 2, "x2"), ("2", 0, "x"), ("2", 1, "x1"), ("2", 2, "x2"),
    ]  # fmt: skip
    assert (record["requests"], record["completion_tokens"]) == (2, 18)


def test_a_constrained_answer_is_asked_with_the_choices_of_its_sample_or_the_schema(tmp_path: Path) -> None:
    engine = Invented(text="a")
    samples = [Sample("1", {}, "a", ("a", "b")), Sample("2", {}, "c", ("c", "d", "e"))]
    answered(tmp_path, engine, "generate", "Say.", *samples, structured_outputs="choice")
    assert {request.sampling.choice for request in engine.asked} == {(" a", " b"), (" c", " d", " e")}
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    answered(tmp_path, engine, "generate", "Say.", Sample("1", {}, "a"), structured_outputs=schema)
    assert json.loads(engine.asked[-1].sampling.json) == schema


def test_a_model_that_is_spread_over_devices_says_so_and_costs_them_all(tmp_path: Path) -> None:
    engine = Invented(text="x")
    engine.num_devices = 2
    _, record = answered(tmp_path, engine, "generate", "{text}", Sample("1", {"text": "a"}, "x"))
    assert record["num_devices"] == 2
    assert record["flops"] == 2.0 * engine.parameters * (
        record["prompt_tokens"] + record["completion_tokens"]
    )
    generation = GenerationRecord.model_validate(record)
    assert cost([], generation, score_seconds=0.0).num_devices == 2


def test_the_share_of_tokens_from_the_prefix_cache_is_recorded(tmp_path: Path) -> None:
    _, record = answered(tmp_path, Invented(), "generate", "123456[output]", Sample("1", {}, "a"))
    assert (record["prompt_tokens"], record["cached_prompt_tokens"]) == (7, 3)


def test_few_shot_prompts_are_timed_without_the_prefix_cache_when_asked(tmp_path: Path) -> None:
    engine = Invented(text="x")
    _, record = answered(tmp_path, engine, "generate", "Say.", Sample("1", {}, "a"), time_uncached=True)
    assert [request.reads_cache for request in engine.asked] == [True, False]
    assert record["uncached_requests_per_second"] > 0
    _, record = answered(tmp_path, engine, "generate", "Say.", Sample("1", {}, "a"))
    assert record["uncached_requests_per_second"] is None


# Answers that are known already


def test_an_answer_is_generated_once_for_equal_weights_prompt_and_sampling(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    sample, asking = Sample("1", {}, "a"), {"sampling": {"max_tokens": 8}}
    first, spent = answered(
        tmp_path, Invented(text="x"), "generate", "Say.", sample, cache=AnswerCache(path), **asking
    )
    engine = Invented(text="never asked")
    again, reused = answered(tmp_path, engine, "generate", "Say.", sample, cache=AnswerCache(path), **asking)
    assert (again, engine.asked) == (first, [])
    assert (spent["reused_requests"], reused["reused_requests"]) == (0, 1)
    assert reused["generate_seconds"] > 0
    for other in ({"sampling": {"max_tokens": 9}}, {"weights_id": "other"}):
        engine = Invented(text="asked")
        answered(tmp_path, engine, "generate", "Say.", sample, cache=AnswerCache(path), **(asking | other))
        assert len(engine.asked) == 1
    answered(tmp_path, engine, "generate", "Tell.", sample, cache=AnswerCache(path), **asking)
    assert len(engine.asked) == 2


def test_kept_answers_take_together_what_their_batch_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine with many requests at work gives its first answer late, and the others soon after."""
    monkeypatch.setattr("harness.engines.cache._SECONDS_BETWEEN_WRITES", 0.0)

    def side_by_side() -> Iterator[Answered]:
        time.sleep(0.2)
        for place in range(50):
            yield Answered(place, [Completion("x", [1], "stop")], 0)

    cache, keys = AnswerCache(tmp_path / "answers.sqlite"), [bytes([place]) for place in range(50)]
    started = time.monotonic()
    assert len(list(cache.keeping(side_by_side(), keys))) == 50
    took = time.monotonic() - started
    assert 0.2 <= sum(answer.seconds for answer in cache.cached(keys).values()) <= took


@pytest.mark.parametrize("output", ["generate", "choice", "perplexity"])
def test_every_kind_of_answer_is_kept_as_it_was(tmp_path: Path, output: str) -> None:
    sample = Sample(
        "1", {}, "a" * 40 if output == "perplexity" else "a", ("a", "b") if output == "choice" else ()
    )
    engines = [Invented(text="\ud800\0é", logprobs=(-0.1 - 0.2, -2.0)) for _ in range(2)]
    rows = [
        answered(tmp_path, engine, output, "<mask>", sample, cache=AnswerCache(tmp_path / "answers.sqlite"))[
            0
        ]
        for engine in engines
    ]
    assert rows[0] == rows[1]
    assert not engines[1].asked


def test_who_weighed_choices_is_counted_for_answers_that_are_reused_too(tmp_path: Path) -> None:
    class Leaving(Invented):
        """Leaves all choices to transformers."""

        def answer(self, requests: Sequence[Request]) -> Iterator[Answered]:
            return (replace(answered, by_transformers=True) for answered in super().answer(requests))

    engine, sample = Leaving(logprobs=(-1.0, -2.0)), Sample("1", {}, "a", ("a", "b"))
    for reused in (0, 1):
        cache = AnswerCache(tmp_path / "answers.sqlite")
        _, record = answered(tmp_path, engine, "choice", "Which?", sample, cache=cache)
        assert (record["reused_requests"], record["requests_by_transformers"]) == (reused, 1)


def test_what_an_engine_had_answered_before_it_failed_is_kept(tmp_path: Path) -> None:
    class Failing(Invented):
        def answer(self, requests: Any) -> Any:
            for number, one in enumerate(super().answer(requests)):
                if number == 2:
                    raise RuntimeError("out of order")
                yield one

    cache = tmp_path / "answers.sqlite"
    samples = [Sample(str(number), {"text": str(number)}, "a") for number in range(5)]
    with pytest.raises(RuntimeError, match="out of order"):
        answered(tmp_path, Failing(text="x"), "generate", "{text}", *samples, cache=AnswerCache(cache))
    engine = Invented(text="x")
    rows, record = answered(tmp_path, engine, "generate", "{text}", *samples, cache=AnswerCache(cache))
    assert (len(rows), len(engine.asked), record["reused_requests"]) == (5, 3, 2)
