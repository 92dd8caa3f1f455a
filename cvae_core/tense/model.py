"""The character seq2seq CVAE: bidirectional LSTM encoder, two Gaussian latents, LSTM decoder, tense as condition.

Two levels: z identifies a verb, s spells a word, and a learned map takes z to s. The decoder gets s and the tense, and
nothing else. With `spelling_size` 0 there is one level, z. The models of the three course reports, of one level too,
are in tense/reports.py, with the same methods.
Shapes: B words, T letters, H hidden, Z and S dimensions of z and s, E embedding, V vocabulary.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.latent import Gaussian
from cvae_core.tense.config import REPORTS, TenseConfig
from cvae_core.tense.data import MAX_LENGTH, PAD, TENSES, VOCABULARY_SIZE
from cvae_core.tense.decoding import State, lstm_step
from cvae_core.tense.padding import in_groups, lengths_of

CLASSIFIER_WIDTH = 64
LETTER_WIDTH = 32  # of what s gets of each letter
POSITIONS = MAX_LENGTH + 2  # an answer is cut at MAX_LENGTH + 1 letters; its end is scored too


class Encoded(NamedTuple):
    """The posteriors q(z | word, tense) and q(s | word, tense); of one level both are the same."""

    z: Gaussian  # (B, Z)
    s: Gaussian  # (B, S)


class TenseCVAE(nn.Module):
    """q(z | word, tense), q(s | word, tense), the map z -> s, and p(word | s, tense) letter by letter."""

    # Modules that some configs do not have: None there.
    to_cell: Any
    output_hidden: Any
    gate: Any
    classify_letter: Any
    classify_word: Any

    def __init__(self, config: TenseConfig):
        super().__init__()
        self.config = config
        hidden, latent, spelling = config.hidden_size, config.latent_size, config.spelling_size
        width = config.embedding_size or hidden
        self.latent_total = latent
        self.tense_embedding = nn.Embedding(len(TENSES), config.condition_size)
        self.encoder_embedding = nn.Embedding(VOCABULARY_SIZE, width)
        self.encoder = nn.LSTM(width, hidden, batch_first=True)
        self.encoder_back = nn.LSTM(width, hidden, batch_first=True)
        levels = [(2 * hidden, latent)]
        self.read_letter, self.z_to_s, self.positions = None, None, None
        if spelling:
            levels += [(2 * hidden + POSITIONS * LETTER_WIDTH, spelling)]
            self.read_letter = nn.Linear(2 * hidden, LETTER_WIDTH, bias=False)  # padding stays zero
        self.to_mu = nn.ModuleList(nn.Linear(*sizes) for sizes in levels)
        self.to_logvar = nn.ModuleList(nn.Linear(*sizes) for sizes in levels)
        if spelling:
            self.z_to_s = self._mlp(latent, spelling)
            self.positions = nn.Linear(spelling, POSITIONS * width)
        # The decoder's initial state: with two levels one layer gives hidden and cell, with one a network each.
        self.to_hidden = nn.Linear(spelling, 2 * hidden) if spelling else self._mlp(latent, hidden)
        self.to_cell = None if spelling else self._mlp(latent, hidden)
        self.decoder_embedding = nn.Embedding(VOCABULARY_SIZE, width)
        out, self.output_hidden, self.gate = hidden, None, None
        if config.decoder_condition == "output":
            out, self.output_hidden = 2 * hidden, nn.Linear(hidden, 2 * hidden)
            self.gate = nn.Linear(hidden, 1)  # opens where the ending begins
        tense_width = out if config.decoder_condition == "output" else width
        self.decoder_tense = nn.Embedding(len(TENSES), tense_width)
        self.decoder = nn.LSTM(width, hidden, batch_first=True)
        self.out = nn.Linear(out, VOCABULARY_SIZE)
        self.classify_letter, self.classify_word = None, None
        if config.tense_classifier:
            self.classify_letter = nn.Linear(2 * hidden, CLASSIFIER_WIDTH)
            self.classify_word = nn.Linear(CLASSIFIER_WIDTH, len(TENSES))

    def _mlp(self, inputs: int, outputs: int) -> nn.Module:
        """`state_layers` layers, all but the last with a tanh."""
        config = self.config
        if config.state_layers == 1:
            return nn.Linear(inputs, outputs)
        width = config.state_width or config.hidden_size
        layers = [nn.Linear(inputs, width), nn.Tanh()]
        for _ in range(config.state_layers - 2):
            layers += [nn.Linear(width, width), nn.Tanh()]
        return nn.Sequential(*layers, nn.Linear(width, outputs))

    # --- encoder ------------------------------------------------------------------------------------------------

    def encode(self, letters: Tensor, tense: Tensor) -> Encoded:
        """Letters (B, T) with EOS and padding, tense (B,) -> both posteriors, in float32 under autocast, too."""
        parameters = [part.float() for part in in_groups(self._encode, lengths_of(letters), letters, tense)]
        levels = [Gaussian(*parameters[i : i + 2]) for i in range(0, len(parameters), 2)]
        return Encoded(levels[0], levels[-1])

    def _encode(self, letters: Tensor, tense: Tensor) -> tuple[Tensor, ...]:
        """Mean and log variance of each level."""
        embedded = self.tense_embedding(tense)
        # Initial state of both directions, (1, B, H): zeros, then the tense in the last dimensions (as in 000 and 002).
        state = F.pad(embedded, (self.config.hidden_size - embedded.shape[1], 0))[None]
        outputs, last = self._read(letters, state, self.read_letter is not None)
        z = self.to_mu[0](last), self.to_logvar[0](last)
        if self.read_letter is None:
            return z
        each = self.read_letter(outputs)  # (B, T, L)
        each = F.pad(each, (0, 0, 0, POSITIONS - each.shape[1])).flatten(1)
        features = torch.cat([last, each], 1)
        return *z, self.to_mu[1](features), self.to_logvar[1](features)

    def freeze_encoder(self) -> None:
        """Freeze q(z | word, tense): the LSTMs, their embeddings and the layers to z. The layers to s still train."""
        reads = self.tense_embedding, self.encoder_embedding, self.encoder, self.encoder_back
        for part in (*reads, self.to_mu[0], self.to_logvar[0]):
            part.requires_grad_(False)

    def classify(self, letters: Tensor) -> Tensor:
        """Logits of q(tense | word), the classifier beside a conditional model (Kingma et al. 2014, M2): (B, 4).

        It takes the encoder's outputs without a tense, detached: only the latent's losses train the encoder.
        """
        return in_groups(self._classify, lengths_of(letters), letters)[0]

    def _classify(self, letters: Tensor) -> tuple[Tensor]:
        with torch.no_grad():
            unconditioned = letters.new_zeros(1, len(letters), self.config.hidden_size, dtype=self.out.weight.dtype)
            outputs, _ = self._read(letters, unconditioned, True)
        features = F.relu(self.classify_letter(outputs)) * torch.any(outputs != 0, -1, keepdim=True)
        return (self.classify_word(features.amax(1)),)

    def _read(self, letters: Tensor, state: Tensor, each: bool) -> tuple[Tensor | None, Tensor]:
        """Outputs at each letter (B, T, 2H), if asked for, zeros on padding; both directions' last outputs (B, 2H).

        The longest word has T letters: no column is padding alone. Not packing the words trains twice as fast: on a CPU
        a packed LSTM's backward pass clears a whole gradient for every letter.
        """
        lengths = lengths_of(letters)
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

    def spelling(self, z: Tensor) -> Tensor:
        """The s of each z, (B, Z) -> (B, S); z itself in a model of one level."""
        return z if self.z_to_s is None else self.z_to_s(z)

    def initial_state(self, s: Tensor, tense: Tensor) -> State:
        """s (B, S), or (1, S) for all, and tense (B,) -> the decoder's initial state."""
        h = self.to_hidden(s)[None]
        h, c = h.chunk(2, 2) if self.to_cell is None else (h, self.to_cell(s)[None])
        h, c = (part.expand(1, len(tense), -1).contiguous() for part in (h, c))
        inputs = None
        if self.positions is not None:
            inputs = self.positions(s).view(len(s), POSITIONS, -1).expand(len(tense), -1, -1)
        return State(h, c, self.decoder_tense(tense)[:, None], inputs)

    def step(self, inputs: Tensor, state: State, position: int = 0) -> tuple[Tensor, State]:
        """Decode letters (B, T) from a position on: logits (B, T, V) and the state after them."""
        x = self.decoder_embedding(inputs)
        if self.output_hidden is None:
            x = x + state.tense
        if state.inputs is not None:
            x = x + state.inputs[:, position : position + inputs.shape[1]]
        outputs, h, c = lstm_step(self.decoder, x, state)
        if self.output_hidden is not None:
            outputs = F.relu(self.output_hidden(outputs) + torch.sigmoid(self.gate(outputs)) * state.tense)
        return self.out(outputs), state._replace(h=h, c=c)

    def forward(self, inputs: Tensor, s: Tensor, tense: Tensor) -> Tensor:
        """Logits (B, T, V) of the letters that follow each of `inputs` (B, T), in one call."""
        return self.step(inputs, self.initial_state(s, tense))[0]


def create(config: TenseConfig) -> nn.Module:
    """The model of a config, with fresh weights from the global generator."""
    from cvae_core.tense.reports import ReportCVAE

    return (ReportCVAE if config.architecture in REPORTS else TenseCVAE)(config)


def build(config: TenseConfig) -> nn.Module:
    """A model with weights drawn from the config's seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return create(config)
