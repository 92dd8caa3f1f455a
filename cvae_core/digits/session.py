"""A training of digits from a form or a command line: choose data and config, then `fit` into a run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from cvae_core import runs
from cvae_core.digits import data
from cvae_core.digits.model import DigitsConfig
from cvae_core.digits.presets import preset
from cvae_core.digits.task import DigitsTask
from cvae_core.errors import UserError
from cvae_core.runs import Run
from cvae_core.training import config_from_dict, pick_device

DEFAULT = "source-003-quadrants"


def create(preset_name: str | None, overrides: dict[str, Any], source: str | None = None, device: str = "auto") -> Run:
    """A new run, whose folder holds all that its task is made of; `source` is what `data.load` takes."""
    config = replace(preset(preset_name or DEFAULT), **overrides)
    if source not in (None, "openml"):
        source = str(Path(source).resolve())
    saved = {
        "system": "digits", "preset": preset_name or DEFAULT, "config": vars(config),
        "data": data.name_of(source), "source": source, "device": device,
    }  # fmt: skip
    return runs.create(saved, preset_name or "digits")


def prepare(*choices, **named) -> tuple[DigitsTask, Run]:
    """`create`, and the task at once, for a training that begins here and now."""
    run = create(*choices, **named)
    with runs.whole_or_none(run):
        return reopen(run.id)


def reopen(run_id: str, device: str | None = None) -> tuple[DigitsTask, Run]:
    """The task of a run that is new, stopped, interrupted or failed, on the device that it began on or another."""
    run = runs.find_unfinished(run_id, "digits", "source", "data", "device")
    saved = run.read_config()
    config = config_from_dict(DigitsConfig, saved["config"])
    task = DigitsTask(config, data.load(saved["source"]), pick_device(device or saved["device"]))
    if task.digits.name != saved["data"]:
        raise UserError(f"Run {run_id} was trained on {saved['data']}, not on {task.digits.name}.")
    return task, run
