"""Benchmarks: both sides train the same loss, the arithmetic is counted right, the promised ratios hold."""

import os
from dataclasses import replace

import pytest
import torch

from benchmarks import ablation, digits_speed, heavy_kl, scale, temperature, time_to_mark, train_speed
from cvae_core.digits.task import DigitsTask
from cvae_core.tense.data import PAD, Verb
from cvae_core.tense.inference import load
from cvae_core.tense.model import build
from cvae_core.tense.task import TenseTask
from tests.tiny import CONFIG, ROWS, VERBS

WALK = Verb((("walk",), ("walks",), ("walking",), ("walked",)))


def test_the_loop_computes_the_loss_of_the_batch(monkeypatch):
    no_noise = lambda mu, logvar, generator=None: mu  # noqa: E731
    monkeypatch.setattr("benchmarks.train_speed.reparameterize", no_noise)
    monkeypatch.setattr("cvae_core.tense.task.reparameterize", no_noise)
    task = TenseTask(train_speed.CONFIG, [WALK])
    batch = next(task.batches(0, torch.Generator().manual_seed(0)))
    together = task.loss(batch, train_speed.BETA, 1.0, torch.Generator())["loss"]
    one_by_one = [
        train_speed.word_loss(task.model, letters[letters != PAD], tense[None])
        for letters, tense in zip(batch.target, batch.target_tense, strict=True)
    ]
    torch.testing.assert_close(together, torch.stack(one_by_one).mean())


def test_the_loop_learns_and_counts_its_words():
    task = TenseTask(train_speed.CONFIG, [WALK])
    model = build(train_speed.CONFIG)
    optimizer = train_speed.make_optimizer(model, train_speed.CONFIG)
    batch = train_speed.first(next(task.batches(0, torch.Generator().manual_seed(0))), 2)
    before = model.out.weight.detach().clone()
    assert train_speed.train_word_by_word(model, optimizer, batch) == 2
    assert not torch.equal(model.out.weight, before)


def test_arithmetic_counted_by_hand():
    task = TenseTask(train_speed.CONFIG, [WALK])
    letters = 5 + 6 + 8 + 7  # with the end of each word
    lstm, out = 4 * 256 * (256 + 256), 256 * 29
    heads = 2 * 256 * 32 + 2 * (32 + 8) * 256  # mu and logvar; hidden and cell from z and tense
    assert train_speed.flops_per_epoch(task.model, task) == 6 * (letters * (2 * lstm + out) + 4 * heads)


@pytest.mark.slow
def test_batches_train_at_least_thirty_times_as_fast():
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        found = train_speed.measure(rounds=3)
    finally:
        torch.set_num_threads(threads)
    assert found["ratio"] >= 30
    assert 0.1 < found["share"] < 1


@pytest.mark.parametrize(("mark", "said", "epochs"), [(0.0, "reached in", 1), (2.0, "not reached in", 3)])
def test_training_to_the_mark_stops_there_or_says_that_it_did_not(monkeypatch, tmp_path, capsys, mark, said, epochs):
    monkeypatch.setattr(time_to_mark, "GAUSSIAN", mark)
    monkeypatch.setattr(time_to_mark, "BLEU4", 0.0)
    monkeypatch.setattr(time_to_mark, "preset", lambda name: replace(CONFIG, epochs=3, invented=0.0))
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)
    (tmp_path / "verbs.txt").write_text(ROWS.replace(",", "\n") + "\n")
    found = time_to_mark.main(["--data", str(tmp_path / "verbs.txt"), "--device", "cpu"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].startswith(said) and sum(line.startswith("bleu4") for line in printed) == epochs
    assert 0 <= found["confirmed"] <= 1 and found["seconds"] > 0


def test_an_ablation_row_scores_what_was_held_out_only_where_it_was():
    config = replace(CONFIG, epochs=1, prior_share=1.0)
    held_out = ablation.measure(replace(config, train_on="train"), [*VERBS * 20], "cpu")
    all_seen = ablation.measure(config, VERBS, "cpu")
    assert set(held_out) - set(all_seen) == {"accuracy", "own_tense"}
    assert "| – |" in ablation.line("row", all_seen)
    assert ablation.line("row", held_out).count("|") == len(ablation.COLUMNS) + 2


def test_a_higher_temperature_is_less_sure_and_as_often_right():
    tense = load("tense")  # it knows these verbs
    cold, hot = (temperature.reliability(tense, VERBS, t) for t in (1.0, 3.0))
    assert cold["accuracy"] == hot["accuracy"] > 0.9
    assert cold["confidence"] > hot["confidence"] and 0 < cold["surprise"] < hot["surprise"]
    assert cold["error"] < hot["error"]
    with pytest.raises(SystemExit):  # what ships has learned from the verbs that would be asked about
        temperature.main(["--checkpoint", "tense"])


def test_an_epoch_of_digits_trains_on_every_image():
    config = replace(digits_speed.CONFIG, hidden_size=8, latent_size=2)
    task = DigitsTask(config, digits_speed.random_digits(300))
    before = {name: p.detach().clone() for name, p in task.model.named_parameters()}
    assert digits_speed.epoch_seconds(task) > 0 and task.steps_per_epoch() == 3
    assert not any(torch.equal(before[name], p) for name, p in task.model.named_parameters())
    assert 0 < digits_speed.completion_milliseconds(task.model.eval(), repeats=2) < 1000


def test_the_heavier_kl_is_scored_as_bound_and_as_it_is_used():
    small = digits_speed.random_digits(20)
    task = DigitsTask(replace(digits_speed.CONFIG, hidden_size=8, latent_size=2), small)
    found = heavy_kl.scores(task, small.test.pixels.float() / 255)
    assert found["kl"] > 0 and found["importance sampling"] < found["bound"] + 1
    assert found["Monte Carlo"] < found["bound"] + 10


def test_slopes_of_known_powers_stand_under_the_table(tmp_path):
    part = scale.Part(
        "Growth", "How.", ("x", "line", "square", "left out"), [(n, 3.0 * n, 0.5 * n**2, 1.0) for n in (1, 10, 1000)],
        ("line", "square"),
    )  # fmt: skip
    assert scale.slopes(part) == pytest.approx({"line": 1.0, "square": 2.0})
    text = scale.section(part, "growth.svg")
    assert "| 1,000 | 3,000 | 500,000 | 1 |" in text and "Slopes: line 1.00; square 2.00." in text
    scale.plot(part, tmp_path / "growth.svg")
    scale.plot(part, tmp_path / "again.svg")
    picture = (tmp_path / "growth.svg").read_text()
    assert "<svg" in picture and "square (slope 2.00)" in picture
    assert picture == (tmp_path / "again.svg").read_text()  # no date, no random names


def test_a_part_measured_anew_takes_its_own_place(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(scale, "PLOTS", tmp_path / "plots")
    first, second = (scale.Part(title, "How.", ("x", "y"), [(1, 1.0), (2, 2.0)], ("y",)) for title in ("A", "B"))
    for part, name in ((first, "a"), (second, "b"), (first._replace(rows=[(1, 1.0), (2, 8.0)]), "a")):
        scale.write(part, name)
    text = scale.RESULTS.read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == ["# How cost grows", "## A", "## B"]
    assert "Slopes: y 3.00." in text.split("## B")[0] and "(plots/b.svg)" in text
    assert sorted(path.name for path in scale.PLOTS.iterdir()) == ["a.svg", "b.svg"]


def test_an_invented_lexicon_is_as_large_as_asked_and_its_updates_are_timed():
    verbs = scale.invented_verbs(6600)
    assert len(verbs) == 6600 and all(len(verb.forms) == 4 for verb in verbs)
    setup, plain, epoch, peak = scale.one_lexicon(50, 0.0)
    assert min(setup, plain, epoch, peak) > 0
    assert scale.one_lexicon(50, 1.0)[2] > 0
