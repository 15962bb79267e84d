"""Every way of tuning and every ensemble has its place in the ranking, and is held against the right arm."""

import re
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from site_reading import Text, lines, row
from synthetic import FEW, draw_scores, make_run, searched, task_card, write_ensemble, write_result

from harness.records.result import Result
from harness.records.store import read_results
from harness.sweep.methods import ENSEMBLES, METHOD_TABLE, METHODS, TUNED, Method
from leaderboards import publish
from leaderboards.board import load_board
from leaderboards.pages.parts.heads import METHOD_TITLES
from leaderboards.rank.tables import Table
from leaderboards.rank.tabulate import tabulate
from leaderboards.text import method_name

CARD = task_card()
LEADERBOARDS = ROOT / "leaderboards"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def site(results: Path) -> Any:
    return publish(results, results.parent / "site")


def table(results: Path) -> Table:
    return tabulate(read_results(results), results, load_board(None))


def write(
    results: Path, method: Method, right: float, *, name: str = "small", seeds: int = 3, **changes: Any
) -> list[Result]:
    """Runs of a method with this share of right answers."""
    return [
        write_result(
            results, make_run(name, method, CARD, seed, **changes), CARD, draw_scores(right, 100, seed)
        )
        for seed in range(seeds)
    ]


# Names and shapes


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_title_a_shape_and_a_colour_on_light_and_dark(method: Method) -> None:
    assert METHOD_TITLES[method]
    assert re.fullmatch(r"<(path|circle|rect) [^<>]+/>", METHOD_TABLE[method].mark)
    style = (LEADERBOARDS / "static" / "site.css").read_text(encoding="utf-8")
    colours = re.findall(rf"^\.{method} {{ --light: ([^;]+); --dark: ([^;]+); }}$", style, flags=re.MULTILINE)
    assert len(colours) == 1


def test_marks_intervals_and_curves_take_the_colour_of_their_method() -> None:
    style = (LEADERBOARDS / "static" / "site.css").read_text(encoding="utf-8")
    assert ".shape, .mark { fill: var(--tone); }" in style
    assert ".interval, .learning, .level { stroke: var(--tone); }" in style


def test_no_two_methods_share_a_shape() -> None:
    assert len({row.mark for row in METHOD_TABLE.values()}) == len(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_a_page_draws_a_method_as_the_table_says(results: Path, method: Method) -> None:
    members = write(results, "lora", 0.8)
    if method in ENSEMBLES:
        write_ensemble(results, "together", method, members, [1.0] * 100)
    else:
        write(results, method, 0.5)
    index = site(results).index.read_text(encoding="utf-8")
    drawn = rf'class="shape {method}"[^>]*>\s*{re.escape(METHOD_TABLE[method].mark)}\s*</svg>'
    assert re.search(drawn, index)


@pytest.mark.parametrize(
    ("method", "options", "name"),
    [
        ("zero_shot", {}, "zero-shot"),
        ("lora", {}, "LoRA r16"),
        ("dora", {}, "DoRA r16"),
        ("qlora", {}, "QLoRA r16"),
        ("full", {}, "full fine-tune"),
        ("few_shot_tuning", {}, "few-shot tuning r16, 32 samples"),
        ("few_shot_tuning", {"tuner": "full"}, "few-shot tuning full, 32 samples"),
        ("multitask", {"tuner": "dora"}, "multitask DoRA r16"),
        ("stages", {}, "stages r16"),
        ("meta", {}, "meta-learning r16, 32 samples"),
    ],
)
def test_a_method_is_named_with_its_adapter_and_with_how_few_samples(
    method: Method, options: dict[str, Any], name: str
) -> None:
    assert method_name(make_run("small", method, CARD, 0, **options)) == name


@pytest.mark.parametrize(
    ("method", "name"),
    [("soup", "soup of 3"), ("vote", "vote of 3"), ("mean_probability", "mean probability of 3")],
)
def test_an_ensemble_is_named_with_its_size(results: Path, method: Method, name: str) -> None:
    made = write_ensemble(results, "together", method, write(results, "lora", 0.8), [1.0])
    assert method_name(made.run) == name


def test_a_candidate_whose_search_chose_other_ranks_for_other_tasks_is_named_with_all_of_them(
    results: Path,
) -> None:
    for name, rank in (("one", 8), ("two", 32)):
        card = task_card(name)
        run, selection = searched(make_run("small", "lora", card, 0), scores={1e-4: 0.5, 3e-4: 0.7})
        (stage,) = run.stages
        training = stage.training.model_copy(update={"r": rank})
        run = run.model_copy(update={"stages": (stage.model_copy(update={"training": training}),)})
        write_result(results, run, card, [1.0, 0.0], selection=selection)
    assert table(results).rows[0].method_name == "LoRA r8–32"


# The ranking


@pytest.mark.parametrize("method", TUNED)
def test_every_tuned_method_is_ranked_with_its_gain(results: Path, method: Method) -> None:
    write(results, "zero_shot", 0.3)
    write(results, "few_shot", 0.5)
    write(results, method, 0.9)
    shown = row(site(results), "small", method)
    assert (shown["rank_best"], shown["rank_worst"]) == (1, 1)
    assert shown["gain_few_shot"] > 0.2 and shown["gain_zero_shot"] > 0.4
    assert shown["parameters"] == 1_000_000_000


@pytest.mark.parametrize("method", ENSEMBLES)
def test_an_ensemble_over_seeds_is_ranked_as_a_single_draw_with_the_gain_over_its_model(
    results: Path, method: Method
) -> None:
    write(results, "zero_shot", 0.3)
    write(results, "few_shot", 0.5)
    made = write_ensemble(results, "together", method, write(results, "lora", 0.8), draw_scores(0.95, 100, 0))
    published = site(results)
    shown = row(published, "together", method)
    assert (shown["complete"], shown["seeds"], shown["members"]) == (True, 1, 3)
    few = [result for result in read_results(results) if result.run.candidate.method == "few_shot"]
    of_few = sum(result.metrics["accuracy"].value for result in few) / len(few)
    assert shown["gain_few_shot"] == pytest.approx(made.metrics["accuracy"].value - of_few)
    assert "a single draw" in Text(published.index).text
    assert (
        "A single ensemble: how far another one would differ is taken from single fine-tunes."
        in published.verdict
    )


def test_an_ensemble_of_two_models_has_no_arm_of_its_own_to_be_held_against(results: Path) -> None:
    members = []
    for name in ("one", "two"):
        write(results, "few_shot", 0.5, name=name)
        members += write(results, "lora", 0.8, name=name)
    write_ensemble(results, "together", "vote", members, draw_scores(0.95, 100, 0))
    published = site(results)
    shown = row(published, "together", "vote")
    assert (shown["gain_few_shot"], shown["gain_zero_shot"]) == (None, None)
    # Six trainings and servings of six models cost more than the budget that a board has by default.
    assert published.verdict.startswith("Within the budget of $100, fine-tune one with LoRA r16.")
    assert "The best fine-tune is together · vote of 6." in published.verdict
    assert "over few-shot prompts of one, the best without tuning." in published.verdict


def test_an_ensemble_over_candidates_wants_every_seed(results: Path) -> None:
    for seed in (0, 1, 2):
        members = [
            write_result(results, make_run(name, "lora", CARD, seed), CARD, draw_scores(0.8, 100, seed))
            for name in ("one", "two")
        ]
        if seed < 2:
            write_ensemble(results, "together", "vote", members, draw_scores(0.9, 100, seed))
    found = table(results).row("together", "vote")
    assert found is not None
    assert found.missing == ("capitals: no finished run with seed 2",)


@pytest.mark.parametrize(
    ("method", "advice"),
    [
        ("soup", "Use together: the averaged weights of 3 fine-tunes."),
        ("vote", "Use together: the majority vote of 3 fine-tunes."),
        ("mean_probability", "Use together: the mean probability of 3 fine-tunes."),
    ],
)
def test_an_ensemble_that_leads_is_advised_in_words(results: Path, method: Method, advice: str) -> None:
    write(results, "few_shot", 0.4)
    write_ensemble(results, "together", method, write(results, "lora", 0.6), [1.0] * 100)
    assert site(results).verdict.startswith(advice)


def test_a_vote_of_prompted_arms_is_no_fine_tune(results: Path) -> None:
    write_ensemble(results, "together", "vote", write(results, "few_shot", 0.6), [1.0] * 100)
    write(results, "lora", 0.5)
    published = site(results)
    assert published.verdict.startswith(
        "Don’t tune: no fine-tune adds 2 points to together, the majority vote of 3 arms."
    )
    assert row(published, "together", "vote")["gain_few_shot"] > 0.2
    assert 'class="mark vote' in published.index.read_text(encoding="utf-8")


def test_a_multitask_model_is_ranked_on_a_task_it_was_never_trained_on(results: Path) -> None:
    write(results, "few_shot", 0.5)
    write(results, "multitask", 0.9, n_train=0, others=(task_card("one"), task_card("two")))
    published = site(results)
    shown = row(published, "small", "multitask")
    assert (shown["complete"], shown["n_train"]) == (True, 0)
    assert "0 + 1,000 of others" in Text(published.index).text


def test_how_many_labels_an_arm_had_stands_beside_its_score(results: Path) -> None:
    write(results, "few_shot_tuning", 0.6)
    write(results, "lora", 0.8)
    published = site(results)
    assert row(published, "small", "few_shot_tuning")["n_train"] == FEW
    assert row(published, "small", "lora")["n_train"] == 500
    for page in (published.index, results.parent / "site" / "tasks" / "capitals.html"):
        assert "Labels" in Text(page).text
    assert "few-shot tuning r16, 32 samples" in Text(published.index).text


# Over the same samples from the plain base


def test_meta_learning_is_held_against_the_same_samples_tuned_from_the_plain_base(results: Path) -> None:
    for method, scores in (("few_shot_tuning", [1.0, 0.0, 0.0, 1.0]), ("meta", [1.0, 1.0, 1.0, 1.0])):
        for seed in (0, 1, 2):
            write_result(results, make_run("small", method, CARD, seed), CARD, scores)  # type: ignore[arg-type]
    published = site(results)
    assert row(published, "small", "meta")["gain_same_samples"] == pytest.approx(0.5)
    assert row(published, "small", "few_shot_tuning")["gain_same_samples"] is None
    page = Text(results.parent / "site" / "models" / "small.html").text
    assert "Δ plain base" in page and "+50.0" in page


def test_meta_learning_is_not_held_against_another_number_of_samples(results: Path) -> None:
    write(results, "few_shot_tuning", 0.5, n_train=8)
    write(results, "meta", 0.8)
    published = site(results)
    assert row(published, "small", "meta")["gain_same_samples"] is None
    assert "Δ plain base" not in Text(results.parent / "site" / "models" / "small.html").text


def test_stages_are_held_against_their_last_one_alone(results: Path) -> None:
    for method, scores in (
        ("lora", [1.0, 0.0, 0.0, 1.0]),
        ("full", [0.0] * 4),
        ("stages", [1.0, 1.0, 0.0, 1.0]),
    ):
        for seed in (0, 1):
            write_result(results, make_run("small", method, CARD, seed), CARD, scores)  # type: ignore[arg-type]
    assert row(site(results), "small", "stages")["gain_same_samples"] == pytest.approx(0.25)


def test_a_smaller_budget_of_a_learning_curve_is_the_same_samples_too(results: Path) -> None:
    for n_train, scores in ((FEW, [1.0, 0.0, 0.0, 0.0]), (500, [1.0] * 4)):
        write_result(results, make_run("small", "lora", CARD, 0, n_train=n_train), CARD, scores)
    write_result(results, make_run("small", "meta", CARD, 0), CARD, [1.0, 1.0, 0.0, 0.0])
    assert row(site(results), "small", "meta")["gain_same_samples"] == pytest.approx(0.25)


# The pages of models and ensembles


def test_an_ensemble_has_a_page_that_leads_to_what_it_is_made_of(results: Path) -> None:
    write(results, "few_shot", 0.5)
    write_ensemble(results, "together", "soup", write(results, "lora", 0.8), draw_scores(0.95, 100, 0))
    site(results)
    page = Text(results.parent / "site" / "models" / "together.html")
    assert "Ensemble together" in page.text
    assert "What it is made of small · LoRA r16 3 runs" in page.text
    assert "small · few-shot" in page.text
    assert "../models/small.html" in {attributes.get("href") for _, attributes in page.tags}


def test_the_filter_takes_an_arm_for_tuned_where_weights_were_trained(results: Path) -> None:
    members = [
        run for method in ("zero_shot", "zero_shot_constrained") for run in write(results, method, 0.4)
    ]  # type: ignore[arg-type]
    write(results, "lora", 0.8)
    write_ensemble(results, "asked-twice", "vote", members, draw_scores(0.5, 100, 0))
    write_ensemble(results, "shown-twice", "vote", write(results, "few_shot", 0.6), draw_scores(0.7, 100, 0))
    kinds = re.findall(r'data-kind="([a-z-]+)"', site(results).index.read_text(encoding="utf-8"))
    assert sorted(kinds) == ["few-shot", "few-shot", "tuned", "zero-shot", "zero-shot", "zero-shot"]


def test_a_model_s_page_shows_the_ensembles_that_are_made_of_it_alone(results: Path) -> None:
    members = write(results, "lora", 0.8)
    write_ensemble(results, "together", "soup", members, draw_scores(0.9, 100, 0))
    others = write(results, "lora", 0.8, name="other")
    write_ensemble(results, "mixed", "vote", [*members, *others], draw_scores(0.9, 100, 0))
    site(results)
    page = results.parent / "site" / "models" / "small.html"
    assert "mixed" not in Text(page).text
    for grid in ("board-table", "task-1", "measured-table", "derived-table"):
        lora, soup = sorted(lines(page, grid))
        assert lora.startswith("LoRA r16 ") and soup.startswith("together · soup of 3 "), grid


def test_packed_weights_do_not_make_a_model_smaller(results: Path) -> None:
    write(results, "lora", 0.8)
    for seed in (0, 1, 2):
        run = make_run("small", "qlora", CARD, seed)
        write_result(results, run, CARD, draw_scores(0.7, 100, seed), parameters=500_000_000)
    assert row(site(results), "small", "qlora")["parameters"] == 1_000_000_000
