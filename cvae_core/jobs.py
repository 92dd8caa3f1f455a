"""Background training for the app: one job at a time and a short queue, for all sessions of one process.

A job is a run and a function that trains it (`worker.train_in_subprocess`) until it ends or is asked to stop. Progress,
losses, samples and errors are in the run's folder, so a reload, another tab or a restarted server shows the same. So is
the queue: its runs have the state `queued` on disk, and the next server continues them. A run's lock ensures that only
one server does.
Methods answer with strings: after a hot reload, the class of an exception would be another than the one caught.
"""

import atexit
import contextlib
import os
import sys
import threading
import time
import types
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from cvae_core import runs, settings
from cvae_core.errors import UserError
from cvae_core.run import ACTIVE, Run
from cvae_core.worker import train_in_subprocess

MAX_WAITING = 3
REGISTRY = "_cvae_job_registry"  # in `sys.modules`
SECONDS_TO_STOP = 10.0  # how long `close` waits for a job to save its state

Work = Callable[[Callable[[], bool]], object]  # its argument is called before every batch: whether to stop


class Job(NamedTuple):
    """A run in the queue, the function that trains it, and the event that asks it to stop."""

    run: Run
    work: Work
    stop: threading.Event


class Jobs:
    """The queue and its worker thread; every method may be called from any thread."""

    def __init__(self) -> None:
        self.max_hours = settings.max_hours()
        self._lock = threading.Lock()
        self._queue: list[Job] = []  # the first is in training
        self._thread: threading.Thread | None = None

    def submit(self, run: Run, work: Work) -> str:
        """`running`, `queued`, or `full`: then nothing has changed. A run that is in the queue is not added again.

        Raises UserError if another process has locked the run.
        """
        with self._lock:
            if run.id in self.waiting():
                return "queued"
            if run.id == self.running() and run.state in ACTIVE:
                return "running"  # in another state its training is ending, and the run is added again
            if len(self._queue) > MAX_WAITING:
                return "full"
            run.write_status(state="queued", error=None)  # until `fit` writes `running`
            self._queue.append(Job(run, work, threading.Event()))
            if len(self._queue) > 1:
                return "queued"
            # A daemon thread: the interpreter exits without waiting for it; `close` waits for SECONDS_TO_STOP.
            self._thread = threading.Thread(target=self._train_all, name="training", daemon=True)
            self._thread.start()
            return "running"

    def stop(self, run_id: str) -> str:
        """`stopping` if the run is in training, `removed` if it was waiting (it can be resumed), or `unknown`."""
        with self._lock:
            if run_id == self.running():
                self._queue[0].stop.set()
                return "stopping"
            job = next((job for job in self._queue[1:] if job.run.id == run_id), None)
            if job is None:
                return "unknown"
            self._queue.remove(job)
            job.run.write_status(state="stopped")
            return "removed"

    def running(self) -> str | None:
        """The id of the run in training."""
        return next((job.run.id for job in self._queue[:1]), None)

    def waiting(self) -> list[str]:
        """The ids of the runs in the queue, the next one first."""
        return [job.run.id for job in self._queue[1:]]

    def close(self) -> None:
        """Stop the running job and wait for it; all runs of the queue stay queued on disk, for the next server."""
        with self._lock:
            left = [job for job in self._queue if not job.stop.is_set()]
            del self._queue[1:]
            for job in self._queue:
                job.stop.set()
            thread = self._thread
        if thread is not None:
            thread.join(SECONDS_TO_STOP)
        for run in [job.run for job in left]:
            with contextlib.suppress(UserError):  # its process has not ended yet
                if run.state in ("stopped", "queued"):
                    run.write_status(state="queued")
                run.release()

    def restore(self, work: Callable[[Run], Work]) -> None:
        """Submit the runs that a server which has ended left in its queue, each with `work(run)`."""
        for run in reversed(runs.list_runs()):
            with contextlib.suppress(UserError):  # another server was faster
                if run.left_in_queue:
                    self.submit(run, work(run))

    def _train_all(self) -> None:
        """Train the first run of the queue until the queue is empty."""
        while True:
            job, end = self._queue[0], time.monotonic() + 3600 * self.max_hours

            def stopped(job=job, end=end) -> bool:
                return job.stop.is_set() or time.monotonic() > end

            try:
                if job.work(stopped) == "stopped" and not job.stop.is_set():
                    job.run.log(f"stopped at the time limit of {self.max_hours:g} hours; it can be resumed")
            except BaseException as error:  # noqa: BLE001 (a failed job must not end the thread)
                with contextlib.suppress(Exception):  # on a full disk its folder stays as it was
                    job.run.write_status(state="failed", error=str(error) or type(error).__name__)
            with self._lock:
                del self._queue[0]
                if not self._queue:
                    return


def check_disk_usage() -> None:
    """Raises UserError if the runs together have reached CVAE_MAX_GB gigabytes, the trash emptied."""
    most, used = settings.max_gb(), _used()
    if used >= most * 1e9:
        runs.empty_trash()
        used = _used()
    if used >= most * 1e9:
        raise UserError(
            f"The runs take {used / 1e9:.1f} GB, and this server keeps {most:g} GB: delete some below before a new "
            "training, or start the app with a larger CVAE_MAX_GB."
        )


def _used() -> int:
    """Bytes of all files of all runs."""
    used = 0
    for folder, _, names in os.walk(runs.RUNS):
        for name in names:
            with contextlib.suppress(OSError):  # deleted meanwhile
                used += os.path.getsize(os.path.join(folder, name))
    return used


def jobs() -> Jobs:
    """The one queue of this process, with the runs that the previous server left queued.

    It is kept in `sys.modules`: a hot reload replaces the globals of a module, and Streamlit's cache can be cleared;
    either would start a second training beside the running one.
    """
    if REGISTRY not in sys.modules:
        module, queue = types.ModuleType(REGISTRY), Jobs()
        vars(module)["jobs"] = queue
        if sys.modules.setdefault(REGISTRY, module) is module:
            atexit.register(queue.close)
            if settings.training_allowed():
                queue.restore(lambda run: partial(train_in_subprocess, run))
    return vars(sys.modules[REGISTRY])["jobs"]


def close() -> None:
    """Close the queue of this process, if there is one: `atexit` does not run in a process that a signal ends."""
    if REGISTRY in sys.modules:
        jobs().close()
