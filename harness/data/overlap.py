"""Find test samples that were trained on: word for word, or nearly so."""

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.task import Sample
from harness.task.demonstrations import question_text

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

NGRAM = 3
"""Words in a row that are compared at a time. With single words, other values in the same wording would look
alike."""

THRESHOLD = 0.8
"""Similarity from which two texts are near: one word of thirty changed leaves .806 of three-word sequences
shared."""

METHOD = (
    "exact: the same text but for case and white space; "
    f"near: Jaccard similarity of {NGRAM}-word sequences of at least {THRESHOLD}"
)

_SHARED_RARE = 16
"""Rare sequences that two texts must share to be compared in full. Any number gives the same result: with
more, fewer pairs are compared, and more sequences are looked at before."""

_CELLS = 2**22
"""Numbers held in memory together while pairs are compared."""

_Ngram = tuple[str, ...]


@dataclass(frozen=True)
class Overlap:
    """Which test samples read like a training sample."""

    exact: frozenset[str]
    """Ids of test samples whose question is a training sample's, but for case and white space."""

    near: frozenset[str]
    """Ids of other test samples that share most word sequences with one training sample."""

    size: int
    """Test samples that were looked at."""

    method: str = METHOD

    @property
    def ids(self) -> frozenset[str]:
        """All test samples that were seen in training, exactly or nearly."""
        return self.exact | self.near

    @property
    def share(self) -> float:
        """The part of the test samples that overlaps, from 0 to 1."""
        return len(self.ids) / self.size if self.size else 0.0


def find_overlap(train: Sequence[Sample], test: Sequence[Sample]) -> Overlap:
    """Compare every test sample with every training sample, by their questions; where those are empty, by
    their targets.

    Both are exact computations over all pairs. Near duplicates are found in texts as a whole: a passage
    within a longer text is not looked for.
    """
    seen = dict.fromkeys(_plain(sample) for sample in train)
    texts = {sample.id: _plain(sample) for sample in test}
    exact = frozenset(name for name, text in texts.items() if text in seen)
    others = {name: _ngrams(text) for name, text in texts.items() if name not in exact}
    near = _near(list(others.values()), (_ngrams(text) for text in seen))
    return Overlap(
        exact, frozenset(name for name, is_near in zip(others, near, strict=True) if is_near), len(test)
    )


def _plain(sample: Sample) -> str:
    text = question_text(sample)
    if not text.strip():
        text = "\n".join(sample.targets)
    return " ".join(text.casefold().split())


def _ngrams(text: str) -> set[_Ngram]:
    """The word sequences of a text; of a shorter text the one that it is. Signs count as words: 3 + 4 is not
    3 - 4."""
    words = re.findall(r"\w+|[^\w\s]", text)
    length = min(NGRAM, len(words))
    return set(zip(*(words[start:] for start in range(length)), strict=False)) or {()}


def _near(test: Sequence[set[_Ngram]], train: Iterable[set[_Ngram]]) -> "NDArray[numpy.bool]":
    """For each test text whether any training text is near.

    Two texts that must have most sequences in common have some of their rarest in common, too, whatever order
    all sequences stand in (prefix filtering: Chaudhuri et al., ICDE 2006). The product of two binary matrices
    counts for all pairs what these beginnings share, which for most pairs is nothing; only the others are
    compared in full.
    """
    import numpy

    columns = {
        ngram: column for column, ngram in enumerate(dict.fromkeys(ngram for text in test for ngram in text))
    }
    test_rows, test_sizes = _rows(test, columns)
    train_rows, train_sizes = _rows(train, columns)
    near = numpy.zeros(len(test), dtype=numpy.bool)
    if not len(test_sizes) or not len(train_sizes):
        return near
    rarest_first = numpy.argsort(numpy.bincount(train_rows.indices, minlength=len(columns)))
    rank = numpy.argsort(rarest_first)
    test_rows, train_rows = _ranked(test_rows, rank), _ranked(train_rows, rank)
    beginnings, others = _beginnings(test_rows, test_sizes), _beginnings(train_rows, train_sizes)
    wanted = numpy.minimum(_SHARED_RARE, _least_shared(test_sizes))
    step = max(1, _CELLS // len(train_sizes))
    pairs_at_once = max(1, _CELLS // int(max(test_sizes.max(), train_sizes.max())))
    for start in range(0, len(test), step):
        shared = (beginnings[start : start + step] @ others.T).tocoo()
        alike = shared.data >= wanted[shared.row + start]
        tests, trains = shared.row[alike] + start, shared.col[alike]
        for at in range(0, len(tests), pairs_at_once):
            one, other = tests[at : at + pairs_at_once], trains[at : at + pairs_at_once]
            common = test_rows[one].multiply(train_rows[other]).sum(axis=1)
            union = test_sizes[one] + train_sizes[other] - common
            near[one[common / union >= THRESHOLD]] = True
    return near


def _least_shared(sizes: "NDArray[numpy.int64]") -> "NDArray[numpy.int64]":
    """The sequences that a text of each size has in common with any that is near."""
    import numpy

    # .8 × 35 may come out a hair above 28, and one more would be asked than there need be.
    least: NDArray[numpy.int64] = numpy.ceil(THRESHOLD * sizes - 1e-9).astype(numpy.int64)
    return least


def _ranked(rows: Any, rank: "NDArray[numpy.int64]") -> Any:
    """The rows with the columns in another order, which they are sorted by."""
    from scipy import sparse

    ranked = sparse.csr_array(
        (rows.data, rank[rows.indices].astype(rows.indices.dtype), rows.indptr), shape=rows.shape
    )
    ranked.sort_indices()
    return ranked


def _beginnings(rows: Any, sizes: "NDArray[numpy.int64]") -> Any:
    """The first columns of each row, so many that of two near texts both have the first `_SHARED_RARE` they
    share.

    Past the beginning stand fewer sequences than a near text must share. Those without a column come before
    all others.
    """
    import numpy

    known = numpy.diff(rows.indptr)
    length = known - _least_shared(sizes) + _SHARED_RARE
    place = numpy.arange(rows.nnz) - numpy.repeat(rows.indptr[:-1], known)
    beginnings = rows.copy()
    beginnings.data = (place < numpy.repeat(length, known)).astype(rows.data.dtype)
    beginnings.eliminate_zeros()
    return beginnings


def _rows(texts: Iterable[set[_Ngram]], columns: Mapping[_Ngram, int]) -> "tuple[Any, NDArray[numpy.int64]]":
    """A scipy sparse matrix, a row a text and a column a sequence, of ones; and how many sequences each text
    has.

    A text of which too few sequences have a column can be near to none, and is left out: similarity is at
    most the shared part of either text.
    """
    import numpy
    from scipy import sparse

    found: array[int] = array("i")
    starts, sizes = [0], []
    for text in texts:
        known = [columns[ngram] for ngram in text if ngram in columns]
        if len(known) / len(text) >= THRESHOLD:
            found.extend(known)
            starts.append(len(found))
            sizes.append(len(text))
    ones = numpy.ones(len(found), dtype=numpy.int32)
    return sparse.csr_array(
        (ones, numpy.asarray(found), starts), shape=(len(sizes), len(columns))
    ), numpy.array(sizes)
