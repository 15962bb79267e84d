"""Write the SQL query that answers a question about a small database, judged by what it returns.

The data is Gretel's synthetic text-to-SQL (Meyer et al. 2024) from the Hugging Face hub, at a pinned
revision: 100,000 training and 5,851 test rows over 100 domains. The licence is Apache-2.0. An invented row of
the same shape, without its columns of explanation:

    {"sql_prompt": "How many boats are red?", "sql_context": "CREATE TABLE boats (id INT, colour TEXT); INSERT
    INTO boats VALUES (1, 'red'), (2, 'blue');", "sql": "SELECT COUNT(*) FROM boats WHERE colour = 'red';",
    "sql_task_type": "analytics and reporting", "sql_complexity": "aggregation"}

Rows do not name their dialect of SQL. Only those are used whose query runs on SQLite, which comes with
Python, and returns something: compared with an empty result, most wrong queries would look right. 500
training rows are set apart as dev.
"""

import itertools
import re
import sqlite3

from harness import PromptSet, Row, Sample, Splits, Task, hub_splits, task

HUB_ID = "gretelai/synthetic_text_to_sql"
REVISION = "740ab236e64503fba51be1101df7a1be83bf455d"

FENCE = re.compile(r"```(?:sql\w*)?(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
STATEMENT = re.compile(r"(?:[^;']+|'[^']*')*")
"""Up to the first semicolon that is not inside a string."""

MAX_STEPS = 1_000_000
"""Instructions of SQLite's virtual machine that a query may take."""


@task
def gretel_sql() -> Task:
    return Task(
        name="gretel_sql",
        version=1,
        description="Write the SQL query that answers a question about a small database.",
        data=load,
        to_sample=to_sample,
        prompts=PromptSet(
            templates={
                "plain": "{database}\n\nWrite one SQLite query for this: {question}",
                "instruction": "You are given the statements that made a database. Write a single SQLite query that "
                "answers the question, and nothing else.\n\nDatabase:\n{database}\n\nQuestion: {question}",
                "comment": "-- SQLite\n{database}\n\n-- {question}",
            },
            marker="SQL:",
            num_fewshot=3,
            demonstrations="random",
        ),
        output="generate",
        metrics=("sql_execution",),
        primary_metric="sql_execution",
        extract=first_statement,
        max_tokens=192,
        license="Apache-2.0",
        reference="Meyer et al. 2024, gretelai/synthetic_text_to_sql",
    )


def load(path: str = HUB_ID, *, dev_size: int = 500) -> Splits:
    """The pinned hub data set, or a local folder of the same layout, without rows that SQLite cannot
    answer."""
    revision = REVISION if path == HUB_ID else None
    rows = hub_splits(path, None, revision=revision, train="train", test="test", dev_size=dev_size)
    train, dev, test = (list(filter(returns_something, split)) for split in (rows.train, rows.dev, rows.test))
    return Splits(train, dev, test)


def returns_something(row: Row) -> bool:
    """Whether a row's query only reads, returns at least one value on SQLite, and always returns the same."""
    query = first_statement(row["sql"])
    if not query.upper().startswith(("SELECT", "WITH")) or "RANDOM" in query.upper():
        return False
    connection = sqlite3.connect(":memory:")
    try:
        # The statements come from outside: none may open a file or run for ever.
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_progress_handler(lambda: 1, MAX_STEPS)
        connection.executescript(row["sql_context"])
        rows = connection.execute(query).fetchall()
    except sqlite3.Error:
        return False
    finally:
        connection.close()
    return any(value is not None for value in itertools.chain.from_iterable(rows))


def to_sample(row: Row, index: int) -> Sample:
    return Sample(
        id=str(index),
        fields={"database": row["sql_context"].strip(), "question": row["sql_prompt"].strip()},
        target=first_statement(row["sql"]),
        metadata={"database": row["sql_context"], "complexity": row["sql_complexity"]},
    )


def first_statement(completion: str) -> str:
    """The first statement in a completion, out of its Markdown fence if it has one, without its semicolon."""
    fenced = FENCE.search(completion)
    statement = STATEMENT.match((fenced[1] if fenced else completion).strip())
    return statement[0].strip() if statement else ""
