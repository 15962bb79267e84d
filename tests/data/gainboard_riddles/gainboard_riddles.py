"""Guess what is meant: a task plugin as a third party would publish it."""

from harness import PromptSet, Row, Sample, Splits, Task, task

RIDDLES = (
    ("It has hands but cannot clap.", "clock"),
    ("It has teeth but cannot bite.", "comb"),
    ("It has a neck but no head.", "bottle"),
)


@task
def riddles() -> Task:
    return Task(
        name="riddles",
        version=1,
        description="Guess what a riddle means.",
        data=lambda: Splits(*([{"text": text, "answer": answer}] for text, answer in RIDDLES)),
        to_sample=to_sample,
        prompts=PromptSet({"plain": "What is it? {text}"}),
        output="generate",
        metrics=("exact_match",),
        primary_metric="exact_match",
    )


def to_sample(row: Row, index: int) -> Sample:
    return Sample(id=str(index), fields={"text": row["text"]}, target=row["answer"])
