"""Find test samples that occur in the training data: word for word, or nearly so."""

import itertools
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import regex

from harness.task import Sample
from harness.task.conversation import question_text
from harness.task.words import has_unspaced, is_han_or_kana, of_one_width, spaced

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

NGRAM = 3
"""Words per sequence that is compared. By single words, the same wording with other values would look
alike."""

HAN_AND_KANA, ALPHABETS = 4, 9
"""Characters, each with its marks, that are as much as `NGRAM` words: of Chinese and Japanese, and of the
alphabets that are written without spaces. By `NGRAM` characters, texts that share a few endings would look
alike; so many change as much with a word as the sequences of spaced words do."""

THRESHOLD = 0.8
"""Jaccard similarity from which two texts are near: changing one word of thirty leaves .806."""

METHOD = (
    "exact: the same text but for case, white space and full or half width; "
    f"near: Jaccard similarity of {NGRAM}-word sequences ({HAN_AND_KANA} characters of Chinese or Japanese, "
    f"{ALPHABETS} of other scripts without spaces) of at least {THRESHOLD}"
)

_SHARED_RARE = 16
"""Rare sequences that two texts must share to be compared in full. Any number gives the same result; a larger
one compares fewer pairs in full, but more sequences before that."""

_CELLS = 2**22
"""Numbers held in memory at once while pairs are compared."""

_WORDS_AND_SIGNS = regex.compile(r"[\w\p{M}]+|[^\w\s]")

_WHOLE = NGRAM * HAN_AND_KANA * ALPHABETS
"""The length of a sequence, in units that make the lengths of words and characters whole numbers."""

_Ngram = tuple[str, ...]
"""A sequence of words."""


@dataclass(frozen=True)
class Overlap:
    """Which test samples read like a training sample."""

    exact: frozenset[str]
    """Ids of test samples whose question is a training sample's, but for case, white space and how the same
    letters are encoded: composed or not, of full or half width."""

    near: frozenset[str]
    """Ids of other test samples that share most word sequences with one training sample."""

    size: int
    """Test samples that were compared."""

    method: str = METHOD

    @property
    def ids(self) -> frozenset[str]:
        """All test samples that were seen in training, exactly or nearly."""
        return self.exact | self.near

    @property
    def share(self) -> float:
        """The share of test samples that overlap, from 0 to 1."""
        return len(self.ids) / self.size if self.size else 0.0


def find_overlap(train: Sequence[Sample], test: Sequence[Sample]) -> Overlap:
    """Compare every test sample with every training sample, by their questions, or by their targets if the
    questions are empty.

    The result is exact over all pairs. Texts are compared whole: a passage inside a longer text is not found.
    """
    train_texts = dict.fromkeys(_plain(sample) for sample in train)
    texts = {sample.id: _plain(sample) for sample in test}
    exact = frozenset(sample_id for sample_id, text in texts.items() if text in train_texts)
    unmatched = {sample_id: _ngrams(text) for sample_id, text in texts.items() if sample_id not in exact}
    is_near = _near(list(unmatched.values()), map(_ngrams, train_texts))
    return Overlap(exact, frozenset(itertools.compress(unmatched, is_near)), len(test))


def _plain(sample: Sample) -> str:
    """The text that is compared: without case, with single spaces, each letter in one form."""
    text = question_text(sample)
    if not text.strip():
        text = "\n".join(sample.targets)
    return " ".join(of_one_width(text).casefold().split())


def _ngrams(text: str) -> set[_Ngram]:
    """The word sequences of a text, or the one that it is if it is shorter. Signs count as words, so that 3 +
    4 differs from 3 - 4."""
    words = _WORDS_AND_SIGNS.findall(spaced(text))
    if not has_unspaced(text):
        length = min(NGRAM, len(words))
        return set(zip(*(words[start:] for start in range(length)), strict=False)) or {()}
    ends = [0, *itertools.accumulate(_length_by(word[0]) for word in words)]
    sequences, stop = set(), 0
    for start in range(len(words)):
        while stop < len(words) and ends[stop] - ends[start] < _WHOLE:
            stop += 1
        if ends[stop] - ends[start] < _WHOLE:
            break
        sequences.add(tuple(words[start:stop]))
    return sequences or {tuple(words)}


@cache
def _length_by(letter: str) -> int:
    """How much of a sequence a word takes that begins with this letter."""
    if not has_unspaced(letter):
        return _WHOLE // NGRAM
    return _WHOLE // (HAN_AND_KANA if is_han_or_kana(letter) else ALPHABETS)


def _near(test: Sequence[set[_Ngram]], train: Iterable[set[_Ngram]]) -> "NDArray[numpy.bool]":
    """For each test text, whether any training text is near: an array of shape (test texts,).

    Sort the sequences of every text by one common order. Two texts that share most sequences then also share
    some of the first ones, whatever the order (prefix filtering: Chaudhuri et al., ICDE 2006); with the
    rarest first, few texts do. The product of two binary matrices counts for all pairs what these beginnings
    share, which is mostly nothing, and only the remaining pairs are compared in full.
    """
    import numpy

    ngrams = dict.fromkeys(itertools.chain.from_iterable(test))
    columns = {ngram: column for column, ngram in enumerate(ngrams)}
    test_rows, test_sizes = _rows(test, columns)
    train_rows, train_sizes = _rows(train, columns)
    near = numpy.zeros(len(test), dtype=numpy.bool)
    if not len(test_sizes) or not len(train_sizes):
        return near
    rarest_first = numpy.argsort(numpy.bincount(train_rows.indices, minlength=len(columns)))
    rank = numpy.argsort(rarest_first)
    test_rows, train_rows = _ranked(test_rows, rank), _ranked(train_rows, rank)
    test_beginnings = _beginnings(test_rows, test_sizes)
    train_beginnings = _beginnings(train_rows, train_sizes)
    must_share = numpy.minimum(_SHARED_RARE, _least_shared(test_sizes))
    step = max(1, _CELLS // len(train_sizes))
    pairs_at_once = max(1, _CELLS // int(max(test_sizes.max(), train_sizes.max())))
    for start in range(0, len(test), step):
        shared = (test_beginnings[start : start + step] @ train_beginnings.T).tocoo()
        candidates = shared.data >= must_share[shared.row + start]
        pair_tests, pair_trains = shared.row[candidates] + start, shared.col[candidates]
        for at in range(0, len(pair_tests), pairs_at_once):
            batch = slice(at, at + pairs_at_once)
            tests, trains = pair_tests[batch], pair_trains[batch]
            common = test_rows[tests].multiply(train_rows[trains]).sum(axis=1)
            union = test_sizes[tests] + train_sizes[trains] - common
            near[tests[common / union >= THRESHOLD]] = True
    return near


def _least_shared(sizes: "NDArray[numpy.int64]") -> "NDArray[numpy.int64]":
    """The fewest sequences that a text of each size shares with any text that is near."""
    import numpy

    # .8 × 35 may come out a hair above 28, and would then be rounded up to 29.
    least: NDArray[numpy.int64] = numpy.ceil(THRESHOLD * sizes - 1e-9).astype(numpy.int64)
    return least


def _ranked(rows: Any, rank: "NDArray[numpy.int64]") -> Any:
    """The rows with each column at its rank, sorted by it."""
    from scipy import sparse

    ranked = sparse.csr_array(
        (rows.data, rank[rows.indices].astype(rows.indices.dtype), rows.indptr), shape=rows.shape
    )
    ranked.sort_indices()
    return ranked


def _beginnings(rows: Any, sizes: "NDArray[numpy.int64]") -> Any:
    """The first columns of each row: enough that two near texts both have the first `_SHARED_RARE` sequences
    they share among them.

    Behind the beginning there are then fewer sequences than a near text must share. Sequences without a
    column, which no test text has, count as standing before all others.
    """
    import numpy

    entries = numpy.diff(rows.indptr)  # per row
    length = entries - _least_shared(sizes) + _SHARED_RARE
    place = numpy.arange(rows.nnz) - numpy.repeat(rows.indptr[:-1], entries)  # of each entry in its row
    beginnings = rows.copy()
    beginnings.data = (place < numpy.repeat(length, entries)).astype(rows.data.dtype)
    beginnings.eliminate_zeros()
    return beginnings


def _rows(texts: Iterable[set[_Ngram]], columns: Mapping[_Ngram, int]) -> "tuple[Any, NDArray[numpy.int64]]":
    """A sparse matrix (texts × sequences) of ones, and the number of sequences in each text.

    A text with too few sequences that have a column cannot be near any other and is left out: the similarity
    is at most the shared part of either text.
    """
    import numpy
    from scipy import sparse

    indices: array[int] = array("i")
    starts, sizes = [0], []
    for text in texts:
        text_columns = [columns[ngram] for ngram in text if ngram in columns]
        if len(text_columns) / len(text) >= THRESHOLD:
            indices.extend(text_columns)
            starts.append(len(indices))
            sizes.append(len(text))
    ones = numpy.ones(len(indices), dtype=numpy.int32)
    matrix = sparse.csr_array((ones, numpy.asarray(indices), starts), shape=(len(sizes), len(columns)))
    return matrix, numpy.array(sizes)
