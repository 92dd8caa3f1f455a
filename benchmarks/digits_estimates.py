"""What brings the likelihood of digits, estimated by samples of the prior, near that by importance sampling.

    python -m benchmarks.digits_estimates --data FOLDER [--betas 1 1.5 2] [--alphas 0.75 0.5 0.25] [--epochs 10]

Two ways are trained from random weights and scored on the first 1,000 validation images with one quadrant visible: a
CVAE whose KL has the weight beta, the (1 + beta) of Sohn, Lee and Yan 2015, which they dropped; and their hybrid with
several samples of the prior in the GSNN's loss. Printed are the KL from posterior to prior, the negative ELBO (with KL
weight 1), and the negative log-likelihood by importance sampling and by samples of the prior, which is how the model is
used.

    python -m benchmarks.digits_estimates --data FOLDER --checkpoint digits [--objectives hybrid cvae]

trains nothing and scores a checkpoint on all 10,000 test images by 1,000 samples of the prior for each, half an hour of
a core for each objective; `evaluate digits` does so for the first 1,000 images alone.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import machine
from cvae_core import runs
from cvae_core.device import pick_device
from cvae_core.digits import data, metrics
from cvae_core.digits.config import DigitsConfig
from cvae_core.digits.data import TASKS
from cvae_core.digits.inference import load
from cvae_core.digits.model import log_likelihood
from cvae_core.digits.presets import preset
from cvae_core.digits.task import DigitsTask
from cvae_core.latent import kl_between
from cvae_core.training import fit


@torch.no_grad()
def scores(task: DigitsTask, pixels: torch.Tensor) -> dict[str, float]:
    """Nats per image, with one quadrant of each image (n, 784) visible."""
    pixels = pixels[: metrics.MC_IMAGES]  # of all scores, which are compared
    model, generator = task.model.eval(), torch.Generator(pixels.device).manual_seed(0)
    visible = torch.tensor(TASKS["1"], device=pixels.device).expand(len(pixels), -1)
    [(name, branch)] = model.branches.items()
    _, condition = model.condition(pixels, visible)
    kl = kl_between(*branch.posterior(pixels, visible), *branch.prior(condition)).sum(1).mean()

    def estimate(samples: int, importance: bool) -> float:
        return -float(log_likelihood(model, name, pixels[None], visible, samples, generator, importance).mean())

    return {
        "kl": float(kl),
        "negative ELBO": float(metrics.negative_elbo(model, name, pixels[None], visible, generator)),
        "importance sampling": estimate(metrics.IS_SAMPLES, importance=True),
        "Monte Carlo": estimate(metrics.MC_SAMPLES, importance=False),
    }


def monte_carlo(checkpoint: str, digits: data.Digits, objectives: list[str], device: torch.device) -> None:
    """Print the NLL of all test images by samples of the prior, in nats, by objective and visible quadrants."""
    model = load(checkpoint, device)
    pixels = digits.test.pixels.to(device).float() / 255
    for objective in objectives:
        for name, quadrants in TASKS.items():
            generator = torch.Generator(device).manual_seed(0)
            visible = torch.tensor(quadrants, device=device).expand(len(pixels), -1)
            nll = metrics.monte_carlo_nll(model, objective, pixels[None], visible, generator)
            print(f"{objective}, {name} visible: {nll.item():.2f}", flush=True)


def configs(args: argparse.Namespace) -> dict[str, DigitsConfig]:
    """The config of each row, by its name."""
    base = replace(preset("source-003-quadrants"), epochs=args.epochs, hidden_size=args.hidden_size)
    cvae = {f"CVAE, beta {beta:g}": replace(base, objective="cvae", kl_max=beta) for beta in args.betas}
    hybrid = replace(base, objective="hybrid", prior_samples=args.samples)
    return cvae | {f"hybrid, alpha {alpha:g}": replace(hybrid, alpha=alpha) for alpha in args.alphas}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.digits_estimates", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of MNIST's four files")
    parser.add_argument("--checkpoint", help="score this one instead")
    parser.add_argument("--objectives", nargs="*", default=["hybrid", "cvae"], help="of the checkpoint")
    parser.add_argument("--betas", type=float, nargs="*", default=[1.0, 1.5, 2.0])
    parser.add_argument("--alphas", type=float, nargs="*", default=[0.75, 0.5, 0.25])
    parser.add_argument("--samples", type=int, default=32, help="of the prior, in the hybrid's loss")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    digits = data.load(args.data)
    print(machine())
    if args.checkpoint:
        return monte_carlo(args.checkpoint, digits, args.objectives, pick_device(args.device))
    for name, config in configs(args).items():
        task = DigitsTask(config, digits, pick_device(args.device))
        task.evaluate = lambda: {"score": 0.0}  # scored once, after training
        with tempfile.TemporaryDirectory() as folder:
            fit(task, runs.create({"system": "digits"}, "estimates", Path(folder)))
        measured = scores(task, digits.validation.pixels.to(task.device).float() / 255)
        print(f"{name}: " + ", ".join(f"{score} {value:.2f}" for score, value in measured.items()), flush=True)


if __name__ == "__main__":
    main()
