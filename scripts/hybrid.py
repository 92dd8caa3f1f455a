"""Train the hybrid's branch of a model of digits alone, on many samples of the prior; for a GPU:

    python -m scripts.hybrid --data FOLDER [--checkpoint digits] [--epochs 26] [--samples 1000] [--alpha 0.1]

The hybrid's loss is that of `train digits`: `alpha` times the CVAE's, and 1 - `alpha` times the negative log of the
samples' mean likelihood. Pictures are not shifted. The deterministic network, the CVAE and the GSNN are frozen. The
mean of the weights over the last 40 % of the steps is written to the checkpoint, with matrices in 8 bits.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel
from tqdm import trange

from cvae_core import checkpoint, schedules
from cvae_core.device import pick_device
from cvae_core.digits import data, metrics
from cvae_core.digits.data import TASKS
from cvae_core.digits.inference import load
from cvae_core.digits.task import Batch, DigitsTask
from cvae_core.step import step_at

RATE, WARM_UP, AVERAGE_FROM = 6e-4, 100, 0.6
CLIP_NORM = 50.0
SCORED = 1_000  # validation images


def scores(task: DigitsTask) -> dict[str, float]:
    """NLL of validation images by 1,000 samples of the prior, in nats, by the number of visible quadrants."""
    pixels = task.validation.pixels[:SCORED].float() / 255
    generator = torch.Generator(task.device).manual_seed(0)
    found = {}
    for name, quadrants in TASKS.items():
        visible = torch.tensor(quadrants, device=task.device).expand(len(pixels), -1)
        found[name] = metrics.monte_carlo_nll(task.model, "hybrid", pixels[None], visible, generator).item()
    return found


def update(task: DigitsTask, batch: Batch, optimizer: torch.optim.Optimizer, epoch: int, index: int) -> None:
    """One step of the hybrid's branch."""
    loss = task.loss(batch, step_at(task.config, epoch, index, task.device))["hybrid"]
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(task.model.branches["hybrid"].parameters(), CLIP_NORM)
    optimizer.step()


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.hybrid", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of MNIST's four files")
    parser.add_argument("--checkpoint", default="digits")
    parser.add_argument("--epochs", type=int, default=26)
    parser.add_argument("--samples", type=int, default=1_000)
    parser.add_argument("--alpha", type=float, default=0.1)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args(argv)
    torch.set_float32_matmul_precision("high")
    path = checkpoint.find(args.checkpoint)
    tensors, metadata = checkpoint.read(path)
    start = load(args.checkpoint)
    changes = {"shift": 0, "prior_samples": args.samples, "alpha": args.alpha, "epochs": args.epochs}
    config = replace(start.config, kl_knots=schedules.constant(), **changes)
    task = DigitsTask(config, data.load(args.data), pick_device(args.device))
    task.model.load_state_dict(start.state_dict())
    branch = task.model.branches["hybrid"]
    task.model.branches = torch.nn.ModuleDict({"hybrid": branch})  # the other losses are not computed
    optimizer = torch.optim.AdamW(branch.parameters(), RATE, weight_decay=0.0, fused=True)
    average, total = AveragedModel(branch), args.epochs * task.steps_per_epoch()
    print(scores(task))
    for epoch in trange(args.epochs):
        for index, batch in enumerate(task.batches(step_at(config, epoch))):
            done = epoch * task.steps_per_epoch() + index
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1.0, (done + 1) / WARM_UP) * max(0.02, 1 - done / total)
            update(task, batch, optimizer, epoch, index)
            if done >= AVERAGE_FROM * total:
                average.update_parameters(branch)
    branch.load_state_dict(average.module.state_dict())
    print(scores(task))
    trained = {f"branches.hybrid.{name}": tensor for name, tensor in branch.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.safetensors"
        checkpoint.write(whole, tensors | trained, metadata)
        checkpoint.copy(whole, path, "int8")


if __name__ == "__main__":
    main()
