"""What a board shows: its title, its tasks and their weights, the columns of its ranking, from a
`board.toml`."""

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from harness.errors import suggest
from harness.toml import Frozen, load_toml

BOARD, SWEEP = "board.toml", "sweep.toml"

ColumnName = Literal[
    "score",
    "few_shot",
    "zero_shot",
    "win_rate",
    "mean_rank",
    "train",
    "labels",
    "serve",
    "break_even",
    "worth_it",
    "guard",
    "seeds",
    "n",
]
"""A column of the ranking; `leaderboards.pages.front_page.ranking` says what stands in it."""

COLUMNS: tuple[ColumnName, ...] = get_args(ColumnName)
"""The columns that a board file may choose from."""

DEFAULT_COLUMNS: tuple[ColumnName, ...] = (
    "score",
    "few_shot",
    "zero_shot",
    "train",
    "serve",
    "worth_it",
    "guard",
    "labels",
    "break_even",
    "seeds",
    "n",
)
"""The columns of a board that chooses none: those that decide come first, for the first seven are shown at
once. Win rate and mean rank change when another row is listed, so a board has to ask for them."""


class ScenarioTable(Frozen):
    """How the models of a board will be used: what its first page and its cost page open with."""

    volume: float = Field(default=100_000, ge=1, le=1e11)
    """Requests over the life of a fine-tune."""

    right_answer_usd: float = Field(default=0.01, ge=0, le=1e9)
    """Dollars that one more right answer is worth; of graded metrics, one more that is fully right."""

    budget_usd: float = Field(default=100, ge=0.01, le=1e9)
    """Dollars that may be spent in total."""

    utilisation: float = Field(default=30, ge=1, le=100)
    """Percent of the time that a served device is busy; a service that is never idle is rare."""

    hours: float = Field(default=0, ge=0, le=1e6)
    """Hours that the served model must be reachable; with 0 only busy time costs."""

    labels: Literal["owned", "bought"] = "bought"
    """Whether labelled samples are there already, or have to be paid for."""

    retrains: int = Field(default=0, ge=0, le=1000)
    """How often the training is repeated after the first."""

    relabel: float = Field(default=0, ge=0, le=1)
    """Share of the labels that is bought anew at each retraining."""


class Board(Frozen):
    """A board file. Everything has a default, so results can be published without one."""

    title: str = Field(default="Fine-tuning leaderboard", min_length=1)
    description: str = ""
    """One or two sentences under the title."""

    tasks: tuple[str, ...] | None = Field(default=None, min_length=1)
    """The tasks that count, in the order they are shown; None takes every task found, by name."""

    weights: dict[str, Annotated[float, Field(gt=0, le=1e6)]] = Field(default_factory=dict)
    """How much a task counts in the mean; a task not named here counts 1."""

    smallest_gain: float = Field(default=2.0, gt=0, le=100)
    """Points; tuning is advised against where every fine-tune is shown to gain less than that."""

    wordings: Literal["fixed", "random"] = "fixed"
    """What the wordings of the prompts are: those that will be used, or a draw of all possible ones, by which
    scores then vary, too."""

    columns: tuple[str, ...] = Field(default=DEFAULT_COLUMNS, min_length=1)
    """The columns of the ranking, in the order they are shown: the first seven at once, the others where a
    reader asks for more."""

    scenario: ScenarioTable = ScenarioTable()
    """How the models will be used."""

    @model_validator(mode="after")
    def _known_columns(self) -> "Board":
        unknown = next((name for name in self.columns if name not in COLUMNS), None)
        if unknown is not None:
            raise ValueError(
                f"column '{unknown}' not found.{suggest(unknown, COLUMNS)} There are {', '.join(COLUMNS)}"
            )
        if len(set(self.columns)) < len(self.columns):
            twice = next(name for name in self.columns if self.columns.count(name) > 1)
            raise ValueError(f"column '{twice}' is given twice; each must be unique")
        return self

    forgetting_margin: float = Field(default=1.0, ge=0, le=100)
    """Points that a tuned row may lose on the sweep's guard tasks; one that clearly loses more cannot be the
    best."""

    @model_validator(mode="after")
    def _consistent(self) -> "Board":
        tasks = self.tasks or ()
        twice = sorted({task for task in tasks if tasks.count(task) > 1})
        if twice:
            raise ValueError(f"task '{twice[0]}' is given twice; each must be unique")
        unknown = sorted(set(self.weights) - set(tasks)) if self.tasks else []
        if unknown:
            raise ValueError(
                f"a weight is given for '{unknown[0]}', which is not among the tasks."
                f"{suggest(unknown[0], tasks)}"
            )
        return self


def load_board(path: Path | None) -> Board:
    """Read a board file, or a folder that holds a `board.toml`. Raises `UserError` with the key and what is
    allowed."""
    if path is None:
        return Board()
    return load_toml(path / BOARD if path.is_dir() else path, Board)


def shipped_board(name: str) -> Path | None:
    """The folder of a board shipped with GainBoard (`sweep.toml` and `board.toml`), or None when there is
    none so named."""
    return shipped_boards().get(name)


def shipped_boards() -> dict[str, Path]:
    """The folders of all shipped boards by name, sorted."""
    folders = sorted((Path(__file__).parent / "boards").iterdir())
    return {folder.name: folder for folder in folders if folder.is_dir()}
