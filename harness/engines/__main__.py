"""The scoring worker: answer the prompts of one base model's arms, one arm after another, in one engine.

Run by `run.py` as `python -m harness.engines --engine vllm --model M`. It sees rendered prompt files, never task code.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.costs import Meter, forward_flops
from harness.data import read_jsonl
from harness.encode import Encoded, encode_answer, encode_prompt, uses_chat_template
from harness.engines import Engine, Progress, Sampling
from harness.results import GenerationRecord, atomic_write
from harness.worker import Handler, Message, Report, serve


@dataclass
class _Question:
    """One prompt on its way to an answer."""

    row: Message
    prompt: Encoded
    choices: list[list[int]] = field(default_factory=list)
    """The tokens of each choice; empty when the answer is written."""

    answer: Message = field(default_factory=dict)


class ScoringWorker:
    """Keeps one engine, and remembers whose weights are in it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._weights: Path | None = None
        self._loaded = True

    def __call__(self, job: Message, report: Report) -> Message:
        """Answer the prompts of one arm into `job["completions"]`; answer the driver with the `GenerationRecord`."""
        engine = self._engine
        sampling = Sampling(**job["sampling"])
        chat = uses_chat_template(engine.tokenizer, job["chat"])
        weights = Path(job["weights"]) if job["weights"] else None
        with Meter() as swapping:
            if not self._loaded or weights != self._weights:
                self._loaded = False  # a swap that fails half-way must not pass for a finished one
                engine.load_weights(weights)
                self._weights, self._loaded = weights, True

        def progress(done: int, total: int) -> None:
            report({"done": done, "total": total})

        with Meter() as meter:
            questions = [self._question(row, chat=chat) for row in read_jsonl(Path(job["prompts"]))]
            for question in questions:
                question.answer = self._refusal(question, sampling.max_tokens)
            fitting = [question for question in questions if not question.answer]
            if job["output"] == "choice":
                self._choose(fitting, progress)
            else:
                self._write(fitting, sampling, progress)
        with atomic_write(Path(job["completions"])) as file:
            for question in questions:
                file.write(json.dumps({**_asked(question), **question.answer}) + "\n")
        prompt_tokens = sum(len(question.prompt.token_ids) for question in fitting)
        completion_tokens = sum(question.answer["completion_tokens"] for question in fitting)
        record = GenerationRecord(
            engine=engine.name,
            device=engine.device,
            dtype=engine.dtype,
            chat_template=chat,
            swap_seconds=swapping.seconds,
            generate_seconds=meter.seconds,
            requests=len(fitting),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            flops=forward_flops(engine.parameters, prompt_tokens + completion_tokens),
            peak_memory_bytes=meter.peak_memory_bytes,
            energy_joules=meter.energy_joules,
        )
        return {"record": record.model_dump(mode="json")}

    def _question(self, row: Message, *, chat: bool) -> _Question:
        tokenizer = self._engine.tokenizer
        choices = [encode_answer(tokenizer, choice, chat=chat) for choice in row["choices"]]
        return _Question(row, encode_prompt(tokenizer, row["messages"], chat=chat), choices)

    def _refusal(self, question: _Question, max_tokens: int) -> Message:
        """The error of a question that does not fit the model, or nothing."""
        asked = len(question.prompt.token_ids)
        room = max((len(choice) for choice in question.choices), default=max_tokens)
        if asked + room <= self._engine.context:
            return {}
        return {
            "error": f"a prompt of {asked} tokens and {room} for the answer exceed the model's context of "
            f"{self._engine.context}; shorten the prompt, lower num_fewshot or max_tokens, or raise max_model_len"
        }

    def _choose(self, questions: Sequence[_Question], progress: Progress) -> None:
        logprobs = self._engine.choice_logprobs(
            [question.prompt.token_ids for question in questions],
            [question.choices for question in questions],
            progress=progress,
        )
        for question, values in zip(questions, logprobs, strict=True):
            best = max(range(len(values)), key=values.__getitem__)
            question.answer = {
                "completion": question.row["choices"][best],
                "choice_logprobs": values,
                "completion_tokens": len(question.choices[best]),
                "finish_reason": "choice",
            }

    def _write(self, questions: Sequence[_Question], sampling: Sampling, progress: Progress) -> None:
        prompts = [question.prompt.token_ids for question in questions]
        completions = self._engine.generate(prompts, sampling, progress=progress)
        for question, completion in zip(questions, completions, strict=True):
            question.answer = {
                "completion": completion.text,
                "completion_tokens": completion.tokens,
                "finish_reason": completion.finish_reason,
            }


def _asked(question: _Question) -> Message:
    return {"id": question.row["id"], "prompt": question.prompt.text, "prompt_tokens": len(question.prompt.token_ids)}


def _warm_up(engine: Engine) -> None:
    """Pay for what an engine does once, at its first request, as part of its start: the first run is not the slow one."""
    prompts = [encode_answer(engine.tokenizer, "warm up", chat=False)] * 8
    engine.generate(prompts, Sampling(max_tokens=2), progress=lambda *_: None)
    engine.choice_logprobs(prompts, [[[0], [1]]] * len(prompts), progress=lambda *_: None)


def main() -> None:
    """Serve scoring jobs for the base model named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=("vllm", "transformers"), required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--revision")
    parser.add_argument("--max-model-len", type=int)
    options = parser.parse_args()

    def start() -> Handler:
        if options.engine == "vllm":
            from harness.engines.vllm import VllmEngine as EngineClass
        else:
            from harness.engines.transformers import TransformersEngine as EngineClass  # type: ignore[assignment]
        engine = EngineClass(options.model, options.revision, max_model_len=options.max_model_len)
        _warm_up(engine)
        return ScoringWorker(engine)

    serve(start)


if __name__ == "__main__":
    main()
