"""The card of an arm's weights says how the model was prompted when it was trained."""

from pathlib import Path

from synthetic import make_run, task_card, training_record
from toy_models import QUICK, fit_job

from harness.training.modelcard import model_card


def card(**prompting: object) -> str:
    recipe = make_run("small", "lora", task_card(), 0).recipe
    assert recipe is not None
    record = training_record(recipe, device="cpu", parameters=1, train_seconds=1.0, energy_joules=None)
    return model_card("owner/small", None, fit_job(Path("work"), "lora", QUICK, **prompting), record)


def test_it_says_which_arguments_the_template_had_and_what_marks_a_thought() -> None:
    text = card(
        chat_template_kwargs={"enable_thinking": False, "date_string": "26 Jul"},
        thought_marks=("[THINK]", "[/THINK]"),
        max_thought_tokens=0,
    )
    assert '`{"date_string": "26 Jul", "enable_thinking": false}`' in text
    assert "`[THINK]` begins a thought" in text and "answer at once" in text


def test_it_says_nothing_of_prompting_that_is_as_usual() -> None:
    assert "## Prompting" not in card()
