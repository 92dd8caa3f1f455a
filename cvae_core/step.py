"""One step of training: its epoch, KL weight, teacher-forcing ratio and random generator."""

from typing import NamedTuple

import torch

from cvae_core import parallel, schedules
from cvae_core.config import TrainConfig


class Step(NamedTuple):
    """What `Task.batches` and `Task.loss` need to know of the position in training."""

    epoch: int
    beta: float  # KL weight
    teacher_forcing: float  # ratio
    generator: torch.Generator  # of the order of the epoch's data in `Task.batches`, of one batch in `Task.loss`
    resumed: bool = False  # for `Task.batches`: some batches of this epoch were trained on before


def beta_at(config: TrainConfig, epoch: int) -> float:
    """KL weight of an epoch."""
    return config.kl_max * knots_at("kl_knots", config, epoch)


def teacher_forcing_at(config: TrainConfig, epoch: int) -> float:
    """Teacher-forcing ratio of an epoch; 1 for a system that never decodes from its own predictions."""
    return knots_at("teacher_forcing", config, epoch) if hasattr(config, "teacher_forcing") else 1.0


def knots_at(name: str, config: TrainConfig, epoch: int) -> float:
    """The value in an epoch of the schedule in a field of the config."""
    return schedules.interpolate(getattr(config, name), epoch / config.epochs)


def learning_rate_at(config: TrainConfig, epoch: float) -> float:
    """Learning rate at a position in training, in epochs."""
    return schedules.learning_rate(epoch / config.epochs, config.lr_schedule, config.learning_rate)


def step_at(config: TrainConfig, epoch: int, batch: int = -1, device: torch.device | str = "cpu") -> Step:
    """The step of a batch of an epoch; batch -1 is the epoch itself."""
    generator = generator_at(config.seed, epoch, batch, device)
    return Step(epoch, beta_at(config, epoch), teacher_forcing_at(config, epoch), generator)


def generator_at(seed: int, epoch: int, batch: int, device: torch.device | str = "cpu") -> torch.Generator:
    """The generator of all random numbers of a batch, or, with batch -1, of the order of the epoch's data.

    With several processes, all generators have the same state, and each process takes the numbers of its own rows
    (`parallel.draw`).
    """
    # A CPU generator takes a seed of 32 bits; prime strides keep the positions of one run distinct.
    mixed = ((seed * 1_000_003 + epoch) * 1_000_003 + batch + 1) % 2**32
    kind = torch.Generator if parallel.world() == 1 else parallel.Share
    return kind(device).manual_seed(mixed)
