"""Trainings in subprocesses: they train as in this process, stop when asked to, and do not outlive the server."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvae_core import runs, worker
from cvae_core.errors import UserError
from cvae_core.jobs import Jobs
from cvae_core.run import Run
from cvae_core.training import fit
from cvae_core.worker import RETRIES, start_ahead, train_in_subprocess
from tests import pages
from tests.helpers import never, python, tiny_session, wait_until

pytestmark = pytest.mark.usefixtures("run_root")


def queued_run(**changes) -> Run:
    _, run = tiny_session(**{"epochs": 2} | changes)
    run.write_status(state="queued")
    return run


def test_a_training_in_a_subprocess_has_the_same_weights():
    other = queued_run()
    assert train_in_subprocess(other, never) == "finished"
    task, run = tiny_session(epochs=2)
    fit(task, run, never)
    assert (other.path / "weights.safetensors").read_bytes() == (run.path / "weights.safetensors").read_bytes()
    assert not other.is_locked()


def test_the_subprocess_holds_the_lock():
    run, stop = queued_run(epochs=10_000), threading.Event()
    states = []
    thread = threading.Thread(target=lambda: states.append(train_in_subprocess(run, stop.is_set)))
    thread.start()
    while not run.read_metrics():
        assert run.state in ("queued", "running")  # never interrupted while the lock is transferred
        time.sleep(0.001)  # or the training would share a core with this loop
    assert run.read_status()["pid"] != os.getpid()
    with pytest.raises(UserError, match="stop it first"):
        runs.delete(run)
    stop.set()
    thread.join(30)
    assert states == ["stopped"] and run.resumable


def test_a_stop_before_training_begins():
    run = queued_run(epochs=10_000)
    assert train_in_subprocess(run, lambda: True) == "stopped"
    assert run.read_metrics() == []


def test_a_training_that_cannot_begin_records_the_error():
    run = queued_run()
    (run.path / "config.json").write_text('{"system": "tense"}')
    assert train_in_subprocess(run, never) == "failed"
    assert "config.json" in run.read_status()["error"]


def kill(run, after: int) -> int:
    """Kill the process that trains a run, when it is another than `after`; returns its id."""
    wait_until(lambda: run.state == "running" and run.resumable and run.read_status()["pid"] != after, 60)
    pid = run.read_status()["pid"]
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.slow
def test_a_killed_training_is_retried_three_times_then_interrupted_and_the_queue_goes_on():
    queue, first, second = Jobs(), queued_run(epochs=10_000), queued_run()
    queue.submit(first, lambda stopped: train_in_subprocess(first, stopped))
    queue.submit(second, lambda stopped: train_in_subprocess(second, stopped))
    pid = os.getpid()
    for _ in range(RETRIES + 1):
        pid = kill(first, pid)
    wait_until(lambda: second.state == "finished", 60)
    assert first.state == "interrupted"
    assert [f"retry {n} of 3" in first.read_log(100) for n in (1, 2, 3, 4)] == [True, True, True, False]


def test_a_training_that_fails_for_its_own_reason_is_not_retried():
    run = queued_run()
    (run.path / "config.json").write_text('{"system": "tense"}')
    train_in_subprocess(run, never)
    assert "retry" not in run.read_log(100)


@pytest.fixture
def waiting() -> Iterator[subprocess.Popen]:
    """A process that was started ahead."""
    start_ahead()
    process = worker._waiting[0].process
    yield process
    for left in worker._waiting[:]:
        worker._dismiss(left)
    process.wait(60)


def test_a_training_begins_in_the_process_that_was_started_ahead(waiting):
    start_ahead()
    assert [each.process for each in worker._waiting] == [waiting]
    run = queued_run()
    assert train_in_subprocess(run, never) == "finished"
    assert run.read_status()["pid"] == waiting.pid and not worker._waiting
    assert train_in_subprocess(queued_run(), never) == "finished"  # which starts a process itself


def test_a_training_does_not_depend_on_a_process_that_was_killed_while_it_waited(waiting):
    waiting.kill()
    waiting.wait()
    run = queued_run()
    assert train_in_subprocess(run, never) == "finished"
    assert "retry 1 of 3" in run.read_log(100)


def test_a_killed_process_is_replaced(waiting):
    waiting.kill()
    waiting.wait()
    start_ahead()
    assert worker._waiting[0].process.poll() is None and worker._waiting[0].process != waiting


def test_a_process_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(worker, "IDLE_SECONDS", 0.0)
    start_ahead()
    process = worker._waiting[0].process
    wait_until(lambda: not worker._waiting)
    assert process.wait(60) == 0


@pytest.mark.slow
def test_a_waiting_process_does_not_outlive_its_server():
    code = "import time; from cvae_core import worker; worker.start_ahead(); print(worker._waiting[0].process.pid)"
    server = python("-u", "-c", code + "; time.sleep(600)", stdout=subprocess.PIPE, text=True)
    command = Path("/proc", server.stdout.readline().strip(), "cmdline")
    assert b"cvae_core.worker" in command.read_bytes()
    server.kill()
    server.wait()
    wait_until(lambda: not command.exists() or not command.read_bytes(), 60)  # empty: ended, not yet reaped


def test_the_train_page_starts_a_process_ahead_while_none_is_in_training(runs_here, monkeypatch):
    started = []
    monkeypatch.setattr("cvae_core.worker.start_ahead", lambda: started.append(True))
    pages.open_page("train", view="Scorecard")
    assert not started
    pages.open_page("train")
    assert len(started) == 1
    runs_here.submit(runs.create({"system": "tense"}, "test"), lambda stopped: wait_until(stopped, 60))
    pages.open_page("train")
    assert len(started) == 1
    runs_here.stop(runs_here.running())


SERVER = """
import sys
from cvae_core import runs
from cvae_core.worker import train_in_subprocess
run = runs.find(sys.argv[1])
run.write_status(state="queued")
train_in_subprocess(run, lambda: False)
"""


def test_a_training_does_not_outlive_its_server():
    run = queued_run(epochs=10_000)
    run.release()
    server = python("-c", SERVER, run.id, runs=runs.RUNS)
    wait_until(lambda: bool(run.read_metrics()), 60)
    server.kill()
    server.wait()
    wait_until(lambda: run.left_in_queue, 30)
    assert run.resumable
