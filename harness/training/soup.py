"""Average the weights of several arms into one: a uniform soup (Wortsman et al. 2022, arXiv 2203.05482)."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.engines.weights import load_model, put_adapter
from harness.sweep.methods import TUNERS, Tuner
from harness.training.tuners import count_parameters

SOUP = "soup"


@dataclass(frozen=True)
class Averaged:
    """The weights that were saved."""

    parameters: int
    """All of them; of an adapter, the base's among them."""

    averaged_parameters: int

    dtype: str


def average(
    base: str, revision: str | None, members: Sequence[Path], *, tuner: Tuner, output: Path
) -> Averaged:
    """Save the mean of the members into a folder.

    The mean of low-rank adapters is a low-rank adapter, whose rank is the sum of theirs. The mean of adapters
    with magnitudes is not one, so it is saved as a whole model.
    """
    if TUNERS[tuner].adapters_average:
        return _average_adapters(base, revision, members, output)
    return _average_models(base, revision, members, output)


def _average_adapters(base: str, revision: str | None, members: Sequence[Path], output: Path) -> Averaged:
    frozen = load_model(base, revision, None, dtype=torch.float32)
    _, base_parameters = count_parameters(frozen)
    model = put_adapter(frozen, members[0])
    names = ["default"]
    for number, member in enumerate(members[1:], 1):
        names.append(f"member{number}")
        model.load_adapter(member, names[-1])
    model.add_weighted_adapter(names, [1 / len(names)] * len(names), SOUP, combination_type="cat")
    # The members' scalings are in the matrices now, and PEFT chose `lora_alpha` such that there is no other;
    # the rule of rank-stabilised adapters would bring one in again.
    model.peft_config[SOUP].use_rslora = False
    model.save_pretrained(output, selected_adapters=[SOUP])
    for file in (output / SOUP).iterdir():
        shutil.move(file, output / file.name)
    (output / SOUP).rmdir()
    averaged = sum(tensor.numel() for name, tensor in model.named_parameters() if f".{SOUP}." in name)
    return Averaged(base_parameters + averaged, averaged, "float32")


def _average_models(base: str, revision: str | None, members: Sequence[Path], output: Path) -> Averaged:
    model: Any = load_model(base, revision, members[0], dtype=torch.float32)
    mean = {
        name: tensor.double() for name, tensor in model.state_dict().items() if tensor.is_floating_point()
    }
    for member in members[1:]:
        weights = load_model(base, revision, member, dtype=torch.float32).state_dict()
        for name, tensor in mean.items():
            tensor += weights[name]
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name in mean:
                tensor.copy_(mean[name] / len(members))
    if torch.cuda.is_available():
        model = model.to(torch.bfloat16)  # as the members are
    model.save_pretrained(output)
    _, parameters = count_parameters(model)
    return Averaged(parameters, parameters, str(model.dtype).removeprefix("torch."))
