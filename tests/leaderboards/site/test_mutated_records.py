"""Of three hundred changes to records, drawn from all that `mutations` knows, none ends publishing, and each is
named or changes no score. `python tests/mutations.py` goes through tens of thousands of them."""

import random
from pathlib import Path

import pytest
from mutated_analyses import AnalysisBench, AnalysisMutation, AnalysisOutcome, analysis_outcome
from mutations import (
    HURTFUL,
    AnyMutation,
    Bench,
    Outcome,
    column_mutations,
    mutations,
    snapshot_faults,
    verdict_faults,
)
from specimens import Place

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


@pytest.fixture(scope="module")
def analyses(tmp_path_factory: pytest.TempPathFactory) -> AnalysisBench:
    return AnalysisBench(tmp_path_factory.mktemp("analyses"))


def test_every_changed_analysis_is_named_or_shown_as_it_was(analyses: AnalysisBench) -> None:
    outcome = analysis_outcome(analyses, HURTFUL, count=60, seed=SEED, sealed=True)
    assert (outcome.faults, outcome.altered) == ({}, [])
    assert outcome.named > 50


def test_no_changed_analysis_of_an_older_version_ends_publishing(analyses: AnalysisBench) -> None:
    outcome = analysis_outcome(analyses, HURTFUL, count=30, seed=SEED, sealed=False)
    assert outcome.faults == {}
    assert outcome.named > 15


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("judged",), "dora"),
        (("kinds", 1, "answers"), 0),
        (("kinds", 0, "arm"), "x"),
        (("slices", 0, "gain", "value"), -1e18),
        (("boundary", "flip_rates", 0, "share", "value"), 1e9),
        (("boundary", "maps", 1, "marks", 0, "label"), 10**30),
        (("boundary", "maps", 0, "labels"), []),
        (("boundary", "margins", 0, "edges"), [0.0]),
        (("boundary", "margins", 0, "classes"), []),
        (("confusion", 0, "labels"), []),
        (("arms", 0, "seeds"), []),
        (("attention", "arms", 1, "layers"), 0),
    ],
)
def test_what_contradicts_itself_in_an_older_analysis_ends_nothing(
    analyses: AnalysisBench, path: Place, value: object
) -> None:
    outcome = AnalysisOutcome()
    analyses.read(AnalysisMutation("ticket-triage", path, value), outcome, sealed=False)
    assert (outcome.tried, outcome.faults) == (1, {})


def test_no_changed_snapshot_of_a_former_site_ends_publishing(bench: Bench) -> None:
    count, faults = snapshot_faults(bench, every=31)
    assert count > 100 and faults == {}


def test_no_changed_verdict_ends_a_review(tmp_path: Path) -> None:
    count, faults = verdict_faults(tmp_path)
    assert count > 300 and faults == {}
