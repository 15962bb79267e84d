"""Answer a question that takes arithmetic or comparison over a passage: can a model count what it reads?

The data is DROP (Dua et al. 2019, arXiv 1903.00161) from the Hugging Face hub, at a pinned revision: 77,400
training rows, of which 500 are set apart as dev. The public test rows have no answers, so the 9,535
validation rows are the test. The licence is CC-BY-SA-4.0. An invented row of the same shape:

    {"section_id": "history_1", "query_id": "a1", "passage": "Oslo won 3 games in May and 4 in June.",
    "question": "How many games did Oslo win?", "answers_spans": {"spans": ["7"], "types": ["number"]}}

This edition lists the spans of an answer side by side. In train several spans are the parts of one answer:
such rows are left out. In test they are the answers of several people, or parts of them, which cannot be told
apart: each is accepted. Scores are therefore higher than those of the official scorer, and comparable only
with each other.
"""

from harness import PromptSet, Row, Sample, Splits, Task, hub_splits, task

HUB_ID = "ucinlp/drop"
REVISION = "95cda593fae71b60b5b19f82de3fcf3298c1239c"


@task
def drop() -> Task:
    return Task(
        name="drop",
        version=1,
        description="Answer a question that needs counting, sorting or arithmetic over a passage.",
        data=load,
        to_sample=to_sample,
        prompts=PromptSet(
            templates={
                "plain": "{passage}\nQuestion: {question}",
                "instruction": "Answer the question from the passage. Give only a number, a date or the words of the "
                "passage that answer it.\n\nPassage: {passage}\n\nQuestion: {question}",
                "question": "{question} Work it out from the text below, and give the result without a sentence around "
                "it.\n\n{passage}",
            },
            num_fewshot=2,
            demonstrations="random",
        ),
        output="generate",
        metrics=("token_f1", "exact_match"),
        primary_metric="token_f1",
        extract=first_line,
        max_tokens=32,
        license="CC-BY-SA-4.0",
        reference="https://arxiv.org/abs/1903.00161",
    )


def load(path: str = HUB_ID, *, dev_size: int = 500) -> Splits:
    """The pinned hub data set, or a local folder of the same layout, without training rows whose answer has
    several parts."""
    revision = REVISION if path == HUB_ID else None
    rows = hub_splits(path, None, revision=revision, train="train", test="validation", dev_size=dev_size)
    return Splits(
        train=[row for row in rows.train if len(spans(row)) == 1],
        dev=[row for row in rows.dev if len(spans(row)) == 1],
        test=[row for row in rows.test if spans(row)],
    )


def spans(row: Row) -> tuple[str, ...]:
    """The distinct answers of a row, in their order."""
    return tuple(dict.fromkeys(span.strip() for span in row["answers_spans"]["spans"] if span.strip()))


def to_sample(row: Row, index: int) -> Sample:
    return Sample(
        id=str(index),
        fields={"passage": row["passage"], "question": row["question"]},
        target=spans(row),
        cluster=row["section_id"],
    )


def first_line(completion: str) -> str:
    """The first line that is not blank: an answer is one line, and what follows it is another question."""
    return completion.strip().partition("\n")[0].strip()
