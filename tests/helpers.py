"""Shared by several tests: folders, processes, tiny runs, and how runs are compared."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cvae_core import checkpoint, runs
from cvae_core.run import Run
from cvae_core.session import prepare, reopen
from cvae_core.task import Task
from cvae_core.training import fit
from tests.tiny import ROWS, SIZES, VERBS

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CVAE_TEST_DATA", ROOT.parent / "shared" / "data"))  # data that the repository lacks
COURSE = SHARED / "tense"
ROBOT = SHARED / "robot"
USER_VERBS = ("6 own verbs", VERBS)  # a user's list, as `prepare` takes it
TINY = {"epochs": 4, "keep": "last", "batch_size": 6, "train_on": "all", **SIZES}
TIMED = ("seconds", "words_per_second")  # columns of metrics that differ between equal runs


def needs(*paths: str) -> pytest.MarkDecorator:
    """Skip the test, naming what is missing, unless these files or folders exist in SHARED."""
    missing = [path for path in paths if not (SHARED / path).exists()]
    return pytest.mark.skipif(
        bool(missing), reason=f"missing: {', '.join(str(SHARED / path) for path in missing)} (CVAE_TEST_DATA)"
    )


# --- processes --------------------------------------------------------------------------------------------------


def python(*words: Any, **options: Any) -> subprocess.Popen:
    """A Python process in the repository; `options` are those of Popen, and `runs`, the folder of its runs."""
    environment = dict(options.pop("env", os.environ))
    if "runs" in options:
        environment["CVAE_RUNS"] = str(options.pop("runs"))
    return subprocess.Popen([sys.executable, *map(str, words)], cwd=ROOT, env=environment, **options)


def run_python(*words: Any, **options: Any) -> subprocess.CompletedProcess:
    """Run `python` to its end: exit status, stdout and stderr as text. TimeoutExpired after ten minutes (a hang)."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with python(*words, **(pipes | options)) as process:
        try:
            stdout, stderr = process.communicate(timeout=600)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def python_to_file(*words: Any, output: Path) -> subprocess.Popen:
    """`python` on the runs of `runs.RUNS`, with its output in a file: a pipe that nobody reads fills up."""
    with open(output, "w") as file:
        return python(*words, runs=runs.RUNS, stdout=file, stderr=file)


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Poll until the condition holds; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.01)


def wait_for(run: Run, state: str, seconds: float = 180) -> None:
    """Poll until the run has a state; most trainings here take 10 s, but other processes slow them down."""
    wait_until(lambda: run.state == state, seconds)


# --- runs -------------------------------------------------------------------------------------------------------


def never() -> bool:
    """The `stopped` of `fit` that never stops a training."""
    return False


def after_epochs(count: int, run: Run) -> Callable[[], bool]:
    """The `stopped` of `fit` that stops a training when so many epochs are logged."""
    return lambda: len(run.read_metrics()) >= count


def resume(run: Run) -> str:
    """Train a run of `runs.RUNS` to its end; the state it ended in."""
    return fit(*reopen(run.id), never)


def copy_run(run: Run, name: str) -> Run:
    """A copy of a run's folder in `runs.RUNS`."""
    return Run(Path(shutil.copytree(run.path, runs.RUNS / name)))


def tiny_session(**changes: Any) -> tuple[Task, Run]:
    """A task of six verbs and its new run in `runs.RUNS`, from which it can be reopened."""
    return prepare("tense", "best", TINY | changes, USER_VERBS, "cpu")


def empty_run(folder: Path | None = None, system: str = "tense", name: str = "test", **entries: Any) -> Run:
    """A new run without data, for a task that the test makes itself."""
    return runs.create({"system": system, **entries}, name, folder)


def temporary_files() -> list[Path]:
    """Half-written files in the folder of `runs.RUNS`."""
    return list(runs.RUNS.parent.rglob(".*.tmp"))


def last_weights(run: Run) -> dict[str, torch.Tensor]:
    """Tensors of the resumable state."""
    return checkpoint.read(run.path / "last.safetensors")[0]


def untimed_metrics(run: Run) -> list[dict[str, Any]]:
    """The run's metrics without the columns that depend on time."""
    return [{name: value for name, value in row.items() if name not in TIMED} for row in run.read_metrics()]


def assert_same(run: Run, other: Run) -> None:
    """Two trainings ended with bit-identical tensors and equal metrics."""
    a, b = last_weights(run), last_weights(other)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert untimed_metrics(run) == untimed_metrics(other)


def write_verbs(path: Path, *more: str) -> Path:
    """A file of the six verbs and of further rows."""
    path.write_text("\n".join([*ROWS.split(","), *more]) + "\n", encoding="utf-8")
    return path
