"""What tests need to be installed is looked for, not loaded."""

import sys

import pytest
from installed import need


def test_a_library_that_is_there_is_not_imported() -> None:
    assert "turtledemo" not in sys.modules, "nothing else loads this part of the standard library"
    need("turtledemo")
    assert "turtledemo" not in sys.modules


def test_without_a_library_a_test_is_skipped_with_its_reason() -> None:
    with pytest.raises(pytest.skip.Exception, match="needs no_such_library"):
        need("no_such_library")
    with pytest.raises(pytest.skip.Exception, match="needs the train extra"):
        need("no_such_library", reason="needs the train extra")
