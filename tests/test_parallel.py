"""Two processes train as one does with the joint batch."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cvae_core import checkpoint
from cvae_core.runs import Run, list_runs
from tests.tiny import ROWS

ROOT = Path(__file__).parent.parent
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
LOSSES = ("loss", "recon", "kl", "prior", "consistency", "baseline", "cvae", "gsnn", "hybrid")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[dict[str, Run], dict[str, Run]]:
    """Runs of the three systems by name: of one process, and of two."""
    found = []
    for command in ([sys.executable, "-m"], TWO):
        folder = tmp_path_factory.mktemp("runs")
        subprocess.run([*command, "tests.joint", str(folder)], cwd=ROOT, check=True, capture_output=True, timeout=120)
        found.append({part.name: list_runs(part) for part in folder.iterdir()})
    one, two = found
    assert all(len(made) == 1 for made in two.values())  # one folder a training, not one a process
    return {name: made[0] for name, made in one.items()}, {name: made[0] for name, made in two.items()}


@pytest.mark.parametrize("name", ["source-003-label", "source-003-quadrants", "tense", "video"])
def test_two_processes_have_the_losses_of_one(trained, name):
    alone, joint = (runs[name].read_metrics() for runs in trained)
    assert len(alone) == len(joint) > 1
    seen = [key for key in LOSSES if key in alone[0]]
    assert {"loss", "recon", "kl"} <= set(seen)
    for a, b in zip(alone, joint, strict=True):
        assert [b[key] for key in seen] == pytest.approx([a[key] for key in seen], rel=1e-5, abs=1e-5)


def test_two_processes_keep_the_weights_of_one(trained):
    alone, joint = (checkpoint.read(runs["tense"].path / "best.safetensors")[0] for runs in trained)
    for name, weights in alone.items():
        torch.testing.assert_close(joint[name], weights, rtol=1e-3, atol=1e-4)


def test_a_joint_training_stops_as_one_and_goes_on(tmp_path):
    rows = tmp_path / "verbs.txt"
    rows.write_text("\n".join(ROWS.split(",")) + "\n", "utf-8")
    environment = os.environ | {"CVAE_RUNS": str(tmp_path / "runs"), "OMP_NUM_THREADS": "1"}
    sizes = ["--hidden-size", "16", "--state-width", "16", "--train-on", "all", "--batch-size", "8"]
    command = [*TWO, "cvae_core", "train", "tense", "--data", str(rows), *sizes]
    process = subprocess.Popen([*command, "--epochs", "100000"], cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (found := list_runs(tmp_path / "runs")) or not found[0].read_metrics():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    (run,) = list_runs(tmp_path / "runs")
    assert run.state == "stopped" and run.resumable
