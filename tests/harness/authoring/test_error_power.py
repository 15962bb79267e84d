"""Which difference in errors a test set can show is said before money is spent."""

import numpy as np
import pytest

from harness.authoring.check import check_task
from harness.authoring.error_power import error_power
from harness.data.dataset import load_dataset
from harness.plugins.registry import find_plugins, load_task


def test_a_task_of_numbers_is_told_which_difference_its_test_set_shows() -> None:
    task = load_task("walking_time", find_plugins())
    dataset = load_dataset(task)
    train, test = (
        np.array([float(sample.targets[0]) for sample in split]) for split in (dataset.train, dataset.test)
    )
    spread = np.abs(test - np.median(train)).std()
    gap = (1.959964 + 0.841621) * spread / np.sqrt(len(test))
    sentence = error_power(task, dataset, seeds=None)
    assert sentence.startswith(f"300 test samples: only differences above about {gap:.2g} in mae show.")
    assert f"(SD {spread:.2g})" in sentence and "seed" not in sentence
    assert "One seed can never show a gain." in error_power(task, dataset, seeds=1)


@pytest.mark.parametrize(("name", "said"), [("walking_time", True), ("recipe_text", False)])
def test_check_says_it_of_errors_alone(name: str, said: bool) -> None:
    sentences = [finding.message for finding in check_task(name, find_plugins())]
    assert any("only differences above about" in sentence for sentence in sentences) == said
