"""Frames in which the given frames' objects are drawn at predicted places, under the arm.

A layer shows each object as it was in the last given frame, moved and turned as a whole (as the layers of Wang and
Adelson 1994), over the frame that was predicted without it. The arm stays above: what is dark and grey in the predicted
frame and, around the fingertips, where a held object would hide it, in the last given one, moved with the gripper.
Shapes: B clips, N objects, S steps.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.video.data import SIDE
from cvae_core.video.discover import Found

PATCH = 24  # pixels of a picture around an object, which hold it
DRAWN = 3  # objects of a clip that are drawn anew: those that do not move are in the predicted frames
DARK, GREY = 0.47, 0.35  # largest channel, and (max - min) / max, of the arm
HAND, GIVEN_HAND = 9.0, 14.0  # pixels around the fingertips, in a predicted and in the last given frame


def place(predicted: Tensor, objects: Found, last: Tensor, moves: Tensor, tips: Tensor) -> Tensor:
    """Frames (B, S, 3, 64, 64) with objects, from those predicted without them.

    The last given frames are (B, 3, 64, 64), moves (B, N, S, 4), the fingertips' positions (B, 1 + S, 2), rows and
    columns in pixels from the picture's middle, from the last given frame on.
    """
    chosen = moves[..., :2].norm(dim=-1).amax(2).topk(DRAWN).indices  # those that move most: (B, 3)
    rows = torch.arange(len(chosen), device=chosen.device)[:, None]
    layer, cover = draw(Found(*(part[rows, chosen] for part in objects)), moves[rows, chosen])
    near = torch.sigmoid(2 * (HAND - _distance(tips[:, 1:])))[:, :, None]
    given = _grey(last) * (_distance(tips[:, :1]) < GIVEN_HAND)  # (B, 1, 64, 64)
    arm = torch.lerp(_grey(predicted), _shifted(given, tips[:, 1:] - tips[:, :1]), near)
    return torch.lerp(predicted, layer / cover.clamp(min=1e-3), cover * (1 - arm))


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


def _grey(frames: Tensor) -> Tensor:
    """How far each pixel of frames (..., 3, h, w) is dark and grey, as the arm is: (..., 1, h, w) in (0, 1)."""
    high, low = frames.amax(-3, keepdim=True), frames.amin(-3, keepdim=True)
    return torch.sigmoid(30 * (DARK - high)) * torch.sigmoid(20 * (GREY - (high - low) / high.clamp(min=0.05)))


def _distance(points: Tensor) -> Tensor:
    """Distances in pixels from points (B, S, 2) of all pixels: (B, S, 64, 64)."""
    line = torch.arange(SIDE, device=points.device) + 0.5 - SIDE / 2
    down, right = points.unbind(-1)
    return torch.hypot((line - down[..., None])[..., None], (line - right[..., None])[..., None, :])


def _shifted(mask: Tensor, displacement: Tensor) -> Tensor:
    """A mask (B, 1, 64, 64) shifted by S displacements (B, S, 2) in pixels: (B, S, 1, 64, 64)."""
    steps = displacement.shape[1]
    matrix = torch.eye(2, 3, device=displacement.device).repeat(len(displacement) * steps, 1, 1)
    matrix[:, :, 2] = -displacement.flip(-1).flatten(0, 1) * 2 / SIDE
    grid = F.affine_grid(matrix, [len(matrix), 1, SIDE, SIDE], align_corners=False)
    masks = mask[:, None].expand(-1, steps, -1, -1, -1).flatten(0, 1)
    return F.grid_sample(masks, grid, align_corners=False).unflatten(0, displacement.shape[:2])


def _closed(masks: Tensor) -> Tensor:
    """Masks (B, N, 64, 64) without the gaps that the fingers leave in them (morphological closing)."""
    for sign in (1, -1):
        for size, padding in (((5, 1), (2, 0)), ((1, 5), (0, 2))):
            masks = sign * F.max_pool2d(sign * masks, size, 1, padding)
    return masks
