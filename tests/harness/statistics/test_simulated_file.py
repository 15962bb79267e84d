"""The table of the methodology page is what a simulation of today's statistics gives."""

import json
from dataclasses import asdict

import pytest
from simulate import DESIGNS, FILE, SWEEPS, Design, simulate

ROWS = {Design(**row["design"]): row for row in json.loads(FILE.read_text(encoding="utf-8"))}


def test_every_design_is_in_the_file_with_as_many_sweeps_as_the_page_says() -> None:
    assert [*ROWS] == DESIGNS
    assert {row["sweeps"] for row in ROWS.values()} == {SWEEPS}


@pytest.mark.parametrize("design", [Design(2, 300, 5.0, 1), Design(3, 100, 2.0, 1), Design(3, 300, 2.0, 4)])
def test_a_design_simulated_anew_gives_the_figures_of_the_file(design: Design) -> None:
    sweeps = 120
    # Four standard errors of a share of 95 % in so many sweeps; the five gains of a sweep go together.
    noise = 4 * (0.95 * 0.05 / sweeps) ** 0.5
    anew, row = asdict(simulate(design, sweeps=sweeps, seed=1)), ROWS[design]
    for name in ("coverage", "false_order", "false_advice"):
        assert anew[name] == pytest.approx(row[name], abs=noise), name
    assert 0.93 <= row["coverage"] <= 0.975
    assert max(row["false_order"], row["false_advice"]) <= 0.08
