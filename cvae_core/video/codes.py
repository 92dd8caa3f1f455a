"""Prediction in codes of frames, action-conditioned (report 004, after Denton and Fergus 2018).

A VGG or DCGAN encoder makes a code of each frame; an LSTM predicts the next frame's code from this frame's, a latent z
and the condition (action and position); the decoder makes the frame from it and from the encoder's feature maps of a
reference frame (skip connections). The reference of a step is the frame before the predicted one or, where that is
not given, the last given one.
Shapes: B clips, T frames, G code, K keypoints, Z latent, P given frames; frames (3, 64, 64) in [0, 1].
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.latent import reparameterize
from cvae_core.video.config import VideoConfig
from cvae_core.video.data import CONDITION
from cvae_core.video.prediction import Prediction, Standardized, blobs, in_parts, of_steps
from cvae_core.video.recurrent import GaussianLSTM, Recurrent, StandardNormal, State

# --- frames to codes and back ---------------------------------------------------------------------------------------


def block(inputs: int, outputs: int, config: VideoConfig, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, norm, leaky ReLU: the report's `vgg_layer`; kernel 4 and stride 2 halve the size, as in DCGAN."""
    return _activated(nn.Conv2d(inputs, outputs, kernel, stride, 1), outputs, config)


def _activated(convolution: nn.Module, channels: int, config: VideoConfig) -> nn.Sequential:
    return nn.Sequential(convolution, _norm(channels, config), nn.LeakyReLU(0.2, inplace=True))


def _norm(channels: int, config: VideoConfig) -> nn.Module:
    return nn.BatchNorm2d(channels) if config.norm == "batch" else nn.GroupNorm(min(8, channels // 4 or 1), channels)


def _stack(inputs: int, outputs: tuple[int, ...], config: VideoConfig) -> nn.Sequential:
    return nn.Sequential(*(block(a, b, config) for a, b in zip((inputs, *outputs), outputs, strict=False)))


class Encoder(nn.Module):
    """Frames to codes, by a VGG or DCGAN."""

    def __init__(self, config: VideoConfig):
        super().__init__()
        w = config.width
        self.pools = config.network == "vgg"
        if self.pools:
            stages = (3, (w, w)), (w, (2 * w,) * 2), (2 * w, (4 * w,) * 3), (4 * w, (8 * w,) * 3)
            self.maps = nn.ModuleList(_stack(inputs, outputs, config) for inputs, outputs in stages)
        else:
            sizes = (3, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)
            self.maps = nn.ModuleList(block(inputs, outputs, config, 4, 2) for inputs, outputs in sizes)
        self.code = nn.Sequential(nn.Conv2d(8 * w, config.code_size, 4), _norm(config.code_size, config), nn.Tanh())

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Frames (N, 3, 64, 64) -> codes (N, G) in (-1, 1) and feature maps (N, C, h, w), largest first."""
        skips = []
        for maps in self.maps:
            x = maps(x)
            skips.append(x)
            if self.pools:
                x = F.max_pool2d(x, 2)
        return self.code(x).flatten(1), skips


class Decoder(nn.Module):
    """Codes, keypoints and a reference frame's feature maps to frames.

    Each keypoint (x, y) in (-1, 1) is rendered as a Gaussian blob, a further channel of the maps of each size (Jakab et
    al. 2018): from a code alone the decoder would have to learn to draw a moving part at each position separately.
    With `copies` a fourth output channel is a mask that blends the decoded frame with the reference frame (Finn et al.
    2016): static pixels are copied exactly.
    """

    def __init__(self, config: VideoConfig):
        super().__init__()
        w = config.width
        channels, k = 4 if config.copies else 3, config.keypoints
        self.sizes = [config.code_size, 2 * k]
        # From narrow blobs, for edges, to wide ones, whose gradient reaches far; 1 is half of the picture.
        self.log_spread = nn.Parameter(torch.linspace(math.log(0.08), math.log(0.6), k)) if k else None
        self.start = _activated(nn.ConvTranspose2d(config.code_size, 8 * w, 4), 8 * w, config)
        self.doubles = config.network == "vgg"
        if self.doubles:
            stages = (16 * w, (8 * w, 8 * w, 4 * w)), (8 * w, (4 * w, 4 * w, 2 * w)), (4 * w, (2 * w, w)), (2 * w, (w,))
            self.maps = nn.ModuleList(_stack(inputs + k, outputs, config) for inputs, outputs in stages)
            self.last = nn.ConvTranspose2d(w, channels, 3, 1, 1)
        else:
            sizes = (16 * w, 4 * w), (8 * w, 2 * w), (4 * w, w)
            self.maps = nn.ModuleList(_activated(nn.ConvTranspose2d(a + k, b, 4, 2, 1), b, config) for a, b in sizes)
            self.last = nn.ConvTranspose2d(2 * w + k, channels, 4, 2, 1)

    def forward(self, code: Tensor, skips: list[Tensor], reference: Tensor) -> Tensor:
        """Codes and keypoints (N, G + 2 K), the reference's feature maps and frames (N, ·) -> frames (N, 3, 64, 64)."""
        code, keypoints = code.split(self.sizes, 1)
        x = self.start(code[..., None, None])
        for i, skip in enumerate(reversed(skips)):
            x = F.interpolate(x, scale_factor=2.0) if self.doubles else x
            parts = [x, skip]
            if self.log_spread is not None:
                parts.append(blobs(keypoints, self.log_spread, skip.shape[-1]).to(x.dtype))
            x = torch.cat(parts, 1)
            x = self.maps[i](x) if i < len(self.maps) else x
        x = torch.sigmoid(self.last(x))
        return torch.lerp(x[:, :3], reference.to(x.dtype), x[:, 3:]) if x.shape[1] == 4 else x


class CodeCVAE(Standardized):
    """A CVAE of each frame x_t given the frames before it and the conditions c so far, with a latent z_t.

    `posterior` is q(z_t | x_1..t); `prior` is p(z_t | x_<t, c), either N(0, I) or learned; `next_code` and `decoder`
    compute the mean of p(x_t | x_<t, z_1..t, c), a Gaussian of each pixel.
    """

    def __init__(self, config: VideoConfig):
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        code, z = config.code_size, config.latent_size
        self.predictor = Recurrent(code + z + CONDITION, code + 2 * config.keypoints, config.predictor_layers, config)
        # The arm's position acts linearly on the keypoints; all else comes through the LSTM.
        self.pointing = nn.Linear(CONDITION, 2 * config.keypoints) if config.keypoints else None
        self.posterior = GaussianLSTM(code, config)
        self.prior = GaussianLSTM(code + CONDITION, config) if config.prior == "learned" else StandardNormal(z)

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
        condition = self.standard(condition[:, :-1])
        if self.config.feedback and not teacher_forcing:
            predicted, *prior = self._rollout(frames[:, :past], condition, z, generator, first=1)
            return Prediction(predicted, mu, logvar, *prior)
        inputs = codes[:, :-1] if self.config.feedback else of_steps(codes[:, :past], steps)
        prior_mu, prior_logvar, _ = self.prior(torch.cat([inputs, condition], -1))
        predicted = self._decode(self.next_code(inputs, z, condition, None)[0], skips, frames)
        return Prediction(predicted, mu, logvar, prior_mu, prior_logvar)

    @torch.no_grad()
    def predict(self, given: Tensor, condition: Tensor, generator: torch.Generator, last: int | None = None) -> Tensor:
        """Given frames (B, P, 3, 64, 64), conditions (B, P + H - 1, 7) -> the H frames after, with z from the prior.

        `condition[:, i]` belongs to frame i; the last given frame is i = P - 1. One clip's given frames (1, P, ·) serve
        every condition. With `last` only so many of the last frames are decoded, where that is possible, and returned.
        """
        past, condition = given.shape[1], self.standard(condition)
        last = condition.shape[1] - past + 1 if last is None else last
        if self.config.feedback:
            given = given.expand(len(condition), -1, -1, -1, -1)
            return self._rollout(given, condition, None, generator, first=past)[0][:, -last:]
        codes, skips = self._encode(given)
        codes, given, *skips = (x.expand(len(condition), *x.shape[1:]) for x in (codes, given[:, -1:], *skips))
        inputs = of_steps(codes, condition.shape[1])
        mu, logvar, _ = self.prior(torch.cat([inputs, condition], -1))
        predicted, _ = self.next_code(inputs, reparameterize(mu, logvar, generator), condition, None)
        skips = [maps[:, -1:] for maps in skips]
        return in_parts(
            lambda rows: self._decode(predicted[rows, -last:], [maps[rows] for maps in skips], given[rows]),
            predicted,
        )

    def _encode(self, frames: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Frames (B, T, 3, 64, 64) -> codes (B, T, G) and maps (B, T, h, w, C), channels last as they lie in memory."""
        codes, skips = self.encoder(frames.flatten(0, 1))
        clips = frames.shape[:2]
        return codes.unflatten(0, clips), [maps.permute(0, 2, 3, 1).unflatten(0, clips) for maps in skips]

    def _decode(self, codes: Tensor, skips: list[Tensor], frames: Tensor) -> Tensor:
        """Codes and keypoints (B, S, G + 2 K), maps and frames (B, T, ·) before them -> frames (B, S, 3, 64, 64)."""
        steps, past = codes.shape[1], self.config.past
        skips = [of_steps(maps[:, :past], steps).flatten(0, 1).permute(0, 3, 1, 2) for maps in skips]
        decoded = self.decoder(codes.flatten(0, 1), skips, of_steps(frames[:, :past], steps).flatten(0, 1))
        return decoded.unflatten(0, codes.shape[:2])

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
