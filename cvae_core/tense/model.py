"""The character seq2seq CVAE: LSTM encoder, Gaussian latent, LSTM decoder, tense as condition.

One class covers the three reports and the shipped model; every difference between them is a field of `TenseConfig`.
Shapes: B words, T letters, H hidden, Z latent (of hidden and cell together), V vocabulary.
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from cvae_core.errors import UserError
from cvae_core.tense.data import EOS, MAX_LENGTH, PAD, SOS, TENSES, VOCABULARY_SIZE
from cvae_core.training import TrainConfig, option


@dataclass(frozen=True)
class TenseConfig(TrainConfig):
    """Model, data and loss of the tense system. Comments name the reports where they differ."""

    # Model
    hidden_size: int = option(256, "width of the LSTMs (256 in all reports)")
    embedding_size: int = option(64, "width of a letter's embedding; 0 means hidden_size, as in the reports")
    latent_size: int = option(32, "dimensions of each latent (32 in all reports)")
    condition: str = option("embedding", "tense as an embedding (000, 002) or one-hot (001)", ("embedding", "one-hot"))
    condition_size: int = option(8, "width of the tense embedding (8 in all reports); one-hot has 4")
    condition_into: str = option(
        "hidden+cell", "where the tense enters: hidden (000) or both states (002)", ("hidden", "hidden+cell")
    )
    latents: str = option(
        "hidden", "read z from the hidden state (000, 001) or one each from both (002)", ("hidden", "hidden+cell")
    )
    decoder_state: str = option(
        "hidden+cell", "what z sets: hidden, with a cell of zeros (000), or both (002)", ("hidden", "hidden+cell")
    )
    state_layers: int = option(
        2, "layers from z to the decoder's state: 1 (reports); each more is a tanh layer", (1, 2, 3, 4, 5)
    )
    state_width: int = option(0, "width of those tanh layers; 0 means hidden_size")
    state_shared: bool = option(False, "whether one net gives the decoder's hidden and cell state, or each has its own")
    decoder_condition: str = option(
        "state", "how the decoder learns the tense: in its first state (reports), at every letter that goes in, or "
        "only where one comes out, so that after the same letters one z is in the same state in every tense",
        ("state", "input", "output"),
    )  # fmt: skip
    decoder_activation: str = option(
        "none", "on the decoder's input letters: relu (000, 002) or none", ("relu", "none")
    )
    tense_classifier: bool = option(
        False, "whether the model also learns to tell a form's tense, q(tense | word), from what its encoder reads"
    )
    temperature: float = option(
        1.0, "what the letters' logits are divided by in answers (Guo et al. 2017), so that sureness is earned"
    )
    encoder_sos: bool = option(False, "whether the encoder also reads SOS before the word (002)")
    bidirectional: bool = option(True, "whether the encoder also reads backwards (no report does)")
    source: str = option(
        "aligned",
        "how the decoder sees the source word in conversion: none (reports), attention (Luong et al. 2015) or "
        "aligned (the encoder's output at the letter's own place: English inflects at the end)",
        ("none", "attention", "aligned"),
    )
    # Training
    epochs: int = option(20, "passes over the data")
    kl_max: float = option(0.3, "largest KL weight")
    kl_ramp: float = option(0.2, "share of each cycle in which the weight rises; it holds for the rest")
    # Data
    pairs: str = option("all", "decode the same tense (reports), or any tense of the verb", ("same", "all"))
    train_on: str = option(
        "train", "the training split of the verbs, validation verbs too (once all is chosen), or all of them (reports)",
        ("train", "train+validation", "all"),
    )  # fmt: skip
    source_dropout: float = option(0.6, "share of real verbs for which the decoder does not see the source word")
    invented: float = option(0.5, "share of each batch that is invented verbs")
    prefixed: float = option(
        0.2, "share of the invented verbs that are a prefix and an irregular verb; the rest are regular"
    )
    rehearsal: float = option(0.0, "fine-tuning: share of each batch that is verbs the first checkpoint knew")
    repeats: int = option(1, "times that each form is shown in an epoch: more than 1 for short lists")
    irregular_repeats: int = option(1, "multiplies `repeats` for verbs that spelling rules get wrong: went, omitted")
    frequent_repeats: int = option(1, "multiplies `repeats` for the 1,000 most frequent verbs of the dictionary")
    length_pool: int = option(0, "batches whose words are sorted by length together, to cut padding; 0 does not")
    prior_share: float = option(0.0, "draws from the prior beside each batch, as a share of its size (prior matching)")
    prior_from: float = option(0.5, "share of training after which prior matching begins")
    consistency: float = option(
        0.0, "weight of the divergence between what one draw says in two tenses, over the letters that both share"
    )
    consistency_from: float = option(0.5, "share of training after which draws are written in two tenses for that")
    encoder_until: float = option(
        1.0, "share of training after which the encoder stays as it is, so that draws aim at verbs that do not move"
    )
    # Loss
    recon: str = option("sum", "cross entropy summed over letters, or their mean (reports)", ("sum", "mean"))
    free_running_loss: str = option(
        "target", "letters scored in free running: all of the target, or until the model says EOS (000)",
        ("target", "until-eos"),
    )  # fmt: skip

    def __post_init__(self):
        super().__post_init__()
        for name, low, high in (
            ("hidden_size", 8, 4096), ("embedding_size", 0, 4096), ("latent_size", 1, 1024), ("condition_size", 1, 256),
            ("state_width", 0, 4096),
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise UserError(f"{name} is {getattr(self, name)}: expected {low} to {high}.")
        if not 0.05 <= self.temperature <= 20:
            raise UserError(f"temperature is {self.temperature}: expected 0.05 to 20.")
        for name in ("repeats", "irregular_repeats", "frequent_repeats"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}: expected at least 1.")
        if self.length_pool < 0:
            raise UserError(f"length_pool is {self.length_pool}: expected 0 or more.")
        for name in ("source_dropout", "invented", "prefixed", "rehearsal"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is {getattr(self, name)}: expected a share between 0 and 1.")
        if self.prior_share < 0 or not 0 <= self.prior_from <= 1:
            raise UserError("prior_share must be 0 or more, and prior_from a share between 0 and 1.")
        if not 0 <= self.encoder_until <= 1:
            raise UserError(f"encoder_until is {self.encoder_until}: expected a share between 0 and 1.")
        if self.encoder_until < 1 and self.decoder_condition == "state":
            raise UserError("encoder_until needs decoder_condition input or output: state shares its embedding.")
        if self.consistency < 0 or not 0 <= self.consistency_from <= 1:
            raise UserError("consistency must be 0 or more, and consistency_from a share between 0 and 1.")
        if self.invented + self.rehearsal >= 1:
            share = " + ".join(f"{n} {getattr(self, n)}" for n in ("invented", "rehearsal") if getattr(self, n))
            raise UserError(f"Of each batch, {share} leaves nothing for the verbs themselves: expected less than 1.")
        if self.latents == "hidden+cell" and self.decoder_state != "hidden+cell":
            raise UserError("latents hidden+cell need decoder_state hidden+cell.")
        if self.state_shared and (self.latents != "hidden" or self.decoder_state != "hidden+cell"):
            raise UserError("state_shared needs latents hidden and decoder_state hidden+cell: one z for both states.")


class Encoded(NamedTuple):
    """The posterior q(z | word, tense) and, for decoders that see it, the encoder's output at each letter."""

    mu: Tensor  # (B, Z)
    logvar: Tensor  # (B, Z)
    memory: Tensor | None  # (B, T, 2H or H), zeros on padding


class State(NamedTuple):
    """Of the decoder; `tense` is what it adds at every letter, where the tense is not in the first state."""

    h: Tensor  # (1, B, H)
    c: Tensor  # (1, B, H)
    tense: Tensor | None = None  # (B, 1, as wide as what it is added to)

    def of(self, rows: list[int] | Tensor) -> "State":
        """The states of some words of the batch."""
        return State(self.h[:, rows], self.c[:, rows], None if self.tense is None else self.tense[rows])


CLASSIFIER_WIDTH = 64
COMPACTED = 64  # batches of so many words are cut to the unfinished ones when half are finished


class TenseCVAE(nn.Module):
    def __init__(self, config: TenseConfig):
        super().__init__()
        self.config = config
        hidden = config.hidden_size
        width = config.embedding_size or hidden
        directions = 2 if config.bidirectional else 1
        one_hot = config.condition == "one-hot"
        condition = len(TENSES) if one_hot else config.condition_size

        self.tense_embedding = nn.Embedding(len(TENSES), condition)
        if one_hot:
            self.tense_embedding.weight = nn.Parameter(torch.eye(len(TENSES)), requires_grad=False)
        self.encoder_embedding = nn.Embedding(VOCABULARY_SIZE, width)
        self.encoder = nn.LSTM(width, hidden, batch_first=True)
        self.encoder_back = nn.LSTM(width, hidden, batch_first=True) if config.bidirectional else None
        self.latent_count = 2 if config.latents == "hidden+cell" else 1  # one z, or one each for hidden and cell
        self.to_mu = nn.ModuleList(nn.Linear(directions * hidden, config.latent_size) for _ in range(self.latent_count))
        self.to_logvar = nn.ModuleList(
            nn.Linear(directions * hidden, config.latent_size) for _ in range(self.latent_count)
        )

        def to_state() -> nn.Module:
            inputs = config.latent_size + (condition if config.decoder_condition == "state" else 0)
            outputs = 2 * hidden if config.state_shared else hidden
            if config.state_layers == 1:
                return nn.Linear(inputs, outputs)
            wide = config.state_width or hidden
            layers = [nn.Linear(inputs, wide), nn.Tanh()]
            for _ in range(config.state_layers - 2):
                layers += [nn.Linear(wide, wide), nn.Tanh()]
            return nn.Sequential(*layers, nn.Linear(wide, outputs))

        self.to_hidden = to_state()  # and to the cell state, if shared
        self.to_cell = to_state() if config.decoder_state == "hidden+cell" and not config.state_shared else None
        self.decoder_embedding = nn.Embedding(VOCABULARY_SIZE, width)
        out, self.voice, self.gate = hidden, None, None
        if config.decoder_condition == "output":  # a layer more, in which state and tense meet
            out, self.voice = 2 * hidden, nn.Linear(hidden, 2 * hidden)
            self.gate = nn.Linear(hidden, 1)  # whether the tense matters yet: hardly before the ending
        heard = {"state": 0, "input": width, "output": out}[config.decoder_condition]
        self.decoder_tense = nn.Embedding(len(TENSES), heard) if heard else None
        seen = directions * hidden if config.source == "aligned" else 0
        self.see = nn.Linear(seen, width) if seen else None  # what the decoder takes in of the source letter
        self.decoder = nn.LSTM(width, hidden, batch_first=True)
        if config.source == "attention":
            self.query = nn.Linear(hidden, directions * hidden, bias=False)
            self.combine = nn.Linear(hidden + directions * hidden, hidden)
        self.out = nn.Linear(out, VOCABULARY_SIZE)
        self.classify_letter, self.classify_word = None, None
        if config.tense_classifier:
            self.classify_letter = nn.Linear(directions * hidden, CLASSIFIER_WIDTH)
            self.classify_word = nn.Linear(CLASSIFIER_WIDTH, len(TENSES))

    @property
    def latent_total(self) -> int:
        """Dimensions of z: one latent, or those of hidden and cell side by side."""
        return self.latent_count * self.config.latent_size

    # --- encoder ------------------------------------------------------------------------------------------------

    def encode(self, letters: Tensor, tense: Tensor) -> Encoded:
        """Letters (B, T) with EOS and padding, tense (B,) -> posterior and memory."""
        outputs, h, c = self._read(letters, self._condition_state(tense), self.config.source != "none")
        read = (h, c)[: self.latent_count]
        mu = torch.cat([layer(s) for layer, s in zip(self.to_mu, read, strict=True)], 1)
        logvar = torch.cat([layer(s) for layer, s in zip(self.to_logvar, read, strict=True)], 1)
        return Encoded(mu, logvar, outputs)

    def classify(self, letters: Tensor) -> Tensor:
        """Logits of q(tense | word), the classifier beside a conditional model (Kingma et al. 2014, M2): (B, 4).

        It listens to the encoder reading without a tense and does not teach it: the encoder serves z alone.
        """
        with torch.no_grad():
            unconditioned = letters.new_zeros(1, len(letters), self.config.hidden_size, dtype=self.out.weight.dtype)
            outputs, *_ = self._read(letters, unconditioned, True)
        heard = F.relu(self.classify_letter(outputs)) * (outputs != 0).any(-1, keepdim=True)
        return self.classify_word(heard.amax(1))

    def _read(self, letters: Tensor, h0: Tensor, each: bool) -> tuple[Tensor | None, Tensor, Tensor]:
        """The outputs at each letter (B, T, 2H or H), if asked for, zeros on padding; the last states (B, 2H or H)."""
        config = self.config
        lengths = (letters != PAD).sum(1)
        letters = letters[:, : int(lengths.max())]  # cut padding to this batch
        if config.encoder_sos:
            letters = F.pad(letters, (1, 0), value=SOS)
            lengths = lengths + 1
        c0 = h0 if config.condition_into == "hidden+cell" else torch.zeros_like(h0)
        outputs, h, c = self._read_one_way(self.encoder, letters, lengths, h0, c0)
        if self.encoder_back is not None:
            places = torch.arange(letters.shape[1], device=letters.device)
            backwards = (lengths[:, None] - 1 - places) % letters.shape[1]  # of a word's letters; padding stays behind
            read = self._read_one_way(self.encoder_back, letters.gather(1, backwards), lengths, h0, c0)
            h, c = torch.cat([h, read[1]], 1), torch.cat([c, read[2]], 1)
            if each:
                aligned = read[0].gather(1, backwards[..., None].expand_as(read[0]))
                outputs = torch.cat([outputs, aligned], 2)
        if not each:
            return None, h, c
        outputs = outputs * (letters != PAD)[..., None]
        return outputs[:, 1:] if config.encoder_sos else outputs, h, c  # in step with the letters

    def _read_one_way(self, lstm: nn.LSTM, letters: Tensor, lengths: Tensor, h0: Tensor, c0: Tensor):
        """One direction: outputs (B, T, H), and hidden and cell state (B, H) after each word's last letter."""
        x = self.encoder_embedding(letters)
        if self.latent_count == 1:
            # Nobody reads the cell, and the hidden state is the output at the last letter. Not packing the words
            # trains twice as fast: on a CPU a packed LSTM's backward clears a whole gradient for every letter.
            outputs, (_, c) = lstm(x, (h0, c0))
            return outputs, outputs[torch.arange(len(x), device=x.device), lengths - 1], c[0]
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        outputs, (h, c) = lstm(packed, (h0, c0))
        return pad_packed_sequence(outputs, batch_first=True)[0], h[0], c[0]

    def _condition_state(self, tense: Tensor) -> Tensor:
        """Initial state of both encoders: zeros, then the tense in the last places (000, 002). (1, B, H)"""
        embedded = self.tense_embedding(tense)
        return F.pad(embedded, (self.config.hidden_size - embedded.shape[1], 0))[None]

    # --- decoder ------------------------------------------------------------------------------------------------

    def initial_state(self, z: Tensor, tense: Tensor) -> State:
        """z (B, Z), or (1, Z) for all, and tense (B,) -> the decoder's first state."""
        z_hidden, z_cell = (z, z) if self.latent_count == 1 else z.chunk(2, 1)
        added = None
        if self.decoder_tense is not None:
            added = self.decoder_tense(tense)[:, None]
        else:
            embedded = self.tense_embedding(tense)
            z_hidden, z_cell = (torch.cat([z.expand(len(tense), -1), embedded], 1) for z in (z_hidden, z_cell))
        h = self.to_hidden(z_hidden)[None]
        if self.config.state_shared:
            h, c = h.chunk(2, 2)
        else:
            c = torch.zeros_like(h) if self.to_cell is None else self.to_cell(z_cell)[None]
        return State(*(s.expand(1, len(tense), -1).contiguous() for s in (h, c)), added)

    def see_source(self, memory: Tensor | None, seen: Tensor | None = None) -> Tensor | None:
        """What of the source word reaches the decoder, prepared once a word; `seen` (B,) bool hides it from some."""
        if memory is None:
            return None
        shown = self.see(memory) if self.see is not None else memory
        present = memory.abs().sum(-1, keepdim=True) > 0  # neither padding nor hidden
        if seen is not None:
            present = present & seen[:, None, None]
        return shown * present

    def step(self, inputs: Tensor, state: State, shown: Tensor | None, at: int = 0) -> tuple[Tensor, State]:
        """Decode letters (B, T) that stand at places `at` onwards: logits (B, T, V) and the state after them."""
        x = self.decoder_embedding(inputs)
        if self.config.decoder_activation == "relu":
            x = F.relu(x)
        if state.tense is not None and self.voice is None:
            x = x + state.tense
        if shown is not None and self.see is not None:
            place = shown[:, at : at + inputs.shape[1]]
            missing = inputs.shape[1] - place.shape[1]
            x = x + (F.pad(place, (0, 0, 0, missing)) if missing else place)
        if inputs.shape[1] == 1:  # a cell has less to set up than a sequence of one
            h, c = torch.lstm_cell(x[:, 0], (state.h[0], state.c[0]), *self.decoder._flat_weights)
            outputs, h, c = h[:, None], h[None], c[None]
        else:
            outputs, (h, c) = self.decoder(x, (state.h, state.c))
        if self.config.source == "attention":
            outputs = self._attend(outputs, shown)
        if self.voice is not None:
            outputs = F.relu(self.voice(outputs) + torch.sigmoid(self.gate(outputs)) * state.tense)
        return self.out(outputs), State(h, c, state.tense)

    def _attend(self, outputs: Tensor, shown: Tensor | None) -> Tensor:
        """Luong attention, general score; a word that is not shown gives a context of zeros."""
        if shown is None:
            context = outputs.new_zeros(*outputs.shape[:2], self.query.out_features)
        else:
            scores = self.query(outputs) @ shown.transpose(1, 2)  # (B, T, S)
            empty = (shown == 0).all(-1)[:, None]
            weights = torch.softmax(scores.masked_fill(empty, -1e9), -1)
            context = weights @ shown
        return torch.tanh(self.combine(torch.cat([outputs, context], -1)))

    def forward(self, inputs: Tensor, z: Tensor, tense: Tensor, shown: Tensor | None = None) -> Tensor:
        """Logits (B, T, V) of the letters that follow each of `inputs` (B, T), in one call."""
        return self.step(inputs, self.initial_state(z, tense), shown)[0]

    def log_probabilities(self, logits: Tensor, temperature: float | None = None) -> Tensor:
        """Over what may come next, letters and EOS, never PAD or SOS; at the config's temperature, if none is given."""
        temperature = temperature or self.config.temperature
        return torch.log_softmax(logits.float() / temperature + _blocked(logits.device), -1)

    @torch.no_grad()
    def greedy(
        self, z: Tensor, tense: Tensor, shown: Tensor | None = None, max_length: int = MAX_LENGTH + 1
    ) -> tuple[Tensor, Tensor]:
        """Free-running decoding: the likeliest letter at each place; z (B, Z), or (1, Z) for all tenses (B,).

        -> letters (B, T) with PAD after EOS, and log-probability of each letter (B, T), 0 after EOS.
        """
        state = self.initial_state(z, tense)
        letter = torch.full((len(tense), 1), SOS, device=z.device)
        done = torch.zeros(len(tense), dtype=torch.bool, device=z.device)
        rows = torch.arange(len(tense), device=z.device)  # words still decoded
        blocked = _blocked(z.device)
        found: list[tuple[Tensor, int, list]] = [(rows, 0, [])]  # rows, first place, letters and logits from there on
        for place in range(max_length):
            logits, state = self.step(letter, state, shown, place)
            letter = (logits + blocked).argmax(-1)
            found[-1][2].append((letter, logits))
            done = done | (letter[:, 0] == EOS)
            if bool(done.all()):
                break
            if len(done) >= COMPACTED and done.sum() > len(done) / 2:  # go on with the unfinished words alone
                kept = (~done).nonzero()[:, 0]
                rows, letter, done, state = rows[kept], letter[kept], done[kept], state.of(kept)
                shown = None if shown is None else shown[kept]
                found.append((rows, place + 1, []))
        letters = torch.full((len(tense), place + 1), PAD, device=z.device)
        logprobs = torch.zeros(letters.shape, device=z.device)
        for rows, start, steps in found:
            part, logits = (torch.cat(columns, 1) for columns in zip(*steps, strict=True))
            end = start + part.shape[1]
            letters[rows, start:end] = part
            logprobs[rows, start:end] = self.log_probabilities(logits).gather(2, part[..., None])[..., 0]
        over = F.pad((letters == EOS).cumsum(1)[:, :-1], (1, 0)) > 0
        return letters.masked_fill(over, PAD), logprobs.masked_fill(over, 0.0)


@cache
def _blocked(device: torch.device) -> Tensor:
    """-1e9 for PAD and SOS, 0 for all others: (V,)."""
    blocked = torch.zeros(VOCABULARY_SIZE, device=device)
    blocked[[PAD, SOS]] = -1e9
    return blocked


def build(config: TenseConfig) -> TenseCVAE:
    """A model with weights drawn from the config's seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return TenseCVAE(config)
