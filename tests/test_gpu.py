"""A training from the page on each kind of device: started, stopped, resumed, fine-tuned from, and used on a CPU."""

from functools import partial

import pytest
import torch

from cvae_core import runs
from cvae_core.run import Run
from cvae_core.tense.data import PAST, PRESENT
from cvae_core.tense.inference import load
from tests import pages
from tests.helpers import wait_for, wait_until
from tests.pages import button
from tests.tiny import SIZES, VERBS

ROWS = "\n".join(" ".join(verb.row) for verb in VERBS)
EPOCHS = 40  # some seconds, so that there is time to stop it
GPU = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU"))
open_page = partial(pages.open_page, "train")
pytestmark = pytest.mark.usefixtures("runs_here")


def start(init: str, rows: str, preset: str, epochs: int, device: str, **sizes: int) -> Run:
    """Start a training of typed verbs on the page; its new run."""
    before = {run.id for run in runs.list_runs()}
    at = open_page()
    at.selectbox(key="init").set_value(init).run()
    if init == "random weights":
        at.segmented_control(key="verbs The built-in dictionary").set_value("My own verbs").run()
        at.selectbox(key=f"{preset} train_on").set_value("all")
    at.text_area(key="typed").set_value(rows).run()
    for field, value in {"epochs": epochs, **sizes}.items():
        at.number_input(key=f"{preset} {field}").set_value(value)
    if torch.cuda.is_available():
        at.segmented_control(key="device").set_value(device)
    button(at.run(), "Start training").click().run()
    assert not at.exception and not at.error
    (run,) = (run for run in runs.list_runs() if run.id not in before)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", GPU])
def test_a_run_is_stopped_resumed_fine_tuned_from_and_loaded_on_a_cpu(device):
    run = start("random weights", ROWS, "best", EPOCHS, device, **SIZES)
    wait_until(lambda: run.read_metrics(), 180)
    button(open_page(run=run.id), "Stop").click().run()
    wait_for(run, "stopped")
    assert len(run.read_metrics()) < EPOCHS
    button(open_page(run=run.id), "Resume").click().run()
    wait_for(run, "finished")
    assert [row["epoch"] for row in run.read_metrics()] == list(range(1, EPOCHS + 1))
    tuned = start(run.id, "zig zigs zigging zigged", "fine-tune", 1, device)
    wait_for(tuned, "finished")
    assert {run.read_config()["device"], tuned.read_config()["device"]} <= {device, "auto"}
    model = load(tuned.id)
    assert model.device.type == "cpu" and model.convert(["zig"], [PRESENT], [PAST])[0].form
