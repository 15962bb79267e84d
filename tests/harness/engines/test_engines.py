"""Real engines on real toy models: vLLM answers as transformers does, for every arm of a base."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from installed import need
from toy_models import (
    QUICK,
    ask,
    in_order,
    quick_arms,
    read_jsonl,
    scoring_job,
    train,
    write_jsonl,
    write_rows,
)

from harness.records.probes import probes_beside
from harness.task import PromptSet, Sample
from harness.task.prompts import prompt_row
from harness.toys import TOYS, toy_folder
from harness.workers.worker import JobFailed, Worker

need("trl", reason="needs the train extra")

OUTPUTS = ("generate", "choice", "perplexity")

LONG = "One fine day a lamp and two chairs came to town. " * 60
"""More than the toys' context of 512 tokens."""

ARMS = ("base", "lora", "half", "full", "base again")
"""In this order, through one engine: swapping back must bring the base's answers back. `half`: the adapter,
weakened."""


LENGTHS = range(1, 34)
"""Words of the prompts with long choices: these end at every place of a block of vLLM's prefix cache."""

ENDING_ELSEWHERE = {f"long {words} {turn}" for words in LENGTHS if words % 8 != 1 for turn in (1, -1)}
"""All but every eighth of them, by their samples."""

Answers = dict[tuple[str, str], list[dict[str, Any]]]
"""(arm, output) → the rows of its completions."""


@dataclass(frozen=True)
class Tuned:
    """A base model with two adapters and a full fine-tune, and prompts of every kind of output."""

    base: Path
    folder: Path

    def weights(self, arm: str) -> Path | None:
        return None if arm.startswith("base") else self.folder / arm

    def answers(self, engine: str) -> Answers:
        """All from one worker."""
        arguments = ["--engine", engine, "--model", str(self.base)]
        with Worker("harness.engines", arguments, log=self.folder / f"{engine}.log") as worker:
            return {
                (arm, output): ask(
                    worker,
                    self.folder / f"{output}.jsonl",
                    self.folder / f"{engine}-{arm}-{output}.jsonl",
                    weights=self.weights(arm),
                    output=output,
                )
                for arm in ARMS
                for output in OUTPUTS
            }


@pytest.fixture(scope="module", params=TOYS)
def tuned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    folder = tmp_path_factory.mktemp(request.param)
    base = toy_folder(request.param)
    few_shot = write_rows(folder / "few_shot.jsonl", "date_normalise", "test", count=12, shown=3)
    plain = write_rows(folder / "plain.jsonl", "date_normalise", "test", count=60)
    shown = [{**row, "id": f"shown {row['id']}"} for row in few_shot]
    write_jsonl(folder / "generate.jsonl", [{**row, "choices": []} for row in plain + shown])
    choices = write_rows(folder / "choice.jsonl", "ticket_routing", "test", count=40)
    long_choices = of_long_choices()
    if request.param != TOYS[0]:  # where a choice ends in a block is the same for every architecture
        long_choices = [row for row in long_choices if row["id"] not in ENDING_ELSEWHERE]
    write_jsonl(
        folder / "choice.jsonl", [*choices, of_many_choices(base), *long_choices, *of_many_long_choices()]
    )
    # The likelihood of short answers, of nothing but a text, and of a text that takes several windows.
    texts = [sample["prompt"]["text"] for sample in few_shot]
    bare = PromptSet({"bare": "<mask>"})
    measured = [
        prompt_row(bare, Sample(f"text {place}", {}, text), "bare")
        for place, text in enumerate([*texts, LONG])
    ]
    write_jsonl(folder / "perplexity.jsonl", plain[:20] + measured)
    for tuner, weights in quick_arms(base).items():
        shutil.copytree(weights, folder / tuner)
        shutil.copyfile(probes_beside(weights), probes_beside(folder / tuner))
    weaken(shutil.copytree(folder / "lora", folder / "half"))
    return Tuned(base, folder)


def of_many_choices(base: Path) -> dict[str, Any]:
    """A prompt with more choices, apart from their first token on, than vLLM tells the log-probabilities of
    at once."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    words = [word for word in map(tokenizer.decode, range(len(tokenizer))) if word.isalpha()][:300]
    assert len({tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in words}) > 128
    return prompt_row(
        PromptSet({"short": "Say a word."}), Sample("many", {}, words[0], tuple(words)), "short"
    )


def of_many_long_choices() -> list[dict[str, Any]]:
    """Prompts with more choices of several tokens than vLLM weighs itself, the same ones and others."""
    things, places = ("a lamp", "two chairs", "a red bag"), ("came to", "went to", "stood in", "left")
    choices = tuple(
        f"{thing} {place} {town}" for thing in things for place in places for town in ("Oslo", "Lima")
    )
    prompts = PromptSet({"short": "{text}"})
    return [
        prompt_row(
            prompts,
            Sample(f"dozens {words}", {"text": "lamp " * words}, choices[0], choices[: 20 + words]),
            "short",
        )
        for words in (1, 2, 4, 9)
    ]


def of_long_choices() -> list[dict[str, Any]]:
    """Prompts that end anywhere in a block of vLLM's prefix cache, with choices that begin alike for longer
    than a block; each once more with the choices in another order, when the cache may have them."""
    choices = tuple(
        f"{'a lamp and two chairs ' * 6}{end}"
        for end in ("came to town", "went to town", "stood in the town")
    )
    prompts = PromptSet({"short": "{text}"})
    return [
        prompt_row(
            prompts,
            Sample(f"long {words} {turn}", {"text": "lamp " * words}, choices[0], choices[::turn]),
            "short",
        )
        for words in LENGTHS
        for turn in (1, -1)
    ]


def weaken(adapter: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(adapter / "adapter_model.safetensors")
    save_file({name: tensor * 0.7 for name, tensor in tensors.items()}, adapter / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def reference(tuned: Tuned) -> Answers:
    return tuned.answers("transformers")


@pytest.fixture(scope="module")
def vllm(tuned: Tuned) -> Answers:
    need("vllm", reason="vLLM is not installed here")
    return tuned.answers("vllm")


def completions(rows: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    return [(row["completion"], row["completion_tokens"], row["finish_reason"]) for row in rows]


@pytest.mark.parametrize("arm", ARMS)
def test_vllm_writes_what_transformers_writes(vllm: Any, reference: Any, arm: str) -> None:
    same_completions(vllm[arm, "generate"], reference[arm, "generate"])


def same_completions(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    assert completions(ours) == completions(theirs)


@pytest.mark.parametrize("arm", ARMS)
def test_vllm_gives_choices_the_log_probabilities_of_transformers(
    vllm: Any, reference: Any, arm: str
) -> None:
    same_choices(vllm[arm, "choice"], reference[arm, "choice"])


def same_choices(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one["choice_logprobs"] == pytest.approx(other["choice_logprobs"], abs=1e-3)
        assert one["completion"] == other["completion"]


@pytest.mark.parametrize("method", ["lora", "half", "full"])
def test_every_tuned_arm_answers_otherwise_than_its_base(vllm: Any, method: str) -> None:
    assert completions(vllm[method, "generate"]) != completions(vllm["base", "generate"])


@pytest.mark.parametrize("arm", ARMS)
def test_vllm_finds_texts_as_likely_as_transformers_does(vllm: Any, reference: Any, arm: str) -> None:
    for ours, theirs in zip(vllm[arm, "perplexity"], reference[arm, "perplexity"], strict=True):
        assert ours["target_tokens"] == theirs["target_tokens"] > 0
        assert ours["logprob"] == pytest.approx(theirs["logprob"], abs=1e-4 * ours["target_tokens"] + 1e-3)
        assert ours["greedy"] == theirs["greedy"]


def test_tuning_makes_the_answers_it_was_trained_on_more_likely(vllm: Any) -> None:
    total = {
        arm: sum(row["logprob"] for row in vllm[arm, "perplexity"][:20]) for arm in ("base", "lora", "full")
    }
    assert total["base"] < min(total["lora"], total["full"])


def test_swapping_back_brings_the_base_back_exactly(vllm: Any) -> None:
    for output in OUTPUTS:
        assert vllm["base", output] == vllm["base again", output]


@pytest.mark.parametrize("tuned", TOYS[:1], indirect=True)
def test_adapters_served_in_one_batch_answer_as_transformers_does_with_each_merged(
    tuned: Tuned, reference: Answers
) -> None:
    """On vLLM's other way to have many arms at once, which the guards of each arm pass, too.

    It asks for each beginning of a choice by itself, and those of one long choice end at every place of a block
    of the prefix cache: a few prompts with long choices stand for those that differ in where they end.
    """
    need("vllm", reason="vLLM is not installed here")
    adapters = ("lora", "half")
    canaries = tuned.folder / "canaries.jsonl"
    write_jsonl(canaries, [row | {"chat": None} for row in read_jsonl(tuned.folder / "few_shot.jsonl")])
    settings = json.dumps({"way": "adapters", "max_loras": 2, "max_lora_rank": 8})
    arguments = [
        "--engine",
        "vllm",
        "--model",
        str(tuned.base),
        "--settings",
        settings,
        "--canaries",
        str(canaries),
    ]
    with Worker("harness.engines", arguments, log=tuned.folder / "adapters.log") as worker:
        for output, same in (("generate", same_completions), ("choice", same_choices)):
            rows = read_jsonl(tuned.folder / f"{output}.jsonl")
            places = [place for place, row in enumerate(rows) if row["id"] not in ENDING_ELSEWHERE]
            prompts = tuned.folder / f"adapters-{output}.jsonl"
            write_jsonl(prompts, [rows[place] for place in places])
            expected = {
                arm: [reference[arm, output][place] for place in places] for arm in ("base", *adapters)
            }
            files = {arm: tuned.folder / f"adapters-{arm}-{output}.jsonl" for arm in adapters}
            asks = [
                scoring_job(prompts, file, weights=tuned.weights(arm), output=output)["asks"][0]
                for arm, file in files.items()
            ]
            records = worker.request({"asks": asks}, lambda _: None)["records"]
            for arm, record in zip(adapters, records, strict=True):
                # Nothing is known of the weights that were changed by hand.
                of_training = [("matches_training", True)] if arm == "lora" else []
                assert [(guard["name"], guard["passed"]) for guard in record["guards"]] == [
                    ("matches_transformers", True),
                    ("differs_from_base", True),
                    *of_training,
                ]
            for arm, file in files.items():
                same(in_order(file), expected[arm])
            # The base has the engine for itself in between.
            plain = tuned.folder / f"adapters-base-{output}.jsonl"
            same(ask(worker, prompts, plain, weights=None, output=output), expected["base"])


def test_the_exact_prompt_with_its_chat_template_is_kept(vllm: Any) -> None:
    prompt = vllm["base", "generate"][0]["prompt"]
    assert prompt.startswith("<|user|>")
    assert prompt.endswith("Answer:<|end|><|assistant|>")


# The rest is about what one engine does with odd input; the quickest one shows it.


@pytest.fixture(scope="module")
def qwen() -> Path:
    return toy_folder("toy-qwen3")


@pytest.fixture(scope="module", params=["transformers", "vllm"])
def engine(
    request: pytest.FixtureRequest, qwen: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    need(request.param)
    log = tmp_path_factory.mktemp("engine") / "log"
    with Worker("harness.engines", ["--engine", request.param, "--model", str(qwen)], log=log) as worker:
        yield worker


def question(identity: str, text: str) -> dict[str, Any]:
    return prompt_row(PromptSet({"bare": "{text}"}, marker=""), Sample(identity, {"text": text}, "x"), "bare")


def test_a_prompt_longer_than_the_context_is_an_error_of_its_sample_alone(
    engine: Worker, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "prompts", [question("long", "word " * 2000), question("short", "Repeat: lamp")])
    long, short = ask(engine, tmp_path / "prompts", tmp_path / "completions", weights=None, output="generate")
    assert "exceed the model's context of 512" in long["error"]
    assert "completion" not in long
    assert "error" not in short
    assert short["completion_tokens"] > 0


def test_an_empty_prompt_is_answered_from_the_token_that_begins_a_text(
    engine: Worker, tmp_path: Path
) -> None:
    empty, other = put(
        engine, tmp_path, [question("empty", ""), question("other", "Repeat: lamp")], chat=False
    )
    assert "error" not in empty
    assert (empty["prompt"], empty["prompt_tokens"]) == ("", 1)
    assert empty["completion_tokens"] > 0
    assert other["prompt_tokens"] > 1


def test_a_stop_string_that_begins_in_the_prompt_ends_no_answer(engine: Worker, tmp_path: Path) -> None:
    rows = [question(str(number), f"Repeat: lamp {number}") for number in range(4)]
    answers = [row["completion"] for row in put(engine, tmp_path, rows)]
    assert all(answers)
    # What the prompt ends on, as a chat and as plain text, and what the answer begins with.
    for chat, end in ((True, "<|assistant|>"), (False, str(0))):
        (free,) = put(engine, tmp_path, rows[:1], chat=chat)
        stop = [end + free["completion"][0]]
        (row,) = put(engine, tmp_path, rows[:1], chat=chat, sampling={"max_tokens": 16, "stop": stop})
        assert (row["completion"], row["finish_reason"]) == (free["completion"], free["finish_reason"])


def test_special_tokens_that_end_no_answer_are_part_of_it(engine: Worker, tmp_path: Path) -> None:
    """Written by chance, where every token is about as likely as another."""
    sampling = {"max_tokens": 128, "temperature": 2.0, "n": 64}
    rows = put(engine, tmp_path, [question("hot", "Say anything.")], sampling=sampling)
    assert any("<|user|>" in row["completion"] for row in rows)
    assert not any("<|end|>" in row["completion"] for row in rows)


def test_a_choice_of_no_tokens_is_an_error_of_its_sample_alone(engine: Worker, tmp_path: Path) -> None:
    prompts = PromptSet({"short": "Say a word."})
    samples = [Sample("good", {}, "lamp", ("lamp", "chair")), Sample("bad", {}, "lamp", ("lamp", ""))]
    write_jsonl(tmp_path / "prompts", [prompt_row(prompts, sample, "short") for sample in samples])
    good, bad = ask(engine, tmp_path / "prompts", tmp_path / "out", weights=None, output="choice")
    assert good["completion"] in ("lamp", "chair")
    assert bad["error"].startswith("the choice '' has no tokens")


def test_who_weighed_the_choices_is_recorded(engine: Worker, tmp_path: Path) -> None:
    few = write_rows(tmp_path / "few.jsonl", "ticket_routing", "test", count=2)
    write_jsonl(tmp_path / "prompts", [*few, *of_many_long_choices()])
    job = scoring_job(tmp_path / "prompts", tmp_path / "out", weights=None, output="choice")
    (record,) = engine.request(job, lambda _: None)["records"]
    assert record["requests"] == 6
    assert record["requests_by_transformers"] == (4 if record["engine"].startswith("vllm") else 0)


def test_prompts_that_begin_alike_are_read_once_to_where_they_part(
    engine: Worker, qwen: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(qwen)
    texts = [f"{what} came to town. " * 100 for what in ("A lamp", "Two chairs")]
    # Longer than two blocks of the prefix cache, and than half of the context.
    blocks = [
        tokenizer.decode(tokenizer(text)["input_ids"][:300], skip_special_tokens=True) for text in texts
    ]
    rows = [question(str(number), f"{blocks[number % 2]} Repeat: {number}") for number in range(12)]
    write_jsonl(tmp_path / "prompts", rows)
    job = scoring_job(tmp_path / "prompts", tmp_path / "out", weights=None, output="generate")
    (record,) = engine.request(job, lambda _: None)["records"]
    assert not [row["error"] for row in read_jsonl(tmp_path / "out") if "error" in row]
    if record["engine"].startswith("transformers"):
        assert record["cached_prompt_tokens"] == 0
    else:
        assert record["prompt_tokens"] / 3 < record["cached_prompt_tokens"] < record["prompt_tokens"]


def test_labels_take_one_request_and_longer_choices_one_for_each_beginning() -> None:
    need("vllm", reason="vLLM is not installed here")
    from harness.engines.choices import ChoiceWay
    from harness.engines.vllm_requests import TOKENS_AT_ONCE, choosing

    def asked(*choices: list[int]) -> dict[tuple[int, ...], list[list[int]]]:
        """What follows the prompt → the tokens whose log-probabilities are asked for there, a list a
        request."""
        found: dict[tuple[int, ...], list[list[int]]] = {}
        for part in choosing(choices, "beginnings"):
            assert (part.parameters.max_tokens, part.parameters.prompt_logprobs) == (1, None)
            found.setdefault(part.after, []).append(part.parameters.logprob_token_ids)
        return found

    assert asked([5], [6], [7]) == {(): [[5, 6, 7]]}
    assert asked([5, 8], [5, 9], [6]) == {(): [[5, 6]], (5,): [[8, 9]]}
    many = list(range(TOKENS_AT_ONCE + 1))
    assert asked(*([token] for token in many)) == {(): [many[:-1], many[-1:]]}

    long = [[token] * 12 for token in (5, 6, 7)]
    assert len(asked(*long)) == 34  # the beginnings of all, of which the empty one is the same
    read = [(tuple(choice), 0, False) for choice in long]

    def parts(way: ChoiceWay) -> list[tuple[Any, ...]]:
        return [
            (part.after, part.parameters.prompt_logprobs, part.parameters.skip_reading_prefix_cache)
            for part in choosing(long, way)
        ]

    assert parts("whole") == read
    assert parts("prompt, then whole") == [((), None, False), *read]


def test_vllm_weighs_choices_in_the_way_that_takes_least_where_it_works() -> None:
    need("vllm", reason="vLLM is not installed here")
    from harness.engines.choices import Rates
    from harness.engines.engine import Choose
    from harness.engines.vllm import DISTRIBUTION, OVERHEAD, VllmEngine

    engine = VllmEngine.__new__(VllmEngine)
    engine.way, engine.context, engine._cuda, engine._block = "swap", 4096, False, 32
    engine._rates = Rates(106e6, DISTRIBUTION * 28e6, OVERHEAD)  # of a model of 135 million parameters

    def way(*choices: list[int], prompt: int = 200, shared: int = 0) -> str:
        return engine._way_to_choose(Choose([1] * prompt, list(choices)), shared)

    assert way([5], [6], [7]) == way([5, 8], [5, 9], [6]) == "beginnings"
    long = [[token] * 12 for token in (5, 6, 7)]
    assert way(*long, prompt=20) == "whole"
    # The prompt has a request of its own: it is long, or the cache would have all of it.
    assert way(*long) == way(*long, prompt=64) == "prompt, then whole"
    many = [[label % 12, 100 + label, 200 + label] for label in range(77)]
    assert way(*many, prompt=50) == "one pass"
    # Of prompts that begin alike little is left to read.
    assert way(*long, prompt=600, shared=590) == "whole"
    assert way(*many, prompt=460, shared=400) == "one pass"
    assert way(*many, prompt=449, shared=400) == "beginnings"  # a single token lies past a whole block
    engine.context = 75
    assert way(*long, prompt=64) == "beginnings"
    assert way(*many, prompt=72) == "one pass"
    engine.way = "adapters"
    assert way(*long) == way(*many) == "beginnings"
    engine.way, engine._cuda = "swap", True
    assert way(*long) == way(*many) == "beginnings"


def test_a_stop_string_ends_the_answer_and_is_left_out(engine: Worker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "prompts", [question("1", "Repeat: 7 lamps")])
    asking = {"weights": None, "output": "generate"}
    (whole,) = ask(engine, tmp_path / "prompts", tmp_path / "whole", **asking)
    stop = whole["completion"][1:3]
    (cut,) = ask(engine, tmp_path / "prompts", tmp_path / "cut", stop=[stop], **asking)
    assert cut["completion"] == whole["completion"][: whole["completion"].index(stop)]
    assert cut["finish_reason"] == "stop"


def test_an_answer_cut_at_max_tokens_says_so(engine: Worker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "prompts", [question("1", "Repeat: 7 lamps")])
    (row,) = ask(
        engine, tmp_path / "prompts", tmp_path / "out", weights=None, output="generate", max_tokens=1
    )
    assert (row["finish_reason"], row["completion_tokens"]) == ("length", 1)


def no_weights(folder: Path) -> None:
    """Nothing was ever saved there."""


def another_architecture(folder: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": 40,
    }
    LlamaForCausalLM(LlamaConfig(**sizes)).save_pretrained(folder)


@pytest.mark.parametrize(
    ("saved", "reason"), [(no_weights, "does not exist"), (another_architecture, "another architecture")]
)
def test_weights_that_do_not_fit_the_base_fail_the_job_and_leave_the_worker_running(
    engine: Worker, tmp_path: Path, saved: Callable[[Path], None], reason: str
) -> None:
    saved(tmp_path / "weights")
    write_jsonl(tmp_path / "prompts", [question("1", "Repeat: lamp")])
    asking = {"output": "generate"}
    before = ask(engine, tmp_path / "prompts", tmp_path / "before", weights=None, **asking)
    with pytest.raises(JobFailed, match=reason):
        ask(engine, tmp_path / "prompts", tmp_path / "broken", weights=tmp_path / "weights", **asking)
    assert ask(engine, tmp_path / "prompts", tmp_path / "after", weights=None, **asking) == before


def test_an_adapter_with_foreign_tensors_is_refused(qwen: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    write_rows(tmp_path / "train.jsonl", "date_normalise", "train", count=16)
    shutil.copy(tmp_path / "train.jsonl", tmp_path / "dev.jsonl")
    with Worker("harness.training", ["--model", str(qwen)], log=tmp_path / "log") as worker:
        train(worker, tmp_path, "lora", QUICK.model_copy(update={"max_steps": 1, "eval_steps": 1}))
    path = tmp_path / "lora" / "adapter_model.safetensors"
    tensors = load_file(path)
    name = sorted(tensors)[0]
    tensors[name.replace("layers.0", "layers.99")] = tensors.pop(name)
    save_file(tensors, path)
    import torch

    from harness.engines.reference import AdapterReference
    from harness.engines.weights import load_model
    from harness.errors import UserError

    with pytest.raises(UserError, match="2 tensors do not match the base model"):
        load_model(str(qwen), None, tmp_path / "lora", dtype=torch.float32)
    served_beside_others = AdapterReference(load_model(str(qwen), None, None, dtype=torch.float32))
    with pytest.raises(UserError, match="2 tensors do not match the base model"):
        served_beside_others.use([tmp_path / "lora"])


def test_a_model_folder_that_cannot_be_loaded_ends_the_worker_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(JobFailed):
        Worker(
            "harness.engines", ["--engine", "transformers", "--model", str(tmp_path)], log=tmp_path / "log"
        )
    assert (tmp_path / "log").stat().st_size > 0


@pytest.mark.parametrize("name", ["transformers", "vllm"])
def test_a_model_with_a_smaller_vocabulary_than_its_tokenizer_ends_the_worker_with_its_reason(
    qwen: Path, tmp_path: Path, name: str
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    need(name)
    model = AutoModelForCausalLM.from_pretrained(qwen)
    model.resize_token_embeddings(100)
    model.save_pretrained(tmp_path / "model")
    AutoTokenizer.from_pretrained(qwen).save_pretrained(tmp_path / "model")
    with pytest.raises(JobFailed, match="the model's vocabulary ends at 99"):
        Worker(
            "harness.engines", ["--engine", name, "--model", str(tmp_path / "model")], log=tmp_path / "log"
        )


@pytest.mark.parametrize("allocator", ["device", "cpu"])
def test_a_batch_that_memory_has_no_room_for_is_answered_in_smaller_ones(
    allocator: str, qwen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from harness.engines.engine import Generate, OutOfMemory, Sampling
    from harness.engines.transformers import TransformersEngine

    engine = TransformersEngine(str(qwen), None)
    requests = [
        Generate(engine.tokenizer(f"Repeat: {number} lamps")["input_ids"], Sampling(8))
        for number in range(10)
    ]
    whole = sorted(engine.answer(requests), key=lambda answered: answered.place)
    generate = engine._model.generate
    room = [4]  # rows; no CPU runs out of a device's memory

    def in_little_memory(**asked: Any) -> Any:
        if len(asked["input_ids"]) > room[0]:
            if allocator == "device":
                raise torch.OutOfMemoryError("planted")
            torch.empty(1 << 50, dtype=torch.uint8)
        return generate(**asked)

    monkeypatch.setattr(engine._model, "generate", in_little_memory)
    assert sorted(engine.answer(requests), key=lambda answered: answered.place) == whole
    room[0] = 0
    with pytest.raises(OutOfMemory, match="no memory for one sequence"):
        list(engine.answer(requests))


def test_completions_are_written_whole_or_not_at_all(engine: Worker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "prompts", [question("1", "Repeat: lamp")])
    ask(engine, tmp_path / "prompts", tmp_path / "completions", weights=None, output="generate")
    assert [row["id"] for row in read_jsonl(tmp_path / "completions")] == ["1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["completions", "prompts"]


def put(engine: Worker, folder: Path, rows: list[dict[str, Any]], **changed: Any) -> list[dict[str, Any]]:
    """Ask the base; the rows of its answers."""
    write_jsonl(folder / "prompts", rows)
    job = scoring_job(folder / "prompts", folder / "out", weights=None, output="generate", **changed)
    engine.request(job, lambda _: None)
    return in_order(folder / "out")


def test_an_answer_held_to_choices_is_one_of_its_sample_s(engine: Worker, tmp_path: Path) -> None:
    words = (("Oslo", "Lima", 'a "quoted" name'), ("yes", "no"))
    prompts = PromptSet({"bare": "{text}"}, marker="")
    rows = [
        prompt_row(
            prompts, Sample(str(number), {"text": f"Repeat: {number} lamps"}, choices[0], choices), "bare"
        )
        for number, choices in enumerate(words * 10)
    ]
    answers = put(engine, tmp_path, rows, structured_outputs="choice", sampling={"max_tokens": 32})
    assert [answer["completion"] in row["choices"] for answer, row in zip(answers, rows, strict=True)] == [
        True
    ] * 20


def test_an_answer_held_to_a_schema_fulfils_it(engine: Worker, tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Lima"]}, "paid": {"type": "boolean"}},
        "required": ["city", "paid"],
        "additionalProperties": False,
    }
    rows = [question(str(number), f"Repeat: {number} lamps") for number in range(6)]
    for answer in put(engine, tmp_path, rows, structured_outputs=schema, sampling={"max_tokens": 128}):
        assert answer["finish_reason"] == "stop"
        found = json.loads(answer["completion"])
        assert found.keys() == {"city", "paid"}
        assert found["city"] in ("Oslo", "Lima")


def test_several_sampled_answers_differ_and_repeat_with_their_seed(engine: Worker, tmp_path: Path) -> None:
    rows = [question(str(number), "Write a sentence about a lamp.") for number in range(2)]
    sampling = {"max_tokens": 12, "n": 4, "temperature": 2.0, "seed": 3}
    first = put(engine, tmp_path, rows, sampling=sampling)
    assert [(row["place"], row["draw"]) for row in first] == [
        (place, draw) for place in (0, 1) for draw in range(4)
    ]
    assert len({row["completion"] for row in first[:4]}) > 1
    assert put(engine, tmp_path, rows, sampling=sampling) == first
    assert put(engine, tmp_path, rows, sampling=sampling | {"seed": 4}) != first


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_long_prompt_is_cut_where_its_task_allows_that(engine: Worker, tmp_path: Path, side: str) -> None:
    rows = [question("long", "word " * 2000), question("short", "Repeat: lamp")]
    long, short = put(engine, tmp_path, rows, truncation_side=side)
    assert (long["prompt_tokens"], short["truncated"]) == (512 - 16, 0)
    assert long["truncated"] > 0
    assert "error" not in long


def test_an_engine_that_is_killed_goes_on_where_it_was(qwen: Path, tmp_path: Path) -> None:
    """As a sweep sees it: with SIGKILL in the middle of an arm, and what was answered by then kept."""
    import os
    import signal
    import sqlite3
    import threading
    import time
    from contextlib import closing

    from synthetic import make_run, task_card

    from harness.data.dataset import load_dataset
    from harness.data.loaded import LoadedTask
    from harness.driver.answers import AnswerPhase
    from harness.driver.render import Workshop
    from harness.plugins.registry import find_plugins, load_task
    from harness.records.generation import GenerationRecord
    from harness.records.store import read_record
    from harness.sweep.settings import EngineSettings, Generation
    from harness.workers.jobs import BaseJob

    task = load_task("date_normalise", find_plugins(entry_points=False))
    settings = Generation(max_tokens=100, temperature=5.0)  # so hot that no answer ends by itself
    run = make_run("toy", "zero_shot", task_card(task.name), 0, generation=settings)
    texts = [f"Write {number} sentences about lamps." for number in range(320)]
    ask = Workshop(tmp_path, {task.name: LoadedTask(task, load_dataset(task))}).ask(run)
    ask.prompts.parent.mkdir()
    write_jsonl(ask.prompts, [question(str(place), text) for place, text in enumerate(texts)])
    answers = tmp_path / "answers.sqlite"
    killed: list[int] = []

    def kill() -> None:
        while not killed:
            time.sleep(0.05)
            if not answers.exists():
                continue
            with closing(sqlite3.connect(answers)) as file:
                try:
                    kept = file.execute("SELECT count(*) FROM answers").fetchone()[0]
                except sqlite3.OperationalError:  # not made yet
                    continue
            workers = [
                int(path.parent.name)
                for path in Path("/proc").glob("[0-9]*/cmdline")
                if str(answers).encode() in path.read_bytes()
            ]
            if kept and workers:
                os.kill(workers[0], signal.SIGKILL)
                killed.append(kept)

    thread = threading.Thread(target=kill)
    thread.start()
    base = BaseJob(name="toy", model=str(qwen), revision=None, engine="transformers", max_model_len=None)
    phase = AnswerPhase(
        base, work=tmp_path, settings=EngineSettings(), devices=None, listener=lambda event: None
    )
    failed, _ = phase.run([ask])
    phase.close()
    killed.append(0)  # in case that it was over before
    thread.join()
    record = read_record(tmp_path / run.key / "generation.json", GenerationRecord)
    assert failed == []
    assert killed[0] > 0
    assert record.reused_requests >= killed[0]
    assert sorted(row["place"] for row in read_jsonl(tmp_path / run.key / "completions.jsonl")) == list(
        range(320)
    )
