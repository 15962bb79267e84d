"""A node with other versions is refused by name, with what to do."""

import pytest

from harness.driver.cluster.installed import CODE, OWN, PYTHON, installed, why_not

HERE = {OWN: "0.1.0", CODE: "0123456789ab", PYTHON: "3.11", "torch": "2.13.0", "trl": "1.0.0", "vllm": None}


def test_what_is_installed_here_fits_this_machine() -> None:
    here = installed()
    assert here[CODE] and here[PYTHON]
    assert why_not("gpu-7", {**here, "torch": here["torch"] or "2.13.0"}, here) is None


def test_a_node_may_have_what_the_driver_does_without() -> None:
    assert why_not("gpu-7", {**HERE, "vllm": "0.24.0"}, HERE) is None


@pytest.mark.parametrize(
    ("there", "sentences"),
    [
        ({PYTHON: "3.12"}, ["Python 3.12 (here: 3.11)", "(Python 3.11)"]),
        ({"torch": "2.9.0"}, ["torch 2.9.0 (here: 2.13.0)", "pip install 'torch==2.13.0'"]),
        ({OWN: "0.2.0"}, ["gainboard 0.2.0 (here: 0.1.0)", "pip install 'gainboard==0.1.0'"]),
        ({CODE: "ba9876543210"}, ["gainboard's code ba9876543210 (here: 0123456789ab)"]),
        ({"trl": "0.9.0", "torch": "2.9.0"}, ["pip install 'torch==2.13.0' 'trl==1.0.0'"]),
        ({CODE: None, OWN: None, "torch": None}, ["has no gainboard: pip install 'gainboard==0.1.0'"]),
        ({"torch": None}, ["has no torch: pip install 'gainboard[train,vllm]'"]),
    ],
)
def test_a_node_that_does_not_fit_is_named_with_its_versions_and_what_to_do(
    there: dict[str, str | None], sentences: list[str]
) -> None:
    fault = why_not("gpu-7", {**HERE, **there}, HERE)
    assert fault is not None
    assert fault.startswith("node gpu-7 has ")
    assert fault.endswith("or leave it out of the cluster; it gets no work")
    for sentence in sentences:
        assert sentence in fault
