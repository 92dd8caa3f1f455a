"""What a system hands to `training.fit`."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from cvae_core.config import TrainConfig
from cvae_core.step import Step


class Task(Protocol):
    """What a system hands to `fit`."""

    system: str  # tense, digits, video
    unit: str  # what an example is: words, images, frames
    description: str  # of the data, for a line of text
    device: torch.device
    config: TrainConfig
    model: nn.Module

    def steps_per_epoch(self) -> int: ...

    def batches(self, step: Step) -> Iterator[Any]:
        """The batches of one epoch, a function of the step's generator alone."""

    def loss(self, batch: Any, step: Step) -> dict[str, Tensor]:
        """`loss` (what is minimised), `recon`, `kl`, … as means over the batch."""

    def count(self, batch: Any) -> int:
        """How many examples a batch holds."""

    def evaluate(self) -> dict[str, float]:
        """Scores on data not trained on, in eval mode, without changing any state; `score` decides what is best."""

    def preview(self) -> dict[str, Any]:
        """What the model makes of a few inputs now: plain JSON values, and bytes of files."""

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and metadata, as `checkpoint.write` takes them."""
