"""Locks of run folders, one file each: the system releases a lock with its process, however that ended."""

import fcntl
import os
import threading
import time
from pathlib import Path

from cvae_core.errors import UserError

WAIT_SECONDS = 1.0  # for those who only test a lock: they hold it for an instant
_own: dict[Path, int] = {}  # folders that this process holds, and the descriptors of their lock files
_changing = threading.Lock()


def acquire(folder: Path) -> bool:
    """Hold a folder for all threads of this process; False where another process holds it.

    Temporary files in it are what a killed holder was writing, and are removed.
    """
    path = folder.resolve()
    with _changing:
        if path not in _own:
            lock = _lock(path / "lock", os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX, WAIT_SECONDS)
            if lock is None:
                return False
            _own[path] = lock
            for left in path.glob(".*.tmp"):
                left.unlink(missing_ok=True)
    return True


def release(folder: Path) -> None:
    """Let other processes hold the folder."""
    with _changing:
        if (lock := _own.pop(folder.resolve(), None)) is not None:
            os.close(lock)


def transfer(folder: Path) -> int:
    """The open lock of a folder that this process holds, for another process to `adopt`."""
    with _changing:
        return _own.pop(folder.resolve())


def adopt(folder: Path, lock: int) -> None:
    """Hold a folder by a lock that another process transferred."""
    with _changing:
        _own[folder.resolve()] = lock


def is_own(folder: Path) -> bool:
    """Whether this process holds the folder."""
    return folder.resolve() in _own


def is_held(folder: Path) -> bool:
    """Whether a process, this or another, holds the folder."""
    if is_own(folder):
        return True
    if not (folder / "lock").exists():
        return False
    lock = _lock(folder / "lock", os.O_RDONLY, fcntl.LOCK_SH)
    if lock is not None:
        os.close(lock)
    return lock is None


def _lock(path: Path, flags: int, kind: int, seconds: float = 0.0) -> int | None:
    """Open and lock a file, waiting for so long: its descriptor, or None where another process has the lock."""
    deadline = time.monotonic() + seconds
    try:
        file = os.open(path, flags, 0o666)
        while True:
            try:
                fcntl.flock(file, kind | fcntl.LOCK_NB)
                return file
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(file)
                    return None
            time.sleep(0.02)
    except OSError as error:
        raise UserError(f"Cannot lock {path}: {error.strerror}.") from None
