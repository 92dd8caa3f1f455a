"""The queue of background trainings: order, stopping, failures, and the end of the process."""

import sys
import threading
from types import SimpleNamespace

import pytest

from cvae_core.errors import UserError
from cvae_core.jobs import MAX_WAITING, REGISTRY, Jobs, check_disk_usage, close, jobs
from tests.helpers import empty_run, wait_until


@pytest.fixture
def new_run(run_root):
    return empty_run


def until_stopped(run):
    """Work that trains until it is asked to stop."""

    def work(stopped):
        run.write_status(state="running")
        wait_until(stopped)
        run.write_status(state="stopped")
        return "stopped"  # as `fit` does

    return work


def test_one_at_a_time_and_the_next_in_order(new_run):
    queue, order, go = Jobs(), [], threading.Event()
    submitted = [new_run() for _ in range(3)]

    def work(run):
        def do(stopped):
            go.wait(20)
            order.append((run.id, queue.running()))

        return do

    answers = [queue.submit(run, work(run)) for run in submitted]
    assert answers == ["running", "queued", "queued"]
    assert queue.waiting() == [submitted[1].id, submitted[2].id]
    assert submitted[1].state == "queued"
    go.set()
    wait_until(lambda: queue.running() is None)
    assert order == [(run.id, run.id) for run in submitted]


def test_a_full_queue_changes_nothing(new_run):
    queue = Jobs()
    submitted = [new_run() for _ in range(1 + MAX_WAITING)]
    for run in submitted:
        queue.submit(run, until_stopped(run))
    more = new_run()
    assert queue.submit(more, until_stopped(more)) == "full"
    assert more.id not in queue.waiting() and more.state == "created"
    for run in reversed(submitted):
        queue.stop(run.id)
    wait_until(lambda: queue.running() is None)


def test_stop_ends_the_running_job_and_takes_a_waiting_one_out(new_run):
    queue = Jobs()
    first, second = new_run(), new_run()
    queue.submit(first, until_stopped(first))
    queue.submit(second, until_stopped(second))
    assert queue.stop(second.id) == "removed"
    assert second.state == "stopped"
    assert queue.stop(first.id) == "stopping"
    wait_until(lambda: queue.running() is None)
    assert first.state == "stopped"
    assert queue.stop(first.id) == "unknown"


def test_a_failure_is_recorded_and_the_next_job_runs(new_run):
    queue, done = Jobs(), threading.Event()
    first, second = new_run(), new_run()
    hold = threading.Event()

    def fail(stopped):
        hold.wait(20)
        raise MemoryError("no room")

    queue.submit(first, fail)
    queue.submit(second, lambda stopped: done.set())
    hold.set()
    assert done.wait(20)
    assert first.read_status()["state"] == "failed" and first.read_status()["error"] == "no room"


def test_the_next_queue_goes_on_with_what_a_closed_one_left_each_run_once(new_run):
    queue = Jobs()
    runs = [new_run() for _ in range(4)]
    for run in runs:
        queue.submit(run, until_stopped(run))
    wait_until(lambda: runs[0].state == "running")
    queue.stop(runs[0].id)  # by a visitor: it stays stopped
    wait_until(lambda: queue.running() == runs[1].id and runs[1].state == "running")
    queue.close()
    assert [run.state for run in runs] == ["stopped", "interrupted", "interrupted", "interrupted"]
    assert not any(run.is_locked() for run in runs)
    trained, next_queues = [], [Jobs(), Jobs()]
    for each in next_queues:
        each.restore(lambda run: lambda stopped: trained.append(run.id) or run.write_status(state="finished"))
    wait_until(lambda: len(trained) == 3 and all(each.running() is None for each in next_queues))
    assert trained == [run.id for run in runs[1:]]
    assert [run.state for run in runs[1:]] == ["finished"] * 3
    next_queues[0].restore(lambda run: lambda stopped: trained.append(run.id))
    assert len(trained) == 3 and next_queues[0].running() is None


def test_the_process_has_one_queue():
    assert jobs() is jobs()


def test_a_job_stops_at_the_time_limit_and_logs_it(new_run, monkeypatch):
    monkeypatch.setenv("CVAE_MAX_HOURS", str(0.2 / 3600))
    queue, run = Jobs(), new_run()
    queue.submit(run, until_stopped(run))
    wait_until(lambda: queue.running() is None)
    assert run.state == "stopped"
    assert "time limit" in run.read_log(1)


def test_a_job_that_was_asked_to_stop_logs_no_time_limit(new_run):
    queue, run = Jobs(), new_run()
    assert queue.max_hours == 2
    queue.submit(run, until_stopped(run))
    queue.stop(run.id)
    wait_until(lambda: queue.running() is None)
    assert run.read_log(1) == ""


def test_room_is_what_all_files_of_all_runs_take(new_run, monkeypatch):
    check_disk_usage()
    for _ in range(2):
        (new_run().path / "last.safetensors").write_bytes(bytes(600_000))
    monkeypatch.setenv("CVAE_MAX_GB", "0.002")
    check_disk_usage()
    monkeypatch.setenv("CVAE_MAX_GB", "0.001")
    with pytest.raises(UserError, match="delete some"):
        check_disk_usage()


def test_a_server_that_ends_closes_its_queue_and_makes_none_for_that(monkeypatch):
    monkeypatch.delitem(sys.modules, REGISTRY, raising=False)
    close()
    assert REGISTRY not in sys.modules
    closed = []
    queue = SimpleNamespace(close=lambda: closed.append(True))
    monkeypatch.setitem(sys.modules, REGISTRY, SimpleNamespace(jobs=queue))
    close()
    assert closed == [True]
