"""Training on CUDA: numbers of half the size, weights of four bits, and memory that really runs out."""

from pathlib import Path

import pytest
from installed import need
from toy_models import QUICK, ask_job, fit, fit_job, in_order, train

from harness.workers.worker import Message, Worker

need("trl", reason="needs the train extra")
torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

SHORT = QUICK.model_copy(update={"max_steps": 6, "eval_steps": 3})


@pytest.mark.parametrize("tuner", ["lora", "dora", "full", "qlora"])
def test_every_tuner_lowers_the_loss_in_bfloat16(trainer: Worker, dates: Path, tuner: str) -> None:
    if tuner == "qlora":
        need("bitsandbytes")
    record = train(trainer, dates, tuner, QUICK)
    assert record["dtype"] == "bfloat16"
    assert record["best_dev_loss"] < record["dev_curve"][0]["loss"]
    assert record["peak_memory_bytes"] > 0


@pytest.mark.parametrize("tuner", ["lora", "full"])
def test_a_model_in_training_is_judged_on_cuda(trainer: Worker, dates: Path, tuner: str) -> None:
    shown = []

    def driver(question: Message) -> Message:
        shown.append(in_order(Path(question["completions"])))
        return {"value": float(len(shown)), "higher_is_better": True}

    by_metric = SHORT.model_copy(update={"metric_for_best_model": "task_metric", "eval_samples": 5})
    judged = ask_job(dates / "dev.jsonl", dates / "answers.jsonl", weights=None, output="generate")
    record = fit(trainer, fit_job(dates, tuner, by_metric, judged=judged), answer_question=driver)
    assert record["best_metric"] == 3.0
    assert [len(rows) for rows in shown] == [5, 5, 5]


@pytest.mark.parametrize("packing", [False, True])
def test_memory_that_runs_out_is_gone_around(qwen3: Path, dates: Path, packing: bool) -> None:
    """A process that may have 1 % of the device, and a batch that takes more."""
    import json
    import subprocess
    import sys

    large = SHORT.model_copy(
        update={
            "per_device_train_batch_size": 8192,
            "max_length": 256,
            "packing": packing,
            "max_steps": 2,
            "eval_steps": 2,
        }
    )
    job = fit_job(dates, "full", large)
    rows = (dates / "train.jsonl").read_text()
    (dates / "train.jsonl").write_text(rows * 32)
    program = (
        "import json, sys, torch\n"
        "from harness.training import TrainingWorker\n"
        "torch.cuda.set_per_process_memory_fraction(0.01)\n"
        "notes = []\n"
        f"worker = TrainingWorker({str(qwen3)!r}, None)\n"
        "answer = worker(json.loads(sys.stdin.read()), lambda message: notes.append(message.get('note')))\n"
        "print(json.dumps([answer['record'], [note for note in notes if note]]))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        input=job.model_dump_json(),
        capture_output=True,
        text=True,
        check=True,
    )
    record, notes = json.loads(finished.stdout.splitlines()[-1])
    assert record["per_device_train_batch_size"] < 8192
    assert record["discarded"]["tokens"] > 0
    assert all("out of memory" in note for note in notes)
    assert len(notes) >= 1
