"""Action-conditioned video prediction (report 004, after Denton and Fergus 2018).

A VGG or DCGAN encoder makes a code of each frame; an LSTM predicts the next frame's code from this frame's, a latent z
and the condition (action and position); the decoder makes the frame from it and from the encoder's feature maps of a
reference frame (skip connections). The reference of a step is the frame before the predicted one or, where that is
not given, the last given one.
Shapes: B clips, T frames, G code, K keypoints, Z latent, P given frames; frames (3, 64, 64) in [0, 1].
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.latent import reparameterize
from cvae_core.video.config import VideoConfig
from cvae_core.video.data import CONDITION
from cvae_core.video.motion import MotionPredictor
from cvae_core.video.networks import Decoder, Encoder
from cvae_core.video.recurrent import GaussianLSTM, Recurrent, StandardNormal, State


class Prediction(NamedTuple):
    """Predicted frames of B clips with the distributions of their latents."""

    frames: Tensor  # (B, T - 1, 3, 64, 64): from the clip's second frame on
    mu: Tensor  # (B, T - 1, Z) of the posterior
    logvar: Tensor
    prior_mu: Tensor  # (B, T - 1, Z) of the prior
    prior_logvar: Tensor


class VideoCVAE(nn.Module):
    """A CVAE of each frame x_t given the frames before it and the conditions c so far, with a latent z_t.

    `posterior` is q(z_t | x_1..t); `prior` is p(z_t | x_<t, c), either N(0, I) or learned; `next_code` and `decoder`
    compute the mean of p(x_t | x_<t, z_1..t, c), a Gaussian of each pixel.
    """

    def __init__(self, config: VideoConfig):
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        code, z, points = config.code_size, config.latent_size, 2 * config.keypoints
        self.motion = None
        if config.dynamics == "maps":
            self.motion = MotionPredictor(config)
        else:
            self.decoder = Decoder(config)
            self.predictor = Recurrent(code + z + CONDITION, code + points, config.predictor_layers, config)
            # The arm's position acts linearly on the keypoints; all else comes through the LSTM.
            self.pointing = nn.Linear(CONDITION, points) if points else None
        self.posterior = GaussianLSTM(code, config)
        self.prior = GaussianLSTM(code + CONDITION, config) if config.prior == "learned" else StandardNormal(z)
        # In metres the conditions are small numbers, which the predictor takes many epochs to use.
        self.register_buffer("condition_mean", torch.zeros(CONDITION))
        self.register_buffer("condition_std", torch.ones(CONDITION))

    def standardize(self, conditions: Tensor) -> None:
        """Standardize all further conditions by the mean and standard deviation of these (n, 7)."""
        self.condition_mean.copy_(conditions.mean(0))
        self.condition_std.copy_(conditions.std(0).clamp(min=1e-3))

    def _standard(self, condition: Tensor) -> Tensor:
        return (condition - self.condition_mean) / self.condition_std

    def next_code(self, code: Tensor, z: Tensor, condition: Tensor, state: State) -> tuple[Tensor, State]:
        """Codes, z and standardized conditions (B, T, ·) -> next codes and keypoints (B, T, G + 2 K), and the state."""
        output, state = self.predictor(torch.cat([code, z, condition], -1), state)
        if self.pointing is not None:
            output = output + F.pad(self.pointing(condition.float()), (self.config.code_size, 0))
        return torch.tanh(output), state

    def forward(
        self, frames: Tensor, condition: Tensor, generator: torch.Generator, teacher_forcing: bool = True
    ) -> Prediction:
        """Frames (B, T, 3, 64, 64) and conditions (B, T, 7) -> each frame predicted from those before it.

        With teacher forcing the predictor gets the true previous frames, in one call; without, its own ones after the
        given ones; without feedback always the last given one. z is a sample of the posterior.
        """
        past, steps = self.config.past, frames.shape[1] - 1
        codes, skips = self._encode(frames)
        mu, logvar, _ = self.posterior(codes[:, 1:])
        z = reparameterize(mu, logvar, generator)
        condition = self._standard(condition[:, :-1])
        if self.motion is None and self.config.feedback and not teacher_forcing:
            predicted, *prior = self._rollout(frames[:, :past], condition, z, generator, first=1)
            return Prediction(predicted, mu, logvar, *prior)
        inputs = codes[:, :-1] if self.config.feedback else self._references(codes, steps)
        prior_mu, prior_logvar, _ = self.prior(torch.cat([inputs, condition], -1))
        if self.motion is not None:
            predicted = self.motion(codes[:, :past], skips, frames[:, :past], condition, z)
            return Prediction(predicted, mu, logvar, prior_mu, prior_logvar)
        predicted = self._decode(self.next_code(inputs, z, condition, None)[0], skips, frames)
        return Prediction(predicted, mu, logvar, prior_mu, prior_logvar)

    @torch.no_grad()
    def predict(self, given: Tensor, condition: Tensor, generator: torch.Generator) -> Tensor:
        """Given frames (B, P, 3, 64, 64), conditions (B, P + H - 1, 7) -> the H frames after, with z from the prior.

        `condition[:, i]` belongs to frame i; the last given frame is i = P - 1.
        """
        past, condition = given.shape[1], self._standard(condition)
        if self.config.feedback:
            return self._rollout(given, condition, None, generator, first=past)[0]
        codes, skips = self._encode(given)
        inputs = self._references(codes, condition.shape[1])
        mu, logvar, _ = self.prior(torch.cat([inputs, condition], -1))
        z = reparameterize(mu, logvar, generator)
        if self.motion is not None:
            return self.motion(codes, skips, given, condition, z)[:, past - 1 :]
        predicted, _ = self.next_code(inputs, z, condition, None)
        return self._decode(predicted[:, past - 1 :], [maps[:, -1:] for maps in skips], given[:, -1:])

    def _encode(self, frames: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Frames (B, T, 3, 64, 64) -> codes (B, T, G) and maps (B, T, h, w, C), channels last as they lie in memory."""
        codes, skips = self.encoder(frames.flatten(0, 1))
        clips = frames.shape[:2]
        return codes.unflatten(0, clips), [maps.permute(0, 2, 3, 1).unflatten(0, clips) for maps in skips]

    def _decode(self, codes: Tensor, skips: list[Tensor], frames: Tensor) -> Tensor:
        """Codes and keypoints (B, S, G + 2 K), maps and frames (B, T, ·) before them -> frames (B, S, 3, 64, 64)."""
        steps = codes.shape[1]
        skips = [self._references(maps, steps).flatten(0, 1).permute(0, 3, 1, 2) for maps in skips]
        decoded = self.decoder(codes.flatten(0, 1), skips, self._references(frames, steps).flatten(0, 1))
        return decoded.unflatten(0, codes.shape[:2])

    def _references(self, values: Tensor, steps: int) -> Tensor:
        """Values of each step's reference frame: (B, T, ·) -> (B, steps, ·)."""
        given = min(self.config.past, values.shape[1])
        if steps <= given:
            return values[:, :steps]
        # Not an index with repeats: its gradient is summed by several threads in an order that differs from run to run.
        last = values[:, given - 1 : given].expand(-1, steps - given, *values.shape[2:])
        return torch.cat([values[:, :given], last], 1)

    def _rollout(
        self, given: Tensor, condition: Tensor, z: Tensor | None, generator: torch.Generator, first: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A frame for each condition (B, S, 7), predicted from the given frames and then from the predicted ones.

        z (B, S, Z), or None to sample the prior -> frames from number `first` on, and the prior's parameters (B, S, Z).
        """
        predicted: list[Tensor] = []
        priors = []
        state = prior_state = None
        for i in range(condition.shape[1]):
            frame = given[:, i] if i < given.shape[1] else predicted[-1]
            code, maps = self.encoder(frame)
            if i < given.shape[1]:
                skips, reference = maps, frame
            code, now = code[:, None], condition[:, i : i + 1]
            mu, logvar, prior_state = self.prior(torch.cat([code, now], -1), prior_state)
            priors.append((mu, logvar))
            z_now = reparameterize(mu, logvar, generator) if z is None else z[:, i : i + 1]
            next_code, state = self.next_code(code, z_now, now, state)
            if i + 1 >= first:
                predicted.append(self.decoder(next_code[:, 0], skips, reference))
        mu, logvar = (torch.cat(parts, 1) for parts in zip(*priors, strict=True))
        return torch.stack(predicted, 1), mu, logvar


def build(config: VideoConfig) -> VideoCVAE:
    """A model with weights drawn from the config's seed; the global generator keeps its state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return VideoCVAE(config)
