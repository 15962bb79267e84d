"""What the pages say of how to use a candidate is right for its method, and can be copied."""

import json
import shlex
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from site_reading import Text
from synthetic import RATES, make_run, searched, task_card, write_ensemble, write_result, write_sweep

from harness.records.result import Result
from harness.sweep.methods import Method
from harness.sweep.recipe import make_training
from harness.sweep.run import Run
from harness.sweep.sweep import Sweep
from leaderboards import publish
from leaderboards.links import model_href, run_href
from leaderboards.pages.parts.use import run_box, run_command, settings_toml, weights_of

CARD = task_card()
REVISION = "7ae557604adf67be50417f59c2c2f167def9a775"


def run_of(
    method: Method, model: str = "Qwen/Qwen2.5-0.5B-Instruct", revision: str | None = REVISION, **named: Any
) -> Run:
    run = make_run("small", method, CARD, 0, **named)
    return run.model_copy(
        update={"candidate": run.candidate.model_copy(update={"model": model, "revision": revision})}
    )


def snippets(results: Path, run: Run, **written: Any) -> dict[str, str]:
    result: Result = write_result(results, run, CARD, [1.0, 0.0], **written)
    box = run_box(result)
    said = {snippet.title: snippet.text for snippet in box.snippets}
    if "transformers" in said:
        compile(said["transformers"], "snippet", "exec")
    return said


def test_an_adapter_is_put_on_its_base_and_served_beside_it(tmp_path: Path) -> None:
    run = run_of("lora")
    said = snippets(tmp_path, run)
    weights = weights_of(run)
    assert run.recipe and weights == f"work/trained/{run.recipe.key}/weights"
    assert (
        f'from_pretrained("Qwen/Qwen2.5-0.5B-Instruct", revision="{REVISION}", dtype="auto")'
        in said["transformers"]
    )
    assert f'PeftModel.from_pretrained(base, "{weights}").merge_and_unload()' in said["transformers"]
    assert shlex.split(said["vLLM"]) == [
        *("vllm", "serve", "Qwen/Qwen2.5-0.5B-Instruct", "--revision", REVISION, "--enable-lora"),
        *("--max-lora-rank", "16", "--lora-modules", f"tuned={weights}"),
    ]


@pytest.mark.parametrize(
    ("method", "model", "served"),
    [
        ("lora", "Qwen/Qwen2.5-0.5B-Instruct", "tuned"),
        ("dora", "Qwen/Qwen2.5-0.5B-Instruct", "merged"),
        ("few_shot", "Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
        ("zero_shot", "gainboard/toy-qwen3", "base"),
    ],
)
def test_the_server_is_asked_by_the_name_that_it_was_told(
    tmp_path: Path, method: Method, model: str, served: str
) -> None:
    said = snippets(tmp_path, run_of(method, model, None))
    assert served in said["vLLM"]
    command, address, *_, data = shlex.split(said["Ask the server"])
    body = json.loads(data)
    assert (command, body["model"]) == ("curl", served)
    assert address.endswith("/v1/chat/completions" if "messages" in body else "/v1/completions")


def test_tuned_weights_are_exported_by_a_command_that_finds_them(tmp_path: Path) -> None:
    result = write_result(tmp_path, run_of("lora"), CARD, [1.0, 0.0])
    for command, more in (
        (
            "gainboard run s.toml --results 'my results' --limit 5 --work=w",
            ["--results", "my results", "--work=w"],
        ),
        ("gainboard run 's", []),
    ):
        provenance = replace(result.provenance, command=command)
        box = run_box(result.model_copy(update={"provenance": provenance}))
        export = {snippet.title: snippet.text for snippet in box.snippets}[
            "Weights as a folder, checked and merged"
        ]
        assert shlex.split(export)[3:] == [result.run.folder.as_posix(), *more]


def test_what_vllm_cannot_serve_beside_a_base_is_merged_first(tmp_path: Path) -> None:
    for run in (run_of("dora"), run_of("lora", "models/small-q8.gguf", None)):
        said = snippets(tmp_path, run)
        assert said["transformers"].endswith('tokenizer.save_pretrained("merged")')
        assert shlex.split(said["vLLM"], comments=True) == ["vllm", "serve", "merged"]
    assert 'from_pretrained("models", gguf_file="small-q8.gguf", dtype="auto")' in said["transformers"]


def test_all_weights_are_a_model_of_their_own(tmp_path: Path) -> None:
    run = run_of("full")
    said = snippets(tmp_path, run)
    assert "peft" not in said["transformers"] and "Qwen" not in said["transformers"]
    assert f'AutoModelForCausalLM.from_pretrained("{weights_of(run)}", dtype="auto")' in said["transformers"]
    assert said["vLLM"] == f"vllm serve {weights_of(run)}"


def test_an_untuned_arm_is_its_base(tmp_path: Path) -> None:
    run = run_of("few_shot")
    said = snippets(tmp_path, run)
    assert weights_of(run) == "Qwen/Qwen2.5-0.5B-Instruct" and "PeftModel" not in said["transformers"]
    assert said["vLLM"] == f"vllm serve Qwen/Qwen2.5-0.5B-Instruct --revision {REVISION}"


def test_a_toy_is_found_where_its_package_lies(tmp_path: Path) -> None:
    said = snippets(tmp_path, run_of("zero_shot", "gainboard/toy-qwen3", None))
    names: dict[str, Any] = {}
    lines = said["transformers"].split("\n")
    exec(next(line for line in lines if "toy_folder" in line and "import" in line), names)
    assert (names["toy_folder"]("toy-qwen3") / "config.json").is_file()
    assert 'AutoModelForCausalLM.from_pretrained(toy_folder("toy-qwen3")' in said["transformers"]
    serve, folder = said["vLLM"].split('"$(')[0], said["vLLM"].split('"$(')[1].rpartition(')"')[0]
    assert serve == "vllm serve " and shlex.split(folder)[:2] == ["python", "-c"]


def test_an_ensemble_of_answers_has_no_weights_to_load(tmp_path: Path) -> None:
    members = [write_result(tmp_path, run_of("lora"), CARD, [1.0, 0.0])]
    members.append(write_result(tmp_path, run_of("full"), CARD, [1.0, 0.0]))
    result = write_ensemble(tmp_path, "together", "vote", members, [1.0, 0.0])
    box = run_box(result)
    assert "load each member" in box.about
    assert [snippet.title for snippet in box.snippets] == [
        "Settings, as a sweep file has them",
        "This run again",
    ]


@pytest.mark.parametrize("method", ["zero_shot", "lora", "full", "dora"])
def test_the_settings_make_the_same_training_in_another_sweep(method: Method) -> None:
    run = run_of(method)
    if method == "dora":
        run, _ = searched(run, scores={1e-4: 0.6, 3e-4: 0.7})
    table = tomllib.loads('name = "again"\ntasks = ["capitals"]\n\n' + settings_toml(run))
    sweep = Sweep.model_validate(
        table
        | {
            "candidates": [
                candidate | {"methods": tuple(candidate["methods"])} for candidate in table["candidates"]
            ],
            "tasks": ("capitals",),
        }
    )
    (spec,) = sweep.candidates
    assert (spec.name, spec.model, spec.revision, spec.methods) == (
        "small",
        run.candidate.model,
        REVISION,
        (method,),
    )
    if run.training is not None:
        tuner = run.stages[-1].tuner
        again = make_training({"learning_rate": 0.0, **spec.training}, tuner)
        assert again == run.training.as_declared


@pytest.mark.parametrize(
    ("command", "again"),
    [
        ("gainboard run sweep.toml", "gainboard run sweep.toml --only {}"),
        (
            "gainboard run 'my sweep.toml' --only 'x/*' --limit 5",
            "gainboard run 'my sweep.toml' --limit 5 --only {}",
        ),
        ("gainboard run s.toml --only=x --engine vllm", "gainboard run s.toml --engine vllm --only {}"),
        ("gainboard quickstart", "gainboard run quickstart --only {}"),
        ("gainboard score results", "gainboard score results"),
        ("gainboard run 'unbalanced", "gainboard run 'unbalanced"),
        ("", ""),
    ],
)
def test_the_command_of_a_sweep_is_restricted_to_one_run(command: str, again: str) -> None:
    run = run_of("lora")
    assert run_command(command, run) == again.format(run.folder.as_posix())


def test_the_verdict_the_model_and_the_run_say_how_to_use_what_is_advised(tmp_path: Path) -> None:
    cards = [task_card("rivers"), task_card("capitals")]
    write_sweep(tmp_path / "results", RATES, tasks=cards, n=60)
    site = publish(tmp_path / "results", tmp_path / "site").index.parent
    weights = weights_of(make_run("small", "lora", cards[1], 0))
    for page in ("index.html", model_href("small")):
        text = Text(site / page).text
        assert f"Weights: {weights}" in text
        assert "Other tasks: rivers ." in text
    opened = (
        Text(site / "index.html").text.partition("Details of small, LoRA r16")[2].partition("Details of")[0]
    )
    assert f"Weights {weights}." in opened and "This run again gainboard run" in opened
    assert "over few-shot. Seeds: 0 1" in opened and "Compare with few-shot zero-shot" in opened
    result = write_result(tmp_path / "other", make_run("small", "lora", cards[0], 2), cards[0], [1.0])
    own = Text(site / run_href(result)).text
    assert f"Weights: {weights_of(result.run)}" in own and "Other tasks:" not in own
    assert f"--only {result.run.folder.as_posix()}" in own


def test_weights_that_lie_elsewhere_are_told_with_their_place(tmp_path: Path) -> None:
    run = run_of("lora")
    folder = weights_of(run)
    places = {
        "node gpu-7 (10.0.0.7)": (f"{folder} on node gpu-7 (10.0.0.7)", "no other machine has the weights"),
        "s3://bucket/sweep/trained/k/weights": (
            "s3://bucket/sweep/trained/k/weights",
            f"copy them to {folder}",
        ),
        "": (folder, "the weights lie there unless somebody removed them"),
    }
    for number, (place, (where, about)) in enumerate(places.items()):
        box = run_box(
            write_result(tmp_path / str(number), run, CARD, [1.0, 0.0], trained={"weights_at": place})
        )
        assert box.weights == where
        assert about in box.about
