"""Frames in which the given frames' objects are drawn at predicted places, under the arm.

A layer shows every object as it was in the last given frame, moved and turned as a whole. A small network blends, by a
softmax, that layer, the frame that was predicted without it, and the background behind the objects (as the layers of
Wang and Adelson 1994; masks as in Finn et al. 2016).
Shapes: B clips, N objects, S steps.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.video.data import SIDE
from cvae_core.video.discover import Found

WIDTH = 16
DRAWN = 3  # objects of a clip that are drawn anew: those that do not move are in the predicted frames


class Layers(nn.Module):
    """Predicted frames with the objects drawn at their predicted places."""

    def __init__(self):
        super().__init__()
        self.blend = nn.Sequential(
            nn.Conv2d(11, WIDTH, 3, 1, 1), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(WIDTH, WIDTH, 3, 1, 1), nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(WIDTH, 7, 3, 1, 1),
        )  # fmt: skip
        with torch.no_grad():
            self.blend[-1].weight.mul_(0.3)
            self.blend[-1].bias[3:].copy_(torch.tensor([-1.0, 1.0, -1.0, -1.0]))  # elsewhere the predicted frame

    def forward(self, predicted: Tensor, objects: Found, last: Tensor, moves: Tensor) -> Tensor:
        """Frames (B, S, 3, 64, 64) from those predicted without objects, the last given ones (B, 3, 64, 64) and moves
        (B, N, S, 4)."""
        chosen = moves[..., :2].norm(dim=-1).amax(2).topk(DRAWN).indices  # the objects that move most: (B, 3)
        rows = torch.arange(len(chosen), device=chosen.device)[:, None]
        objects, moves = Found(*(part[rows, chosen] for part in objects)), moves[rows, chosen]
        layer, cover = draw(objects, moves)
        background, gone = uncovered(objects, last, moves)
        sources = [predicted, layer, background[:, None].expand_as(predicted)]
        inputs = torch.cat([*sources, cover, gone], 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        drawn, logits = self.blend(inputs).float().unflatten(0, predicted.shape[:2]).split([3, 4], 2)
        # At first an object hides what it covers.
        logits = logits + F.pad(3 * cover, (0, 0, 0, 0, 2, 1))
        shares = logits.roll(-1, 2).softmax(2)  # of the three sources and of newly drawn pixels
        parts = [*sources, torch.sigmoid(drawn)]
        return sum(part * share for part, share in zip(parts, shares.split(1, 2), strict=True))


def draw(objects: Found, moves: Tensor) -> tuple[Tensor, Tensor]:
    """The objects' colours (B, S, 3, 64, 64) where they have moved to, and their coverage (B, S, 1, 64, 64)."""
    cos, sin = moves[..., 2].cos(), moves[..., 2].sin()
    scale = torch.exp(-moves[..., 3])
    cos, sin = cos * scale, sin * scale
    down, right = objects.centres[:, :, None].unbind(-1)  # (B, N, 1)
    to_down, to_right = down + moves[..., 0], right + moves[..., 1]
    # Points of the reference frame for each pixel: grid_sample takes columns before rows, in (-1, 1).
    half = SIDE / 2
    rows = torch.stack([sin, cos, (down - cos * to_down - sin * to_right) / half], -1)
    columns = torch.stack([cos, -sin, (right + sin * to_down - cos * to_right) / half], -1)
    matrix = torch.stack([columns, rows], -2).flatten(0, 2)  # (B N S, 2, 3)
    grid = F.affine_grid(matrix, [len(matrix), 1, SIDE, SIDE], align_corners=False)
    steps = moves.shape[2]
    masks = _closed(objects.masks)[:, :, None].expand(-1, -1, steps, -1, -1).reshape(-1, 1, SIDE, SIDE)
    cover = F.grid_sample(masks, grid, align_corners=False).view(*moves.shape[:3], 1, SIDE, SIDE)
    colours = torch.einsum("bnschw,bnd->bsdhw", cover, objects.colours)
    total = cover.sum(1)
    return colours / total.clamp(min=1.0), total.clamp(max=1.0)


def uncovered(objects: Found, last: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
    """The last given frame with its objects filled from around them, and where a moved object was (B, S, 1, 64, 64)."""
    wide = F.max_pool2d(objects.masks.amax(1, keepdim=True), 5, 1, 2)  # (B, 1, 64, 64)
    kept = 1 - wide
    weighted = torch.cat([last * kept, kept], 1)
    for _ in range(2):
        weighted = F.avg_pool2d(weighted, 9, 1, 4)
    fill = weighted[:, :3] / weighted[:, 3:].clamp(min=1e-3)
    away = (moves[..., :2].norm(dim=-1) / 2).clamp(max=1)  # (B, N, S)
    gone = torch.einsum("bnhw,bns->bshw", objects.masks, away).clamp(max=1)[:, :, None]
    return torch.lerp(last, fill, wide), F.max_pool2d(gone.flatten(0, 1), 3, 1, 1).unflatten(0, gone.shape[:2])


def _closed(masks: Tensor) -> Tensor:
    """Masks (B, N, 64, 64) without the gaps that the fingers leave in them (morphological closing)."""
    return -F.max_pool2d(-F.max_pool2d(masks, 5, 1, 2), 5, 1, 2)
