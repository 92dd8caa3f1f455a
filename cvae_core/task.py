"""The interface between a system and `training.fit`."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from cvae_core.config import TrainConfig
from cvae_core.step import Step


class Task(Protocol):
    """Data, model and losses of one training."""

    system: str  # tense, digits, video
    unit: str  # of examples: words, images, frames
    description: str  # of the data, in a few words
    device: torch.device
    config: TrainConfig
    model: nn.Module
    state: nn.ModuleDict  # what the resumable state contains: the model, and a memory bank, say

    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""

    def batches(self, step: Step) -> Iterator[Any]:
        """The batches of one epoch, which depend on the step's generator alone."""

    def loss(self, batch: Any, step: Step) -> dict[str, Tensor]:
        """Means over the batch: `loss`, which is minimized, `recon`, `kl`, …"""

    def count(self, batch: Any) -> int:
        """Examples in a batch."""

    def evaluate(self) -> dict[str, float]:
        """Scores on held-out data, in eval mode, without changing any state; the best weights maximize `score`."""

    def statistics(self) -> dict[str, float]:
        """What else the row of an epoch holds, computed as the scores are: how much the latents hold, for example."""

    def preview(self) -> dict[str, Any]:
        """The model's output for a few inputs: JSON values, and bytes of files."""

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and metadata for `checkpoint.write`."""
