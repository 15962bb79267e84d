"""Metrics of generated text that count the words or characters it shares with its references.

The arithmetic is rouge-score's and sacrebleu's, loaded when the first text is scored.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.metrics.matching import best
from harness.task.metric import Counts, Metric, Reply
from harness.task.output import ANSWERS

if TYPE_CHECKING:
    from harness.task.metric import Values

_LONGEST_STEMMED = 100
"""Letters of a word. The Porter stemmer recurses, so a long enough run of letters would exhaust the stack."""

_MOST_WORDS = 2_000
"""Words of a text that ROUGE reads. Its longest common subsequence takes a table of all words of both
texts."""


class _StemmingTokenizer:
    """rouge-score's own tokenizer with its Porter stemmer, which takes most of the time and is asked each
    word once."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self._porter = lru_cache(maxsize=100_000)(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        from rouge_score.tokenize import tokenize

        return list(tokenize(text, self)[:_MOST_WORDS])

    def stem(self, word: str) -> str:
        return str(self._porter(word)) if len(word) <= _LONGEST_STEMMED else word


@lru_cache
def _rouge_scorer(kind: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], tokenizer=_StemmingTokenizer())


def _rouge(kind: str) -> Callable[[Reply], float]:
    return best(lambda answer, target: float(_rouge_scorer(kind).score(target, answer)[kind].fmeasure))


@lru_cache
def _sacrebleu(kind: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    return {"bleu": BLEU, "chrf": CHRF, "ter": TER}[kind]()


def _corpus_metric(
    name: str, description: str, *, parts: Sequence[str], high: float = 1.0, lower: bool = False
) -> Metric:
    """A metric of sacrebleu. Its public functions keep no counts by sample, so the two that its own
    significance tests are built of are used: one gives the statistics of a sentence, the other the score of
    added-up statistics."""

    def counts(reply: Reply) -> Counts:
        references = [[target] for target in reply.targets or ("",)]
        (statistics,) = _sacrebleu(name)._extract_corpus_statistics([reply.answer], references)
        return dict(zip(parts, statistics, strict=True))

    def value(sums: Mapping[str, "Values"]) -> "Values":
        import numpy

        columns = numpy.stack([sums[part] for part in parts], axis=-1)
        score = _sacrebleu(name)._compute_score_from_stats
        scores = [score(row).score / 100 for row in columns.reshape(-1, len(parts)).tolist()]
        # BLEU of a perfect text comes out as 1.0000000000000004.
        clipped: Values = numpy.clip(numpy.asarray(scores, dtype=numpy.float64), 0.0, high)
        return clipped.reshape(columns.shape[:-1])

    return Metric(
        name, description, counts=counts, value=value, high=high, higher_is_better=not lower, outputs=ANSWERS
    )


_BLEU_PARTS = (
    "length",
    "reference length",
    *(f"{part} {n}" for part in ("match", "answer") for n in range(1, 5)),
)
_CHRF_PARTS = tuple(f"{part} {n}" for n in range(1, 7) for part in ("answer", "reference", "match"))

OVERLAP = (
    Metric(
        "rouge1", "ROUGE-1: F1 over stemmed words, best over the targets", _rouge("rouge1"), outputs=ANSWERS
    ),
    Metric(
        "rouge2",
        "ROUGE-2: F1 over pairs of stemmed words, best over the targets",
        _rouge("rouge2"),
        outputs=ANSWERS,
    ),
    Metric(
        "rougeL",
        "ROUGE-L: F1 over the longest common subsequence of stemmed words",
        _rouge("rougeL"),
        outputs=ANSWERS,
    ),
    _corpus_metric(
        "bleu", "corpus BLEU of sacrebleu: n-gram precision with a brevity penalty", parts=_BLEU_PARTS
    ),
    _corpus_metric("chrf", "corpus chrF of sacrebleu: F2 over character n-grams", parts=_CHRF_PARTS),
    _corpus_metric(
        "ter",
        "corpus TER of sacrebleu: edits to reach a target, by its words",
        parts=("edits", "reference length"),
        high=math.inf,
        lower=True,
    ),
)
