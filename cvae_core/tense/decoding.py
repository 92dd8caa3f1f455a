"""Decoding: greedy over a batch, beam search for one word, a word's probability, and the s that decodes to it.

A model has `initial_state(s, tense)`, `step(letters, state, position)` and `forward` (see tense/model.py).
Shapes: B words, T letters, H hidden, S dimensions of what the decoder gets, V vocabulary.
"""

import math
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.tense.data import EOS, MAX_LENGTH, PAD, SOS, VOCABULARY_SIZE
from cvae_core.tense.padding import in_groups

SURE, STEPS, RATE = 0.95, 20, 0.1  # of fitting s to a word: probability to reach, most steps, learning rate
BETAS = 0.9, 0.999  # of Adam there
COMPACTED = 64  # batches of so many words are cut to the unfinished ones when half are finished


class State(NamedTuple):
    """Of the decoder, with what is added at every letter: of the tense, and of s at each position."""

    h: Tensor  # (1, B, H)
    c: Tensor  # (1, B, H)
    tense: Tensor | None = None  # (B, 1, as wide as what it is added to)
    inputs: Tensor | None = None  # (B, positions, E)

    def of(self, rows: list[int] | Tensor) -> "State":
        """The states of some words of the batch."""
        tense, inputs = (None if part is None else part[rows] for part in (self.tense, self.inputs))
        return State(self.h[:, rows], self.c[:, rows], tense, inputs)


def lstm_step(lstm: nn.LSTM, x: Tensor, state: State) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs (B, T, ·) -> outputs (B, T, H), h and c; a single letter by the cell, which has less to set up."""
    if x.shape[1] > 1:
        outputs, (h, c) = lstm(x, (state.h, state.c))
        return outputs, h, c
    h, c = torch.lstm_cell(x[:, 0], (state.h[0], state.c[0]), *lstm._flat_weights)
    return h[:, None], h[None], c[None]


@cache
def _blocked(device: torch.device) -> Tensor:
    """-1e9 for PAD and SOS, 0 for all others: (V,)."""
    blocked = torch.zeros(VOCABULARY_SIZE, device=device)
    blocked[[PAD, SOS]] = -1e9
    return blocked


def log_probabilities(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Over what may come next, letters and EOS, never PAD or SOS, at a softmax temperature: (..., V)."""
    return torch.log_softmax(logits.float() / temperature + _blocked(logits.device), -1)


def teacher_forced(model: nn.Module, inputs: Tensor, s: Tensor, tense: Tensor, lengths: Tensor) -> Tensor:
    """Logits (B, T, V) of what follows each of the inputs (B, T), of which the first `lengths` (B,) count."""

    def logits(inputs_cut: Tensor, *rows: Tensor) -> tuple[Tensor]:
        return (F.pad(model(inputs_cut, *rows), (0, 0, 0, inputs.shape[1] - inputs_cut.shape[1])),)

    return in_groups(logits, lengths, inputs, s, tense)[0]


def log_probability(model: nn.Module, letters: Tensor, s: Tensor, tense: Tensor, temperature: float = 1.0) -> Tensor:
    """log p(word | s, tense), in nats, of letters (B, T) with their end: (B,)."""
    logits = model(F.pad(letters[:, :-1], (1, 0), value=SOS), s, tense)
    each = log_probabilities(logits, temperature).gather(2, letters[..., None])[..., 0]
    return (each * (letters != PAD)).sum(1)


def fit_s(model: nn.Module, letters: Tensor, s: Tensor, tense: Tensor) -> Tensor:
    """An s (B, S) from which the decoder gives letters (B, T) back with probability SURE: s itself for most words.

    Gradient steps on log p(word | s, tense) begin at the encoder's s and end there (semi-amortized inference, Kim et
    al. 2018): at most STEPS of Adam. The weights get no gradient.
    """
    with torch.no_grad():
        (rows,) = (log_probability(model, letters, s, tense) < math.log(SURE)).nonzero(as_tuple=True)
    if not len(rows):
        return s
    letters, tense, moving = letters[rows], tense[rows], s[rows]
    mean = square = torch.zeros_like(moving)
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):  # its LSTM has no gradient in evaluation
        for step in range(1, STEPS + 1):
            moving.requires_grad_()
            found = log_probability(model, letters, moving, tense)
            done = found.detach() >= math.log(SURE)
            if bool(done.all()):
                break
            (gradient,) = torch.autograd.grad(-found.sum(), moving)
            # Adam as in torch.optim, whose first use imports torch._dynamo: seconds that a visitor would wait.
            mean, square = mean.lerp(gradient, 1 - BETAS[0]), BETAS[1] * square + (1 - BETAS[1]) * gradient**2
            scale = (square / (1 - BETAS[1] ** step)).sqrt() + 1e-8
            moving = torch.where(done[:, None], moving, moving - RATE * mean / (1 - BETAS[0] ** step) / scale).detach()
    return s.index_copy(0, rows, moving.detach())


@torch.no_grad()
def greedy(
    model: nn.Module,
    s: Tensor,
    tense: Tensor,
    max_length: int = MAX_LENGTH + 1,
    temperature: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """The likeliest letter at each position; s (B, S), or (1, S) for all tenses (B,).

    -> letters (B, T) with PAD after EOS, and log-probability of each letter (B, T), 0 after EOS.
    """
    state = model.initial_state(s, tense)
    letter = torch.full((len(tense), 1), SOS, device=s.device)
    done = torch.zeros(len(tense), dtype=torch.bool, device=s.device)
    rows = torch.arange(len(tense), device=s.device)  # words still decoded
    parts: list[tuple[Tensor, int, list]] = [(rows, 0, [])]  # rows, first position, letters and logits from there on
    for position in range(max_length):
        logits, state = model.step(letter, state, position)
        letter = (logits + _blocked(s.device)).argmax(-1)
        parts[-1][2].append((letter, logits))
        done = done | (letter[:, 0] == EOS)
        if bool(done.all()):
            break
        last = position == max_length - 1
        if not last and len(done) >= COMPACTED and done.sum() > len(done) / 2:  # go on with the unfinished words alone
            kept = (~done).nonzero()[:, 0]
            rows, letter, done, state = rows[kept], letter[kept], done[kept], state.of(kept)
            parts.append((rows, position + 1, []))
    letters = torch.full((len(tense), position + 1), PAD, device=s.device)
    logprobs = torch.zeros(letters.shape, device=s.device)
    for rows, start, steps in parts:
        found, logits = (torch.cat(columns, 1) for columns in zip(*steps, strict=True))
        end = start + found.shape[1]
        letters[rows, start:end] = found
        logprobs[rows, start:end] = log_probabilities(logits, temperature).gather(2, found[..., None])[..., 0]
    over = F.pad((letters == EOS).cumsum(1)[:, :-1], (1, 0)) > 0
    return letters.masked_fill(over, PAD), logprobs.masked_fill(over, 0.0)


@torch.no_grad()
def sample(
    model: nn.Module, s: Tensor, tense: Tensor, count: int, temperature: float, generator: torch.Generator
) -> Tensor:
    """Letters drawn one after the other from p(letter | letters before, s, tense) at a temperature.

    s (1, S), tense (1,) -> (count, T) with PAD after EOS.
    """
    state = model.initial_state(s, tense.expand(count))
    letter = torch.full((count, 1), SOS, device=s.device)
    letters, done = [], torch.zeros(count, 1, dtype=torch.bool, device=s.device)
    for position in range(MAX_LENGTH + 1):
        logits, state = model.step(letter, state, position)
        probabilities = log_probabilities(logits[:, 0], temperature).exp().cpu()
        letter = torch.multinomial(probabilities, 1, generator=generator).to(s.device)
        letters.append(letter.masked_fill(done, PAD))
        done = done | (letter == EOS)
        if bool(done.all()):
            break
    return torch.cat(letters, 1)


@torch.no_grad()
def beam_search(
    model: nn.Module, s: Tensor, tense: Tensor, width: int, temperature: float = 1.0
) -> list[tuple[float, list[int]]]:
    """The likeliest sequences for one word, best first: log-probability and letters without EOS.

    s (1, S), tense (1,).
    """
    state = model.initial_state(s, tense)
    prefixes, scores = [[SOS]], torch.zeros(1, device=s.device)
    finished: list[tuple[float, list[int]]] = []
    for position in range(MAX_LENGTH + 1):
        letter = torch.tensor([[p[-1]] for p in prefixes], device=s.device)
        logits, state = model.step(letter, state, position)
        total = scores[:, None] + log_probabilities(logits[:, 0], temperature)
        best, flat = total.flatten().topk(min(2 * width, total.numel()))
        beam, beam_scores, kept = [], [], []
        for score, index in zip(best.tolist(), flat.tolist(), strict=True):
            row, following = divmod(index, VOCABULARY_SIZE)
            if following == EOS:
                finished.append((score, prefixes[row][1:]))
            elif following not in (PAD, SOS) and len(beam) < width:
                beam.append(prefixes[row] + [following])
                beam_scores.append(score)
                kept.append(row)
        finished = sorted(finished, reverse=True)[:width]
        if not beam or (len(finished) == width and finished[-1][0] >= beam_scores[0]):
            break
        state = state.of(kept)
        prefixes, scores = beam, torch.tensor(beam_scores, device=s.device)
    return finished
