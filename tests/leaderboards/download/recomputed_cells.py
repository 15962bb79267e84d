"""A candidate on one task, as its runs lie on disk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
from recomputed_costs import Record
from recomputed_statistics import Arm, Scale

Key = tuple[str, str]
"""Candidate and method."""


@dataclass(frozen=True)
class Cell:
    """A candidate on one task, with one training budget."""

    records: tuple[Record, ...]
    """By seed."""

    arm: Arm

    @property
    def run(self) -> Record:
        """What its first run was."""
        run: Record = self.records[0]["run"]
        return run

    @property
    def key(self) -> Key:
        """Its row."""
        return key_of(self.records[0])

    @property
    def weights(self) -> tuple[str, str | None, str]:
        """The model before any tuning."""
        candidate = self.run["candidate"]
        return candidate["model"], candidate["revision"], candidate["fingerprint"]

    @property
    def seeds(self) -> list[int]:
        """Those that finished."""
        return [record["run"]["seed"] for record in self.records]

    @property
    def one_for_all_seeds(self) -> bool:
        """Whether it answers the same for every seed."""
        return all(same_for_every_seed(record["run"]) for record in self.records)

    @property
    def tuned(self) -> bool:
        """Whether weights were trained for it."""
        return any(record["trainings"] for record in self.records)


def key_of(record: Record) -> Key:
    """The row of a run."""
    candidate = record["run"]["candidate"]
    return candidate["name"], candidate["method"]


def same_for_every_seed(run: Record) -> bool:
    """Greedy answers of untuned weights to prompts that hold no draw."""
    drawn = run["demonstrations"] not in (None, "fixed", "nearest")
    return not (run["stages"] or run["members"] or run["generation"]["temperature"] or drawn)


def scale_of(card: Record) -> Scale:
    """What the samples of a task can score."""
    metric = card["metrics"][card["primary_metric"]]
    ends = metric["low"], metric["high"]
    return Scale(card["binary"], min(0.0, ends[0]) if ends == (-1, 1) else 0.0)


def on_scale(scores: pandas.Series, metric: Record) -> pandas.Series:
    """Shares and values without two finite ends as they are; of all others 0 is the worst and 1 the best."""
    low, high = metric["low"], metric["high"]
    if low is None or high is None or (metric["higher_is_better"] and (low, high) in ((0, 1), (-1, 1))):
        return scores
    worst, best = (low, high) if metric["higher_is_better"] else (high, low)
    return (scores - worst) / (best - worst)


def read_arm(folder: Path, records: Sequence[Record]) -> Arm:
    """Seeds × templates × samples that were scored in all of these and in every draw."""
    metric = records[0]["task"]["primary_metric"]
    tables = []
    clusters: dict[str, str] = {}
    order: list[str] = []
    for record in records:
        path = folder / record["folder"] / "predictions.parquet"
        columns = ["sample_id", "template", "draw", "cluster", f"score_{metric}"]
        rows = pandas.read_parquet(path, columns=columns)
        rows["score"] = on_scale(rows[f"score_{metric}"].astype(float), record["task"]["metrics"][metric])
        draws = [
            part.pivot(index="template", columns="sample_id", values="score")
            for _, part in rows.groupby("draw")
        ]
        # A sum of tables is known where all of them are.
        table = sum(draws[1:], start=draws[0]) / len(draws)
        tables.append(table.loc[list(record["run"]["templates"])])
        order = order or list(dict.fromkeys(rows["sample_id"]))
        clusters |= dict(zip(rows["sample_id"], rows["cluster"].fillna(""), strict=True))
    known = set.intersection(*(set(table.columns[table.notna().all()]) for table in tables))
    ids = [name for name in order if name in known]
    scores = np.stack([table[ids].to_numpy() for table in tables])
    return Arm(tuple(ids), scores, tuple(clusters[name] for name in ids))


def is_trusted(record: Record) -> bool:
    """Whether all guards of the engine passed."""
    return all(guard["passed"] for guard in record["generation"].get("guards", []))


def is_last_stage(run: Record, last: Record) -> bool:
    """Whether a run does to the plain base what another one's last stage does to what came before."""
    if len(run["stages"]) != 1:
        return False
    (only,) = run["stages"]
    return only["tuner"] == last["tuner"] and only["portions"] == last["portions"] and not only.get("meta")


def guard_arms(tuned: Sequence[Cell], before: Cell) -> tuple[Arm, Arm]:
    """The tuned weights, averaged over the tasks that they were tuned for, and their base, on the same samples."""
    seeds = [seed for seed in tuned[0].seeds if all(seed in cell.seeds for cell in tuned)]
    ids = [name for name in before.arm.ids if all(name in cell.arm.ids for cell in tuned)]
    tables = [cell.arm.on(ids).scores[[cell.seeds.index(seed) for seed in seeds]] for cell in tuned]
    base = before.arm.on(ids)
    return Arm(tuple(ids), np.mean(tables, axis=0), base.clusters), base


def read_records(folder: Path, name: str) -> list[Record]:
    """All records of a name below a folder that can be read, each with its folder."""
    records = []
    for path in sorted(folder.glob(f"**/{name}")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            continue
        records.append(record | {"folder": str(path.parent.relative_to(folder))})
    return records
