"""Seal trained weights when they are whole, so that damage is seen before anything is scored with them."""

from pathlib import Path

from harness.errors import UserError
from harness.records.probes import probes_beside
from harness.records.store import read_record, write_record
from harness.sweep.model_files import file_digest, folder_fingerprint
from harness.toml import Frozen


class WeightsSeal(Frozen):
    """What weights were when their training had ended."""

    weights: str
    """The fingerprint of their folder, which changes with any file that is loaded."""

    probes: str | None
    """The SHA-256 of the file with their probes; None where they have none."""


def seal_beside(weights: Path) -> Path:
    """The file with the `WeightsSeal` of the weights in a folder."""
    return weights.with_name(f"{weights.name}.seal.json")


def seal_weights(weights: Path, *, folder: Path | None = None) -> None:
    """Write the seal of weights. `folder`: where they lie until they are whole; None: in their place."""
    write_record(seal_beside(weights), _seal(weights, folder or weights))


def check_seal(weights: Path) -> None:
    """Raise `UserError` where weights, or their probes, are not what was sealed. Weights without a seal, of
    an earlier version, are taken as they are."""
    path = seal_beside(weights)
    if not path.exists():
        return
    sealed, present = read_record(path, WeightsSeal), _seal(weights, weights)
    if present.weights != sealed.weights:
        raise UserError(f"{weights}: its files are not those that the training wrote")
    if present.probes != sealed.probes:
        raise UserError(f"{weights}: {probes_beside(weights).name} is not what the training wrote")


def _seal(weights: Path, folder: Path) -> WeightsSeal:
    probes = probes_beside(weights)
    return WeightsSeal(
        weights=folder_fingerprint(folder), probes=file_digest(probes) if probes.exists() else None
    )
