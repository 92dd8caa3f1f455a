"""Negative log-likelihoods of digits, in nats per image, as `evaluate digits` prints them."""

import torch
from torch import Tensor

from cvae_core.digits import data
from cvae_core.digits.data import TASKS, Digits, pixel_mask
from cvae_core.digits.model import LabelCVAE, QuadrantCVAE, log_likelihood, pixel_log_likelihood
from cvae_core.errors import UserError
from cvae_core.latent import kl_between, kl_to_standard, reparameterize

MC_IMAGES, MC_SAMPLES = 1_000, 1_000
IS_SAMPLES = 100
CHUNK = 1_000


@torch.no_grad()
def baseline_nll(model: QuadrantCVAE, pixels: Tensor, visible: Tensor) -> float:
    """NLL of the hidden pixels under the deterministic baseline, nats per image: (B, 784), (B, 4) bool."""
    guess, _ = model.condition(pixels, visible)
    return -float((pixel_log_likelihood(guess, pixels) * ~pixel_mask(visible)).sum(1).mean())


@torch.no_grad()
def negative_elbo(
    model: QuadrantCVAE, objective: str, pixels: Tensor, visible: Tensor, generator: torch.Generator
) -> float:
    """Negative ELBO of the hidden pixels in nats per image, one z from each posterior (paper, eq. 3).

    For a GSNN, which has no posterior, the cross entropy with z from the prior, also a bound (eq. 8).
    """
    branch = model.branches[objective]
    total = 0.0
    for part, quadrants in zip(pixels.split(CHUNK), visible.split(CHUNK), strict=True):
        guess, condition = model.condition(part, quadrants)
        prior = branch.prior(condition)
        mu, logvar = prior if branch.recognition is None else branch.posterior(part, quadrants)
        logits = branch.likelihood(reparameterize(mu, logvar, generator), condition, guess)
        log_p = (pixel_log_likelihood(logits, part) * ~pixel_mask(quadrants)).sum(1)
        total += float((kl_between(mu, logvar, *prior).sum(1) - log_p).sum())
    return total / len(pixels)


@torch.no_grad()
def label_negative_elbo(model: LabelCVAE, pixels: Tensor, labels: Tensor, generator: torch.Generator) -> float:
    """Negative ELBO of pictures (B, 784) given their labels (B,), in nats per image, one z from each posterior."""
    mu, logvar = model.posterior(pixels, labels)
    logits = model.likelihood(reparameterize(mu, logvar, generator), labels)
    return float((kl_to_standard(mu, logvar).sum(1) - pixel_log_likelihood(logits, pixels).sum(1)).mean())


def evaluate(model: QuadrantCVAE | LabelCVAE, digits: Digits, seed: int = 0) -> dict:
    """Scores on the test images: `nll` by the number of visible quadrants and by model and estimate, nats per image.

    `cvae_elbo` is the negative ELBO of all images, `cvae_is` importance sampling with 100 samples for each, `cvae_mc`
    1,000 samples from the prior for each of the first 1,000. `gsnn` is estimated like `cvae_mc` and `hybrid` like
    `cvae_is`. For a label model `nll` is one number, the negative ELBO. Raises UserError for quadrants without a CVAE.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    pixels, labels = (part.to(device) for part in digits.test)
    pixels = pixels.float() / 255
    if isinstance(model, LabelCVAE):
        label_nll = label_negative_elbo(model, pixels, labels, generator)
        return {"data": digits.name, "images": len(pixels), "nll": label_nll}
    if "cvae" not in model.branches:
        raise UserError("The checkpoint has no CVAE to evaluate: train with objective all or cvae.")

    def estimate(objective: str, visible: Tensor, importance: bool) -> float:
        n, samples = (len(pixels), IS_SAMPLES) if importance else (MC_IMAGES, MC_SAMPLES)
        log_p = log_likelihood(model, objective, pixels[:n], visible[:n], samples, generator, importance)
        return -float(log_p.mean())

    nll: dict[str, dict[str, float]] = {}
    for name, quadrants in TASKS.items():
        visible = torch.tensor(quadrants, device=device).expand(len(pixels), data.QUADRANTS)
        scores = {
            "baseline": baseline_nll(model, pixels, visible),
            "cvae_elbo": negative_elbo(model, "cvae", pixels, visible, generator),
            "cvae_mc": estimate("cvae", visible, importance=False),
            "cvae_is": estimate("cvae", visible, importance=True),
        }
        if "gsnn" in model.branches:
            scores["gsnn"] = estimate("gsnn", visible, importance=False)
        if "hybrid" in model.branches:
            scores["hybrid"] = estimate("hybrid", visible, importance=True)
        nll[name] = scores
    return {"data": digits.name, "images": len(pixels), "nll": nll}


def as_table(scores: dict) -> str:
    """The result of `evaluate` as text."""
    lines = [f"{scores['data']}, {scores['images']:,} test images; negative log-likelihood in nats per image"]
    if not isinstance(scores["nll"], dict):
        return lines[0] + f"\nnegative ELBO {scores['nll']:.2f}"
    columns = list(scores["nll"]["1"])
    lines.append(f"{'visible quadrants':<18}" + "".join(f"{name:>12}" for name in columns))
    lines += [f"{n:<18}" + "".join(f"{row[name]:12.2f}" for name in columns) for n, row in scores["nll"].items()]
    return "\n".join(lines)
