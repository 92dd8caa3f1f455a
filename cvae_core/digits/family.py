"""The digits system as `systems.family` gives it."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from cvae_core.digits import data
from cvae_core.digits.config import MODEL_FIELDS
from cvae_core.digits.config import DigitsConfig as Config
from cvae_core.digits.inference import load
from cvae_core.digits.metrics import as_table, evaluate
from cvae_core.digits.presets import PRESETS
from cvae_core.digits.task import DigitsTask
from cvae_core.errors import UserError

DEFAULT = "source-003-quadrants"
__all__ = [
    "DEFAULT", "MODEL_FIELDS", "PRESETS", "Config", "as_table", "check", "data_entries", "evaluate", "load",
    "make_task",
]  # fmt: skip


def data_entries(source: str | None) -> dict[str, Any]:
    """`data` and `source` of config.json: None is scikit-learn's digits, `openml` or a folder MNIST."""
    if source not in (None, "openml"):
        source = str(Path(source).resolve())
    return {"data": data.name_of(source), "source": source}


def check(config: Config, entries: dict[str, Any], start: nn.Module | None) -> None:
    """Accept everything: every config can be trained on every data set."""


def make_task(
    config: Config, saved: dict[str, Any], device: torch.device, start: nn.Module | None, resumed: bool
) -> DigitsTask:
    """The task of a run's config.json (`saved`), with the weights of the model that it starts from.

    Raises UserError if the data cannot be read or is not what the run was trained on.
    """
    task = DigitsTask(config, data.load(saved["source"]), device)
    if task.digits.name != saved["data"]:
        raise UserError(f"The run was trained on {saved['data']}, not on {task.digits.name}.")
    if start:
        task.model.load_state_dict(start.state_dict())
    return task
