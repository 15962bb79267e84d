"""The human check of a prompt set: what is drawn, when a verdict turns stale, and that none is ever lost."""

import dataclasses
import io
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from toy_task import SOURCE, adding, plugins_of, rows, to_sample

from harness import cli
from harness.cli.verb import DONE, SOME_FAILED, USER_MUST_FIX
from harness.data.dataset import Dataset, load_dataset
from harness.errors import UserError
from harness.review.review import Review, import_verdicts, open_review, state_record
from harness.review.state import ReviewState, review_state, reviewed_share
from harness.review.terminal import interview, keyboard, show_state
from harness.review.verdicts import Opinion, PromptVerdict, add_verdicts, judge, read_verdicts
from harness.task import PromptSet, Rendered, Sample, Splits, Task
from harness.visible import visible
from leaderboards.pages.review import write_review

DAY = date(2026, 3, 1)
TEMPLATES = {"plain": "{text} + 1", "words": "What comes after {text}?"}
COLOURS = ("red", "green", "blue")
HOSTILE = "</pre><script>alert(1)</script>\x1b[2J\u202e[bold]"


def counting(size: int = 40, **changes: Any) -> Task:
    """The toy task with two templates and `size` rows in train."""
    splits = Splits(rows(0, size), rows(1000, 1010), rows(2000, 2010))
    return adding(**({"prompts": PromptSet(TEMPLATES, num_fewshot=2), "data": lambda: splits} | changes))


def naming(sizes: dict[str, int]) -> Task:
    """A choice task in which the labels are very unequal: `sizes` rows of each in every split."""

    def some(split: str) -> list[dict[str, Any]]:
        return [
            {"text": f"{split} {colour} {number}", "answer": colour, "choices": COLOURS}
            for colour, size in sizes.items()
            for number in range(size)
        ]

    return adding(
        output="choice",
        metrics=("accuracy",),
        primary_metric="accuracy",
        data=lambda: Splits(some("train"), some("dev"), some("test")),
    )


def state_of(task: Task, verdicts: list[PromptVerdict] | None = None, **options: int) -> ReviewState:
    return review_state(task, load_dataset(task), verdicts or [], **options)


def verdicts_on(
    state: ReviewState, opinion: Opinion = "accept", *, reviewer: str = "ada"
) -> list[PromptVerdict]:
    """One verdict on every prompt."""
    note = "" if opinion == "accept" else "a note"
    return [judge(shown.item, opinion, note=note, reviewer=reviewer, on=DAY) for shown in state.items]


def statuses(state: ReviewState) -> Counter[str]:
    return Counter(shown.status for shown in state.items)


# What is drawn


def test_every_template_is_shown_with_a_few_samples_and_once_with_demonstrations() -> None:
    items = [shown.item for shown in state_of(counting(), per_template=3).items]
    assert [(item.place.template, item.place.few_shot) for item in items] == [
        ("plain", False),
        ("plain", False),
        ("plain", False),
        ("plain", True),
        ("words", False),
        ("words", False),
        ("words", False),
        ("words", True),
    ]


def test_the_prompt_with_demonstrations_shows_as_many_as_the_task_gives() -> None:
    shown = [shown.item for shown in state_of(counting()).items if shown.item.place.few_shot]
    assert [item.rendered.text.count("Answer:") for item in shown] == [3, 3]


def test_a_task_without_demonstrations_is_shown_without() -> None:
    items = state_of(counting(prompts=PromptSet(TEMPLATES, num_fewshot=0))).items
    assert not any(shown.item.place.few_shot for shown in items)


def test_samples_come_from_all_three_splits_in_turn() -> None:
    items = [
        shown.item for shown in state_of(counting(), per_template=5).items if not shown.item.place.few_shot
    ]
    drawn = Counter(item.place.sample.partition("/")[0] for item in items)
    assert drawn == {"test": 4, "train": 4, "dev": 2}


def test_the_labels_of_a_choice_task_are_drawn_evenly_however_rare_they_are() -> None:
    items = state_of(naming({"red": 100, "green": 3, "blue": 2}), per_template=6).items
    assert Counter(
        shown.item.targets[0] for shown in items if not shown.item.place.few_shot
    ) == dict.fromkeys(COLOURS, 2)


def test_a_task_with_fewer_samples_than_asked_for_is_shown_whole() -> None:
    task = adding(prompts=PromptSet({"plain": "{text} + 1"}, num_fewshot=0))
    assert len(state_of(task, per_template=50).items) == 12


def test_the_same_prompt_is_asked_about_once() -> None:
    same = [{"text": "7", "answer": "8"}] * 5
    task = adding(
        data=lambda: Splits(same, same, same), prompts=PromptSet({"plain": "{text} + 1"}, num_fewshot=0)
    )
    assert len(state_of(task).items) == 1


@pytest.mark.parametrize("added", range(20))
def test_a_new_row_puts_at_most_one_prompt_of_a_template_out(added: int) -> None:
    new = [{"text": f"new {added}", "answer": "?"}]
    before = state_of(counting())
    task = counting(data=lambda: Splits([*new, *rows(0, 40)], rows(1000, 1010), rows(2000, 2010)))
    kept = {shown.item.id for shown in state_of(task).items}
    for template in TEMPLATES:
        plain = [
            shown.item
            for shown in before.items
            if shown.item.place.template == template and not shown.item.place.few_shot
        ]
        assert sum(item.id not in kept for item in plain) <= 1


def test_many_new_training_rows_leave_most_demonstrations_as_they_were() -> None:
    def shown(size: int) -> set[str]:
        return {shown.item.id for shown in state_of(counting(size)).items if shown.item.place.few_shot}

    # Among 2,000 rows the few that may be shown are hardly ever displaced by one more.
    assert sum(shown(size) == shown(size + 1) for size in range(2000, 2010)) >= 8


def test_a_rendering_of_the_task_s_own_that_raises_is_named_with_the_sample() -> None:
    def raising(sample: Sample, demonstrations: Sequence[Sample]) -> Rendered:
        raise ValueError("no such column")

    task = counting(prompts=PromptSet({"plain": "{text}"}, render=raising))
    with pytest.raises(
        UserError,
        match=r"'plain', test/\d+: sample '\d+' cannot be rendered: .* raised ValueError: no such column",
    ):
        state_of(task)


def test_demonstrations_that_the_task_fixes_are_shown_wherever_they_stand() -> None:
    task = counting(500, prompts=PromptSet(TEMPLATES, num_fewshot=1, demonstrations="fixed", fixed=("499",)))
    texts = [shown.item.rendered.text for shown in state_of(task).items if shown.item.place.few_shot]
    assert texts and all("499" in text for text in texts)


# When a verdict holds


def test_without_a_verdict_nothing_is_known() -> None:
    state = state_of(counting())
    assert (state.reviewed, state.accepted) == (None, None)
    assert state.summary == "none of 12 prompts reviewed"


def test_shares_are_of_all_prompts() -> None:
    task = counting()
    first, second, third, *_ = verdicts_on(state_of(task))
    fix = third.model_copy(update={"verdict": "fix", "note": "say please"})
    state = state_of(task, [first, second, fix])
    assert (state.reviewed, state.accepted) == (3 / 12, 2 / 12)
    assert state.summary == "3 of 12 prompts reviewed: 2 accepted, 1 to fix"


def test_an_edited_template_turns_its_own_verdicts_stale() -> None:
    verdicts = verdicts_on(state_of(counting()))
    edited = counting(prompts=PromptSet(TEMPLATES | {"words": "Say what comes after {text}."}, num_fewshot=2))
    state = state_of(edited, verdicts)
    assert {(shown.item.place.template, shown.status) for shown in state.items} == {
        ("plain", "accepted"),
        ("words", "stale"),
    }
    assert state.summary == "6 of 12 prompts reviewed: 6 accepted, 6 stale"


@pytest.mark.parametrize(
    "change",
    [{"marker": "Result:"}, {"system": "Be brief."}, {"target_delimiter": "\n"}],
    ids=["marker", "system line", "delimiter"],
)
def test_a_change_to_what_surrounds_the_question_turns_every_verdict_stale(change: dict[str, str]) -> None:
    task = counting()
    edited = dataclasses.replace(task, prompts=dataclasses.replace(task.prompts, **change))  # type: ignore[arg-type]
    assert statuses(state_of(edited, verdicts_on(state_of(task)))) == {"stale": 12}


def test_a_changed_target_turns_the_verdict_on_its_sample_stale_and_no_other() -> None:
    task = adding(prompts=PromptSet({"plain": "{text} + 1"}, num_fewshot=0))
    verdicts = verdicts_on(state_of(task, per_template=12))

    def with_another_target(row: Any, index: int) -> Sample:
        sample = to_sample(row, index)
        return dataclasses.replace(sample, target="nine") if row["text"] == "8" else sample

    state = state_of(dataclasses.replace(task, to_sample=with_another_target), verdicts, per_template=12)
    assert {shown.item.place.sample for shown in state.items if shown.status == "stale"} == {"test/0"}
    assert statuses(state) == {"accepted": 11, "stale": 1}


def test_an_edited_sample_cannot_slip_out_of_the_review() -> None:
    task = counting()
    rejected = verdicts_on(state_of(task), "reject")[0]
    split, _, identifier = rejected.sample.partition("/")

    def edited(row: Any, index: int) -> Sample:
        sample = to_sample(row, index)
        return (
            dataclasses.replace(sample, fields={"text": f"{row['text']}!"})
            if sample.id == identifier
            else sample
        )

    assert split == "test"
    state = state_of(dataclasses.replace(task, to_sample=edited), [rejected])
    assert rejected.place in {shown.item.place for shown in state.items if shown.status == "stale"}


def test_a_metric_may_change_without_a_new_review() -> None:
    verdicts = verdicts_on(state_of(counting()))
    assert state_of(counting(metrics=("exact_match", "token_f1"), max_tokens=3), verdicts).accepted == 1.0


def test_a_verdict_holds_when_its_sample_gets_another_id() -> None:
    verdicts = verdicts_on(state_of(counting()))

    def renamed(row: Any, index: int) -> Sample:
        return dataclasses.replace(to_sample(row, index), id=f"row {index}")

    assert state_of(counting(to_sample=renamed), verdicts).accepted == 1.0


def test_prompts_that_were_judged_beyond_the_usual_number_stay_in_the_set() -> None:
    task = counting()
    verdicts = verdicts_on(state_of(task, per_template=8))
    assert state_of(task, verdicts, per_template=5).summary == "18 of 18 prompts reviewed: 18 accepted"


def test_a_verdict_on_a_template_that_is_gone_is_counted_apart() -> None:
    verdicts = verdicts_on(state_of(counting()))
    state = state_of(counting(prompts=PromptSet({"plain": TEMPLATES["plain"]}, num_fewshot=2)), verdicts)
    assert state.summary == "6 of 6 prompts reviewed: 6 accepted, 6 no longer in the set"


def test_the_last_verdict_of_a_reviewer_counts() -> None:
    task = counting()
    state = state_of(task)
    assert statuses(state_of(task, verdicts_on(state, "reject") + verdicts_on(state, "accept"))) == {
        "accepted": 12
    }


def test_reviewers_who_disagree_are_shown_and_the_stricter_one_counts() -> None:
    task = counting()
    state = state_of(task)
    both = [*verdicts_on(state)[:1], *verdicts_on(state, "reject", reviewer="grace")[:1]]
    after = state_of(task, both)
    assert after.items[0].disputed and after.items[0].status == "rejected"
    assert after.summary == "1 of 12 prompts reviewed: 1 rejected, reviewers disagree on 1"


# The file


@pytest.mark.parametrize("opinion", ["reject", "fix"])
def test_a_verdict_that_asks_for_a_change_needs_a_note(opinion: Opinion) -> None:
    item = state_of(counting()).items[0].item
    with pytest.raises(UserError, match=f"'{opinion}' needs a note"):
        judge(item, opinion, note="  ", reviewer="ada", on=DAY)


def test_a_verdict_needs_a_name() -> None:
    with pytest.raises(UserError, match="'reviewer'"):
        judge(state_of(counting()).items[0].item, "accept", reviewer=" ", on=DAY)


def test_verdicts_are_read_back_as_they_were_given(tmp_path: Path) -> None:
    verdicts = verdicts_on(state_of(counting()), "fix")
    odd = verdicts[0].model_copy(update={"note": "two\nlines, a separator \u2028 and “quotes”"})
    add_verdicts(tmp_path / "reviews.jsonl", verdicts)
    add_verdicts(tmp_path / "reviews.jsonl", [odd])
    assert read_verdicts(tmp_path / "reviews.jsonl") == [*verdicts, odd]


def test_a_file_without_a_last_line_end_keeps_its_last_verdict(tmp_path: Path) -> None:
    first, second, *_ = verdicts_on(state_of(counting()))
    path = tmp_path / "reviews.jsonl"
    path.write_text(first.model_dump_json(), encoding="utf-8")
    add_verdicts(path, [second])
    assert read_verdicts(path) == [first, second]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"verdict": "perhaps"}, "'verdict': Input should be 'accept', 'reject' or 'fix'"),
        ({"verdict": "fix", "note": ""}, "'fix' needs a note"),
        ({"item": "xyz"}, "'item'"),
        ({"verdikt": "accept"}, "unknown key 'verdikt'. Did you mean 'verdict'?"),
        ({"reviewed_at": "yesterday"}, "'reviewed_at'"),
    ],
)
def test_a_faulty_line_is_named_and_nothing_is_written(
    tmp_path: Path, change: dict[str, str], says: str
) -> None:
    good = verdicts_on(state_of(counting()))[0]
    path = tmp_path / "reviews.jsonl"
    text = f"{good.model_dump_json()}\n\n{json.dumps(good.model_dump(mode='json') | change)}\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as raised:
        add_verdicts(path, [good])
    assert f"{path}, line 3: " in str(raised.value) and says in str(raised.value)
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", [b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_file_that_is_no_list_of_verdicts_is_said_to_be_so(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "reviews.jsonl").write_bytes(text)
    with pytest.raises(UserError, match=r"reviews\.jsonl.*nothing was changed"):
        read_verdicts(tmp_path / "reviews.jsonl")


def test_the_share_is_none_without_a_folder_or_a_file_and_known_with_one(tmp_path: Path) -> None:
    task = counting()
    dataset = load_dataset(task)
    assert reviewed_share(task, dataset, None) is None
    assert reviewed_share(task, dataset, tmp_path) is None
    add_verdicts(tmp_path / "reviews.jsonl", verdicts_on(state_of(task))[:3])
    assert reviewed_share(task, dataset, tmp_path) == 0.25


def test_a_task_without_a_folder_asks_for_a_file() -> None:
    with pytest.raises(UserError, match=r"has no folder to keep verdicts in; say where with --reviews FILE"):
        open_review("adding", plugins_of(counting()))


def test_the_state_of_a_hundred_thousand_samples_is_known_within_seconds() -> None:
    task = counting()
    samples = [to_sample(row, index) for index, row in enumerate(rows(0, 100_000))]
    start = time.process_time()
    review_state(task, Dataset(samples, samples[:100], samples[100:200], ""), [])
    assert time.process_time() - start < 20


# What comes back from the page


def review_of(task: Task, path: Path, **options: int) -> Review:
    return open_review(task.name, plugins_of(task), path=path, **options)


def downloaded(file: Path, verdicts: list[PromptVerdict]) -> Path:
    file.write_text("".join(f"{verdict.model_dump_json()}\n" for verdict in verdicts), encoding="utf-8")
    return file


def test_downloaded_verdicts_are_merged_once(tmp_path: Path) -> None:
    task = counting()
    file = downloaded(tmp_path / "mine.jsonl", verdicts_on(state_of(task)))
    assert import_verdicts(review_of(task, tmp_path / "reviews.jsonl"), file).n_added == 12
    assert import_verdicts(review_of(task, tmp_path / "reviews.jsonl"), file).n_added == 0
    assert review_of(task, tmp_path / "reviews.jsonl").state.accepted == 1.0


def test_a_page_with_more_prompts_than_usual_is_taken_whole(tmp_path: Path) -> None:
    task = counting()
    file = downloaded(tmp_path / "mine.jsonl", verdicts_on(state_of(task, per_template=8)))
    assert import_verdicts(review_of(task, tmp_path / "reviews.jsonl"), file).n_added == 18


def test_stale_and_unknown_verdicts_are_named_and_the_others_taken(tmp_path: Path) -> None:
    task = counting()
    good, edited, unknown, *_ = verdicts_on(state_of(task))
    edited = edited.model_copy(update={"item": "0" * 16})
    unknown = unknown.model_copy(update={"item": "1" * 16, "template": "sung"})
    file = downloaded(tmp_path / "mine.jsonl", [edited, good, unknown])
    outcome = import_verdicts(review_of(task, tmp_path / "reviews.jsonl"), file)
    assert read_verdicts(tmp_path / "reviews.jsonl") == [good]
    assert outcome.refused == (
        f"{edited.sample} in 'plain' has been edited since it was read; 'accept' by ada was not taken",
        f"{unknown.sample} in 'sung' is no longer in the task; 'accept' by ada was not taken",
    )


@pytest.mark.parametrize(
    ("text", "says"), [(None, "no such file"), ("", "no verdicts in it"), ("{", "line 1")]
)
def test_a_file_that_cannot_be_imported_changes_nothing(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "mine.jsonl").write_text(text)
    with pytest.raises(UserError, match=says):
        import_verdicts(review_of(counting(), tmp_path / "reviews.jsonl"), tmp_path / "mine.jsonl")
    assert not (tmp_path / "reviews.jsonl").exists()


# In the terminal


def typed(review: Review, *answers: str, reviewer: str = "ada") -> str:
    """Hold an interview in which these lines are typed and then the input ends; return what was shown."""
    lines = iter(answers)
    console = Console(file=io.StringIO(), width=100, soft_wrap=True)

    def ask(question: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    interview(review, reviewer=reviewer, on=DAY, console=console, ask=ask, visible=visible)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def given(path: Path) -> list[tuple[str, str]]:
    return [(verdict.verdict, verdict.note) for verdict in read_verdicts(path)]


def test_keys_become_verdicts_and_notes_are_asked_for_where_needed(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    typed(review_of(counting(), path), "a", "R", "too hard", "s", "f", "Add one to {text}.", "q")
    assert given(path) == [("accept", ""), ("reject", "too hard"), ("fix", "Add one to {text}.")]


def test_an_unknown_key_and_an_empty_note_are_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    typed(review_of(counting(), path), "", "x", "r", "", "a", "q")
    assert given(path) == [("accept", "")]


def test_what_was_judged_is_not_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    typed(review_of(counting(), path), *"aaaaaaaaaa")
    shown = typed(review_of(counting(), path), *"aa")
    assert "1 of 2" in shown and len({verdict.item for verdict in read_verdicts(path)}) == 12


def test_a_second_reviewer_sees_first_what_nobody_has_judged(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    task = counting()
    add_verdicts(path, verdicts_on(state_of(task))[:11])
    typed(review_of(task, path), "a", "q", reviewer="grace")
    assert read_verdicts(path)[-1].item == state_of(task).items[11].item.id


def test_a_stale_prompt_is_asked_again_with_what_was_said_of_it(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    add_verdicts(path, verdicts_on(state_of(counting()), "fix"))
    shown = typed(review_of(counting(prompts=PromptSet(TEMPLATES, num_fewshot=2, marker="=")), path), "q")
    assert "1 of 12" in shown and "before an edit: fix by ada on 2026-03-01: a note" in " ".join(
        shown.split()
    )


def test_an_interruption_loses_no_verdict(tmp_path: Path) -> None:
    answers = iter("aa")

    def ask(_: str) -> str:
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    path = tmp_path / "reviews.jsonl"
    with pytest.raises(KeyboardInterrupt):
        interview(
            review_of(counting(), path),
            reviewer="ada",
            on=DAY,
            console=Console(file=io.StringIO()),
            ask=ask,
            visible=visible,
        )
    assert len(read_verdicts(path)) == 2


def test_the_prompt_is_shown_with_its_answer_in_place_and_its_choices(tmp_path: Path) -> None:
    shown = typed(review_of(naming({"red": 2, "green": 2, "blue": 2}), tmp_path / "reviews.jsonl"), "q")
    assert "choices:" in shown and "red | green | blue" in shown


def test_a_long_prompt_is_shown_to_its_end(tmp_path: Path) -> None:
    long = counting(
        to_sample=lambda row, index: Sample(str(index), {"text": "word " * 200 + "end"}, row["answer"])
    )
    shown = typed(review_of(long, tmp_path / "reviews.jsonl"), "q")
    assert shown.count("word") == 200 and "end + 1" in shown


def hostile() -> Task:
    return counting(
        to_sample=lambda row, index: Sample(
            str(index), {"text": row["text"] + HOSTILE}, f"{row['text']}{HOSTILE}"
        )
    )


def test_text_of_a_data_set_cannot_steer_the_terminal(tmp_path: Path) -> None:
    shown = typed(review_of(hostile(), tmp_path / "reviews.jsonl"), "q")
    assert "\x1b[2J" not in shown and "\u202e" not in shown
    assert "⟨U+001B⟩[2J⟨U+202E⟩[bold]" in shown


def test_the_list_names_every_prompt_with_its_verdicts(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    add_verdicts(path, verdicts_on(state_of(counting()), "reject")[:1])
    console = Console(file=io.StringIO(), width=120)
    show_state(review_of(counting(), path), console=console, visible=visible)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "reject by ada on 2026-03-01: a note" in shown and shown.count("open") == 11
    assert shown.rstrip().endswith("1 of 12 prompts reviewed: 1 rejected")


def test_without_a_terminal_the_other_way_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
    with pytest.raises(UserError, match=r"--html FILE .* --import FILE"):
        keyboard(Console(file=io.StringIO()))


# The page; tests/test_review_browser.py opens it in a browser


def test_the_page_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    record = state_record(review_of(counting(), tmp_path / "reviews.jsonl"))
    write_review(tmp_path / "a.html", record)
    write_review(tmp_path / "b.html", record)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_text_of_a_data_set_stays_text_on_the_page(tmp_path: Path) -> None:
    write_review(tmp_path / "page.html", state_record(review_of(hostile(), tmp_path / "reviews.jsonl")))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<script>") == 1 and "&lt;script&gt;alert(1)" in page
    assert "\x1b" not in page and "\u202e" not in page


def test_a_prompt_is_on_the_page_to_its_last_word_however_long_it_is(tmp_path: Path) -> None:
    prompts = PromptSet({"long": "{text} " + "word " * 2000 + "the last word"})
    write_review(
        tmp_path / "page.html", state_record(review_of(counting(prompts=prompts), tmp_path / "reviews.jsonl"))
    )
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "word the last word" in page and "characters]" not in page


# The verb


@pytest.fixture
def shelf(write: Callable[[str, str], Path], tmp_path: Path) -> Path:
    """A folder with one task."""
    write("tasks/adding/task.py", SOURCE.format(name="adding"))
    return tmp_path / "tasks"


def call(shelf: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["review", "adding", "--tasks-dir", str(shelf), *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_verb_prints_the_state_as_json(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(shelf, "--json", "--per-template", "2") == DONE
    record = json.loads(capsys.readouterr().out)
    assert record["reviewed"] is None and len(record["items"]) == 3


def test_the_verb_imports_beside_the_task(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(shelf, "--json") == DONE
    item = json.loads(capsys.readouterr().out)["items"][0]
    line = {name: item[name] for name in ("item", "template", "sample", "few_shot")}
    line |= {"verdict": "accept", "reviewer": "ada", "reviewed_at": "2026-03-01"}
    gone = line | {"item": "0" * 16, "sample": "test/99"}
    (tmp_path / "mine.jsonl").write_text(f"{json.dumps(line)}\n{json.dumps(gone)}\n")
    assert call(shelf, "--import", str(tmp_path / "mine.jsonl")) == SOME_FAILED
    assert len(read_verdicts(shelf / "adding" / "reviews.jsonl")) == 1
    assert "test/99 in 'plain' is no longer in the task" in capsys.readouterr().err


def test_the_verb_writes_the_page(shelf: Path, tmp_path: Path) -> None:
    assert call(shelf, "--html", str(tmp_path / "page.html")) == DONE
    assert "Review of adding" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_verb_needs_a_terminal_or_another_way(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a\n"))
    assert call(shelf) == USER_MUST_FIX
    assert "a review needs a terminal" in capsys.readouterr().err
