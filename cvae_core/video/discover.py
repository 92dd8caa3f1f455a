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
SMALLEST = 6.0  # pixels


class Found(NamedTuple):
    """The objects of B clips; where there are fewer than N, the rest have no pixels."""

    masks: Tensor  # (B, N, 64, 64) in the last given frame, 0 or 1
    centres: Tensor  # (B, N, 2) of the visible pixels
    before: Tensor  # (B, N, 2) centre in the frame before; where it is not visible there, the same
    extents: Tensor  # (B, N, 2) standard deviation of the pixels along rows and columns
    areas: Tensor  # (B, N) pixels
    colours: Tensor  # (B, N, 3)
    exists: Tensor  # (B, N) bool


def discover(before: Tensor, last: Tensor) -> Found:
    """Objects of the last given frame (B, 3, 64, 64), and where they were in the frame before."""
    chroma, saturated = _chroma(last)
    left = saturated.float()
    masks, colours, earlier = [], [], []
    chroma_before, saturated_before = _chroma(before)
    for _ in range(OBJECTS):
        # The pixel with the most such pixels around it lies inside an object.
        inside = F.avg_pool2d(left[:, None], 3, 1, 1).squeeze(1) * left
        at = inside.flatten(1).argmax(1)[:, None, None].expand(-1, 3, 1)
        seed = chroma.flatten(2).gather(2, at)[..., None]  # (B, 3, 1, 1)
        mask = left * ((chroma - seed).norm(dim=1) < SAME)
        masks.append(mask)
        colours.append(last.flatten(2).gather(2, at).squeeze(2))
        earlier.append(saturated_before * ((chroma_before - seed).norm(dim=1) < SAME))
        left = left - mask
    mask = torch.stack(masks, 1)
    areas = mask.sum((2, 3))
    exists = areas >= SMALLEST
    mask = mask * exists[..., None, None]
    centres, extents = _moments(mask)
    then = torch.stack(earlier, 1).float()
    seen = (then.sum((2, 3)) >= SMALLEST)[..., None]
    return Found(
        mask, centres, torch.where(seen, _moments(then)[0], centres), extents, areas * exists,
        torch.stack(colours, 1), exists,
    )  # fmt: skip


def _chroma(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of the channels in a pixel's light (B, 3, h, w), and whether it is saturated (B, h, w)."""
    high, low = frames.amax(1), frames.amin(1)
    return frames / frames.sum(1, keepdim=True).clamp(min=1e-3), (high - low > SATURATED * high) & (high > 0.1)


def _moments(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (B, N, 2) of the rows and columns of masks (B, N, 64, 64)."""
    line = torch.arange(SIDE, device=masks.device) + 0.5 - SIDE / 2
    area = masks.sum((2, 3)).clamp(min=1)
    mean = torch.stack([(masks.sum(3) * line).sum(2), (masks.sum(2) * line).sum(2)], -1) / area[..., None]
    square = torch.stack([(masks.sum(3) * line**2).sum(2), (masks.sum(2) * line**2).sum(2)], -1) / area[..., None]
    return mean, (square - mean**2).clamp(min=0).sqrt()
