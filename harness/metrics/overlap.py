"""Metrics of generated text that count the words or characters it shares with its references.

The libraries rouge-score and sacrebleu compute them; they are loaded when the first text is scored.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import regex

from harness.metrics.matching import best
from harness.task.metric import Counts, Metric, Reply
from harness.task.output import ANSWERS
from harness.task.words import composed, has_other_letters, words_of

if TYPE_CHECKING:
    from harness.task.metric import Values

_LONGEST_STEMMED = 100
"""Letters of a word that is stemmed. The Porter stemmer recurses, so a very long word would exhaust the
stack."""

_NOT_STEMMED = 3
"""Letters of a word that rouge-score leaves as it is."""

_MOST_WORDS = 2_000
"""Words of a text that ROUGE reads. Its longest common subsequence fills a table of all words of one text by
all words of the other."""


_MOST_PAIRS = _MOST_WORDS**2
"""Pairs of a word of an answer and one of a target up to which TER looks for shifts, which takes hours and
gigabytes for the longest texts; beyond, it counts a shifted word as deleted and inserted."""

MOST_DROPPED = 0.1
"""Share of the letters of Latin texts from which on ROUGE misreads them: it drops all but a to z, which parts
German into its words but for some and Vietnamese into pieces."""

_LATIN_LETTER = regex.compile(r"\p{Latin}")


def dropped_by_rouge(texts: Iterable[str]) -> float:
    """The share of the letters of these texts that ROUGE drops, from 0 to 1:
    those of Latin texts but a to z."""
    joined = "".join(composed(text) for text in texts if not has_other_letters(text))
    letters = _LATIN_LETTER.findall(joined)
    return sum(not letter.isascii() for letter in letters) / len(letters) if letters else 0.0


class _StemmingTokenizer:
    """rouge-score's own tokenizer and Porter stemmer, with the stems cached: stemming takes most of the
    time."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self._porter = lru_cache(maxsize=100_000)(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        """The words of a text. rouge-score itself drops all but the letters a to z and digits: it has the
        texts of Latin letters, so that its published values hold, and no others."""
        from rouge_score.tokenize import tokenize

        if not has_other_letters(text):
            return list(tokenize(text, self)[:_MOST_WORDS])
        words = words_of(text.lower().replace("_", " "))[:_MOST_WORDS]
        return [self.stem(word) if len(word) > _NOT_STEMMED else word for word in words]

    def stem(self, word: str) -> str:
        return str(self._porter(word)) if len(word) <= _LONGEST_STEMMED else word


@lru_cache
def _rouge_scorer(kind: str) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], tokenizer=_StemmingTokenizer())


def _rouge(kind: str) -> Callable[[Reply], float]:
    def f1(answer: str, target: str) -> float:
        return float(_rouge_scorer(kind).score(target, answer)[kind].fmeasure)

    return best(f1)


@lru_cache
def _sacrebleu(kind: str) -> Any:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    name, _, tokenizer = kind.partition("_")
    metric_class = {"bleu": BLEU, "chrf": CHRF, "ter": TER}[name]
    return metric_class(tokenize=tokenizer) if tokenizer else metric_class()


def _corpus_metric(
    name: str, description: str, *, parts: Sequence[str], high: float = 1.0, lower: bool = False
) -> Metric:
    """A metric of sacrebleu, whose statistics of a sentence are named `parts`.

    sacrebleu's public functions keep no counts per sample, so this uses the two that its own significance
    tests are built on: one returns the statistics of a sentence, the other the score of summed statistics.
    """

    def counts(reply: Reply) -> Counts:
        answer, targets = composed(reply.answer), [composed(target) for target in reply.targets or ("",)]
        if (
            name == "ter"
            and len(answer.split()) * max(len(target.split()) for target in targets) > _MOST_PAIRS
        ):
            return dict(zip(parts, _edits_of_long_texts(answer, targets), strict=True))
        references = [[target] for target in targets]
        (statistics,) = _sacrebleu(name)._extract_corpus_statistics([answer], references)
        return dict(zip(parts, statistics, strict=True))

    def value(sums: Mapping[str, "Values"]) -> "Values":
        import numpy

        columns = numpy.stack([sums[part] for part in parts], axis=-1)
        score = _sacrebleu(name)._compute_score_from_stats
        scores = [score(row).score / 100 for row in columns.reshape(-1, len(parts)).tolist()]
        # The BLEU of a perfect text comes out as 1.0000000000000004.
        clipped: Values = numpy.clip(numpy.asarray(scores, dtype=numpy.float64), 0.0, high)
        return clipped.reshape(columns.shape[:-1])

    return Metric(
        name, description, counts=counts, value=value, high=high, higher_is_better=not lower, outputs=ANSWERS
    )


def _edits_of_long_texts(answer: str, targets: Sequence[str]) -> tuple[float, float]:
    """The statistics of TER without shifts:
    the fewest edits to reach a target, and the targets' mean length."""
    words = [_sacrebleu("ter")._preprocess_segment(text).split() for text in (answer, *targets)]
    edits = min(_edit_distance(words[0], target) for target in words[1:])
    return float(edits), sum(map(len, words[1:])) / len(targets)


def _edit_distance(words: Sequence[str], target: Sequence[str]) -> int:
    """The words that must be inserted, deleted or replaced (Levenshtein), a row of the table at a time."""
    import numpy

    numbers = {word: number for number, word in enumerate(dict.fromkeys(target))}
    wanted = numpy.array([numbers[word] for word in target], dtype=numpy.int32)
    places = numpy.arange(len(target) + 1, dtype=numpy.int32)
    row = places.copy()
    for word in words:
        replaced = row[:-1] + (wanted != numbers.get(word, -1))
        deleted = row + 1
        deleted[1:] = numpy.minimum(deleted[1:], replaced)
        # Inserting words costs one each: the least of all places before, counted from there.
        row = numpy.minimum.accumulate(deleted - places) + places
    return int(row[-1])


_BLEU_PARTS = (
    "length",
    "reference length",
    *(f"match {n}" for n in range(1, 5)),
    *(f"answer {n}" for n in range(1, 5)),
)
_CHRF_PARTS = tuple(
    itertools.chain.from_iterable((f"answer {n}", f"reference {n}", f"match {n}") for n in range(1, 7))
)

BLEU_TOKENIZERS = {
    "intl": "words and signs of any script",
    "zh": "Chinese characters, and words of other scripts",
    "char": "characters",
}
"""sacrebleu's name of a tokenizer → what it parts a text into."""

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
    *(
        _corpus_metric(f"bleu_{tokenizer}", f"corpus BLEU of sacrebleu over {words}", parts=_BLEU_PARTS)
        for tokenizer, words in BLEU_TOKENIZERS.items()
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
