"""Thinking on and off as candidates of one model, scored as a user does it.

The model is made, not trained: each token says alone which comes next, so that what it thinks is known.
"""

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import gainboard

from harness.records.predictions import read_predictions
from harness.records.result import Result
from harness.records.store import read_results
from harness.toys import toy_folder

torch = pytest.importorskip("torch", reason="needs an engine")
transformers = pytest.importorskip("transformers", reason="needs an engine")

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% if begins_thought %}<think>{% endif %}"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}{% endif %}"
)
THOUGHT, ANSWER = "a\nb", "R"

SWEEP = """
name = "thinking"
tasks = ["red", "red_or_blue"]
seeds = [0]

[[candidates]]
name = "on"
model = "thinker"
methods = ["zero_shot"]

[[candidates]]
name = "off"
model = "thinker"
methods = ["zero_shot"]
chat_template_kwargs = { enable_thinking = false }

[[candidates]]
name = "begun"
model = "thinker"
methods = ["zero_shot"]
chat_template_kwargs = { begins_thought = true }

[[candidates]]
name = "at-once"
model = "thinker"
methods = ["zero_shot"]
max_thought_tokens = 0

[[candidates]]
name = "cut"
model = "thinker"
methods = ["zero_shot"]
max_thought_tokens = 1
"""

TASK = """
from harness import PromptSet, Sample, Splits, Task, task

ROWS = [{"number": str(number)} for number in range(60)]


@task
def NAME():
    return Task(
        name="NAME",
        description="Say which colour it is.",
        data=lambda: Splits(train=ROWS[:40], dev=ROWS[40:50], test=ROWS[50:54]),
        to_sample=lambda row, index: Sample(str(index), row, target="R", choices=("B", "R")),
        prompts=PromptSet({"plain": "Which colour has {number}?"}),
        output="OUTPUT",
        metrics=("METRIC",),
        max_tokens=2,
        stop=("\\n",),
    )
"""


def make_thinker(folder: Path) -> None:
    """A model that writes `<think>a⏎b</think>R` and ends: every token has a direction of its own,
    and the next one is read off it."""
    shutil.copytree(toy_folder("toy-qwen3"), folder, ignore=shutil.ignore_patterns("*.safetensors"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    written = tokenizer(f"<|assistant|><think>{THOUGHT}</think>{ANSWER}<|end|>", add_special_tokens=False)[
        "input_ids"
    ]
    assert len(written) == len({*written}) == 8
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=256, tie_word_embeddings=False, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.model.norm.weight.fill_(1.0)
        embedded, read = model.get_input_embeddings().weight, model.get_output_embeddings().weight
        embedded[:, 0] = 1.0
        for direction, (token, following) in enumerate(itertools.pairwise(written), start=1):
            embedded[token] = torch.eye(16)[direction]
            read[following, direction] = 10.0
    model.save_pretrained(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thinking")
    make_thinker(folder / "thinker")
    for name, output, metric in (("red", "generate", "exact_match"), ("red_or_blue", "choice", "accuracy")):
        text = TASK.replace("NAME", name).replace("OUTPUT", output).replace("METRIC", metric)
        (folder / "tasks" / name).mkdir(parents=True)
        (folder / "tasks" / name / "task.py").write_text(text)
    (folder / "sweep.toml").write_text(SWEEP)
    finished = gainboard(folder, "run", "sweep.toml", "--tasks-dir", "tasks", "--engine", "transformers")
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    (folder / "said.txt").write_text(finished.stdout)
    return folder


def result(place: Path, candidate: str, task: str = "red") -> Result:
    found = {
        (result.run.candidate.name, result.run.task): result for result in read_results(place / "results")
    }
    return found[candidate, task]


def rows(place: Path, result: Result) -> list[dict[str, Any]]:
    return read_predictions(place / "results", result.run).to_dict("records")


@pytest.mark.parametrize(
    ("candidate", "ending", "thought", "thought_tokens", "tokens"),
    [
        ("on", "<|assistant|>", THOUGHT, 5, 7),
        ("off", "<|assistant|><think></think>", None, 0, 2),
        ("begun", "<|assistant|><think>", THOUGHT, 4, 6),
        ("at-once", "<|assistant|><think></think>", None, 0, 2),
    ],
)
def test_answers_are_right_however_the_model_thinks_and_thoughts_cost(
    place: Path, candidate: str, ending: str, thought: str | None, thought_tokens: int, tokens: int
) -> None:
    scored = result(place, candidate)
    assert scored.metrics["exact_match"].value == 1
    for row in rows(place, scored):
        assert row["prompt"].endswith(ending)
        assert (row["completion"], row["thought"], row["finish_reason"]) == (ANSWER, thought, "stop")
    assert scored.generation.thought_tokens == scored.cost.thought_tokens == 4 * thought_tokens
    assert scored.cost.completion_tokens == 4 * tokens
    assert (scored.samples.cut, scored.often_cut) == (0, "")


def test_thoughts_that_were_cut_leave_no_answer_and_are_told(place: Path) -> None:
    scored = result(place, "cut")
    assert scored.metrics["exact_match"].value == 0
    assert [(row["completion"], row["thought"]) for row in rows(place, scored)] == [("", "a")] * 4
    assert (scored.samples.cut, scored.samples.cut_in_thought) == (4, 4)
    told = "4 of 4 answers were cut before the model ended them (max_tokens = 2); 4 of them within a thought: raise"
    assert scored.often_cut.startswith(told)
    assert "answers cut" in (place / "said.txt").read_text()


def test_choices_are_weighed_where_an_answer_stands(place: Path) -> None:
    for candidate in ("on", "off", "begun", "at-once", "cut"):
        scored = result(place, candidate, "red_or_blue")
        assert scored.metrics["accuracy"].value == 1, candidate
        assert all(row["prompt"].endswith("<think></think>") for row in rows(place, scored))


def test_candidates_of_one_model_share_its_weights_and_have_runs_of_their_own(place: Path) -> None:
    found = [result(place, candidate) for candidate in ("on", "off", "begun", "at-once", "cut")]
    assert len({scored.run.candidate.fingerprint for scored in found}) == 1
    assert len({scored.key for scored in found}) == len(found)
    assert found[1].run.candidate.chat_template_kwargs == {"enable_thinking": False}
