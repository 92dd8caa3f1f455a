"""What `fit` trains on for digits: batches of images, the objectives, and the scores of an epoch."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.digits import data, metrics
from cvae_core.digits.config import DigitsConfig
from cvae_core.digits.data import PIXELS, SIDE, TASKS, Digits, Images, pixel_mask
from cvae_core.digits.model import Branch, LabelCVAE, build, pixel_log_likelihood
from cvae_core.latent import kl_between, kl_to_standard, reparameterize
from cvae_core.step import Step

VALIDATION_IMAGES = 2_000  # scored at each epoch's end
SCATTERED = 500  # places of validation images in the latent space, kept at each epoch


class Batch(NamedTuple):
    pixels: Tensor  # (B, 784) in [0, 1]
    labels: Tensor  # (B,)
    seen: Tensor  # (B, 4) bool


class DigitsTask:
    """See `task.Task`."""

    system = "digits"
    unit = "images"

    def __init__(self, config: DigitsConfig, digits: Digits, device: torch.device | str = "cpu"):
        self.config = config
        self.digits = digits
        self.model = build(config).to(device)
        self.device = torch.device(device)
        self.train = Images(*(part.to(device) for part in digits.train))
        self.description = f"{len(self.train.pixels):,} images of {digits.name}"
        kept = (part[:VALIDATION_IMAGES].to(device) for part in digits.validation)
        self.validation = Images(*kept)
        paper, every = torch.tensor(list(TASKS.values())), torch.tensor(list(data.hidden_choices()))
        self._choices = [paper[int(config.seen) - 1][None]] if config.seen in TASKS else [paper]
        if config.seen == "any":
            self._choices.append(every)

    def steps_per_epoch(self) -> int:
        return -(-len(self.train.pixels) // self.config.batch_size)

    def batches(self, step: Step) -> Iterator[Batch]:
        generator = step.generator
        order = torch.randperm(len(self.train.pixels), generator=generator)
        # A list of choices for each image, then one of the list.
        which = torch.randint(len(self._choices), order.shape, generator=generator)
        chance = torch.rand(order.shape, generator=generator)
        shown = [choices[(chance * len(choices)).long()] for choices in self._choices]
        seen = torch.stack(shown)[which, torch.arange(len(order))]
        for rows in torch.arange(len(order)).split(self.config.batch_size):
            picked = order[rows].to(self.device)
            pixels = shifted(_grey(self.train.pixels[picked]), self.config.shift, generator)
            yield Batch(pixels, self.train.labels[picked], seen[rows].to(self.device))

    def count(self, batch: Batch) -> int:
        return len(batch.pixels)

    def loss(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Cross entropy of the predicted pixels and the KL, in nats an image.

        Of quadrants, `loss` sums the baseline's and each objective's; `recon` and `kl` are of the CVAE, or else of the
        hybrid, where there is one.
        """
        if isinstance(self.model, LabelCVAE):
            mu, logvar = self.model.encode(batch.pixels, batch.labels)
            logits = self.model.decode(reparameterize(mu, logvar, step.generator), batch.labels)
            recon = -pixel_log_likelihood(logits.float(), batch.pixels).sum(1).mean()
            kl = kl_to_standard(mu, logvar).sum(1).mean()
            return {"loss": recon + step.beta * kl, "recon": recon, "kl": kl}
        hidden = ~pixel_mask(batch.seen)
        guess, condition = self.model.condition(batch.pixels, batch.seen)

        def cross_entropy(logits: Tensor) -> Tensor:
            return -(pixel_log_likelihood(logits.float(), batch.pixels) * hidden).sum(1).mean()

        terms = {"baseline": cross_entropy(guess)}
        guess = guess.detach()
        for name, branch in self.model.branches.items():
            terms |= self._objective(name, branch, batch, condition, guess, cross_entropy, step.beta, step.generator)
        return {"loss": sum(terms[name] for name in ("baseline", *self.model.branches))} | terms

    def _objective(self, name, branch: Branch, batch, condition, guess, cross_entropy, beta, generator) -> dict:
        """What is minimised for one branch, under its name (paper, section 4)."""
        mu_p, logvar_p = branch.expect(condition)

        def recon(mu: Tensor, logvar: Tensor) -> Tensor:
            return cross_entropy(branch.generate(reparameterize(mu, logvar, generator), condition, guess))

        if name == "gsnn":
            return {name: recon(mu_p, logvar_p)}
        mu, logvar = branch.recognise(batch.pixels, batch.seen)
        kl = kl_between(mu, logvar, mu_p, logvar_p).sum(1).mean()
        seen_y = recon(mu, logvar)
        bound = seen_y + beta * kl
        if name == "cvae":
            return {name: bound, "recon": seen_y, "kl": kl}
        alpha = self.config.alpha
        loss = {name: alpha * bound + (1 - alpha) * recon(mu_p, logvar_p)}
        return loss if "cvae" in self.model.branches else loss | {"recon": seen_y, "kl": kl}

    def evaluate(self) -> dict[str, float]:
        """Negative log-likelihood, or its bound, on validation images, with fixed noise; `score` is its negative."""
        pixels, labels = _grey(self.validation.pixels), self.validation.labels
        generator = torch.Generator(self.device).manual_seed(self.config.seed)
        if isinstance(self.model, LabelCVAE):
            nll = metrics.label_bound(self.model, pixels, labels, generator)
            return {"nll": nll, "score": -nll}
        scores = {}
        for name, seen in TASKS.items():
            shown = torch.tensor(seen, device=self.device).expand(len(pixels), 4)
            scores[f"baseline_{name}"] = metrics.baseline(self.model, pixels, shown)
            for branch in self.model.branches:
                scores[f"{branch}_{name}"] = metrics.bound(self.model, branch, pixels, shown, generator)
        scores["score"] = (
            -sum(v for k, v in scores.items() if not k.startswith("baseline")) / len(self.model.branches) / len(TASKS)
        )
        return scores

    @torch.no_grad()
    def preview(self) -> dict[str, Any]:
        """Pictures as hexadecimal bytes: a digit of each label; and for labels, where validation images lie."""
        generator = torch.Generator(self.device).manual_seed(self.config.seed)
        if isinstance(self.model, LabelCVAE):
            labels = torch.arange(data.LABELS, device=self.device)
            z = torch.randn(len(labels), self.config.latent_size, generator=generator, device=self.device)
            pictures = torch.sigmoid(self.model.decode(z, labels))
            some = Images(*(part[:SCATTERED] for part in self.validation))
            mu, _ = self.model.encode(_grey(some.pixels), some.labels)
            scatter = [[round(x, 3) for x in row] for row in mu[:, :2].tolist()]
            return {"pictures": as_hex(pictures), "scatter": scatter, "labels": some.labels.tolist()}
        first = [int((self.validation.labels == label).nonzero()[0]) for label in self.validation.labels.unique()]
        pixels = _grey(self.validation.pixels[first])
        seen = torch.tensor(TASKS["1"], device=self.device).expand(len(first), 4)
        guess, condition = self.model.condition(pixels, seen)
        branch = next(iter(self.model.branches.values()))
        logits = branch.generate(reparameterize(*branch.expect(condition), generator), condition, guess)
        return {"pictures": as_hex(torch.where(pixel_mask(seen), pixels, torch.sigmoid(logits)))}

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        metadata = {"system": self.system, "config": vars(self.config), "data": self.digits.name}
        return self.model.state_dict(), metadata


def shifted(pixels: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each picture (B, 784) moved by up to `most` pixels up or down and left or right; what comes in is black."""
    if not most:
        return pixels
    side = SIDE + 2 * most
    padded = F.pad(pixels.view(-1, SIDE, SIDE), (most,) * 4).flatten(1)
    down, right = torch.randint(2 * most + 1, (2, len(pixels), 1), generator=generator).to(pixels.device)
    window = (torch.arange(SIDE)[:, None] * side + torch.arange(SIDE)).flatten().to(pixels.device)
    return padded.gather(1, down * side + right + window)


def _grey(pixels: Tensor) -> Tensor:
    return pixels.float() / 255


def as_hex(pictures: Tensor) -> list[str]:
    """Pictures (n, 784) in [0, 1] as hexadecimal bytes."""
    return [
        bytes(row).hex() for row in (pictures.clamp(0, 1) * 255).round().to(torch.uint8).cpu().view(-1, PIXELS).tolist()
    ]
