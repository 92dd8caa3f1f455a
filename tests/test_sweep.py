"""Sweeps: what is parsed, what the queue does with workers that fail, stop and die."""

import math
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_core import runs, sweep
from cvae_core.__main__ import main
from cvae_core.cli import sweep as cli_sweep
from cvae_core.errors import UserError
from cvae_core.session import train_point
from cvae_core.systems import family
from cvae_core.tense.config import TenseConfig
from cvae_core.training import Stopped
from tests.helpers import TINY, USER_VERBS, never, python, wait_until, write_verbs
from tests.tiny import SIZES

GRID = {"kl_max": {"values": [0.1, 0.3]}, "decoder_condition": {"values": ["input", "output"]}}


@pytest.fixture
def storage(tmp_path):
    return sweep.open_storage(f"sqlite:///{tmp_path / 'study.db'}")


def new_study(storage, space=GRID, trials=None):
    return sweep.create("demo", storage, {"system": "tense"}, space, trials)


# --- what to sweep --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kl_max=0.1,0.3", ("kl_max", {"values": [0.1, 0.3]})),
        ("hidden-size=64,128", ("hidden_size", {"values": [64, 128]})),
        ("tense_classifier=true,false", ("tense_classifier", {"values": [True, False]})),
        ("decoder_condition=input,output", ("decoder_condition", {"values": ["input", "output"]})),
        ("kl-knots=0:0,1:1;0.50:1", ("kl_knots", {"values": ["0:0,1:1", "0.5:1"]})),
    ],
)
def test_a_grid_is_read_by_the_field_s_type(text, expected):
    assert sweep.parse_grid(text, TenseConfig) == expected
    name, entry = expected
    assert sweep.parse_search(text, TenseConfig) == (name, {"choices": entry["values"]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kl_max=0.01:1:log", {"low": 0.01, "high": 1.0, "log": True}),
        ("hidden_size=64:256", {"low": 64, "high": 256, "log": False}),
    ],
)
def test_a_search_is_a_range(text, expected):
    assert sweep.parse_search(text, TenseConfig)[1] == expected


@pytest.mark.parametrize(
    "text", ["nothing=1", "kl_max", "kl_max=", "kl_max=a", "kl_max=1:0", "kl_max=0:1:log", "kl_max=1:2:log:3",
             "decoder_condition=a:b", "kl_max=0:1:exp", "tense_classifier=maybe"],
)  # fmt: skip
def test_what_cannot_be_swept_gets_a_sentence(text):
    with pytest.raises(UserError):
        sweep.parse_search(text, TenseConfig)


@given(st.dictionaries(st.text(min_size=1), st.lists(st.integers(), min_size=1, max_size=4), max_size=4))
def test_a_grid_has_every_combination_once(values):
    points = list(sweep.combinations({name: {"values": v} for name, v in values.items()}))
    wanted = 1
    for v in values.values():
        wanted *= len(v)
    assert len(points) == wanted
    assert all(point[name] in v for point in points for name, v in values.items())


# --- the queue ------------------------------------------------------------------------------------------------------


def test_every_point_is_trained_once_and_the_best_comes_first(storage):
    study, trained = new_study(storage), []

    def train(values, runs, started):
        trained.append(values)
        started(0, f"run {len(trained)}")
        return [values["kl_max"] + (values["decoder_condition"] == "input")]

    sweep.work(study, train)
    assert sorted(map(str, trained)) == sorted(map(str, sweep.combinations(GRID)))
    rows = sweep.table(study)
    assert [row["value"] for row in rows] == [1.3, 1.1, 0.3, 0.1]
    assert rows[0]["decoder_condition"] == "input" and rows[0]["run"].startswith("run")
    assert len(sweep.as_text(rows).splitlines()) == 5


def test_a_search_has_as_many_points_as_asked_within_the_range(storage):
    study = new_study(storage, {"kl_max": {"low": 0.01, "high": 1.0, "log": True}}, trials=5)
    sweep.work(study, lambda values, runs, started: [-values["kl_max"]])
    rows = sweep.table(study)
    assert len(rows) == 5 and all(0.01 <= row["kl_max"] <= 1 for row in rows)


def test_a_search_of_values_takes_no_others(storage):
    study = new_study(storage, {"hidden_size": {"choices": [64, 128, 256]}}, trials=6)
    sweep.work(study, lambda values, runs, started: [values["hidden_size"]])
    assert {row["hidden_size"] for row in sweep.table(study)} <= {64, 128, 256}


def test_a_metric_that_is_no_number_fails_the_trial(storage):
    study = new_study(storage, {"kl_max": {"values": [0.1]}})
    sweep.work(study, lambda values, runs, started: [math.nan])
    [row] = sweep.table(study)
    assert (row["state"], row["error"]) == ("fail", "The metric is not a finite number.")


def test_a_failed_training_says_why_and_the_rest_goes_on(storage):
    study = new_study(storage)

    def train(values, runs, started):
        if values["kl_max"] == 0.1:
            raise UserError("too small")
        return [1.0]

    sweep.work(study, train)
    assert [(row["state"], row["error"]) for row in sweep.table(study)] == [
        ("complete", None), ("complete", None), ("fail", "too small"), ("fail", "too small"),
    ]  # fmt: skip


def test_a_stopped_worker_puts_its_trial_back_with_the_run(storage):
    study, asked = new_study(storage), []

    def stop(values, runs, started):
        started(0, "half-way")
        asked.append(values)
        raise Stopped

    sweep.work(study, stop, stopped=lambda: bool(asked))
    assert len(sweep.points(study)) == 4
    taken = {}

    def train(values, runs, started):
        taken["".join(runs)] = values
        return [0.0]

    sweep.work(study, train)
    assert taken["half-way"] == asked[0]
    assert [t.state.name for t in sweep.points(study)] == ["COMPLETE"] * 4


def test_a_schedule_beside_the_swept_fields_is_that_of_every_point(storage, run_root):
    knots = ((0.0, 0.0), (0.5, 1.0))
    setup = {
        "system": "tense", "preset": "best", "overrides": TINY | {"kl_knots": knots, "epochs": 1}, "device": "cpu",
        "data": family("tense").data_entries(USER_VERBS), "study": "demo", "metric": "recon",
    }  # fmt: skip
    sweep.create("demo", storage, setup, {"kl_max": {"values": [0.1]}}, None)
    study = sweep.load("demo", storage)
    sweep.work(study, lambda *args: train_point(study.user_attrs["setup"], *args, never))
    [row] = sweep.table(study)
    assert row["state"] == "complete"
    assert runs.find(row["run"]).read_config()["config"]["kl_knots"] == [[0, 0], [0.5, 1]]


def test_repeats_are_judged_by_their_mean_and_each_is_resumed(storage):
    study, stops = new_study(storage, {"kl_max": {"values": [0.1]}}), [True]

    def train(values, runs, started):
        begun.append(runs)
        started(0, "a")
        started(1, "b")
        if stops.pop():
            stops.append(False)
            raise Stopped
        started(1, "c")  # b was on another machine
        return [1.0, 2.0, 3.0]

    begun = []
    sweep.work(study, train)
    assert begun == [[], ["a", "b"]]
    [row] = sweep.table(study)
    assert (row["value"], row["±"], row["run"]) == (2.0, 1.0, "a, c")


def test_no_two_workers_on_one_sqlite_file_take_the_same_trial(tmp_path):
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    sweep.create("s", sweep.open_storage(url), {}, {"learning_rate": {"low": 0.1, "high": 1.0}}, 60)

    def take(_) -> list[int]:
        study = sweep.load("s", sweep.open_storage(url))
        return list(iter(lambda: study.ask().user_attrs.get("point"), None))

    with ThreadPoolExecutor(4) as workers:
        taken = [point for points in workers.map(take, range(4)) for point in points]
    assert sorted(taken) == list(range(60))


def test_unknown_and_existing_studies_get_a_sentence(storage):
    new_study(storage)
    with pytest.raises(UserError, match="known: demo"):
        sweep.load("other", storage)
    with pytest.raises(UserError, match="already"):
        new_study(storage)


def test_a_database_that_cannot_be_opened_gets_a_sentence(tmp_path):
    with pytest.raises(UserError, match="Cannot open"):
        sweep.open_storage(f"sqlite:///{tmp_path}/no/such/folder/study.db")
    with pytest.raises(UserError, match="Cannot open"):
        sweep.open_storage("no url")


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path):
    """A small sweep's arguments."""
    verbs = write_verbs(tmp_path / "verbs.txt")
    fields = {"data": verbs, "train-on": "all", "batch-size": 6} | {k.replace("_", "-"): v for k, v in SIZES.items()}
    return ["sweep", "tense", "--study", "demo", *(str(x) for k, v in fields.items() for x in (f"--{k}", v))]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "leave out other settings"),
        (["--grid", "kl_max=1", "--search", "kl_max=1"], "not both"),
        (["--search", "kl_max=0.1:1"], "--trials"),
        (["--search", "kl_max=0.1:1", "--trials", "0"], "trials is 0"),
        (["--grid", "kl_max=1", "--trials", "3"], "leave out --trials"),
        (["--grid", "kl_max=1", "--workers", "0"], "workers is 0"),
    ],
)
def test_mistakes_get_a_sentence(command, more, message, capsys, run_root):
    assert main([*command, *more]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("flags", "progressive"), [([], "cursing"), (["--as-is"], "curst")])
def test_rows_are_repaired_unless_taken_as_they_stand(command, flags, progressive, tmp_path, run_root, monkeypatch):
    (tmp_path / "verbs.txt").write_text("curse curses curst cursed\nwalk walks walking walked\n")
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    monkeypatch.setattr(cli_sweep, "_run_workers", lambda *_: ([], ""))
    assert main([*command, "--storage", storage, "--grid", "kl_max=1", *flags]) == 0
    setup = sweep.load("demo", sweep.open_storage(storage)).user_attrs["setup"]
    assert setup["data"]["verbs"][0] == [["curse"], ["curses"], [progressive], ["cursed"]]


@pytest.mark.slow
def test_ctrl_c_stops_and_saves_the_workers_trainings(command, tmp_path):
    root, storage = tmp_path / "runs", f"sqlite:///{tmp_path / 'study.db'}"
    words = [*command, "--epochs", "60", "--grid", "kl_max=0.1,0.3", "--storage", storage]
    process = python("-m", "cvae_core", *words, runs=root, stderr=subprocess.DEVNULL, start_new_session=True)
    wait_until(lambda: any(len(run.read_metrics()) >= 2 for run in runs.list_runs(root)), 60)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the whole group
    assert process.wait(60) == 0
    [run] = runs.list_runs(root)
    assert run.state == "stopped"
    states = [trial.state.name for trial in sweep.points(sweep.load("demo", sweep.open_storage(storage)))]
    assert states == ["WAITING"] * 2


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(command, tmp_path):
    """Two worker processes; one is killed within its second epoch, and another worker resumes its run."""
    start = (
        "import sys; from cvae_core import sweep; sweep.HEARTBEAT, sweep.GRACE = 1, 4\n"
        "from cvae_core.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    root = tmp_path / "runs"
    storage = f"sqlite:///{tmp_path / 'study.db'}"

    def worker(*arguments: str) -> subprocess.Popen:
        words = ["-c", start, *arguments, "--storage", storage, "--worker"]
        return python(*words, runs=root, stderr=subprocess.DEVNULL)

    first = worker(*command, "--epochs", "60", "--grid", "kl_max=0.1,0.3")
    wait_until(lambda: any(len(run.read_metrics()) >= 2 for run in runs.list_runs(root)), 60)
    [killed] = runs.list_runs(root)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    assert killed.state == "interrupted"
    others = [worker("sweep", "tense", "--study", "demo") for _ in range(2)]
    assert [process.wait(120) for process in others] == [0, 0]
    rows = sweep.table(sweep.load("demo", sweep.open_storage(storage)))
    assert [row["state"] for row in rows] == ["complete"] * 2
    assert {row["run"] for row in rows} == {run.id for run in runs.list_runs(root)}
    assert killed.id in {row["run"] for row in rows}
    assert "resumed" in killed.read_log(1000)
