"""Tell the sentiment of a comment: positive, negative, ambiguous or neutral?

The data is GoEmotions (Demszky et al. 2020, arXiv 2005.00547), comments from Reddit, from the Hugging Face
hub, at a pinned revision and in its simplified form: 43,410 training, 5,426 dev and 5,427 test rows. The
licence is Apache-2.0. An invented row of the same shape (17 is joy):

    {"text": "We won, I could dance all night!", "labels": [17], "id": "e1"}

The 27 emotions are taken together to the three sentiments of the paper, with neutral as the fourth. Comments
whose emotions belong to several sentiments are left out: they have no one right answer.
"""

from harness import PromptSet, Row, Sample, Splits, Task, hub_splits, task

HUB_ID = "google-research-datasets/go_emotions"
REVISION = "add492243ff905527e67aeb8b80c082af02207c3"

EMOTIONS = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
    "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief", "joy", "love",
    "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral",
)  # fmt: skip
"""In the order of the data set: a label is an index into these."""

SENTIMENTS = {
    "positive": {
        "admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love", "optimism",
        "pride", "relief",
    },
    "negative": {
        "anger", "annoyance", "disappointment", "disapproval", "disgust", "embarrassment", "fear", "grief", "nervousness",
        "remorse", "sadness",
    },
    "ambiguous": {"confusion", "curiosity", "realization", "surprise"},
    "neutral": {"neutral"},
}  # fmt: skip


@task
def go_emotions() -> Task:
    return Task(
        name="go_emotions",
        version=1,
        description="Tell whether a comment is positive, negative, ambiguous or neutral.",
        data=load,
        to_sample=to_sample,
        prompts=PromptSet(
            templates={
                "plain": "Is this comment positive, negative, ambiguous or neutral?\nComment: {text}",
                "instruction": "Judge the feeling of the comment below: positive (joy, thanks, approval …), negative "
                "(anger, fear, regret …), ambiguous (surprise, curiosity, confusion), or neutral if there is none.\n\n"
                "{text}",
                "short": "{text}\nSentiment (positive, negative, ambiguous, neutral)?",
            }
        ),
        output="choice",
        metrics=("accuracy", "f1_macro", "mcc", "brier", "ece"),
        primary_metric="accuracy",
        chance=1 / len(SENTIMENTS),
        license="Apache-2.0",
        reference="https://arxiv.org/abs/2005.00547",
    )


def load(path: str = HUB_ID) -> Splits:
    """The pinned hub data set, or a local folder of the same layout, without comments of mixed sentiment."""
    revision = REVISION if path == HUB_ID else None
    rows = hub_splits(path, "simplified", revision=revision, train="train", test="test", dev="validation")
    return Splits(
        *([row for row in split if len(sentiments(row)) == 1] for split in (rows.train, rows.dev, rows.test))
    )


def sentiments(row: Row) -> list[str]:
    """The sentiments that the emotions of a comment belong to."""
    felt = {EMOTIONS[label] for label in row["labels"]}
    return [sentiment for sentiment, emotions in SENTIMENTS.items() if felt & emotions]


def to_sample(row: Row, index: int) -> Sample:
    return Sample(
        id=str(index),
        fields={"text": row["text"].strip()},
        target=sentiments(row)[0],
        choices=tuple(SENTIMENTS),
    )
