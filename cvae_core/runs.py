"""A run on disk: `runs/<id>/` with config, metrics, status, samples, the resumable state and the kept weights.

config.json          system, preset, config, data
metrics.jsonl        one JSON object an epoch
samples.jsonl        what the model made of a few inputs, one object an epoch
progress.jsonl       the losses of the batches of each second, to watch an epoch by
log.txt              what happened when, for people
status.json          state, pid, heartbeat, epoch, epochs, batch, batches, per_second, eta, error
last.safetensors     weights, optimiser and position: what resuming needs
weights.safetensors  the kept weights, a checkpoint as `checkpoint.read` takes it (best.safetensors in older runs)
init.safetensors     the checkpoint that training started from, if there was one
lock                 empty, and locked by the process that has the run in hand

States: created, queued, running: a process has it in hand; stopped, failed, finished: none has; interrupted: it was in
hand, and its process is gone. The lock tells, not a process id, which the next process may get: the system drops it
with its process, however that ended.
"""

import contextlib
import functools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from cvae_core import checkpoint, locks, migrate, parallel
from cvae_core.errors import UserError

DEFAULT_RUNS = Path("runs") if checkpoint.INSTALLED else checkpoint.ROOT / "runs"  # the former: of the current folder
RUNS = Path(os.environ.get("CVAE_RUNS", DEFAULT_RUNS))
IN_HAND = ("created", "queued", "running")
STATES = (*IN_HAND, "stopped", "interrupted", "failed", "finished")
NEEDED = {"system", "data", "device"}  # entries of config.json that resuming takes


@dataclass(frozen=True)
class Run:
    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    def read_config(self) -> dict[str, Any]:
        """config.json, with the entries and fields of the present format."""
        config = self._read_json("config.json")
        return config if config.get("format", 1) == checkpoint.FORMAT else migrate.run_config(config)

    @property
    def system(self) -> str | None:
        """What it trains, or None when its config cannot be read."""
        try:
            return self._read_json("config.json").get("system")
        except UserError:
            return None

    def read_status(self) -> dict[str, Any]:
        """The status as written, except that a run whose process is gone is `interrupted`."""
        status = {"state": "created", "epoch": 0}
        if (self.path / "status.json").exists():  # it does not when its process was killed while making the folder
            status = self._read_json("status.json")
        numbers = [status.get(name) for name in ("epoch", "epochs", "batch", "batches", "eta", "per_second")]
        known = status.get("state") in STATES and isinstance(status.get("error"), str | None)
        if not known or not all(n is None or _is_number(n) for n in numbers):
            raise UserError(f"Run {self.id} has no readable status.json.")
        if status["state"] in IN_HAND and not self.is_taken():
            status["state"] = "interrupted"
        return {"epoch": 0} | status

    @property
    def state(self) -> str:
        """One of the states above, or `unknown` when the status cannot be read."""
        try:
            return str(self.read_status().get("state", "unknown"))
        except UserError:
            return "unknown"

    def write_status(self, **changes: Any) -> None:
        """Change some of it. The run is this process's own from then on, until its state is one of an end."""
        self.take()
        try:
            status = {}
            with contextlib.suppress(UserError):  # there is none yet, or it was damaged: then it is written anew
                status = self._read_json("status.json")
            status |= changes | {"pid": os.getpid(), "heartbeat": time.time()}
            checkpoint.write_atomic(self.path / "status.json", json.dumps(status).encode())
        finally:
            if changes.get("state", "running") not in IN_HAND:
                self.give_back()

    def take(self) -> None:
        """Make the run this process's own, for all its threads; a run that another has in hand is a `UserError`."""
        if not locks.acquire(self.path):
            raise UserError(
                f"Another process has run {self.id} in hand{self._holder()}: stop it there, or wait for its end."
            )

    def give_back(self) -> None:
        """Let other processes have the run."""
        locks.release(self.path)

    def hand_over(self) -> int:
        """The open lock of a run that this process has in hand, for another process to `adopt`."""
        self.take()
        return locks.transfer(self.path)

    def adopt(self, lock: int) -> None:
        """Have in hand what another process handed over."""
        locks.adopt(self.path, lock)

    def is_taken(self) -> bool:
        """Whether a process, this or another, has the run in hand."""
        return locks.is_held(self.path)

    def _holder(self) -> str:
        with contextlib.suppress(UserError, KeyError):
            return f" (PID {self._read_json('status.json')['pid']})"
        return ""

    def read_metrics(self) -> list[dict[str, Any]]:
        return self._read_lines("metrics.jsonl", "epoch")

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        self._write_lines("metrics.jsonl", rows)

    def read_progress(self) -> list[dict[str, Any]]:
        return self._read_lines("progress.jsonl", "step")

    def write_progress(self, rows: list[dict[str, Any]]) -> None:
        self._write_lines("progress.jsonl", rows)

    def add_progress(self, row: dict[str, Any]) -> None:
        """Appended, unlike the rest: one short line a second, and a torn last one is skipped when read."""
        self._append("progress.jsonl", json.dumps(row))

    def log(self, text: str) -> None:
        """Add a line with the time to log.txt."""
        self._append("log.txt", f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}")

    def read_log(self, lines: int) -> str:
        """The last lines of log.txt."""
        path = self.path / "log.txt"
        try:
            text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        except OSError:
            raise UserError(f"Run {self.id} has no readable log.txt.") from None
        return "\n".join(text.splitlines()[-lines:])

    def read_samples(self) -> list[dict[str, Any]]:
        return self._read_lines("samples.jsonl", "epoch")

    def write_samples(self, epoch: int, samples: dict[str, Any]) -> None:
        """Plain JSON values into a row of the epoch's; bytes into a file of their own, whose name stands in the row."""
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
            raise UserError(f"Run {self.id} has no readable {name}.") from None

    def read_last(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and position of the resumable state; a run killed before its first save starts from the beginning."""
        tensors, metadata = checkpoint.read(self.path / "last.safetensors")
        return tensors, metadata["position"]

    @property
    def init(self) -> Path:
        """The checkpoint that training started from, kept so that it can start again without it."""
        return self.path / "init.safetensors"

    def write_last(self, tensors: dict[str, Tensor], position: dict[str, Any]) -> None:
        checkpoint.write(self.path / "last.safetensors", tensors, {"position": position})

    @property
    def weights(self) -> Path:
        """The kept weights: the last, or those with the best score; older runs call the file best.safetensors."""
        return checkpoint.weights_in(self.path)

    def write_weights(self, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        """Keep the weights."""
        kept, *older = (self.path / name for name in checkpoint.RUN_WEIGHTS)
        checkpoint.write(kept, tensors, metadata)
        for path in older:
            path.unlink(missing_ok=True)

    @property
    def resumable(self) -> bool:
        return (self.path / "last.safetensors").is_file()

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads((self.path / name).read_text())
        except (OSError, ValueError, RecursionError):
            raise UserError(f"Run {self.id} has no readable {name}.") from None
        if not isinstance(value, dict):
            raise UserError(f"Run {self.id} has no readable {name}.")
        return value

    def _write_lines(self, name: str, rows: list[dict[str, Any]]) -> None:
        checkpoint.write_atomic(self.path / name, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def _read_lines(self, name: str, position: str) -> list[dict[str, Any]]:
        """JSON objects, each with a number that says where in training it was written."""
        path = self.path / name
        try:
            text = path.read_text() if path.exists() else ""
            rows = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        except (OSError, ValueError, RecursionError):
            rows = [None]
        if not all(isinstance(row, dict) and _is_number(row.get(position)) for row in rows):
            raise UserError(f"Run {self.id} has no readable {name}.")
        return rows

    def _append(self, name: str, line: str) -> None:
        try:
            with open(self.path / name, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise UserError(f"Cannot write {self.path / name}: {error.strerror}.") from None


class Watched(Run):
    """A run as all but the first of several processes have it: they read, and what they would write is left to it."""

    def _leave(self, *_, **__) -> None: ...

    write_status = write_metrics = write_progress = add_progress = log = write_samples = _leave
    take = give_back = write_last = write_weights = _leave


def _by_first(find_run: Callable[..., Run]) -> Callable[..., Run]:
    """Of several processes that train together, the first finds or makes the run and tells the others."""

    @functools.wraps(find_run)
    def shared(*args, **kwargs) -> Run:
        if parallel.rank() == 0:
            return parallel.from_first(find_run(*args, **kwargs))
        return Watched(parallel.from_first(None).path)

    return shared


@_by_first
def create(config: dict[str, Any], label: str, root: Path | None = None, init: Path | None = None) -> Run:
    """A new run folder, or none at all; `init` is the checkpoint that training starts from, of which it gets a copy.

    The id is the time and a label of the program's own (a preset's or a system's name).
    """
    run = Run(_make_folder(root or RUNS, label))
    with whole_or_none(run):
        run.take()
        if init is not None:
            checkpoint.copy(init, run.init)
        created = datetime.now().astimezone().isoformat(timespec="seconds")
        config = {"format": checkpoint.FORMAT} | config | {"created": created}
        checkpoint.write_atomic(run.path / "config.json", json.dumps(config, indent=2).encode())
        run.write_status(state="created", epoch=0, error=None)
    return run


@contextlib.contextmanager
def whole_or_none(run: Run) -> Iterator[None]:
    """A new run leaves no folder if what is within fails."""
    try:
        yield
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        run.give_back()
        raise


def _make_folder(root: Path, label: str) -> Path:
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        root.mkdir(parents=True, exist_ok=True)
        for attempt in range(1000):
            path = root / (f"{stamp}-{label}" + (f"-{attempt}" if attempt else ""))
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                return path
    except OSError as error:
        raise UserError(f"Cannot make a run folder in {root}: {error.strerror}.") from None
    raise UserError(f"Cannot make a run folder in {root}: there are too many of this second.")


def find(run_id: str, root: Path | None = None) -> Run:
    root = root or RUNS
    if checkpoint.NAME.fullmatch(run_id) and (root / run_id / "config.json").is_file():
        return Run(root / run_id)
    raise UserError(f"There is no run {run_id!r}: `python -m cvae_core runs` lists them.")


@_by_first
def find_unfinished(run_id: str, system: str | None = None) -> Run:
    """A run that can be resumed, of the system that is named, if one is."""
    run = find(run_id)
    begins = run.state in ("created", "queued") and locks.is_own(run.path)
    if run.state in ("finished", *IN_HAND) and not begins:
        raise UserError(f"Run {run_id} is {run.state}: only a stopped, interrupted or failed run can be resumed.")
    config = run.read_config()
    if system is not None and config.get("system") != system:
        raise UserError(f"Run {run_id} is of {config.get('system')}, not of {system}.")
    if not isinstance(config.get("config"), dict) or not config.keys() >= NEEDED:
        raise UserError(f"Run {run_id} has no readable config.json.")
    return run


def list_runs(root: Path | None = None, system: str | None = None) -> list[Run]:
    """Runs in a folder, newest first; of one system, or all."""
    root = root or RUNS
    files = ("config.json", "status.json")  # one of them alone is a damaged run
    paths = [p for p in root.glob("*") if any((p / name).exists() for name in files)] if root.is_dir() else []
    found = [Run(p) for p in sorted(paths, reverse=True)]
    return found if system is None else [run for run in found if run.system == system]


def find_weights(name: str) -> Path:
    """A checkpoint file by a run's id, or as `checkpoint.find` finds it: by a name or a path."""
    weights = Run(RUNS / name).weights if checkpoint.NAME.fullmatch(name) else None
    return weights if weights is not None and weights.is_file() else checkpoint.find(name)


def finished(system: str) -> list[str]:
    """Ids of the finished runs of a system, newest first: each has weights that can be used."""
    return [run.id for run in list_runs() if checkpoint.system_of(run.weights) == system and run.state == "finished"]


def delete(run: Run) -> None:
    """Remove a run's folder with everything in it; a run in training is an error."""
    if run.state in IN_HAND:
        raise UserError(f"Run {run.id} is {run.state}: stop it first.")
    run.take()  # so that none resumes what is being removed
    try:
        shutil.rmtree(run.path)
    except OSError as error:
        raise UserError(f"Cannot remove {run.path}: {error.strerror or error}.") from None
    finally:
        run.give_back()


def _is_number(value: Any) -> bool:
    """Whether a value read from a file is a number that a count or a time can be; NaN is none."""
    return isinstance(value, int | float) and abs(value) < 1e15
