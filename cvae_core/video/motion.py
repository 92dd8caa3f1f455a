"""Prediction in feature maps: a convolutional GRU moves the scene, a flow moves the pixels of the last given frame.

The state of the scene is a map of 16 x 16 cells. Its GRU sees only neighbouring cells, so that what it learns of a
gripper and an object holds at every place of the table (Shi et al. 2015). From each state a decoder computes a flow, by
which pixels have moved since the frame before; the flows are composed, so that every pixel knows the point of the
reference frame that it comes from, however long ago, and is sampled there once. The predicted frame blends, by a
softmax, pixels that have moved, pixels that are copied from the same place, and newly drawn ones (Finn et al. 2016).
Shapes: B clips, P given frames, S steps, K keypoints, C channels of the state, E of the embedded condition.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.video.config import VideoConfig
from cvae_core.video.data import ACTION, CONDITION, POSITION, SIDE
from cvae_core.video.networks import activated, blobs, spreads

CELLS = 16  # of the state, along an axis
EMBEDDED = 64


class MapGRU(nn.Module):
    """A convolutional GRU; the embedded condition acts alike on all cells."""

    def __init__(self, channels: int, keypoints: int):
        super().__init__()
        self.gates = nn.Conv2d(channels + keypoints, 2 * channels, 3, 1, 1)
        self.candidate = nn.Conv2d(channels + keypoints, channels, 3, 1, 1)

    def forward(self, h: Tensor, points: Tensor, context: Tensor) -> Tensor:
        """State (B, C, 16, 16), blobs (B, K, 16, 16) and context (B, 3 C, 16, 16) -> the next state."""
        for_gates, for_candidate = context.split([2 * h.shape[1], h.shape[1]], 1)
        reset, update = torch.sigmoid(self.gates(joined(h, points)) + for_gates).chunk(2, 1)
        new = torch.tanh(self.candidate(joined(reset * h, points)) + for_candidate)
        return torch.lerp(h, new, update)


class Level(nn.Module):
    """Two convolutions at one size of the decoder; the part of the reference's maps is computed once a reference."""

    def __init__(self, inputs: int, skip: int, middle: int, outputs: int, config: VideoConfig):
        super().__init__()
        self.own = nn.Conv2d(inputs + config.keypoints, middle, 3, 1, 1)
        self.of_reference = nn.Conv2d(skip, middle, 3, 1, 1, bias=False)
        self.norm = activated(nn.Identity(), middle, config)
        self.last = activated(nn.Conv2d(middle, outputs, 3, 1, 1), outputs, config)

    def forward(self, x: Tensor, points: Tensor, skip: Tensor, steps: int) -> Tensor:
        """Maps (B S, ·), blobs (B S, K, ·) and the references' maps (B, P, ·) -> maps (B S, outputs, ·)."""
        x = self.own(joined(x, points))
        reference = self.of_reference(skip.flatten(0, 1)).permute(0, 2, 3, 1).unflatten(0, skip.shape[:2])
        x = x.permute(0, 2, 3, 1).unflatten(0, (-1, steps)) + by_step(reference, steps)
        return self.last(self.norm(x.flatten(0, 1).permute(0, 3, 1, 2)))


class MotionPredictor(nn.Module):
    """Frames after the given ones from their codes and maps, the conditions and z."""

    def __init__(self, config: VideoConfig):
        super().__init__()
        w, k, c = config.width, config.keypoints, 4 * config.width
        moves = CONDITION + POSITION
        self.condition_to_points = nn.Linear(CONDITION, 2 * k)
        self.code_to_points = nn.Sequential(
            nn.Linear(config.code_size + moves, EMBEDDED), nn.LeakyReLU(0.2), nn.Linear(EMBEDDED, 2 * k)
        )
        self.embed = nn.Sequential(nn.Linear(moves + config.latent_size, EMBEDDED), nn.LeakyReLU(0.2))
        self.to_context = nn.Linear(EMBEDDED, 3 * c)
        self.log_spread = spreads(k)
        self.start = nn.Conv2d(4 * w, c, 3, 1, 1)
        self.seen = nn.Conv2d(4 * w, 3 * c, 3, 1, 1)
        self.gru = MapGRU(c, k)
        self.levels = nn.ModuleList([
            Level(c, 4 * w, 4 * w, 2 * w, config), Level(2 * w, 2 * w, 2 * w, w, config), Level(w, w, w, w, config),
        ])  # fmt: skip
        self.copies, sources = config.copies, config.copies + config.flow
        self.flow = nn.Conv2d(w, 2, 3, 1, 1) if config.flow else None
        self.head = activated(nn.Conv2d(w + 3 * sources, w, 3, 1, 1), w, config)
        self.last = nn.Conv2d(w, 3 + 1 + sources, 3, 1, 1)  # RGB and the logits of the blend

    def forward(self, codes: Tensor, skips: list[Tensor], given: Tensor, condition: Tensor, z: Tensor) -> Tensor:
        """Frames after the first one, (B, S, 3, 64, 64).

        Codes (B, P, G), maps (B, ≥ P, h, w, ·) and frames (B, P, 3, 64, 64) of the given frames; standardized
        conditions (B, S, 7) and z (B, S, Z). The reference of a step is its frame, or the last given one.
        """
        steps, past = condition.shape[1], given.shape[1]
        maps = [skip[:, :past].permute(0, 1, 4, 2, 3) for skip in skips[:3]]  # 64, 32 and 16 pixels
        points, embedded = self._drive(codes, condition, z)
        x = self._states(maps[2], points, embedded)
        flat = points.flatten(0, 1)
        for level, skip in zip(self.levels, reversed(maps), strict=True):
            size = skip.shape[-1]
            x = x if x.shape[-1] == size else F.interpolate(x, scale_factor=2.0)
            x = level(x, blobs(flat, self.log_spread, size), skip, steps)
        return self._blend(x, by_step(given, steps), past)

    def _drive(self, codes: Tensor, condition: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints (B, S, 2 K) and the embedded condition (B, S, E), in float32."""
        steps = condition.shape[1]
        with torch.autocast(condition.device.type, enabled=False):  # 8 bits of bfloat16 would blur the position
            condition = condition.float()
            position = condition[..., ACTION:]
            moves = torch.cat([condition, position - by_step(position[:, : codes.shape[1]], steps)], -1)
            offset = self.code_to_points(torch.cat([by_step(codes.float(), steps), moves], -1))
            points = torch.tanh(self.condition_to_points(condition) + offset)
            return points, self.embed(torch.cat([moves, z.float()], -1))

    def _states(self, maps: Tensor, points: Tensor, embedded: Tensor) -> Tensor:
        """The reference's maps (B, P, 4 w, 16, 16), keypoints and embedded conditions -> states (B S, C, 16, 16)."""
        steps, past = points.shape[1], maps.shape[1]
        h = torch.tanh(self.start(maps[:, 0]))
        seen = self.seen(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
        condition = self.to_context(embedded)[..., None, None]
        near = blobs(points.flatten(0, 1), self.log_spread, CELLS).unflatten(0, points.shape[:2]).to(h.dtype)
        states = []
        for i in range(steps):
            h = self.gru(h, near[:, i], seen[:, min(i, past - 1)] + condition[:, i].to(seen.dtype))
            states.append(h.permute(0, 2, 3, 1))
        return torch.stack(states, 1).flatten(0, 1).permute(0, 3, 1, 2)

    def _blend(self, x: Tensor, references: Tensor, past: int) -> Tensor:
        """Maps (B S, w, 64, 64) and reference frames (B, S, 3, 64, 64) -> frames (B, S, 3, 64, 64)."""
        clips, references = references.shape[:2], references.flatten(0, 1).float()
        sources = [references] if self.copies else []
        if self.flow is not None:
            points = compose(self.flow(x).float().unflatten(0, clips), past).flatten(0, 1)
            sources.append(F.grid_sample(references, points, padding_mode="border", align_corners=False))
        drawn, logits = self.last(self.head(joined(x, *sources))).float().split([3, len(sources) + 1], 1)
        blend = logits.softmax(1)[:, :, None]  # (B S, sources, 1, 64, 64)
        frames = torch.stack([torch.sigmoid(drawn), *sources], 1)
        return (frames * blend).sum(1).unflatten(0, clips)


def joined(x: Tensor, *others: Tensor) -> Tensor:
    """Maps (N, ·, h, w) with others as further channels, in the type of the first, channels last in memory."""
    parts = [part.to(x.dtype).permute(0, 2, 3, 1) for part in (x, *others)]
    return torch.cat(parts, 3).permute(0, 3, 1, 2)


def by_step(values: Tensor, steps: int) -> Tensor:
    """Values of the given frames (B, P, ·) -> those of each step's reference frame (B, S, ·)."""
    past = values.shape[1]
    if steps <= past:
        return values[:, :steps]
    # Not an index with repeats: its gradient is summed by several threads in an order that differs from run to run.
    return torch.cat([values, values[:, -1:].expand(-1, steps - past, *values.shape[2:])], 1)


def compose(flow: Tensor, past: int) -> Tensor:
    """Flows (B, S, 2, 64, 64), in pixels and backwards in time -> points of the reference frame (B, S, 64, 64, 2).

    Points are in (-1, 1), as `grid_sample` takes them. A step whose frame is given starts anew.
    """
    line = torch.linspace(-1 + 1 / SIDE, 1 - 1 / SIDE, SIDE, device=flow.device)
    here = torch.stack([line.expand(SIDE, SIDE), line[:, None].expand(SIDE, SIDE)])  # (2, 64, 64), x then y
    points, origin = [], here.expand(len(flow), -1, -1, -1)
    for i, step in enumerate(flow.unbind(1)):
        before = here - step * (2 / SIDE)
        if i < past:
            origin = before
        else:
            origin = F.grid_sample(
                origin.contiguous(), before.permute(0, 2, 3, 1), padding_mode="border", align_corners=False
            )
        points.append(origin)
    return torch.stack(points, 1).permute(0, 1, 3, 4, 2)
