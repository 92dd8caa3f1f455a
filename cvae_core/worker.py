"""A training in a process of its own, so that the pages beside it do not wait for the interpreter.

The server starts it (`train_apart`) as `python -m cvae_core.worker RUN LOCK PARENT`: with the lock of the run that it
held itself, and with the server's process id, since a training whose server is gone saves its place and ends.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from cvae_core import runs, session
from cvae_core.checkpoint import ROOT
from cvae_core.errors import UserError
from cvae_core.runs import Run
from cvae_core.training import train

SIGNALS = (signal.SIGTERM, signal.SIGINT)  # the latter is what the server's terminal says to both at Ctrl+C
SECONDS_BETWEEN_LOOKS = 0.1
NICER = 19  # than the server: a page is waited for, a training is not


def train_apart(run: Run, stopped: Callable[[], bool]) -> str:
    """Train a run, which this process has in hand, in another process: the state that it ends in."""
    lock = run.hand_over()
    line = [sys.executable, "-m", "cvae_core.worker", run.id, str(lock), str(os.getpid())]
    environment = os.environ | {"CVAE_RUNS": str(runs.RUNS.resolve())}
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # inherited: what comes before `main` listens waits for it
    try:
        process = subprocess.Popen(line, cwd=ROOT, env=environment, pass_fds=[lock], stdin=subprocess.DEVNULL)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(lock)
    told = False
    while process.poll() is None:
        if not told and stopped():
            process.terminate()
            told = True
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if process.returncode > 0 and run.state == "interrupted":  # nobody has its lock any more
        raise RuntimeError(f"The training's process ended with status {process.returncode} before it began.")
    return run.state


def main(run_id: str, lock: int, parent: int) -> None:
    asked = []
    for number in SIGNALS:
        signal.signal(number, lambda *_: asked.append(True))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    run = runs.find(run_id)
    run.adopt(lock)
    torch.set_num_threads(1)
    try:
        task, run = session.reopen(run_id)
        os.nice(NICER)
        train(task, run, lambda: bool(asked) or os.getppid() != parent)
    except UserError as error:
        run.write_status(state="failed", error=str(error))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    os._exit(0)  # all is on disk; taking the interpreter down takes a second, for which a stopping server would wait
