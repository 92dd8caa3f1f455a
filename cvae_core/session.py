"""Create or resume a training of any system, from a form, the command line or a sweep."""

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cvae_core import runs
from cvae_core.config import TrainConfig, config_from_dict, fixed_fields, from_preset, parse_knots
from cvae_core.device import pick_device
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.systems import family
from cvae_core.task import Task
from cvae_core.training import Stopped, fit

MAX_REPEATS = 100


def preset(system: str, name: str | None = None) -> TrainConfig:
    """The config of a preset, or of the system's default preset. Raises UserError for an unknown name."""
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
    """A new run, whose folder contains what its task needs: config, data or their path, initial weights.

    `overrides` are values of config fields, schedules also as lists: a study keeps them as JSON. `data` is an argument
    of the family's `data_entries` (None: the built-in data), or its result. `init` names a checkpoint to start from,
    `study` the sweep that the run belongs to. Raises UserError for an unknown or invalid choice, and for a config that
    cannot be trained on the data.
    """
    of, overrides, start, weights, fixed = family(system), overrides or {}, None, None, {}
    if init is not None:
        start, weights = of.load(init), runs.find_weights(init)
        fixed = fixed_fields(start.config, of.MODEL_FIELDS, overrides, init)
    base = start.config if start and not preset_name else preset(system, preset_name)
    config = config_from_dict(type(base), vars(base) | fixed | overrides)
    entries = data if isinstance(data, dict) else of.data_entries(data)
    of.check(config, entries, start)
    name = preset_name or (None if init else of.DEFAULT)
    saved = {"system": system, "preset": name, "config": vars(config), **entries, "init": init, "device": device}
    if study is not None:
        saved["study"] = study
    return runs.create(saved, preset_name or system, init=weights)


def repeats(system: str, preset_name: str | None, overrides: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The overrides of `count` runs of one config that differ by their seeds.

    The first seed is that of `overrides`, or the preset's; each is one more than the last. Raises UserError if `count`
    is not 1 to 100.
    """
    if not 1 <= count <= MAX_REPEATS:
        raise UserError(f"repeats is {count}: expected 1 to {MAX_REPEATS}.")
    if count == 1:
        return [overrides]
    seed = overrides.get("seed", preset(system, preset_name).seed)
    return [overrides | {"seed": seed + i} for i in range(count)]


def prepare(*choices, **named) -> tuple[Task, Run]:
    """`create` and `reopen`: the task and the run of a training that begins in this process."""
    run = create(*choices, **named)
    with runs.removed_on_error(run):
        return reopen(run.id)


def reopen(run_id: str | Path, device: str | None = None, system: str | None = None) -> tuple[Task, Run]:
    """The task of a run that is new, stopped, interrupted or failed, on the run's device or on another.

    Raises UserError as `runs.find_unfinished` does, and if the config, data or initial weights cannot be read.
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
    begun: list[str],
    started: Callable[[int, str], None],
    stopped: Callable[[], bool],
) -> list[float]:
    """Train one point of a sweep for `sweep.work`; the metric's value after the last epoch of each repeat.

    `setup` contains system, preset, overrides, data (entries of config.json), device, study, metric and repeats.
    `begun` are the ids of the repeats' runs so far. Continues with each of them that is on this machine and that no
    process trains. Raises Stopped, and UserError if a training fails or did not log the metric.
    """
    config = family(setup["system"]).Config
    values = {n: parse_knots(v) if isinstance(getattr(config, n), tuple) else v for n, v in values.items()}
    choices = repeats(setup["system"], setup["preset"], setup["overrides"] | values, setup.get("repeats", 1))
    return [
        _train_repeat(setup, overrides, begun[i] if i < len(begun) else "", partial(started, i), stopped)
        for i, overrides in enumerate(choices)
    ]


def _train_repeat(
    setup: dict[str, Any], overrides: dict[str, Any], run_id: str, started: Callable, stopped: Callable
) -> float:
    run = None
    with contextlib.suppress(UserError):  # a run of another machine, or a deleted one
        run = runs.find(run_id)
    if run is None or run.state != "finished":
        if run is not None and run.resumable and run.state not in ("queued", "running"):
            task, run = reopen(run.id)
        else:
            task, run = prepare(
                setup["system"], setup["preset"], overrides, setup["data"], setup["device"], study=setup["study"]
            )
        started(run.id)
        if fit(task, run, stopped) == "stopped":
            raise Stopped
    row = run.read_metrics()[-1]
    if setup["metric"] not in row:
        raise UserError(f"Run {run.id} did not log {setup['metric']!r}: choose one of {', '.join(row)}.")
    return row[setup["metric"]]
