"""Diagonal Gaussians and paths between points of a latent space: pure functions of tensors."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from cvae_core.parallel import draw


class Gaussian(NamedTuple):
    """A diagonal Gaussian, (..., d) each."""

    mu: Tensor
    logvar: Tensor


def reparameterize(mu: Tensor, logvar: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw z = mu + sigma * eps with eps ~ N(0, I) (Kingma and Welling 2014, eq. 4); same shape as mu."""
    eps = draw(torch.randn, mu.shape, generator, device=mu.device, dtype=mu.dtype)
    return mu + torch.exp(0.5 * logvar) * eps


def kl_to_standard(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, sigma^2) || N(0, I)) in nats for each dimension (report 000, section 3, with its missing 1/2)."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


def kl_between(mu_q: Tensor, logvar_q: Tensor, mu_p: Tensor, logvar_p: Tensor) -> Tensor:
    """KL(N(mu_q, sigma_q^2) || N(mu_p, sigma_p^2)) in nats for each dimension."""
    ratio = torch.exp(logvar_q - logvar_p)
    return 0.5 * ((mu_q - mu_p).square() * torch.exp(-logvar_p) + ratio - 1 + logvar_p - logvar_q)


def log_normal(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log N(z; mu, sigma^2), summed over the last dimension."""
    return -0.5 * ((z - mu).square() * torch.exp(-logvar) + logvar + math.log(2 * math.pi)).sum(-1)


def log_mean_exp(values: Tensor, dim: int) -> Tensor:
    """log of the mean of exp(values), without leaving log space."""
    return torch.logsumexp(values, dim) - math.log(values.shape[dim])


def product_of_experts(mu: Tensor, logvar: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Multiply diagonal Gaussians along `dim`: precisions add, means are weighted by them (Hinton 2002)."""
    precision = torch.exp(-logvar)
    total = precision.sum(dim)
    return (precision * mu).sum(dim) / total, -total.log()


def lerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Straight line from a to b: (d,), (d,), (n,) -> (n, d)."""
    return a + t[:, None] * (b - a)


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Great arc from a to b whose norm goes linearly from |a| to |b|: (d,), (d,), (n,) -> (n, d).

    Where the two directions are the same or opposite (or one end is the origin) no arc is defined: lerp.
    """
    norm_a, norm_b = a.norm(), b.norm()
    if norm_a < 1e-8 or norm_b < 1e-8:
        return lerp(a, b, t)
    unit_a, unit_b = a / norm_a, b / norm_b
    angle = torch.arccos((unit_a @ unit_b).clamp(-1, 1))
    if torch.sin(angle) < 1e-4:
        return lerp(a, b, t)
    weight_a = torch.sin((1 - t) * angle) / torch.sin(angle)
    weight_b = torch.sin(t * angle) / torch.sin(angle)
    direction = weight_a[:, None] * unit_a + weight_b[:, None] * unit_b
    return direction * (norm_a + t * (norm_b - norm_a))[:, None]


PATHS = {"lerp": lerp, "slerp": slerp}
