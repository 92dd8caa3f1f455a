"""The three systems by name. Each is a package whose `family` module exports the same names:

Config, PRESETS, DEFAULT, MODEL_FIELDS   settings: the dataclass, named deviations from its defaults, the preset taken
                                         when none is given, the fields that a checkpoint's weights fix
load(name_or_path)                       a trained model, with `config`
data_entries(data), check(...)           what config.json keeps of the data; a sentence about what cannot be trained
make_task(...)                           what `training.fit` takes
evaluate(model, data, ...), as_table     every score of a checkpoint

and whose `cli` module adds its commands; that one imports no torch.
"""

from importlib import import_module
from types import ModuleType

from cvae_core.errors import UserError

SYSTEMS = ("tense", "digits", "video")


def family(name: str) -> ModuleType:
    """The module that has what differs between systems."""
    return _module(name, "family")


def cli(name: str) -> ModuleType:
    """The module with a system's own commands."""
    return _module(name, "cli")


def known(name: str | None) -> str:
    """The name, if it is a system's; otherwise a `UserError`."""
    if name not in SYSTEMS:
        raise UserError(f"{name!r} is not a system: expected one of {', '.join(SYSTEMS)}.")
    return name


def _module(name: str, part: str) -> ModuleType:
    return import_module(f"cvae_core.{known(name)}.{part}")
