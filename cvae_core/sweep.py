"""Sweeps: one training for each point of a grid, or for each of a number of points that a sampler picks.

A study is a queue of trials in a database. Any number of workers, on any number of machines, take one waiting trial
after the other, train a run and write its score down. A worker that dies stops sending heartbeats: its trial goes back
into the queue, and whoever takes it goes on with the run where it was last saved.
"""

import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from itertools import product
from typing import Any

import optuna
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState
from optuna.visualization import plot_parallel_coordinate, plot_param_importances, plot_slice

from cvae_core import runs
from cvae_core.errors import UserError
from cvae_core.training import Stopped

HEARTBEAT = 5  # seconds
GRACE = 20  # seconds without a heartbeat after which a worker counts as dead

Space = dict[str, dict[str, Any]]  # field -> {"values": […]} or {"low", "high", "log"}
# Heartbeats are called experimental since 2.9. A trial's end is told by the progress bar, why it failed by the table.
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
optuna.logging.set_verbosity(optuna.logging.ERROR)

retry = RetryHeartbeatStaleTrialCallback()


# --- what to sweep --------------------------------------------------------------------------------------------------


def parse_grid(text: str, config: type) -> tuple[str, dict]:
    """`learning_rate=0.05,0.1` -> the field and its values."""
    name, values = _split(text, config)
    return name, {"values": [_value(config, name, v) for v in values.split(",")]}


def parse_search(text: str, config: type) -> tuple[str, dict]:
    """`learning_rate=0.01:0.1` (`:log` for a logarithmic scale), or choices as in a grid."""
    name, values = _split(text, config)
    parts = values.split(":")
    if len(parts) == 1:
        return parse_grid(text, config)
    low, high = (_value(config, name, v) for v in parts[:2]) if len(parts) < 4 else (1, 0)
    if isinstance(low, bool | str) or not low < high or parts[2:] not in ([], ["log"]) or (parts[2:] and low <= 0):
        raise UserError(f"{text!r} is no range: expected FIELD=LOW:HIGH, or FIELD=LOW:HIGH:log with LOW above 0.")
    return name, {"low": low, "high": high, "log": bool(parts[2:])}


def _split(text: str, config: type) -> tuple[str, str]:
    name, _, values = text.partition("=")
    name = name.strip().replace("-", "_")
    if name not in {f.name for f in fields(config)} or not values:
        raise UserError(f"{text!r} names no field with values: expected FIELD=VALUE,VALUE with a field of the config.")
    return name, values


def _value(config: type, name: str, text: str) -> Any:
    field = next(f for f in fields(config) if f.name == name)
    kind = type(field.default) if field.default is not MISSING else str
    try:
        return {"true": True, "false": False}[text.strip().lower()] if kind is bool else kind(text.strip())
    except (ValueError, KeyError):
        raise UserError(f"{name} takes {kind.__name__}, not {text.strip()!r}.") from None


def combinations(space: Space) -> Iterator[dict[str, Any]]:
    """Every point of a grid."""
    for values in product(*(entry["values"] for entry in space.values())):
        yield dict(zip(space, values, strict=True))


def suggest(trial: Trial, space: Space) -> dict[str, Any]:
    """A trial's values; those of a grid were put into the queue with it."""
    return {name: _suggest(trial, name, **entry) for name, entry in space.items()}


def _suggest(trial: Trial, name: str, values=None, low=None, high=None, log=False) -> Any:
    if values is not None and not all(type(v) in (int, float) for v in values):
        return trial.suggest_categorical(name, values)
    if values is not None:  # a range, so that plots have a numeric axis
        low, high = min(values), max(values)
    return (trial.suggest_int if isinstance(low, int) else trial.suggest_float)(name, low, high, log=log)


# --- the study ------------------------------------------------------------------------------------------------------


def default_storage() -> str:
    """The database named by CVAE_STUDIES, or the embedded one beside the runs."""
    if url := os.environ.get("CVAE_STUDIES"):
        return url
    runs.RUNS.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{runs.RUNS / 'sweeps.db'}"


def open_storage(url: str) -> RDBStorage:
    try:
        return RDBStorage(url, heartbeat_interval=HEARTBEAT, grace_period=GRACE, heartbeat_stale_trial_callback=retry)
    except Exception as error:  # SQLAlchemy's, the driver's, Optuna's: all say that the database cannot be used
        reason = str(error).splitlines()[0]
        raise UserError(f"Cannot open the study database {url!r}: {reason}") from None


def create(name: str, storage: RDBStorage, setup: dict[str, Any], space: Space, trials: int | None) -> optuna.Study:
    """A new study with its queue: the grid, or `trials` points for the sampler to pick.

    `setup` is what every worker needs to know of the trainings; it is kept as JSON.
    """
    try:
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    except optuna.exceptions.DuplicatedStudyError:
        raise UserError(f"There is a study {name!r} already: leave out grid and search to work on it.") from None
    study.set_user_attr("setup", setup | {"space": space})
    queue = combinations(space) if trials is None else [{}] * trials
    for number, point in enumerate(queue):
        study.enqueue_trial(point, user_attrs={"point": number})
    return study


def load(name: str, storage: RDBStorage) -> optuna.Study:
    """A study to work on; an unknown one is an error."""
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = ", ".join(sorted(optuna.get_all_study_names(storage))) or "none"
        raise UserError(f"There is no study {name!r} there (known: {known}): give --grid or --search.") from None


def study_names(storage: RDBStorage) -> list[str]:
    """Every study, the newest first."""
    summaries = optuna.get_all_study_summaries(storage, include_best_trial=False)
    return [summary.study_name for summary in sorted(summaries, key=lambda s: -s._study_id)]


def points(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that stand for a point of the sweep, each once.

    Left out are those that went back into the queue (another trial took their place) and those that found it empty.
    """
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state != TrialState.PRUNED and (trial.state != TrialState.FAIL or "error" in trial.user_attrs)
    ]


def work(
    study: optuna.Study,
    train: Callable[[dict[str, Any], str | None, Callable[[str], None]], float],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Take one waiting trial after the other until none is left and no other worker can leave one behind.

    `train(values, run, started)` trains a new run, or goes on with `run`; it calls `started` with the run's id, returns
    the score, and raises `Stopped` when it was asked to stop or `UserError` when the training failed.
    """
    space = study.user_attrs["setup"]["space"]

    def objective(trial: Trial) -> float:
        if "point" not in trial.user_attrs:  # another worker took the last one: nothing is left
            raise optuna.TrialPruned
        run = trial.user_attrs.get("run")
        try:
            return train(suggest(trial, space), run, lambda started: trial.set_user_attr("run", started))
        except Stopped:
            retry(study, study.trials[trial.number])
            raise
        except Exception as error:
            trial.set_user_attr("error", str(error) or type(error).__name__)
            raise

    while not stopped():
        fail_stale_trials(study)
        states = [trial.state for trial in study.get_trials(deepcopy=False)]
        if TrialState.WAITING in states:
            study.optimize(objective, n_trials=1, catch=(Stopped, UserError))
        elif TrialState.RUNNING in states:
            time.sleep(1)  # its worker may die, and then the trial waits again
        else:
            return


def table(study: optuna.Study) -> list[dict[str, Any]]:
    """A row a trial, the best first: value, the swept fields, run, state and, for a failed one, why."""
    rows = [
        {
            "trial": t.number, "value": t.value, **t.params, "run": t.user_attrs.get("run"),
            "state": t.state.name.lower(), "minutes": t.duration and round(t.duration.total_seconds() / 60, 1),
            "error": t.user_attrs.get("error"),
        }
        for t in points(study)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -float("inf") if row["value"] is None else row["value"], reverse=True)


PLOTS = {
    "Parallel coordinates": plot_parallel_coordinate,
    "Importance": plot_param_importances,
    "Slice": plot_slice,
}


def as_text(rows: list[dict[str, Any]]) -> str:
    """The table for a terminal; columns that are empty in every row are left out."""
    shown = [name for name in rows[0] if any(row.get(name) is not None for row in rows)] if rows else []
    cells = [shown] + [["" if row.get(n) is None else _cell(row[n]) for n in shown] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
