"""Negative log-likelihoods of digits, in nats an image: what `evaluate digits` prints."""

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
def baseline(model: QuadrantCVAE, pixels: Tensor, seen: Tensor) -> float:
    """Of the deterministic network's one guess."""
    guess, _ = model.condition(pixels, seen)
    return -float((pixel_log_likelihood(guess, pixels) * ~pixel_mask(seen)).sum(1).mean())


@torch.no_grad()
def bound(model: QuadrantCVAE, objective: str, pixels: Tensor, seen: Tensor, generator: torch.Generator) -> float:
    """One draw of each image's variational bound, z from the recognition network (paper, eq. 3).

    A GSNN has none: cross entropy with z from the prior, which is a bound, too (eq. 8).
    """
    branch = model.branches[objective]
    total = 0.0
    for part, shown in zip(pixels.split(CHUNK), seen.split(CHUNK), strict=True):
        guess, condition = model.condition(part, shown)
        mu, logvar = prior = branch.expect(condition)
        if branch.recognition is not None:
            mu, logvar = branch.recognise(part, shown)
        logits = branch.generate(reparameterize(mu, logvar, generator), condition, guess)
        recon = (pixel_log_likelihood(logits, part) * ~pixel_mask(shown)).sum(1)
        total += float((kl_between(mu, logvar, *prior).sum(1) - recon).sum())
    return total / len(pixels)


@torch.no_grad()
def label_bound(model: LabelCVAE, pixels: Tensor, labels: Tensor, generator: torch.Generator) -> float:
    mu, logvar = model.encode(pixels, labels)
    logits = model.decode(reparameterize(mu, logvar, generator), labels)
    return float((kl_to_standard(mu, logvar).sum(1) - pixel_log_likelihood(logits, pixels).sum(1)).mean())


def evaluate(model: QuadrantCVAE | LabelCVAE, digits: Digits, seed: int = 0) -> dict:
    """Scores on the test images, by how many quadrants are seen: `nll` of each model and estimate.

    `cvae_elbo` is the bound on all images, `cvae_is` importance sampling with 100 draws on all, `cvae_mc` 1,000 draws
    from the prior on the first 1,000 images. `gsnn` is estimated like `cvae_mc` and `hybrid` like `cvae_is`.
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    pixels, labels = (part.to(device) for part in digits.test)
    pixels = pixels.float() / 255
    if isinstance(model, LabelCVAE):
        return {"data": digits.name, "images": len(pixels), "nll": label_bound(model, pixels, labels, generator)}
    if "cvae" not in model.branches:
        raise UserError("The checkpoint has no CVAE to evaluate: train with objective all or cvae.")

    nll: dict[str, dict[str, float]] = {}
    for name, quadrants in TASKS.items():
        seen = torch.tensor(quadrants, device=device).expand(len(pixels), data.QUADRANTS)
        few, few_seen = pixels[:MC_IMAGES], seen[:MC_IMAGES]

        def importance(objective: str, seen: Tensor = seen) -> float:
            return -float(log_likelihood(model, objective, pixels, seen, IS_SAMPLES, generator).mean())

        def monte_carlo(objective: str, few: Tensor = few, few_seen: Tensor = few_seen) -> float:
            found = log_likelihood(model, objective, few, few_seen, MC_SAMPLES, generator, importance=False)
            return -float(found.mean())

        scores = {
            "baseline": baseline(model, pixels, seen),
            "cvae_elbo": bound(model, "cvae", pixels, seen, generator),
            "cvae_mc": monte_carlo("cvae"),
            "cvae_is": importance("cvae"),
        }
        if "gsnn" in model.branches:
            scores["gsnn"] = monte_carlo("gsnn")
        if "hybrid" in model.branches:
            scores["hybrid"] = importance("hybrid")
        nll[name] = scores
    return {"data": digits.name, "images": len(pixels), "nll": nll}


def as_table(scores: dict) -> str:
    lines = [f"{scores['data']}, {scores['images']:,} test images; negative log-likelihood in nats an image"]
    if not isinstance(scores["nll"], dict):
        return lines[0] + f"\nbound {scores['nll']:.2f}"
    columns = list(scores["nll"]["1"])
    lines.append(f"{'quadrants seen':<16}" + "".join(f"{name:>12}" for name in columns))
    lines += [f"{n:<16}" + "".join(f"{row[name]:12.2f}" for name in columns) for n, row in scores["nll"].items()]
    return "\n".join(lines)
