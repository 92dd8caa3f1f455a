"""What a system adds to the Train page. A module named as the system exports:

TITLE                     its name on the page
LOSS_UNIT                 of its losses
SCORES                    labels of the scores that its runs log
show_form()               a form for a new training
show_samples(run, rows)   what a model in training makes of a few inputs, from the rows of samples.jsonl
links(run)                (page, label, query) of the pages that show its runs
"""

from importlib import import_module
from types import ModuleType

from cvae_core.systems import SYSTEMS, known


def view(system: str | None) -> ModuleType:
    """The module of a system. Raises UserError for an unknown name."""
    return import_module(f"ui.systems.{known(system)}")


def titles() -> dict[str, str]:
    """The systems' names on the page, by their names in the program."""
    return {system: view(system).TITLE for system in SYSTEMS}
