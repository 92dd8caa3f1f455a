"""A training in a subprocess, so that it does not hold the GIL of the process that serves the pages.

The server starts it (`train_in_subprocess`) as `python -m cvae_core.worker RUN LOCK PARENT`: with the descriptor of the
run's lock and with the server's process id; if the server ends, the training saves its state and ends, too, and is
queued for the next server.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from cvae_core import locks, runs, session
from cvae_core.checkpoint import ROOT
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.training import fit

SIGNALS = (signal.SIGTERM, signal.SIGINT)  # Ctrl+C in the server's terminal sends SIGINT to both processes
POLL_SECONDS = 0.1
RETRIES = 3
NICENESS = 19  # the lowest priority: pages come first


def train_in_subprocess(run: Run, stopped: Callable[[], bool]) -> str:
    """Train a run that this process has locked in a subprocess, and return its final state.

    `stopped` is polled. A training whose process is killed goes on from its last save, up to RETRIES times. Raises
    UserError if another process has locked the run, and RuntimeError if the subprocess fails before training begins.
    """
    for retry in range(1, RETRIES + 2):
        status = _train_once(run, stopped)
        killed = status < 0 and run.state == "interrupted"
        if not killed or stopped() or retry > RETRIES:
            break
        run.log(f"killed by {signal.Signals(-status).name}: retry {retry} of {RETRIES}")
        run.write_status(state="queued")
    if status > 0 and run.state == "interrupted":  # it released the lock without writing a final state
        raise RuntimeError(f"The training's process ended with status {status} before it began.")
    return run.state


def _train_once(run: Run, stopped: Callable[[], bool]) -> int:
    """The exit status of one subprocess; negative if a signal ended it."""
    run.acquire()
    lock = locks.transfer(run.path)
    command = [sys.executable, "-m", "cvae_core.worker", run.id, str(lock), str(os.getpid())]
    environment = os.environ | {"CVAE_RUNS": str(runs.RUNS.resolve())}
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # inherited: signals are pending until `main` handles them
    try:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[lock], stdin=subprocess.DEVNULL)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(lock)
    terminated = False
    while process.poll() is None:
        if not terminated and stopped():
            process.terminate()
            terminated = True
        time.sleep(POLL_SECONDS)
    return process.returncode


def main(run_id: str, lock: int, parent: int) -> None:
    """Train a run whose lock the process `parent` has transferred, until it ends, a signal arrives or `parent` ends."""
    signals = []
    for number in SIGNALS:
        signal.signal(number, lambda *_: signals.append(True))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    run = runs.find(run_id)
    locks.adopt(run.path, lock)
    torch.set_num_threads(1)
    try:
        task, run = session.reopen(run_id)
    except UserError as error:
        run.write_status(state="failed", error=str(error))
        return
    os.nice(NICENESS)
    with contextlib.suppress(UserError):  # `fit` has written it to the run
        ended = fit(task, run, lambda: bool(signals) or os.getppid() != parent)
        if ended == "stopped" and os.getppid() != parent:
            run.write_status(state="queued")  # for the next server


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    os._exit(0)  # everything is on disk: skip the interpreter's shutdown of a second
