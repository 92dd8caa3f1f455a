"""Runs and checkpoints that earlier versions wrote open for good: see scripts/old_files.py."""

import json
import shutil
from pathlib import Path

import pytest

from cvae_core import migrate
from cvae_core.config import config_from_dict
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.session import reopen
from cvae_core.systems import SYSTEMS, family
from cvae_core.training import fit

OLD = sorted(path.parent for path in Path(__file__).parent.glob("old/*/*/config.json"))
old_run = pytest.mark.parametrize("folder", OLD, ids=lambda path: f"{path.parent.name}-{path.name}")


@pytest.fixture
def copy(folder, run_root) -> Run:
    """The old run among a test's own."""
    return Run(Path(shutil.copytree(folder, run_root / folder.name)))


def test_every_system_has_an_old_run():
    assert {Run(path).system for path in OLD} == set(SYSTEMS)


def is_supported(folder: Path) -> bool:
    """Whether the run's model is: that of verbs had another architecture before format 3."""
    return folder.name != "tense" or folder.parent.name not in ("1", "2")


@old_run
def test_an_old_run_is_resumed_with_the_losses_that_it_would_have_had(folder, copy):
    if not is_supported(folder):
        with pytest.raises(UserError, match="source aligned"):
            reopen(copy.id)
        assert [row["epoch"] for row in copy.read_metrics()] == [1]
        return
    task, run = reopen(copy.id)
    assert fit(task, run, lambda: False) == "finished"
    row = run.read_metrics()[-1]
    expected = json.loads((folder / "expected.json").read_text())
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-4)


@old_run
def test_an_old_checkpoint_opens(folder, copy):
    weights = Run(folder).weights
    if is_supported(folder):
        assert family(copy.system).load(str(weights))
    else:
        with pytest.raises(UserError, match="source aligned"):
            family(copy.system).load(str(weights))


@pytest.mark.parametrize("change", [{"tf_schedule": "geometric"}, {"kl_cycles": "x"}, {"kl_cycles": 0}, {"epochs": []}])
def test_a_damaged_config_of_format_1_gets_a_sentence(change):
    damaged = {
        "epochs": 3,
        "source": "none",
        "bidirectional": False,
        "tf_schedule": "linear",
        "kl_schedule": "linear",
    } | change
    with pytest.raises(UserError, match="onfig field|kl_knots"):
        config_from_dict(family("tense").Config, migrate.config("tense", damaged, 1))
