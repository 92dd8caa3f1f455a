import os
from pathlib import Path

# Before torch is imported, here and in every process that a test starts: two tests run at once, on as many cores.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

import pytest
import torch
from hypothesis import settings

from cvae_core import checkpoint, runs
from cvae_core.__main__ import main
from cvae_core.jobs import Jobs
from tests import pages

torch.set_num_threads(1)
# A deadline measures wall-clock time: on a busy machine an example of 40 ms once took 470.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


@pytest.fixture(autouse=True)
def one_thread():
    """Commands set the number of threads of their process, which is also that of the tests."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def nothing_ahead(monkeypatch):
    """The Train page starts no process ahead: it would take seconds of the core that another test needs."""
    monkeypatch.setattr("cvae_core.worker.start_ahead", lambda: None)


@pytest.fixture
def run_root(tmp_path, monkeypatch) -> Path:
    """A folder for the test's runs, which does not exist yet."""
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    return runs.RUNS


@pytest.fixture
def runs_here(run_root, monkeypatch):
    """An empty folder for runs, and a new queue for the Train page, which runs without the router."""
    pages.without_links(monkeypatch)
    queue = Jobs()
    monkeypatch.setattr("cvae_core.jobs.jobs", lambda: queue)
    yield queue
    queue.close()


@pytest.fixture
def checkpoint_root(tmp_path, monkeypatch) -> Path:
    """An empty folder for the test's checkpoints."""
    monkeypatch.setattr(checkpoint, "CHECKPOINTS", tmp_path / "checkpoints")
    checkpoint.CHECKPOINTS.mkdir()
    return checkpoint.CHECKPOINTS


@pytest.fixture(scope="module")
def module_run_root(tmp_path_factory):
    """A folder for the runs of a module's fixtures, which several tests copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "RUNS", tmp_path_factory.mktemp("runs"))
        yield runs.RUNS


@pytest.fixture
def cli(capsys):
    """Run a command that succeeds and return what it printed."""

    def run(*args):
        status = main([str(a) for a in args])
        printed = capsys.readouterr()
        assert status == 0, printed.err
        return printed.out

    return run
