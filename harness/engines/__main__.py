"""The scoring worker: one engine that answers the prompts of one base model's arms, job after job.

The driver starts it as `python -m harness.engines --engine vllm --model M`. It sees rendered prompt files,
never task code.
"""

import argparse
import json
import pkgutil
from pathlib import Path

from harness.engines.base_model import BaseModel
from harness.engines.bos import probe_bos
from harness.engines.cache import AnswerCache
from harness.engines.encode import PromptEncoder
from harness.engines.engine import Choose, Engine, Generate, Measure, Request, Sampling
from harness.engines.guards import Canaries
from harness.engines.scoring import ScoringWorker
from harness.jsonl import read_jsonl
from harness.sweep.engines import ENGINE_TABLE, ENGINES, EngineName
from harness.sweep.prompting import Prompting
from harness.task import Rendered
from harness.workers.worker import Handler, serve, tell_driver


def _warm_up(engine: Engine) -> None:
    """Pay for what an engine does once, at its first request, as part of its start: the first run is not the
    slow one."""
    token_ids = engine.tokenizer("warm up")["input_ids"]
    requests: list[Request] = [Generate(token_ids, Sampling(max_tokens=2)), Choose(token_ids, [[0], [1]])]
    if engine.way == "swap":  # engines that serve adapters weigh no texts
        requests.append(Measure(token_ids, token_ids))
    for request in requests:
        for _ in engine.answer([request] * 8):
            pass


def _canaries(engine: Engine, path: Path) -> Canaries:
    """Of the rendered prompts in a file, each put to the tokenizer as in its run."""
    prompts = []
    for row in read_jsonl(path):
        prompting = Prompting(**{name: row[name] for name in Prompting.model_fields if name in row})
        prompts += PromptEncoder.of(engine.tokenizer, prompting).prompts([Rendered(**row["prompt"])])
    return Canaries(engine, [prompt.token_ids for prompt in prompts])


def _engine(name: EngineName, model: str, revision: str | None, settings: dict[str, object]) -> Engine:
    # Here and nowhere else: the modules of engines import their libraries.
    implementation = pkgutil.resolve_name(ENGINE_TABLE[name].implementation)
    engine: Engine = implementation(model, revision, **settings)
    return engine


def main() -> None:
    """Serve scoring jobs for the base model named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--revision")
    parser.add_argument("--fingerprint", help="of the model when the sweep was planned")
    parser.add_argument(
        "--settings", type=json.loads, default={}, help="the engine's other arguments, as JSON"
    )
    parser.add_argument("--canaries", type=Path, help="rendered prompts that every arm is checked with")
    parser.add_argument("--cache", type=Path, help="a file of answers that are not generated again")
    options = parser.parse_args()

    def start() -> Handler:
        base = BaseModel(options.model, options.revision, options.fingerprint, tell_driver)
        engine = _engine(options.engine, base.path, base.revision, options.settings)
        base.check()
        _warm_up(engine)
        canaries = _canaries(engine, options.canaries) if options.canaries else None
        return ScoringWorker(
            engine,
            canaries=canaries,
            cache=AnswerCache(options.cache, tell_driver) if options.cache else None,
            check_base=base.check,
            bos=probe_bos(engine),
        )

    serve(start)


if __name__ == "__main__":
    main()
