"""The command line without a model: exit codes, one sentence for each mistake, output for scripts."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock
from synthetic import make_run, task_card, write_failure, write_result
from toy_task import SOURCE

from harness import cli
from harness.cli.dry_run import dollars
from harness.cli.stopping import STOPS
from harness.cli.sweeps import in_order_of_sweep
from harness.sweep.sweep import Sweep

SWEEP = """
name = "s"
tasks = ["date_normalise"]
seeds = [0]
n_train = 100
[[candidates]]
name = "toy"
model = "gainboard/toy-llama"
"""


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    (tmp_path / "sweep.toml").write_text(SWEEP)
    return tmp_path / "sweep.toml"


def replaced(sweep: Path, old: str, new: str) -> str:
    assert old in SWEEP
    sweep.write_text(SWEEP.replace(old, new))
    return str(sweep)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seeds", "seedz", "unknown key 'seedz'. Did you mean 'seeds'?"),
        (
            "date_normalise",
            "date_normalize",
            "task 'date_normalize' not found. Did you mean 'date_normalise'?",
        ),
        ('"gainboard/toy-llama"', '"gainboard/toy-lama"', "Did you mean 'gainboard/toy-llama'?"),
        (
            '"gainboard/toy-llama"',
            '"./no/such/folder"',
            "'./no/such/folder' is neither an existing folder nor",
        ),
        ('"gainboard/toy-llama"', '"Qwen/Qwen2.5-0.5B"', "it needs `revision`, the 40-hex commit"),
        (
            '"gainboard/toy-llama"',
            '"gainboard/toy-llama"\nmethods = ["lorra"]',
            "'zero_shot', 'zero_shot_constrained', 'few_shot', 'lora', 'dora'",
        ),
        ('"gainboard/toy-llama"', '"gainboard/toy-llama"\nmethods = []', "must name at least one"),
        (
            '"gainboard/toy-llama"',
            '"gainboard/toy-llama"\nmethods = ["lora", "lora"]',
            "'lora' is given twice",
        ),
        ("seeds = [0]", "seeds = [-1]", "'seeds.0': Input should be greater than or equal to 0"),
        ("n_train = 100", 'templates = "haiku"', "template 'haiku' not found; there are"),
    ],
)
def test_a_mistake_in_a_sweep_is_one_sentence_and_exit_code_2(
    sweep: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, says: str
) -> None:
    assert call("run", replaced(sweep, old, new)) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1
    assert not Path("results").exists()


def test_a_model_that_may_not_be_downloaded_is_said_once_before_any_run(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    model = f'"Qwen/Qwen2.5-0.5B"\nrevision = "{"a" * 40}"'
    assert call("run", replaced(sweep, '"gainboard/toy-llama"', model)) == 2
    assert capsys.readouterr().err == (
        f"gainboard: candidate 'toy': Qwen/Qwen2.5-0.5B at {'a' * 40} is not on this machine, and "
        "HF_HUB_OFFLINE forbids downloads; unset it, or put the model into the cache\n"
    )
    assert not (tmp_path / "results").exists()


def test_an_unknown_board_names_the_shipped_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "quickstar") == 2
    assert "Did you mean 'quickstart'?" in capsys.readouterr().err


def test_a_task_that_raises_is_named_with_its_error(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "mine" / "adding" / "task.py"
    broken.parent.mkdir(parents=True)
    broken.write_text(SOURCE.format(name="adding").replace("ROWS[:3]", "ROWS[99]['x']"))
    assert (
        call("run", replaced(sweep, "date_normalise", "adding"), "--tasks-dir", str(tmp_path / "mine")) == 2
    )
    assert "task 'adding': its data function raised IndexError" in capsys.readouterr().err


def test_an_empty_data_set_is_an_error(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "mine" / "adding" / "task.py"
    empty.parent.mkdir(parents=True)
    empty.write_text(SOURCE.format(name="adding").replace("ROWS[4:]", "[]"))
    assert (
        call("run", replaced(sweep, "date_normalise", "adding"), "--tasks-dir", str(tmp_path / "mine")) == 2
    )
    assert "split 'test': no samples" in capsys.readouterr().err


def test_listing_names_and_skips_a_broken_plugin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "mine" / "broken" / "task.py"
    broken.parent.mkdir(parents=True)
    broken.write_text("import no_such_module")
    assert call("list", "tasks", "--json", "--tasks-dir", str(tmp_path / "mine")) == 0
    listed = capsys.readouterr()
    assert "date_normalise" in {row["task"] for row in json.loads(listed.out)}
    assert "skipped: task 'broken'" in listed.err


def test_listing_shows_shipped_boards(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list", "boards") == 0
    assert "gainboard run quickstart" in capsys.readouterr().out


def test_a_dry_run_prints_the_plan_with_its_cost_and_writes_nothing(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", str(sweep), "--dry-run") == 0
    said = capsys.readouterr().out
    assert "4 of 4 runs to do" in said
    assert "about $" in said
    assert "from the tokens of some samples, as each model reads them." in " ".join(said.split())
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.toml"]


def test_a_dry_run_has_a_line_for_all_seeds_of_an_arm(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", str(sweep), "--dry-run", "--more-seeds", "2") == 0
    lines = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    # All but the seconds, which depend on the machine.
    assert [line.split()[:-1] for line in lines[1:3]] == [
        ["toy", "·", "zero_shot", "·", "date_normalise", "3", "of", "3", "0", "0", "21,356"],
        ["toy", "·", "few_shot", "·", "date_normalise", "3", "of", "3", "0", "0", "296,268"],
    ]
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "$0"),
        (0.000348, "$0.00035"),
        (0.0996, "$0.10"),
        (1.4054, "$1.40"),
        (9.96, "$10"),
        (14.3, "$14"),
        (1284, "$1,300"),
    ],
)
def test_an_estimated_price_has_two_digits(amount: float, shown: str) -> None:
    assert dollars(amount) == shown


def test_a_dry_run_says_whose_tokens_it_could_not_count(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = f'model = "x/absent-1b"\nrevision = "{"a" * 40}"'
    sweep.write_text(SWEEP + f'[[candidates]]\nname = "far"\n{absent}\n')
    assert call("run", str(sweep), "--dry-run") == 0
    assert (
        "from the tokens of some samples, as each model reads them; for far, whose tokenizers could not be "
        "used here, from characters, without the tokens that a chat template adds itself."
    ) in " ".join(capsys.readouterr().out.split())
    assert call("run", str(sweep), "--dry-run", "--json") == 0
    by_run = {run["run"]: run["is_counted"] for run in json.loads(capsys.readouterr().out)["runs"]}
    assert {is_counted for run, is_counted in by_run.items() if run.startswith("toy ")} == {True}
    assert {is_counted for run, is_counted in by_run.items() if run.startswith("far ")} == {False}
    assert call("run", str(sweep), "--dry-run", "--only", "far/*") == 0
    assert (
        "Estimated from characters and parameters, without the tokens that a chat template adds itself: no "
        "tokenizer of these models could be used here."
    ) in " ".join(capsys.readouterr().out.split())


def test_a_dry_run_for_scripts_gives_tokens_operations_and_seconds(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", str(sweep), "--dry-run", "--json", "--only", "toy/full/*") == 0
    plan = json.loads(capsys.readouterr().out)
    (run,) = plan["runs"]
    # 100 samples of about 66 tokens, three epochs.
    assert 18_000 < run["train_tokens"] < 22_000
    assert run["flops"] == pytest.approx(
        run["parameters"] * (6 * run["train_tokens"] + 2 * (run["eval_tokens"] + run["score_tokens"]))
    )
    assert 0.35 * run["train_tokens"] < run["eval_tokens"] < 0.5 * run["train_tokens"]
    assert plan["total"]["eval_tokens"] == run["eval_tokens"]
    assert plan["total"]["device_seconds"] == pytest.approx(run["device_seconds"])


def test_a_dry_run_says_what_it_takes_of_the_machine(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep.write_text(SWEEP + '[[candidates]]\nname = "other"\nmodel = "gainboard/toy-neox"\n')
    assert call("run", str(sweep), "--dry-run", "--workers", "2") == 0
    said = capsys.readouterr().out
    assert re.search(r"gainboard/toy-neox +1\.4 million +22 MB \(full\) +\d+ MB +6 MB +\d+ MB *\n", said)
    assert re.search(
        r"This machine has [\d,.]+ GB\. Tuned weights take about \d+ MB of the [\d,.]+ GB of disk", said
    )
    assert re.search(r" 2 workers are busy side by side, for about \d+ seconds and \d+ seconds\.", said)
    assert call("run", str(sweep), "--dry-run", "--json", "--workers", "2") == 0
    plan = json.loads(capsys.readouterr().out)
    machine = plan["machine"]
    assert [share["candidates"] for share in machine["workers"]] == [["toy"], ["other"]]
    shares = [share["seconds"] for share in machine["workers"]]
    assert machine["wall_clock_seconds"] == max(shares)
    assert sum(shares) == pytest.approx(2 * plan["total"]["device_seconds"]), "each has half of the cores"


def test_a_dry_run_says_where_a_task_has_fewer_training_samples(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = "task 'date_normalise': n_train is 100,000, there are 1,200 training samples; all are used"
    path = replaced(sweep, "n_train = 100", "n_train = [100, 100000]")
    assert call("run", path, "--dry-run") == 0
    assert sentence in " ".join(capsys.readouterr().out.split())
    assert call("run", path, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["shortages"] == [sentence]


def test_a_dry_run_says_what_its_samples_and_seeds_can_show(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", str(sweep), "--dry-run", "--limit", "30", "--more-seeds", "2") == 0
    said = capsys.readouterr().out
    assert "! date_normalise: 30 test samples and 3 seeds: only gaps above about 23 points show;" in said
    assert (
        "seeds by 2 points (SD); 80 % of such gaps would be found. Seeds can be added: --more-seeds N."
        in said
    )
    assert call("run", str(sweep), "--dry-run") == 0
    assert "! date_normalise: 300 test samples and 1 seed: one seed can never show a gain;" in (
        capsys.readouterr().out
    )


def test_a_dry_run_for_scripts_has_what_can_be_shown(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gaps = []
    for seeds in ([], ["--more-seeds", "2"]):
        assert call("run", str(sweep), "--dry-run", "--json", *seeds) == 0
        (power,) = json.loads(capsys.readouterr().out)["power"]
        gaps.append(power.pop("resolvable_gap"))
        assert power.pop("seeds") == 1 + len(seeds)
        assert power == {
            "task": "date_normalise",
            "samples": 300,
            "independent_samples": 300.0,
            "seeds_for_5_points": 6,
            "samples_for_5_points": 1081,
            "assumed_disagreement": 0.2,
            "assumed_seed_sd": 0.02,
        }
    assert gaps == [None, pytest.approx(0.0856, abs=1e-4)]


def test_a_new_task_says_what_its_test_split_can_show(
    on_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"message {index},{('sales', 'support')[index % 2]}" for index in range(300)]
    (tmp_path / "mail.csv").write_text("\n".join(["message,team", *lines]))
    assert call("new", "mail", "--from", "mail.csv", "--input", "message", "--target", "team") == 0
    said = capsys.readouterr().out
    assert "! 120 test samples: only gaps above about 11 points show; 5 points would take about 630." in said
    assert "give test a larger share of them: test=… in load() of task.py.\n→ gainboard check" in said


def test_seeds_are_added_to_a_sweep_or_a_shipped_board(
    on_path: Path, sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", str(sweep), "--dry-run", "--json", "--more-seeds", "2") == 0
    runs = [run["run"] for run in json.loads(capsys.readouterr().out)["runs"]]
    assert [run.rpartition(" ")[2] for run in runs] == ["0", "1", "2"] * 4
    assert call("run", "quickstart", "--dry-run", "--more-seeds", "1") == 0
    said = capsys.readouterr().out
    assert "64 of 64 runs to do" in said
    assert said.endswith("→ gainboard run quickstart --more-seeds 1\n")


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5"])
def test_seeds_are_added_by_number(number: str, sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", str(sweep), "--more-seeds", number) == 2
    said = capsys.readouterr().err
    assert said.endswith(f"argument --more-seeds: {number} is not a positive whole number\n")


def test_a_dry_run_counts_the_guard_runs_and_no_training_twice(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", str(sweep), "--dry-run", "--json") == 0
    plain = json.loads(capsys.readouterr().out)["total"]
    sweep.write_text(sweep.read_text().replace("tasks = ", 'guard_tasks = ["word_arithmetic"]\ntasks = '))
    assert call("run", str(sweep), "--dry-run", "--json") == 0
    guarded = json.loads(capsys.readouterr().out)
    labels = [run["run"] for run in guarded["runs"] if "word_arithmetic" in run["run"]]
    assert labels[0] == "toy · zero_shot · word_arithmetic before tuning · seed 0"
    assert labels[1] == "toy · lora · word_arithmetic after date_normalise · 100 samples · seed 0"
    assert guarded["total"]["train_tokens"] == plain["train_tokens"]
    assert guarded["total"]["runs"] == plain["runs"] + 3
    assert guarded["total"]["score_tokens"] > plain["score_tokens"]


def test_a_plan_of_some_runs_promises_no_ensemble_of_all(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ensemble = '[[ensembles]]\nname = "both"\nmethod = "vote"\nmembers = ["toy/lora", "toy/full"]\n'
    sweep.write_text(sweep.read_text() + ensemble)
    assert call("run", str(sweep), "--dry-run") == 0
    assert "Then 1 ensemble," in capsys.readouterr().out
    assert call("run", str(sweep), "--dry-run", "--only", "toy/lora/*") == 0
    assert "ensembles" not in capsys.readouterr().out


def test_runs_are_listed_with_their_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_result(
        tmp_path / "results", make_run("toy", "full", task_card(), 0), task_card(), [1.0, 0.0, 0.0, 0.0]
    )
    assert call("list", "runs", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["score"], row["n"]) == ("done", 0.25, 4)


def test_runs_that_cannot_be_read_are_named_and_told_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    for seed in (0, 1):
        write_result(results, make_run("toy", "full", task_card(), seed), task_card(), [1.0, 0.0])
    one, other = sorted(results.rglob("result.json"))
    one.write_text("{")
    assert call("list", "runs") == 1
    said = capsys.readouterr()
    assert "seed 1" in said.out and f"skipped: {one.relative_to(tmp_path)}" in said.err
    other.write_text("[]")
    assert call("list", "runs") == 1
    said = capsys.readouterr()
    assert said.out == "no runs can be read: 2 skipped, as said above\n"
    assert said.err.count("skipped: ") == 2
    assert call("list", "runs", "--json") == 1
    assert json.loads(capsys.readouterr().out) == []


def test_scores_of_a_sweep_come_from_untuned_to_tuned_in_its_order(tmp_path: Path) -> None:
    sweep = Sweep.model_validate(
        {
            "name": "s",
            "tasks": ["capitals", "adding"],
            "candidates": [{"name": name, "model": f"x/{name}"} for name in ("second", "first")],
        }
    )
    for name in ("first", "second", "third"):
        for task in ("adding", "capitals", "other"):
            for method in ("few_shot", "lora", "zero_shot"):
                card = task_card(task)
                write_result(tmp_path, make_run(name, method, card, 0), card, [1.0, 0.0])
    runs = [result.run for result in in_order_of_sweep(sweep, tmp_path)]
    assert [(run.candidate.name, run.task, run.candidate.method) for run in runs] == [
        (name, task, method)
        for name in ("second", "first")
        for task in ("capitals", "adding")
        for method in ("zero_shot", "few_shot", "lora")
    ]


@pytest.mark.parametrize("verb", [["list", "runs"], ["publish"], ["score"]])
def test_missing_results_say_what_makes_them(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*verb) == 2
    assert "gainboard run" in capsys.readouterr().err


def test_a_missing_site_says_what_builds_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("preview") == 2
    assert "`gainboard publish` builds a site" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "-3", "many"])
def test_a_limit_is_a_positive_number(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "quickstart", "--limit", limit) == 2
    assert "--limit" in capsys.readouterr().err


def test_a_result_that_cannot_be_written_names_the_disk(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results").write_text("a file where a folder should be")
    assert call("list", "runs") == 2
    assert "results" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from harness import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'vllm', 'pandas', 'numpy', 'scipy', 'pydantic', 'rich', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.strip() == "[]"
    assert "quickstart" in ended.stdout


def test_a_reader_that_has_enough_is_no_error() -> None:
    listing = f"{sys.executable} -m harness.cli list tasks --json | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", listing], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_text_that_looks_like_markup_is_shown_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_failure(
        tmp_path / "results", make_run("toy", "full", task_card(), 0), reason="see [/tmp/x.log] and [bold]"
    )
    assert call("list", "runs") == 0
    assert "see [/tmp/x.log] and [bold]" in capsys.readouterr().out


def test_a_work_folder_in_use_is_said_and_nothing_is_touched(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").mkdir()
    with FileLock(tmp_path / "work" / ".lock"):
        assert call("run", str(sweep), "--engine", "transformers") == 2
    said = capsys.readouterr().err
    assert "another gainboard works in work; wait for it" in said
    assert "a --work folder and a --results folder of its own" in said, "two sweeps would do the same runs"
    assert not Path("results").exists()


def test_verify_says_what_does_not_fit_and_how_many_runs_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    for seed in (0, 1):
        write_result(results, make_run("toy", "lora", task_card(), seed), task_card(), [1.0, 0.0])
    assert call("verify", str(results)) == 0
    assert capsys.readouterr().out == "2 finished runs: 2 bound to their predictions. In all no fault.\n"
    hurt = results / "toy/lora/capitals-v1/n-500/seed-1"
    with (hurt / "predictions.parquet").open("ab") as file:
        file.write(b"?")
    (results / "toy/lora/capitals-v1/n-500/seed-2").mkdir()
    (results / "toy/lora/capitals-v1/n-500/seed-2/result.json").write_text("{}")
    assert call("verify", str(results)) == 1
    first, second, count = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{hurt.relative_to(results)}: its predictions cannot be read: ")
    assert second.startswith("toy/lora/capitals-v1/n-500/seed-2/result.json: ")
    assert count.endswith(
        "1 bound to their predictions, 1 with predictions that do not fit. In all 2 faults."
    )
    assert call("verify", str(results), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["bound"], told["contradicting"], told["faults"]) == (1, 1, [first, second])


def test_verify_of_no_folder_is_the_user_s_to_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("verify", str(tmp_path / "nowhere")) == 2
    assert "does not exist" in capsys.readouterr().err
    assert call("verify", "--wrong") == 2


# The process that calls main


def test_the_process_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    show = warnings.showwarning
    handlers = [signal.getsignal(number) for number in STOPS]
    streams = (sys.stdout, sys.stderr)
    (tmp_path / "results").mkdir()
    for arguments in (["list", "boards"], ["check", "date_normalise"], ["score"], ["check", "no_such_task"]):
        call(*arguments)
    assert warnings.showwarning is show
    assert [signal.getsignal(number) for number in STOPS] == handlers
    assert (sys.stdout, sys.stderr) == streams
    assert "HF_HUB_OFFLINE" not in os.environ


@pytest.mark.parametrize("number", STOPS)
def test_whatever_asks_a_verb_to_end_is_an_interruption(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("leaderboards.board.shipped_boards", lambda: signal.raise_signal(number) or {})
    assert call("list", "boards") == 128 + number
    assert "stopped" in capsys.readouterr().err


# The command to type next


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `gainboard` that was started and is found by its bare name."""
    script = tmp_path / "environment" / "bin" / "gainboard"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}/usr/bin")
    monkeypatch.delenv("TOX_ENV_DIR", raising=False)
    return script


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.rstrip().splitlines()[-1]


def test_each_verb_ends_with_the_command_to_type_next(
    on_path: Path, sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("new", "tickets") == 0
    assert last_line(capsys) == "→ gainboard check tickets --tasks-dir tasks"
    assert call("check", "tickets", "--tasks-dir", "tasks") == 0
    assert last_line(capsys) == "→ gainboard review tickets --tasks-dir tasks"
    assert call("check", "sweep.toml") == 0
    assert last_line(capsys) == "→ gainboard run sweep.toml --dry-run"
    assert call("run", "sweep.toml", "--dry-run", "--only", "toy/lora/*") == 0
    assert last_line(capsys) == "→ gainboard run sweep.toml --only 'toy/lora/*'"
    write_result(tmp_path / "results", make_run("toy", "full", task_card(), 0), task_card(), [1.0, 0.0])
    assert call("publish", "--no-cache") == 0
    assert last_line(capsys) == "→ gainboard preview --open"
    assert call("publish", "--no-cache", "--out", "my site") == 0
    assert last_line(capsys) == "→ gainboard preview --site 'my site' --open"


@pytest.mark.parametrize(
    ("arguments", "code", "following"),
    [
        (["sweep.toml"], 0, "publish"),
        (["sweep.toml", "--results", "elsewhere"], 0, "publish --results elsewhere"),
        (["quickstart"], 0, "publish --board quickstart"),
        (["mine/sweep.toml"], 0, "publish --board mine/board.toml"),
        (["sweep.toml"], 1, "list runs"),
    ],
)
def test_what_follows_a_run_is_its_board_or_a_look_at_what_failed(
    on_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    following: str,
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "board.toml").write_text("")
    monkeypatch.setattr("harness.cli.sweeps._run_sweep", lambda options, sweep: code)
    assert call("run", *arguments) == code
    assert last_line(capsys) == f"→ gainboard {following}"


def test_several_checked_tasks_are_to_be_named_in_a_sweep(
    on_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("check", "date_normalise", "unit_conversion") == 0
    assert last_line(capsys) == "→ gainboard check SWEEP.toml"


def test_what_a_check_found_is_to_be_corrected_and_checked_again(
    on_path: Path, sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("check", replaced(sweep, "seeds", "seedz")) == 2
    assert capsys.readouterr().out.endswith(f"Correct what is marked ✗, then\n→ gainboard check {sweep}\n")


def test_output_for_scripts_names_no_next_command(
    on_path: Path, sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(tmp_path / "results", make_run("toy", "full", task_card(), 0), task_card(), [1.0, 0.0])
    for arguments in (["check", "sweep.toml"], ["run", "sweep.toml", "--dry-run"], ["publish", "--no-cache"]):
        assert call(*arguments, "--json") == 0
        json.loads(capsys.readouterr().out)


def test_a_gainboard_that_is_not_on_the_path_is_named_by_its_own(
    on_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert call("new", "tickets") == 0
    assert last_line(capsys) == f"→ {on_path} check tickets --tasks-dir tasks"


def test_one_that_is_on_the_path_only_inside_tox_is_named_by_its_own(
    on_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOX_ENV_DIR", str(on_path.parents[1]))
    assert call("new", "tickets") == 0
    assert last_line(capsys) == f"→ {on_path} check tickets --tasks-dir tasks"


def test_the_quickstart_says_where_its_gainboard_is(
    on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(tmp_path / "results", make_run("toy", "full", task_card(), 0), task_card(), [1.0, 0.0])
    monkeypatch.setattr("harness.cli.sweeps._run_sweep", lambda options, sweep: 0)
    assert call("quickstart") == 0
    assert last_line(capsys) == "→ gainboard preview --open"
    monkeypatch.setenv("TOX_ENV_DIR", str(on_path.parents[1]))
    assert call("quickstart") == 0
    *_, where, following = capsys.readouterr().out.rstrip().splitlines()
    assert where == f"`gainboard` is not on your PATH here: this one is {on_path}"
    assert following == f"→ {on_path} preview --open"


# The preview


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<title>a board</title>")
    return tmp_path / "site"


@contextmanager
def previewed(*arguments: str) -> Iterator[str]:
    """The address that a preview says, while it serves."""
    command = [sys.executable, "-m", "harness.cli", "preview", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=ignore_ctrl_c
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline()
            process.terminate()
            assert process.wait(timeout=20) is not None
        finally:
            process.kill()


def ignore_ctrl_c() -> None:
    """As what a shell starts in the background does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def test_a_preview_says_its_address_and_serves_the_site(site: Path) -> None:
    with previewed() as said:
        port = int(said.split("http://127.0.0.1:")[1].split("/")[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/index.html")
        assert b"a board" in connection.getresponse().read()


def test_a_preview_gives_away_no_file_outside_of_its_site_and_answers_to_no_other_name(
    site: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("a secret")
    (site / "out").symlink_to(tmp_path / "secret")
    (site / "up").symlink_to(tmp_path)
    (site / "listed").mkdir()
    (site / "listed" / "index.html").symlink_to(tmp_path / "secret")
    (site / "near").symlink_to("index.html")
    os.mkfifo(site / "pipe")
    with previewed() as said:
        port = int(said.split("http://127.0.0.1:")[1].split("/")[0])
        own = {"Host": f"localhost:{port}"}
        asked = {
            ("/", "localhost"): 200,
            ("/near", "127.0.0.1"): 200,
            ("/near", "[::1]:80"): 200,
            ("/", "evil.example"): 421,
            ("/", f"evil.example:{port}"): 421,
            ("/", "localhost.evil.example"): 421,
            ("/", "[::1"): 421,
            ("/out", "localhost"): 404,
            ("/up/secret", "localhost"): 404,
            ("/listed/", "localhost"): 404,
            ("/pipe", "localhost"): 404,
            ("/%00", "localhost"): 404,
            ("/%ff%00.html", "localhost"): 404,
            ("/" + "a" * 5000, "localhost"): 404,
            ("/../secret", "localhost"): 404,
        }
        answers = {}
        for path, host in asked:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", path, headers=own | {"Host": host})
            response = connection.getresponse()
            assert b"secret" not in response.read()
            answers[path, host] = response.status
        assert answers == asked


def test_a_preview_takes_the_next_free_port_where_the_usual_one_is_taken(site: Path) -> None:
    with previewed() as first, previewed() as second:
        assert first.split(" ")[0] != second.split(" ")[0]


def test_a_port_that_was_named_and_is_taken_is_an_error(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert call("preview", "--port", str(port)) == 2
    assert f"port {port} cannot be opened: Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["99999999", "-1", "web"])
def test_what_is_no_port_is_said_to_be_none(
    site: Path, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("preview", f"--port={port}") == 2
    assert f"{port} is not a port" in capsys.readouterr().err


def test_a_preview_opens_the_browser_where_it_is_told_to(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    def end(server: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", end)
    assert call("preview") == 130
    assert opened == []
    assert call("preview", "--open") == 130
    assert opened == [capsys.readouterr().out.splitlines()[-1].split(" ")[0]]


# Folders that cannot be written


@pytest.mark.parametrize(
    "verb",
    [
        ["publish", "--no-cache", "--out", "{file}/site"],
        ["publish", "--no-cache", "--out", "/proc/x"],
        ["export", "--format", "csv", "--out", "/proc/x.csv"],
        ["export", "--format", "every-eval-ever", "--out", "/proc/x"],
        ["new", "tickets", "--tasks-dir", "/proc/x"],
        ["review", "date_normalise", "--html", "/proc/x.html"],
    ],
)
def test_a_folder_that_cannot_be_written_is_one_sentence(
    verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(tmp_path / "results", make_run("toy", "full", task_card(), 0), task_card(), [1.0, 0.0])
    (tmp_path / "file").write_text("")
    verb = [part.format(file=tmp_path / "file") for part in verb]
    assert call(*verb) == 2
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    assert sentence.startswith(f"gainboard: {verb[-1]}")
    assert "cannot be written" in sentence


def test_a_misspelt_verb_is_named_with_the_one_that_may_be_meant(capsys: pytest.CaptureFixture[str]) -> None:
    for written, said in (
        ("publsh", "Did you mean 'publish'?"),
        ("frobnicate", "The verbs are quickstart, run, new,"),
    ):
        with pytest.raises(SystemExit) as exit_:
            cli.main([written, "--results", "somewhere"])
        assert exit_.value.code == 2
        assert f"there is no verb '{written}'. " in (error := capsys.readouterr().err) and said in error


def test_without_a_verb_the_help_says_in_which_order_they_are_used(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main([])
    assert exit_.value.code == 2
    said = capsys.readouterr().err
    places = [
        said.index(f"  gainboard {verb}")
        for verb in ("quickstart", "new", "check", "run", "publish", "preview")
    ]
    assert places == sorted(places)
