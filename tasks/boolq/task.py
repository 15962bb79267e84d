"""Answer a yes-no question from a passage: does a model learn to read before it answers?

The data is BoolQ (Clark et al. 2019, arXiv 1905.10044) from the Hugging Face hub, at a pinned revision: 9,427
training rows, of which 300 are set apart as dev. The public test rows have no answers, so the 3,270
validation rows are the test. The licence is CC-BY-SA-3.0. An invented row of the same shape:

    {"question": "can a kettle boil milk", "passage": "A kettle heats any liquid, milk included.", "answer": true}

Three in five answers are yes: always saying yes scores 0.62 on accuracy, and 0 on the Matthews correlation.
"""

from harness import PromptSet, Row, Sample, Splits, Task, hub_splits, task

HUB_ID = "google/boolq"
REVISION = "35b264d03638db9f4ce671b711558bf7ff0f80d5"
ANSWERS = ("no", "yes")


@task
def boolq() -> Task:
    return Task(
        name="boolq",
        version=1,
        description="Answer a question about a passage with yes or no.",
        data=load,
        to_sample=to_sample,
        prompts=PromptSet(
            templates={
                "plain": "{passage}\nQuestion: {question}? Yes or no?",
                "instruction": "Read the passage and decide whether the answer to the question is yes or no. Reply with "
                "that one word.\n\nPassage: {passage}\n\nQuestion: {question}?",
                "question": "{question}? Say yes or no, going by this text:\n{passage}",
            }
        ),
        output="choice",
        metrics=("accuracy", "f1_macro", "mcc", "brier", "ece"),
        primary_metric="accuracy",
        chance=1 / len(ANSWERS),
        license="CC-BY-SA-3.0",
        reference="https://arxiv.org/abs/1905.10044",
    )


def load(path: str = HUB_ID, *, dev_size: int = 300) -> Splits:
    """The pinned hub data set, or a local folder of the same layout."""
    revision = REVISION if path == HUB_ID else None
    return hub_splits(path, None, revision=revision, train="train", test="validation", dev_size=dev_size)


def to_sample(row: Row, index: int) -> Sample:
    return Sample(
        id=str(index),
        fields={"passage": row["passage"], "question": row["question"]},
        target=ANSWERS[row["answer"]],
        choices=ANSWERS,
        cluster=row["passage"],
    )
