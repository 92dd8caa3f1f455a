"""Exact inference in a label model with a two-dimensional z: integrals over z are sums over the cells of a grid.

Shapes: B pictures, N = side² cells. On the cells p(x, z | c) and q(z | x, c) are masses, so that ELBO ≤ importance-
weighted bounds ≤ log p(x | c) holds without an error of discretisation.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from cvae_core.digits.data import LABELS
from cvae_core.digits.model import LabelCVAE, pixel_log_likelihood
from cvae_core.errors import UserError
from cvae_core.latent import Gaussian, log_mean_exp, log_normal

SIDE = 161  # cells on a side
COARSE_SIDE = 41  # for p(c | x): p(x | c) of the labels differ by many nats
LIMIT = 4.0  # the grid goes from -LIMIT to LIMIT, four standard deviations of the prior
BOUNDS = (5, 10, 50, 100, 500)  # each divides the next: nested groups of samples, whose bounds can only rise
SAMPLES = 20_000
STEPS = 40  # at most, of `optimise`
CHUNK = 8_192  # points decoded at once


class Window(NamedTuple):
    """A square of the latent plane: its centre and half its side."""

    x: float
    y: float
    half: float


WHOLE = Window(0.0, 0.0, LIMIT)


class Gap(NamedTuple):
    """log p(x | c), the ELBO with the encoder's q and the largest ELBO of a diagonal Gaussian, in nats."""

    log_p: float
    elbo: float
    best: float

    @property
    def total(self) -> float:
        """What the ELBO lacks: log p(x | c) - ELBO."""
        return self.log_p - self.elbo

    @property
    def approximation(self) -> float:
        """What the best diagonal Gaussian lacks (Cremer, Li and Duvenaud 2018, section 3)."""
        return self.log_p - self.best

    @property
    def amortisation(self) -> float:
        """What the encoder's q lacks beside it: one network serves all pictures."""
        return self.best - self.elbo


def cells(side: int = SIDE, window: Window = WHOLE) -> Tensor:
    """The centres of the cells, row by row from the top: (side², 2); z₁ goes to the right and z₂ upwards."""
    axis = torch.linspace(-window.half, window.half, side)
    return torch.cartesian_prod(axis.flip(0), axis).flip(1) + torch.tensor([window.x, window.y])


@torch.no_grad()
def log_joint(model: LabelCVAE, pixels: Tensor, labels: Tensor, side: int = SIDE, window: Window = WHOLE) -> Tensor:
    """log of p(x, z in the cell | c) for pictures (B, 784) with labels (B,): (B, N).

    The grid is decoded once for each label. Raises UserError for a model with another number of latent dimensions.
    """
    if model.config.latent_size != 2:
        raise UserError(f"The model's latent has {model.config.latent_size} dimensions: the exact posterior needs 2.")
    z = cells(side, window).to(pixels.device)
    log_prior = log_normal(z, torch.zeros_like(z), torch.zeros_like(z)) + 2 * math.log(2 * window.half / (side - 1))
    joint = log_prior.repeat(len(pixels), 1)
    for label in labels.unique():
        rows = labels == label
        log_p = [
            # A sum over pixels is linear in them, so that a product of matrices serves all pictures of the label.
            pixels[rows] @ logits.T + pixel_log_likelihood(logits, torch.zeros_like(logits)).sum(1)
            for logits in (model.likelihood(part, label.expand(len(part))) for part in z.split(CHUNK))
        ]
        joint[rows] += torch.cat(log_p, 1)
    return joint


def log_masses(q: Gaussian, z: Tensor | None = None) -> Tensor:
    """log of q's mass in each cell: mu and logvar (2,), the cells' centres z (N, 2), by default `cells()` -> (N,)."""
    z = cells() if z is None else z
    return torch.log_softmax(log_normal(z.to(q.mu.device), q.mu, q.logvar), 0)


def elbo(joint: Tensor, q: Gaussian, z: Tensor | None = None) -> Tensor:
    """E_q[log p(x, z | c) - log q(z)] for one picture's `log_joint` (N,) on cells z, differentiable in q."""
    log_q = log_masses(q, z)
    return (log_q.exp() * (joint - log_q)).sum()


def optimise(joint: Tensor, start: Gaussian, z: Tensor | None = None) -> list[Gaussian]:
    """Maximise the ELBO of one picture over diagonal Gaussians by BFGS: the start and q after each step."""

    def q(values: Tensor) -> Gaussian:
        # In units of the start's standard deviations, so that one step size suits mean and variance.
        shift, stretch = values.float().to(start.mu.device).chunk(2)
        return Gaussian(start.mu + torch.exp(0.5 * start.logvar) * shift, start.logvar + stretch)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        with torch.enable_grad():
            point = torch.tensor(values, requires_grad=True)
            negative = -elbo(joint, q(point), z)
            (gradient,) = torch.autograd.grad(negative, point)
        return negative.item(), gradient.numpy()

    path = [start]
    minimize(
        loss, np.zeros(2 * len(start.mu)), method="BFGS", jac=True, options={"maxiter": STEPS, "gtol": 1e-3},
        callback=lambda values: path.append(q(torch.from_numpy(values.copy()))),
    )  # fmt: skip
    return path


def gap(joint: Tensor, path: list[Gaussian]) -> Gap:
    """The gap of one picture's ELBO: the path of `optimise` begins at the encoder's q and ends at the best Gaussian."""
    return Gap(torch.logsumexp(joint, 0).item(), elbo(joint, path[0]).item(), elbo(joint, path[-1]).item())


def importance_bounds(joint: Tensor, q: Gaussian, generator: torch.Generator) -> dict[int, float]:
    """Importance-weighted bounds (Burda et al. 2016) by their number of samples from q, for one picture, in nats.

    Each is the mean over groups of the same SAMPLES draws; one sample is the ELBO, which is exact.
    """
    log_q = log_masses(q)
    drawn = torch.multinomial(log_q.exp(), SAMPLES, replacement=True, generator=generator)
    weights = (joint - log_q)[drawn]
    return {k: float(log_mean_exp(weights.view(-1, k), 1).mean()) for k in BOUNDS}


def encoder_posterior(model: LabelCVAE, pixels: Tensor, label: int) -> Gaussian:
    """q(z | x, c) of one picture (784,): mean and log variance, (Z,) each."""
    with torch.no_grad():
        mu, logvar = model.posterior(pixels[None], torch.tensor([label], device=pixels.device))
    return Gaussian(mu[0], logvar[0])


def mean_gap(model: LabelCVAE, pixels: Tensor, labels: Tensor) -> dict[str, float]:
    """The means over pictures (B, 784) with labels (B,): log p(x | c), ELBO, approximation and amortisation gap."""
    gaps = []
    for joint, picture, label in zip(log_joint(model, pixels, labels), pixels, labels.tolist(), strict=True):
        gaps.append(gap(joint, optimise(joint, encoder_posterior(model, picture, label))))
    names = ("log_p", "elbo", "approximation", "amortisation")
    return {name: sum(getattr(each, name) for each in gaps) / len(gaps) for name in names}


def label_probabilities(model: LabelCVAE, pixels: Tensor) -> Tensor:
    """p(c | x) of one picture (784,) by Bayes' rule with a uniform prior over labels: (10,)."""
    labels = torch.arange(LABELS, device=pixels.device)
    return torch.softmax(torch.logsumexp(log_joint(model, pixels.expand(LABELS, -1), labels, COARSE_SIDE), 1), 0)
