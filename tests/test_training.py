"""`fit`: it learns, stops within a batch, resumes bit-exactly, and reports errors."""

import random
import signal
import time
from dataclasses import replace

import pytest
import torch

from cvae_core import checkpoint, training
from cvae_core.config import config_from_dict
from cvae_core.device import autocast
from cvae_core.errors import UserError
from cvae_core.step import generator_at
from cvae_core.tense.config import TenseConfig
from cvae_core.training import fit
from tests.helpers import assert_same, empty_run, last_weights, python, run_python
from tests.tiny import CONFIG, tiny_task


def trained_whole(folder, config=CONFIG):
    """A run that was trained to its end without a stop."""
    run = empty_run(folder)
    assert fit(tiny_task(config), run) == "finished"
    return run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return trained_whole(tmp_path_factory.mktemp("whole"))


def test_a_run_leaves_everything(whole):
    rows = whole.read_metrics()
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert {"loss", "recon", "kl", "beta", "teacher_forcing_ratio", "learning_rate", "bleu4", "gaussian"} <= set(
        rows[0]
    )
    assert rows[-1]["recon"] < rows[0]["recon"]
    assert whole.read_status()["state"] == "finished" and whole.read_status()["epoch"] == 4
    assert len(whole.read_samples()) == 4
    assert not list(whole.path.glob(".*tmp"))


@pytest.mark.parametrize("after", [0, 1, 3, 8, 13, 20])
def test_stopped_and_resumed_equals_not_stopped(whole, tmp_path, after):
    run, asked = empty_run(tmp_path), iter(range(10_000))
    assert fit(tiny_task(), run, stopped=lambda: next(asked) >= after) == "stopped"
    assert next(asked) == after + 1  # within one batch
    assert run.read_status()["state"] == "stopped"
    assert fit(tiny_task(), run) == "finished"
    assert_same(run, whole)


def kill_and_resume(whole, folder, moments, *how):
    """How many of the kills came while a file was being written."""
    run, writing = empty_run(folder), 0
    last = run.path / "last.safetensors"
    run.release()  # other processes are to train it
    for moment in moments:
        process = python("-m", "tests.tiny", run.path, *how)
        while run.read_status().get("pid") != process.pid and process.poll() is None:
            time.sleep(0.01)  # until training begins
        began = time.time()
        while how and process.poll() is None and not (run.resumable and last.stat().st_mtime > began):
            time.sleep(0.01)  # and has saved once
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert run.read_status()["state"] in ("interrupted", "finished")
        writing += bool(list(run.path.glob(".*.tmp")))
    assert run_python("-m", "tests.tiny", run.path).returncode == 0
    assert_same(run, whole)
    assert not list(run.path.glob(".*.tmp"))
    return writing


def test_killed_and_resumed_equals_not_killed(whole, tmp_path):
    kill_and_resume(whole, tmp_path, [0.2])


@pytest.mark.slow
def test_killed_at_twenty_random_moments(whole, tmp_path):
    rng = random.Random(0)
    for i in range(5):
        kill_and_resume(whole, tmp_path / str(i), [rng.random() for _ in range(4)])


@pytest.mark.slow
def test_killed_at_twenty_random_moments_of_saving(whole, tmp_path):
    rng, writing = random.Random(1), 0
    for i in range(5):
        writing += kill_and_resume(whole, tmp_path / str(i), [rng.random() for _ in range(4)], "saving")
    assert writing >= 5  # of the twenty; the others came between two files


def test_a_loss_that_is_not_finite_fails_with_a_sentence_and_keeps_the_last_state(tmp_path, whole):
    task, run = tiny_task(), empty_run(tmp_path)
    good, calls = task.loss, iter(range(10_000))
    per_epoch = task.steps_per_epoch()

    def loss(*args):
        factor = float("nan") if next(calls) > per_epoch else 1
        return {name: term * factor for name, term in good(*args).items()}

    task.loss = loss
    with pytest.raises(UserError, match="no longer a finite number"):
        fit(task, run)
    assert run.read_status()["state"] == "failed" and "finite" in run.read_status()["error"]
    assert all(torch.isfinite(t).all() for t in last_weights(run).values())
    assert fit(tiny_task(), run) == "finished"
    assert_same(run, whole)


def test_best_weights_are_kept_by_score(tmp_path):
    task, run = tiny_task(replace(CONFIG, keep="best")), empty_run(tmp_path)
    scores = iter([0.1, 0.9, 0.3, 0.2])
    task.evaluate = lambda: {"score": next(scores)}
    weights = []
    fit(task, run, on_event=lambda e: e["kind"] == "epoch" and weights.append(last_weights(run)["model.out.weight"]))
    assert [row["best_score"] for row in run.read_metrics()] == [0.1, 0.9, 0.9, 0.9]
    best = checkpoint.read(run.path / "weights.safetensors")[0]["out.weight"]
    assert torch.equal(best, weights[1]) and not torch.equal(best, weights[3])


@pytest.mark.parametrize(("train_on", "of"), [("train", "validation"), ("all", "training")])
def test_an_epoch_logs_what_the_latents_hold_and_of_which_words(tmp_path, train_on, of):
    task, run = tiny_task(replace(CONFIG, epochs=1, train_on=train_on)), empty_run(tmp_path)
    fit(task, run)
    [row] = run.read_metrics()
    for space in "zs":
        for name in ("kl", "mutual_information", "active_units", "nll"):
            assert row[f"{of}_{name}_{space}"] >= (-0.1 if name == "mutual_information" else 0)


def test_generators_of_positions_differ():
    draws = {
        torch.rand(1, generator=generator_at(s, e, b)).item() for s in (0, 1) for e in range(5) for b in range(-1, 9)
    }
    assert len(draws) == 2 * 5 * 10


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0}, {"learning_rate": -1.0}, {"kl_knots": ((0.0, 2.0),)},
        {"kl_knots": ((0.5, 1.0), (0.2, 1.0))}, {"teacher_forcing": ()}, {"optimizer": "magic"}, {"invented": 1.0},
        {"epochs": "3"}, {"no_such_field": 1}, {"kl_max": float("nan")}, {"hidden_size": 10**9},
    ],
)  # fmt: skip
def test_a_bad_config_is_a_sentence(values):
    with pytest.raises(UserError, match=next(iter(values))):
        config_from_dict(TenseConfig, values)


def test_a_kill_while_an_epoch_is_scored_repeats_only_the_scoring(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_SECONDS", -1.0)  # saved after every batch, the last of an epoch too
    task, run = tiny_task(), empty_run(tmp_path)
    task.evaluate = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(task, run)
    assert fit(tiny_task(), run) == "finished"
    assert_same(run, whole)


BEST = replace(CONFIG, epochs=2, evaluate_every=2, keep="best")


@pytest.fixture(scope="module")
def whole_best(tmp_path_factory):
    return trained_whole(tmp_path_factory.mktemp("best"), BEST)


@pytest.mark.parametrize("asks", [0, 1, 5, 30, 200, 1000])
def test_a_stop_at_any_moment_even_within_scoring_is_exact(asks, whole_best, tmp_path):
    """`stopped` is asked before batches and all through scoring."""
    run, count = empty_run(tmp_path), iter(range(1_000_000))
    ended = fit(tiny_task(BEST), run, stopped=lambda: next(count) >= asks)
    assert ended == "stopped"
    assert fit(tiny_task(BEST), run) == "finished"
    assert_same(run, whole_best)


def test_weights_to_start_from_are_scored_as_epoch_zero_and_that_survives_a_stop(tmp_path):
    run = empty_run(tmp_path)
    run.init.touch()
    asked = iter(range(10_000))
    fit(tiny_task(), run, stopped=lambda: next(asked) >= 2)
    fit(tiny_task(), run)
    rows = run.read_metrics()
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3, 4]
    assert "bleu4" in rows[0] and "loss" not in rows[0]


def test_progress_and_log_record_every_event(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "STATUS_SECONDS", -1.0)
    task, run = tiny_task(), empty_run(tmp_path)
    steps = 4 * task.steps_per_epoch()
    asked = iter(range(10_000))
    fit(task, run, stopped=lambda: next(asked) >= 5)
    assert [row["step"] for row in run.read_progress()] == [1, 2, 3, 4, 5]
    run.add_progress({"step": 6})  # a batch after the last save
    fit(tiny_task(), run)
    assert [row["step"] for row in run.read_progress()] == list(range(1, steps + 1))
    assert {"loss", "recon", "kl", "cpu_percent"} <= run.read_progress()[-1].keys()
    assert 0.01 < run.read_progress()[-1]["memory_gb"] < 100
    assert "started" in run.read_log(100) and "resumed" in run.read_log(100)
    assert run.read_log(1).endswith("finished")


def test_bfloat16_trains_with_weights_in_float32(tmp_path):
    task, run = tiny_task(replace(CONFIG, precision="bfloat16")), empty_run(tmp_path)
    assert fit(task, run) == "finished"
    losses = [row["loss"] for row in run.read_metrics()]
    assert losses[-1] < losses[0]
    assert all(p.dtype == torch.float32 for p in task.model.parameters())


@pytest.mark.parametrize("has", [True, False])
def test_onednn_is_left_out_of_bfloat16_where_it_has_none_and_only_there(monkeypatch, has):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has)
    for bfloat16, used in ((False, True), (True, has)):
        with autocast(torch.device("cpu"), bfloat16):
            assert torch.backends.mkldnn.enabled == used
            assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == (torch.bfloat16 if bfloat16 else torch.float32)
        assert torch.backends.mkldnn.enabled


def test_auto_precision_follows_the_hardware(tmp_path, monkeypatch):
    """Where the hardware has bfloat16, auto makes the losses of bfloat16; elsewhere those of float32."""

    def first_loss(precision: str, name: str) -> float:
        run = empty_run(tmp_path / name)
        fit(tiny_task(replace(CONFIG, epochs=1, precision=precision)), run)
        return run.read_metrics()[0]["loss"]

    for has, same in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(training, "multiplies_bfloat16", lambda device, has=has: has)
        assert first_loss("auto", f"auto {has}") == first_loss(same, same)
    assert first_loss("float32", "a") != first_loss("bfloat16", "b")


AVERAGED = replace(CONFIG, epochs=4, average_from=0.5, lr_schedule="constant")


@pytest.fixture(scope="module")
def whole_averaged(tmp_path_factory):
    return trained_whole(tmp_path_factory.mktemp("averaged"), AVERAGED)


def test_the_weights_kept_are_the_mean_over_the_steps_since(tmp_path):
    seen: list[dict[str, torch.Tensor]] = []
    task, run = tiny_task(AVERAGED), empty_run(tmp_path)

    def look(event):
        if event["kind"] == "batch" and event["epoch"] >= 2:
            seen.append({name: value.clone() for name, value in task.model.state_dict().items()})

    fit(task, run, on_event=look)
    kept, _ = checkpoint.read(run.weights)
    for name, value in kept.items():
        torch.testing.assert_close(
            value, torch.stack([weights[name] for weights in seen]).mean(0), atol=1e-6, rtol=1e-5
        )
    trained = task.model.state_dict()  # training itself goes on from the last weights
    assert all(torch.equal(trained[name], value) for name, value in seen[-1].items())
    assert any(not torch.equal(trained[name], value) for name, value in kept.items())


@pytest.mark.parametrize("at", [(1, 2), (2, 1), (3, 2)])
def test_a_stopped_run_goes_on_with_its_mean(at, whole_averaged, tmp_path):
    position, stopped = {}, empty_run(tmp_path)
    reached = lambda: (position.get("epoch"), position.get("batch")) == at  # noqa: E731
    assert fit(tiny_task(AVERAGED), stopped, stopped=reached, on_event=position.update) == "stopped"
    fit(tiny_task(AVERAGED), stopped)
    a, b = (checkpoint.read(run.weights)[0] for run in (stopped, whole_averaged))
    assert all(torch.equal(a[name], b[name]) for name in a)
