"""A model name is a toy, a folder or a hub id; each is refused for its own reasons."""

import json
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.sweep import model_files
from harness.sweep.models import check_model, fingerprint, is_on_this_machine, model_kind

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a small saved model; nothing here loads them."""
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "tokenizer.json").write_text('{"vocabulary": ["a", "b"]}')
    header = json.dumps(
        {"weight": {"dtype": "U8", "shape": [256, 12_000], "data_offsets": [0, 256 * 12_000]}}
    ).encode()
    weights = len(header).to_bytes(8, "little") + header + bytes(range(256)) * 12_000
    (tmp_path / "model.safetensors").write_bytes(weights)
    return tmp_path


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("gainboard/toy-llama", "toy"),
        ("gainboard/toy-unheard-of", "toy"),
        ("Qwen/Qwen2.5-0.5B", "hub"),
        ("./models/mine", "folder"),
        ("/models/mine", "folder"),
        ("../mine", "folder"),
        ("a/b/c", "folder"),
        ("mine", "folder"),
        ("", "folder"),
    ],
)
def test_a_name_tells_what_it_is(model: str, kind: str) -> None:
    assert model_kind(model) == kind


def test_an_existing_folder_wins_over_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert model_kind("owner/name") == "folder"


def test_a_good_folder_a_pinned_hub_id_and_a_known_toy_pass(folder: Path) -> None:
    check_model(str(folder), None, "here")
    check_model("Qwen/Qwen2.5-0.5B", COMMIT, "here")
    check_model("gainboard/toy-llama", None, "here")


@pytest.mark.parametrize(
    ("model", "revision", "says"),
    [
        (
            "gainboard/toy-lama",
            None,
            "toy model 'gainboard/toy-lama' not found. Did you mean 'gainboard/toy-llama'?",
        ),
        ("Qwen/Qwen2.5-0.5B", None, "needs `revision`, the 40-hex commit"),
        ("Qwen/Qwen2.5-0.5B", "main", "needs `revision`, the 40-hex commit"),
        ("./nowhere", None, "'./nowhere' is neither an existing folder nor a Hugging Face id"),
        ("gpt2", None, "'gpt2' is neither an existing folder nor a Hugging Face id"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(model: str, revision: str | None, says: str) -> None:
    with pytest.raises(UserError) as raised:
        check_model(model, revision, "sweep.toml, candidate 'small'")
    assert str(raised.value).startswith("sweep.toml, candidate 'small': ")
    assert says in str(raised.value)


def test_a_folder_without_config_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(UserError, match=r"holds no config\.json"):
        check_model(str(folder), None, "here")


def test_a_folder_with_pickled_weights_only_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"only as pickles.*convert them"):
        check_model(str(folder), None, "here")


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="holds no weights"):
        check_model(str(folder), None, "here")


def test_pickles_beside_safetensors_are_no_fault(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"")
    check_model(str(folder), None, "here")


def test_the_fingerprint_of_a_hub_model_is_its_revision() -> None:
    assert fingerprint("Qwen/Qwen2.5-0.5B", COMMIT) == COMMIT


def test_toys_have_different_fingerprints() -> None:
    assert fingerprint("gainboard/toy-llama", None) != fingerprint("gainboard/toy-neox", None)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_the_fingerprint_of_a_folder_changes_with_its_configuration_and_tokenizer(
    folder: Path, name: str
) -> None:
    before = fingerprint(str(folder), None)
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace("a", "x"))
    assert fingerprint(str(folder), None) != before


@pytest.mark.parametrize("at", [100, -100])
def test_the_fingerprint_of_a_folder_changes_with_the_first_and_last_weights(folder: Path, at: int) -> None:
    before = fingerprint(str(folder), None)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[at] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert fingerprint(str(folder), None) != before


def test_the_fingerprint_of_a_folder_does_not_depend_on_where_it_lies_or_on_its_read_me(folder: Path) -> None:
    before = fingerprint(str(folder), None)
    (folder / "README.md").write_text("about this model")
    moved = folder.rename(folder.with_name("moved"))
    assert fingerprint(str(moved), None) == before


@pytest.mark.parametrize(
    "contents",
    [b"", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", b"\x02" + b"\0" * 7 + b"{]"],
)
def test_weights_that_are_no_safetensors_are_named(folder: Path, contents: bytes) -> None:
    (folder / "model.safetensors").write_bytes(contents)
    with pytest.raises(UserError, match=r"model\.safetensors is not a safetensors file"):
        check_model(str(folder), None, "here")


def test_a_change_in_the_middle_of_large_weights_changes_the_fingerprint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_files, "_WHOLE", 1 << 20)
    before = fingerprint(str(folder), None)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    middle = len(weights) // 2
    weights[middle : middle + 8192] = b"\xff" * 8192
    (folder / "model.safetensors").write_bytes(weights)
    assert fingerprint(str(folder), None) != before


@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE"])
def test_a_hub_model_is_here_once_its_revision_is_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    assert not is_on_this_machine("Qwen/Qwen2.5-0.5B", COMMIT)
    cache = tmp_path / "hub" if variable == "HF_HOME" else tmp_path
    snapshot = cache / "models--Qwen--Qwen2.5-0.5B" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "tokenizer.json").touch()
    assert not is_on_this_machine("Qwen/Qwen2.5-0.5B", COMMIT)
    (snapshot / "model.safetensors").touch()
    assert is_on_this_machine("Qwen/Qwen2.5-0.5B", COMMIT)
    assert not is_on_this_machine("Qwen/Qwen2.5-0.5B", "f" * 40)
    assert is_on_this_machine("gainboard/toy-llama", None)
