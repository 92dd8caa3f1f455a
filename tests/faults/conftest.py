import pytest

from cvae_core.run import Run
from cvae_core.training import fit
from tests.helpers import after_epochs, never, tiny_session


@pytest.fixture(autouse=True)
def empty_folders(run_root, checkpoint_root) -> None:
    """Every test here has folders for runs and checkpoints to itself."""


@pytest.fixture(scope="module")
def uninterrupted(module_run_root) -> Run:
    """A finished run without any fault."""
    task, run = tiny_session()
    fit(task, run, never)
    return run


@pytest.fixture(scope="module")
def stopped_run(module_run_root) -> Run:
    """A run of four epochs that was stopped after two."""
    task, run = tiny_session()
    assert fit(task, run, after_epochs(2, run)) == "stopped"
    return run
