"""A trained model of video ready to use."""

import torch

from cvae_core import checkpoint
from cvae_core.errors import UserError
from cvae_core.runs import find_weights
from cvae_core.training import config_from_dict
from cvae_core.video.model import VideoConfig, VideoCVAE, build


def load(name_or_path: str, device: torch.device | str = "cpu") -> VideoCVAE:
    """A shipped checkpoint by name, a run's by its id, or any file of this program by path, in eval mode."""
    path = find_weights(str(name_or_path))
    tensors, metadata = checkpoint.read(path, device)
    if metadata.get("system") != "video":
        raise UserError(f"{path.name} is a checkpoint of {metadata.get('system')}, not of video.")
    model = build(config_from_dict(VideoConfig, metadata["config"])).to(device)
    try:
        model.load_state_dict(tensors)
    except RuntimeError:
        raise UserError(f"{path.name} holds weights that do not fit its config.") from None
    return model.eval()
