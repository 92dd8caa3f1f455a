"""The Train page: what it shows of a run, and the scorecard of a checkpoint."""

from functools import partial

import pytest

from cvae_core import runs
from cvae_core.run import Run
from cvae_core.tense import data
from cvae_core.training import fit
from tests import pages
from tests.helpers import never, tiny_session
from tests.pages import button, texts

open_page = partial(pages.open_page, "train")
pytestmark = pytest.mark.usefixtures("runs_here")


def test_scorecard_gives_both_scores():
    at = open_page(view="Scorecard", model="tense")
    assert not at.exception and not at.error
    labels = [m.label for m in at.metric]
    assert labels[0] == "BLEU-4 (passed)" and labels[1].startswith("Gaussian score")
    assert len(at.dataframe[0].value) == len(data.COURSE_PAIRS)


def made_run(name: str, kl: float = 3.0, **config) -> Run:
    """A finished run of three epochs that was never trained."""
    run = runs.create({"system": "tense", "data": "x", "device": "cpu", "config": {"kl_max": 1.0} | config}, name)
    run.write_metrics([
        {"epoch": e, "loss": 5.0, "recon": 4.0, "kl": kl, "beta": 0.5, "accuracy_new": e / 4,
         "training_mutual_information_z": kl, "training_active_units_z": 2} for e in (1, 2, 3)
    ])  # fmt: skip
    for epoch in (1, 2, 3):
        answer = "went" if epoch > 1 else "goed"
        run.write_samples(epoch, {
            "conversions": [["go", "past", answer, "went"]], "generated": [["go", "goes", "going", answer]],
            "known": [epoch > 1], "projected": True, "map": [["go", "irregular", epoch, 0], ["be", "irregular", 0, 1]],
        })  # fmt: skip
    run.write_status(state="finished", epoch=3, epochs=3, batches=1)
    return run


def test_a_failed_run_shows_its_error():
    task, run = tiny_session(epochs=2, optimizer="sgd", learning_rate=10.0, kl_max=1000.0, clip_norm=0.0)
    with pytest.raises(Exception, match="finite"):
        fit(task, run, never)
    at = open_page(run=run.id)
    assert "no longer a finite number" in at.error[0].value


def test_a_damaged_run_gets_a_sentence():
    run = made_run("one")
    (run.path / "metrics.jsonl").write_text("{broken\n")
    at = open_page(run=run.id)
    assert not at.exception
    assert "metrics.jsonl" in at.error[0].value


def test_a_slider_goes_back_over_the_epochs():
    run = made_run("one")
    at = open_page(run=run.id)
    assert "**Conversions: 1 of 1 right** after epoch 3." in texts(at)
    assert at.dataframe[0].value["since epoch"].tolist() == ["2"]
    at.select_slider(key=f"epoch {run.id} of 3").set_value(1).run()
    assert "**Conversions: 0 of 1 right** after epoch 1." in texts(at) and "**Random z: 0 of 1 are verbs.**" in texts(
        at
    )


def test_a_run_is_compared_with_the_one_before():
    made_run("one", kl_max=0.5)
    at = open_page(run=made_run("two").id)
    labels = [panel.label for panel in at.expander]
    assert any(label.startswith("Compared with the previous run, ") and label.endswith("-one") for label in labels)
    assert "Settings that differ: `kl_max` 1.0 (before: 0.5)." in texts(at)


@pytest.mark.parametrize(("kl", "collapsed"), [(0.001, True), (4.0, False)])
def test_a_collapsed_posterior_gets_a_warning_with_its_remedy(kl, collapsed):
    at = open_page(run=made_run("one", kl).id)
    assert bool(at.warning) is collapsed
    assert not collapsed or "kl_knots" in at.warning[0].value
    assert "What the KL weight did" in [panel.label for panel in at.expander]


def test_a_run_is_repeated_with_another_seed(runs_here, monkeypatch):
    monkeypatch.setattr("ui.form.train_in_subprocess", lambda run, stopped: None)
    task, run = tiny_session(epochs=2, seed=4)
    run.write_status(state="finished")
    at = open_page(run=run.id)
    button(at, "Repeat with another seed").click().run()
    assert not at.exception and not at.error
    first, second = (other.read_config() for other in sorted(runs.list_runs(), key=lambda run: run.id))
    assert (first["config"].pop("seed"), second["config"].pop("seed")) == (4, 5)
    assert first["config"] == second["config"] and first["verbs"] == second["verbs"]
