"""How long it takes to say why: `tox -e bench`."""

import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from reference import in_references, reference_seconds
from synthetic import make_run, task_card, write_result

from harness.analysis.analyse import analyse_arm
from harness.analysis.choose import arms_among
from harness.records.store import read_results

SAMPLES, MODELS, SEEDS = 1_000, 4, 3
LABELS = ("billing", "sales", "repairs", "delivery", "account", "other")
WORDS = ("the", "printer", "invoice", "late", "why", "my", "account", "please", "box", "is")
MOST_REFERENCES, MOST_MIB = 50.0, 600.0


def write_arms(results: Path) -> None:
    """Four models, each with two untuned arms and a fine-tune, of three seeds that weigh six labels."""
    card, generator = task_card("tickets", n_test=SAMPLES), np.random.default_rng(0)
    true = generator.integers(0, len(LABELS), SAMPLES)
    texts = [" ".join(generator.choice(WORDS, size)) for size in generator.integers(5, 90, SAMPLES).tolist()]
    channels = generator.choice(["mail", "chat", "phone"], SAMPLES).tolist()
    for model in range(MODELS):
        for method, skill in (("zero_shot", 1.2), ("few_shot", 1.8), ("lora", 3.0)):
            for seed in range(SEEDS):
                logits = skill * np.eye(len(LABELS))[true] + generator.normal(0, 1, (SAMPLES, len(LABELS)))
                logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
                chosen = logprobs.argmax(axis=1)
                columns: dict[str, Any] = {
                    "choices": [list(LABELS)] * SAMPLES,
                    "choice_logprobs": logprobs.tolist(),
                    "metadata": [json.dumps({"channel": channel}) for channel in channels],
                    "prompt": [f"Which team?\n\n{text}\n\nTeam:" for text in texts],
                }
                write_result(
                    results,
                    make_run(f"model-{model}", method, card, seed),  # type: ignore[arg-type]
                    card,
                    (chosen == true).astype(float).tolist(),
                    targets=[[LABELS[place]] for place in true],
                    answers=[LABELS[place] for place in chosen],
                    columns=columns,
                )


def test_twelve_arms_of_a_thousand_samples_are_analysed(tmp_path: Path) -> None:
    write_arms(tmp_path)
    before, started, cpu_started = reference_seconds(), time.perf_counter(), time.process_time()
    arms = arms_among(read_results(tmp_path))
    for arm in arms:
        analyse_arm(tmp_path, arm)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    references = in_references(seconds, [before, reference_seconds()])
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\n{len(arms)} arms analysed in {cpu_seconds:.1f} CPU s, {references:.1f} references, {mib:.0f} MiB"
    )
    assert len(arms) == 12 and references <= MOST_REFERENCES and mib <= MOST_MIB
    started = time.process_time()
    assert not any(analyse_arm(tmp_path, arm).made_now for arm in arms)
    print(f"again, where nothing has changed, in {time.process_time() - started:.2f} CPU s")
