"""Use a task of lm-evaluation-harness unchanged, named `lm_eval:arc_easy`, and tune on its training data.

lm-eval itself renders every prompt, draws up the choices, filters what the model wrote and judges it.
GainBoard chooses the demonstrations, always from training data, and asks the model; a task that it cannot ask
as lm-eval would is refused with a reason. Sampling (temperature, top_p) is the sweep's; `until` and
`max_gen_toks` are the task's.

A prompt that leaves room for at least one token in the model's context scores as in lm-eval. From a longer
prompt lm-eval drops the beginning, whereas here an error is recorded. Both measure a longer text in windows,
but with different borders: lm-eval's predict as many tokens as the context holds; ours predict two fewer,
because one place goes to the token before them and one to what vLLM writes.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from harness.errors import UserError
from harness.plugins.lm_eval.adapter import Adapter
from harness.plugins.lm_eval.library import PREFIX, build, prepare, without_progress_bars
from harness.plugins.registry import Plugin
from harness.task import Task


def lm_eval_plugins(names: Iterable[str], dirs: Sequence[Path] = ()) -> dict[str, Plugin]:
    """A plugin for each of `names` that begins with `lm_eval:`, found in `dirs` or else among lm-eval's own
    tasks.

    Nothing is imported or looked up before a plugin is loaded. Raises `UserError` for a folder that does not
    exist, and for the prefix alone.
    """
    prefixed = [name for name in names if name.startswith(PREFIX)]
    if any(not name.removeprefix(PREFIX).strip() for name in prefixed):
        raise UserError(
            f"'{PREFIX}' names no task; write {PREFIX}arc_easy, say (`lm-eval ls subtasks` shows all)"
        )
    for folder in dirs:
        if not folder.is_dir():
            raise UserError(
                f"--lm-eval-dir {folder} does not exist; give a folder with YAML files of lm-eval"
            )
    folders = tuple(folder.resolve() for folder in dirs)
    return {
        name: Plugin(name, "lm-evaluation-harness", None, partial(_load, name, folders)) for name in prefixed
    }


def _load(name: str, folders: tuple[Path, ...]) -> Task:
    """Find, build and translate one task. Raises `UserError` naming it, `UnreachableData` when its data
    cannot be had."""
    try:
        prepare()
        with without_progress_bars():
            return Adapter(name, build(name.removeprefix(PREFIX), folders)).task()
    except UserError as error:
        raise type(error)(f"task '{name}': {error}") from error
