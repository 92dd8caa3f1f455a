"""A step of training: the position, what the schedules say there, and a generator of its own."""

from typing import NamedTuple

import torch

from cvae_core import parallel, schedules
from cvae_core.config import TrainConfig


class Step(NamedTuple):
    """Where training stands, and the randomness of what is done there."""

    epoch: int
    beta: float  # KL weight
    teacher_forcing: float  # ratio
    generator: torch.Generator  # of the epoch's order in `Task.batches`, of one batch in `Task.loss`


def beta_at(config: TrainConfig, epoch: int) -> float:
    """KL weight of an epoch."""
    return config.kl_max * schedules.interpolate(config.kl_knots, epoch / config.epochs)


def teacher_forcing_at(config: TrainConfig, epoch: int) -> float:
    """Teacher-forcing ratio of an epoch: 1 for a system that never decodes from its own predictions."""
    return schedules.interpolate(getattr(config, "teacher_forcing", schedules.constant()), epoch / config.epochs)


def learning_rate_at(config: TrainConfig, epoch: float) -> float:
    """Learning rate at a position in training, in epochs."""
    return schedules.learning_rate(epoch / config.epochs, config.lr_schedule, config.learning_rate)


def step_at(config: TrainConfig, epoch: int, batch: int = -1, device: torch.device | str = "cpu") -> Step:
    """The step of a batch of an epoch; batch -1 is the epoch itself."""
    generator = generator_at(config.seed, epoch, batch, device)
    return Step(epoch, beta_at(config, epoch), teacher_forcing_at(config, epoch), generator)


def generator_at(seed: int, epoch: int, batch: int, device: torch.device | str = "cpu") -> torch.Generator:
    """The source of all randomness at one position of training; batch -1 orders the epoch's data.

    Of several processes all get the same numbers, and each takes its rows' (`parallel.draw`).
    """
    # The CPU's generator takes 32 bits of a seed: a prime stride keeps positions of one run apart within them.
    mixed = ((seed * 1_000_003 + epoch) * 1_000_003 + batch + 1) % 2**32
    kind = torch.Generator if parallel.world() == 1 else parallel.Share
    return kind(device).manual_seed(mixed)
