"""The command to type next: what most verbs end with."""

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from harness.terminal.output import say

PROGRAM = "gainboard"


def print_next(*arguments: str | Path) -> None:
    """Print a `gainboard` command as it can be typed here: `→ gainboard check tickets`."""
    say(f"→ {program()} {shlex.join(str(argument) for argument in arguments)}")


def program() -> str:
    """What starts this `gainboard` from the user's shell: its bare name if that finds it, else its path."""
    script = _script()
    if script is None:
        return f"{shlex.quote(sys.executable)} -m harness.cli"
    return PROGRAM if _is_found_as(script) else shlex.quote(os.fspath(script))


def program_path() -> str | None:
    """The path of this `gainboard`, if its bare name does not start it."""
    typed = program()
    return None if typed == PROGRAM else typed


def _script() -> Path | None:
    """The executable that was started, or else the one beside the interpreter."""
    started = Path(sys.argv[0])
    script = started if started.name == PROGRAM else Path(sys.executable).parent / PROGRAM
    return script.absolute() if script.is_file() else None


def _is_found_as(script: Path) -> bool:
    """Whether the bare name leads to this very executable in the shell that the command was typed in."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    # tox puts its environment first on the path of what it runs, and not on that of the shell it is run from.
    environment = os.environ.get("TOX_ENV_DIR")
    if environment:
        folders = [folder for folder in folders if not Path(folder).is_relative_to(environment)]
    executable = shutil.which(PROGRAM, path=os.pathsep.join(folders))
    return executable is not None and Path(executable).resolve() == script.resolve()


def task_folders(options: argparse.Namespace) -> list[str]:
    """The options of a command that say where its tasks are, for the next command to find them, too."""
    arguments = []
    for folder in options.tasks_dir:
        arguments += ["--tasks-dir", os.fspath(folder)]
    for folder in options.lm_eval_dir:
        arguments += ["--lm-eval-dir", os.fspath(folder)]
    return arguments


def results_folder(options: argparse.Namespace) -> list[str]:
    """The option that names the results folder, where it is not the default."""
    return [] if options.results == Path("results") else ["--results", os.fspath(options.results)]
