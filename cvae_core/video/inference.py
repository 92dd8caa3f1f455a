"""Inference with a trained video model."""

import torch
from torch import Tensor

from cvae_core.errors import UserError
from cvae_core.load import load_model
from cvae_core.video.config import VideoConfig
from cvae_core.video.model import VideoCVAE, build

BATCH = 32  # clips predicted at once


def load(name_or_path: str, device: torch.device | str = "cpu") -> VideoCVAE:
    """Load a model in eval mode: a shipped checkpoint by name, a run's by its id, or a file by its path.

    Raises UserError if there is none, or if it is damaged or of another system.
    """
    model = load_model(name_or_path, "video", VideoConfig, build, device)[0]
    return model.to(memory_format=torch.channels_last)  # a quarter faster on a CPU


def predict(model: VideoCVAE, frames: Tensor, condition: Tensor, seed: int = 0) -> Tensor:
    """Predict the frames after the first P of each clip, with z sampled from the prior.

    Frames (n, ≥ P, 3, 64, 64) in bytes and conditions (n, P + H - 1, 7), whose row i leads from frame i to the next
    -> frames (n, H, 3, 64, 64) in [0, 1], on the CPU. Raises UserError for clips without a frame to predict.
    """
    device, past = next(model.parameters()).device, model.config.past
    if condition.shape[1] < past:
        raise UserError(
            f"The clips have {condition.shape[1] + 1} frames: expected more than {past}, which the model gets."
        )
    generator = torch.Generator(device).manual_seed(seed)
    return torch.cat([
        model.predict(given.to(device).float() / 255, conditions.to(device), generator).float().cpu()
        for given, conditions in zip(frames[:, :past].split(BATCH), condition.split(BATCH), strict=True)
    ])  # fmt: skip
