"""A training in a subprocess, so that it does not hold the GIL of the process that serves the pages.

The server starts it as `python -m cvae_core.worker SOCKET PARENT`, with the descriptor of a socket and the server's
process id. It imports what a training needs, then receives a run's path and the descriptor of its lock. The imports
take seconds: `start_ahead` starts a process before there is a run. If the server ends, the training saves its state
and ends, too, and is queued for the next server.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from cvae_core import locks, session
from cvae_core.checkpoint import ROOT
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.systems import SYSTEMS, family
from cvae_core.training import fit

SIGNALS = (signal.SIGTERM, signal.SIGINT)  # Ctrl+C in the server's terminal sends SIGINT to both processes
POLL_SECONDS = 0.1
RETRIES = 3
NICENESS = 19  # the lowest priority: pages come first
IDLE_SECONDS = 600.0  # that a process waits for a training


class Waiting(NamedTuple):
    """A process that waits for a training, and the socket on which it receives one."""

    process: subprocess.Popen
    connection: socket.socket


_waiting: list[Waiting] = []  # at most one
_mutex = threading.Lock()


def start_ahead() -> None:
    """Start the process of the next training, unless one waits. Without a training it ends after IDLE_SECONDS."""
    with _mutex:
        if _waiting and _waiting[0].process.poll() is None:
            return
        waiting = _launch()
        _waiting[:] = [waiting]
        timer = threading.Timer(IDLE_SECONDS, _dismiss, [waiting])
        timer.daemon = True
        timer.start()


def _dismiss(waiting: Waiting) -> None:
    """End a process, if it still waits."""
    with _mutex:
        if waiting in _waiting:
            _waiting.remove(waiting)
            waiting.connection.close()


def _launch() -> Waiting:
    here, there = socket.socketpair()
    command = [sys.executable, "-m", "cvae_core.worker", str(there.fileno()), str(os.getpid())]
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # inherited: signals are pending until `main` handles them
    try:
        with there:
            process = subprocess.Popen(command, cwd=ROOT, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return Waiting(process, here)


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
    try:
        with _mutex:
            process, connection = _waiting.pop() if _waiting else _launch()
        with connection, contextlib.suppress(BrokenPipeError):  # killed while it waited: its status says so
            socket.send_fds(connection, [os.fsencode(run.path.resolve())], [lock])
    finally:
        os.close(lock)
    terminated = False
    while process.poll() is None:
        if not terminated and stopped():
            process.terminate()
            terminated = True
        time.sleep(POLL_SECONDS)
    return process.returncode


def main(descriptor: int, parent: int) -> None:
    """Train the run that the process `parent` sends, until it ends, a signal arrives or `parent` ends."""
    signals = []
    for number in SIGNALS:
        signal.signal(number, lambda *_: signals.append(True))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    torch.set_num_threads(1)
    with socket.socket(fileno=descriptor) as connection:
        if not select.select([connection], [], [], 0)[0]:  # started ahead: there is no run yet
            _import_all()
        path, locked, *_ = socket.recv_fds(connection, 4096, 1)
    if not locked:  # `parent` has ended or needs no training
        return
    run = Run(Path(os.fsdecode(path)))
    locks.adopt(run.path, locked[0])
    try:
        task, run = session.reopen(run.path)
    except UserError as error:
        run.write_status(state="failed", error=str(error))
        return
    os.nice(NICENESS)
    with contextlib.suppress(UserError):  # `fit` has written it to the run
        ended = fit(task, run, lambda: bool(signals) or os.getppid() != parent)
        if ended == "stopped" and os.getppid() != parent:
            run.write_status(state="queued")  # for the next server


def _import_all() -> None:
    """Import what the first step of a training would: its system, here all, and what torch's optimizers import."""
    for system in SYSTEMS:
        family(system)
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    torch.optim.AdamW([parameter]).step()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
    os._exit(0)  # everything is on disk: skip the interpreter's shutdown of a second
