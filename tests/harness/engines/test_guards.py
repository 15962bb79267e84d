"""What guards make of an engine's words; planted_faults.py has the faults in a real one."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from installed import need
from invented_engine import Invented
from places import TESTS
from toy_models import scoring_job

from harness.engines.cache import AnswerCache
from harness.engines.engine import Completion, Generate
from harness.engines.guards import Canaries
from harness.engines.scoring import ScoringWorker
from harness.workers.worker import PYTHON

# Invented: no real engine says these at will.


def words(*logprobs: float, tokens: tuple[int, ...] = (5, 6, 7)) -> list[Completion]:
    return [Completion("x", list(tokens), "stop", list(logprobs))]


class Speaking(Invented):
    """Says to canaries what it is told, and is weighed by a reference that finds every token as likely as
    e^-1."""

    def __init__(self, *said: list[Completion], best: float = -1.0) -> None:
        super().__init__()
        self._said, self._best = list(said), best

    def _answer(self, request: Any) -> Any:
        assert isinstance(request, Generate)
        return self._said.pop(0)

    def logprobs(
        self, arm: int, prompt: list[int], continuation: list[int]
    ) -> tuple[list[float], list[float]]:  # type: ignore[override]
        return [-1.0] * len(continuation), [self._best] * len(continuation)

    def use(self, arms: Any) -> Any:
        self.arms.append(tuple(arms))
        return _Weighing(self)


class _Weighing:
    def __init__(self, engine: Speaking) -> None:
        self.logprobs = Speaking.logprobs.__get__(engine)


BASE = words(-1.0, -1.0, -1.0)


def canaries(*said: list[Completion], **settings: Any) -> tuple[Canaries, Any]:
    engine = Speaking(*said, **settings)
    engine.tokenizer = None  # type: ignore[assignment]
    found = Canaries(engine, [[1, 2, 3]])
    return found, engine.use(["arm"])


def test_an_engine_that_says_what_transformers_says_passes() -> None:
    found, reference = canaries(BASE, words(-1.0, -1.0005, -1.0))
    assert [guard.passed for guard in found.of_base] == [True]
    assert [(guard.name, guard.passed) for guard in found.check(reference, 0, tuned=True)] == [
        ("matches_transformers", True),
        ("differs_from_base", True),
    ]


@pytest.mark.parametrize(
    "said", [words(-1.0, -1.5, -1.0), words(-1.0, math.nan, -1.0), words(-1.0, -math.inf, -1.0)]
)
def test_words_that_are_less_likely_there_than_transformers_says_fail(said: list[Completion]) -> None:
    found, reference = canaries(BASE, said)
    guard, _ = found.check(reference, 0, tuned=True)
    assert not guard.passed
    assert "answered with other weights" in guard.reason
    assert math.isfinite(guard.value)


def test_weights_that_hold_no_numbers_are_told_from_wrong_ones() -> None:
    found, reference = canaries(BASE, words(-1.0, math.nan, -1.0))
    reference.logprobs = lambda arm, prompt, tokens: ([math.nan] * len(tokens), [math.nan] * len(tokens))
    guard, _ = found.check(reference, 0, tuned=True)
    assert not guard.passed and "makes no numbers (NaN) of these weights" in guard.reason


def test_a_word_that_transformers_would_not_choose_fails() -> None:
    found, _ = canaries(BASE, best=-0.4)
    assert not found.of_base[0].passed


def test_a_tuned_model_that_says_exactly_what_its_base_says_fails() -> None:
    found, reference = canaries(BASE, BASE)
    _, guard = found.check(reference, 0, tuned=True)
    assert not guard.passed
    assert "answers exactly as its base" in guard.reason


@pytest.mark.parametrize(
    "said",
    [
        words(-1.0, -1.0, -1.0000002),
        words(-1.0, -1.0, -1.0, tokens=(5, 6, 8)),
        words(-1.0, -1.0, tokens=(5, 6)),
    ],
)
def test_a_base_that_says_anything_else_at_the_end_fails(said: list[Completion]) -> None:
    found, _ = canaries(BASE, said)
    assert not found.base_repeats().passed


def test_answers_of_an_arm_that_failed_are_not_kept_for_other_runs(tmp_path: Path) -> None:
    from harness.task import PromptSet, Sample
    from harness.task.prompts import prompt_row

    row = prompt_row(PromptSet({"only": "Say."}), Sample("1", {}, "a"), "only")
    (tmp_path / "prompts").write_text(json.dumps(row) + "\n")
    (tmp_path / "weights").mkdir()
    engine = Speaking(BASE, BASE, words(-1.0), words(-1.0))
    cache = AnswerCache(tmp_path / "answers.sqlite")
    worker = ScoringWorker(engine, canaries=Canaries(engine, [[1, 2, 3]]), cache=cache)
    job = scoring_job(
        tmp_path / "prompts", tmp_path / "out", weights=tmp_path / "weights", output="generate", chat=False
    )
    assert [guard["passed"] for guard in worker(job, lambda _: None)["records"][0]["guards"]] == [True, False]
    assert worker(job, lambda _: None)["records"][0]["reused_requests"] == 0


def test_faults_planted_into_a_real_engine_are_noticed() -> None:
    """An adapter that is not applied, stale weights, a stale prefix cache, a base that does not come back, a
    wrong key."""
    need("trl", reason="needs the train extra")
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed here")
    python = os.environ.get(PYTHON, sys.executable)
    command = [python, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TESTS / "planted_faults.py")]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert finished.returncode == 0, finished.stdout[-5000:]
    assert "8 passed" in finished.stdout
