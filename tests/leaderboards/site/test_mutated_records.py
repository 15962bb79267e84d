"""Of three hundred changes to records, drawn from all that `mutations` knows, none ends publishing, and each is
named or changes no score. `python tests/mutations.py` goes through tens of thousands of them."""

import random
from pathlib import Path

import pytest
from mutations import (
    AnyMutation,
    Bench,
    Outcome,
    column_mutations,
    mutations,
    snapshot_faults,
    verdict_faults,
)

DRAWN, AT_ONCE = 300, 150
SEED = 20


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("mutated"))


@pytest.fixture(scope="module")
def outcome(bench: Bench) -> Outcome:
    """What became of them, in two results folders."""
    known: list[AnyMutation] = [*mutations(bench.specimens), *column_mutations(bench.specimens[0])]
    drawn = random.Random(SEED).sample(known, DRAWN)
    outcome = Outcome()
    for start in range(0, DRAWN, AT_ONCE):
        bench.publish(drawn[start : start + AT_ONCE], outcome)
    return outcome


def test_no_changed_record_ends_publishing(outcome: Outcome) -> None:
    assert outcome.faults == {}


def test_most_are_named_and_no_other_changes_a_score(outcome: Outcome) -> None:
    assert outcome.named > 3 * outcome.accepted > 0
    assert outcome.altered == []


def test_no_changed_snapshot_of_a_former_site_ends_publishing(bench: Bench) -> None:
    count, faults = snapshot_faults(bench, every=31)
    assert count > 100 and faults == {}


def test_no_changed_verdict_ends_a_review(tmp_path: Path) -> None:
    count, faults = verdict_faults(tmp_path)
    assert count > 300 and faults == {}
