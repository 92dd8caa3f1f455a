"""A trained model of digits ready to use: completions, pictures of a label, and the map of a two-dimensional latent."""

import torch
from torch import Tensor

from cvae_core.digits.config import DigitsConfig
from cvae_core.digits.data import LABELS, pixel_mask
from cvae_core.digits.model import LabelCVAE, QuadrantCVAE, build, log_weights
from cvae_core.errors import UserError
from cvae_core.latent import reparameterize
from cvae_core.load import load_model


def load(name_or_path: str, device: torch.device | str = "cpu") -> QuadrantCVAE | LabelCVAE:
    """A shipped checkpoint by name, a run's by its id, or any file of this program by path, in eval mode."""
    return load_model(name_or_path, "digits", DigitsConfig, build, device)[0]


@torch.no_grad()
def complete(
    model: QuadrantCVAE, pixels: Tensor, seen: tuple[bool, ...], n: int, seed: int, objective: str = "cvae"
) -> tuple[Tensor, Tensor]:
    """What the model makes of one picture's hidden quadrants: the baseline's guess (784,) and n draws (n, 784).

    Pixels (784,) in [0, 1], of which only those seen are read. The mean of the draws is the paper's prediction of
    highest expected likelihood (eq. 4).
    """
    shown = torch.tensor(seen, device=pixels.device)[None]
    guess, condition = model.condition(pixels[None], shown)
    branch = model.branches[objective]
    mu, logvar = branch.expect(condition)
    generator = torch.Generator(pixels.device).manual_seed(seed)
    z = reparameterize(mu.expand(n, -1), logvar.expand(n, -1), generator)
    drawn = torch.sigmoid(branch.generate(z, condition, guess))
    mask = pixel_mask(shown)
    return torch.where(mask, pixels, torch.sigmoid(guess))[0], torch.where(mask, pixels, drawn)


@torch.no_grad()
def estimates(
    model: QuadrantCVAE, pixels: Tensor, seen: tuple[bool, ...], draws: int, seed: int, times: int, importance: bool
) -> Tensor:
    """log p(y | x) of one picture's hidden pixels, estimated with 1, 2, ... draws, several times: (times, draws)."""
    generator = torch.Generator(pixels.device).manual_seed(seed)
    shown = torch.tensor(seen, device=pixels.device).expand(times, -1)
    weights = log_weights(model, "cvae", pixels.expand(times, -1), shown, draws, generator, importance)
    return (torch.logcumsumexp(weights, 0) - torch.arange(1, draws + 1, device=weights.device).log()[:, None]).T


@torch.no_grad()
def manifold(model: LabelCVAE, label: int, steps: int) -> Tensor:
    """The pictures of a label over a two-dimensional latent: (steps, steps, 784), top to bottom and left to right.

    Places are the normal distribution's quantiles, so that each stands for an equal share of the prior.
    """
    if model.config.latent_size != 2:
        raise UserError(f"The model's latent has {model.config.latent_size} dimensions: a map needs 2.")
    quantiles = (torch.arange(steps) + 0.5) / steps
    places = torch.special.ndtri(quantiles)
    z = torch.cartesian_prod(places.flip(0), places).flip(1)  # first coordinate to the right, second upwards
    return torch.sigmoid(model.decode(z, torch.full((len(z),), label))).view(steps, steps, -1)


@torch.no_grad()
def sheet(model: LabelCVAE, columns: int, seed: int) -> Tensor:
    """Samples (10, columns, 784): a row for each label and a column for each z; without labels, each from its own z."""
    generator = torch.Generator().manual_seed(seed)
    rows = 1 if model.config.conditional else LABELS
    z = torch.randn(rows, columns, model.config.latent_size, generator=generator).expand(LABELS, -1, -1)
    labels = torch.arange(LABELS).repeat_interleave(columns)
    return torch.sigmoid(model.decode(z.flatten(0, 1), labels)).view(LABELS, columns, -1)
