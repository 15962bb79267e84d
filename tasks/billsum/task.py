"""Summarise a bill of the United States Congress: does a model keep what the law would change?

The data is BillSum (Kornilova and Eidelman 2019, arXiv 1910.00523) from the Hugging Face hub, at a pinned
revision: 18,949 training rows, of which 300 are set apart as dev, and 3,269 test rows; the Californian bills
are not used. Bills and summaries are works of the government, and the data set is dedicated to the public
domain (CC0-1.0). An invented row of the same shape:

    {"title": "A bill to name a bridge.", "text": "SECTION 1. NAME. The bridge at Oak River shall be known as the Ann Lee
    Bridge.", "summary": "Names the bridge at Oak River the Ann Lee Bridge."}

Bills have 5,000 to 20,000 characters, so the task wants a model with 8,192 tokens of context.
"""

from harness import PromptSet, Row, Sample, Splits, Task, hub_splits, task

HUB_ID = "FiscalNote/billsum"
REVISION = "3d8510441c06a3d9dfb32eb0d7f80151730bcc4f"


@task
def billsum() -> Task:
    return Task(
        name="billsum",
        version=1,
        description="Summarise a bill of the United States Congress.",
        data=load,
        to_sample=to_sample,
        prompts=PromptSet(
            templates={
                "plain": "Summarise this bill.\n\n{title}\n{text}",
                "instruction": "Below is a bill of the United States Congress. Say in a paragraph what it would change "
                "and for whom, in the present tense, without quoting its sections.\n\nTitle: {title}\n\n{text}",
                "question": "{text}\n\nThis was the text of: {title}\nWhat does it do?",
            },
            marker="Summary:",
            num_fewshot=1,
            demonstrations="random",
        ),
        output="generate",
        metrics=("rougeL", "rouge1", "rouge2"),
        primary_metric="rougeL",
        max_tokens=400,
        license="CC0-1.0",
        reference="https://arxiv.org/abs/1910.00523",
    )


def load(path: str = HUB_ID, *, dev_size: int = 300) -> Splits:
    """The pinned hub data set, or a local folder of the same layout."""
    revision = REVISION if path == HUB_ID else None
    return hub_splits(path, None, revision=revision, train="train", test="test", dev_size=dev_size)


def to_sample(row: Row, index: int) -> Sample:
    return Sample(
        id=str(index),
        # Bills are printed with deep indentation, which would take room from the text.
        fields={"title": " ".join(row["title"].split()), "text": " ".join(row["text"].split())},
        target=" ".join(row["summary"].split()),
    )
