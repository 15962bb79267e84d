"""The scoring worker: answer the prompts of one base model's arms, one arm after another, in one engine.

Run by `run.py` as `python -m harness.engines --engine vllm --model M`. It sees rendered prompt files, never task code.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.costs import Meter, forward_flops
from harness.data.sources import read_jsonl
from harness.encode import Encoded, encode_answer, encode_prompt, uses_chat_template
from harness.engines import Engine, Likelihood, Progress, Sampling
from harness.results import GenerationRecord, atomic_write
from harness.task import Rendered
from harness.worker import Handler, Message, Report, serve


@dataclass
class _Question:
    """One prompt on its way to an answer."""

    row: Message
    prompt: Encoded
    after: str
    """What follows the answer in the template."""

    answers: list[list[int]]
    """The tokens of each choice, or of the one target whose likelihood is measured; empty when the answer is written."""

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

        measured_tokens = 0
        with Meter() as meter:
            questions = [self._question(row, job["output"], chat=chat) for row in read_jsonl(Path(job["prompts"]))]
            for question in questions:
                question.answer = self._refusal(question, job["output"], sampling.max_tokens)
            fitting = [question for question in questions if not question.answer]
            if job["output"] == "perplexity":
                measured_tokens = self._measure(fitting, progress)
            elif job["output"] == "choice":
                self._choose(fitting, progress)
            else:
                self._write(fitting, sampling, progress)
        with atomic_write(Path(job["completions"])) as file:
            for question in questions:
                file.write(json.dumps({**_asked(question), **question.answer}, allow_nan=False) + "\n")
        prompt_tokens = measured_tokens or sum(len(question.prompt.token_ids) for question in fitting)
        completion_tokens = sum(question.answer.get("completion_tokens", 0) for question in fitting)
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

    def _question(self, row: Message, output: str, *, chat: bool) -> _Question:
        tokenizer, prompt = self._engine.tokenizer, Rendered(**row["prompt"])
        texts = [row["target"]] if output == "perplexity" else row["choices"]
        answers = [encode_answer(tokenizer, prompt, text, chat=chat) for text in texts]
        return _Question(row, encode_prompt(tokenizer, prompt, chat=chat), prompt.after, answers)

    def _refusal(self, question: _Question, output: str, max_tokens: int) -> Message:
        """The error of a question that does not fit the model, or nothing. A long target is measured in windows."""
        asked = len(question.prompt.token_ids)
        room = 2 if output == "perplexity" else max((len(choice) for choice in question.answers), default=max_tokens)
        if asked + room <= self._engine.context:
            return {}
        return {
            "error": f"a prompt of {asked} tokens and {room} for the answer exceed the model's context of "
            f"{self._engine.context}; shorten the prompt, lower num_fewshot or max_tokens, or raise max_model_len"
        }

    def _choose(self, questions: Sequence[_Question], progress: Progress) -> None:
        logprobs = self._engine.choice_logprobs(
            [question.prompt.token_ids for question in questions],
            [question.answers for question in questions],
            progress=progress,
        )
        for question, values in zip(questions, logprobs, strict=True):
            if not all(map(math.isfinite, values)):
                question.answer = {"error": f"the model gives the choices the log-probabilities {values}"}
                continue
            best = max(range(len(values)), key=values.__getitem__)
            question.answer = {
                "completion": question.row["choices"][best],
                "choice_logprobs": values,
                "completion_tokens": len(question.answers[best]),
                "finish_reason": "choice",
            }

    def _write(self, questions: Sequence[_Question], sampling: Sampling, progress: Progress) -> None:
        prompts = [question.prompt.token_ids for question in questions]
        completions = self._engine.generate(prompts, sampling, progress=progress)
        for question, completion in zip(questions, completions, strict=True):
            closing = question.after.strip()
            # Only at its end: an answer may hold what follows the slot, as 3.5 holds a full stop.
            question.answer = {
                "completion": completion.text.rstrip().removesuffix(closing) if closing else completion.text,
                "completion_tokens": completion.tokens,
                "finish_reason": completion.finish_reason,
            }

    def _measure(self, questions: Sequence[_Question], progress: Progress) -> int:
        """Measure each target; the tokens that were read for it, those read again in a later window included."""
        windows = [_windows(question.prompt.token_ids, question.answers[0], self._engine.context) for question in questions]
        found = iter(
            self._engine.likelihoods(
                [before for pairs in windows for before, _ in pairs],
                [after for pairs in windows for _, after in pairs],
                progress=progress,
            )
        )
        for question, pairs in zip(questions, windows, strict=True):
            parts: list[Likelihood] = [next(found) for _ in pairs]
            if not all(math.isfinite(part.logprob) for part in parts):
                question.answer = {"error": "the model gives the text no finite log-probability"}
                continue
            question.answer = {
                "completion": question.row["target"],
                "completion_tokens": 0,
                "finish_reason": "measured",
                "logprob": sum(part.logprob for part in parts),
                "target_tokens": len(question.answers[0]),
                "greedy": all(part.greedy for part in parts),
            }
        return sum(len(before) + len(after) for pairs in windows for before, after in pairs)


def _windows(prompt: list[int], target: list[int], context: int) -> list[tuple[list[int], list[int]]]:
    """Pairs of what is read and what is measured after it, such that every target token is measured once.

    A text that fits is one pair. Of a longer one the first piece follows the whole prompt and fills the context; each
    other fills it after one token of what precedes it, and the last is moved back to follow as much as fits.
    """
    room = context - 1  # vLLM wants to write a token, too
    tokens = prompt + target
    first = min(room, len(tokens))
    pairs = [(prompt, tokens[len(prompt) : first])]
    for done in range(first, len(tokens), room - 1):
        end = min(done + room - 1, len(tokens))
        pairs.append((tokens[end - room : done], tokens[done:end]))
    return pairs


def _asked(question: _Question) -> Message:
    prompt = question.prompt
    row = question.row
    return {"id": row["id"], "template": row["template"], "prompt": prompt.text, "prompt_tokens": len(prompt.token_ids)}


def _warm_up(engine: Engine) -> None:
    """Pay for what an engine does once, at its first request, as part of its start: the first run is not the slow one."""
    prompts = [engine.tokenizer("warm up")["input_ids"]] * 8
    engine.generate(prompts, Sampling(max_tokens=2), progress=lambda *_: None)
    engine.choice_logprobs(prompts, [[[0], [1]]] * len(prompts), progress=lambda *_: None)
    engine.likelihoods(prompts, prompts, progress=lambda *_: None)


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
