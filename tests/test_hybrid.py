"""scripts.hybrid: the hybrid's branch alone, trained on many samples of the prior."""

import torch

from cvae_core import checkpoint
from scripts import hybrid
from tests.tiny_pictures import tiny_digits, write_mnist


def test_only_the_hybrid_is_trained(checkpoint_root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("cvae_core.digits.metrics.MC_SAMPLES", 5)
    task = tiny_digits()
    path = checkpoint_root / "small.safetensors"
    checkpoint.write(path, *task.checkpoint())
    checkpoint.copy(path, path, "int8")
    before, metadata = checkpoint.read(path)
    data = str(write_mnist(tmp_path, n=300))
    hybrid.main(["--data", data, "--checkpoint", "small", "--epochs", "2", "--samples", "4", "--device", "cpu"])
    after, new = checkpoint.read(path)
    assert new == metadata and new["config"]["objective"] == "all"
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed and all(name.startswith("branches.hybrid.") for name in changed)
    assert capsys.readouterr().out.count("{'1': ") == 2  # scores before and after
