"""Free-running decoding: greedy over a batch, and beam search for one word.

A model has `initial_state(z, tense)`, `step(letters, state, source, position)` and `forward` (see tense/model.py).
Shapes: B words, T letters, H hidden, Z latent, V vocabulary.
"""

from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.tense.data import EOS, MAX_LENGTH, PAD, SOS, VOCABULARY_SIZE

COMPACTED = 64  # batches of so many words are cut to the unfinished ones when half are finished


class State(NamedTuple):
    """Of the decoder; `tense` is what the tense adds at every letter, where it is not in the initial state."""

    h: Tensor  # (1, B, H)
    c: Tensor  # (1, B, H)
    tense: Tensor | None = None  # (B, 1, as wide as what it is added to)

    def of(self, rows: list[int] | Tensor) -> "State":
        """The states of some words of the batch."""
        return State(self.h[:, rows], self.c[:, rows], None if self.tense is None else self.tense[rows])


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


@torch.no_grad()
def greedy(
    model: nn.Module,
    z: Tensor,
    tense: Tensor,
    source: Tensor | None = None,
    max_length: int = MAX_LENGTH + 1,
    temperature: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """The likeliest letter at each position; z (B, Z), or (1, Z) for all tenses (B,).

    -> letters (B, T) with PAD after EOS, and log-probability of each letter (B, T), 0 after EOS.
    """
    state = model.initial_state(z, tense)
    letter = torch.full((len(tense), 1), SOS, device=z.device)
    done = torch.zeros(len(tense), dtype=torch.bool, device=z.device)
    rows = torch.arange(len(tense), device=z.device)  # words still decoded
    parts: list[tuple[Tensor, int, list]] = [(rows, 0, [])]  # rows, first position, letters and logits from there on
    for position in range(max_length):
        logits, state = model.step(letter, state, source, position)
        letter = (logits + _blocked(z.device)).argmax(-1)
        parts[-1][2].append((letter, logits))
        done = done | (letter[:, 0] == EOS)
        if bool(done.all()):
            break
        if len(done) >= COMPACTED and done.sum() > len(done) / 2:  # go on with the unfinished words alone
            kept = (~done).nonzero()[:, 0]
            rows, letter, done, state = rows[kept], letter[kept], done[kept], state.of(kept)
            source = None if source is None else source[kept]
            parts.append((rows, position + 1, []))
    letters = torch.full((len(tense), position + 1), PAD, device=z.device)
    logprobs = torch.zeros(letters.shape, device=z.device)
    for rows, start, steps in parts:
        found, logits = (torch.cat(columns, 1) for columns in zip(*steps, strict=True))
        end = start + found.shape[1]
        letters[rows, start:end] = found
        logprobs[rows, start:end] = log_probabilities(logits, temperature).gather(2, found[..., None])[..., 0]
    over = F.pad((letters == EOS).cumsum(1)[:, :-1], (1, 0)) > 0
    return letters.masked_fill(over, PAD), logprobs.masked_fill(over, 0.0)


@torch.no_grad()
def beam_search(
    model: nn.Module, z: Tensor, tense: Tensor, source: Tensor | None, width: int, temperature: float = 1.0
) -> list[tuple[float, list[int]]]:
    """The likeliest sequences for one word, best first: log-probability and letters without EOS.

    z (1, Z), tense (1,), source (1, T, ·).
    """
    state = model.initial_state(z, tense)
    prefixes, scores = [[SOS]], torch.zeros(1, device=z.device)
    finished: list[tuple[float, list[int]]] = []
    for position in range(MAX_LENGTH + 1):
        letter = torch.tensor([[p[-1]] for p in prefixes], device=z.device)
        features = None if source is None else source.expand(len(prefixes), -1, -1)
        logits, state = model.step(letter, state, features, position)
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
        prefixes, scores = beam, torch.tensor(beam_scores, device=z.device)
    return finished
