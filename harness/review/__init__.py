"""People's verdicts on the prompts of a task: what they are shown, what they said, and how far they are."""
