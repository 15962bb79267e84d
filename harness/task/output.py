"""What a task's models give: an answer that is written, one that is chosen, or a likelihood."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    pass

    Values = NDArray[numpy.float64]


Output = Literal["generate", "choice", "perplexity"]
"""`generate`: the model writes the answer. `choice`: the most likely of the sample's choices is the answer.
`perplexity`: the target's own likelihood is measured, and nothing is written."""

ANSWERS: tuple[Output, ...] = ("generate", "choice")
"""The outputs that give an answer to judge."""
