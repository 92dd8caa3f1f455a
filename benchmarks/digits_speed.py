"""Speed of the digits at the published sizes: an epoch of training beside its matrix products alone, and completions.

python -m benchmarks.digits_speed [--threads N]

The published tutorial's networks (two layers of 500, 200 latent dimensions, batches of 128) on 60,000 images. The
products are those of the same layers on batches of the same size, forward and backward, in the same float32.
"""

import argparse
import os
import statistics
import time
from dataclasses import replace

import torch
from torch import nn

from benchmarks import machine, table
from cvae_core.digits.data import PIXELS, TASKS, Digits, Images
from cvae_core.digits.inference import complete
from cvae_core.digits.model import QuadrantCVAE
from cvae_core.digits.presets import preset
from cvae_core.digits.task import DigitsTask
from cvae_core.optim import make_optimizer
from cvae_core.step import Step, generator_at

IMAGES = 60_000
CONFIG = replace(preset("source-003-published"), precision="float32")


def random_digits(images: int) -> Digits:
    """A data set of noise: the time does not depend on the pictures."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (images, PIXELS), dtype=torch.uint8, generator=generator)
    part = Images(pixels, torch.arange(images) % 10)
    few = Images(*(column[:20] for column in part))
    return Digits("noise", part, few, few)


def epoch_seconds(task: DigitsTask) -> float:
    """Time of one epoch as `fit` trains it, without logs and scores."""
    optimizer = make_optimizer(task.model, task.config)
    began = time.perf_counter()
    for index, batch in enumerate(task.batches(Step(0, 1.0, 1.0, generator_at(0, 0, -1)))):
        loss = task.loss(batch, Step(0, 1.0, 1.0, generator_at(0, 0, index)))["loss"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(task.model.parameters(), task.config.clip_norm)
        optimizer.step()
    return time.perf_counter() - began


def product_seconds(model: QuadrantCVAE, batch: int, steps: int) -> float:
    """Time of the three products of each linear layer: output, gradient of the weight, gradient of the input."""
    layers = [m.weight.detach() for m in model.modules() if isinstance(m, nn.Linear)]
    pairs = [(w, torch.randn(batch, w.shape[1]), torch.randn(batch, w.shape[0])) for w in layers]
    began = time.perf_counter()
    for _ in range(steps):
        for weight, inputs, outputs in pairs:
            inputs @ weight.t()
            outputs.t() @ inputs
            outputs @ weight
    return time.perf_counter() - began


def completion_milliseconds(model: QuadrantCVAE, repeats: int = 50) -> float:
    """Median time of 100 samples of one picture's hidden quadrants, on one thread."""
    pixels, times = torch.rand(PIXELS), []
    for seed in range(repeats + 5):
        began = time.perf_counter()
        complete(model, pixels, TASKS["1"], 100, seed)
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[5:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="torch threads (default: all cores)")
    parser.add_argument("--images", type=int, default=IMAGES, help="images in an epoch")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    task = DigitsTask(CONFIG, random_digits(args.images))
    product_seconds(task.model, CONFIG.batch_size, 5)  # warms up
    products = product_seconds(task.model, CONFIG.batch_size, task.steps_per_epoch())
    epoch = epoch_seconds(task)
    products = (products + product_seconds(task.model, CONFIG.batch_size, task.steps_per_epoch())) / 2
    print(machine())
    torch.set_num_threads(1)
    milliseconds = completion_milliseconds(task.model.eval())
    print(table([
        (f"one epoch of {args.images:,} images", f"{epoch:.1f} s"),
        ("its matrix products alone, before and after", f"{products:.1f} s"),
        ("share of the matrix products' rate", f"{products / epoch:.0%}"),
        ("100 samples of a completion, one thread", f"{milliseconds:.1f} ms"),
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
