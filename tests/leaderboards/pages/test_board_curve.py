"""The learning curve of the whole board has, at each budget, the score that the ranking would have."""

import re
from pathlib import Path

from synthetic import make_run, task_card, write_result

from leaderboards import publish

SHARES = {50: (0.5, 0.6), 200: (0.7, 0.8), 500: (0.7, 0.8)}
"""By training samples, the share of right answers on either task."""


def methods_page(folder: Path, *, budgets: tuple[tuple[int, ...], tuple[int, ...]]) -> str:
    cards = (task_card("one"), task_card("two"))
    for place, card in enumerate(cards):
        for seed in (0, 1):
            write_result(folder, make_run("small", "zero_shot", card, seed), card, [1.0] * 3 + [0.0] * 7)
            for budget in budgets[place]:
                right = round(10 * SHARES[budget][place])
                run = make_run("small", "lora", card, seed, n_train=budget)
                write_result(folder, run, card, [1.0] * right + [0.0] * (10 - right))
    site = publish(folder, folder.parent / "site").index.parent
    return (site / "methods.html").read_text(encoding="utf-8")


def summaries(page: str) -> list[str]:
    return re.findall(r'aria-label="(Score against training samples[^"]*)"', page)


def test_all_samples_of_tasks_that_differ_in_size_stand_at_their_mean(tmp_path: Path) -> None:
    (said,) = summaries(methods_page(tmp_path / "results", budgets=((50, 500), (50, 200))))
    # Guessing is right in one of four: of the rest, (33.3 + 46.7) / 2 and (60.0 + 73.3) / 2.
    assert said.startswith("Score against training samples. LoRA r16: 50: 40.0, 350: 66.7; zero-shot 6.7 (")


def test_only_budgets_that_all_tasks_have_are_drawn(tmp_path: Path) -> None:
    (said,) = summaries(methods_page(tmp_path / "results", budgets=((50, 200, 500), (50, 500))))
    assert "50: 40.0, 500: 66.7;" in said


def test_a_task_with_one_budget_leaves_nothing_to_draw(tmp_path: Path) -> None:
    assert summaries(methods_page(tmp_path / "results", budgets=((50, 500), (50,)))) == []
