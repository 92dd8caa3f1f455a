"""Layers that show the given frames' objects at predicted places, for the decoder to blend into its frames.

A layer shows each object as it was in the last given frame, moved and turned as a whole (as the layers of Wang and
Adelson 1994). Shapes: B clips, N objects, S steps.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.video.data import SIDE
from cvae_core.video.discover import Found, extreme

LAYER = 5  # channels: colour, coverage, and coverage in the last given frame
PATCH = 24  # pixels of a picture around an object, which hold it
DRAWN = 3  # objects of a clip that are drawn: those that do not move are in the last given frame


def layers_of(objects: Found, moves: Tensor) -> Tensor:
    """The objects that move most, moved (B, N, S, 4) since the last given frame: layers (B, S, LAYER, 64, 64)."""
    distance = moves[..., :2].norm(dim=-1).amax(2)
    chosen = distance.where(objects.exists, -1.0).topk(DRAWN).indices  # (B, 3); moves of empty places are not trained
    rows = torch.arange(len(chosen), device=chosen.device)[:, None]
    objects = Found(*(part[rows, chosen] for part in objects))
    colours, cover = draw(objects, moves[rows, chosen])
    before = objects.masks.amax(1)[:, None, None].expand(-1, cover.shape[1], -1, -1, -1)
    return torch.cat([colours / cover.clamp(min=1e-3), cover, before], 2)


def draw(objects: Found, moves: Tensor) -> tuple[Tensor, Tensor]:
    """The objects' colours (B, S, 3, 64, 64) where they have moved to, and their coverage (B, S, 1, 64, 64)."""
    clips, count, steps, _ = moves.shape
    to = objects.centres[:, :, None] + moves[..., :2]  # (B, N, S, 2)
    corner = to.floor() - PATCH / 2
    line = torch.arange(PATCH, device=moves.device)
    offsets = corner[..., None] + line + 0.5 - to[..., None]  # (B, N, S, 2, PATCH) from the object's centre
    down, right = offsets[..., 0, :, None], offsets[..., 1, None, :]
    cos, sin = (torch.exp(-moves[..., 3]) * turn for turn in (moves[..., 2].cos(), moves[..., 2].sin()))
    cos, sin = cos[..., None, None], sin[..., None, None]
    # Points of the last given frame for each pixel: grid_sample takes columns before rows, in (-1, 1).
    points = torch.stack([cos * right - sin * down, cos * down + sin * right], -1)
    grid = (points + objects.centres.flip(-1)[:, :, None, None, None]) / (SIDE / 2)  # (B, N, S, PATCH, PATCH, 2)
    masks = _closed(objects.masks).flatten(0, 1)[:, None]
    cover = F.grid_sample(masks, grid.flatten(0, 1).flatten(1, 2), align_corners=False)
    cover = cover.view(clips, count, steps, PATCH, PATCH)
    pixels = (corner + SIDE / 2).long()[..., None] + line  # (B, N, S, 2, PATCH)
    inside = (pixels >= 0) & (pixels < SIDE)
    cover = cover * (inside[..., 0, :, None] & inside[..., 1, None, :])
    rows, columns = pixels.clamp(0, SIDE - 1).unbind(-2)
    index = rows[..., None] * SIDE + columns[..., None, :]
    values = cover[..., None, :, :] * F.pad(objects.colours, (0, 1), value=1.0)[:, :, None, :, None, None]
    canvas = moves.new_zeros(clips, steps, 4, SIDE**2)
    for number in range(count):  # objects may overlap
        there = index[:, number].flatten(2)[:, :, None].expand(-1, -1, 4, -1)
        canvas.scatter_add_(3, there, values[:, number].flatten(3))
    colours, total = canvas.unflatten(3, (SIDE, SIDE)).split([3, 1], 2)
    return colours / total.clamp(min=1.0), total.clamp(max=1.0)


def _closed(masks: Tensor) -> Tensor:
    """Masks (B, N, 64, 64) without the gaps that the fingers leave in them (morphological closing)."""
    for of in (torch.maximum, torch.minimum):
        for axis in (-2, -1):
            masks = extreme(masks, 2, axis, of)
    return masks
