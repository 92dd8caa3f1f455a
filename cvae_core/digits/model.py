"""Structured prediction of hidden quadrants (Sohn, Lee and Yan 2015) and the label-conditioned CVAE of source 003.

Shapes: B images, P = 784 pixels in [0, 1], Z latent. Pixels are grey and their likelihood is a Bernoulli's cross
entropy, as in both sources; it is summed over the pixels that are predicted.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.digits.config import OBJECTIVES, DigitsConfig
from cvae_core.digits.data import LABELS, PIXELS, QUADRANTS, pixel_mask
from cvae_core.errors import UserError
from cvae_core.latent import log_mean_exp, log_normal


class Residual(nn.Module):
    """x + W SiLU(LayerNorm(x)), a residual layer with its activation first (He et al. 2016)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear(F.silu(self.norm(x)))


def mlp(inputs: int, outputs: int, config: DigitsConfig) -> nn.Sequential:
    """(..., inputs) -> (..., outputs); its first and last layers are linear."""
    if config.layers == "residual":
        width = config.hidden_size
        middle = [Residual(width) for _ in range(config.hidden_layers)]
        return nn.Sequential(nn.Linear(inputs, width), *middle, nn.SiLU(), nn.Linear(width, outputs))
    sizes = [inputs] + [config.hidden_size] * config.hidden_layers
    layers = [part for a, b in zip(sizes, sizes[1:], strict=False) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


def pixel_log_likelihood(logits: Tensor, pixels: Tensor) -> Tensor:
    """Bernoulli log-likelihood of each grey pixel, in nats; the shapes broadcast."""
    return pixels * logits - F.softplus(logits)


# --- quadrants ------------------------------------------------------------------------------------------------------


class Condition(nn.Module):
    """x of the paper: the pixels seen, with the baseline's guess at the others, and which quadrants are seen."""

    def __init__(self, config: DigitsConfig):
        super().__init__()
        self.baseline = mlp(PIXELS + QUADRANTS, PIXELS, config)

    def forward(self, pixels: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (B, P), seen (B, 4) bool -> the baseline's logits (B, P) and the condition (B, P + 4).

        The guess reaches the other networks as a number: their losses do not train the baseline.
        """
        mask, flags = pixel_mask(seen), seen.to(pixels.dtype)
        logits = self.baseline(torch.cat([pixels * mask, flags], 1))
        guess = torch.sigmoid(logits.detach()).to(pixels.dtype)
        return logits, torch.cat([torch.where(mask, pixels, guess), flags], 1)


class Branch(nn.Module):
    """The networks of one objective: recognition q(z | x, y), prior p(z | x) and generation p(y | x, z)."""

    def __init__(self, config: DigitsConfig, recognises: bool):
        super().__init__()
        inputs = PIXELS + QUADRANTS
        self.recognition = mlp(inputs, 2 * config.latent_size, config) if recognises else None
        self.prior = mlp(inputs, 2 * config.latent_size, config)
        self.generation = mlp(config.latent_size + inputs, PIXELS, config)

    def recognise(self, pixels: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """q(z | x, y), of x and y as one whole picture: mean and log variance, (B, Z) each."""
        return self.recognition(torch.cat([pixels, seen.to(pixels.dtype)], 1)).float().chunk(2, 1)

    def expect(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """p(z | x): mean and log variance, (B, Z) each."""
        return self.prior(condition).float().chunk(2, 1)

    def generate(self, z: Tensor, condition: Tensor, guess: Tensor, wanted: Tensor | slice = slice(None)) -> Tensor:
        """Logits (..., B, P) of y from z (..., B, Z): what z changes about the baseline's guess, at the wanted pixels.

        The condition's part of the first layer is computed once for all z of an image.
        """
        first, *rest, last = self.generation  # linear, whatever is between
        split = z.shape[-1]
        hidden = F.linear(z, first.weight[:, :split]) + F.linear(condition, first.weight[:, split:], first.bias)
        for layer in rest:
            hidden = layer(hidden)
        return guess[:, wanted] + F.linear(hidden, last.weight[wanted], last.bias[wanted])


class QuadrantCVAE(nn.Module):
    def __init__(self, config: DigitsConfig):
        super().__init__()
        self.config = config
        self.condition = Condition(config)
        names = OBJECTIVES if config.objective == "all" else (config.objective,)
        self.branches = nn.ModuleDict({name: Branch(config, recognises=name != "gsnn") for name in names})


@torch.no_grad()
def log_weights(
    model: QuadrantCVAE,
    objective: str,
    pixels: Tensor,
    seen: Tensor,
    samples: int,
    generator: torch.Generator,
    importance: bool = True,
) -> Tensor:
    """Draws whose mean, not in log space, is p(y | x) of each image's hidden pixels: (B, P), (B, 4) -> (S, B).

    By importance sampling from the recognition network (paper, eq. 6), or by plain Monte Carlo from the prior (eq. 5).
    """
    branch = model.branches[objective]
    if importance and branch.recognition is None:
        raise UserError(f"{objective} has no recognition network: its likelihood is estimated from the prior.")
    guess, condition = model.condition(pixels, seen)
    mu_p, logvar_p = branch.expect(condition)
    mu, logvar = branch.recognise(pixels, seen) if importance else (mu_p, logvar_p)
    eps = torch.randn((samples, *mu.shape), generator=generator, device=mu.device)
    z = mu + torch.exp(0.5 * logvar) * eps
    hidden = ~pixel_mask(seen)
    wanted = hidden.any(0).nonzero()[:, 0]  # no more than some image hides
    logits = branch.generate(z, condition, guess, wanted)  # (S, B, wanted)
    found = (pixel_log_likelihood(logits, pixels[:, wanted]) * hidden[:, wanted]).sum(-1)
    return found + log_normal(z, mu_p, logvar_p) - log_normal(z, mu, logvar) if importance else found


def log_likelihood(
    model: QuadrantCVAE,
    objective: str,
    pixels: Tensor,
    seen: Tensor,
    samples: int,
    generator: torch.Generator,
    importance: bool = True,
    together: int = 2_048,
) -> Tensor:
    """Estimate log p(y | x) of each image's hidden pixels as `log_weights` says: (B, P), (B, 4) -> (B,).

    All of it in log space; at most `together` draws are decoded at once.
    """
    step = max(1, together // samples)
    return torch.cat([
        log_mean_exp(log_weights(model, objective, part, shown, samples, generator, importance), 0)
        for part, shown in zip(pixels.split(step), seen.split(step), strict=True)
    ])  # fmt: skip


# --- label ----------------------------------------------------------------------------------------------------------


class LabelCVAE(nn.Module):
    """Source 003's second half: encoder and decoder are told the label as one-hot; z ~ N(0, I)."""

    def __init__(self, config: DigitsConfig):
        super().__init__()
        self.config = config
        told = LABELS if config.conditional else 0
        self.encoder = mlp(PIXELS + told, 2 * config.latent_size, config)
        self.decoder = mlp(config.latent_size + told, PIXELS, config)

    def encode(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | picture, label): (B, Z) each."""
        return self.encoder(self._told(pixels, labels)).float().chunk(2, 1)

    def decode(self, z: Tensor, labels: Tensor) -> Tensor:
        """Logits (B, P)."""
        return self.decoder(self._told(z, labels))

    def _told(self, x: Tensor, labels: Tensor) -> Tensor:
        return torch.cat([x, F.one_hot(labels, LABELS).to(x.dtype)], 1) if self.config.conditional else x


def build(config: DigitsConfig) -> QuadrantCVAE | LabelCVAE:
    """A model with weights drawn from the config's seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return (QuadrantCVAE if config.task == "quadrants" else LabelCVAE)(config)
