"""Answers are held to a form only where grammars know how a tokenizer writes spaces."""

from pathlib import Path

import pytest
from home_made_tokenizers import KINDS, home_made, tiny_model
from installed import need
from invented_engine import Invented
from toy_models import scoring_job

from harness.engines.engine import Generate, Sampling
from harness.engines.held import cannot_be_held
from harness.engines.scoring import ScoringWorker
from harness.errors import UserError

CHOICES = (" Paris", " the lamp")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_to_be_impossible_is_and_nothing_else(kind: str) -> None:
    need("torch", reason="needs the train extra")
    need("xgrammar")
    from harness.engines.transformers import LoadedEngine

    tokenizer = home_made(kind)
    engine = LoadedEngine(tiny_model(tokenizer), tokenizer)
    asked = Generate(tokenizer("Word:")["input_ids"], Sampling(max_tokens=24, choice=CHOICES))
    refusal = cannot_be_held(tokenizer)
    if kind == "Unigram":
        assert refusal is not None and "its tokenizer (Unigram) writes spaces as '▁'" in refusal
        with pytest.raises(AssertionError):
            list(engine.answer([asked]))
    else:
        assert refusal is None
        (answered,) = engine.answer([asked])
        assert answered.answer[0].text in CHOICES


def test_a_run_of_such_a_tokenizer_is_refused_before_it_asks_anything(tmp_path: Path) -> None:
    engine = Invented(text="a")
    engine.tokenizer = home_made("Unigram")
    job = scoring_job(
        tmp_path / "prompts", tmp_path / "out", weights=None, output="generate", structured_outputs="choice"
    )
    with pytest.raises(UserError, match=r"cannot be held to a form.*; take zero_shot instead of"):
        ScoringWorker(engine)(job, lambda _: None)
    assert engine.asked == []
