"""The training task of digits: batches of images, the objectives, and an epoch's scores and preview."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvae_core.digits import data, metrics, posteriors
from cvae_core.digits.config import DigitsConfig
from cvae_core.digits.data import PIXELS, SIDE, TASKS, Digits, Images, pixel_mask
from cvae_core.digits.model import Branch, LabelCVAE, QuadrantCVAE, build, pixel_log_likelihood
from cvae_core.latent import kl_between, kl_to_standard, log_mean_exp, reparameterize
from cvae_core.parallel import draw
from cvae_core.step import Step

VALIDATION_IMAGES = 2_000  # scored at each epoch's end
SCATTERED = 500  # validation images whose posterior means are saved at each epoch


class Batch(NamedTuple):
    """B images with their labels and visible quadrants."""

    pixels: Tensor  # (B, 784) in [0, 1]
    labels: Tensor  # (B,)
    visible: Tensor  # (B, 4) bool


class DigitsTask:
    """See `task.Task`."""

    system = "digits"
    unit = "images"

    def __init__(self, config: DigitsConfig, digits: Digits, device: torch.device | str = "cpu"):
        self.config = config
        self.digits = digits
        self.model = build(config).to(device)
        self.state = nn.ModuleDict({"model": self.model})
        self.device = torch.device(device)
        self.train = Images(*(part.to(device) for part in digits.train))
        self.description = f"{len(self.train.pixels):,} images of {digits.name}"
        self.validation = Images(*(part[:VALIDATION_IMAGES].to(device) for part in digits.validation))
        paper, every = torch.tensor(list(TASKS.values())), torch.tensor(list(data.visible_choices()))
        self._choices = [paper[int(config.seen) - 1][None]] if config.seen in TASKS else [paper]
        if config.seen == "any":
            self._choices.append(every)

    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return -(-len(self.train.pixels) // self.config.batch_size)

    def batches(self, step: Step) -> Iterator[Batch]:
        """All training images in random order, shifted at random, each with random visible quadrants (`seen`)."""
        generator = step.generator
        order = torch.randperm(len(self.train.pixels), generator=generator)
        # A list of choices for each image, then one of the list.
        which = torch.randint(len(self._choices), order.shape, generator=generator)
        chance = torch.rand(order.shape, generator=generator)
        drawn = [choices[(chance * len(choices)).long()] for choices in self._choices]
        visible = torch.stack(drawn)[which, torch.arange(len(order))]
        for rows in torch.arange(len(order)).split(self.config.batch_size):
            picked = order[rows].to(self.device)
            pixels = shifted(_grey(self.train.pixels[picked]), self.config.shift, generator)
            yield Batch(pixels, self.train.labels[picked], visible[rows].to(self.device))

    def count(self, batch: Batch) -> int:
        """Images in a batch."""
        return len(batch.pixels)

    def loss(self, batch: Batch, step: Step) -> dict[str, Tensor]:
        """`recon`: cross entropy of the predicted pixels; `kl`: from posterior to prior; both in nats per image.

        For quadrants `loss` is the sum of the baseline's and each objective's loss; `recon` and `kl` are the CVAE's,
        without one the hybrid's.
        """
        if isinstance(self.model, LabelCVAE):
            mu, logvar = self.model.posterior(batch.pixels, batch.labels)
            logits = self.model.likelihood(reparameterize(mu, logvar, step.generator), batch.labels)
            recon = -pixel_log_likelihood(logits.float(), batch.pixels).sum(1).mean()
            kl = kl_to_standard(mu, logvar).sum(1).mean()
            return {"loss": recon + step.beta * kl, "recon": recon, "kl": kl}
        terms = self._quadrant_terms(self.model, batch, step)
        return {"loss": sum(terms[name] for name in ("baseline", *self.model.branches))} | terms

    def _quadrant_terms(self, model: QuadrantCVAE, batch: Batch, step: Step) -> dict[str, Tensor]:
        """The losses of the baseline and of each objective under its name (paper, section 4), with `recon` and `kl`."""
        hidden = ~pixel_mask(batch.visible)
        baseline, condition = model.condition(batch.pixels, batch.visible)
        guess = baseline.detach()

        def log_p(logits: Tensor) -> Tensor:
            return (pixel_log_likelihood(logits.float(), batch.pixels) * hidden).sum(-1)

        def recon(branch: Branch, gaussian: tuple[Tensor, Tensor], samples: int = 1) -> Tensor:
            mu, logvar = gaussian
            return multi_sample_nll(
                lambda z: log_p(branch.likelihood(z, condition, guess)), mu, logvar, samples, step.generator
            )

        terms = {"baseline": -log_p(baseline).mean()}
        for name, branch in model.branches.items():
            prior = branch.prior(condition)
            if name == "gsnn":
                terms[name] = recon(branch, prior)
                continue
            posterior = branch.posterior(batch.pixels, batch.visible)
            kl = kl_between(*posterior, *prior).sum(1).mean()
            posterior_recon = recon(branch, posterior)
            terms[name] = posterior_recon + step.beta * kl
            if name == "hybrid":
                from_prior = recon(branch, prior, self.config.prior_samples)
                terms[name] = self.config.alpha * terms[name] + (1 - self.config.alpha) * from_prior
            if name == "cvae" or "cvae" not in model.branches:
                terms |= {"recon": posterior_recon, "kl": kl}
        return terms

    def evaluate(self) -> dict[str, float]:
        """Negative ELBO on validation images with fixed noise, nats per image; `score` is its negative mean.

        For quadrants by model and number of visible quadrants, with the baseline's NLL.
        """
        pixels, labels = _grey(self.validation.pixels), self.validation.labels
        generator = torch.Generator(self.device).manual_seed(self.config.seed)
        if isinstance(self.model, LabelCVAE):
            nll = metrics.label_negative_elbo(self.model, pixels, labels, generator)
            return {"nll": nll, "score": -nll}
        scores, read = {}, pixels[None]
        for name, quadrants in TASKS.items():
            visible = torch.tensor(quadrants, device=self.device).expand(len(pixels), 4)
            scores[f"baseline_{name}"] = metrics.baseline_nll(self.model, read, visible).mean().item()
            for branch in self.model.branches:
                scores[f"{branch}_{name}"] = metrics.negative_elbo(self.model, branch, read, visible, generator).item()
        nll = sum(value for name, value in scores.items() if not name.startswith("baseline"))
        return scores | {"score": -nll / len(self.model.branches) / len(TASKS)}

    def statistics(self) -> dict[str, float]:
        """Nothing beside the scores."""
        return {}

    @torch.no_grad()
    def preview(self) -> dict[str, Any]:
        """Pictures as hexadecimal bytes, one per label; for a label model also posterior means of validation images.

        With a two-dimensional z also the exact posteriors of a few of them.
        """
        generator = torch.Generator(self.device).manual_seed(self.config.seed)
        if isinstance(self.model, LabelCVAE):
            labels = torch.arange(data.LABELS, device=self.device)
            z = torch.randn(len(labels), self.config.latent_size, generator=generator, device=self.device)
            pictures = torch.sigmoid(self.model.likelihood(z, labels))
            some = Images(*(part[:SCATTERED] for part in self.validation))
            mu, _ = self.model.posterior(_grey(some.pixels), some.labels)
            scatter = [[round(x, 3) for x in row] for row in mu[:, :2].tolist()]
            samples = {"pictures": as_hex(pictures), "scatter": scatter, "labels": some.labels.tolist()}
            if self.config.latent_size == 2:
                shown = posteriors.analyse(self.model, posteriors.choose(self.validation))
                samples["posteriors"] = [posteriors.as_json(posterior) for posterior in shown]
            return samples
        first = [int((self.validation.labels == label).nonzero()[0]) for label in self.validation.labels.unique()]
        pixels = _grey(self.validation.pixels[first])
        visible = torch.tensor(TASKS["1"], device=self.device).expand(len(first), 4)
        guess, condition = self.model.condition(pixels, visible)
        branch = next(iter(self.model.branches.values()))
        mu, logvar = branch.prior(condition)
        logits = branch.likelihood(reparameterize(mu, logvar, generator), condition, guess)
        return {"pictures": as_hex(torch.where(pixel_mask(visible), pixels, torch.sigmoid(logits)))}

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and metadata for `checkpoint.write`."""
        metadata = {"system": self.system, "config": vars(self.config), "data": self.digits.name}
        return self.model.state_dict(), metadata


def multi_sample_nll(
    log_p: Callable[[Tensor], Tensor], mu: Tensor, logvar: Tensor, samples: int, generator: torch.Generator
) -> Tensor:
    """−log of the mean likelihood over samples z of a Gaussian (B, Z), in nats, a mean over the batch.

    `log_p` takes z (..., B, Z) to log-likelihoods (..., B). With one sample this is the cross entropy, with more the
    importance-weighted bound (Burda et al. 2016) whose proposal is the Gaussian itself. Its gradient is estimated
    without bias by that of one of the samples, drawn in proportion to its likelihood.
    """
    if samples == 1:
        return -log_p(reparameterize(mu, logvar, generator)).mean()
    mu, logvar = (part[:, None].expand(-1, samples, -1) for part in (mu, logvar))
    z = reparameterize(mu, logvar, generator).transpose(0, 1)
    with torch.no_grad():
        every = log_p(z)  # (samples, B)
        gumbel = -torch.log(-torch.log(draw(torch.rand, every.T.shape, generator, device=z.device))).T
        drawn = (every + gumbel).argmax(0)
    nll = -log_p(z[drawn, torch.arange(len(drawn), device=z.device)]).mean()
    return nll + (-log_mean_exp(every, 0).mean() - nll).detach()


def shifted(pixels: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Shift each picture (B, 784) by up to `most` pixels vertically and horizontally; the uncovered border is black."""
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
    levels = (pictures.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
    return [bytes(row).hex() for row in levels.view(-1, PIXELS).tolist()]
