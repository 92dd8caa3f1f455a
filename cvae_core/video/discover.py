"""Objects in given frames: regions of one saturated colour, as the simulator's objects are.

Shapes: B clips, N objects; positions are rows and columns in pixels from the picture's middle.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.video.data import SIDE

OBJECTS = 6
SATURATED = 0.5  # smallest (max - min) / max of an object's channels; tables and grippers stay below 0.4
SAME = 0.08  # largest distance of two chromaticities of one object
SMALLEST = 6  # pixels


class Found(NamedTuple):
    """Up to N objects in each of B clips; of places without an object the mask is empty and `exists` is False."""

    masks: Tensor  # (B, N, 64, 64) in the last given frame, 0 or 1
    centres: Tensor  # (B, N, 2) of the visible pixels
    before: Tensor  # (B, N, 2) centre in the frame before; where it is not visible there, the same
    colours: Tensor  # (B, N, 3)
    exists: Tensor  # (B, N) bool


def discover(before: Tensor, last: Tensor) -> Found:
    """Objects of the last given frame (B, 3, 64, 64), and where they were in the frame before."""
    chroma, left = _chroma(last)  # (B, 3, 4096), (B, 4096)
    chroma_before, saturated_before = _chroma(before)
    inside = _alike(chroma, left)
    masks, colours, then = [], [], []
    for _ in range(OBJECTS):
        # The pixel with the most neighbours of its colour lies inside an object, not on an edge.
        at = (inside * left).argmax(1)[:, None, None].expand(-1, 3, 1)
        seed = chroma.gather(2, at)
        mask = left & ((chroma - seed).square().sum(1) < SAME**2)
        masks.append(mask)
        colours.append(last.flatten(2).gather(2, at)[..., 0])
        then.append(saturated_before & ((chroma_before - seed).square().sum(1) < SAME**2))
        left = left & ~mask
    mask, earlier = torch.stack(masks, 1), torch.stack(then, 1)  # (B, N, 4096)
    exists = mask.sum(2) >= SMALLEST
    mask = mask & exists[..., None]
    centres = _centroids(mask)
    seen = earlier.sum(2) >= SMALLEST
    return Found(
        mask.unflatten(2, (SIDE, SIDE)).float(), centres, torch.where(seen[..., None], _centroids(earlier), centres),
        torch.stack(colours, 1), exists,
    )  # fmt: skip


def _chroma(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of the channels in a pixel's light (B, 3, 4096), and whether it is saturated (B, 4096)."""
    x = frames.flatten(2)
    high, low = x.amax(1), x.amin(1)
    return x / x.sum(1, keepdim=True).clamp(min=1e-3), (high - low > SATURATED * high) & (high > 0.1)


def _alike(chroma: Tensor, saturated: Tensor) -> Tensor:
    """How many of a saturated pixel's eight neighbours have its colour, plus 1: (B, 4096), 0 for other pixels."""
    x = (chroma * saturated[:, None]).unflatten(2, (SIDE, SIDE))
    padded = F.pad(x, (1, 1, 1, 1))
    shifted = (padded[..., i : i + SIDE, j : j + SIDE] for i in range(3) for j in range(3))
    count = torch.stack([(other - x).square().sum(1) < SAME**2 for other in shifted]).sum(0)
    return count.flatten(1) * saturated


def _centroids(masks: Tensor) -> Tensor:
    """Mean row and column (B, N, 2) of masks (B, N, 4096)."""
    line = torch.arange(SIDE, device=masks.device) + 0.5 - SIDE / 2
    points = torch.stack([line.repeat_interleave(SIDE), line.repeat(SIDE), torch.ones(SIDE**2, device=line.device)], 1)
    moments = masks.float() @ points
    return moments[..., :2] / moments[..., 2:].clamp(min=1)
