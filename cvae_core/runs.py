"""A run on disk: `runs/<id>/` with config, metrics, status, samples, the resumable state and the kept weights.

config.json          system, preset, config, data
metrics.jsonl        one JSON object an epoch
samples.jsonl        what the model made of a few inputs, one object an epoch
progress.jsonl       the losses of the batches of each second, to watch an epoch by
log.txt              what happened when, for people
status.json          state, pid, heartbeat, epoch, epochs, batch, batches, per_second, eta, error
last.safetensors     weights, optimiser and position: what resuming needs
best.safetensors     a checkpoint as `checkpoint.read` takes it
init.safetensors     the checkpoint that training started from, if there was one

States: created, queued, running, stopped, interrupted (its process is gone), failed, finished.
"""

import functools
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from cvae_core import checkpoint, parallel
from cvae_core.errors import UserError

RUNS = Path(os.environ.get("CVAE_RUNS", checkpoint.ROOT / "runs"))


@dataclass(frozen=True)
class Run:
    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    def read_config(self) -> dict[str, Any]:
        return self._read_json("config.json")

    @property
    def system(self) -> str | None:
        """What it trains, or None when its config cannot be read."""
        try:
            return self.read_config().get("system")
        except UserError:
            return None

    def read_status(self) -> dict[str, Any]:
        """The status as written, except that a run whose process is gone is `interrupted`."""
        if not (self.path / "status.json").exists():  # killed while its folder was being made
            return {"state": "interrupted", "epoch": 0}
        status = self._read_json("status.json")
        if status.get("state") in ("created", "queued", "running") and not _alive(status.get("pid")):
            status["state"] = "interrupted"
        return status

    @property
    def state(self) -> str:
        """One of the states above, or `unknown` when the status cannot be read."""
        try:
            return str(self.read_status().get("state", "unknown"))
        except UserError:
            return "unknown"

    def write_status(self, **changes: Any) -> None:
        path = self.path / "status.json"
        status = self._read_json("status.json") if path.exists() else {}
        status |= changes | {"pid": os.getpid(), "heartbeat": time.time()}
        checkpoint.write_atomic(path, json.dumps(status).encode())

    def read_metrics(self) -> list[dict[str, Any]]:
        return self._read_lines("metrics.jsonl")

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        self._write_lines("metrics.jsonl", rows)

    def read_progress(self) -> list[dict[str, Any]]:
        return self._read_lines("progress.jsonl")

    def write_progress(self, rows: list[dict[str, Any]]) -> None:
        self._write_lines("progress.jsonl", rows)

    def add_progress(self, row: dict[str, Any]) -> None:
        """Appended, unlike the rest: one short line a second, and a torn last one is skipped when read."""
        with open(self.path / "progress.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def log(self, text: str) -> None:
        """Add a line with the time to log.txt."""
        with open(self.path / "log.txt", "a", encoding="utf-8") as file:
            file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n")

    def read_log(self, lines: int) -> str:
        """The last lines of log.txt."""
        path = self.path / "log.txt"
        return "\n".join(path.read_text(encoding="utf-8").splitlines()[-lines:]) if path.exists() else ""

    def read_samples(self) -> list[dict[str, Any]]:
        return self._read_lines("samples.jsonl")

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

    def write_init(self, weights: Path) -> None:
        """Keep the checkpoint that training starts from, so that it can start again without it."""
        checkpoint.write_atomic(self.init, weights.read_bytes())

    @property
    def init(self) -> Path:
        return self.path / "init.safetensors"

    def write_last(self, tensors: dict[str, Tensor], position: dict[str, Any]) -> None:
        checkpoint.write(self.path / "last.safetensors", tensors, {"position": position})

    def write_best(self, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
        checkpoint.write(self.path / "best.safetensors", tensors, metadata)

    @property
    def resumable(self) -> bool:
        return (self.path / "last.safetensors").is_file()

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            raise UserError(f"Run {self.id} has no readable {name}.") from None
        if not isinstance(value, dict):
            raise UserError(f"Run {self.id} has no readable {name}.")
        return value

    def _write_lines(self, name: str, rows: list[dict[str, Any]]) -> None:
        checkpoint.write_atomic(self.path / name, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def _read_lines(self, name: str) -> list[dict[str, Any]]:
        path = self.path / name
        try:
            text = path.read_text() if path.exists() else ""
            return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        except ValueError:
            raise UserError(f"Run {self.id} has no readable {name}.") from None


class Watched(Run):
    """A run as all but the first of several processes have it: they read, and what they would write is left to it."""

    def _leave(self, *_, **__) -> None: ...

    write_status = write_metrics = write_progress = add_progress = log = write_samples = _leave
    write_init = write_last = write_best = _leave


def _by_first(find_run: Callable[..., Run]) -> Callable[..., Run]:
    """Of several processes that train together, the first finds or makes the run and tells the others."""

    @functools.wraps(find_run)
    def shared(*args, **kwargs) -> Run:
        if parallel.rank() == 0:
            return parallel.from_first(find_run(*args, **kwargs))
        return Watched(parallel.from_first(None).path)

    return shared


@_by_first
def create(config: dict[str, Any], label: str, root: Path | None = None) -> Run:
    """A new run folder; the id is the time and a label of the program's own (a preset's or a system's name)."""
    root = root or RUNS
    root.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for attempt in range(1000):
        path = root / (f"{stamp}-{label}" + (f"-{attempt}" if attempt else ""))
        try:
            path.mkdir()
        except FileExistsError:
            continue
        config = config | {"created": datetime.now().astimezone().isoformat(timespec="seconds")}
        checkpoint.write_atomic(path / "config.json", json.dumps(config, indent=2).encode())
        run = Run(path)
        run.write_status(state="created", epoch=0, error=None)
        return run
    raise UserError(f"Cannot make a run folder in {root}.")


def find(run_id: str, root: Path | None = None) -> Run:
    root = root or RUNS
    if checkpoint.NAME.fullmatch(run_id) and (root / run_id / "config.json").is_file():
        return Run(root / run_id)
    raise UserError(f"There is no run {run_id!r}: `python -m cvae_core runs` lists them.")


@_by_first
def find_unfinished(run_id: str, system: str) -> Run:
    """A run of a system that can be resumed."""
    run = find(run_id)
    if run.state in ("finished", "running", "queued"):
        raise UserError(f"Run {run_id} is {run.state}: only a stopped, interrupted or failed run can be resumed.")
    other = run.read_config().get("system")
    if other != system:
        raise UserError(f"Run {run_id} is of {other}, not of {system}.")
    return run


def list_runs(root: Path | None = None, system: str | None = None) -> list[Run]:
    """Runs in a folder, newest first; of one system, or all."""
    root = root or RUNS
    paths = [p for p in root.glob("*") if (p / "config.json").is_file()] if root.is_dir() else []
    found = [Run(p) for p in sorted(paths, reverse=True)]
    return found if system is None else [run for run in found if run.system == system]


def find_weights(name: str) -> Path:
    """A checkpoint file by a run's id, or as `checkpoint.find` finds it: by a name or a path."""
    weights = RUNS / name / "best.safetensors" if checkpoint.NAME.fullmatch(name) else None
    return weights if weights is not None and weights.is_file() else checkpoint.find(name)


def finished(system: str) -> list[str]:
    """Ids of the finished runs of a system, newest first: each has weights that can be used."""
    return [
        run.id
        for run in list_runs()
        if checkpoint.system_of(run.path / "best.safetensors") == system and run.state == "finished"
    ]


def delete(run: Run) -> None:
    """Remove a run's folder with everything in it; a run in training is an error."""
    if run.state in ("running", "queued"):
        raise UserError(f"Run {run.id} is {run.state}: stop it first.")
    shutil.rmtree(run.path)


def _alive(pid: Any) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
