"""Sweeps whose database is damaged, deleted, stopped or killed."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from cvae_core import runs, sweep
from cvae_core.errors import UserError
from tests.helpers import python, run_python, wait_until, write_verbs
from tests.pages import open_page
from tests.tiny import SIZES

PASSWORD = "SECRET"
BIN = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)  # Debian's


@pytest.fixture
def command(tmp_path):
    """A sweep of four small trainings."""
    fields = {"data": write_verbs(tmp_path / "verbs.txt"), "train-on": "all", "batch-size": 6, "epochs": 60}
    fields |= {name.replace("_", "-"): value for name, value in SIZES.items()}
    flags = [str(word) for name, value in fields.items() for word in (f"--{name}", value)]
    return ["-m", "cvae_core", "sweep", "tense", "--study", "demo", *flags, "--grid", "kl_max=0.1,0.2,0.3,0.4"]


def test_a_damaged_database_gets_a_sentence_on_the_page(run_root, monkeypatch):
    monkeypatch.delenv("CVAE_STUDIES", raising=False)
    run_root.mkdir(exist_ok=True)
    (run_root / "sweeps.db").write_bytes(b"no database" * 1000)
    at = open_page("curves", view="Sweeps")
    assert not at.exception and "Cannot open the study database" in at.error[0].value


def test_a_database_that_is_deleted_while_open_gets_a_sentence(tmp_path):
    path = tmp_path / "study.db"
    storage = sweep.open_storage(f"sqlite:///{path}")
    sweep.create("demo", storage, {"system": "tense"}, {"kl_max": {"values": [0.1]}}, None)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="study database cannot be used"), sweep.database_errors():
        sweep.table(sweep.load("demo", storage))


def test_a_study_of_another_program_gets_a_sentence(tmp_path):
    import optuna

    storage = sweep.open_storage(f"sqlite:///{tmp_path / 'study.db'}")
    optuna.create_study(study_name="other", storage=storage)
    with pytest.raises(UserError, match="of another program"):
        sweep.load("other", storage)


@pytest.mark.slow
def test_a_sweep_that_loses_its_database_says_what_is_safe(command, tmp_path):
    root = tmp_path / "runs"
    options = {"runs": root, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with python(*command, "--storage", f"sqlite:///{tmp_path / 'study.db'}", **options) as process:
        wait_until(lambda: len([run for run in runs.list_runs(root) if run.state == "finished"]) >= 2, 300)
        (tmp_path / "study.db").write_bytes(b"damaged" * 10_000)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in stderr
    assert "Complete and safe: trials " in stderr and "go on from their last save" in stderr


class PostgreSQL:
    """A server of its own in a folder, which can be killed and started again."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, _free_port()
        self.url = f"postgresql://cvae:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        # The server refuses to run as root.
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        if self.user:
            shutil.chown(folder, "postgres", "postgres")
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        initdb = [BIN / "initdb", "-D", folder / "data", "-U", "cvae", "--auth", "scram-sha-256", "--pwfile", password]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **self.user)

    def start(self) -> None:
        options = ["-D", self.folder / "data", "-p", str(self.port), "-k", self.folder, "-h", "127.0.0.1"]
        self.process = subprocess.Popen([BIN / "postgres", *options], cwd="/", stderr=subprocess.DEVNULL, **self.user)
        ready = [BIN / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, 60)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGQUIT)  # at once, as in a crash: the next start recovers from the log
        self.process.wait(60)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.fixture
def postgres(tmp_path_factory):
    if BIN is None:
        pytest.skip("PostgreSQL is missing: apt-get install postgresql, which make test-slow does where it may")
    folder = Path("/tmp") / f"cvae-postgres-{os.getpid()}"  # a folder that the user postgres can reach
    folder.mkdir()
    server = PostgreSQL(folder)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(folder)


@pytest.mark.slow
def test_postgresql_killed_and_restarted_within_a_sweep_loses_nothing(postgres, command, tmp_path):
    root = tmp_path / "runs"
    options = {"runs": root, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    options["env"] = os.environ | {"CVAE_STUDIES": postgres.url}
    with python(*command, **options) as process:
        # A training took 20 s on one machine and 75 s on another: the limits are for a worker that hangs.
        wait_until(lambda: len([run for run in runs.list_runs(root) if run.state == "finished"]) >= 1, 300)
        wait_until(lambda: any(run.state == "running" and run.read_metrics() for run in runs.list_runs(root)), 120)
        for arguments in Path("/proc").glob("[0-9]*/cmdline"):
            assert PASSWORD not in _read(arguments)
        postgres.kill()
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1 and "Traceback" not in stderr and PASSWORD not in stderr
    assert "Complete and safe: trials" in stderr
    before = {run.id: run.read_metrics() for run in runs.list_runs(root)}
    postgres.start()
    time.sleep(sweep.GRACE + 1)  # until the heartbeat of the lost worker counts as missing
    words = ["-m", "cvae_core", "sweep", "tense", "--study", "demo", "--json"]
    again = run_python(*words, env=options["env"], runs=root)
    assert again.returncode == 0, again.stderr
    rows = sweep.table(sweep.load("demo", sweep.open_storage(postgres.url)))
    assert [row["state"] for row in rows] == ["complete"] * 4
    after = {run.id: run.read_metrics() for run in runs.list_runs(root)}
    assert len(after) == 4 and {row["run"] for row in rows} == after.keys()
    assert all(after[run][: len(rows)] == rows for run, rows in before.items())
    for file in root.rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has ended
        return ""
