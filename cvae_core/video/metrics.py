"""How close predicted frames are to the true ones. Frames are (..., 3, h, w) in [0, 1]; scores are a frame's: (...)."""

import torch
import torch.nn.functional as F
from torch import Tensor

EXACT = 100.0  # dB of a channel that is exactly right, whose error has no logarithm
MOVED = 0.05  # a pixel moves where a channel differs by more than this from the last frame given


def psnr(made: Tensor, true: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, data range 1, the mean of the three channels' as the course defines it."""
    return _decibels((made - true).square().flatten(-2).mean(-1)).mean(-1)


def psnr_of_moving(made: Tensor, true: Tensor, last: Tensor) -> Tensor:
    """PSNR over the pixels that differ from the last frame given, all channels together; nan where none does."""
    moves = ((true - last).abs().amax(-3, keepdim=True) > MOVED).expand_as(true).flatten(-3)
    errors = (made - true).square().flatten(-3) * moves
    return _decibels(errors.sum(-1) / moves.sum(-1))


def _decibels(error: Tensor) -> Tensor:
    return (-10 * torch.log10(error)).clamp(max=EXACT)


def ssim(made: Tensor, true: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Structural similarity, data range 1 (Wang et al. 2004: Gaussian window, K1 = 0.01, K2 = 0.03), channels' mean."""
    x = torch.arange(window, dtype=made.dtype, device=made.device) - window // 2
    line = torch.exp(-x.square() / (2 * sigma**2))
    kernel = (line[:, None] * line / line.sum() ** 2)[None, None]

    def blur(picture: Tensor) -> Tensor:
        return F.conv2d(picture.reshape(-1, 1, *picture.shape[-2:]), kernel)  # no window leaves the picture

    a, b = blur(made), blur(true)
    variances = blur(made.square()) - a.square() + blur(true.square()) - b.square()
    covariance = blur(made * true) - a * b
    c1, c2 = 0.01**2, 0.03**2
    map_ = (2 * a * b + c1) * (2 * covariance + c2) / ((a.square() + b.square() + c1) * (variances + c2))
    return map_.mean((-3, -2, -1)).view(made.shape[:-2]).mean(-1)
