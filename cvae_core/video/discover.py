"""Objects in given frames: regions of one saturated colour, as the simulator's objects are.

Shapes: B clips, N objects; positions are rows and columns in pixels from the picture's middle.
"""

from collections.abc import Callable
from functools import reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.video.data import SIDE

OBJECTS = 6
SATURATED = 0.5  # smallest (max - min) / max of an object's channels; tables and grippers stay below 0.4
SAME = 0.08  # largest distance of two chromaticities of one object
SMALLEST = 6  # pixels
RESIDUAL = 0.15  # largest distance in RGB of a pixel from a blend of object and table


class Found(NamedTuple):
    """Up to N objects in each of B clips; of places without an object the mask is empty and `exists` is False."""

    masks: Tensor  # (B, N, 64, 64) coverage of each pixel in the last given frame
    masks_before: Tensor  # (B, N, 64, 64) in the frame before it
    centres: Tensor  # (B, N, 2) of the visible part
    before: Tensor  # (B, N, 2) centre in the frame before; where it is not visible there, the same
    colours: Tensor  # (B, N, 3)
    exists: Tensor  # (B, N) bool


def discover(before: Tensor, last: Tensor) -> Found:
    """Objects of the last given frame (B, 3, 64, 64), and where they were in the frame before."""
    chroma, left = _chroma(last)  # (B, 3, 4096), (B, 4096)
    chroma_before, saturated_before = _chroma(before)
    inside = _alike(chroma, left)
    # Of pixels with as many neighbours the brightest, which is in no shadow, and of these the first, on every device.
    inside = inside + last.flatten(2).amax(1) / 2 - torch.arange(SIDE**2, device=last.device) / SIDE**3
    masks, colours, then = [], [], []
    for _ in range(OBJECTS):
        # The pixel with the most neighbours of its colour lies inside an object, not on an edge.
        at = torch.where(left, inside, -1.0).argmax(1)[:, None, None].expand(-1, 3, 1)
        seed = chroma.gather(2, at)
        mask = left & ((chroma - seed).square().sum(1) < SAME**2)
        masks.append(mask)
        colours.append(last.flatten(2).gather(2, at)[..., 0])
        then.append(saturated_before & ((chroma_before - seed).square().sum(1) < SAME**2))
        left = left & (_dilated(mask) == 0)  # pixels on its rim blend object and table: no object of their own
    colour, mask, earlier = torch.stack(colours, 1), torch.stack(masks, 1), torch.stack(then, 1)  # (B, N, 4096)
    exists = mask.sum(2) >= SMALLEST
    visible_before = exists & (earlier.sum(2) >= SMALLEST)
    now = _coverage(last, mask & exists[..., None], colour)
    earlier = _coverage(before, earlier & visible_before[..., None], colour)
    centres = _centroids(now)
    centres_before = torch.where(visible_before[..., None], _centroids(earlier), centres)
    now, earlier = (part.unflatten(2, (SIDE, SIDE)) for part in (now, earlier))
    return Found(now, earlier, centres, centres_before, colour, exists)


def _coverage(frames: Tensor, masks: Tensor, colours: Tensor) -> Tensor:
    """How much of each pixel the objects cover (B, N, 4096): their pixels (bool) and edges blended with the table."""
    x = frames.flatten(2)  # (B, 3, 4096)
    table = x.median(2, keepdim=True).values
    x, colours = x - table, colours - table.transpose(1, 2)
    length = colours.square().sum(2, keepdim=True)  # (B, N, 1)
    share = colours @ x / length.clamp(min=1e-3)
    residual = x.square().sum(1, keepdim=True) - share.square() * length
    return torch.where(residual < RESIDUAL**2, share.clamp(0, 1), masks.float()) * _dilated(masks)


def _dilated(masks: Tensor) -> Tensor:
    """Masks (..., 4096) dilated by one pixel in every direction, as floats."""
    maps = masks.unflatten(-1, (SIDE, SIDE)).float()
    for axis in (-2, -1):
        maps = extreme(maps, 1, axis)
    return maps.flatten(-2)


def extreme(maps: Tensor, reach: int, axis: int, of: Callable[[Tensor, Tensor], Tensor] = torch.maximum) -> Tensor:
    """The largest value within `reach` pixels along an axis, of maps in [0, 1]; the smallest with `torch.minimum`.

    On a CPU max_pool2d takes six times as long.
    """
    padding = (reach, reach) if axis == -1 else (0, 0, reach, reach)
    padded = F.pad(maps, padding, value=0.0 if of is torch.maximum else 1.0)
    return reduce(of, (padded.narrow(axis, i, maps.shape[axis]) for i in range(2 * reach + 1)))


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
