"""Killed processes, two processes on one run, process ids that are used again, and runs submitted twice."""

import json
import os
import signal

import pytest

from cvae_core import runs
from cvae_core.errors import UserError
from cvae_core.jobs import Jobs
from cvae_core.session import reopen
from cvae_core.training import fit
from tests.helpers import (
    after_epochs,
    assert_same,
    copy_run,
    python_to_file,
    resume,
    temporary_files,
    tiny_session,
    wait_until,
)

DIE_AT_SECOND_WRITE = """
import os, signal, sys
from pathlib import Path
import torch
from cvae_core import runs
from cvae_core.session import reopen
from cvae_core.training import fit

writes, replace = 0, os.replace

def replace_or_die(source, target):
    global writes
    writes += Path(target).name == sys.argv[2]
    os.kill(os.getpid(), signal.SIGKILL) if writes == 2 else replace(source, target)

os.replace = replace_or_die
torch.set_num_threads(1)  # as the trainings that it is compared to: sums of two threads may differ
fit(*reopen(sys.argv[1]), lambda: False)
"""


def test_a_kill_within_saving_leaves_the_old_file_and_the_half_written_one_is_removed(
    stopped_run, uninterrupted, tmp_path
):
    run = copy_run(stopped_run, "20260101-000000-killed")
    killed = python_to_file("-c", DIE_AT_SECOND_WRITE, run.id, "last.safetensors", output=tmp_path / "output")
    assert killed.wait(240) == -signal.SIGKILL
    assert [path.name.rpartition(".safetensors")[0] for path in temporary_files()] == [".last"]
    assert run.state == "interrupted" and run.read_last()[1]["epoch"] == 3
    assert resume(run) == "finished"
    assert_same(run, uninterrupted)
    assert not temporary_files()


def test_of_two_processes_that_resume_one_run_one_trains_and_one_gets_a_sentence(tmp_path):
    task, run = tiny_session(epochs=100_000)
    fit(task, run, after_epochs(1, run))
    outputs = {}
    for i in range(2):
        output = tmp_path / f"output {i}"
        outputs[python_to_file("-m", "cvae_core", "train", "tense", "--resume", run.id, output=output)] = output
    try:
        wait_until(lambda: any(process.poll() is not None for process in outputs) and len(run.read_metrics()) > 2, 240)
        loser, winner = sorted(outputs, key=lambda process: process.poll() is None)
        assert loser.returncode == 2 and winner.poll() is None
        sentence = outputs[loser].read_text()
        assert "Traceback" not in sentence
        assert f"{run.id} is running" in sentence or f"Run {run.id} is being trained by another process" in sentence
        assert run.state == "running"
        with pytest.raises(UserError, match="is running"):
            reopen(run.id)
        with pytest.raises(UserError, match=f"by another process .PID {winner.pid}."):
            fit(task, run)  # as a process that checked before the other began
        with pytest.raises(UserError, match="stop it first"):
            runs.delete(run)
        assert run.state == "running"
    finally:
        for process in outputs:
            process.kill()
            process.wait()
    assert run.state == "interrupted"  # at once: the lock went with its process
    assert fit(*reopen(run.id), after_epochs(len(run.read_metrics()) + 1, run)) == "stopped"
    runs.delete(run)


def test_a_process_id_that_another_process_has_now_does_not_lock_a_run(stopped_run):
    run = copy_run(stopped_run, "20260101-000000-reused")
    status = json.loads((run.path / "status.json").read_text()) | {"state": "running", "pid": os.getppid()}
    (run.path / "status.json").write_text(json.dumps(status))
    assert run.state == "interrupted"


def test_a_run_submitted_twice_is_trained_once():
    queue, started = Jobs(), []
    run, other = (runs.create({"system": "tense"}, "test") for _ in range(2))

    def work(stopped):
        started.append(run)
        wait_until(stopped, 240)

    assert [queue.submit(run, work), queue.submit(run, work)] == ["running", "running"]
    assert [queue.submit(other, work), queue.submit(other, work)] == ["queued", "queued"]
    assert queue.waiting() == [other.id]
    wait_until(lambda: started, 240)
    queue.close()
    assert started == [run]
