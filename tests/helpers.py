"""What several tests share: the folders, the command line, tiny runs, and how runs are compared."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cvae_core import checkpoint, runs
from cvae_core.runs import Run
from cvae_core.session import prepare
from cvae_core.task import Task
from tests.tiny import ROWS, SIZES, VERBS

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CVAE_TEST_DATA", ROOT.parent / "shared" / "data"))  # data that the repository lacks
COURSE = SHARED / "tense"
ROBOT = SHARED / "robot"
OWN_VERBS = ("6 own verbs", VERBS)  # a user's list, as `prepare` takes it
TINY = {"epochs": 4, "keep": "last", "batch_size": 6, "train_on": "all", **SIZES}
TIMED = ("seconds", "words_per_second")  # columns of metrics that differ between equal runs


def needs(*paths: str) -> pytest.MarkDecorator:
    """Skip, with the name of what is missing, where files or folders in SHARED are needed and not there."""
    missing = [path for path in paths if not (SHARED / path).exists()]
    return pytest.mark.skipif(
        bool(missing), reason=f"missing: {', '.join(str(SHARED / path) for path in missing)} (CVAE_TEST_DATA)"
    )


# --- processes --------------------------------------------------------------------------------------------------


def python(*words: Any, **options: Any) -> subprocess.Popen:
    """A Python process in the repository; `options` are those of Popen, and `runs`, its run folder."""
    environment = dict(options.pop("env", os.environ))
    if "runs" in options:
        environment["CVAE_RUNS"] = str(options.pop("runs"))
    return subprocess.Popen([sys.executable, *map(str, words)], cwd=ROOT, env=environment, **options)


def run_python(*words: Any, timeout: float = 120, **options: Any) -> subprocess.CompletedProcess:
    """`python`, waited for: exit status, stdout and stderr as text. Killed with an error after `timeout` seconds."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with python(*words, **(pipes | options)) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Look again and again until the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.01)


# --- runs -------------------------------------------------------------------------------------------------------


def never() -> bool:
    """What `train` asks, of a training that nobody stops."""
    return False


def tiny_session(**changes: Any) -> tuple[Task, Run]:
    """A task of six verbs and its new run in `runs.RUNS`, from which it can be reopened."""
    return prepare("tense", "best", TINY | changes, OWN_VERBS, "cpu")


def empty_run(folder: Path | None = None, system: str = "tense", name: str = "test", **entries: Any) -> Run:
    """A new run without data, for a task that the test holds itself."""
    return runs.create({"system": system, **entries}, name, folder)


def last_weights(run: Run) -> dict[str, torch.Tensor]:
    """Tensors of the resumable state."""
    return checkpoint.read(run.path / "last.safetensors")[0]


def untimed_metrics(run: Run) -> list[dict[str, Any]]:
    """The run's metrics without the columns of time."""
    return [{name: value for name, value in row.items() if name not in TIMED} for row in run.read_metrics()]


def assert_same(run: Run, other: Run) -> None:
    """Two trainings ended bit-exactly alike."""
    a, b = last_weights(run), last_weights(other)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert untimed_metrics(run) == untimed_metrics(other)


def write_verbs(path: Path, *more: str) -> Path:
    """A file of the six verbs, and of further rows."""
    path.write_text("\n".join([*ROWS.split(","), *more]) + "\n", encoding="utf-8")
    return path
