"""The exact posteriors of a few digits, stored at each epoch of a label model with a two-dimensional z.

In the first epochs a posterior can be anywhere, later it is narrow: a grid over a wide square finds it, and a small one
around it holds it. q may be far from it (He et al. 2019, Lagging inference networks and posterior collapse), hence the
ELBO by Gauss-Hermite quadrature instead of by a sum over cells.
"""

import base64
import zlib
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cvae_core.digits import exact
from cvae_core.digits.data import SIDE as PICTURE
from cvae_core.digits.data import Images
from cvae_core.digits.exact import Gap, Window
from cvae_core.digits.model import LabelCVAE, pixel_log_likelihood
from cvae_core.latent import Gaussian, kl_to_standard

SHOWN = {2: 2, 7: 2}  # digits of each label
WIDE, WIDE_SIDE = Window(0.0, 0.0, 15.0), 41
SIDE = 21  # of the small grid
REACH = 4.5  # standard deviations of the posterior, from the small grid's centre to its border
NODES = 24  # of the quadrature, in each dimension
LEVELS = 255  # of the stored density's square root
GAUSSIANS = ("mean", "sigma", "q_mean", "q_sigma")  # fields of two numbers


class Posterior(NamedTuple):
    """One digit's p(z | x, c) and q(z | x, c) at one epoch."""

    label: int
    picture: np.ndarray  # (28, 28) bytes
    window: Window
    density: np.ndarray  # (SIDE, SIDE) in [0, 1], of the posterior over the window, rows from the top; 1 at its mode
    mean: np.ndarray  # (2,), of the posterior
    sigma: np.ndarray  # (2,)
    q_mean: np.ndarray  # (2,), of the encoder
    q_sigma: np.ndarray  # (2,)
    gap: Gap


def choose(images: Images) -> Images:
    """The digits whose posteriors are stored: the first ones of the labels in SHOWN."""
    rows = [int(i) for label, n in SHOWN.items() for i in (images.labels == label).nonzero()[:n, 0]]
    return Images(images.pixels[rows], images.labels[rows])


@torch.no_grad()
def analyse(model: LabelCVAE, images: Images) -> list[Posterior]:
    """The posterior, q and the gap of each picture, (n, 784) bytes with labels (n,)."""
    grey = images.pixels.float() / 255
    joints = exact.log_joint(model, grey, images.labels, WIDE_SIDE, WIDE)
    return [_analyse(model, *each) for each in zip(joints, images.pixels, grey, images.labels, strict=True)]


def _analyse(model: LabelCVAE, joint: Tensor, pixels: Tensor, grey: Tensor, label: Tensor) -> Posterior:
    window, side = WIDE, WIDE_SIDE
    for _ in range(2):  # the second grid resolves a posterior that is narrower than the wide one's cells
        mean, sigma = moments(joint, exact.cells(side, window).to(joint.device))
        cell = 2 * window.half / (side - 1)
        window = Window(mean[0].item(), mean[1].item(), max(REACH * sigma.max().item(), 2 * cell))
        side = SIDE
        (joint,) = exact.log_joint(model, grey[None], label[None], side, window)
    z = exact.cells(side, window).to(joint.device)
    mean, sigma = moments(joint, z)
    q = exact.encoder_posterior(model, grey, int(label))
    # From the posterior's own moments, for q may lie outside of the grid.
    best = exact.optimise(joint, Gaussian(mean, 2 * sigma.log()), z=z)[-1]
    gap = Gap(torch.logsumexp(joint, 0).item(), elbo(model, grey, label, q).item(), exact.elbo(joint, best, z).item())
    density = torch.exp(joint - joint.max()).view(side, side)
    tensors = (pixels.view(PICTURE, PICTURE), density, mean, sigma, q.mu, torch.exp(0.5 * q.logvar))
    picture, heights, *gaussian = (tensor.cpu().numpy() for tensor in tensors)
    return Posterior(int(label), picture, window, heights, gaussian[0], gaussian[1], gaussian[2], gaussian[3], gap)


def moments(joint: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviations, (2,) each, of masses whose logarithms (N,), up to a constant, are on cells z."""
    mass = torch.softmax(joint, 0)
    mean = mass @ z
    return mean, (mass @ (z - mean).square()).sqrt()


def elbo(model: LabelCVAE, pixels: Tensor, label: Tensor, q: Gaussian) -> Tensor:
    """E_q[log p(x | z, c)] - KL(q || p(z)) of one picture (784,), in nats, by Gauss-Hermite quadrature."""
    nodes, weights = (torch.from_numpy(a).to(q.mu) for a in np.polynomial.hermite_e.hermegauss(NODES))
    z = q.mu + torch.exp(0.5 * q.logvar) * torch.cartesian_prod(nodes, nodes)
    log_p = pixel_log_likelihood(model.likelihood(z, label.expand(len(z))), pixels).sum(1)
    weights = torch.outer(weights, weights).flatten() / weights.sum() ** 2
    return weights @ log_p - kl_to_standard(*q).sum()


# --- as JSON --------------------------------------------------------------------------------------------------------


def as_json(posterior: Posterior) -> dict[str, Any]:
    """A posterior as JSON values of about 1 kB; the density in bytes, which `from_json` gives back within 1 %."""
    levels = (LEVELS * np.sqrt(posterior.density)).round().astype(np.uint8)
    numbers = {name: np.round(getattr(posterior, name), 4).tolist() for name in GAUSSIANS}
    return {
        "label": posterior.label, "picture": _pack(posterior.picture), "density": _pack(levels),
        "window": [round(x, 4) for x in posterior.window], "gap": [round(x, 3) for x in posterior.gap],
    } | numbers  # fmt: skip


def from_json(values: dict[str, Any]) -> Posterior:
    """What `as_json` stored. Raises LookupError, TypeError or ValueError for other values."""
    mean, sigma, q_mean, q_sigma = (np.array(values[name], float).reshape(2) for name in GAUSSIANS)
    density = (_unpack(values["density"], SIDE) / LEVELS) ** 2
    window, gap = Window(*map(float, values["window"])), Gap(*map(float, values["gap"]))
    if not np.isfinite([*mean, *sigma, *q_mean, *q_sigma, *window, *gap]).all() or min(*sigma, *q_sigma) <= 0:
        raise ValueError("expected finite numbers, and standard deviations above 0")
    picture = _unpack(values["picture"], PICTURE)
    return Posterior(int(values["label"]), picture, window, density, mean, sigma, q_mean, q_sigma, gap)


def _pack(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()


def _unpack(text: str, side: int) -> np.ndarray:
    """(side, side) bytes. Unpacks no more than that: a small file can hold gigabytes."""
    try:
        content = zlib.decompressobj().decompress(base64.b64decode(text), side * side + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    return np.frombuffer(content, np.uint8).reshape(side, side)
