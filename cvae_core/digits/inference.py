"""Inference with a trained digits model: completions, samples by label, the map of a two-dimensional latent space."""

import torch
from torch import Tensor

from cvae_core.digits.config import DigitsConfig
from cvae_core.digits.data import LABELS, pixel_mask
from cvae_core.digits.model import LabelCVAE, QuadrantCVAE, build, log_weights
from cvae_core.errors import UserError
from cvae_core.latent import reparameterize
from cvae_core.load import load_model


def load(name_or_path: str, device: torch.device | str = "cpu") -> QuadrantCVAE | LabelCVAE:
    """Load a model in eval mode: a shipped checkpoint by name, a run's by its id, or a file by its path.

    Raises UserError if there is none, or if it is damaged or of another system.
    """
    return load_model(name_or_path, "digits", DigitsConfig, build, device)[0]


@torch.no_grad()
def complete(
    model: QuadrantCVAE, pixels: Tensor, visible: tuple[bool, ...], n: int, seed: int, objective: str = "cvae"
) -> tuple[Tensor, Tensor]:
    """Complete the hidden quadrants of one picture: the baseline's guess (784,) and n samples (n, 784), in [0, 1].

    Of the pixels (784,) in [0, 1] only those of the visible quadrants are used. The mean of the samples is the paper's
    prediction of highest expected likelihood (eq. 4).
    """
    quadrants = torch.tensor(visible, device=pixels.device)[None]
    guess, condition = model.condition(pixels[None], quadrants)
    branch = model.branches[objective]
    mu, logvar = branch.prior(condition)
    generator = torch.Generator(pixels.device).manual_seed(seed)
    z = reparameterize(mu.expand(n, -1), logvar.expand(n, -1), generator)
    samples = torch.sigmoid(branch.likelihood(z, condition, guess))
    mask = pixel_mask(quadrants)
    return torch.where(mask, pixels, torch.sigmoid(guess))[0], torch.where(mask, pixels, samples)


@torch.no_grad()
def estimates(
    model: QuadrantCVAE, pixels: Tensor, visible: tuple[bool, ...], n: int, seed: int, times: int, importance: bool
) -> Tensor:
    """log p(y | x) of one picture's hidden pixels in nats, from 1, 2, ..., n samples, several times: (times, n)."""
    generator = torch.Generator(pixels.device).manual_seed(seed)
    quadrants = torch.tensor(visible, device=pixels.device).expand(times, -1)
    weights = log_weights(model, "cvae", pixels.expand(1, times, -1), quadrants, n, generator, importance)[0]
    return (torch.logcumsumexp(weights, 0) - torch.arange(1, n + 1, device=weights.device).log()[:, None]).T


@torch.no_grad()
def manifold(model: LabelCVAE, label: int, steps: int) -> Tensor:
    """Decode a label over a grid of a two-dimensional latent space: (steps, steps, 784), rows from the top.

    The grid points are quantiles of N(0, 1), so that each covers an equal share of the prior. Raises UserError for a
    model with another number of latent dimensions.
    """
    if model.config.latent_size != 2:
        raise UserError(f"The model's latent has {model.config.latent_size} dimensions: a map needs 2.")
    quantiles = (torch.arange(steps) + 0.5) / steps
    points = torch.special.ndtri(quantiles)
    z = torch.cartesian_prod(points.flip(0), points).flip(1)  # first coordinate to the right, second upwards
    return torch.sigmoid(model.likelihood(z, torch.full((len(z),), label))).view(steps, steps, -1)


@torch.no_grad()
def sheet(model: LabelCVAE, columns: int, seed: int) -> Tensor:
    """Samples (10, columns, 784): one row per label and one column per z; unconditional models: a new z for each."""
    generator = torch.Generator().manual_seed(seed)
    if model.config.conditional:
        return with_all_labels(model, torch.randn(columns, model.config.latent_size, generator=generator))
    z = torch.randn(LABELS * columns, model.config.latent_size, generator=generator)
    labels = torch.zeros(len(z), dtype=torch.long)  # which this model does not get
    return torch.sigmoid(model.likelihood(z, labels)).view(LABELS, columns, -1)


@torch.no_grad()
def with_all_labels(model: LabelCVAE, z: Tensor) -> Tensor:
    """Decode each z (n, Z) with each of the ten labels: (10, n, 784)."""
    labels = torch.arange(LABELS, device=z.device).repeat_interleave(len(z))
    return torch.sigmoid(model.likelihood(z.repeat(LABELS, 1), labels)).view(LABELS, len(z), -1)


@torch.no_grad()
def style(model: LabelCVAE, pixels: Tensor, label: int) -> Tensor:
    """What a label leaves open, the posterior mean of one picture (784,): (Z,)."""
    return model.posterior(pixels[None], torch.tensor([label], device=pixels.device))[0][0]
