"""Training speed: batches against a word at a time, the same model on the same verbs, alternating.

python -m benchmarks.train_speed [--threads N] [--rounds 5]

Both sides run with the same number of threads: all cores unless said otherwise.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F

from benchmarks import machine, table
from cvae_core.latent import kl_to_standard, reparameterize
from cvae_core.optim import make_optimizer
from cvae_core.step import Step, generator_at
from cvae_core.tense.batches import Batch
from cvae_core.tense.data import PAD, SOS, Verb, select_split
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.model import build
from cvae_core.tense.presets import preset
from cvae_core.tense.reports import ReportCVAE
from cvae_core.tense.task import TenseTask

VERBS = 256  # 1,024 words: what the batched side trains on in a turn
LOOP_WORDS = 64  # of the same verbs, what the loop trains on in a turn
BETA = 0.1

CONFIG = replace(preset("source-000-cyclical"), batch_size=256, length_pool=4)  # the reports' sizes and update rule


def step(epoch: int, batch: int = -1, beta: float = 1.0) -> Step:
    """A step of training with seed 0 and teacher forcing."""
    return Step(epoch, beta, 1.0, generator_at(0, epoch, batch))


def train_batched(task: TenseTask, optimizer: torch.optim.Optimizer, turn: int) -> int:
    """One epoch in batches; the number of words trained on."""
    words = 0
    for index, batch in enumerate(task.batches(step(turn))):
        loss = task.loss(batch, step(turn, index, BETA))["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        words += task.count(batch)
    return words


def first(batch: Batch, words: int) -> Batch:
    return batch._replace(**{name: part[:words] for name, part in batch._asdict().items() if torch.is_tensor(part)})


def train_word_by_word(model: ReportCVAE, optimizer: torch.optim.Optimizer, batch: Batch) -> int:
    """The same loss as the reports compute it: one word, one LSTM step a letter, one update a word."""
    for letters, tense in zip(batch.target, batch.target_tense, strict=True):
        loss = word_loss(model, letters[letters != PAD], tense[None])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return len(batch.target)


def word_loss(model: ReportCVAE, letters: torch.Tensor, tense: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy of the letters (T,) plus the weighted KL, with a Python loop in encoder and decoder."""
    embedded = model.tense_embedding(tense)
    h = F.pad(embedded, (model.config.hidden_size - embedded.shape[1], 0))[None]  # (1, 1, H)
    state = (h, torch.zeros_like(h))
    for letter in letters:
        _, state = model.encoder(model.encoder_embedding(letter.view(1, 1)), state)
    mu, logvar = model.to_mu[0](state[0][0]), model.to_logvar[0](state[0][0])
    decoder = model.initial_state(reparameterize(mu, logvar), tense)
    previous, nll = torch.tensor([[SOS]]), 0.0
    for letter in letters:
        logits, decoder = model.step(previous, decoder)
        nll = nll + F.cross_entropy(logits[0], letter.view(1))
        previous = letter.view(1, 1)  # teacher forcing
    return nll / len(letters) + BETA * kl_to_standard(mu, logvar).sum()


def check_sides(verbs: Sequence[Verb]) -> None:
    """RuntimeError unless both sides compute the same loss, with sigma 0 in place of noise, and the loop learns."""
    task = TenseTask(CONFIG, verbs)
    model = task.model
    with torch.no_grad():
        for layer in model.to_logvar:
            layer.weight.zero_()
            layer.bias.fill_(-40.0)
    batch = next(task.batches(step(0)))
    batched = task.loss(batch, step(0, 0, BETA))["loss"]
    pairs = zip(batch.target, batch.target_tense, strict=True)
    single = [word_loss(model, letters[letters != PAD], tense[None]) for letters, tense in pairs]
    if not torch.isclose(batched, torch.stack(single).mean(), rtol=1e-4):
        raise RuntimeError("The loop does not compute the loss of the batch: their times cannot be compared.")
    before = model.out.weight.detach().clone()
    train_word_by_word(model, make_optimizer(model, CONFIG), first(batch, 1))
    if torch.equal(model.out.weight, before):
        raise RuntimeError("The loop did not update the weights.")


def flops_per_epoch(model: ReportCVAE, task: TenseTask) -> float:
    """Multiplications and additions of training on each word once: letters without padding, backward twice forward."""
    matrices = {name: p.numel() for name, p in model.named_parameters() if p.dim() == 2 and "embedding" not in name}
    per_letter = sum(n for name, n in matrices.items() if name.startswith(("encoder", "decoder", "out")))
    per_word = sum(matrices.values()) - per_letter
    letters = sum(len(word) + 1 for verb in task.verbs for word in verb.row)  # the end included
    return 3 * 2 * (letters * per_letter + 4 * len(task.verbs) * per_word)


def matmul_rate(size: int = 1024, repeats: int = 5) -> float:
    """Best rate of a square float32 matrix product, in FLOP/s."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    a @ b
    return 2 * size**3 / min(_seconds(lambda: a @ b) for _ in range(repeats))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(rounds: int, count: int) -> dict[str, float]:
    """Medians over rounds in which the two sides and the matrix product take turns, on `count` verbs."""
    train = select_split(load_lexicon().verbs, "train")
    verbs = train[:: len(train) // count][:count]
    check_sides(verbs[:2])
    task = TenseTask(CONFIG, verbs)
    optimizer = make_optimizer(task.model, CONFIG)
    loop = build(CONFIG)
    loop_optimizer = make_optimizer(loop, CONFIG)
    flops = flops_per_epoch(task.model, task)

    turns = []
    for turn in range(-1, rounds):  # the first warms up
        words = next(task.batches(step(turn + 1)))
        words = first(words, LOOP_WORDS)
        loop_rate = len(words.target) / _seconds(lambda words=words: train_word_by_word(loop, loop_optimizer, words))
        seconds = _seconds(lambda turn=turn: train_batched(task, optimizer, turn + 1))
        rate = 4 * len(verbs) / seconds
        peak = matmul_rate()
        turns.append((loop_rate, rate, rate / loop_rate, flops / seconds, peak, flops / seconds / peak))
    names = ("loop", "batched", "ratio", "flops", "peak", "share")
    medians = dict(zip(names, map(statistics.median, zip(*turns[1:], strict=True)), strict=True))
    return medians | {"per_epoch": flops}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="torch threads (default: all cores)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (default 5)")
    parser.add_argument("--verbs", type=int, default=VERBS, help=f"verbs of an epoch (default {VERBS})")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    found = measure(args.rounds, args.verbs)
    print(machine())
    print(table([
        ("a word at a time", f"{found['loop']:,.0f} words/s"),
        (f"batches of {CONFIG.batch_size}", f"{found['batched']:,.0f} words/s"),
        ("ratio", f"{found['ratio']:.1f} x"),
        ("arithmetic of an epoch", f"{found['per_epoch'] / 1e6:,.3f} MFLOP"),
        ("arithmetic of batched training", f"{found['flops'] / 1e9:.1f} GFLOP/s"),
        ("matrix product, 1024 x 1024", f"{found['peak'] / 1e9:.1f} GFLOP/s"),
        ("share of the matrix-product rate", f"{found['share']:.0%}"),
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
