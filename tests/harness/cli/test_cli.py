"""The command line without a model: exit codes, one sentence for each mistake, output for scripts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from synthetic import make_run, task_card, write_failure, write_result
from toy_task import SOURCE

from harness import cli

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
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.toml"]


def test_a_dry_run_for_scripts_gives_tokens_operations_and_seconds(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", str(sweep), "--dry-run", "--json", "--only", "toy/full/*") == 0
    plan = json.loads(capsys.readouterr().out)
    (run,) = plan["runs"]
    # 100 samples of about 75 characters, three epochs.
    assert 3000 < run["train_tokens"] < 12000
    assert run["flops"] == pytest.approx(
        run["parameters"] * (6 * run["train_tokens"] + 2 * run["score_tokens"])
    )
    assert plan["total"]["device_seconds"] == pytest.approx(run["device_seconds"])


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
    assert "Then 1 ensembles" in capsys.readouterr().out
    assert call("run", str(sweep), "--dry-run", "--only", "toy/lora/*") == 0
    assert "ensembles" not in capsys.readouterr().out


def test_runs_are_listed_with_their_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_result(
        tmp_path / "results", make_run("toy", "full", task_card(), 0), task_card(), [1.0, 0.0, 0.0, 0.0]
    )
    assert call("list", "runs", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["score"], row["n"]) == ("done", 0.25, 4)


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
    assert "another gainboard works in work; wait for it" in capsys.readouterr().err
    assert not Path("results").exists()
