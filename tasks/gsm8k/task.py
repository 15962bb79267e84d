"""Solve grade-school word problems: does a model learn to reason in steps and to end with the number?

The data is GSM8K (Cobbe et al. 2021, arXiv 2110.14168) from the Hugging Face hub, at a pinned revision: 7,473
training rows, of which 300 are set apart as dev, and 1,319 test rows. An invented row of the same shape:

    {"question": "Ann has 3 boxes of 4 pens. How many pens?", "answer": "3 * 4 = <<3*4=12>>12 pens.\\n####
    12"}

The target is the whole worked answer, so tuning learns the steps; only the number after `####` is scored.
"""

from harness import PromptSet, Row, Sample, Splits, Task, hub_splits, last_number, task

HUB_ID = "openai/gsm8k"
REVISION = "cc7b047b6e5bb11b4f1af84efc572db110a51b3c"
ANSWER_MARK = "####"


@task
def gsm8k() -> Task:
    return Task(
        name="gsm8k",
        version=1,
        description="Solve a grade-school word problem in steps and give the number.",
        data=load,
        to_sample=to_sample,
        prompts=PromptSet(
            templates={
                "steps": "Solve this problem step by step. End with #### and the number.\n{question}",
                "question": "Question: {question}",
                "teacher": "A pupil asks for help with the problem below. Show every step of the calculation, then write "
                "the result as a bare number after ####.\n\n{question}",
            }
        ),
        output="generate",
        metrics=("numeric_match",),
        primary_metric="numeric_match",
        extract=final_number,
        max_tokens=320,
        license="MIT",
        reference="https://arxiv.org/abs/2110.14168",
    )


def load(path: str = HUB_ID, *, dev_size: int = 300) -> Splits:
    """The pinned hub data set, or a local folder of the same layout."""
    revision = REVISION if path == HUB_ID else None
    return hub_splits(path, "main", revision=revision, train="train", test="test", dev_size=dev_size)


def to_sample(row: Row, index: int) -> Sample:
    return Sample(id=str(index), fields={"question": row["question"]}, target=row["answer"])


def final_number(completion: str) -> str:
    """The number after the first `####`, so that whatever follows is ignored; without the mark, the last
    number."""
    _, mark, after = completion.partition(ANSWER_MARK)
    stated = after.strip().partition("\n")[0] if mark else ""
    return last_number(stated) or last_number(completion)
