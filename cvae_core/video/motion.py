"""Prediction in feature maps: a convolutional GRU whose state moves with the scene, and pixels that move with it.

The state is a map of 16 x 16 cells. Its network sees only neighbouring cells, so that what it learns of a gripper and
an object holds at every place of the table (Shi et al. 2015). At each step a flow moves the state (Shi et al. 2017),
and with it the point of the reference frame that each cell shows. The decoder refines these points and blends, by a
softmax, reference pixels sampled there, reference pixels of the same place, newly drawn ones (Finn et al. 2016) and,
where the config says `objects`, those of a layer with the objects that move (`layers`).
The reference of a step is the frame before the predicted one or, where that is not given, the last given one.
Shapes: B clips, T frames, P given frames, S steps, K keypoints, C channels of the state, E of the embedded condition;
z is a map of 8 x 8 cells, flattened to Z numbers.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.latent import reparameterize
from cvae_core.video.config import VideoConfig
from cvae_core.video.data import ACTION, CONDITION, POSITION, SIDE
from cvae_core.video.layers import LAYER
from cvae_core.video.prediction import Prediction, Standardized, blobs, in_parts, of_steps

CELLS, Z_CELLS = 16, 8  # of the state and of z, along an axis
EMBEDDED = 64
INPUTS = CONDITION + POSITION + 1  # of a step: condition, way since the reference frame, age of the reference frame


class FrameEncoder(nn.Module):
    """Frames to feature maps of 32 x 32 and 16 x 16 cells."""

    def __init__(self, width: int):
        super().__init__()
        self.fine = nn.Sequential(_conv(3 * 4, 2 * width), nn.LeakyReLU(0.2), _conv(2 * width, 2 * width))
        self.coarse = nn.Sequential(
            nn.LeakyReLU(0.2), _conv(2 * width, 4 * width, stride=2), nn.LeakyReLU(0.2), _conv(4 * width, 4 * width)
        )

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 64, 64) -> (N, 2 width, 32, 32) and (N, 4 width, 16, 16)."""
        fine = self.fine(F.pixel_unshuffle(frames, 2))
        return fine, self.coarse(fine)


class Transition(nn.Module):
    """One step of the state: p(z_t | ·), q(z_t | ·, x_t), the flow, and a convolutional GRU."""

    def __init__(self, config: VideoConfig):
        super().__init__()
        c, k, z = 4 * config.width, config.keypoints, config.latent_size
        self.near = _conv(c + k, c // 2)
        self.flow = _small(_conv(c // 2, 2))
        self.gates = _conv(c + k, 2 * c)
        self.candidate = _conv(c + k, c)
        self.candidate_last = _conv(c, c)
        self.from_z = nn.ConvTranspose2d(z, 3 * c, 4, 2, 1)
        learned = config.prior == "learned"
        self.prior_in = _conv(c + k, c, stride=2) if learned else None
        self.prior_out = nn.Conv2d(c, 2 * z, 1) if learned else None
        self.posterior_in, self.posterior_out = _conv(2 * c + k, c, stride=2), nn.Conv2d(c, 2 * z, 1)
        # Channels of the context: for the flow, the prior, the posterior, the gates and the candidate.
        self.split = [c // 2, c, c, 3 * c]

    def latent(self, h: Tensor, points: Tensor, context: list[Tensor], frame: Tensor | None) -> tuple[Tensor, ...]:
        """Mean and log variance of the prior and, of a given next frame's maps (B, C, 16, 16), of the posterior."""
        x = torch.cat([h, points], 1)
        _, for_prior, for_posterior, _ = context
        if self.prior_in is None or self.prior_out is None:
            prior = h.new_zeros(len(h), self.posterior_out.out_channels, Z_CELLS, Z_CELLS)
        else:
            prior = self.prior_out(F.leaky_relu(self.prior_in(x) + for_prior, 0.2)).float()
        if frame is None:
            return prior.chunk(2, 1)
        x = torch.cat([x, frame.to(x.dtype)], 1)
        posterior = self.posterior_out(F.leaky_relu(self.posterior_in(x) + for_posterior, 0.2)).float()
        return *prior.chunk(2, 1), *posterior.chunk(2, 1)

    def forward(
        self, h: Tensor, origin: Tensor, points: Tensor, context: list[Tensor], seen: Tensor, z: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The next state (B, C, 16, 16), and its points of the reference frame (B, 2, 16, 16), both in (-1, 1).

        `points` (B, K, 16, 16) are the keypoints' blobs, `context` the embedded condition for each part, `seen`
        (B, 3 C, 16, 16) what the gates and the candidate get of the reference frame.
        """
        for_flow, _, _, for_gru = context
        near = F.leaky_relu(self.near(torch.cat([h, points], 1)) + for_flow, 0.2)
        grid = _grid(h) + self.flow(near).float() * (2 / CELLS)
        moved = F.grid_sample(
            torch.cat([h, origin], 1), grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
        )
        h, origin = moved.split([h.shape[1], 2], 1)
        h = _channels_last(h)
        for_gates, for_candidate = (seen + for_gru + self.from_z(z)).split([2 * h.shape[1], h.shape[1]], 1)
        reset, update = torch.sigmoid(self.gates(torch.cat([h, points], 1)) + for_gates).float().chunk(2, 1)
        new = self.candidate(torch.cat([reset * h, points], 1)) + for_candidate
        new = self.candidate_last(F.leaky_relu(new, 0.2))
        return torch.lerp(h, torch.tanh(new.float()), update), origin


class MotionCVAE(Standardized):
    """A CVAE of each frame x_t given the frames before it and the conditions c so far, with a latent map z_t.

    The prior p(z_t | state) is learned (SVG-LP, Denton and Fergus 2018) or N(0, I); the posterior also sees x_t.
    """

    def __init__(self, config: VideoConfig):
        super().__init__()
        self.config = config
        w, k, c = config.width, config.keypoints, 4 * config.width
        self.encoder = FrameEncoder(w)
        self.condition_to_points = nn.Linear(CONDITION, 2 * k)
        self.embed = nn.Sequential(nn.Linear(INPUTS, EMBEDDED), nn.LeakyReLU(0.2))
        # From narrow blobs, for edges, to wide ones, whose gradient reaches far; 1 is half of the picture.
        self.log_spread = nn.Parameter(torch.linspace(math.log(0.08), math.log(0.6), k))
        self.transition = Transition(config)
        self.to_context = nn.Linear(EMBEDDED, sum(self.transition.split))
        self.start = _conv(4 * w, c)
        self.seen = _conv(4 * w, 3 * c)
        self.coarse, self.coarse_reference = _conv(c, 4 * w), _conv(4 * w, 4 * w)
        self.fine, self.fine_reference = _conv(4 * w + k, 2 * w), _conv(2 * w, 2 * w)
        self.fine_last = _conv(2 * w, 2 * w)
        self.last_flow = _small(_conv(2 * w, 4 * 2))
        self.layer = _conv(4 * LAYER, 2 * w) if config.objects else None
        pixels, drawn = (2 * 3 + LAYER, 3 + 4) if config.objects else (2 * 3, 3 + 3)
        self.blend = nn.Sequential(_conv(2 * w + 4 * pixels, 2 * w), nn.LeakyReLU(0.2), _conv(2 * w, 4 * drawn))

    def forward(
        self,
        frames: Tensor,
        condition: Tensor,
        generator: torch.Generator,
        teacher_forcing: bool = True,
        layers: Tensor | None = None,
    ) -> Prediction:
        """Frames (B, T, 3, 64, 64) and conditions (B, T, 7) -> each frame predicted from those before it.

        z is a sample of the posterior. Predicted frames are never encoded: teacher forcing changes nothing. Layers
        (B, H, LAYER, 64, 64) belong to the H frames after the given ones.
        """
        fine, coarse = (maps.unflatten(0, frames.shape[:2]) for maps in self.encoder(frames.flatten(0, 1)))
        given = slice(0, self.config.past)
        return self._predict(
            frames[:, given], fine[:, given], coarse[:, given], condition[:, :-1], generator, coarse[:, 1:],
            layers=layers,
        )  # fmt: skip

    @torch.no_grad()
    def predict(
        self,
        given: Tensor,
        condition: Tensor,
        generator: torch.Generator,
        last: int | None = None,
        layers: Tensor | None = None,
    ) -> Tensor:
        """Given frames (B, P, 3, 64, 64), conditions (B, P + H - 1, 7) -> the H frames after, with z from the prior.

        `condition[:, i]` belongs to frame i; the last given frame is i = P - 1. One clip's given frames (1, P, ·) serve
        every condition. With `last` only so many of the last frames, and their layers, are decoded and returned.
        """
        last = condition.shape[1] - given.shape[1] + 1 if last is None else last
        fine, coarse = (maps.unflatten(0, given.shape[:2]) for maps in self.encoder(given.flatten(0, 1)))
        return self._predict(given, fine, coarse, condition, generator, None, last, layers).frames

    def _predict(
        self,
        given: Tensor,
        fine: Tensor,
        coarse: Tensor,
        condition: Tensor,
        generator: torch.Generator,
        true: Tensor | None,
        last: int | None = None,
        layers: Tensor | None = None,
    ) -> Prediction:
        """Given frames with their maps and conditions (B, S, 7), and for the posterior each next frame's maps."""
        steps, past = condition.shape[1], given.shape[1]
        points, context = self._drive(condition, past)
        near = [_channels_last(part) for part in blobs(points, self.log_spread, CELLS).to(coarse.dtype).unbind(1)]
        h = torch.tanh(self.start(coarse[:, 0]).float()).expand(len(condition), -1, -1, -1)
        seen = [_channels_last(self.seen(part)) for part in coarse.unbind(1)]
        still = _grid(h)
        states, origins, latents = [], [], []
        for i in range(steps):
            now = [part[:, i, :, None, None] for part in context]
            gaussians = self.transition.latent(h, near[i], now, None if true is None else true[:, i])
            mu, logvar = gaussians[-2:]
            z = reparameterize(mu, logvar, generator)
            origin = still if i < past else origins[-1]  # each given frame is a new reference
            h, origin = self.transition(h, origin, near[i], now, seen[min(i, past - 1)], z)
            states.append(h)
            origins.append(origin)
            latents.append([part.flatten(1) for part in gaussians])
        wanted = slice(0 if last is None else steps - last, steps)
        x, origin, points = torch.stack(states[wanted], 1), torch.stack(origins[wanted], 1), points[:, wanted]
        coarse, fine, reference = (of_steps(part, steps)[:, wanted] for part in (
            self.coarse_reference(coarse.flatten(0, 1)).unflatten(0, coarse.shape[:2]),
            self.fine_reference(fine.flatten(0, 1)).unflatten(0, fine.shape[:2]),
            given,
        ))  # fmt: skip
        maps = [part.expand(len(x), *part.shape[1:]) for part in (coarse, fine, reference)]
        decoded = [x, origin - still[:, None], points, *maps, *([] if layers is None else [layers])]
        frames = in_parts(lambda rows: self._decode(*(part[rows] for part in decoded)), x)
        prior_mu, prior_logvar, *posterior = (torch.stack(part, 1) for part in zip(*latents, strict=True))
        mu, logvar = posterior or (prior_mu, prior_logvar)
        return Prediction(frames, mu, logvar, prior_mu, prior_logvar)

    def _drive(self, condition: Tensor, past: int) -> tuple[Tensor, list[Tensor]]:
        """Conditions (B, S, 7) -> keypoints (B, S, 2 K) and the context of each part of the transition (B, S, ·)."""
        with torch.autocast(condition.device.type, enabled=False):  # 8 bits of bfloat16 would blur the position
            condition = self.standard(condition.float())
            steps = condition.shape[1]
            position = condition[..., ACTION:]
            way = position - of_steps(position[:, :past], steps)
            age = (torch.arange(steps, device=condition.device) - past + 1).clamp(min=0) / 10
            inputs = torch.cat([condition, way, age[:, None].expand(len(condition), -1, -1)], -1)
            context = self.to_context(self.embed(inputs)).split(self.transition.split, -1)
            return self.condition_to_points(condition), list(context)

    def _decode(
        self,
        x: Tensor,
        offset: Tensor,
        points: Tensor,
        coarse: Tensor,
        fine: Tensor,
        reference: Tensor,
        layers: Tensor | None = None,
    ) -> Tensor:
        """States (B, S, C, 16, 16), offsets (B, S, 2, 16, 16) and references -> frames (B, S, 3, 64, 64).

        Layers (B, ≤ S, LAYER, 64, 64) belong to the last frames.
        """
        clips, steps = x.shape[:2]
        coarse, fine, reference = (part.flatten(0, 1) for part in (coarse, fine, reference))
        x = F.leaky_relu(self.coarse(x.flatten(0, 1)) + coarse, 0.2)
        x = F.interpolate(x, scale_factor=2.0)
        near = _channels_last(blobs(points, self.log_spread, SIDE // 2).flatten(0, 1).to(x.dtype))
        x = self.fine(torch.cat([x, near], 1)) + fine
        if self.layer is not None:
            if layers is None:
                layers = x.new_zeros(clips, steps, LAYER, SIDE, SIDE)
            layers = F.pad(layers, (0, 0) * 3 + (steps - layers.shape[1], 0)).flatten(0, 1)
            x = x + self.layer(_channels_last(F.pixel_unshuffle(layers, 2)))
        x = F.leaky_relu(self.fine_last(F.leaky_relu(x, 0.2)), 0.2)
        shift = F.pixel_shuffle(self.last_flow(x).float(), 2) * (2 / SIDE)
        offset = F.interpolate(offset.flatten(0, 1), scale_factor=4.0, mode="bilinear", align_corners=False)
        grid = (_grid(shift) + offset + shift).permute(0, 2, 3, 1)
        reference = reference.float()
        moved = F.grid_sample(reference, grid, padding_mode="border", align_corners=False)
        sources = torch.cat([moved, reference] if layers is None else [moved, reference, layers], 1)
        sources = _channels_last(F.pixel_unshuffle(sources, 2).to(x.dtype))
        drawn, logits = F.pixel_shuffle(self.blend(torch.cat([x, sources], 1)).float(), 2).tensor_split([3], 1)
        parts, logits = [torch.sigmoid(drawn), moved, reference], list(logits.split(1, 1))
        logits[2] = logits[2] + 2  # most pixels stand still
        if layers is not None:
            colour, cover = layers[:, :3], layers[:, 3:4]
            parts.append(colour)
            logits[3] = logits[3] + 4 + cover.clamp(min=1e-3).log()  # the layer covers the other parts where it is
        weights = torch.cat(logits, 1).softmax(1).split(1, 1)
        frames = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        return frames.unflatten(0, (clips, steps))


def _channels_last(maps: Tensor) -> Tensor:
    """In the memory format of the convolutions: joined with maps in theirs, all would be copied."""
    return maps.contiguous(memory_format=torch.channels_last)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1)


def _small(layer: nn.Conv2d) -> nn.Conv2d:
    """A layer whose weights begin near zero: a flow that stands still."""
    with torch.no_grad():
        layer.weight.mul_(0.1)
    return layer


def _grid(like: Tensor) -> Tensor:
    """The centres of the cells of maps (N, ·, n, n) in (-1, 1), x before y: (N, 2, n, n)."""
    cells = like.shape[-1]
    line = torch.linspace(-1 + 1 / cells, 1 - 1 / cells, cells, device=like.device)
    return torch.stack(torch.meshgrid(line, line, indexing="xy")).expand(len(like), -1, -1, -1)
