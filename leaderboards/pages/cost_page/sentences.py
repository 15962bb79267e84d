"""What a scenario comes to, in sentences."""

from collections.abc import Sequence

from harness.counts import count_of
from leaderboards.decide.cases import Case, Choices
from leaderboards.decide.decision import Decision, worth_of_all
from leaderboards.decide.swings import Input
from leaderboards.gathered import Site
from leaderboards.rank.tables import Table
from leaderboards.text import listed, percent, plain_usd, round_usd, usd, volume

INPUT_TITLES: dict[Input, str] = {
    "volume": "Requests",
    "right_answer_usd": "One more right answer",
    "utilisation": "Utilisation, at most 100 %",
    "hour": "Device price",
    "label": "Price per label",
}
"""What an input of the scenario is called."""


def verdict_text(choices: Choices, decision: Decision) -> str:
    """What a scenario comes to, in a sentence or two, what the budget excludes, and what was passed over."""
    sentences = [_advice(choices, decision), _excluded(choices, decision)]
    if decision.passed_over is not None:
        case = choices.cases[decision.passed_over]
        why = "it lost too much on guard tasks" if case.forgets else "its gain is not shown"
        sentences.append(f"{case.label} would come first but is passed over: {why}.")
    return " ".join(sentence for sentence in sentences if sentence)


def _advice(choices: Choices, decision: Decision) -> str:
    figures, labels = decision.figures, [case.label for case in choices.cases]
    chosen, best, reference = decision.chosen, decision.best_tuned, decision.reference
    if not choices.cases:
        return "Nothing can be advised: no candidate is complete."
    if not any(case_figures.costs for case_figures in figures):
        return "No total cost is known: enter the device’s price per hour."
    if chosen is None:
        return _nothing_fits(choices, decision)
    if best is None:
        return f"Use {labels[chosen]}: {_no_fine_tune(choices, decision)}."
    if reference is None:
        return f"No advice: there is no untuned candidate to compare {labels[chosen]} with."
    net, worth = figures[best].net, figures[best].worth
    assert net is not None, "a fine-tune has a net benefit over the reference"
    if net.value == 0:
        return f"{labels[best]} and {labels[reference]} are worth the same: nothing tells them apart."
    odds = "how far another seed would differ is unknown"
    if worth is not None:
        share = percent(worth).replace(" ", "\N{NO-BREAK SPACE}")
        odds = f"worth it in {share} of the draws"
    low, high = (net.low, net.high) if chosen == best else (-net.high, -net.low)
    value = f"{usd(abs(net.value))} ({plain_usd(low)} to {plain_usd(high)})"
    if chosen == best:
        over = f"{labels[reference]}, the best without tuning"
        if not choices.cases[best].gain_unproven:
            return f"Tune {labels[best]}: worth {value} more than {over}; {odds}."
        return f"Not shown yet: as measured, {labels[best]} is worth {value} more than {over}; {odds}."
    rejected = f"{labels[best]}, the best fine-tune"
    return f"Don’t tune: use {labels[chosen]}. {rejected}, is worth {value} less; {odds}."


def _nothing_fits(choices: Choices, decision: Decision) -> str:
    place = decision.cheapest
    if place is None:
        return "Nothing can be advised: every candidate lost too much on guard tasks."
    costs = decision.figures[place].costs
    assert costs, "the cheapest has a known cost"
    budget, label = round_usd(decision.scenario.budget_usd), choices.cases[place].label
    return f"Nothing fits the budget of {budget}. {label} costs least: {usd(costs.total)} in total."


def _no_fine_tune(choices: Choices, decision: Decision) -> str:
    """Why the best choice stands alone."""
    tuned = [
        case
        for case, figures in zip(choices.cases, decision.figures, strict=True)
        if case.tuned and figures.costs
    ]
    if any(not case.forgets for case in tuned):
        return "no fine-tune is within the budget"
    return (
        "no fine-tune keeps what its base could do" if tuned else "there is no fine-tune to compare it with"
    )


def _excluded(choices: Choices, decision: Decision) -> str:
    """What more money would buy; empty where the budget excludes nothing better."""
    place, chosen, scenario = decision.excluded, decision.chosen, decision.scenario
    if place is None or (chosen is None and place == decision.cheapest):
        return ""
    case, costs = choices.cases[place], decision.figures[place].costs
    assert costs, "what would be chosen has a known cost"
    extra_cost = f"{usd(costs.total - scenario.budget_usd)} more"
    if chosen is None:
        return f"{case.label} would be worth most: it takes {extra_cost}."
    gained = case.score - choices.cases[chosen].score
    chosen_costs = decision.figures[chosen].costs
    assert chosen_costs, "what is chosen has a known cost"
    benefit = worth_of_all(choices, scenario) * gained - (costs.total - chosen_costs.total)
    return (
        f"The budget of {round_usd(scenario.budget_usd)} excludes {case.label}: {extra_cost} would buy "
        f"{choices.unit.write(gained, sign=True)} {choices.unit.noun}, worth {usd(benefit)} after costs."
    )


def cheapest_text(choices: Choices, decision: Decision) -> str:
    """The lower envelope: which candidate is the cheapest one from which volume on."""
    parts = []
    for start, place in decision.envelope:
        beginning = f"from {volume(start)} requests" if start else "from the first request"
        parts.append(f"{choices.cases[place].label} {beginning}")
    return f"Cheapest, whatever the score: {'; '.join(parts)}." if parts else ""


def hangs_text(choices: Choices, decision: Decision) -> str:
    """What the table of swings is of."""
    if decision.best_tuned is None or decision.reference is None:
        return "There is no fine-tune within the budget, or nothing to compare it with."
    label = choices.cases[decision.best_tuned].label
    return (
        f"Net benefit of {label} over the best without tuning, with one input halved or doubled; "
        "the widest swing comes first."
    )


def knowing_text(choices: Choices, decision: Decision) -> str:
    """The value of perfect information in words; empty where nothing is within the budget, and where it is
    not known how far another seed would differ, which is part of what is not known."""
    if decision.knowing is None or not all(case.seeds_known for case in choices.cases):
        return ""
    if decision.knowing == 0:
        return "The same candidate wins every draw: more runs and test samples would not change the choice."
    return (
        f"Knowing all scores exactly would be worth {usd(decision.knowing)}: "
        "do not spend more than that on runs and test samples."
    )


def scenario_text(site: Site) -> str:
    """What P(worth it) means in the scenario that the cost page opens with."""
    scenario = site.scenario
    labels = "owned" if scenario.owned else "bought"
    return (
        "Share of the draws in which a fine-tune is worth more than the best without tuning: "
        f"{scenario.volume:,.0f} requests, {round_usd(scenario.right_answer_usd)} per right answer, labels "
        f"{labels}, {scenario.utilisation:g} % busy. See the cost page."
    )


def cache_note(cases: Sequence[Case]) -> str:
    """What is known of few-shot arms (the cases) without their prefix cache."""
    if not cases:
        return "No few-shot arm is complete."
    measured = sum(case.uncached is not None for case in cases)
    if not measured:
        return (
            "The speed of few-shot arms without it was not measured: "
            "time_uncached = true in a sweep does that."
        )
    if measured < len(cases):
        arms = count_of(len(cases), "few-shot arm")
        return f"Measured without it: {measured} of {arms}; the others stay as they are."
    return "Measured with it and without it."


def left_out_text(all_of_them: int, carried: int) -> str:
    """Which candidates are not on the page; empty when all are."""
    if all_of_them == carried:
        return ""
    return (
        f"This page carries {carried} of {all_of_them} complete candidates: those that nothing beats in "
        "score, one-off cost and cost per request, then those with the best scores. "
        "Shares of draws count only these."
    )


def one_seed_text(choices: Choices) -> str:
    """What shares of draws leave out where it is not known how far another seed would differ."""
    if all(case.seeds_known for case in choices.cases):
        return ""
    return (
        "Of some candidates it is not known how far another seed would differ: draws leave that out, so that "
        "shares and intervals look surer than they are."
    )


def unguarded_text(choices: Choices, table: Table) -> str:
    """Which smaller training budgets have no guard runs of their own, although their row has; empty where
    none."""
    labels = []
    for case in choices.cases:
        ranked = table.row(*case.key) if case.budget is not None else None
        if ranked and ranked.forgetting and case.entry.row.forgetting is None:
            labels.append(case.label)
    if not labels:
        return ""
    return f"What {listed(labels)} forgot is not known: no guard run scored these weights."
