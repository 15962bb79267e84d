"""People's verdicts on a prompt set."""
