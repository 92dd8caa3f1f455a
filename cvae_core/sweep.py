"""Sweeps: one training for each point of a grid, or for each of a number of points that a sampler picks.

A study is a queue of trials in a database. Any number of workers, on any number of machines, take one waiting trial
after the other, train a run and store its score. When a worker's heartbeat is missing, its trial returns to the queue,
and the next worker resumes the run from its last save.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from itertools import product
from statistics import mean, stdev
from typing import Any

import optuna
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError

from cvae_core import runs, settings
from cvae_core.config import format_knots, parse_knots
from cvae_core.errors import UserError
from cvae_core.training import Stopped

HEARTBEAT = 5  # seconds
GRACE = 20  # seconds without a heartbeat after which a trial returns to the queue

Space = dict[str, dict[str, Any]]  # field -> {"values": […]} of a grid, {"choices": […]} or {"low", "high", "log"}
# Heartbeats are experimental since Optuna 2.9. The progress bar counts finished trials, the table has their errors.
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
optuna.logging.set_verbosity(optuna.logging.ERROR)

retry = RetryHeartbeatStaleTrialCallback()


# --- what to sweep --------------------------------------------------------------------------------------------------


def parse_grid(text: str, config: type) -> tuple[str, dict]:
    """`learning_rate=0.05,0.1` -> the field and its values, schedules separated by semicolons. Raises UserError."""
    name, kind, values = _split(text, config)
    return name, {"values": [_value(name, kind, v) for v in values.split(";" if kind is tuple else ",")]}


def parse_search(text: str, config: type) -> tuple[str, dict]:
    """`learning_rate=0.01:0.1` (`:log` for a logarithmic scale), or values as in a grid. Raises UserError."""
    name, kind, values = _split(text, config)
    parts = values.split(":")
    if len(parts) == 1 or kind is tuple:
        return name, {"choices": parse_grid(text, config)[1]["values"]}
    low, high = (_value(name, kind, v) for v in parts[:2]) if len(parts) < 4 else (1, 0)
    if isinstance(low, bool | str) or not low < high or parts[2:] not in ([], ["log"]) or (parts[2:] and low <= 0):
        raise UserError(f"{text!r} is not a range: expected FIELD=LOW:HIGH, or FIELD=LOW:HIGH:log with LOW above 0.")
    return name, {"low": low, "high": high, "log": bool(parts[2:])}


def _split(text: str, config: type) -> tuple[str, type, str]:
    """`FIELD=VALUES` -> the field's name and type, and VALUES."""
    name, _, values = text.partition("=")
    name = name.strip().replace("-", "_")
    kinds = {f.name: type(f.default) for f in fields(config)}
    if name not in kinds or not values:
        raise UserError(f"{text!r} names no field with values: expected FIELD=VALUE,VALUE with a field of the config.")
    return name, kinds[name], values


def _value(name: str, kind: type, text: str) -> Any:
    if kind is tuple:
        return format_knots(parse_knots(text))  # Optuna stores text, not tuples
    try:
        return {"true": True, "false": False}[text.strip().lower()] if kind is bool else kind(text.strip())
    except (ValueError, KeyError):
        raise UserError(f"{name} takes {kind.__name__}, not {text.strip()!r}.") from None


def combinations(space: Space) -> Iterator[dict[str, Any]]:
    """Every point of a grid."""
    for values in product(*(entry["values"] for entry in space.values())):
        yield dict(zip(space, values, strict=True))


def _suggest(trial: Trial, name: str, values=None, choices=None, low=None, high=None, log=False) -> Any:
    """The trial's value of a field; one of a grid was enqueued with the trial."""
    if values is not None and not all(type(v) in (int, float) for v in values):
        choices = values
    if choices is not None:
        return trial.suggest_categorical(name, choices)
    if values is not None:  # as a range, so that plots have a numeric axis
        low, high = min(values), max(values)
    return (trial.suggest_int if isinstance(low, int) else trial.suggest_float)(name, low, high, log=log)


# --- the study ------------------------------------------------------------------------------------------------------


def default_storage() -> str:
    """The URL in CVAE_STUDIES, or that of an SQLite database in the folder of the runs."""
    if url := settings.studies_url():
        return url
    runs.RUNS.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{runs.RUNS / 'sweeps.db'}"


def open_storage(url: str) -> RDBStorage:
    """Connect to a database, and create its tables where there are none. Raises UserError if that fails."""
    connect = partial(
        RDBStorage,
        url,
        engine_kwargs={"pool_pre_ping": True},  # a connection that a restarted server has closed is replaced
        heartbeat_interval=HEARTBEAT,
        grace_period=GRACE,
        heartbeat_stale_trial_callback=retry,
    )
    try:
        try:
            storage = connect()
        except SQLAlchemyError:  # perhaps another process was creating the same tables: then they exist now
            storage = connect()
    except Exception as error:  # of SQLAlchemy, the driver or Optuna
        raise UserError(f"Cannot open the study database {settings.masked(url)}: {_reason(error)}") from None
    if storage.engine.dialect.name == "sqlite":
        _lock_at_begin(storage.engine)
    return storage


def _lock_at_begin(engine: Engine) -> None:
    """Let SQLite take its write lock when a transaction begins, not at its first write.

    Optuna reads that a trial is waiting and then writes that it runs: two workers could both read first. SQLAlchemy
    sends its own BEGIN once the driver does not: "Serializable isolation / Savepoints" in the docs of its dialect.
    """
    engine.dispose()  # connections that were made before
    event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns errors of a database that is damaged, deleted or unreachable into UserError."""
    try:
        yield
    # Optuna's loop ends with an UnboundLocalError where the database is lost while a trial ends.
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError, UnboundLocalError) as error:
        cause: BaseException = error
        while found := cause.__cause__ or cause.__context__:
            cause = found
        raise UserError(f"The study database cannot be used: {_reason(cause)}.") from None


def _reason(error: BaseException) -> str:
    """The first line of an error of SQLAlchemy, the driver or Optuna, without passwords."""
    return settings.masked(str(error).strip().partition("\n")[0]) or type(error).__name__


def create(name: str, storage: RDBStorage, setup: dict[str, Any], space: Space, trials: int | None) -> optuna.Study:
    """A new study with its queue: the grid, or `trials` points for the sampler to pick.

    `setup` is stored as JSON for `session.train_point`. Raises UserError if there is a study of this name.
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
    """An existing study. Raises UserError if there is none of this name."""
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = ", ".join(sorted(optuna.get_all_study_names(storage))) or "none"
        raise UserError(f"There is no study {name!r} (known: {known}): give --grid or --search.") from None
    if "setup" not in study.user_attrs:
        raise UserError(f"The study {name!r} is of another program.")
    return study


def study_names(storage: RDBStorage) -> list[str]:
    """All studies, newest first."""
    summaries = optuna.get_all_study_summaries(storage, include_best_trial=False)
    return [summary.study_name for summary in sorted(summaries, key=lambda s: -s._study_id)]


def points(study: optuna.Study) -> list[FrozenTrial]:
    """One trial for each point of the sweep."""

    def is_point(trial: FrozenTrial) -> bool:  # not if it found the queue empty, or returned to it as a new trial
        failed = trial.state == TrialState.FAIL and "error" not in trial.user_attrs
        return trial.state != TrialState.PRUNED and not failed

    return list(filter(is_point, study.get_trials(deepcopy=False)))


def work(
    study: optuna.Study,
    train: Callable[[dict[str, Any], list[str], Callable[[int, str], None]], list[float]],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Run one waiting trial after the other until every trial of every worker has ended.

    `train(values, runs, started)` trains the point's repeats, or resumes `runs` (their ids so far), calls `started`
    with the number and the id of each, and returns their scores, whose mean is the trial's value. If it raises Stopped,
    the trial returns to the queue; if it raises UserError, the trial failed.
    """
    space = study.user_attrs["setup"]["space"]

    def objective(trial: Trial) -> float:
        if "point" not in trial.user_attrs:  # another worker took the last one
            raise optuna.TrialPruned
        values = {name: _suggest(trial, name, **entry) for name, entry in space.items()}
        runs = list(trial.user_attrs.get("runs", []))

        def started(number: int, run: str) -> None:
            runs[number : number + 1] = [run]  # in place of the one before, or as the next
            trial.set_user_attr("runs", runs)

        try:
            scores = train(values, list(runs), started)
            if not all(map(math.isfinite, scores)):
                raise UserError("The metric is not a finite number.")
            if len(scores) > 1:
                trial.set_user_attr("spread", stdev(scores))
            return mean(scores)
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
            time.sleep(1)  # the trial returns to the queue if its worker is killed
        else:
            return


def table(study: optuna.Study) -> list[dict[str, Any]]:
    """One row per trial, the best first: value, the swept fields, run, state, minutes, and the error if it failed.

    Of repeats the value is the mean, `±` their standard deviation, and `run` their ids.
    """
    rows = [
        {
            "trial": t.number, "value": t.value, "±": t.user_attrs.get("spread"), **t.params,
            "run": ", ".join(run_ids(t)) or None, "state": t.state.name.lower(),
            "minutes": t.duration and round(t.duration.total_seconds() / 60, 1),
            "error": t.user_attrs.get("error"),
        }
        for t in points(study)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -float("inf") if row["value"] is None else row["value"], reverse=True)


def run_ids(trial: FrozenTrial) -> list[str]:
    """The ids of a trial's runs, one for each repeat; studies of earlier versions have one, under another name."""
    return trial.user_attrs.get("runs") or [run for run in [trial.user_attrs.get("run")] if run]


def as_text(rows: list[dict[str, Any]]) -> str:
    """The table as text with aligned columns, without those that are empty in every row."""
    names = [name for name in rows[0] if any(row.get(name) is not None for row in rows)] if rows else []
    cells = [names] + [[_cell(row.get(name)) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
