"""Frames to codes and back: the VGG or DCGAN encoder and decoder of report 004, with keypoints and a copying mask."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.video.config import VideoConfig


def block(inputs: int, outputs: int, config: VideoConfig, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, norm, leaky ReLU: the report's `vgg_layer`; kernel 4 and stride 2 halve the size, as in DCGAN."""
    return activated(nn.Conv2d(inputs, outputs, kernel, stride, 1), outputs, config)


def activated(convolution: nn.Module, channels: int, config: VideoConfig) -> nn.Sequential:
    return nn.Sequential(convolution, _norm(channels, config), nn.LeakyReLU(0.2, inplace=True))


def _norm(channels: int, config: VideoConfig) -> nn.Module:
    return nn.BatchNorm2d(channels) if config.norm == "batch" else nn.GroupNorm(min(8, channels // 4 or 1), channels)


def _stack(inputs: int, outputs: tuple[int, ...], config: VideoConfig) -> nn.Sequential:
    return nn.Sequential(*(block(a, b, config) for a, b in zip((inputs, *outputs), outputs, strict=False)))


class Encoder(nn.Module):
    """Frames to codes, by a VGG or DCGAN."""

    def __init__(self, config: VideoConfig):
        super().__init__()
        w = config.width
        self.pools = config.network == "vgg"
        if self.pools:
            stages = (3, (w, w)), (w, (2 * w,) * 2), (2 * w, (4 * w,) * 3), (4 * w, (8 * w,) * 3)
            self.maps = nn.ModuleList(_stack(inputs, outputs, config) for inputs, outputs in stages)
        else:
            sizes = (3, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)
            self.maps = nn.ModuleList(block(inputs, outputs, config, 4, 2) for inputs, outputs in sizes)
        self.code = nn.Sequential(nn.Conv2d(8 * w, config.code_size, 4), _norm(config.code_size, config), nn.Tanh())

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Frames (N, 3, 64, 64) -> codes (N, G) in (-1, 1) and feature maps (N, C, h, w), largest first."""
        skips = []
        for maps in self.maps:
            x = maps(x)
            skips.append(x)
            if self.pools:
                x = F.max_pool2d(x, 2)
        return self.code(x).flatten(1), skips


class Decoder(nn.Module):
    """Codes, keypoints and a reference frame's feature maps to frames.

    Each keypoint (x, y) in (-1, 1) is rendered as a Gaussian blob, a further channel of the maps of each size (Jakab et
    al. 2018): from a code alone the decoder would have to learn to draw a moving part at each position separately.
    With `copies` a fourth output channel is a mask that blends the decoded frame with the reference frame (Finn et al.
    2016): static pixels are copied exactly.
    """

    def __init__(self, config: VideoConfig):
        super().__init__()
        w = config.width
        channels, k = 4 if config.copies else 3, config.keypoints
        self.sizes = [config.code_size, 2 * k]
        self.log_spread = spreads(k) if k else None
        self.start = activated(nn.ConvTranspose2d(config.code_size, 8 * w, 4), 8 * w, config)
        self.doubles = config.network == "vgg"
        if self.doubles:
            stages = (16 * w, (8 * w, 8 * w, 4 * w)), (8 * w, (4 * w, 4 * w, 2 * w)), (4 * w, (2 * w, w)), (2 * w, (w,))
            self.maps = nn.ModuleList(_stack(inputs + k, outputs, config) for inputs, outputs in stages)
            self.last = nn.ConvTranspose2d(w, channels, 3, 1, 1)
        else:
            sizes = (16 * w, 4 * w), (8 * w, 2 * w), (4 * w, w)
            self.maps = nn.ModuleList(activated(nn.ConvTranspose2d(a + k, b, 4, 2, 1), b, config) for a, b in sizes)
            self.last = nn.ConvTranspose2d(2 * w + k, channels, 4, 2, 1)

    def forward(self, code: Tensor, skips: list[Tensor], reference: Tensor) -> Tensor:
        """Codes and keypoints (N, G + 2 K), the reference's feature maps and frames (N, ·) -> frames (N, 3, 64, 64)."""
        code, keypoints = code.split(self.sizes, 1)
        x = self.start(code[..., None, None])
        for i, skip in enumerate(reversed(skips)):
            x = F.interpolate(x, scale_factor=2.0) if self.doubles else x
            parts = [x, skip]
            if self.log_spread is not None:
                parts.append(blobs(keypoints, self.log_spread, skip.shape[-1]).to(skip.dtype))
            x = torch.cat(parts, 1)
            x = self.maps[i](x) if i < len(self.maps) else x
        x = torch.sigmoid(self.last(x))
        return torch.lerp(x[:, :3], reference.to(x.dtype), x[:, 3:]) if x.shape[1] == 4 else x


def blobs(keypoints: Tensor, log_spread: Tensor, size: int) -> Tensor:
    """Keypoints (N, 2 K), x then y, each in (-1, 1) -> Gaussian blobs around them (N, K, size, size) in float32."""
    x, y = keypoints.float().unflatten(1, (2, -1)).unbind(1)  # (N, K) each
    line = torch.linspace(-1 + 1 / size, 1 - 1 / size, size, device=keypoints.device)  # the pixels' centres
    weight = -0.5 * torch.exp(-2 * log_spread)[:, None]
    down, right = (torch.exp(weight * (line - p[..., None]).square()) for p in (y, x))
    return down[..., None] * right[..., None, :]


def spreads(keypoints: int) -> nn.Parameter:
    """Log standard deviations of blobs, from narrow ones, for edges, to wide ones, whose gradient reaches far."""
    return nn.Parameter(torch.linspace(math.log(0.08), math.log(0.6), keypoints))  # 1 is half of the picture
