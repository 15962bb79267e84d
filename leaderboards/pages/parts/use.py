"""How to use a candidate: where its weights are, how to load and to serve them,
and how to make them again."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.records.result import Result
from harness.records.training import NODE
from harness.sweep.methods import TUNERS
from harness.sweep.prompting import LATER_FIELDS
from harness.sweep.recipe import Recipe, Training
from harness.sweep.run import Candidate, Run
from harness.toys import PREFIX
from leaderboards.gathered import Site
from leaderboards.pages.parts.grid import Link
from leaderboards.rank.tables import Row
from leaderboards.text import candidate_label, method_name

MERGED = "merged"
"""The folder that a merged adapter is saved to."""

TUNED, BASE = "tuned", "base"
"""What vLLM is told to call an adapter, and a base whose path is long."""

PROMPT = "Your prompt"

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's `--max-lora-rank` may be."""


@dataclass(frozen=True)
class Snippet:
    """Text to be copied."""

    title: str
    text: str


@dataclass(frozen=True)
class UseBox:
    """What stands under “Use this model”."""

    label: str
    """Whose weights they are."""

    weights: str
    """A folder, a file or a hub id."""

    about: str
    """What they are, and what to know before they are used, in sentences."""

    snippets: tuple[Snippet, ...]
    others: tuple[Link, ...] = ()
    """The runs of the same candidate on the other tasks, each with weights of its own."""


def row_box(site: Site, row: Row) -> UseBox:
    """How to use a candidate: its weights on the first task that it was scored on, of the first seed."""
    first, *others = [row.cells[task].results[0] for task in site.table.tasks if task in row.cells]
    links = [Link(result.run.task, site.run_hrefs[result.key]) for result in others if row.tuned]
    return replace(run_box(first), others=tuple(links))


def run_box(result: Result) -> UseBox:
    """How to use the weights of a run, and how to make them again."""
    run = result.run
    label, weights = candidate_label(run.candidate.name, method_name(run)), weights_of(run)
    return UseBox(
        f"{label}, tuned on {run.task}" if run.recipe else label,
        place_of_weights(result),
        " ".join(_about(run, result.weights_at)),
        (
            *_loading(run, weights, chat=result.generation.chat_template),
            *_export(result),
            Snippet("Settings, as a sweep file has them", settings_toml(run)),
            Snippet("This run again", run_command(result.provenance.command, run)),
        ),
    )


def weights_of(run: Run) -> str:
    """Where the weights of a run are: of a fine-tune the folder that its sweep wrote them to."""
    if run.recipe is None:
        return run.candidate.model
    return f"work/trained/{run.recipe.key}/weights"


def place_of_weights(result: Result) -> str:
    """Where weights lie, with the place where that is not the sweep's own machine."""
    place, folder = result.weights_at, weights_of(result.run)
    return f"{folder} on {place}" if place.startswith(NODE) else place or folder


def _about(run: Run, place: str) -> list[str]:
    candidate, recipe = run.candidate, run.recipe
    if run.members and recipe is None:
        return [f"An ensemble of {len(run.members)} arms, which has no weights of its own: load each member."]
    if recipe is None:
        said = ["The base model, as it is."]
        if run.num_fewshot:
            said.append(
                f"Its prompts begin with {run.num_fewshot} solved samples; any of its samples shows them."
            )
    elif _is_adapter(recipe):
        said = [f"A {recipe.tuner} adapter of {candidate.model}, seed {run.seed}."]
    else:
        said = [f"All weights of a model, tuned from {candidate.model}, seed {run.seed}."]
    if recipe is not None:
        said.append(_about_place(run, place))
    if candidate.chat_template_kwargs:
        arguments = json.dumps(candidate.chat_template_kwargs, ensure_ascii=False, sort_keys=True)
        said.append(f"Give the chat template {arguments}.")
    return said


def _about_place(run: Run, place: str) -> str:
    if place.startswith(NODE):
        return (
            "work is the --work folder as that node of the sweep’s cluster has it; no other machine has the "
            "weights, so copy them from there first."
        )
    if place:
        return (
            "The sweep’s cluster keeps the weights in that storage; copy them to "
            f"{weights_of(run)}, where the commands below read them."
        )
    return "work is the sweep’s --work folder; the weights lie there unless somebody removed them."


def _is_adapter(recipe: Recipe) -> bool:
    tuning = TUNERS[recipe.tuner]
    return tuning.adapters_average if recipe.members else not tuning.all_weights


def _loading(run: Run, weights: str, *, chat: bool) -> list[Snippet]:
    """How to load, serve and ask the weights; nothing for an ensemble without weights of its own."""
    if run.members and run.recipe is None:
        return []
    return [
        Snippet("transformers", "\n".join(_transformers(run, weights))),
        Snippet("vLLM", _vllm(run, weights)),
        Snippet("Ask the server", _curl(run, weights, chat=chat)),
    ]


def _export(result: Result) -> list[Snippet]:
    """The command that writes tuned weights to a folder of their own."""
    if result.run.recipe is None:
        return []
    folder = result.run.folder.as_posix()
    command = ["gainboard", "export", "--weights", folder, *_folders_of(result.provenance.command)]
    return [Snippet("Weights as a folder, checked and merged", shlex.join(command))]


def _folders_of(command: str) -> list[str]:
    """The options of a sweep's command that say where its results and weights lie."""
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    options = []
    for place, word in enumerate(words):
        if word in ("--results", "--work"):
            options += words[place : place + 2]
        elif word.startswith(("--results=", "--work=")):
            options.append(word)
    return options


def _curl(run: Run, weights: str, *, chat: bool) -> str:
    """A request to the server that `_vllm` starts."""
    body: dict[str, Any] = {"model": _served_name(run, weights), "temperature": 0}
    body |= {"messages": [{"role": "user", "content": PROMPT}]} if chat else {"prompt": PROMPT}
    arguments = run.candidate.chat_template_kwargs
    if chat and arguments:
        body["chat_template_kwargs"] = arguments
    path = "chat/completions" if chat else "completions"
    return (
        f"curl http://localhost:8000/v1/{path} -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )


def _served_name(run: Run, weights: str) -> str:
    """What the server that `_vllm` starts calls the weights."""
    candidate, recipe = run.candidate, run.recipe
    if recipe is None:
        return BASE if candidate.model.startswith(PREFIX) else candidate.model
    if not _is_adapter(recipe):
        return weights
    return MERGED if _has_to_be_merged(candidate, recipe) else TUNED


def _transformers(run: Run, weights: str) -> list[str]:
    candidate, recipe = run.candidate, run.recipe
    imports = ["from transformers import AutoModelForCausalLM, AutoTokenizer"]
    if recipe is None or _is_adapter(recipe):
        where, imported = _base_arguments(candidate)
        imports = [*imported, *imports]
    else:
        where = _quoted(weights)
    load = f'AutoModelForCausalLM.from_pretrained({where}, dtype="auto")'
    if recipe is None or not _is_adapter(recipe):
        return [*imports, "", f"model = {load}", f"tokenizer = AutoTokenizer.from_pretrained({where})"]
    lines = [
        "from peft import PeftModel",
        *imports,
        "",
        f"base = {load}",
        f"model = PeftModel.from_pretrained(base, {_quoted(weights)}).merge_and_unload()",
        f"tokenizer = AutoTokenizer.from_pretrained({_quoted(weights)})",
    ]
    if _has_to_be_merged(candidate, recipe):
        lines += [
            f"model.save_pretrained({_quoted(MERGED)})",
            f"tokenizer.save_pretrained({_quoted(MERGED)})",
        ]
    return lines


def _has_to_be_merged(candidate: Candidate, recipe: Recipe) -> bool:
    """Whether vLLM cannot serve an adapter beside its base."""
    return bool(TUNERS[recipe.tuner].not_servable) or _is_gguf(candidate)


def _base_arguments(candidate: Candidate) -> tuple[str, list[str]]:
    """What loads a base model, and what has to be imported for it."""
    model = candidate.model
    if _is_toy(candidate):
        return f"toy_folder({_quoted(model.removeprefix(PREFIX))})", ["from harness.toys import toy_folder"]
    if _is_gguf(candidate):
        folder, file, imported = _gguf_parts(model)
        return f"{folder}, gguf_file={file}", imported
    revision = f", revision={_quoted(candidate.revision)}" if candidate.revision else ""
    return f"{_quoted(model)}{revision}", []


def _gguf_parts(model: str) -> tuple[str, str, list[str]]:
    """The folder and the name of a file of the kind GGUF as expressions, and what these need."""
    if model.lower().endswith(".gguf"):
        folder, _, name = model.rpartition("/")
        return _quoted(folder or "."), _quoted(name), []
    path = f"gguf_file({_quoted(model)})"
    return f"{path}.parent", f"{path}.name", ["from harness.sweep.models import gguf_file"]


def _is_toy(candidate: Candidate) -> bool:
    return candidate.model.startswith(f"{PREFIX}toy-")


def _is_gguf(candidate: Candidate) -> bool:
    """Whether the model is a file of the kind GGUF, or is in a package that holds one."""
    is_packaged = candidate.model.startswith(PREFIX) and not _is_toy(candidate)
    return is_packaged or candidate.model.lower().endswith(".gguf")


def _vllm(run: Run, weights: str) -> str:
    candidate, recipe = run.candidate, run.recipe
    if recipe is not None and not _is_adapter(recipe):
        return shlex.join(["vllm", "serve", weights])
    if recipe is not None and _has_to_be_merged(candidate, recipe):
        return f"vllm serve {MERGED}  # as saved above: vLLM cannot serve this adapter beside its base"
    served = f"vllm serve {_served_base(candidate)}"
    if recipe is None:
        return f"{served} --served-model-name {BASE}" if candidate.model.startswith(PREFIX) else served
    rank = next((rank for rank in LORA_RANKS if rank >= _rank(run)), LORA_RANKS[-1])
    adapter = shlex.quote(f"{TUNED}={weights}")
    return f"{served} --enable-lora --max-lora-rank {rank} --lora-modules {adapter}"


def _served_base(candidate: Candidate) -> str:
    """What a shell gives to vLLM as a base model."""
    if _is_toy(candidate):
        where = f"toy_folder({_quoted(candidate.model.removeprefix(PREFIX))})"
        return f'"$(python -c {shlex.quote(f"from harness.toys import toy_folder; print({where})")})"'
    if _is_gguf(candidate) and candidate.model.startswith(PREFIX):
        where = f"gguf_file({_quoted(candidate.model)})"
        return f'"$(python -c {shlex.quote(f"from harness.sweep.models import gguf_file; print({where})")})"'
    revision = f" --revision {shlex.quote(candidate.revision)}" if candidate.revision else ""
    return f"{shlex.quote(candidate.model)}{revision}"


def _rank(run: Run) -> int:
    """The largest rank among the adapters that its weights are made of."""
    recipes = [run.recipe, *run.averaged]
    ranks = [stage.training.r for recipe in recipes if recipe for stage in recipe.stages]
    return max((rank for rank in ranks if rank), default=16)


def settings_toml(run: Run) -> str:
    """The candidate with the settings of its last training, as a sweep file has them: those that are not the
    defaults, and the learning rate."""
    candidate = run.candidate
    lines = ["[[candidates]]", f"name = {_toml(candidate.name)}", f"model = {_toml(candidate.model)}"]
    if candidate.revision:
        lines.append(f"revision = {_toml(candidate.revision)}")
    if not run.members:
        lines.append(f"methods = [{_toml(candidate.method)}]")
    written = candidate.model_dump(mode="json")
    lines += [f"{name} = {_toml(written[name])}" for name in sorted(LATER_FIELDS & written.keys())]
    if run.training is None:
        return "\n".join(lines)
    return "\n".join([*lines, "", "[candidates.training]", *changed_settings(run.training)])


def changed_settings(made_with: Training) -> list[str]:
    """The settings of a training that are not the defaults, and its learning rate,
    as a sweep file has them."""
    training = made_with.as_declared
    defaults, values = Training().model_dump(mode="json"), training.model_dump(mode="json")
    return [
        f"{name} = {_toml(value)}"
        for name, value in values.items()
        if value is not None and (name == "learning_rate" or value != defaults[name])
    ]


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(name)} = {_toml(part)}" for name, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def run_command(command: str, run: Run) -> str:
    """The command of the sweep, restricted to one run; the command as it is where it runs no sweep."""
    try:
        program, verb, *arguments = shlex.split(command)
    except ValueError:  # no quotation that a shell understands, or fewer than two words
        return command
    if verb == "quickstart":
        verb, arguments = "run", ["quickstart", *arguments]
    if verb != "run":
        return command
    return shlex.join([program, verb, *_without_only(arguments), "--only", run.folder.as_posix()])


def _without_only(arguments: Sequence[str]) -> list[str]:
    kept = []
    skipping = False
    for argument in arguments:
        if skipping:
            skipping = False
        elif argument == "--only":
            skipping = True
        elif not argument.startswith("--only="):
            kept.append(argument)
    return kept


def _quoted(text: str | None) -> str:
    """A text as Python and JSON write it."""
    return json.dumps(text, ensure_ascii=False)
