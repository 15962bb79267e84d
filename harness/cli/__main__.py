"""`python -m harness.cli` is `gainboard`, also where that is not on the path."""

from harness.cli import main

main()
