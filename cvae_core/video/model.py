"""Action-conditioned video prediction (source 004, after Denton and Fergus 2018).

A VGG or DCGAN encoder makes a code of each frame; an LSTM predicts the next frame's code from this frame's, a latent z
and the condition (action and position); the decoder draws it with the help of the encoder's maps of an earlier frame
(skip connections). Shapes: B clips, T frames, G code, Z latent, P frames given; frames (3, 64, 64) in [0, 1].
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.latent import reparameterize
from cvae_core.video.config import VideoConfig
from cvae_core.video.data import CONDITION

# --- frames to codes and back ---------------------------------------------------------------------------------------


def block(inputs: int, outputs: int, config: VideoConfig, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, norm, leaky ReLU: the source's `vgg_layer`; kernel 4 and stride 2 halve, as in DCGAN."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, 1), _norm(outputs, config), nn.LeakyReLU(0.2, inplace=True)
    )


def _norm(channels: int, config: VideoConfig) -> nn.Module:
    return nn.BatchNorm2d(channels) if config.norm == "batch" else nn.GroupNorm(min(8, channels // 4 or 1), channels)


def _stack(inputs: int, outputs: tuple[int, ...], config: VideoConfig) -> nn.Sequential:
    sizes = (inputs, *outputs)
    return nn.Sequential(*(block(a, b, config) for a, b in zip(sizes, sizes[1:], strict=False)))


class Encoder(nn.Module):
    """Frames (N, 3, 64, 64) -> codes (N, G) in (-1, 1) and the maps of each size, largest first."""

    def __init__(self, config: VideoConfig):
        super().__init__()
        w = config.width
        if config.network == "vgg":
            sizes = (3, (w, w)), (w, (2 * w,) * 2), (2 * w, (4 * w,) * 3), (4 * w, (8 * w,) * 3)
            self.maps = nn.ModuleList(_stack(inputs, outputs, config) for inputs, outputs in sizes)
        else:
            sizes = (3, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)
            self.maps = nn.ModuleList(block(inputs, outputs, config, 4, 2) for inputs, outputs in sizes)
        self.pools = config.network == "vgg"
        self.code = nn.Sequential(nn.Conv2d(8 * w, config.code_size, 4), _norm(config.code_size, config), nn.Tanh())

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        skips = []
        for maps in self.maps:
            x = maps(x)
            skips.append(x)
            if self.pools:
                x = F.max_pool2d(x, 2)
        return self.code(x).flatten(1), skips


class Decoder(nn.Module):
    """Codes (N, G), points (N, 2 K), maps of an encoder and the frames that it saw -> frames (N, 3, 64, 64).

    A point (x, y) in (-1, 1) becomes a Gaussian blob in a map of its own beside the maps of each size: what moves to a
    place is drawn around it, which a code of one pixel would have to learn place by place.
    With `copies` a fourth channel says how much of a pixel is the old frame's: what stands still is copied exactly and
    the network draws only what changes.
    """

    def __init__(self, config: VideoConfig):
        super().__init__()
        w = config.width
        channels, k = 4 if config.copies else 3, config.keypoints
        # From sharp blobs for edges to wide ones, whose gradient is felt from afar; in halves of the picture.
        self.log_spread = nn.Parameter(torch.linspace(math.log(0.08), math.log(0.6), k)) if k else None
        self.start = nn.Sequential(
            nn.ConvTranspose2d(config.code_size, 8 * w, 4), _norm(8 * w, config), nn.LeakyReLU(0.2, inplace=True)
        )
        if config.network == "vgg":
            sizes = (16 * w, (8 * w, 8 * w, 4 * w)), (8 * w, (4 * w, 4 * w, 2 * w)), (4 * w, (2 * w, w)), (2 * w, (w,))
            self.maps = nn.ModuleList(_stack(inputs + k, outputs, config) for inputs, outputs in sizes)
            self.last = nn.ConvTranspose2d(w, channels, 3, 1, 1)
        else:
            sizes = (16 * w, 4 * w), (8 * w, 2 * w), (4 * w, w)
            self.maps = nn.ModuleList(
                nn.Sequential(
                    nn.ConvTranspose2d(a + k, b, 4, 2, 1), _norm(b, config), nn.LeakyReLU(0.2, inplace=True)
                )
                for a, b in sizes
            )  # fmt: skip
            self.last = nn.ConvTranspose2d(2 * w + k, channels, 4, 2, 1)
        self.doubles = config.network == "vgg"

    def forward(self, code: Tensor, points: Tensor, skips: list[Tensor], seen: Tensor) -> Tensor:
        x = self.start(code[..., None, None])
        for i, skip in enumerate(reversed(skips)):
            x = F.interpolate(x, scale_factor=2.0) if self.doubles else x
            x = torch.cat([x, skip, *self._blobs(points, skip)], 1)
            x = self.maps[i](x) if i < len(self.maps) else x
        x = torch.sigmoid(self.last(x))
        return torch.lerp(x[:, :3], seen.to(x.dtype), x[:, 3:]) if x.shape[1] == 4 else x

    def _blobs(self, points: Tensor, like: Tensor) -> list[Tensor]:
        """Points (N, 2 K) -> their blobs (N, K, h, w), as large as other maps; nothing where there are none."""
        if self.log_spread is None:
            return []
        x, y = points.float().unflatten(1, (2, -1)).unbind(1)  # (N, K) each
        lines = [torch.linspace(-1 + 1 / n, 1 - 1 / n, n, device=points.device) for n in like.shape[2:]]
        weight = -0.5 * torch.exp(-2 * self.log_spread)[:, None]
        down, right = (
            torch.exp(weight * (line - p[..., None]).square()) for line, p in zip(lines, (y, x), strict=True)
        )
        return [(down[..., None] * right[..., None, :]).to(like.dtype)]


# --- time -----------------------------------------------------------------------------------------------------------

State = tuple[Tensor, Tensor] | None  # h and c of an LSTM, (layers, B, R) each; None at the start


class Recurrent(nn.Module):
    """Linear, LSTM, linear over sequences (B, T, inputs) -> (B, T, outputs); its state goes in and comes out."""

    def __init__(self, inputs: int, outputs: int, layers: int, config: VideoConfig):
        super().__init__()
        self.embed = nn.Linear(inputs, config.rnn_size)
        self.lstm = nn.LSTM(config.rnn_size, config.rnn_size, layers, batch_first=True)
        self.out = nn.Linear(config.rnn_size, outputs)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        # Never in bfloat16: its 8 bits would place the arm to a quarter of a pixel at best, and on a CPU it is slower.
        with torch.autocast(x.device.type, enabled=False):
            h, state = self.lstm(self.embed(x.float()), state)
            return self.out(h), state


class Prediction(NamedTuple):
    """What `VideoCVAE.forward` makes of B clips."""

    frames: Tensor  # (B, T - 1, 3, 64, 64): of the clip's second frame and on
    mu: Tensor  # (B, T - 1, Z) of the posterior
    logvar: Tensor
    prior_mu: Tensor  # (B, T - 1, Z) of the prior
    prior_logvar: Tensor


class VideoCVAE(nn.Module):
    def __init__(self, config: VideoConfig):
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        code, z = config.code_size, config.latent_size
        self.predictor = Recurrent(code + z + CONDITION, code + 2 * config.keypoints, config.predictor_layers, config)
        # The arm's own place moves the points straight; what else matters comes through the LSTM.
        self.pointing = nn.Linear(CONDITION, 2 * config.keypoints) if config.keypoints else None
        self.posterior = Recurrent(code, 2 * z, config.posterior_layers, config)
        learned = config.prior == "learned"
        self.prior = Recurrent(code + CONDITION, 2 * z, config.posterior_layers, config) if learned else None
        # Metres are small numbers: as they come, the predictor takes many epochs to notice them.
        self.register_buffer("condition_mean", torch.zeros(CONDITION))
        self.register_buffer("condition_std", torch.ones(CONDITION))

    def standardize(self, conditions: Tensor) -> None:
        """From here on measure conditions in standard deviations of these (n, 7) around their mean."""
        self.condition_mean.copy_(conditions.mean(0))
        self.condition_std.copy_(conditions.std(0).clamp(min=1e-3))

    def _standard(self, condition: Tensor) -> Tensor:
        return (condition - self.condition_mean) / self.condition_std

    def next_code(self, code: Tensor, z: Tensor, condition: Tensor, state: State) -> tuple[Tensor, State]:
        """Codes, z and conditions of frames (B, T, ·) -> codes and points (B, T, G + 2 K) after them; the state."""
        follow, state = self.predictor(torch.cat([code, z, condition], -1), state)
        if self.pointing is not None:
            follow = follow + F.pad(self.pointing(condition.float()), (self.config.code_size, 0))
        return torch.tanh(follow), state

    def expect(self, code: Tensor, condition: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """The prior of z where these frames (B, T, ·) were the last: its mean and log variance (B, T, Z)."""
        if self.prior is None:
            zeros = code.new_zeros(*code.shape[:2], self.config.latent_size, dtype=torch.float32)
            return zeros, zeros, None
        numbers, state = self.prior(torch.cat([code, condition], -1), state)
        return *numbers.float().chunk(2, -1), state

    def forward(
        self, frames: Tensor, condition: Tensor, generator: torch.Generator, teacher_forcing: bool = True
    ) -> Prediction:
        """Frames (B, T, 3, 64, 64) and conditions (B, T, 7) -> each frame predicted from those before it.

        With teacher forcing the predictor sees the true frame before, all of them in one call; without, from the last
        one given, its own; without feedback, ever the last one given. z comes from the posterior, which also sees the
        frame that is predicted.
        """
        past, steps = self.config.past, frames.shape[1] - 1
        codes, skips = self._encode(frames)
        posterior, _ = self.posterior(codes[:, 1:])
        mu, logvar = posterior.float().chunk(2, -1)
        z = reparameterize(mu, logvar, generator)
        condition = self._standard(condition[:, :-1])
        if self.config.feedback and not teacher_forcing:
            made, *priors = self._follow(frames[:, :past], condition, z, generator, first=1)
            return Prediction(made, mu, logvar, *priors)
        seen = codes[:, :-1] if self.config.feedback else self._helpers(codes, steps)
        prior_mu, prior_logvar, _ = self.expect(seen, condition, None)
        made = self._decode(self.next_code(seen, z, condition, None)[0], skips, frames)
        return Prediction(made, mu, logvar, prior_mu, prior_logvar)

    @torch.no_grad()
    def predict(self, given: Tensor, condition: Tensor, generator: torch.Generator) -> Tensor:
        """Given frames (B, P, 3, 64, 64) and conditions (B, P + H - 1, 7) -> the H frames after, z from the prior.

        `condition[:, i]` is of frame i, the last given one is i = P - 1.
        """
        past, condition = given.shape[1], self._standard(condition)
        if self.config.feedback:
            return self._follow(given, condition, None, generator, first=past)[0]
        codes, skips = self._encode(given)
        seen = self._helpers(codes, condition.shape[1])
        mu, logvar, _ = self.expect(seen, condition, None)
        follow, _ = self.next_code(seen, reparameterize(mu, logvar, generator), condition, None)
        return self._decode(follow[:, past - 1 :], [maps[:, -1:] for maps in skips], given[:, -1:])

    def _encode(self, frames: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Frames (B, T, 3, 64, 64) -> codes (B, T, G) and maps (B, T, h, w, C), channels last as they lie in memory."""
        codes, skips = self.encoder(frames.flatten(0, 1))
        clips = frames.shape[:2]
        return codes.unflatten(0, clips), [maps.permute(0, 2, 3, 1).unflatten(0, clips) for maps in skips]

    def _decode(self, codes: Tensor, skips: list[Tensor], seen: Tensor) -> Tensor:
        """Codes and points (B, S, G + 2 K), maps and frames (B, T, ·) of those before -> frames (B, S, 3, 64, 64)."""
        steps = codes.shape[1]
        skips = [self._helpers(maps, steps).flatten(0, 1).permute(0, 3, 1, 2) for maps in skips]
        made = self._draw(codes.flatten(0, 1), skips, self._helpers(seen, steps).flatten(0, 1))
        return made.unflatten(0, codes.shape[:2])

    def _draw(self, follow: Tensor, skips: list[Tensor], seen: Tensor) -> Tensor:
        """Codes and points (N, G + 2 K) -> frames (N, 3, 64, 64)."""
        return self.decoder(*follow.split([self.config.code_size, 2 * self.config.keypoints], 1), skips, seen)

    def _helpers(self, maps: Tensor, steps: int) -> Tensor:
        """Of each step's frame, or of the last given one where that is earlier: (B, T, ·) -> (B, steps, ·)."""
        known = min(self.config.past, maps.shape[1])
        if steps <= known:
            return maps[:, :steps]
        # Not an index with repeats: its gradient is summed by several threads in an order that differs from run to run.
        return torch.cat([maps[:, :known], maps[:, known - 1 : known].expand(-1, steps - known, *maps.shape[2:])], 1)

    def _follow(
        self, given: Tensor, condition: Tensor, z: Tensor | None, generator: torch.Generator, first: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A frame for each condition (B, S, 7), read from the given ones while they last and then from its own.

        z (B, S, Z), or None to draw from the prior. -> frames from number `first` on, and the prior's mean and log
        variance (B, S, Z).
        """
        made: list[Tensor] = []
        priors = []
        state = prior_state = None
        for i in range(condition.shape[1]):
            seen = given[:, i] if i < given.shape[1] else made[-1]
            code, maps = self.encoder(seen)
            if i < given.shape[1]:
                skips, copied = maps, seen
            code, now = code[:, None], condition[:, i : i + 1]
            mu, logvar, prior_state = self.expect(code, now, prior_state)
            priors.append((mu, logvar))
            z_now = reparameterize(mu, logvar, generator) if z is None else z[:, i : i + 1]
            follow, state = self.next_code(code, z_now, now, state)
            if i + 1 >= first:
                made.append(self._draw(follow[:, 0], skips, copied))
        mu, logvar = (torch.cat(parts, 1) for parts in zip(*priors, strict=True))
        return torch.stack(made, 1), mu, logvar


def build(config: VideoConfig) -> VideoCVAE:
    """A model with weights drawn from the config's seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return VideoCVAE(config)
