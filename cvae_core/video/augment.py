"""Random changes of training clips, alike in all frames of a clip: colours, mirror image, camera, textures."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.video.config import VideoConfig
from cvae_core.video.data import ACTION, CONDITION

OCTAVES = (4, 8, 16, 32)  # cells of a texture's patterns along an axis


def augment(
    frames: Tensor, condition: Tensor, config: VideoConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Frames (B, T, 3, 64, 64) in [0, 1] and conditions (B, T, 7), changed as the config says."""
    if config.texture:
        frames = add_texture(frames, config.texture, generator)
    if config.jitter:
        frames = jitter(frames, config.jitter, generator)
    if config.mirror:
        frames, condition = mirror(frames, condition, generator)
    if config.camera:
        frames = move_camera(frames, config.camera, generator)
    return frames, condition


def jitter(frames: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Permute the channels of each clip and scale them by factors in 1 ± amount."""
    n, device = len(frames), frames.device
    channels = torch.rand(n, 3, generator=generator).argsort(1).to(device)
    scale = 1 + amount * (2 * torch.rand(n, 3, generator=generator) - 1).to(device)
    frames = frames.gather(2, channels[:, None, :, None, None].expand_as(frames))
    return (frames * scale[:, None, :, None, None]).clamp(max=1)


def mirror(frames: Tensor, condition: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror a random half of the clips, left to right, with their actions and positions along y."""
    mirrored = (torch.rand(len(frames), generator=generator) < 0.5).to(frames.device)
    frames = torch.where(mirrored[:, None, None, None, None], frames.flip(-1), frames)
    signs = torch.ones(CONDITION, device=frames.device)
    signs[[1, ACTION + 1]] = -1  # dy and y
    return frames, torch.where(mirrored[:, None, None], condition * signs, condition)


def move_camera(frames: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Rotate, zoom and shift the picture of each clip; what lies outside is its reflection.

    Angles are in ± amount, in radians; zooms in exp(± amount); shifts in ± amount / 2 of half the picture.
    """
    angle, zoom, x, y = (amount * (2 * torch.rand(4, len(frames), generator=generator) - 1)).to(frames.device)
    cos, sin = zoom.exp() * angle.cos(), zoom.exp() * angle.sin()
    matrix = torch.stack([torch.stack([cos, -sin, x / 2], 1), torch.stack([sin, cos, y / 2], 1)], 1)  # (B, 2, 3)
    pictures = frames.flatten(1, 2)  # all frames of a clip as channels
    grid = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
    return moved.view_as(frames)


def add_texture(frames: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Add smooth random patterns, coarse and fine, of a standard deviation up to `amount`, the same in all frames."""
    n, device = len(frames), frames.device
    pattern = sum(
        F.interpolate(torch.randn(n, 3, size, size, generator=generator).to(device), frames.shape[-1], mode="bicubic")
        * torch.rand(n, 1, 1, 1, generator=generator).to(device)
        for size in OCTAVES
    )
    strength = amount / math.sqrt(len(OCTAVES) / 3) * torch.rand(n, 1, 1, 1, generator=generator).to(device)
    return (frames + (strength * pattern)[:, None]).clamp(0, 1)
