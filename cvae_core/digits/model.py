"""Structured prediction of hidden quadrants (Sohn, Lee and Yan 2015) and the label-conditioned CVAE of report 003.

Shapes: B images, P = 784 pixels in [0, 1], Z latent. The likelihood of a grey pixel is a Bernoulli's cross entropy, as
in paper and report; it is summed over the pixels that are predicted.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.digits.config import OBJECTIVES, DigitsConfig
from cvae_core.digits.data import LABELS, PIXELS, QUADRANTS, pixel_mask
from cvae_core.errors import UserError
from cvae_core.latent import log_mean_exp, log_normal, reparameterize

DECODED = 2_048  # samples decoded at once by `log_likelihood`


class Residual(nn.Module):
    """x + W SiLU(LayerNorm(x)), a residual layer with its activation first (He et al. 2016)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        return x + self.linear(F.silu(self.norm(x)))


def mlp(inputs: int, outputs: int, config: DigitsConfig) -> nn.Sequential:
    """(..., inputs) -> (..., outputs); the first and last layers are linear."""
    width = config.hidden_size
    if config.layers == "residual":
        residual = [Residual(width) for _ in range(config.hidden_layers)]
        return nn.Sequential(nn.Linear(inputs, width), *residual, nn.SiLU(), nn.Linear(width, outputs))
    sizes = [inputs] + [width] * config.hidden_layers
    layers = [part for a, b in zip(sizes, sizes[1:], strict=False) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


class GaussianMLP(nn.Sequential):
    """An MLP whose output is a diagonal Gaussian over z."""

    def __init__(self, inputs: int, config: DigitsConfig):
        super().__init__(*mlp(inputs, 2 * config.latent_size, config))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs) -> mean and log variance, (B, Z) each, in float32."""
        return super().forward(x).float().chunk(2, 1)


def pixel_log_likelihood(logits: Tensor, pixels: Tensor) -> Tensor:
    """Bernoulli log-likelihood of each grey pixel, in nats; the shapes broadcast."""
    return pixels * logits - F.softplus(logits)


# --- quadrants ------------------------------------------------------------------------------------------------------


class Condition(nn.Module):
    """The paper's x: the visible pixels, the baseline's guess at the others, and which quadrants are visible."""

    def __init__(self, config: DigitsConfig):
        super().__init__()
        self.baseline = mlp(PIXELS + QUADRANTS, PIXELS, config)

    def forward(self, pixels: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (B, P), visible (B, 4) bool -> the baseline's logits (B, P) and the condition (B, P + 4).

        The baseline's guess is detached: the losses of the other networks do not train it.
        """
        mask, flags = pixel_mask(visible), visible.to(pixels.dtype)
        logits = self.baseline(torch.cat([pixels * mask, flags], 1))
        guess = torch.sigmoid(logits.detach()).to(pixels.dtype)
        return logits, torch.cat([torch.where(mask, pixels, guess), flags], 1)


class Branch(nn.Module):
    """The model of one objective: `posterior` q(z | x, y), `prior` p(z | x) and `likelihood` p(y | x, z).

    The paper calls their networks recognition, prior and generation. A GSNN has no posterior.
    """

    def __init__(self, config: DigitsConfig, has_posterior: bool):
        super().__init__()
        inputs = PIXELS + QUADRANTS
        self.recognition = GaussianMLP(inputs, config) if has_posterior else None
        self.prior = GaussianMLP(inputs, config)
        self.generation = mlp(config.latent_size + inputs, PIXELS, config)

    def posterior(self, pixels: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """q(z | x, y), given all pixels (B, P) and visible (B, 4) bool: mean and log variance, (B, Z) each."""
        assert self.recognition is not None
        return self.recognition(torch.cat([pixels, visible.to(pixels.dtype)], 1))

    def likelihood(self, z: Tensor, condition: Tensor, guess: Tensor, wanted: Tensor | slice = slice(None)) -> Tensor:
        """p(y | x, z): logits (..., B, wanted) of the Bernoullis of the wanted pixels, from z (..., B, Z).

        The network's output is added to the baseline's logits `guess` (B, P). The condition's part of the first layer
        is computed once for all z of an image.
        """
        first, *rest, last = self.generation  # first and last are linear
        split = z.shape[-1]
        hidden = F.linear(z, first.weight[:, :split]) + F.linear(condition, first.weight[:, split:], first.bias)
        for layer in rest:
            hidden = layer(hidden)
        return guess[:, wanted] + F.linear(hidden, last.weight[wanted], last.bias[wanted])


class QuadrantCVAE(nn.Module):
    """The baseline with its condition, and a branch for each objective of the config."""

    def __init__(self, config: DigitsConfig):
        super().__init__()
        self.config = config
        self.condition = Condition(config)
        names = OBJECTIVES if config.objective == "all" else (config.objective,)
        self.branches = nn.ModuleDict({name: Branch(config, has_posterior=name != "gsnn") for name in names})


@torch.no_grad()
def log_weights(
    model: QuadrantCVAE,
    objective: str,
    read: Tensor,
    visible: Tensor,
    samples: int,
    generator: torch.Generator,
    importance: bool = True,
) -> Tensor:
    """Logarithms of samples whose mean estimates p(y | x) of each image's hidden pixels: (R, S, B).

    By importance sampling from the posterior (paper, eq. 6), or by plain Monte Carlo from the prior (eq. 5). The pixels
    are read in R ways (R, B, P), of which the networks get the first, with visible (B, 4) bool; each z is decoded once
    for all. Importance sampling allows that: z may be drawn from the posterior of another reading than the one that is
    scored. Raises UserError for importance sampling of a GSNN.
    """
    branch = model.branches[objective]
    if importance and branch.recognition is None:
        raise UserError(f"{objective} has no recognition network: its likelihood is estimated from the prior.")
    pixels, hidden = read[0], ~pixel_mask(visible)
    wanted = hidden.any(0).nonzero()[:, 0]  # pixels that are hidden in any image
    guess, condition = model.condition(pixels, visible)
    mu_p, logvar_p = branch.prior(condition)
    mu, logvar = branch.posterior(pixels, visible) if importance else (mu_p, logvar_p)
    z = reparameterize(mu.expand(samples, -1, -1), logvar.expand(samples, -1, -1), generator)
    logits, mask = branch.likelihood(z, condition, guess, wanted), hidden[:, wanted].to(pixels.dtype)
    log_p = torch.einsum("sbw,rbw->rsb", logits, read[..., wanted] * mask)  # linear in the pixels
    log_p = log_p - torch.einsum("sbw,bw->sb", F.softplus(logits), mask)
    return log_p + log_normal(z, mu_p, logvar_p) - log_normal(z, mu, logvar) if importance else log_p


def log_likelihood(
    model: QuadrantCVAE,
    objective: str,
    read: Tensor,
    visible: Tensor,
    samples: int,
    generator: torch.Generator,
    importance: bool = True,
) -> Tensor:
    """Estimate log p(y | x) of each image's hidden pixels by the mean of `log_weights`: (R, B, P), (B, 4) -> (R, B)."""
    step = max(1, DECODED // samples)
    return torch.cat([
        log_mean_exp(log_weights(model, objective, part, rows, samples, generator, importance), 1)
        for part, rows in zip(read.split(step, 1), visible.split(step), strict=True)
    ], 1)  # fmt: skip


# --- label ----------------------------------------------------------------------------------------------------------


class LabelCVAE(nn.Module):
    """Report 003's second half: prior N(0, I), `posterior` q(z | picture, label), `likelihood` p(picture | z, label).

    The label is one-hot; without `conditional` neither network gets it, and the model is a plain VAE.
    """

    def __init__(self, config: DigitsConfig):
        super().__init__()
        self.config = config
        condition_width = LABELS if config.conditional else 0
        self.encoder = GaussianMLP(PIXELS + condition_width, config)
        self.decoder = mlp(config.latent_size + condition_width, PIXELS, config)

    def posterior(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """q(z | picture, label) from pixels (B, P) and labels (B,): mean and log variance, (B, Z) each."""
        return self.encoder(self._with_label(pixels, labels))

    def likelihood(self, z: Tensor, labels: Tensor) -> Tensor:
        """p(picture | z, label) from z (B, Z) and labels (B,): logits (B, P) of the pixels' Bernoullis."""
        return self.decoder(self._with_label(z, labels))

    def _with_label(self, x: Tensor, labels: Tensor) -> Tensor:
        return torch.cat([x, F.one_hot(labels, LABELS).to(x.dtype)], 1) if self.config.conditional else x


def build(config: DigitsConfig) -> QuadrantCVAE | LabelCVAE:
    """A model with weights drawn from the config's seed; the global generator keeps its state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return (QuadrantCVAE if config.task == "quadrants" else LabelCVAE)(config)
