"""A trained model of video ready to use."""

import torch
from torch import Tensor

from cvae_core.load import load_model
from cvae_core.video.config import VideoConfig
from cvae_core.video.model import VideoCVAE, build

AT_ONCE = 20  # clips predicted in one batch


def load(name_or_path: str, device: torch.device | str = "cpu") -> VideoCVAE:
    """A shipped checkpoint by name, a run's by its id, or any file of this program by path, in eval mode."""
    return load_model(name_or_path, "video", VideoConfig, build, device)[0]


def predict(model: VideoCVAE, frames: Tensor, condition: Tensor, seed: int = 0) -> Tensor:
    """Frames that follow the first ones of clips, one for each further row of `condition`, z drawn from the prior.

    Frames (n, ≥ P, 3, 64, 64) in bytes, conditions (n, P + H - 1, 7): row i leads from frame i to the next
    -> (n, H, 3, 64, 64) in [0, 1], on the CPU.
    """
    device, past = next(model.parameters()).device, model.config.past
    generator = torch.Generator(device).manual_seed(seed)
    made = [
        model.predict(given.to(device).float() / 255, heard.to(device), generator).float().cpu()
        for given, heard in zip(frames[:, :past].split(AT_ONCE), condition.split(AT_ONCE), strict=True)
    ]
    return torch.cat(made)
