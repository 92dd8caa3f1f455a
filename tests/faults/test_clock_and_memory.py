"""A clock that goes backwards, runs of one second, and too little memory."""

import time
from datetime import datetime

import pytest
import torch

from cvae_core import runs, training
from cvae_core.errors import UserError
from cvae_core.training import fit
from tests.helpers import assert_same, never, resume, tiny_session


def test_a_clock_that_goes_backwards_changes_nothing(uninterrupted, monkeypatch):
    times = iter(range(10**9, 0, -3600))

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(next(times), tz)

    monkeypatch.setattr(time, "time", lambda: float(next(times)))
    monkeypatch.setattr(runs, "datetime", Clock)
    monkeypatch.setattr("cvae_core.run.datetime", Clock)
    monkeypatch.setattr(training, "STATUS_SECONDS", -1.0)
    task, run = tiny_session()
    etas = []
    fit(task, run, never, lambda event: etas.append(event.get("eta", 0.0)))
    assert_same(run, uninterrupted)
    assert min(etas) >= 0 and all(row["seconds"] > 0 for row in run.read_metrics())


def test_runs_of_the_same_second_have_different_ids(monkeypatch):
    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(10**9, tz)

    monkeypatch.setattr(runs, "datetime", Clock)
    created = [runs.create({"system": "tense"}, "test") for _ in range(5)]
    assert len({run.id for run in created}) == 5 == len(runs.list_runs())


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_too_little_memory_advises_a_smaller_batch_and_keeps_the_last_state(error, uninterrupted):
    task, run = tiny_session()
    good, calls = task.loss, iter(range(10**6))

    def loss(*args):
        if next(calls) >= 2 * task.steps_per_epoch():
            raise error
        return good(*args)

    task.loss = loss
    with pytest.raises(UserError, match="batches of 6: try a smaller batch_size"):
        fit(task, run, never)
    assert run.state == "failed" and "smaller batch_size" in run.read_status()["error"]
    assert run.read_last()[1]["epoch"] == 2
    assert resume(run) == "finished"
    assert_same(run, uninterrupted)
