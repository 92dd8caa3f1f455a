"""Negative log-likelihoods of digits, in nats per image, as `evaluate digits` prints them.

Shapes: B images, P = 784 pixels, R readings of the same pixels.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.digits import data, exact
from cvae_core.digits.data import TASKS, Digits, pixel_mask
from cvae_core.digits.model import LabelCVAE, QuadrantCVAE, log_likelihood, pixel_log_likelihood
from cvae_core.errors import UserError
from cvae_core.latent import kl_between, kl_to_standard, reparameterize

MC_IMAGES, MC_SAMPLES = 1_000, 1_000
IS_SAMPLES = 100
CHUNK = 1_000
EXACT_IMAGES = 100  # of a label model's test images, whose gap is computed
READINGS = {  # in the order of `readings`
    "nll": "grey pixels",
    "nll_thresholded": "pixels thresholded at one half",
    "nll_binarised": "pixels binarised once at random",
}


def readings(pixels: Tensor, seed: int) -> Tensor:
    """Grey pixels (B, P) in [0, 1] read in three ways: as they are, thresholded at 1/2, binarised at random: (3, B, P).

    In the third a pixel is 1 with its grey level as the probability, drawn once (Salakhutdinov and Murray 2008).
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(pixels.shape, generator=generator).to(pixels.device) < pixels
    return torch.stack([pixels, (pixels > 0.5).to(pixels.dtype), drawn.to(pixels.dtype)])


def picture_log_likelihood(samples: Tensor, pixels: Tensor, hidden: Tensor) -> Tensor:
    """log p(y | x, z) of a picture's hidden pixels under samples (n, P) of probabilities: (P,), (P,) bool -> (n,)."""
    return -F.binary_cross_entropy(samples[:, hidden], pixels[hidden].expand(len(samples), -1), reduction="none").sum(1)


@torch.no_grad()
def baseline_nll(model: QuadrantCVAE, read: Tensor, visible: Tensor) -> Tensor:
    """NLL of the hidden pixels of each image under the deterministic baseline, in nats: (R, B).

    Of the readings (R, B, P) the networks get the first, with visible (B, 4) bool.
    """
    guess, _ = model.condition(read[0], visible)
    return -(pixel_log_likelihood(guess, read) * ~pixel_mask(visible)).sum(-1)


@torch.no_grad()
def negative_elbo(
    model: QuadrantCVAE, objective: str, read: Tensor, visible: Tensor, generator: torch.Generator
) -> Tensor:
    """The mean negative ELBO of each reading's hidden pixels in nats, one z from each posterior (paper, eq. 3): (R,).

    Of the readings (R, B, P) the networks get the first, with visible (B, 4) bool. For a GSNN, which has no posterior,
    the cross entropy with z from the prior, also a bound (eq. 8).
    """
    branch = model.branches[objective]
    total = torch.zeros(len(read), dtype=torch.float64)
    for part, quadrants in zip(read.split(CHUNK, 1), visible.split(CHUNK), strict=True):
        guess, condition = model.condition(part[0], quadrants)
        prior = branch.prior(condition)
        mu, logvar = prior if branch.recognition is None else branch.posterior(part[0], quadrants)
        logits = branch.likelihood(reparameterize(mu, logvar, generator), condition, guess)
        log_p = (pixel_log_likelihood(logits, part) * ~pixel_mask(quadrants)).sum(-1)
        total += (kl_between(mu, logvar, *prior).sum(1) - log_p).sum(1).double().cpu()
    return total / read.shape[1]


def monte_carlo_nll(
    model: QuadrantCVAE, objective: str, read: Tensor, visible: Tensor, generator: torch.Generator
) -> Tensor:
    """The mean NLL of each reading (R, B, P) by 1,000 samples of the prior for each image, in nats: (R,)."""
    return -log_likelihood(model, objective, read, visible, MC_SAMPLES, generator, importance=False).mean(1)


@torch.no_grad()
def label_negative_elbo(model: LabelCVAE, pixels: Tensor, labels: Tensor, generator: torch.Generator) -> float:
    """Negative ELBO of pictures (B, 784) given their labels (B,), in nats per image, one z from each posterior."""
    mu, logvar = model.posterior(pixels, labels)
    logits = model.likelihood(reparameterize(mu, logvar, generator), labels)
    return float((kl_to_standard(mu, logvar).sum(1) - pixel_log_likelihood(logits, pixels).sum(1)).mean())


def evaluate(model: QuadrantCVAE | LabelCVAE, digits: Digits, seed: int = 0) -> dict[str, Any]:
    """Scores on the test images, in nats per image, by the number of visible quadrants and by model and estimate.

    `nll` reads the pixels as grey, `nll_thresholded` and `nll_binarised` as `readings` has them; the networks get grey
    pixels in all three. In each, `cvae_elbo` is the negative ELBO of all images, `cvae_is` importance sampling with 100
    samples for each, `cvae_mc` 1,000 samples from the prior for each of the first 1,000; as these are harder than the
    others, `baseline_first` and `cvae_is_first` are the scores of these images alone. `gsnn` has 100 samples from the
    prior for each image; `hybrid` is estimated like `cvae_is`, `hybrid_elbo` and `hybrid_mc` like the CVAE's. For a
    label model `nll` is one number, the negative ELBO, and with two latent dimensions `gap` has the exact means of the
    first 100 images. Raises UserError for quadrants without a CVAE.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    pixels, labels = (part.to(device) for part in digits.test)
    pixels = pixels.float() / 255
    scores = {"data": digits.name, "images": len(pixels)}
    if isinstance(model, LabelCVAE):
        scores["nll"] = label_negative_elbo(model, pixels, labels, generator)
        if model.config.latent_size == 2:
            scores["gap"] = exact.mean_gap(model, pixels[:EXACT_IMAGES], labels[:EXACT_IMAGES])
        return scores
    if "cvae" not in model.branches:
        raise UserError("The checkpoint has no CVAE to evaluate: train with objective all or cvae.")
    read = readings(pixels, seed)
    tables: dict[str, dict] = {reading: {} for reading in READINGS}
    for name, quadrants in TASKS.items():
        columns = _quadrant_scores(model, read, quadrants, generator)
        for i, reading in enumerate(READINGS):
            tables[reading][name] = {column: float(values[i]) for column, values in columns.items()}
    return scores | tables


def _quadrant_scores(
    model: QuadrantCVAE, read: Tensor, quadrants: tuple[bool, ...], generator: torch.Generator
) -> dict[str, Tensor]:
    """NLL of each reading (R, B, P) with these quadrants visible, by model and estimate: (R,) each."""
    visible = torch.tensor(quadrants, device=read.device).expand(read.shape[1], data.QUADRANTS)

    def estimate(objective: str, importance: bool = True) -> Tensor:
        return -log_likelihood(model, objective, read, visible, IS_SAMPLES, generator, importance)

    def monte_carlo(objective: str) -> Tensor:
        return monte_carlo_nll(model, objective, read[:, :MC_IMAGES], visible[:MC_IMAGES], generator)

    baseline, cvae_is = baseline_nll(model, read, visible), estimate("cvae")
    scores = {
        "baseline": baseline.mean(1),
        "baseline_first": baseline[:, :MC_IMAGES].mean(1),
        "cvae_elbo": negative_elbo(model, "cvae", read, visible, generator),
        "cvae_is": cvae_is.mean(1),
        "cvae_is_first": cvae_is[:, :MC_IMAGES].mean(1),
        "cvae_mc": monte_carlo("cvae"),
    }
    if "hybrid" in model.branches:
        scores |= {
            "hybrid_elbo": negative_elbo(model, "hybrid", read, visible, generator),
            "hybrid": estimate("hybrid").mean(1),
            "hybrid_mc": monte_carlo("hybrid"),
        }
    if "gsnn" in model.branches:
        scores["gsnn"] = estimate("gsnn", importance=False).mean(1)
    return scores


def as_table(scores: dict[str, Any]) -> str:
    """The result of `evaluate` as text."""
    lines = [f"{scores['data']}, {scores['images']:,} test images; negative log-likelihood in nats per image"]
    if not isinstance(scores["nll"], dict):
        lines.append(f"negative ELBO {scores['nll']:.2f}")
        if "gap" in scores:
            lines.append(
                "exact, first images: log p(x | c) {log_p:.2f}, ELBO {elbo:.2f}; gap: approximation "
                "{approximation:.2f}, amortisation {amortisation:.2f}".format(**scores["gap"])
            )
        return "\n".join(lines)
    for reading, title in READINGS.items():
        table = scores[reading]
        lines += ["", title, f"{'visible quadrants':<18}" + "".join(f"{quadrants:>8}" for quadrants in table)]
        for name in table["1"]:
            lines.append(f"{name:<18}" + "".join(f"{row[name]:8.2f}" for row in table.values()))
    return "\n".join(lines)
