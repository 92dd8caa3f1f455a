"""The three systems by name. Each is a package whose `family` module exports the same names:

Config, PRESETS, DEFAULT, MODEL_FIELDS   the config's dataclass, named changes of its defaults, the default preset, and
                                         the fields that determine the shapes of a checkpoint's weights
load(name_or_path)                       a trained model, with `config`
data_entries(data), check(...)           entries of config.json about the data; UserError for what cannot be trained
make_task(...)                           the task that `training.fit` trains
evaluate(model, data, ...), as_table     every score of a checkpoint

and whose `cli` module adds its commands; `cli` does not import torch.
"""

from importlib import import_module
from types import ModuleType

from cvae_core.errors import UserError

SYSTEMS = ("tense", "digits", "video")


def family(name: str) -> ModuleType:
    """The module with the names above."""
    return import_module(f"cvae_core.{known(name)}.family")


def cli(name: str) -> ModuleType:
    """The module with the system's commands."""
    return import_module(f"cvae_core.{known(name)}.cli")


def known(name: str | None) -> str:
    """The name. Raises UserError if it is not one of SYSTEMS."""
    if name not in SYSTEMS:
        raise UserError(f"{name!r} is not a system: expected one of {', '.join(SYSTEMS)}.")
    return name
