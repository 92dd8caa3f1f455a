"""Digits: training, its data and previews, and the command line."""

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cvae_core import __main__ as command_line
from cvae_core import runs
from cvae_core.digits import metrics
from cvae_core.digits.data import PIXELS, TASKS
from cvae_core.digits.inference import load
from cvae_core.digits.model import build
from cvae_core.digits.presets import PRESETS, preset
from cvae_core.digits.task import shifted
from cvae_core.training import fit
from tests.helpers import empty_run
from tests.tiny import step
from tests.tiny_pictures import DIGITS as CONFIG
from tests.tiny_pictures import LABEL, tiny_digits, write_mnist


@pytest.mark.parametrize("config", [CONFIG, LABEL])
def test_training_lowers_the_bound_and_a_stop_changes_nothing(tmp_path, config):
    task, run = tiny_digits(config), empty_run(tmp_path, "digits")
    assert fit(task, run) == "finished"
    scores = [row["score"] for row in run.read_metrics()]
    assert scores[-1] > scores[0]
    stopped = empty_run(tmp_path, "digits")
    asked = iter([False] * 4 + [True] * 1000)
    assert fit(tiny_digits(config), stopped, stopped=lambda: next(asked)) == "stopped"
    again = tiny_digits(config)
    assert fit(again, stopped) == "finished"
    for a, b in zip(task.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)


@given(most=st.integers(0, 3), seed=st.integers(0, 99))
def test_a_shift_moves_each_picture_whole(most, seed):
    pixels = torch.zeros(5, 28, 28)
    pixels[:, 3:25, 3:25] = torch.rand(5, 22, 22)
    moved = shifted(pixels.flatten(1), most, torch.Generator().manual_seed(seed)).view(5, 28, 28)
    steps = range(-most, most + 1)
    for one, other in zip(pixels, moved, strict=True):
        assert any(torch.equal(one.roll((down, right), (0, 1)), other) for down in steps for right in steps)


@pytest.mark.parametrize(("seen", "choices"), [("1", 1), ("paper", 3), ("any", 15)])
def test_training_draws_the_visible_quadrants_that_the_config_says(seen, choices):
    task = tiny_digits(replace(CONFIG, seen=seen, batch_size=150))
    visible = [next(task.batches(step(epoch))).visible for epoch in range(4)]
    drawn = {tuple(row) for batch in visible for row in batch.tolist()}
    assert len(drawn) == choices and all(not all(row) for row in drawn)


def test_previews_hold_a_picture_of_each_label_and_a_scatter():
    samples = tiny_digits(LABEL).preview()
    assert len(samples["pictures"]) == 10 and len(bytes.fromhex(samples["pictures"][0])) == PIXELS
    assert len(samples["scatter"]) == len(samples["labels"]) > 100
    assert len(tiny_digits().preview()["pictures"]) == 10
    assert len(json.dumps(samples)) < 40_000


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds(name):
    assert build(preset(name)).config == preset(name)


def test_the_command_line_trains_and_evaluates(tmp_path, run_root, capsys):
    write_mnist(tmp_path, n=60)
    options = ["--hidden-size", "8", "--latent-size", "2", "--epochs", "1", "--device", "cpu"]
    assert command_line.main(["train", "digits", "--data", str(tmp_path), *options]) == 0
    [run] = runs.list_runs(run_root)
    assert run.state == "finished" and run.read_config()["data"] == tmp_path.name
    capsys.readouterr()
    options = ["--data", str(tmp_path), "--checkpoint", str(run.path), "--json", "--threads", "1"]
    assert command_line.main(["evaluate", "digits", *options]) == 0
    scores = json.loads(capsys.readouterr().out)
    for reading in ("nll", "nll_thresholded", "nll_binarised"):
        assert {name: set(row) for name, row in scores[reading].items()} == {
            name: {
                "baseline",
                "baseline_first",
                "cvae_elbo",
                "cvae_is",
                "cvae_is_first",
                "cvae_mc",
                "hybrid_elbo",
                "hybrid",
                "hybrid_mc",
                "gsnn",
            }
            for name in TASKS
        }
        assert all(math.isfinite(value) for row in scores[reading].values() for value in row.values())
    table = metrics.as_table(scores)
    assert all(title in table for title in metrics.READINGS.values())
    assert command_line.main(["train", "digits", "--init", "tense"]) == 2
    assert command_line.main(["evaluate", "digits", "--checkpoint", "tense"]) == 2
    assert "not of digits" in capsys.readouterr().err
    assert load(run.id).config.hidden_size == 8
