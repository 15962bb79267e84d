"""Kept answers: what is damaged costs time, and neither an answer nor a run."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from harness.engines.cache import AnswerCache
from harness.engines.engine import Answered, Completion, Generate, Sampling

KEYS = [bytes([place]) * 32 for place in range(40)]
REQUEST = Generate([1], Sampling(max_tokens=1))


def keep(cache: AnswerCache, keys: list[bytes] = KEYS) -> None:
    answers = [Answered(place, [Completion(f"text {place}", [place], "stop")]) for place in range(len(keys))]
    assert list(cache.keeping(answers, keys)) == answers


def texts(cache: AnswerCache) -> dict[int, str]:
    found = cache.cached(KEYS)
    return {key[0]: kept.answered(0, REQUEST).answer[0].text for key, kept in found.items()}


WHOLE = {place: f"text {place}" for place in range(len(KEYS))}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that holds all answers."""
    path = tmp_path / "answers.sqlite"
    cache = AnswerCache(path)
    keep(cache)
    assert texts(cache) == WHOLE
    cache.close()
    return path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def overwrite(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


def spoil_the_pages(path: Path) -> None:
    contents = path.read_bytes()
    path.write_bytes(contents[:4096] + bytes([13]) * (len(contents) - 4096))


def have_another_table(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE answers (key BLOB PRIMARY KEY, answer TEXT)")


@pytest.mark.parametrize("damage", [cut, overwrite, spoil_the_pages, have_another_table])
def test_a_damaged_file_is_put_aside_and_named_and_answers_are_kept_in_a_new_one(
    path: Path, damage: Callable[[Path], None]
) -> None:
    damage(path)
    damaged = path.read_bytes()
    told: list[str] = []
    cache = AnswerCache(path, told.append)
    assert texts(cache) == {}
    keep(cache)
    assert texts(cache) == WHOLE
    (sentence,) = told
    assert sentence.startswith(f"{path} is damaged (")
    assert "it is kept as answers.sqlite.damaged-1, and made again" in sentence
    assert path.with_name("answers.sqlite.damaged-1").read_bytes()[:16] == damaged[:16]
    assert texts(AnswerCache(path, told.append)) == WHOLE
    assert len(told) == 1


def test_a_file_that_is_put_aside_by_one_engine_hinders_no_other(path: Path) -> None:
    told: list[str] = []
    first, second = AnswerCache(path, told.append), AnswerCache(path, told.append)
    spoil_the_pages(path)
    for cache in (first, second):
        cache.cached(KEYS)
        keep(cache)
        assert texts(cache) == WHOLE
    assert len(told) <= 1


def test_an_answer_that_was_changed_in_the_file_is_asked_for_again(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE answers SET answer = replace(answer, 'text 7', 'text 8')")
    told: list[str] = []
    cache = AnswerCache(path, told.append)
    assert texts(cache) == {place: text for place, text in WHOLE.items() if place != 7}
    assert told == [f"{path}: 1 answer is not as written, and is asked for again"]
    keep(cache)
    assert texts(cache) == WHOLE


def test_answers_of_a_version_that_wrote_no_checks_are_still_known(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE answers SET answer = substr(answer, 18)")
    assert texts(AnswerCache(path)) == WHOLE
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE answers SET answer = substr(answer, 1, 4)")
    assert texts(AnswerCache(path)) == {}


def test_a_disk_without_room_is_no_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr("harness.engines.cache._connected", refuse)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        AnswerCache(path)
    assert path.exists()
