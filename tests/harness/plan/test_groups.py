"""How runs are spread over workers."""

from synthetic import make_run, task_card

from harness.plan.groups import Group, spread
from harness.sweep.run import Run


def untuned(name: str, count: int) -> list[Run]:
    return [make_run(name, "zero_shot", task_card(), seed) for seed in range(count)]


def guards_of_one(name: str, count: int) -> list[Run]:
    """Runs that share a training."""
    return [make_run(name, "lora", task_card(), 0)] * count


def test_where_the_largest_group_cannot_be_cut_the_next_is() -> None:
    whole = Group("x/whole", None, None, guards_of_one("whole", 9))
    small = Group("x/small", None, None, untuned("small", 2))
    middle = Group("x/middle", None, None, untuned("middle", 4))
    sizes = [(group.name, len(group.runs)) for group in spread([whole, small, middle], 4)]
    assert sorted(sizes) == [("middle", 2), ("middle", 2), ("small", 2), ("whole", 9)]


def test_groups_that_share_all_they_train_stay_whole() -> None:
    whole = Group("x/whole", None, None, guards_of_one("whole", 3))
    assert spread([whole], 4) == [whole]
    assert spread([], 4) == []
