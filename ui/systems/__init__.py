"""The Train page's parts that differ between systems. A module named after the system exports:

TITLE                     the system's name on the page
LOSS_UNIT                 the unit of its losses
SCORES                    labels of the scores that its runs log
show_form()               a form for a new training
show_samples(run, rows, beside)   the preview of a model after an epoch, from the rows of samples.jsonl up to that one;
                          `beside` is the place beside the losses
demo()                    optional: arguments of `session.create` for a training of seconds, to watch
links(run)                (page, label, query) of the pages that show its runs
"""

from importlib import import_module
from types import ModuleType

from cvae_core.systems import SYSTEMS, known


def view(system: str | None) -> ModuleType:
    """The module of a system. UserError for an unknown name."""
    return import_module(f"ui.systems.{known(system)}")


def titles() -> dict[str, str]:
    """The title of every system, by its name."""
    return {system: view(system).TITLE for system in SYSTEMS}
