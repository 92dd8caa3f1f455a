"""The character seq2seq CVAE: bidirectional LSTM encoder, Gaussian latent, LSTM decoder, tense as condition.

The models of the three course reports are in tense/reports.py, with the same methods.
Shapes: B words, T letters, H hidden, Z latent, V vocabulary.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.tense.config import REPORTS, TenseConfig
from cvae_core.tense.data import PAD, TENSES, VOCABULARY_SIZE
from cvae_core.tense.decoding import State, lstm_step

CLASSIFIER_WIDTH = 64


class Encoded(NamedTuple):
    """The posterior q(z | word, tense) and, for decoders that get it, the encoder's output at each letter."""

    mu: Tensor  # (B, Z)
    logvar: Tensor  # (B, Z)
    outputs: Tensor | None  # (B, T, 2H), zeros on padding


class TenseCVAE(nn.Module):
    """q(z | word, tense) from the last outputs of both directions; p(word | z, tense) letter by letter.

    With `source` aligned the decoder also gets the encoder's output at its own position.
    """

    # Modules that some configs do not have: None there.
    to_cell: Any
    output_hidden: Any
    gate: Any
    source_proj: Any
    classify_letter: Any
    classify_word: Any

    def __init__(self, config: TenseConfig):
        super().__init__()
        self.config = config
        hidden, latent = config.hidden_size, config.latent_size
        width = config.embedding_size or hidden
        self.latent_total = latent
        self.tense_embedding = nn.Embedding(len(TENSES), config.condition_size)
        self.encoder_embedding = nn.Embedding(VOCABULARY_SIZE, width)
        self.encoder = nn.LSTM(width, hidden, batch_first=True)
        self.encoder_back = nn.LSTM(width, hidden, batch_first=True)
        self.to_mu = nn.ModuleList([nn.Linear(2 * hidden, latent)])
        self.to_logvar = nn.ModuleList([nn.Linear(2 * hidden, latent)])
        self.to_hidden = self._to_state()  # and to the cell state, if shared
        self.to_cell = None if config.state_shared else self._to_state()
        self.decoder_embedding = nn.Embedding(VOCABULARY_SIZE, width)
        out, self.output_hidden, self.gate = hidden, None, None
        if config.decoder_condition == "output":
            out, self.output_hidden = 2 * hidden, nn.Linear(hidden, 2 * hidden)
            self.gate = nn.Linear(hidden, 1)  # opens where the ending begins
        tense_width = out if config.decoder_condition == "output" else width
        self.decoder_tense = nn.Embedding(len(TENSES), tense_width)
        self.source_proj = nn.Linear(2 * hidden, width) if config.source == "aligned" else None
        self.decoder = nn.LSTM(width, hidden, batch_first=True)
        self.out = nn.Linear(out, VOCABULARY_SIZE)
        self.classify_letter, self.classify_word = None, None
        if config.tense_classifier:
            self.classify_letter = nn.Linear(2 * hidden, CLASSIFIER_WIDTH)
            self.classify_word = nn.Linear(CLASSIFIER_WIDTH, len(TENSES))

    def _to_state(self) -> nn.Module:
        """The network from z to the decoder's initial hidden or cell state, or to both."""
        config = self.config
        outputs = 2 * config.hidden_size if config.state_shared else config.hidden_size
        if config.state_layers == 1:
            return nn.Linear(config.latent_size, outputs)
        width = config.state_width or config.hidden_size
        layers = [nn.Linear(config.latent_size, width), nn.Tanh()]
        for _ in range(config.state_layers - 2):
            layers += [nn.Linear(width, width), nn.Tanh()]
        return nn.Sequential(*layers, nn.Linear(width, outputs))

    # --- encoder ------------------------------------------------------------------------------------------------

    def encode(self, letters: Tensor, tense: Tensor) -> Encoded:
        """Letters (B, T) with EOS and padding, tense (B,) -> posterior and outputs."""
        embedded = self.tense_embedding(tense)
        # Initial state of both directions, (1, B, H): zeros, then the tense in the last dimensions (as in 000 and 002).
        state = F.pad(embedded, (self.config.hidden_size - embedded.shape[1], 0))[None]
        outputs, last = self._read(letters, state, self.config.source == "aligned")
        return Encoded(self.to_mu[0](last), self.to_logvar[0](last), outputs)

    def classify(self, letters: Tensor) -> Tensor:
        """Logits of q(tense | word), the classifier beside a conditional model (Kingma et al. 2014, M2): (B, 4).

        It takes the encoder's outputs without a tense, detached: only the latent's losses train the encoder.
        """
        with torch.no_grad():
            unconditioned = letters.new_zeros(1, len(letters), self.config.hidden_size, dtype=self.out.weight.dtype)
            outputs, _ = self._read(letters, unconditioned, True)
        features = F.relu(self.classify_letter(outputs)) * torch.any(outputs != 0, -1, keepdim=True)
        return self.classify_word(features.amax(1))

    def _read(self, letters: Tensor, state: Tensor, each: bool) -> tuple[Tensor | None, Tensor]:
        """Outputs at each letter (B, T, 2H), if asked for, zeros on padding; both directions' last outputs (B, 2H).

        Not packing the words trains twice as fast: on a CPU a packed LSTM's backward pass clears a whole gradient for
        every letter.
        """
        lengths = (letters != PAD).sum(1)
        letters = letters[:, : int(lengths.max())]  # cut padding to this batch
        rows = torch.arange(len(letters), device=letters.device)
        positions = torch.arange(letters.shape[1], device=letters.device)
        backwards = (lengths[:, None] - 1 - positions) % letters.shape[1]  # of a word's letters; padding stays behind
        forward, _ = self.encoder(self.encoder_embedding(letters), (state, state))
        backward, _ = self.encoder_back(self.encoder_embedding(letters.gather(1, backwards)), (state, state))
        last = torch.cat([forward[rows, lengths - 1], backward[rows, lengths - 1]], 1)
        if not each:
            return None, last
        aligned = backward.gather(1, backwards[..., None].expand_as(backward))
        return torch.cat([forward, aligned], 2) * (letters != PAD)[..., None], last

    # --- decoder ------------------------------------------------------------------------------------------------

    def initial_state(self, z: Tensor, tense: Tensor) -> State:
        """z (B, Z), or (1, Z) for all, and tense (B,) -> the decoder's initial state."""
        h = self.to_hidden(z)[None]
        if self.config.state_shared:
            h, c = h.chunk(2, 2)
        else:
            c = self.to_cell(z)[None]
        h, c = (s.expand(1, len(tense), -1).contiguous() for s in (h, c))
        return State(h, c, self.decoder_tense(tense)[:, None])

    def source_features(self, outputs: Tensor | None, visible: Tensor | None = None) -> Tensor | None:
        """What the decoder gets of the source word, computed once a word: (B, T, 2H) -> (B, T, E).

        `visible` (B,) bool leaves it out for some words.
        """
        if outputs is None or self.source_proj is None:
            return None
        present = outputs.abs().sum(-1, keepdim=True) > 0  # not padding
        if visible is not None:
            present = present & visible[:, None, None]
        return self.source_proj(outputs) * present

    def step(self, inputs: Tensor, state: State, source: Tensor | None, position: int = 0) -> tuple[Tensor, State]:
        """Decode letters (B, T) from a position on: logits (B, T, V) and the state after them."""
        x = self.decoder_embedding(inputs)
        if self.output_hidden is None:
            x = x + state.tense
        if source is not None:
            part = source[:, position : position + inputs.shape[1]]
            missing = inputs.shape[1] - part.shape[1]
            x = x + (F.pad(part, (0, 0, 0, missing)) if missing else part)
        outputs, h, c = lstm_step(self.decoder, x, state)
        if self.output_hidden is not None:
            outputs = F.relu(self.output_hidden(outputs) + torch.sigmoid(self.gate(outputs)) * state.tense)
        return self.out(outputs), State(h, c, state.tense)

    def forward(self, inputs: Tensor, z: Tensor, tense: Tensor, source: Tensor | None = None) -> Tensor:
        """Logits (B, T, V) of the letters that follow each of `inputs` (B, T), in one call."""
        return self.step(inputs, self.initial_state(z, tense), source)[0]


def create(config: TenseConfig) -> nn.Module:
    """The model of a config, with fresh weights from the global generator."""
    from cvae_core.tense.reports import ReportCVAE

    return (ReportCVAE if config.architecture in REPORTS else TenseCVAE)(config)


def build(config: TenseConfig) -> nn.Module:
    """A model with weights drawn from the config's seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return create(config)
