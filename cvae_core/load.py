"""Load a trained model of any system from its file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cvae_core import checkpoint
from cvae_core.config import config_from_dict
from cvae_core.errors import UserError
from cvae_core.runs import find_weights


def load_model(
    name_or_path: str, system: str, config_class: type, build: Callable[[Any], nn.Module], device: torch.device | str
) -> tuple[nn.Module, dict[str, Any], Path]:
    """A model in eval mode, its metadata and its file, by the name of a checkpoint, the id of a run, or a path.

    `build` creates a model from its config. Raises UserError if there is no such file, if it is not a checkpoint of
    `system`, or if its weights do not fit its config.
    """
    path = find_weights(str(name_or_path))
    tensors, metadata = checkpoint.read(path, device)
    if metadata.get("system") != system:
        raise UserError(f"{path.name} is a checkpoint of {metadata.get('system')}, not of {system}.")
    if not isinstance(metadata.get("config"), dict):
        raise UserError(f"{path.name} contains no config for its weights.")
    model = build(config_from_dict(config_class, metadata["config"])).to(device)
    try:
        model.load_state_dict(tensors)
    except RuntimeError:
        raise UserError(f"{path.name} contains weights that do not fit its config.") from None
    return model.eval(), metadata, path
