"""Two processes train as one does with the joint batch."""

import os
import signal
import subprocess

import pytest
import torch

from cvae_core import checkpoint
from cvae_core.run import Run
from cvae_core.runs import list_runs
from tests.helpers import python, run_python, wait_until, write_verbs

pytestmark = pytest.mark.slow  # most of a minute: they start four processes
TWO = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
LOSSES = ("loss", "recon", "kl", "prior", "consistency", "baseline", "cvae", "gsnn", "hybrid")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[dict[str, Run], dict[str, Run]]:
    """Runs of the three systems by name: of one process, and of two."""
    results = []
    for command in (["-m"], TWO):
        folder = tmp_path_factory.mktemp("runs")
        done = run_python(*command, "tests.joint", folder)
        assert done.returncode == 0, done.stderr
        results.append({part.name: list_runs(part) for part in folder.iterdir()})
    one, two = results
    assert all(len(found) == 1 for found in two.values())  # one folder per training, not one per process
    return {name: found[0] for name, found in one.items()}, {name: found[0] for name, found in two.items()}


@pytest.mark.parametrize("name", ["source-003-label", "source-003-quadrants", "tense", "video"])
def test_two_processes_have_the_losses_of_one(trained, name):
    alone, joint = (runs[name].read_metrics() for runs in trained)
    assert len(alone) == len(joint) > 1
    keys = [key for key in LOSSES if key in alone[0]]
    assert {"loss", "recon", "kl"} <= set(keys)
    for a, b in zip(alone, joint, strict=True):
        assert [b[key] for key in keys] == pytest.approx([a[key] for key in keys], rel=1e-5, abs=1e-5)


def test_two_processes_keep_the_weights_of_one(trained):
    alone, joint = (checkpoint.read(runs["tense"].path / "weights.safetensors")[0] for runs in trained)
    for name, weights in alone.items():
        torch.testing.assert_close(joint[name], weights, rtol=1e-3, atol=1e-4)


def test_a_joint_training_stops_as_one_and_goes_on(tmp_path):
    rows, root = write_verbs(tmp_path / "verbs.txt"), tmp_path / "runs"
    sizes = ["--hidden-size", "16", "--state-width", "16", "--train-on", "all", "--batch-size", "8"]
    command = [*TWO, "cvae_core", "train", "tense", "--data", rows, *sizes]
    process = python(
        *command, "--epochs", 100_000, runs=root, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE
    )
    wait_until(lambda: process.poll() is not None or any(run.read_metrics() for run in list_runs(root)), 60)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    (run,) = list_runs(root)
    assert run.state == "stopped" and run.resumable
