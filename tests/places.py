"""Where the project and what tests read lie."""

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
