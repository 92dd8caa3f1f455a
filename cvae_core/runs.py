"""All runs in a folder: create, find, list and delete them; deleted ones are in its trash for a week."""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from cvae_core import checkpoint, locks, parallel, settings
from cvae_core.errors import UserError
from cvae_core.run import ACTIVE, ReadOnlyRun, Run

# CVAE_RUNS, or `runs` in the checkout; an installed package has no checkout and takes `runs` in the current folder.
RUNS = settings.runs_folder(Path("runs") if checkpoint.INSTALLED else checkpoint.ROOT / "runs")
TRASH, TRASH_DAYS = ".trash", 7  # a folder among the runs; how long it keeps deleted ones
UPLOADS = ".uploads"  # a folder among the runs: checkpoints that visitors of the app uploaded (tense/uploads.py)
REQUIRED = {"system", "data", "device"}  # entries of config.json without which a run cannot be resumed


def create(config: dict[str, Any], label: str, root: Path | None = None, init: Path | None = None) -> Run:
    """A new run in `root` (RUNS if None), locked by this process; no folder remains if creating it fails.

    The id is the time followed by `label`, a name that the program chooses (a preset or a system). `init` is the
    checkpoint that training starts from; the run keeps a copy. Raises UserError if a file cannot be written. Of several
    processes that train together, the first creates the run.
    """
    if parallel.rank() > 0:
        return ReadOnlyRun(parallel.from_first(None))
    run = Run(_make_folder(root or RUNS, label))
    with removed_on_error(run):
        run.acquire()
        if init is not None:
            checkpoint.copy(init, run.init)
        created = datetime.now().astimezone().isoformat(timespec="seconds")
        config = {"format": checkpoint.FORMAT} | config | {"created": created}
        checkpoint.write_atomic(run.path / "config.json", json.dumps(config, indent=2).encode())
        run.write_status(state="created", epoch=0, error=None)
    return Run(parallel.from_first(run.path))


@contextlib.contextmanager
def removed_on_error(run: Run) -> Iterator[None]:
    """A context that removes the folder of a new run if an exception leaves it."""
    try:
        yield
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        run.release()
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
    raise UserError(f"Cannot make a run folder in {root}: too many were created within this second.")


def find(run_id: str, root: Path | None = None) -> Run:
    """The run with an id in `root` (RUNS if None). Raises UserError if there is none, also for an id with a path."""
    root = root or RUNS
    named = checkpoint.NAME.fullmatch(run_id) or (root.is_dir() and run_id in os.listdir(root))  # a renamed folder
    if named and (root / run_id / "config.json").is_file():
        return Run(root / run_id)
    raise UserError(f"There is no run {run_id!r}: `python -m cvae_core runs` lists them.")


def find_unfinished(run_id: str | Path, system: str | None = None) -> Run:
    """A run, by id or by path, that this process can train: stopped, interrupted, failed, or new and its own.

    Raises UserError for any other run, for one of another system than `system` (None: any), and if config.json is
    incomplete. Of several processes that train together, the first checks the run.
    """
    if parallel.rank() > 0:
        return ReadOnlyRun(parallel.from_first(None))
    run = find(run_id.resolve().name, run_id.resolve().parent) if isinstance(run_id, Path) else find(run_id)
    state = run.state
    new = state in ("created", "queued") and locks.is_held(run.path)
    if state in ("finished", *ACTIVE) and not new:
        raise UserError(f"Run {run_id} is {state}: only a stopped, interrupted or failed run can be resumed.")
    config = run.read_config()
    if system is not None and config.get("system") != system:
        raise UserError(f"Run {run_id} is of {config.get('system')}, not of {system}.")
    if not isinstance(config.get("config"), dict) or not config.keys() >= REQUIRED:
        raise UserError(f"Run {run_id} has no readable config.json.")
    return Run(parallel.from_first(run.path))


def list_runs(root: Path | None = None, system: str | None = None) -> list[Run]:
    """The runs in `root` (RUNS if None), newest first; of one system, or of all if None."""
    root = root or RUNS
    files = ("config.json", "status.json")  # a folder with only one of them is a damaged run
    paths = [p for p in root.glob("*") if any((p / name).exists() for name in files)] if root.is_dir() else []
    runs = [Run(p) for p in sorted(paths, reverse=True)]
    return runs if system is None else [run for run in runs if run.system == system]


def finished(system: str) -> list[str]:
    """Ids of the finished runs of a system that have weights, newest first."""
    return [run.id for run in list_runs() if checkpoint.system_of(run.weights) == system and run.state == "finished"]


def find_weights(name: str) -> Path:
    """A checkpoint file, by the id of a run or an upload, or else by `checkpoint.find`. UserError if there is none."""
    if checkpoint.NAME.fullmatch(name):
        for path in (Run(RUNS / name).weights, RUNS / UPLOADS / f"{name}.safetensors"):
            if path.is_file():
                return path
    return checkpoint.find(name)


# --- trash ------------------------------------------------------------------------------------------------------


def delete(run: Run) -> None:
    """Move a run's folder to the trash. Raises UserError if the run is active or the folder cannot be moved."""
    if run.state in ACTIVE:
        raise UserError(f"Run {run.id} is {run.state}: stop it first.")
    if run.path.is_symlink():
        raise UserError(f"Cannot remove {run.path}: it is a link to another folder.")
    run.acquire()  # so that no other process resumes it meanwhile
    try:
        trash = run.path.parent / TRASH
        trash.mkdir(exist_ok=True)
        os.utime(run.path)  # deleted now
        run.path.replace(trash / run.id)
    except OSError as error:
        raise UserError(f"Cannot remove {run.path}: {error.strerror or error}.") from None
    finally:
        run.release()
    empty_trash(TRASH_DAYS)


def restore(run_id: str) -> Run:
    """Move a run from the trash back. Raises UserError if it is not there, or cannot be moved."""
    if run_id not in [run.id for run in trashed()]:
        raise UserError(f"Run {run_id!r} is not in the trash.")
    try:
        return Run((RUNS / TRASH / run_id).rename(RUNS / run_id))
    except OSError as error:
        raise UserError(f"Cannot restore run {run_id}: {error.strerror or error}.") from None


def trashed(system: str | None = None) -> list[Run]:
    """The runs in the trash, newest first; of one system, or of all if None."""
    return list_runs(RUNS / TRASH, system)


def empty_trash(days: float = 0.0) -> None:
    """Remove what has been in the trash for so many days."""
    for run in trashed():
        with contextlib.suppress(OSError):  # another process was faster
            if time.time() - run.path.stat().st_mtime >= days * 86_400:
                shutil.rmtree(run.path)
