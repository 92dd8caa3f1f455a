"""Background training for the app: one job at a time and a short queue, for all sessions of one process.

A job is a run and a function that trains it (`worker.train_apart`) until it is finished or told to stop. What one sees
of a job (progress, losses, samples, why it failed) stands in the run's folder, so that a reload, another tab or a new
server shows the same. Answers are plain strings: after a hot reload a caught class would be another class.
"""

import atexit
import contextlib
import os
import sys
import threading
import time
import types
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cvae_core import runs
from cvae_core.errors import UserError
from cvae_core.runs import IN_HAND, Run

MAX_WAITING = 3
SECONDS_TO_STOP = 10.0  # how long the end of the process waits for a job to save its place

MAX_HOURS = 2.0  # of one job, unless CVAE_MAX_HOURS says otherwise
MAX_GB = 2.0  # of all runs together before no new one begins, unless CVAE_MAX_GB says otherwise

Work = Callable[[Callable[[], bool]], object]  # gets `stopped`, asked before every batch


class Job(NamedTuple):
    run: Run
    work: Work
    stop: threading.Event


class Jobs:
    """The queue and the thread that works through it; every method may be called from any thread."""

    def __init__(self):
        self.max_hours = limit("CVAE_MAX_HOURS", MAX_HOURS)
        self._lock = threading.Lock()
        self._current: Job | None = None
        self._waiting: deque[Job] = deque()
        self._thread: threading.Thread | None = None

    def submit(self, run: Run, work: Work) -> str:
        """`running`, `queued` behind others, or `full`: then nothing was changed, as for a run that is here already."""
        job = Job(run, work, threading.Event())
        with self._lock:
            if self._current is not None and self._current.run.id == run.id and run.state in IN_HAND:
                return "running"  # otherwise it is about to end, and begins again after that
            if run.id in [waiting.run.id for waiting in self._waiting]:
                return "queued"
            if self._current is not None and len(self._waiting) == MAX_WAITING:
                return "full"
            run.write_status(state="queued", error=None)  # until training itself says that it runs
            if self._current is None:
                self._current = job
                # A daemon: the interpreter does not wait for it; `close` does, and for no longer than it says.
                self._thread = threading.Thread(target=self._loop, name="training", daemon=True)
                self._thread.start()
                return "running"
            self._waiting.append(job)
            return "queued"

    def stop(self, run_id: str) -> str:
        """`stopping` the job that runs, `removed` from the queue (to be resumed later), or `unknown`."""
        with self._lock:
            if self._current is not None and self._current.run.id == run_id:
                self._current.stop.set()
                return "stopping"
            for job in self._waiting:
                if job.run.id == run_id:
                    self._waiting.remove(job)
                    job.run.write_status(state="stopped")
                    return "removed"
        return "unknown"

    def running(self) -> str | None:
        """The id of the run in training."""
        current = self._current
        return current.run.id if current else None

    def waiting(self) -> list[str]:
        """The ids of the runs in the queue, next first."""
        with self._lock:
            return [job.run.id for job in self._waiting]

    def close(self) -> None:
        """Stop the running job and wait until it has saved its place; what waits can be resumed from its folder."""
        with self._lock:
            self._waiting.clear()
            if self._current is not None:
                self._current.stop.set()
            thread = self._thread
        if thread is not None:
            thread.join(SECONDS_TO_STOP)

    def _loop(self) -> None:
        while (job := self._current) is not None:
            end = time.monotonic() + 3600 * self.max_hours

            def stopped(job=job, end=end) -> bool:
                return job.stop.is_set() or time.monotonic() > end

            try:
                if job.work(stopped) == "stopped" and not job.stop.is_set():
                    job.run.log(f"its {self.max_hours:g} hours are over, the most for one training here; it can go on")
            except BaseException as error:  # noqa: BLE001 (a failed job must not take the queue with it)
                with contextlib.suppress(Exception):  # a full disk: then the dead job's folder stays as it was
                    job.run.write_status(state="failed", error=str(error) or type(error).__name__)
            with self._lock:
                self._current = self._waiting.popleft() if self._waiting else None


def training_allowed() -> bool:
    """Whether visitors may train, stop, resume and delete: everything that changes what is on the server's disk."""
    return os.environ.get("ALLOW_TRAINING", "1").strip().lower() not in ("0", "false", "no", "off")


def limit(variable: str, default: float) -> float:
    """A limit that an environment variable may change."""
    text = os.environ.get(variable, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if not value > 0:
        raise UserError(f"{variable} is {text!r}: expected a number above 0.")
    return value


def check_room() -> None:
    """A sentence about what to do when the runs have taken all the room that they may."""
    most = limit("CVAE_MAX_GB", MAX_GB)
    used = sum(size(Path(folder, name)) for folder, _, names in os.walk(runs.RUNS) for name in names) / 1e9
    if used >= most:
        raise UserError(
            f"The runs take {used:.1f} GB, and this server keeps {most:g} GB: delete some below before a new training, "
            "or start the app with a larger CVAE_MAX_GB."
        )


def size(path: Path) -> int:
    """Bytes of a file; 0 for one that was deleted meanwhile."""
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def jobs() -> Jobs:
    """The process's one `Jobs`.

    It lives in `sys.modules`: a module's global is replaced by a hot reload and Streamlit's cache can be cleared, and
    either would let a second training start beside one that still runs.
    """
    name = "_cvae_job_registry"
    if name not in sys.modules:
        module = types.ModuleType(name)
        module.jobs = Jobs()
        if sys.modules.setdefault(name, module) is module:
            atexit.register(module.jobs.close)
    return sys.modules[name].jobs
