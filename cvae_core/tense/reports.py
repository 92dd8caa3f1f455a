"""The models of the three course reports: one LSTM each way, z from its state, the tense beside z in the decoder's.

Shapes as in tense/model.py; Z is the latent of hidden and cell state together.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from cvae_core.latent import Gaussian
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.data import SOS, TENSES, VOCABULARY_SIZE
from cvae_core.tense.decoding import State, lstm_step
from cvae_core.tense.model import Encoded
from cvae_core.tense.padding import in_groups, lengths_of


class Architecture(NamedTuple):
    """Where the reports differ."""

    one_hot: bool = False  # the tense, instead of an embedding
    both_states: bool = False  # tense in, z from and to hidden and cell; otherwise hidden alone, with a cell of zeros
    encoder_sos: bool = False  # the encoder reads SOS before the word
    until_eos: bool = False  # in free running, only letters before the model's own EOS are scored


ARCHITECTURES = {
    "report-000": Architecture(until_eos=True),
    "report-001": Architecture(one_hot=True),
    "report-002": Architecture(both_states=True, until_eos=True),
    "report-002-sos": Architecture(both_states=True, encoder_sos=True),  # 002 as it was read before
}


class ReportCVAE(nn.Module):
    """The methods of `TenseCVAE`, with one level: what the decoder gets is z."""

    def __init__(self, config: TenseConfig):
        super().__init__()
        self.config = config
        self.architecture = ARCHITECTURES[config.architecture]
        hidden, latent = config.hidden_size, config.latent_size
        width = config.embedding_size or hidden
        one_hot, states = self.architecture.one_hot, 2 if self.architecture.both_states else 1
        condition = len(TENSES) if one_hot else config.condition_size
        self.latent_total = states * latent
        self.tense_embedding = nn.Embedding(len(TENSES), condition)
        if one_hot:
            self.tense_embedding.weight = nn.Parameter(torch.eye(len(TENSES)), requires_grad=False)
        self.encoder_embedding = nn.Embedding(VOCABULARY_SIZE, width)
        self.encoder = nn.LSTM(width, hidden, batch_first=True)
        self.to_mu = nn.ModuleList(nn.Linear(hidden, latent) for _ in range(states))
        self.to_logvar = nn.ModuleList(nn.Linear(hidden, latent) for _ in range(states))
        self.to_hidden = nn.Linear(latent + condition, hidden)
        self.to_cell = nn.Linear(latent + condition, hidden) if self.architecture.both_states else None
        self.decoder_embedding = nn.Embedding(VOCABULARY_SIZE, width)
        self.decoder = nn.LSTM(width, hidden, batch_first=True)
        self.out = nn.Linear(hidden, VOCABULARY_SIZE)

    def encode(self, letters: Tensor, tense: Tensor) -> Encoded:
        """Letters (B, T) with EOS and padding, tense (B,) -> the posterior."""
        posterior = Gaussian(*(part.float() for part in in_groups(self._encode, lengths_of(letters), letters, tense)))
        return Encoded(posterior, posterior)

    def _encode(self, letters: Tensor, tense: Tensor) -> tuple[Tensor, Tensor]:
        lengths = lengths_of(letters)
        if self.architecture.encoder_sos:
            letters, lengths = F.pad(letters, (1, 0), value=SOS), lengths + 1
        embedded = self.tense_embedding(tense)
        h0 = F.pad(embedded, (self.config.hidden_size - embedded.shape[1], 0))[None]  # the tense in the last dimensions
        c0 = h0 if self.architecture.both_states else torch.zeros_like(h0)
        x = self.encoder_embedding(letters)
        if self.architecture.both_states:
            packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
            _, (h, c) = self.encoder(packed, (h0, c0))
            states = (h[0], c[0])
        else:
            outputs, _ = self.encoder(x, (h0, c0))
            states = (outputs[torch.arange(len(x), device=x.device), lengths - 1],)
        mu = torch.cat([layer(s) for layer, s in zip(self.to_mu, states, strict=True)], 1)
        logvar = torch.cat([layer(s) for layer, s in zip(self.to_logvar, states, strict=True)], 1)
        return mu, logvar

    def spelling(self, z: Tensor) -> Tensor:
        """z itself: there is one level."""
        return z

    def initial_state(self, z: Tensor, tense: Tensor) -> State:
        """z (B, Z), or (1, Z) for all, and tense (B,) -> the decoder's initial state."""
        z_hidden, z_cell = z.chunk(2, 1) if self.architecture.both_states else (z, z)
        embedded = self.tense_embedding(tense)
        h = self.to_hidden(torch.cat([z_hidden.expand(len(tense), -1), embedded], 1))[None]
        if self.to_cell is None:
            return State(h, torch.zeros_like(h))
        return State(h, self.to_cell(torch.cat([z_cell.expand(len(tense), -1), embedded], 1))[None])

    def step(self, inputs: Tensor, state: State, position: int = 0) -> tuple[Tensor, State]:
        """Decode letters (B, T): logits (B, T, V) and the state after them."""
        outputs, h, c = lstm_step(self.decoder, F.relu(self.decoder_embedding(inputs)), state)
        return self.out(outputs), State(h, c)

    def forward(self, inputs: Tensor, z: Tensor, tense: Tensor) -> Tensor:
        """Logits (B, T, V) of the letters that follow each of `inputs` (B, T), in one call."""
        return self.step(inputs, self.initial_state(z, tense))[0]
