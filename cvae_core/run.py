"""One run on disk: `runs/<id>/` with config, metrics, status, samples, the resumable state and the kept weights.

config.json          system, preset, config, data
metrics.jsonl        one JSON object per epoch
samples.jsonl        the model's output for a few inputs, one JSON object per epoch
progress.jsonl       mean losses of the batches of each second, and what the process used of CPU, memory and GPU
log.txt              events with their time, as text
note.md              what somebody noted about the run, if anything
status.json          state, pid, heartbeat, epoch, epochs, batch, batches, per_second, eta, error
last.safetensors     the resumable state: weights, optimizer state, position
weights.safetensors  the kept weights, a checkpoint for `checkpoint.read` (best.safetensors in older runs)
init.safetensors     the checkpoint that training started from, if any
lock                 empty; locked by the process that trains the run

States: created, queued and running are active (a process has locked the run); stopped, failed and finished are not;
interrupted: the state on disk is active, but the lock is free, because the process has ended. The lock is checked and
not the process id, which the operating system reuses.
"""

import contextlib
import json
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from cvae_core import checkpoint, locks, migrate
from cvae_core.errors import UserError

ACTIVE = ("created", "queued", "running")
STATES = (*ACTIVE, "stopped", "interrupted", "failed", "finished")


def as_line(row: dict[str, Any]) -> str:
    """A row of metrics as text: whole numbers as they are, others to four digits."""
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
    )


@dataclass(frozen=True)
class Run:
    """Reads and writes one run folder. Raises UserError for a file that cannot be read or written."""

    path: Path

    @property
    def id(self) -> str:
        """The name of the folder."""
        return self.path.name

    def read_config(self) -> dict[str, Any]:
        """config.json, with the entries and fields of the current format."""
        config = self._read_json("config.json")
        return config if config.get("format", 1) == checkpoint.FORMAT else migrate.run_config(config)

    @property
    def system(self) -> str | None:
        """The system that is trained; None if config.json cannot be read."""
        try:
            return self._read_json("config.json").get("system")
        except UserError:
            return None

    def read_status(self) -> dict[str, Any]:
        """status.json; an active state without a lock is replaced by `interrupted`."""
        status = {"state": "created"}
        if (self.path / "status.json").exists():  # missing if the process was killed while it created the folder
            status = self._read_json("status.json")
        numbers = [status.get(name) for name in ("epoch", "epochs", "batch", "batches", "eta", "per_second")]
        valid = status.get("state") in STATES and isinstance(status.get("error"), str | None)
        if not valid or not all(n is None or _is_number(n) for n in numbers):
            raise self._unreadable("status.json")
        if status["state"] in ACTIVE and not self.is_locked():
            if (self.path / "status.json").exists() and self._read_json("status.json") != status:
                return self.read_status()  # the run ended between reading the status and looking at the lock
            status["state"] = "interrupted"
        return {"epoch": 0} | status

    @property
    def left_in_queue(self) -> bool:
        """Whether a server that has ended left the run in its queue."""
        try:
            return self._read_json("status.json").get("state") == "queued" and not self.is_locked()
        except UserError:
            return False

    @property
    def state(self) -> str:
        """One of STATES, or `unknown` if status.json cannot be read."""
        try:
            return self.read_status()["state"]
        except UserError:
            return "unknown"

    def write_status(self, **changes: Any) -> None:
        """Change entries of status.json. Keeps the run locked while its state is active, and releases it otherwise.

        Raises UserError if another process has locked the run.
        """
        self.acquire()
        try:
            status = {}
            with contextlib.suppress(UserError):  # missing or damaged: replaced
                status = self._read_json("status.json")
            status |= changes | {"pid": os.getpid(), "heartbeat": time.time()}
            checkpoint.write_atomic(self.path / "status.json", json.dumps(status).encode())
        finally:
            if changes.get("state", "running") not in ACTIVE:
                self.release()

    def acquire(self) -> None:
        """Lock the run for all threads of this process. Raises UserError if another process has locked it."""
        if not locks.acquire(self.path):
            holder = ""
            with contextlib.suppress(UserError, KeyError):
                holder = f" (PID {self._read_json('status.json')['pid']})"
            raise UserError(
                f"Run {self.id} is being trained by another process{holder}: stop it there, or wait until it ends."
            )

    def release(self) -> None:
        """Unlock the run."""
        locks.release(self.path)

    def is_locked(self) -> bool:
        """Whether any process has locked the run."""
        return locks.is_locked(self.path)

    def read_metrics(self) -> list[dict[str, Any]]:
        """One row per epoch: its mean losses, schedules, speed and scores."""
        return self._read_lines("metrics.jsonl", "epoch")

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Replace all rows."""
        self._write_lines("metrics.jsonl", rows)

    def read_progress(self) -> list[dict[str, Any]]:
        """One row per second of training: step, epoch (a fraction) and mean losses."""
        return self._read_lines("progress.jsonl", "step")

    def write_progress(self, rows: list[dict[str, Any]]) -> None:
        """Replace all rows."""
        self._write_lines("progress.jsonl", rows)

    def add_progress(self, row: dict[str, Any]) -> None:
        """Append a row, not atomically: readers skip an incomplete last line."""
        self._append("progress.jsonl", json.dumps(row))

    def log(self, text: str) -> None:
        """Append a line with the time to log.txt."""
        self._append("log.txt", f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}")

    def read_log(self, lines: int) -> str:
        """The last lines of log.txt."""
        path = self.path / "log.txt"
        try:
            text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        except OSError:
            raise self._unreadable("log.txt") from None
        return "\n".join(text.splitlines()[-lines:])

    def read_samples(self) -> list[dict[str, Any]]:
        """One row per epoch: what `write_samples` wrote."""
        return self._read_lines("samples.jsonl", "epoch")

    def write_samples(self, epoch: int, samples: dict[str, Any]) -> None:
        """Write JSON values to the epoch's row, and each value of bytes to a file whose name the row contains."""
        for name, value in samples.items():
            if isinstance(value, bytes):
                samples = samples | {name: f"{epoch:04d}-{name}"}
                checkpoint.write_atomic(self.path / samples[name], value)
        rows = [row for row in self.read_samples() if row["epoch"] < epoch] + [{"epoch": epoch, **samples}]
        self._write_lines("samples.jsonl", rows)

    def read_sample(self, name: str) -> bytes:
        """A file that `write_samples` wrote."""
        try:
            return (self.path / Path(name).name).read_bytes()
        except OSError:
            raise self._unreadable(name) from None

    @property
    def resumable(self) -> bool:
        """Whether a resumable state was saved; a run that was killed earlier starts from the beginning."""
        return (self.path / "last.safetensors").is_file()

    def read_last(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and position of the resumable state."""
        tensors, metadata = checkpoint.read(self.path / "last.safetensors")
        return tensors, metadata["position"]

    def write_last(self, tensors: dict[str, Tensor], position: dict[str, Any]) -> None:
        """Replace the resumable state."""
        checkpoint.write(self.path / "last.safetensors", tensors, {"position": position})

    @property
    def init(self) -> Path:
        """A copy of the checkpoint that training started from."""
        return self.path / "init.safetensors"

    def read_note(self) -> str:
        """What somebody noted about the run, in Markdown; empty if nothing or if it cannot be read."""
        try:
            return (self.path / "note.md").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def write_note(self, text: str) -> None:
        """Replace the note."""
        checkpoint.write_atomic(self.path / "note.md", text.encode(errors="replace"))

    @property
    def weights(self) -> Path:
        """The kept weights: the last, or those with the best score."""
        return checkpoint.weights_in(self.path)

    def write_weights(self, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Replace the kept weights, also those under the file name of older runs."""
        kept, *older = (self.path / name for name in checkpoint.RUN_WEIGHTS)
        checkpoint.write(kept, tensors, metadata)
        for path in older:
            path.unlink(missing_ok=True)

    def _unreadable(self, name: str) -> UserError:
        return UserError(f"Run {self.id} has no readable {name}.")

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads((self.path / name).read_text())
        except (OSError, ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise self._unreadable(name)
        return value

    def _write_lines(self, name: str, rows: list[dict[str, Any]]) -> None:
        checkpoint.write_atomic(self.path / name, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def _read_lines(self, name: str, position: str) -> list[dict[str, Any]]:
        """JSON objects, each with a number `position`."""
        path = self.path / name
        try:
            text = path.read_text() if path.exists() else ""
            rows = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
            if all(isinstance(row, dict) and _is_number(row.get(position)) for row in rows):
                return rows
        except (OSError, ValueError, RecursionError):
            pass
        raise self._unreadable(name)

    def _append(self, name: str, line: str) -> None:
        try:
            with open(self.path / name, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise UserError(f"Cannot write {self.path / name}: {error.strerror}.") from None


class ReadOnlyRun(Run):
    """The run in every process but the first of a training in several processes: nothing is locked or written."""

    def _ignore(self, *_, **__) -> None: ...

    acquire = release = write_status = write_metrics = write_progress = add_progress = log = _ignore
    write_samples = write_last = write_weights = _ignore


def _is_number(value: Any) -> bool:
    """Whether a value read from a file is a number that a count or a time can be; NaN is not."""
    return isinstance(value, int | float) and abs(value) < 1e15
