"""The Train page: form, queue, live run, and bad input."""

import threading
from dataclasses import fields
from functools import partial

import pytest

from cvae_core import runs
from cvae_core.jobs import Jobs
from cvae_core.run import Run
from cvae_core.systems import SYSTEMS, family
from cvae_core.training import fit
from tests import pages
from tests.helpers import never, tiny_session, wait_for, wait_until
from tests.pages import button, texts
from tests.tiny import SIZES, VERBS
from ui.systems import titles, view

open_page = partial(pages.open_page, "train")
pytestmark = pytest.mark.usefixtures("runs_here")


def tiny_run() -> Run:
    """A finished run of two epochs."""
    task, run = tiny_session(epochs=2)
    fit(task, run, never)
    return run


def test_opens_without_runs():
    at = open_page()
    assert not at.exception and not at.error
    assert "There is no run yet" in texts(at)
    assert button(at, "Start training").disabled  # fine-tuning awaits verbs


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("walk walks", "expected four forms"),
        ("walk walks walking walk3d", "letters a to z"),
        ("走る 走る 走る 走る", "letters a to z"),
    ],
)
def test_a_bad_list_gets_a_sentence(typed, message):
    at = open_page()
    at.text_area(key="typed").set_value(typed).run()
    assert not at.exception
    assert message in at.error[0].value


def test_how_a_list_was_read_is_shown():
    at = open_page()
    at.text_area(key="typed").set_value("go,went,gone,going").run()
    assert "columns were read as present, past" in at.info[0].value and not at.exception
    at.text_area(key="typed").set_value("curse curses curst cursed\nwalk walks walking walked\nbe is being was").run()
    assert "curse curses cursing cursed" in at.info[0].value
    at.toggle(key="as_is").set_value(True).run()
    assert not [info for info in at.info if "cursing" in info.value]


def test_a_list_is_counted():
    at = open_page()
    at.text_area(key="typed").set_value("walk walks walking walked\n" * 2 + "zig zigs zigging zigged").run()
    assert "**2 verbs** in your list, 1 repeated lines left out." in texts(at)


def test_trains_on_typed_verbs_to_the_end(runs_here):
    at = open_page()
    at.selectbox(key="init").set_value("random weights").run()
    at.segmented_control(key="verbs The built-in dictionary").set_value("My own verbs").run()
    at.text_area(key="typed").set_value("\n".join(" ".join(v.row) for v in VERBS)).run()
    at.number_input(key="best epochs").set_value(2)
    for field, value in SIZES.items():
        at.number_input(key=f"best {field}").set_value(value)
    at.selectbox(key="best train_on").set_value("all").run()
    button(at, "Start training").click().run()
    assert not at.exception and not at.error
    run = runs.list_runs()[0]
    wait_for(run, "finished")
    assert run.read_config()["config"] | SIZES == run.read_config()["config"]
    at = open_page(run=run.id)
    assert "Finished." in texts(at) and not at.error
    assert run.id in at.selectbox(key="init").options


@pytest.mark.parametrize(
    ("system", "picker"), [("Verbs", "preset True True"), ("Digits", "digits preset"), ("Video", "video preset")]
)
def test_every_preset_fits_the_form(system, picker):
    at = open_page(system=system)
    if system == "Verbs":
        at.selectbox(key="init").set_value("random weights").run()
    for name in at.selectbox(key=picker).options:
        at.selectbox(key=picker).set_value(name).run()
        assert not at.exception and not at.error, name


@pytest.mark.slow
def test_trains_on_digits_to_the_end_and_resumes(runs_here):
    at = open_page(system="Digits")
    at.selectbox(key="digits preset").set_value("source-003-label").run()
    at.number_input(key="source-003-label epochs").set_value(1)
    at.number_input(key="source-003-label hidden_size").set_value(8).run()
    button(at, "Start training").click().run()
    assert not at.exception and not at.error
    run = runs.list_runs(system="digits")[0]
    wait_for(run, "finished")
    run.write_status(state="stopped")
    at = open_page(system="Digits", run=run.id)
    assert not at.exception and not at.error
    assert "negative ELBO, nats per unseen picture" in str(at.dataframe[0].value)
    button(at, "Resume").click().run()
    wait_for(run, "finished")
    assert [row["epoch"] for row in run.read_metrics()] == [1]


@pytest.mark.slow
def test_trains_on_video_to_the_end(runs_here):
    at = open_page(system="Video")
    name = "source-004-decayed"
    at.selectbox(key="video preset").set_value(name).run()
    sizes = {"epochs": 1, "batch_size": 5, "width": 4, "code_size": 8, "latent_size": 2, "rnn_size": 8, "clips": 10}
    for field, value in sizes.items():
        at.number_input(key=f"{name} {field}").set_value(value)
    button(at.run(), "Start training").click().run()
    assert not at.exception and not at.error
    run = runs.list_runs(system="video")[0]
    wait_for(run, "finished")
    at = open_page(system="Video", run=run.id)
    assert not at.exception and not at.error
    assert "PSNR of predicted frames, dB" in str(at.dataframe[0].value)
    (run.path / run.read_samples()[-1]["prediction.gif"]).unlink()
    assert "no readable" in open_page(system="Video", run=run.id).error[0].value


@pytest.mark.slow
def test_a_stopped_run_is_resumed(runs_here):
    task, run = tiny_session(epochs=2)
    asked = iter([False, True])
    fit(task, run, stopped=lambda: next(asked))
    at = open_page(run=run.id)
    assert "Stopped" in texts(at)
    button(at, "Resume").click().run()
    assert not at.exception and not at.error
    wait_for(run, "finished")
    assert [row["epoch"] for row in run.read_metrics()] == [1, 2]


def test_a_run_is_deleted_after_asking():
    run = tiny_run()
    at = open_page(run=run.id)
    button(at, "Yes, delete it").click().run()
    assert not at.exception
    assert not run.path.exists() and "There is no run yet" in texts(at)


def test_a_full_queue_takes_no_more(runs_here):
    hold = threading.Event()
    for _ in range(4):
        run = runs.create({"system": "tense"}, "test")
        runs_here.submit(run, lambda stopped: hold.wait(60))
    at = open_page()
    at.text_area(key="typed").set_value("zig zigs zigging zigged").run()
    count = len(runs.list_runs())
    button(at, "Start training").click().run()
    assert "wait already" in at.error[0].value
    assert len(runs.list_runs()) == count
    hold.set()


def test_repeats_are_queued_with_different_seeds(runs_here):
    runs_here.submit(runs.create({"system": "tense"}, "test"), lambda stopped: wait_until(stopped, 60))
    at = open_page(system="Digits")
    at.number_input(key="repeats").set_value(3).run()
    button(at, "Start training").click().run()
    assert not at.exception and not at.error
    configs = [run.read_config()["config"] for run in runs.list_runs(system="digits")]
    assert sorted(config.pop("seed") for config in configs) == [0, 1, 2]
    assert configs[0] == configs[1] == configs[2]
    assert len(runs_here.waiting()) == 3


def test_no_new_training_without_room(runs_here, monkeypatch):
    tiny_run()
    monkeypatch.setenv("CVAE_MAX_GB", "0.00001")
    at = open_page(system="Digits")
    button(at, "Start training").click().run()
    assert not at.exception
    assert "delete some" in at.error[0].value
    assert runs_here.running() is None and runs.list_runs(system="digits") == []


def test_a_limit_that_makes_no_sense_gets_a_sentence(monkeypatch):
    monkeypatch.setattr("cvae_core.jobs.jobs", Jobs)
    monkeypatch.setenv("CVAE_MAX_HOURS", "two")
    at = open_page(run=tiny_run().id)
    assert not at.exception
    assert "CVAE_MAX_HOURS is 'two'" in at.error[0].value


@pytest.mark.parametrize("setting", ["0", pytest.param("false", marks=pytest.mark.slow)])
@pytest.mark.parametrize("state", ["running", "stopped", "finished"])
def test_no_training_on_a_public_server(setting, state, runs_here, monkeypatch):
    """Nor can runs be stopped, resumed or deleted, or verbs uploaded to train on, even by a link to a run."""
    monkeypatch.setenv("ALLOW_TRAINING", setting)
    hold = threading.Event()
    run = runs.create({"system": "tense"}, "test")
    if state == "running":
        runs_here.submit(run, lambda stopped: hold.wait(60))
    else:
        run.write_status(state=state)
    started = []
    monkeypatch.setattr("cvae_core.worker.start_ahead", lambda: started.append(True))
    for query in ({}, {"run": run.id, "view": "Training", "system": "Verbs"}):
        at = open_page(**query)
        assert not at.exception
        assert "switched off" in at.info[0].value
        assert [b.label for b in at.button] == []
        assert [f.key for f in at.file_uploader] == ["checkpoint", "rows", "pairs"]  # the scorecard's
        assert at.segmented_control(key="view").options == ["Scorecard"]
    assert run.path.exists() and not started
    hold.set()


def test_every_system_has_what_the_page_needs():
    names = titles()
    assert list(names) == list(SYSTEMS) and len(set(names.values())) == len(SYSTEMS)
    for system in SYSTEMS:
        module = view(system)
        assert module.LOSS_UNIT and module.SCORES and callable(module.show_form) and callable(module.show_samples)
        run = runs.create({"system": system}, "test")
        assert all((pages.ROOT / "pages" / f"{page}.py").is_file() and label for page, label, _ in module.links(run))


@pytest.mark.parametrize("system", ["Verbs", "Digits", "Video"])
def test_the_form_has_the_fields_of_its_system_and_their_ranges(system):
    at = open_page(system=system)
    names = {title: name for name, title in titles().items()}
    preset = "fine-tune" if system == "Verbs" else family(names[system]).DEFAULT
    if system == "Video":
        at.selectbox(key="video preset").set_value(preset).run()
    config = family(names[system]).Config
    fixed = family(names[system]).MODEL_FIELDS if system == "Verbs" else ()
    widgets = {w.key: w for w in [*at.number_input, *at.selectbox, *at.toggle, *at.text_input]}
    for field in fields(config):
        key = f"{preset} {field.name}"
        assert (key in widgets) == (field.name not in fixed and field.metadata["help"] != ""), key
        if key in widgets and not isinstance(field.default, bool | str | tuple):
            assert (widgets[key].min, widgets[key].max) == (field.metadata["low"], field.metadata["high"])
    assert (f"{preset} teacher_forcing" in widgets) == (system != "Digits")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("0:0,0.2:1", None),
        ("1", None),
        ("0:0,0.2:", "is not a schedule"),
        ("0.5:0,0.2:1", "positions from 0 to 1 in order"),
        ("0:2", "expected 0 to 1"),
        ("0:nan", "finite"),
        ("", "is not a schedule"),
    ],
)
def test_a_schedule_is_typed_as_knots(typed, message):
    at = open_page(system="Digits")
    at.text_input(key=f"{family('digits').DEFAULT} kl_knots").set_value(typed).run()
    assert not at.exception
    assert bool(at.error) == bool(message) and (not message or message in at.error[0].value)
    assert at.selectbox(key=f"{family('digits').DEFAULT} seen")  # the fields after it are still there


def test_the_demonstration_is_a_training_of_common_verbs(runs_here, monkeypatch):
    monkeypatch.setattr("ui.form.train_in_subprocess", lambda run, stopped: None)
    at = open_page()
    button(at, "Watch a model learn").click().run()
    assert not at.exception and not at.error
    (run,) = runs.list_runs()
    saved = run.read_config()
    assert saved["preset"] == "demo" and 20 <= len(saved["verbs"]) <= 40
    assert at.session_state["run"] == run.id
    assert "Watch a model learn" not in [b.label for b in open_page(system="Digits").button]


def test_settings_are_grouped_and_schedules_drawn_when_they_are_opened():
    at = open_page(system="Digits")
    assert "**KL weight β**" not in texts(at)
    at.session_state["all settings"] = True
    at.run()
    assert [tab.label for tab in at.tabs] == ["Model", "Data", "Schedules", "Loss", "Training"]
    assert "**KL weight β**" in texts(at) and "**teacher-forcing ratio**" not in texts(at)
