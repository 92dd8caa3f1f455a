"""What both models of video share: standardized conditions, results, reference frames, and keypoints as blobs."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cvae_core.video.data import CONDITION

CLIPS_DECODED = 4  # at once, see `in_parts`


class Prediction(NamedTuple):
    """Predicted frames of B clips with the distributions of their latents."""

    frames: Tensor  # (B, T - 1, 3, 64, 64): from the clip's second frame on
    mu: Tensor  # (B, T - 1, Z) of the posterior
    logvar: Tensor
    prior_mu: Tensor  # (B, T - 1, Z) of the prior
    prior_logvar: Tensor


class Standardized(nn.Module):
    """A model that standardizes its conditions: in metres they are small numbers, which take many epochs to be used."""

    def __init__(self):
        super().__init__()
        self.register_buffer("condition_mean", torch.zeros(CONDITION))
        self.register_buffer("condition_std", torch.ones(CONDITION))

    def standardize(self, conditions: Tensor) -> None:
        """Standardize all further conditions by the mean and standard deviation of these (n, 7)."""
        self.condition_mean.copy_(conditions.mean(0))
        self.condition_std.copy_(conditions.std(0).clamp(min=1e-3))

    def standard(self, condition: Tensor) -> Tensor:
        """Conditions (..., 7), standardized."""
        return (condition - self.condition_mean) / self.condition_std


def in_parts(decode: Callable[[slice], Tensor], codes: Tensor) -> Tensor:
    """What all clips' codes decode to. On a CPU, in prediction, a few clips at a time: their maps stay in its cache."""
    clips = len(codes)
    size = clips if torch.is_grad_enabled() or codes.device.type != "cpu" else CLIPS_DECODED
    return torch.cat([decode(slice(i, i + size)) for i in range(0, clips, size)])


def of_steps(values: Tensor, steps: int) -> Tensor:
    """Values of the given frames (B, P, ·) -> those of each step's reference frame (B, S, ·).

    That is the frame before the predicted one or, where that is not given, the last given one.
    """
    given = values.shape[1]
    if steps <= given:
        return values[:, :steps]
    # Not an index with repeats: its gradient is summed by several threads in an order that differs from run to run.
    return torch.cat([values, values[:, -1:].expand(-1, steps - given, *values.shape[2:])], 1)


def blobs(keypoints: Tensor, log_spread: Tensor, cells: int) -> Tensor:
    """Keypoints (..., 2 K), all x, then all y, in (-1, 1) -> Gaussian blobs (..., K, cells, cells) of spreads (K,)."""
    x, y = keypoints.float().unflatten(-1, (2, -1)).unbind(-2)  # (..., K) each
    line = torch.linspace(-1 + 1 / cells, 1 - 1 / cells, cells, device=keypoints.device)
    weight = -0.5 * torch.exp(-2 * log_spread)[:, None]
    down, right = (torch.exp(weight * (line - p[..., None]).square()) for p in (y, x))
    return down[..., None] * right[..., None, :]
