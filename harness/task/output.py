"""What a task asks of a model: to write an answer, to choose one, or only the likelihood of a text."""

from typing import Literal

Output = Literal["generate", "choice", "perplexity"]
"""`generate`: the model writes the answer. `choice`: the most likely of the sample's choices is the answer.
`perplexity`: the target's own likelihood is measured, and nothing is written."""

ANSWERS: tuple[Output, ...] = ("generate", "choice")
"""The outputs that give an answer to judge."""
