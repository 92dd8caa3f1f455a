"""Damaged and hostile checkpoints, and names, links and addresses that lead out of their folder."""

import json
import struct
from pathlib import Path

import pytest
import torch

from cvae_core import checkpoint, runs
from cvae_core.__main__ import main
from cvae_core.errors import UserError
from cvae_core.tense.inference import load
from tests.pages import open_page, without_links
from tests.tiny import tiny_task


def header_only(elements: int) -> bytes:
    """A file whose header declares a tensor of so many elements, without their data."""
    header = json.dumps({
        "__metadata__": {"cvae": "{}"}, "a": {"dtype": "F32", "shape": [elements], "data_offsets": [0, 4 * elements]}
    }).encode()  # fmt: skip
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize(
    "data", [header_only(10**9), header_only(2**62), struct.pack("<Q", 2**63) + b"{}", b"{" * 10**5, b"\x80\x04."],
    ids=["10^9 elements", "2^62 elements", "2^63 bytes of header", "braces", "a pickle"],
)  # fmt: skip
def test_a_file_that_declares_too_much_gets_a_sentence(data, tmp_path, capsys):
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(data)
    assert main(["convert", "walk", "--to", "past", "--checkpoint", str(path)]) == 2
    assert "hostile.safetensors is not a checkpoint of this program" in capsys.readouterr().err
    assert checkpoint.system_of(path) is None


def test_weights_that_do_not_fit_get_a_sentence(tmp_path):
    tensors, metadata = tiny_task().checkpoint()
    name = next(name for name, tensor in tensors.items() if tensor.dim() == 2)
    wide = {name: torch.ones(1, 10**6, dtype=torch.int8), f"{name}:scale": torch.ones(10**5, 1)}  # 10^11 together
    cases = {
        "shapes": (tensors | {name: tensors[name][:-1]}, metadata, "do not fit"),
        "infinite": (tensors | {name: tensors[name] / 0}, metadata, "not finite"),
        "infinite-half": (tensors | {name: (tensors[name] / 0).half()}, metadata, "not finite"),
        "product": (tensors | wide, metadata, "not a checkpoint"),
        "complex": (tensors | {name: tensors[name].to(torch.complex64)}, metadata, "not a checkpoint"),
        "float8": (tensors | {name: tensors[name].to(torch.float8_e5m2)}, metadata, "not a checkpoint"),
        "no-config": (tensors, metadata | {"config": None}, "no config"),
        "list": (tensors, metadata | {"config": [1]}, "no config"),
        "rows": (tensors, metadata | {"rows": [[["../x"]] * 4]}, "rows.safetensors is damaged"),
        "no-rows": (tensors, metadata | {"rows": []}, "damaged"),
        "numbers": (tensors, metadata | {"rows": 5}, "damaged"),
    }
    for case, (weights, data, message) in cases.items():
        checkpoint.write(tmp_path / f"{case}.safetensors", weights, data)
        with pytest.raises(UserError, match=message):
            load(str(tmp_path / f"{case}.safetensors"))


@pytest.mark.parametrize("pack", ["", "float16", "int8"])
def test_a_changed_byte_of_the_weights_is_noticed_packed_or_not(pack, stopped_run, tmp_path):
    path = tmp_path / "changed.safetensors"
    checkpoint.copy(stopped_run.path / "weights.safetensors", path, pack)
    load(str(path))
    data = bytearray(path.read_bytes())
    (header,) = struct.unpack("<Q", data[:8])
    for i in (8 + header, (8 + header + len(data)) // 2, len(data) - 1):
        path.write_bytes(data[:i] + bytes([data[i] ^ 4]) + data[i + 1 :])
        with pytest.raises(UserError, match="changed.safetensors is damaged"):
            load(str(path))


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "..", ".hidden", "", "x\0", "~/x", "x" * 65])
def test_names_do_not_lead_out_of_their_folder(name, capsys, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    if name:
        assert main(["train", "tense", "--out", name, "--epochs", "1"]) == 2
        assert "cannot name a checkpoint" in capsys.readouterr().err
    assert main(["train", "tense", "--resume", name]) == 2
    assert "There is no run" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_with_a_path_opens_no_file(stopped_run, monkeypatch):
    without_links(monkeypatch)
    checkpoint.copy(stopped_run.path / "weights.safetensors", checkpoint.CHECKPOINTS / "tense.safetensors")
    read, opened = checkpoint.read, []
    monkeypatch.setattr(checkpoint, "read", lambda path, *rest: opened.append(Path(path).name) or read(path, *rest))
    for path in (str(stopped_run.path / "weights.safetensors"), "../runs/x"):
        at = open_page("convert", model=path)
        assert at.selectbox(key="model").value == "tense"
    open_page("train", run=path)
    assert set(opened) <= {"tense.safetensors"}


def test_saving_over_a_link_leaves_its_target_alone(stopped_run, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (checkpoint.CHECKPOINTS / "link.safetensors").symlink_to(outside)
    assert "link" not in checkpoint.available("tense")
    checkpoint.copy(stopped_run.path / "weights.safetensors", checkpoint.CHECKPOINTS / "link.safetensors")
    assert outside.read_text() == "mine" and "link" in checkpoint.available("tense")
    runs.RUNS.mkdir()
    (runs.RUNS / "20260101-000000-link").symlink_to(stopped_run.path)
    with pytest.raises(UserError, match="Cannot remove"):
        runs.delete(runs.find("20260101-000000-link"))
    assert stopped_run.resumable
