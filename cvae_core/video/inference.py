"""A trained model of video ready to use."""

import torch

from cvae_core.training import load_model
from cvae_core.video.model import VideoConfig, VideoCVAE, build


def load(name_or_path: str, device: torch.device | str = "cpu") -> VideoCVAE:
    """A shipped checkpoint by name, a run's by its id, or any file of this program by path, in eval mode."""
    return load_model(name_or_path, "video", VideoConfig, build, device)[0]
