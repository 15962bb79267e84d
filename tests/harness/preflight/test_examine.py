"""Models are looked at before a sweep begins:
what is wrong is one sentence for each, in seconds, and the sweep does not start."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from gguf_files import llama_tensors, sentencepiece, small_metadata, write_gguf
from installed import need
from toy_task import adding

from harness import cli
from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.plan.runs import make_runs
from harness.preflight import examine as examining
from harness.preflight import room
from harness.preflight.probes import Probes, telling_samples
from harness.sweep.sweep import Sweep
from harness.task import Sample
from harness.toys import toy_folder
from harness.workers.worker import Message, Worker

need("transformers", reason="needs the train extra")

SWEEP = """
name = "s"
tasks = ["date_normalise"]
seeds = [0]
n_train = 100
[generation]
max_tokens = {max_tokens}
"""

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def copy_toy(name: str, *, template: str | None = None, **tokenizer: Any) -> None:
    """A toy in a folder of this name,
    with another chat template and other keys in its tokenizer's settings."""
    folder = shutil.copytree(toy_folder("toy-llama"), name)
    if template is not None:
        (Path(folder) / "chat_template.jinja").write_text(template)
    path = Path(folder) / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | tokenizer))


def write_sweep(*models: str, methods: str = '["zero_shot"]', max_tokens: int = 16) -> None:
    tables = [
        f'[[candidates]]\nname = "{Path(model).name}"\nmodel = "{model}"\nmethods = {methods}\n'
        for model in models
    ]
    Path("sweep.toml").write_text(SWEEP.format(max_tokens=max_tokens) + "".join(tables))


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_sweep_with_a_damaged_model_is_refused_before_anything_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy_toy("without-end", eos_token=None)
    copy_toy("raises", template="{{ raise_exception('No.') }}")
    write_sweep("./without-end", "./raises", "gainboard/toy-llama", methods='["zero_shot", "lora"]')
    expected = [
        "candidate 'without-end': the tokenizer has no eos_token, so a tuned answer has no end to learn; "
        "name the token that ends an answer as eos_token in tokenizer_config.json",
        "candidate 'raises': the chat template cannot render its prompts: it raises "
        "TemplateError: No.; correct the template, or set chat = false for this candidate",
    ]
    assert call("run", "sweep.toml", "--engine", "transformers") == 2
    assert capsys.readouterr().err == f"gainboard: {expected[0]}\n{expected[1]}\n"
    assert not Path("results").exists()
    assert call("check", "sweep.toml") == 2
    said = capsys.readouterr().out
    assert all(f"✗ sweep.toml, {sentence.replace(': ', ' ', 1)}" in said for sentence in expected)


def write_tuning_sweep(*, lora: str = "", training: str = "") -> None:
    write_sweep("gainboard/toy-llama", methods='["lora", "full"]')
    settings = f"[defaults.training]\n{training}\n[defaults.lora]\n{lora}\n"
    Path("sweep.toml").write_text(
        Path("sweep.toml").read_text().replace("[[candidates]]", f"{settings}[[candidates]]")
    )


@pytest.mark.parametrize(
    ("lora", "sentence"),
    [
        (
            'target_modules = ["q_proj", "v_porj"]',
            "target_modules: 'v_porj' matches no module of this model. Did you mean 'v_proj'? There are q_proj,",
        ),
        (
            'target_modules = ["q_proj", "embed_tokens"]',
            "target_modules: 'embed_tokens' reaches model.embed_tokens, whose weights are also those of lm_head (tied "
            "embeddings)",
        ),
        (
            'target_modules = ".*(q_proj|lm_head)"',
            "target_modules: '.*(q_proj|lm_head)' reaches lm_head, whose weights are also those of model.embed_tokens",
        ),
        (
            'target_modules = [["q_proj"], ["q_proj", "w_proj"]]\n',
            "target_modules: 'w_proj' matches no module of this model.",
        ),
    ],
)
def test_layers_that_no_adapter_can_go_beside_are_refused_before_anything_is_done(
    lora: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    need("peft", reason="needs the train extra")
    write_tuning_sweep(lora=lora)
    assert call("check", "sweep.toml") == 2
    assert f"✗ sweep.toml, candidate 'toy-llama' {sentence}" in capsys.readouterr().out
    assert call("run", "sweep.toml", "--engine", "transformers") == 2
    assert capsys.readouterr().err.startswith(f"gainboard: candidate 'toy-llama': {sentence}")
    assert not Path("results").exists()


def test_what_one_candidate_names_is_not_said_of_another(capsys: pytest.CaptureFixture[str]) -> None:
    """Every candidate of a model was told all faults of all of them."""
    need("peft", reason="needs the train extra")
    write_sweep("gainboard/toy-llama", methods='["lora"]')
    right, wrong = (
        '[candidates.lora]\ntarget_modules = ["q_proj"]\n',
        '[candidates.lora]\ntarget_modules = ["w_proj"]\n',
    )
    table = Path("sweep.toml").read_text().partition("[[candidates]]")[2].replace('"toy-llama"', '"other"')
    Path("sweep.toml").write_text(f"{Path('sweep.toml').read_text()}{right}[[candidates]]{table}{wrong}")
    assert call("check", "sweep.toml") == 2
    said = capsys.readouterr().out
    assert said.count("target_modules") == 1 and "candidate 'other' target_modules: 'w_proj'" in said


def change_config(folder: str, **changed: Any) -> None:
    path = Path(folder) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def rename_tensor(folder: str) -> None:
    from safetensors.torch import load_file, save_file

    path = Path(folder) / "model.safetensors"
    tensors = load_file(path)
    tensors["model.layers.0.self_attn.query.weight"] = tensors.pop("model.layers.0.self_attn.q_proj.weight")
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (rename_tensor, "lack 1 tensor of their architecture"),
        (lambda folder: change_config(folder, intermediate_size=7), "have another shape for "),
        (
            lambda folder: change_config(folder, rope_parameters={"rope_type": "zork", "rope_theta": 1e4}),
            "it cannot be loaded: KeyError: 'zork'; correct its config.json",
        ),
        (
            lambda folder: change_config(
                folder, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}
            ),
            "it cannot be loaded: ImportError: ",
        ),
        (
            lambda folder: change_config(folder, model_type="gpt2", architectures=["GPT2LMHeadModel"]),
            "tensors of their architecture (GPT2LMHeadModel)",
        ),
    ],
    ids=["a renamed tensor", "another width", "no such positions", "a library is missing", "another model"],
)
def test_a_folder_that_no_worker_could_load_is_refused_before_the_sweep(
    damage: Any, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of its runs failed, one after the other, in the words of the library."""
    copy_toy("odd")
    damage("odd")
    write_sweep("./odd")
    assert call("check", "sweep.toml") == 2
    said = capsys.readouterr().out
    assert "✗ sweep.toml, candidate 'odd' " in said and sentence in said
    assert call("run", "sweep.toml", "--engine", "transformers") == 2
    assert not Path("results").exists()


def test_layers_are_looked_at_only_where_a_sweep_names_some(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = []

    class Counting(Worker):
        """Takes down what is started."""

        def __init__(self, module: str, *arguments: Any, **named: Any) -> None:
            started.append(module)
            super().__init__(module, *arguments, **named)

    monkeypatch.setattr(examining, "Worker", Counting)
    write_tuning_sweep()
    assert call("check", "sweep.toml") == 0
    write_tuning_sweep(lora='target_modules = ["q_proj", "v_proj"]')
    assert call("check", "sweep.toml") == 0
    assert started == ["harness.preflight", "harness.preflight", "harness.preflight.architecture"]
    assert "target_modules" not in capsys.readouterr().out


def test_a_template_without_end_is_given_up_and_the_next_model_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(examining, "PROCESSOR_SECONDS", 1.0)
    copy_toy("endless", template=ENDLESS)
    write_sweep("./endless", "gainboard/toy-qwen3", max_tokens=2)
    assert call("check", "sweep.toml", "--json") == 2
    findings = json.loads(capsys.readouterr().out)
    (endless,) = [finding for finding in findings if finding["level"] == "error"]
    assert endless["where"] == "sweep.toml, candidate 'endless'"
    assert endless["message"].startswith(
        "rendering its chat template was not over after 1 s of computing; is a file of the model damaged?"
    )
    assert any(
        "targets looked at are longer than max_tokens = 2" in finding["message"] for finding in findings
    )


def test_a_machine_that_is_too_busy_refuses_no_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(examining, "SECONDS_EACH", 0.2)  # by the clock, which counts what others do
    copy_toy("slow", template=ENDLESS)
    write_sweep("./slow")
    assert call("check", "sweep.toml") == 0
    said = capsys.readouterr().out
    assert re.search(
        r"! sweep.toml, candidate 'slow' .* was not over after 0 seconds, so it was looked at in part", said
    )


def test_a_model_that_the_process_dies_of_is_refused_and_the_next_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Dying(Worker):
        """Dies of the first model that it is asked for."""

        def request(self, job: Message, *arguments: Any, **named: Any) -> Message:
            if "fatal" in job["model"]:
                self._process.kill()
            return super().request(job, *arguments, **named)

    monkeypatch.setattr(examining, "Worker", Dying)
    copy_toy("fatal")
    write_sweep("./fatal", "gainboard/toy-qwen3", max_tokens=2)
    assert call("check", "sweep.toml") == 2
    said = capsys.readouterr().out
    assert re.search(
        "✗ sweep.toml, candidate 'fatal' .* ended the process that did it; is a file of the model damaged?",
        said,
    )
    assert "! sweep.toml, candidate 'toy-qwen3', task 'date_normalise' " in said


def test_a_process_that_cannot_start_keeps_nobody_from_a_sweep(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Missing(Worker):
        """A process whose libraries do not load."""

        def __init__(self, module: str, *arguments: Any, **named: Any) -> None:
            super().__init__(f"{module}.missing", *arguments, **named)

    monkeypatch.setattr(examining, "Worker", Missing)
    write_sweep("gainboard/toy-qwen3")
    assert call("check", "sweep.toml") == 0
    assert (
        "! sweep.toml, candidate 'toy-qwen3' it could not be looked at: the preflight.missing worker ended"
        in (capsys.readouterr().out)
    )


def test_a_model_has_one_job_with_each_question_and_the_largest_budget_of_each_task() -> None:
    declared = {
        "name": "s",
        "tasks": ["adding"],
        "seeds": [0, 1],
        "n_train": [2, 4],
        "candidates": [
            {
                "name": "a",
                "model": "gainboard/toy-llama",
                "methods": ["zero_shot", "few_shot", "lora", "full"],
            },
            {"name": "b", "model": "gainboard/toy-llama", "methods": ["zero_shot"]},
            {"name": "plain", "model": "gainboard/toy-llama", "methods": ["zero_shot"], "chat": False},
        ],
    }
    tasks = {"adding": LoadedTask(adding(), load_dataset(adding()))}
    sweep = Sweep.model_validate(declared)
    runs = make_runs(sweep, tasks, fingerprint=lambda model, revision: "f", limit=None)
    together, plain = Probes(tasks, downloads=False).jobs(runs)
    assert (together.candidates, plain.candidates) == (("a", "b"), ("plain",))
    assert [probe.num_fewshot for probe in together.prompts] == [0, 4]
    assert [len(probe.rows) for probe in together.trainings] == [4]


def test_samples_that_tell_most_are_looked_at() -> None:
    samples = [Sample(str(place), {"text": "a" * place}, "b" * (1000 - place)) for place in range(1000)]
    chosen = [int(sample.id) for sample in telling_samples(samples).samples]
    assert chosen == sorted(chosen) and len(chosen) < 70
    assert {0, 1, 2, 500, 998, 999} <= set(chosen)
    assert telling_samples(samples[:3]).samples == samples[:3]


def test_a_check_only_warns_of_a_model_that_does_not_fit_the_machine_it_is_checked_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(room, "memory_bytes", lambda: 1000)
    write_sweep("gainboard/toy-llama")
    assert call("check", "sweep.toml") == 0
    assert (
        "! sweep.toml, candidate 'toy-llama' answering takes at least 5 MB of memory"
        in capsys.readouterr().out
    )


def test_a_gguf_file_that_was_not_converted_yet_is_looked_at_without_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAINBOARD_CACHE", str(tmp_path / "cache"))
    need("gguf", reason="needs the train extra")
    template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
    said = sentencepiece(tokenizer__chat_template=template)
    rows = len(said["tokenizer.ggml.tokens"])
    write_gguf(tmp_path / "small.gguf", small_metadata(llama__context_length=512) | said, llama_tensors(rows))
    cut = sentencepiece(
        tokenizer__ggml__model="gpt2", tokenizer__ggml__pre="unheard-of", tokenizer__ggml__merges=["h e"]
    )
    write_gguf(tmp_path / "odd.gguf", small_metadata() | cut, llama_tensors(rows))
    write_sweep("small.gguf", "odd.gguf", max_tokens=2)
    assert call("check", "sweep.toml") == 2
    told = capsys.readouterr().out
    assert "! sweep.toml, candidate 'small.gguf' the chat template puts nothing behind an answer" in told
    assert re.search(
        "! sweep.toml, candidate 'small.gguf', task .* targets looked at are longer than max_tokens", told
    )
    assert re.search(
        r"✗ sweep.toml, candidate 'odd.gguf' .*odd.gguf cuts texts in the way 'unheard-of'", told
    )
    assert call("run", "sweep.toml", "--dry-run", "--limit", "4") == 0
    assert (
        "as each model reads them; for odd.gguf, whose tokenizers could not be used here, from characters"
    ) in " ".join(capsys.readouterr().out.split())
    assert not (tmp_path / "cache").exists(), "nothing was converted"
