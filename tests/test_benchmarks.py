"""Benchmarks: both sides train the same loss, the arithmetic is counted right, the promised ratios hold."""

import os

import pytest
import torch

from benchmarks import train_speed
from cvae_core.tense.data import PAD, Verb
from cvae_core.tense.model import build
from cvae_core.tense.task import Batch, TenseTask

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
    batch = Batch(*(column[:2] for column in next(task.batches(0, torch.Generator().manual_seed(0)))))
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
