"""A run's page: how its training went, stage by stage, how its settings were chosen, and what went wrong."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from site_reading import Text, lines, row
from synthetic import (
    TRIAL,
    draw_scores,
    make_run,
    searched,
    task_card,
    training_record,
    write_ensemble,
    write_failure,
    write_result,
)

from harness.plan.selection import with_settings
from harness.records.generation import BosRecord
from harness.records.result import RESULT, Result
from harness.records.store import write_record
from harness.records.training import CurvePoint, ResourceUse, Selection, TrainingRecord, TrialRecord
from harness.sweep.methods import Method
from harness.sweep.run import Run
from harness.sweep.settings import Generation
from leaderboards import publish
from leaderboards.chart.training import MOST_POINTS, loss_curve, small_curve
from leaderboards.pages.parts.samples import load_excerpt
from leaderboards.pages.run_page.choice import MOST_TRIALS
from leaderboards.text import quantity, usd

CARD = task_card()
EVIL = "<script>alert(1)</script>\u202e\x1b[31m{{ 7*7 }}</pre><img src=x onerror=alert(1)>"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩⟨U+001B⟩[31m{{ 7*7 }}"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def path_of(results: Path, run: Run) -> Path:
    """The page of a run, in a new site."""
    publish(results, results.parent / "site")
    return results.parent / "site" / "runs" / f"{'--'.join(run.folder.parts)}.html"


def page(results: Path, method: Method = "lora", *, run: Run | None = None, **options: Any) -> str:
    """The words of the page of one run."""
    run = run or make_run("small", method, CARD, 0)
    write_result(results, run, CARD, [1.0, 0.0, 1.0, 1.0], **options)
    return Text(path_of(results, run)).text


def recorded(**changes: Any) -> TrainingRecord:
    recipe = make_run("small", "lora", CARD, 0).recipe
    assert recipe
    return training_record(recipe, **changes)


def curve(losses: list[float]) -> tuple[CurvePoint, ...]:
    return tuple(CurvePoint(step=step, epoch=step / 10, loss=loss) for step, loss in enumerate(losses))


# The trainings


def test_one_training_has_one_section_with_its_curves(results: Path) -> None:
    shown = page(results)
    assert shown.count("training loss") == 1
    for title in ("Learning rate", "Gradient norm", "Tokens per second"):
        assert title in shown
    assert "Task metric on dev" not in shown
    assert "On 500 samples." in shown


def test_every_stage_has_a_section_of_its_own_in_order(results: Path) -> None:
    shown = page(
        results, run=make_run("small", "stages", CARD, 0, others=(CARD, task_card("other", n_train=70)))
    )
    first, second = shown.index("Stage 1 of 2: a mixture of tasks"), shown.index("Stage 2 of 2: LoRA")
    assert first < shown.index("Together, on samples of capitals (500) and other (70).") < second
    assert shown.count("training loss") == 2


def test_meta_learning_is_said_to_be_reptile_and_has_no_dev_loss(results: Path) -> None:
    shown = page(results, "meta")
    first, second = shown.index("Stage 1 of 2: meta-learning"), shown.index("Stage 2 of 2: LoRA")
    assert "Reptile over samples of elsewhere (500): 60 visits of 8 steps each" in shown[first:second]
    assert "dev loss" not in shown[first:second]
    assert "On 32 samples." in shown[second:]


def test_the_task_metric_on_dev_is_drawn_and_told_where_it_chose_the_step(results: Path) -> None:
    run = with_settings(make_run("small", "lora", CARD, 0), {"metric_for_best_model": "task_metric"})
    shown = page(results, run=run)
    assert "Task metric on dev at the end 74.6" in shown
    assert "60 (dev loss 0.41, dev metric 74.0)" in shown


def test_what_a_stop_cost_and_where_it_went_on_are_told(results: Path) -> None:
    lost = ResourceUse(seconds=190.0, tokens=18_000, flops=1e14)
    shown = page(results, trained={"resumed_at": (20, 1040), "discarded": lost})
    assert "It was stopped and went on from steps 20 and 1,040." in shown
    assert "Thrown away: 3.2 min and 18k tokens of work that came to nothing" in shown


def test_a_batch_that_did_not_fit_is_told_with_what_was_done(results: Path) -> None:
    shown = page(results, trained={"per_device_train_batch_size": 4})
    assert "16 samples at a time did not fit into memory: they were taken 4 at a time" in shown
    assert "the gradients of 4 such batches added up instead of 1" in shown


def test_samples_that_were_too_long_are_told_and_noted_where_they_are_many(results: Path) -> None:
    many = {"samples": 90, "samples_left_out": 10, "dev_samples": 1, "dev_samples_left_out": 9}
    shown = page(results, trained=many)
    assert "Left out as too long 10 training samples, 9 dev samples" in shown
    assert "9 of 10 dev samples were longer than max_length or the model’s context" in shown
    assert "training samples were longer" not in shown


def test_what_evaluations_read_is_told_beside_what_was_trained_on(results: Path) -> None:
    shown = page(results, trained={"tokens": 40_000, "dev_tokens": 16_000, "dev_samples": 128})
    assert "Evaluated on 128 dev samples, 16,000 tokens (0.4 for each one trained on)" in shown


def test_the_loss_on_all_that_was_read_at_the_end_is_told_beside_that_of_the_evaluations(
    results: Path,
) -> None:
    read = {"dev_samples": 16, "final_dev_samples": 96, "final_dev_loss": 0.52}
    shown = page(results, trained={"tokens": 40_000, "dev_tokens": 20_000, **read})
    assert "60 (dev loss 0.41, 0.52 on all that were read at the end)" in shown
    assert "Evaluated on 16 dev samples, 96 at the end, 20,000 tokens (0.5 for each one trained on)" in shown


def test_a_record_from_before_dev_samples_were_counted_is_told_without_them(results: Path) -> None:
    shown = page(results, trained={"tokens": 40_000, "dev_tokens": 16_000})
    assert "Evaluated on 16,000 tokens (0.4 for each one trained on)" in shown


def test_a_training_without_mishaps_tells_of_none(results: Path) -> None:
    shown = page(results)
    for word in (
        "Thrown away",
        "were longer",
        "did not fit",
        "was stopped",
        "Diverged",
        "Collapsed",
        "How its settings",
    ):
        assert word not in shown


def test_an_arm_that_trains_nothing_has_no_such_section(results: Path) -> None:
    shown = page(results, "few_shot")
    assert "Training" not in shown and "Learning rate" not in shown


# Trainings that went wrong


@pytest.mark.parametrize(
    ("options", "word", "reason"),
    [
        ({"collapsed": "4 of 4 answers are 'x'"}, "collapsed", "4 of 4 answers are 'x'"),
        ({"trained": {"diverged": "the loss rose to 9"}}, "diverged", "the loss rose to 9"),
    ],
)
def test_a_training_that_went_wrong_is_marked_with_its_reason_wherever_its_row_is_shown(
    results: Path, options: dict[str, Any], word: str, reason: str
) -> None:
    for n_train in (100, 500):
        for seed in (0, 1, 2):
            more = options if seed == 1 and n_train == 500 else {}
            run = make_run("small", "lora", CARD, seed, n_train=n_train)
            write_result(results, run, CARD, draw_scores(0.6, 40, seed), **more)
    run = make_run("small", "lora", CARD, 1)
    shown = Text(path_of(results, run)).text
    assert f"{word.capitalize()}: {reason}." in shown
    site = results.parent / "site"
    for name in ("index.html", "tasks/capitals.html", "models/small.html"):
        marks = [
            attributes for tag, attributes in Text(site / name).tags if attributes.get("class") == "flag"
        ]
        assert marks and all(mark["title"] == reason for mark in marks), name
        assert f"1 of 3 {word}" in Text(site / name).text
    problems = Text(site / "problems.html").text
    assert f"small LoRA r16 1 of 6 {word} {reason} capitals 1" in problems
    assert row(publish(results, site), "small", "lora")[word] == 1


def test_a_run_without_one_of_its_metrics_says_why(results: Path) -> None:
    shown = page(results, lost={"own": "metric 'own': its value is nan <b>"})
    assert "Without own: metric 'own': its value is nan <b>." in shown


CUT = (
    "3 of 40 answers were cut before the model ended them (max_tokens = 8); raise max_tokens in the task or "
    "under [generation]; 1 of them within a thought: raise the candidate's max_thought_tokens, or turn "
    "thinking off (max_thought_tokens = 0)"
)


def test_answers_that_were_cut_are_told_on_the_pages_of_the_run_the_task_and_the_board(results: Path) -> None:
    for seed in (0, 1, 2):
        generation = Generation(max_tokens=8)
        run = make_run("small", "lora", CARD, seed, generation=generation)
        more = {"cut": 3, "cut_in_thought": 1} if seed == 1 else {"cut": 2}  # 7.5 and 5 %
        write_result(results, run, CARD, draw_scores(0.6, 40, seed), **more)
    shown = Text(path_of(results, make_run("small", "lora", CARD, 1))).text
    assert (
        f"Answers cut: {CUT}." in shown
        and "Answers cut at max_tokens 3 of 40, 1 while still thinking" in shown
    )
    site = results.parent / "site"
    for name in ("index.html", "tasks/capitals.html", "models/small.html"):
        marks = [tag for _, tag in Text(site / name).tags if tag.get("class") == "flag"]
        assert marks and all((mark["title"], mark["href"][-4:]) == (CUT, "#cut") for mark in marks), name
        assert "1 of 3 with cut answers" in Text(site / name).text
    few = Text(path_of(results, make_run("small", "lora", CARD, 0))).text
    assert "Answers cut:" not in few and "Answers cut at max_tokens 2 of 40" in few
    problems = Text(site / "problems.html").text
    assert f"small LoRA r16 1 of 3 with cut answers {CUT} capitals 1" in problems
    assert "Collapsed or diverged" not in problems
    task = Text(site / "tasks/capitals.html").text
    assert "In 1 of 3 runs more than 5 % of the answers were cut off, so scores may be too low. " in task
    assert f"Worst case (small · lora): {CUT}." in task
    figures = row(publish(results, site), "small", "lora")
    assert (figures["cut"], figures["collapsed"]) == (1, 0)


def test_a_result_from_before_cut_answers_were_counted_is_not_flagged(results: Path) -> None:
    shown = page(results, cut=None)
    assert "cut" not in shown.lower().replace("executed", "")


def test_thoughts_are_part_of_what_a_request_costs(results: Path) -> None:
    shown = page(results, "zero_shot", thought_tokens=4 * 300)
    assert "Prompt / output tokens 240 / 1,216, 1,200 of them in thoughts" in shown
    assert "304 300 of them in thoughts" in Text(results.parent / "site" / "cost.html").text


def test_who_weighed_the_choices_is_told_where_it_was_not_the_engine_itself(results: Path) -> None:
    told = "Choices scored by transformers, with the same weights"
    assert told not in page(results)
    run = make_run("small", "lora", CARD, 0)
    written = results / run.folder / "result.json"
    result = json.loads(written.read_text())
    result["generation"]["requests_by_transformers"] = 3
    written.write_text(json.dumps(result))
    assert f"{told} 75 %" in Text(path_of(results, run)).text


def test_how_a_model_is_prompted_stands_on_the_page_of_its_run(results: Path) -> None:
    run = make_run("small", "zero_shot", CARD, 0)
    prompting = {
        "chat_template_kwargs": {"enable_thinking": True, "date_string": "26 Jul"},
        "thought_marks": ("[THINK]", "[/THINK]"),
        "max_thought_tokens": 256,
    }
    run = run.model_copy(update={"candidate": run.candidate.model_copy(update=prompting)})
    shown = page(results, run=run)
    for setting in (
        "chat_template_kwargs.enable_thinking true",
        'chat_template_kwargs.date_string "26 Jul"',
        'thought_marks ["[THINK]", "[/THINK]"]',
        "max_thought_tokens 256",
    ):
        assert setting in shown


def test_prompts_that_begin_otherwise_than_the_model_wants_are_told(results: Path) -> None:
    run = make_run("small", "zero_shot", CARD, 0)
    result = write_result(results, run, CARD, [1.0, 0.0, 1.0, 1.0])
    for began, told in ((False, True), (True, False)):
        bos = BosRecord(token="<bos>", began=began, loss_with=3.0, loss_without=7.5)
        generation = result.generation.model_copy(update={"bos": bos})
        write_record(results / run.folder / RESULT, result.model_copy(update={"generation": generation}))
        shown = Text(path_of(results, run)).text
        assert ("BOS token prompts begin without the BOS token '<bos>'" in shown) == told


def test_a_leader_with_a_training_that_went_wrong_is_advised_with_a_warning(results: Path) -> None:
    for seed in (0, 1, 2):
        write_result(results, make_run("small", "few_shot", CARD, seed), CARD, draw_scores(0.4, 100, seed))
        more = {"trained": {"diverged": "the loss rose to 9"}} if seed == 0 else {}
        write_result(
            results, make_run("small", "lora", CARD, seed), CARD, draw_scores(0.9, 100, seed), **more
        )
    assert (
        "1 of 3 diverged: the score says little about the method."
        in publish(results, results.parent / "site").verdict
    )


def test_an_ensemble_is_marked_with_what_went_wrong_with_its_members(results: Path) -> None:
    members = [
        write_result(
            results,
            make_run("small", "lora", CARD, seed),
            CARD,
            [1.0, 0.0],
            trained={"diverged": "the loss rose to 9"} if seed else None,
        )
        for seed in (0, 1)
    ]
    made = write_ensemble(results, "together", "vote", members, [1.0, 1.0])
    assert "Diverged: the loss rose to 9." in Text(path_of(results, made.run)).text


# How settings were chosen


def choose(results: Path, scores: dict[float, float | None], **options: Any) -> Result:
    run, selection = searched(make_run("small", "lora", CARD, 0), scores=scores, **options)
    return write_result(results, run, CARD, [1.0, 0.0, 1.0, 1.0], selection=selection)


def test_every_trial_is_shown_with_its_scores_and_what_became_of_it(results: Path) -> None:
    made = choose(results, {1e-4: 0.6, 3e-4: 0.7, 1e-3: 0.3, 1e-2: None})
    path = path_of(results, made.run)
    assert lines(path, "trials-table") == [
        "2 chosen 3e-4 56.0 63.0 70.0 90k 25.0 min",
        "1 dropped after 1/2 1e-4 48.0 54.0 – 45k 12.5 min",
        "3 dropped after 1/4 0.001 24.0 – – 22.5k 6.2 min",
        "4 failed the loss became nan 0.01 – – – 22.5k 6.2 min",
    ]
    shown = Text(path).text
    assert (
        "4 settings were tried and judged by accuracy on dev, after 1/4, 1/2 and all of the training. "
        "4, 2 and 1 of them got that far." in shown
    )
    assert "Test was scored once, with the chosen one, for every seed." in shown
    assert "learning_rate = 3e-4" in shown


def test_what_the_search_cost_is_told_in_time_tokens_and_money(results: Path) -> None:
    made = choose(results, {1e-4: 0.6, 3e-4: 0.7})
    seconds, tokens = TRIAL.seconds * 1.25, round(TRIAL.tokens * 1.25)
    told = f"The search took {seconds / 60:.1f} min of device time, {quantity(tokens)} tokens, {usd(3 * seconds / 3600)}"
    assert told in Text(path_of(results, made.run)).text


def test_a_search_that_ended_early_says_why(results: Path) -> None:
    run, selection = searched(make_run("small", "lora", CARD, 0), scores={1e-4: 0.6, 3e-4: 0.7})
    early = selection.model_copy(update={"stopped": "the tuning budget was spent"})
    assert "Ended early the tuning budget was spent" in page(results, run=run, selection=early)


def test_only_settings_that_differ_have_a_column(results: Path) -> None:
    run, selection = searched(make_run("small", "lora", CARD, 0), scores={1e-4: 0.6, 3e-4: 0.7})
    modules = (("q_proj",), ("q_proj", "v_proj"))
    trials = tuple(
        trial.model_copy(update={"settings": {**trial.settings, "r": 8, "target_modules": some}})
        for trial, some in zip(selection.trials, modules, strict=True)
    )
    write_result(results, run, CARD, [1.0], selection=selection.model_copy(update={"trials": trials}))
    path = path_of(results, run)
    assert lines(path, "trials-table")[0].startswith("2 chosen 3e-4 q_proj, v_proj ")
    heads = path.read_text(encoding="utf-8").partition('id="trials-table"')[2].partition("<tbody>")[0]
    assert ">learning_rate<" in heads and ">target_modules<" in heads and ">r<" not in heads


def test_of_very_many_trials_the_best_are_shown_and_the_others_counted(results: Path) -> None:
    rates = {1e-5 * (1 + place): 0.1 + place / 1000 for place in range(MOST_TRIALS + 50)}
    made = choose(results, rates)
    path = path_of(results, made.run)
    assert len(lines(path, "trials-table")) == MOST_TRIALS
    assert "50 more trials, none of them better, in the result file." in Text(path).text
    assert path.stat().st_size < 300 * 1024


def test_a_choice_that_points_nowhere_harms_no_page(results: Path) -> None:
    trial = TrialRecord(
        settings={},
        key="0123456789abcdef",
        shares=(),
        scores=(),
        spent=ResourceUse(),
        reason="it never began",
    )
    selection = Selection(metric="no such metric", higher_is_better=False, trials=(trial,), chosen=7)
    assert "1 failed it never began" in page(results, selection=selection)


def test_where_less_is_better_the_lowest_score_stands_first(results: Path) -> None:
    run, selection = searched(make_run("small", "lora", CARD, 0), scores={1e-4: 0.9, 3e-4: 0.2, 1e-3: 0.4})
    trials = tuple(
        trial.model_copy(update={"shares": (1.0,), "scores": trial.scores[:1]}) for trial in selection.trials
    )
    fewer = selection.model_copy(update={"trials": trials, "higher_is_better": False, "chosen": 1})
    write_result(results, run, CARD, [1.0], selection=fewer)
    assert [line.split()[0] for line in lines(path_of(results, run), "trials-table")] == ["2", "3", "1"]


# Ensembles


def test_an_ensemble_s_page_leads_to_the_pages_of_its_members(results: Path) -> None:
    members = [
        write_result(results, make_run("small", "lora", CARD, seed), CARD, [1.0, 0.0, 1.0, float(seed)])
        for seed in (0, 1)
    ]
    made = write_ensemble(results, "together", "vote", members, [1.0, 0.0, 1.0, 1.0])
    path = path_of(results, made.run)
    reader = Text(path)
    assert "What it is made of" in reader.text
    assert [line.split()[:5] for line in lines(path, "members-table")] == [
        ["small", "LoRA", "r16", "0", "50.0"],
        ["small", "LoRA", "r16", "1", "75.0"],
    ]
    links = {attributes.get("href") for _, attributes in reader.tags}
    assert {f"../runs/{'--'.join(member.run.folder.parts)}.html" for member in members} <= links
    assert "training loss" not in reader.text


def test_members_that_are_gone_are_counted(results: Path) -> None:
    members = [
        write_result(results, make_run("small", "lora", CARD, seed), CARD, [1.0, 0.0]) for seed in (0, 1)
    ]
    made = write_ensemble(results, "together", "vote", members, [1.0, 1.0])
    (results / members[0].run.folder / "result.json").unlink()
    assert "1 member no longer among the results" in Text(path_of(results, made.run)).text


# Hostile text


def test_hostile_settings_and_reasons_are_shown_as_text(results: Path) -> None:
    run, selection = searched(make_run("small", "lora", CARD, 0), scores={1e-4: 0.6, 3e-4: None}, failed=EVIL)
    trials = tuple(
        trial.model_copy(update={"settings": {"learning_rate": 1e-4, "target_modules": EVIL * (1 + place)}})
        for place, trial in enumerate(selection.trials)
    )
    selection = selection.model_copy(update={"trials": trials, "stopped": EVIL, "metric": EVIL})
    run = with_settings(run, {"target_modules": EVIL})
    trained = {"diverged": EVIL, "resumed_at": (1,), "device": EVIL, "dtype": EVIL}
    write_result(results, run, CARD, [1.0, 0.0], selection=selection, collapsed=EVIL, trained=trained)
    staged = make_run("small", "stages", CARD, 0, others=(CARD, task_card(EVIL)))
    write_result(results, staged, CARD, [1.0, 0.0])
    write_failure(results, make_run("small", "full", CARD, 0), reason=EVIL, spent=ResourceUse(seconds=5.0))
    path = path_of(results, run)
    for file in (results.parent / "site").rglob("*.html"):
        source = file.read_text(encoding="utf-8")
        assert "\u202e" not in source and "\x1b" not in source
        tags = Text(file).tags
        assert Text(file).foreign_scripts == []
        assert not [
            tag
            for tag, attributes in tags
            if tag == "img" or any(name.startswith("on") for name in attributes)
        ]
    source = path.read_text(encoding="utf-8")
    assert source.count(SHOWN) >= 8


# The geometry of curves


def test_a_long_curve_is_drawn_with_few_points_and_keeps_its_spikes() -> None:
    losses = [1 + math.sin(step / 50) for step in range(5000)]
    losses[1234], losses[4321] = 9.5, 0.0
    drawn = loss_curve(recorded(train_curve=curve(losses), dev_curve=(), steps=5000, best_step=5000))
    assert drawn
    points = [tuple(map(float, point.split(","))) for point in drawn.train.split()]
    assert len(points) <= MOST_POINTS + 2
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    highest, lowest = min(y for _, y in points), max(y for _, y in points)
    assert highest == pytest.approx(222 - 210 * 9.5 / 10, abs=0.1)
    assert lowest == 222.0


def test_losses_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValidationError, match="loss\n  Input should be a finite number"):
        curve([2.0, math.inf, 1.0])
    assert loss_curve(recorded(train_curve=(), dev_curve=())) is None


def test_a_quantity_that_was_not_recorded_is_not_drawn() -> None:
    assert (
        small_curve(
            "Gradient norm", recorded(train_curve=curve([1.0, 2.0])), lambda point: point.grad_norm, str
        )
        is None
    )


@pytest.mark.parametrize(
    "values", [[0.0, 0.0], [5.0, 5.0], [1e-300, 1e-300], [1e29, 2e29], [-3.0, 4.0], [7.0, 7.0, 7.0]]
)
@pytest.mark.parametrize("on_dev", [True, False])
def test_any_values_fit_into_their_box(values: list[float], on_dev: bool) -> None:
    points = curve(values)
    drawn = small_curve(
        "Any", recorded(train_curve=points, dev_curve=points), lambda point: point.loss, str, on_dev=on_dev
    )
    assert drawn
    for x, y in (map(float, point.split(",")) for point in drawn.line.split()):
        assert drawn.frame.left <= x <= drawn.frame.right
        assert drawn.frame.top - 0.1 <= y <= drawn.frame.bottom + 0.1
    assert 2 <= len(drawn.frame.y_ticks) <= 6


def test_a_page_of_many_long_stages_stays_within_its_budget(results: Path) -> None:
    run = make_run("small", "stages", CARD, 0)
    first, second = run.stages
    run = run.model_copy(update={"stages": (first,) * 5 + (second,)})
    made = write_result(results, run, CARD, [1.0, 0.0] * 50)
    many = tuple(
        CurvePoint(
            step=step,
            epoch=0.1,
            loss=math.exp(-step / 99),
            learning_rate=1e-4,
            grad_norm=0.1,
            tokens_per_second=9.0,
        )
        for step in range(3000)
    )
    longer = tuple(
        training.model_copy(update={"train_curve": many, "dev_curve": many}) for training in made.trainings
    )
    write_record(results / run.folder / RESULT, made.model_copy(update={"trainings": longer}))
    path = path_of(results, run)
    assert Text(path).text.count("training loss") == 6
    assert path.stat().st_size < 300 * 1024


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([1.0] * 4 + [0.0] * 6, "8 of 10: the first 3 right ones and the first 5 others."),
        ([0.0] * 6, "5 of 6: the first 5 others."),
        ([1.0] * 6, "3 of 6: the first 3 right ones."),
        ([1.0, 0.0], "2 of 2: the first right one and the first other."),
    ],
)
def test_an_excerpt_names_only_kinds_of_answers_that_occur(
    tmp_path: Path, scores: list[float], said: str
) -> None:
    result = write_result(tmp_path, make_run("small", "zero_shot", task_card(), 0), task_card(), scores)
    assert load_excerpt(tmp_path, result).note == said
