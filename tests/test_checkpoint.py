import pickle
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cvae_core import checkpoint, runs
from cvae_core.errors import UserError
from cvae_core.tense.inference import load
from tests.tiny import tiny_task


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tiny.safetensors"
    checkpoint.write(path, *tiny_task().checkpoint())
    return path


def test_round_trip(path):
    task = tiny_task()
    model = load(str(path))
    assert model.model.config == task.config and model.verbs == list(task.verbs)
    assert all(torch.equal(v, task.model.state_dict()[k]) for k, v in model.model.state_dict().items())
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def flip(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


@pytest.mark.parametrize(
    "damage",
    [
        flip, lambda d: b"", lambda d: d[:1000], lambda d: d[:-1], lambda d: pickle.dumps({"a": 1}),
        lambda d: (10**9).to_bytes(8, "little") + b"{}", lambda d: b"x" * 5000,
    ],
    ids=["flipped bit", "empty", "cut in the header", "cut at the end", "pickle", "huge header", "noise"],
)  # fmt: skip
def test_damage_is_a_sentence(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="tiny.safetensors"):
        load(str(path))


def test_strangers_are_sentences(path, tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="not a checkpoint"):
        load(str(tmp_path / "foreign.safetensors"))
    tensors, metadata = tiny_task().checkpoint()
    cases = {
        "nan": ({k: v * float("nan") for k, v in tensors.items()}, metadata, "finite"),
        "short": ({"out.weight": tensors["out.weight"]}, metadata, "do not fit"),
        "other": (tensors, metadata | {"system": "video"}, "of video"),
        "field": (tensors, metadata | {"config": {"surprise": 1}}, "surprise"),
    }
    for name, (weights, data, message) in cases.items():
        checkpoint.write(tmp_path / f"{name}.safetensors", weights, data)
        with pytest.raises(UserError, match=message):
            load(str(tmp_path / f"{name}.safetensors"))


@pytest.mark.parametrize("name", ["nothing", "../nowhere/else", "", "a/b", "tense\0", "x" * 5000])
def test_an_unknown_name_lists_the_known(name):
    with pytest.raises(UserError, match="no checkpoint"):
        checkpoint.find(name)


@pytest.mark.parametrize("run_id", ["", "..", "../runs", "a/b", ".hidden", "none"])
def test_a_run_is_found_by_its_id_alone(run_id, tmp_path):
    with pytest.raises(UserError, match="no run"):
        runs.find(run_id, tmp_path)


def test_the_shipped_model_is_listed_and_small():
    assert "tense" in checkpoint.available("tense")
    assert checkpoint.find("tense").stat().st_size < 12 * 2**20
    assert not any(Path(checkpoint.CHECKPOINTS).glob(".*tmp"))


def test_the_digits_share_eight_megabytes():
    assert sum(checkpoint.find(name).stat().st_size for name in checkpoint.available("digits")) <= 8e6


@pytest.mark.parametrize(("pack", "share", "error"), [("float16", 0.6, 1e-3), ("int8", 0.4, 0.02)])
def test_a_packed_copy_is_smaller_and_nearly_the_same(pack, share, error, tmp_path):
    whole, packed = tmp_path / "whole.safetensors", tmp_path / "packed.safetensors"
    weights = {"weights": torch.randn(100, 100), "bias": torch.randn(100), "zeros": torch.zeros(2, 3)}
    checkpoint.write(whole, weights | {"count": torch.tensor([3])}, {"system": "tense"})
    checkpoint.copy(whole, packed, pack)
    tensors, metadata = checkpoint.read(packed)
    assert tensors.keys() == {*weights, "count"} and tensors["count"].tolist() == [3]
    for name, tensor in weights.items():
        torch.testing.assert_close(tensors[name].float(), tensor, rtol=1e-3, atol=error)
    assert metadata["system"] == "tense"
    assert packed.stat().st_size < share * whole.stat().st_size
    checkpoint.copy(packed, whole)
    assert whole.read_bytes() == packed.read_bytes()


@pytest.mark.parametrize("tensors", [{"a": torch.ones(2, 2)}, {}], ids=["of another shape", "missing"])
def test_a_scale_without_its_matrix_is_no_checkpoint(tensors, tmp_path):
    checkpoint.write(tmp_path / "x.safetensors", tensors | {"a:scale": torch.ones(3, 1)}, {"system": "tense"})
    with pytest.raises(UserError, match="not a checkpoint"):
        checkpoint.read(tmp_path / "x.safetensors")


def test_a_file_is_read_for_its_system_once_and_again_when_it_changed(path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        checkpoint, "safe_open", lambda file, **options: opened.append(file) or safe_open(file, **options)
    )
    assert [checkpoint.system_of(path) for _ in range(3)] == ["tense"] * 3 and opened == [path]
    checkpoint.write(path, {"a": torch.zeros(1)}, {"system": "other"})
    assert checkpoint.system_of(path) == "other" and len(opened) == 2
    path.unlink()
    assert checkpoint.system_of(path) is None
