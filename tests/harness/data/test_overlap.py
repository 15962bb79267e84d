"""Test samples that were trained on are found, word for word or nearly, and others are not taken for them."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data import overlap
from harness.data.overlap import Overlap, find_overlap
from harness.task import Sample

SENTENCE = (
    "the river that runs through our town was once so clean that children swam in it every summer and people "
    "drank from it without any worry at all now"
)
"""Thirty words."""

CHINESE = (
    "流经我们城市的这条河曾经非常干净所以每年夏天孩子们都在里面游泳人们也毫不担心地喝它的水现在一切都变了"
)
"""Fifty characters, without spaces."""


THAI = "แม่น้ำที่ไหลผ่านเมืองของเราเคยสะอาดมากจนเด็กๆว่ายน้ำเล่นในนั้นทุกฤดูร้อนและผู้คนดื่มน้ำจากแม่น้ำโดยไม่ต้องกังวลอะไรเลยแต่ตอนนี้ทุกอย่างเปลี่ยนไปแล้ว"
"""The same sentence, in about as many words."""


def samples(*texts: str) -> list[Sample]:
    return [Sample(f"t{index}", {"text": text}, "x") for index, text in enumerate(texts)]


def found(train: str, test: str) -> str:
    result = find_overlap(samples(train), samples(test))
    return "exact" if result.exact else "near" if result.near else "none"


@pytest.mark.parametrize(
    ("train", "test", "kind"),
    [
        (SENTENCE, SENTENCE, "exact"),
        (SENTENCE, f"  {SENTENCE.upper()}\n".replace(" ", "  "), "exact"),
        (SENTENCE, SENTENCE.replace("clean", "clear"), "near"),
        (SENTENCE, f"{SENTENCE}.", "near"),
        (SENTENCE, SENTENCE.replace("clean", "clear").replace("worry", "fear"), "none"),
        (SENTENCE, f"{SENTENCE} {SENTENCE.replace(' ', ' x ')}", "none"),
        ("What date is 3 March 2024?", "What date is 4 March 2024?", "none"),
        ("3 + 4", "3 - 4", "none"),
        ("Hello there", "hello, there", "none"),
        ("good", "bad", "none"),
        ("?", "!", "none"),
        (CHINESE, CHINESE.replace("干净", "清"), "near"),
        (CHINESE, CHINESE[::-1], "none"),
        ("请把三盏台灯送到北京", "请把三盏台灯送到上海", "none"),
        ("请把三盏台灯和两把椅子送到北京办公室", "请把三盏台灯和两把椅子送到上海办公室", "none"),
        (THAI, THAI.replace("สะอาด", "ใส"), "near"),
        (THAI, THAI.replace("สะอาด", "ใส").replace("เด็กๆ", "คน"), "none"),
        ("ส่งโคมไฟสามดวงไปเชียงใหม่ในวันจันทร์", "ส่งโคมไฟสองดวงไปเชียงใหม่ในวันจันทร์", "none"),
        ("โอนเงินห้าร้อยบาทให้แม่วันนี้", "โอนเงินหกร้อยบาทให้แม่วันนี้", "none"),
        ("请把 iPhone 15 Pro 的说明书发给我", "请把 iPhone 16 Pro 的说明书发给我", "none"),
        ("请送3件台灯,谢谢", "请送３件台灯，谢谢", "exact"),
        ("ガラスのコップ 12 個", "ｶﾞﾗｽのｺｯﾌﾟ　１２　個", "exact"),
        ("Wo ist das Café?", "Wo ist das Cafe\u0301?", "exact"),
        ("What is x² at 3?", "What is x2 at 3?", "none"),
    ],
)
def test_a_pair_is_exact_near_or_neither(train: str, test: str, kind: str) -> None:
    assert found(train, test) == kind


def test_ids_are_those_of_test_samples_and_no_id_is_in_both() -> None:
    train = samples("another text altogether", SENTENCE)
    result = find_overlap(train, samples(SENTENCE, SENTENCE.replace("clean", "clear"), "nothing like it"))
    assert result == Overlap(frozenset({"t0"}), frozenset({"t1"}), 3)
    assert result.ids == {"t0", "t1"}
    assert result.share == 2 / 3


def test_all_fields_count() -> None:
    train = [Sample("0", {"premise": "a b c d", "claim": "e f g h"}, "x")]
    test = [
        Sample("0", {"premise": "a b c d", "claim": "no"}, "x"),
        Sample("1", {"premise": "a b c d", "claim": "e f g h"}, "x"),
    ]
    assert find_overlap(train, test).ids == {"1"}


def test_samples_without_a_question_are_compared_by_their_targets() -> None:
    train = [Sample("0", {}, SENTENCE)]
    test = [Sample("0", {}, SENTENCE), Sample("1", {"text": " "}, SENTENCE), Sample("2", {}, "another text")]
    assert find_overlap(train, test).exact == {"0", "1"}


def test_answers_are_not_compared_where_there_is_a_question() -> None:
    assert (
        find_overlap([Sample("0", {"text": "one"}, "yes")], [Sample("0", {"text": "two"}, "yes")]).ids
        == frozenset()
    )


def test_nothing_overlaps_with_nothing() -> None:
    assert find_overlap([], samples("a")) == Overlap(frozenset(), frozenset(), 1)
    assert find_overlap(samples("a"), []).share == 0


def test_the_method_states_length_and_threshold() -> None:
    method = find_overlap([], samples("a")).method
    assert "3-word" in method
    assert "0.8" in method


def similarity(one: str, other: str) -> float:
    """Jaccard's, of three-word sequences, the slow and obvious way; for texts of three words at least."""
    first, second = (
        {tuple(text.split()[at : at + 3]) for at in range(len(text.split()) - 2)} for text in (one, other)
    )
    return len(first & second) / len(first | second)


@st.composite
def alike(draw: st.DrawFn) -> list[str]:
    """Texts of one beginning each, some of them with words changed or left out."""
    texts = []
    for _ in range(draw(st.integers(1, 6))):
        words = list(draw(st.sampled_from(["abcd" * 10, "abacadbcbd" * 4, "a" * 40])))[
            : draw(st.integers(4, 40))
        ]
        for place in draw(st.lists(st.integers(0, len(words) - 1), max_size=2)):
            words[place] = draw(st.sampled_from("abxy"))
        texts.append(" ".join(words))
    return texts


@settings(deadline=None, max_examples=300)
@given(
    train=alike(),
    test=alike(),
    cells=st.sampled_from([1, 20, 10_000]),
    shared_rare=st.sampled_from([1, 2, 3, 16, 1000]),
)
def test_near_is_what_comparing_every_pair_would_find(
    train: list[str], test: list[str], cells: int, shared_rare: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlap, "_CELLS", cells)
        patch.setattr(overlap, "_SHARED_RARE", shared_rare)
        result = find_overlap(samples(*train), samples(*test))
    expected = {
        f"t{at}" for at, text in enumerate(test) if any(similarity(text, seen) >= 0.8 for seen in train)
    }
    assert result.ids == expected
    assert result.exact == {f"t{at}" for at, text in enumerate(test) if text in train}


@given(texts=st.lists(st.text(string.printable + "é\u2028", max_size=30), max_size=6))
def test_any_text_overlaps_with_itself(texts: list[str]) -> None:
    assert find_overlap(samples(*texts), samples(*texts)).share == (1 if texts else 0)
