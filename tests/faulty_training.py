"""The training worker with a fault planted into it, which the environment names: what no machine does at
will."""

import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer

from harness.training import __main__ as train
from harness.training import ledger, tuners


def killed_while_saving(nth: int) -> None:
    """End this process when its nth checkpoint has weights, and no state of the optimiser yet."""
    save, saved = Trainer._save_optimizer_and_scheduler, []

    def save_or_die(self: Any, output_dir: str) -> None:
        saved.append(output_dir)
        if len(saved) == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        save(self, output_dir)

    Trainer._save_optimizer_and_scheduler = save_or_die


def short_of_memory(refused: Callable[[torch.Tensor], bool], *, training: bool) -> None:
    """Raise what torch raises on CUDA at the passes through the model that are `refused`.

    In training it is on the way back, at the second layer: the gradients of the later ones are there by then.
    """
    load = train.load_tunable

    def refuse(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    def watch(module: Any, arguments: Any, output: torch.Tensor) -> None:
        if module.training == training and refused(output):
            output.register_hook(refuse) if training else refuse()

    def load_watched(*args: Any, **kwargs: Any) -> Any:
        model = load(*args, **kwargs)
        model.get_submodule("model.layers.1").register_forward_hook(watch)
        return model

    train.load_tunable = load_watched


def limited_memory(mebibytes: int) -> None:
    """Let this process have only so much more memory when a training begins than it has then."""
    import resource

    run = train.Trainer.run

    def run_limited(self: Any) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + mebibytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        run(self)

    train.Trainer.run = run_limited


match os.environ["GAINBOARD_TEST_FAULT"].split():
    case ["killed_while_saving", nth]:
        killed_while_saving(int(nth))
    case ["writes_at_once"]:
        ledger.SECONDS_BETWEEN_WRITES = 0.0
    case ["any_target_modules"]:
        tuners.check_target_modules = lambda *_: None
    case ["limited_memory", mebibytes]:
        limited_memory(int(mebibytes))
    case ["short_of_memory", rows, mode]:
        short_of_memory(lambda output: output.shape[0] > int(rows), training=mode == "training")
    case ["short_of_tokens", tokens]:
        short_of_memory(lambda output: output.shape[0] * output.shape[1] > int(tokens), training=True)
    case ["short_of_memory_at", *calls]:
        passes = count(1)
        short_of_memory(lambda _: str(next(passes)) in calls, training=True)

if __name__ == "__main__":
    train.main()
