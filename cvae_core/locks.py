"""File locks of run folders: the operating system releases a process's locks when it ends, however it ended."""

import fcntl
import os
import threading
import time
from pathlib import Path

from cvae_core.errors import UserError

WAIT_SECONDS = 1.0  # `is_locked` of another process holds a shared lock for an instant
_held: dict[Path, int] = {}  # folders locked by this process, and the descriptors of their lock files
_mutex = threading.Lock()


def acquire(folder: Path) -> bool:
    """Lock a folder for all threads of this process; False if another process has locked it.

    Removes the temporary files of a process that was killed while it was writing. Raises UserError where the lock file
    cannot be opened.
    """
    path = folder.resolve()
    with _mutex:
        if path not in _held:
            lock = _lock(path / "lock", os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX, WAIT_SECONDS)
            if lock is None:
                return False
            _held[path] = lock
            for temporary in path.glob(".*.tmp"):
                temporary.unlink(missing_ok=True)
    return True


def release(folder: Path) -> None:
    """Unlock a folder, if this process has locked it."""
    with _mutex:
        if (lock := _held.pop(folder.resolve(), None)) is not None:
            os.close(lock)


def transfer(folder: Path) -> int:
    """The descriptor of the lock of a folder that this process has locked, for a child process to `adopt`."""
    with _mutex:
        return _held.pop(folder.resolve())


def adopt(folder: Path, lock: int) -> None:
    """Keep a folder locked by a descriptor that the parent process has transferred."""
    with _mutex:
        _held[folder.resolve()] = lock


def is_held(folder: Path) -> bool:
    """Whether this process has locked the folder."""
    return folder.resolve() in _held


def is_locked(folder: Path) -> bool:
    """Whether any process has locked the folder. Raises UserError where the lock file cannot be opened."""
    if is_held(folder):
        return True
    if not (folder / "lock").exists():
        return False
    lock = _lock(folder / "lock", os.O_RDONLY, fcntl.LOCK_SH)
    if lock is not None:
        os.close(lock)
    return lock is None


def _lock(path: Path, flags: int, kind: int, timeout: float = 0.0) -> int | None:
    """The descriptor of a file, opened and locked; None if another process keeps it locked for `timeout` seconds."""
    deadline = time.monotonic() + timeout
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
