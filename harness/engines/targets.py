"""Check that `target_modules` says what it means: every name matches modules that may have an adapter."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from harness.errors import UserError, suggest
from harness.sweep.recipe import ALL_LINEAR, is_all_linear

_ADAPTABLE = (nn.Linear, nn.Embedding, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MultiheadAttention, Conv1D)
"""The layers that PEFT's LoRA goes beside."""


def check_target_modules(model: Any, target_modules: str | Sequence[str] | None) -> None:
    """Raise `UserError` for a name or a pattern that matches nothing in the model, that matches what cannot
    have an adapter, or that reaches weights which two layers share.

    `model`: without an adapter. Names match as in PEFT: a module's whole name or its end after a dot; a text
    is a regular expression for whole names.
    """
    modules, shared = dict(model.named_modules()), _shared(model)
    if target_modules is None or is_all_linear(target_modules):
        return  # the output layer is left out
    if isinstance(target_modules, str):
        matches = {target_modules: _matched_by_pattern(target_modules, modules)}
    else:
        matches = {name: _matched_by_name(name, modules) for name in target_modules}
    free = {name: module for name, module in modules.items() if name not in shared}
    for target, names in matches.items():
        if not names:
            raise UserError(_nothing_matches(target, target_modules, modules=modules, free=free))
        for name in names:
            if not isinstance(modules[name], _ADAPTABLE):
                raise UserError(
                    f"target_modules: '{target}' matches {name}, a {type(modules[name]).__name__}, which no "
                    f"adapter goes beside; name layers with weights: {', '.join(_short_names(free))}"
                )
            if name in shared:
                # An adapter changes what one layer makes of its weights. Merged, it would change what the
                # other makes of them, too: the model that is scored would not be the one that was trained.
                raise UserError(
                    f"target_modules: '{target}' reaches {name}, whose weights are also those of "
                    f"{shared[name]} (tied embeddings), so a merged adapter would change both, which nothing "
                    "was trained for; leave it out, or tune all weights with the method 'full'"
                )


def _matched_by_pattern(pattern: str, modules: Iterable[str]) -> list[str]:
    try:
        return [name for name in modules if re.fullmatch(pattern, name)]
    except re.error as error:
        raise UserError(
            f"target_modules = '{pattern}' is no regular expression ({error}); name modules in a list, "
            'as in ["q_proj", "v_proj"]'
        ) from None


def _matched_by_name(target: str, modules: Iterable[str]) -> list[str]:
    return [name for name in modules if name and (name == target or name.endswith(f".{target}"))]


def _shared(model: Any) -> dict[str, str]:
    """Layers whose weights are another layer's, too, each with that other one."""
    layers: dict[int, list[str]] = {}
    for parameter_name, parameter in model.named_parameters(remove_duplicate=False):
        layers.setdefault(id(parameter), []).append(parameter_name.rpartition(".")[0])
    partners: dict[str, str] = {}
    for names in layers.values():
        if len(set(names)) > 1:
            partners |= {name: next(partner for partner in names if partner != name) for name in names}
    return partners


def _nothing_matches(
    target: str, target_modules: str | Sequence[str], *, modules: Iterable[str], free: Mapping[str, Any]
) -> str:
    """Why a target is refused, and what may be meant: `free` layers share their weights with no other."""
    there_are = ", ".join(_short_names(free))
    if isinstance(target_modules, str):
        meant = f'["{target}"]' if _matched_by_name(target, modules) else f"there are {there_are}"
        return (
            f"target_modules = '{target}' matches no module: a text is a regular expression for whole names; "
            f"name modules in a list instead: {meant}"
        )
    if target.lower() == ALL_LINEAR:
        all_of_them = f'target_modules = "{ALL_LINEAR}"'
        return f"target_modules: '{target}' is no module; for all of them write {all_of_them}"
    hint = suggest(target, _short_names(free))
    return f"target_modules: '{target}' matches no module of this model.{hint} There are {there_are}"


def _short_names(modules: Mapping[str, Any]) -> list[str]:
    """The last parts of the names of layers that may have an adapter, each once."""
    named = (name.rpartition(".")[2] for name, module in modules.items() if isinstance(module, _ADAPTABLE))
    return list(dict.fromkeys(named))
