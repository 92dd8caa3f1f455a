"""A training of any system, from a form, a command line or a sweep: choose data, config and weights, then `fit`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cvae_core import runs
from cvae_core.config import TrainConfig, config_from_dict, fixed_fields, from_preset
from cvae_core.device import pick_device
from cvae_core.errors import UserError
from cvae_core.runs import Run
from cvae_core.systems import family
from cvae_core.task import Task
from cvae_core.training import Stopped, train


def preset(system: str, name: str | None = None) -> TrainConfig:
    """The config of a preset, the system's default one when none is named."""
    of = family(system)
    return from_preset(of.Config, of.PRESETS, name or of.DEFAULT)


def create(
    system: str,
    preset_name: str | None = None,
    overrides: dict[str, Any] | None = None,
    data: Any = None,
    device: str = "auto",
    init: str | None = None,
    study: str | None = None,
) -> Run:
    """A new run, whose folder holds all that its task is made of: config, data or their path, first weights.

    `data` is what the family's `data_entries` takes (None: the built-in data), or what that gave. `init` is a
    checkpoint to start from, `study` the sweep that the run belongs to.
    """
    of, overrides = family(system), overrides or {}
    start = None if init is None else of.load(init)
    if start is None:
        config = replace(preset(system, preset_name), **overrides)
    else:
        own = fixed_fields(start.config, of.MODEL_FIELDS, overrides, init)
        base = preset(system, preset_name) if preset_name else start.config
        config = replace(base, **(own | overrides))
    entries = data if isinstance(data, dict) else of.data_entries(data)
    of.check(config, entries, start)
    name = preset_name or (None if init else of.DEFAULT)
    saved = {"system": system, "preset": name, "config": vars(config), **entries, "init": init, "device": device}
    if study is not None:
        saved["study"] = study
    return runs.create(saved, preset_name or system, init=init and runs.find_weights(init))


def prepare(*choices, **named) -> tuple[Task, Run]:
    """`create`, and the task at once, for a training that begins here and now."""
    run = create(*choices, **named)
    with runs.whole_or_none(run):
        return reopen(run.id)


def reopen(run_id: str, device: str | None = None, system: str | None = None) -> tuple[Task, Run]:
    """The task of a run that is new, stopped, interrupted or failed, on the device that it began on or another.

    A run of another system than the one named, if one is, is a `UserError`.
    """
    run = runs.find_unfinished(run_id, system)
    saved = run.read_config()
    of = family(saved["system"])
    config = config_from_dict(of.Config, saved["config"])
    start = of.load(str(run.init)) if saved.get("init") else None
    return of.make_task(config, saved, pick_device(device or saved.get("device", "auto")), start, run.resumable), run


def train_point(
    setup: dict[str, Any],
    values: dict[str, Any],
    run_id: str | None,
    started: Callable[[str], None],
    stopped: Callable[[], bool],
) -> float:
    """Train one point of a sweep, as `sweep.work` asks for it: the metric's value after the last epoch.

    `setup` holds system, preset, overrides, data (entries of config.json), device, study and metric.
    """
    run = _find(run_id)
    if run is None or run.state != "finished":
        if run is not None and run.resumable:
            task, run = reopen(run.id)
        else:
            task, run = prepare(
                setup["system"], setup["preset"], setup["overrides"] | values, setup["data"], setup["device"],
                study=setup["study"],
            )  # fmt: skip
        started(run.id)
        if train(task, run, stopped) == "stopped":
            raise Stopped
    row = run.read_metrics()[-1]
    if setup["metric"] not in row:
        raise UserError(f"{setup['metric']!r} is not among what run {run.id} logged: {', '.join(row)}.")
    return row[setup["metric"]]


def _find(run_id: str | None) -> Run | None:
    """A run of this machine that is not in training; None for another machine's, or one that was deleted."""
    try:
        run = runs.find(run_id) if run_id else None
    except UserError:
        return None
    return None if run is None or run.state in ("running", "queued") else run
