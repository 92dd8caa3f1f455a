"""Histories of runs: read, smooth and thin them, compare runs, export them to TensorBoard.

A history is a table with one row per epoch: `epoch`, `step`, `hours` since the run's start, and every logged number.
That of a group of runs has their means, and the standard deviation of each number in a column named with SPREAD.
"""

import json
import math
import shutil
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cvae_core.run import Run

SPREAD = " ±"
SAME = "all but the seed"  # grouping of runs with the same settings
NO_SETTING = ("seed", "device", "study", "format")  # that a group of the same settings has in common
KINDS = {
    "epoch": "position", "step": "position", "seconds": "position", "hours": "position",
    "loss": "loss", "recon": "loss", "kl": "loss",
    "beta": "schedule", "teacher_forcing_ratio": "schedule", "learning_rate": "schedule",
}  # fmt: skip


def load(run: Run) -> pd.DataFrame:
    """The history of a run, ordered by epoch; values that are not finite numbers are NaN.

    `hours` is the cumulative sum of `seconds`. Of an epoch that was logged twice the later row counts. A run without a
    finished epoch gives an empty table. Raises UserError if metrics.jsonl cannot be read.
    """
    rows = [{name: _number(value) for name, value in row.items()} for row in run.read_metrics()]
    frame = pd.DataFrame(rows, columns=None if rows else ["epoch"], dtype=float)
    frame = frame.drop_duplicates("epoch", keep="last").sort_values("epoch", ignore_index=True)
    if "step" not in frame:
        frame["step"] = np.nan
    frame.loc[frame["epoch"] == 0, "step"] = 0.0
    seconds = frame["seconds"] if "seconds" in frame else pd.Series(0.0, frame.index)
    frame["hours"] = seconds.fillna(0.0).cumsum() / 3600
    return frame.dropna(axis="columns", how="all") if len(frame) else frame


def _number(value: Any) -> float:
    """A finite float, or NaN; JSON integers can exceed every float."""
    return float(value) if isinstance(value, int | float) and abs(value) <= sys.float_info.max else math.nan


def kind(metric: str) -> str:
    """The kind of a logged number: `position`, `loss`, `schedule`, `speed`, `score`, or a group's `spread`."""
    if metric.endswith(SPREAD):
        return "spread"
    return KINDS.get(metric, "speed" if metric.endswith("_per_second") else "score")


def names(frames: dict[str, pd.DataFrame], *kinds: str) -> list[str]:
    """The logged numbers of the given kinds in any of the histories, by kind, then in the order of logging."""
    logged = dict.fromkeys(column for frame in frames.values() for column in frame)
    return [name for wanted in kinds for name in logged if kind(name) == wanted]


def best_epoch(frame: pd.DataFrame) -> int | None:
    """The first epoch with the largest `score`, or without scores the smallest `loss`; None without either."""
    for metric, sign in (("score", 1), ("loss", -1)):
        if metric in frame and frame[metric].notna().any():
            return int(frame["epoch"][(sign * frame[metric]).idxmax()])
    return None


def smooth(values: pd.Series, weight: float) -> pd.Series:
    """Exponential moving average with bias correction, as in TensorBoard; `weight` in [0, 1).

    s_t = Σ_k weight^k · y_{t-k} / Σ_k weight^k, over k = 0 … t
    """
    return values.ewm(alpha=1 - weight, adjust=True).mean()


def thin(values: np.ndarray, count: int) -> np.ndarray:
    """Indices of at most `count` (4 or more) of the values, in order, that preserve the shape of the curve.

    The first, the last, and the minimum and maximum of each of (count - 2) // 2 bins of equal length.
    """
    length = len(values)
    if length <= count:
        return np.arange(length)
    bins = (count - 2) // 2
    bin_of = np.arange(length) * bins // length
    order = np.lexsort((values, bin_of))  # ascending within each bin
    starts = np.searchsorted(bin_of, np.arange(bins))
    ends = np.append(starts[1:], length) - 1
    return np.unique(np.concatenate(([0, length - 1], order[starts], order[ends])))


def clip_range(values: np.ndarray) -> tuple[float, float] | None:
    """The 2nd and 98th percentiles with a margin of 5 % at both ends; None without values."""
    if not len(values):
        return None
    low, high = np.percentile(values, [2, 98])
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return float(low - margin), float(high + margin)


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """A run's config.json, flattened: `system`, `preset`, `data`, …, then the fields of `config`.

    Without `created`, and without the verbs that a run may contain.
    """
    outer = {k: v for k, v in config.items() if k != "created" and not isinstance(v, dict | list)}
    inner = config.get("config")
    return outer | (inner if isinstance(inner, dict) else {})


def groups(runs: dict[str, dict[str, Any]], by: str) -> dict[str, list[str]]:
    """The names of runs in each group, by the group's name; `runs` has their `settings`.

    A group has one value of the setting `by`, or, if that is SAME, the same settings except for the seed. One run of
    such settings keeps its name.
    """
    found: dict[str, list[str]] = {}
    for name, values in runs.items():
        if by == SAME:
            key = json.dumps({k: v for k, v in values.items() if k not in NO_SETTING}, sort_keys=True)
        else:
            key = f"{by} = {_text(values.get(by))}"
        found.setdefault(key, []).append(name)
    if by != SAME:
        return found
    return {names[0] + (f" ({len(names)} runs)" if len(names) > 1 else ""): names for names in found.values()}


def group_history(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """The history of a group: means and standard deviations, at each epoch of the runs that have it."""
    if len(frames) == 1:
        return frames[0]
    epochs = pd.concat(frames).groupby("epoch")
    return (
        epochs.mean()
        .join(epochs.std().drop(columns=["step", "hours"], errors="ignore").add_suffix(SPREAD))
        .reset_index()
    )


def differing(runs: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """A table of the settings that differ between runs: a row per run, a column per setting, as text ("–" if absent).

    `runs` has the `settings` of each run, by its name.
    """
    fields = dict.fromkeys(field for values in runs.values() for field in values)
    table = {field: [_text(values[field]) if field in values else "–" for values in runs.values()] for field in fields}
    return pd.DataFrame({field: texts for field, texts in table.items() if len(set(texts)) > 1}, index=list(runs))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "–" if value is None else json.dumps(value)


def summary(frames: dict[str, pd.DataFrame], metrics: list[str], baseline: str | None = None) -> pd.DataFrame:
    """A row per history: epochs, hours, the best epoch, and each metric at the last and at the best epoch.

    With the name of a `baseline`, each metric's difference to its. A group's are text, mean ± standard deviation.
    """
    rows = {name: _summary_row(frame, metrics, "") for name, frame in frames.items()}
    grouped = any(column.endswith(SPREAD) for frame in frames.values() for column in frame)
    spreads = {name: _summary_row(frame, metrics, SPREAD) for name, frame in frames.items()} if grouped else {}
    table = pd.DataFrame(rows.values(), index=list(frames))
    numbers = [column for column in table if column not in ("epochs", "hours", "best epoch")]
    sign = "" if baseline is None else "+"
    if baseline is not None:
        table[numbers] = table[numbers].astype(float) - table.loc[baseline, numbers].astype(float)
    for column in numbers:
        spread = [row[column] for row in spreads.values()]
        if any(s is not None for s in spread):
            table[column] = [_mean_and_spread(v, s, sign) for v, s in zip(table[column], spread, strict=True)]
    return table


def _summary_row(frame: pd.DataFrame, metrics: list[str], suffix: str) -> dict[str, Any]:
    best, by_epoch = best_epoch(frame), frame.set_index("epoch")
    row = {"epochs": frame["epoch"].max(), "hours": frame["hours"].max(), "best epoch": best}
    for metric in metrics:
        values = by_epoch.get(metric + suffix, pd.Series(dtype=float)).dropna()
        row[f"{metric}, last"] = values.iloc[-1] if len(values) else None
        row[f"{metric}, best epoch"] = values.get(best)
    return row


def _mean_and_spread(value: float | None, spread: float | None, sign: str) -> str:
    if value is None or math.isnan(value):
        return "–"
    return f"{value:{sign}.4g}" + ("" if spread is None else f" ± {spread:.2g}")


def tidy(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """All histories as one table: `run`, `epoch`, `step`, `hours`, then every logged number."""
    joined = pd.concat([frame.assign(run=name) for name, frame in frames.items()], ignore_index=True)
    first = [column for column in ("run", "epoch", "step", "hours") if column in joined]
    return joined[first + [column for column in joined if column not in (*first, "seconds")]]


def started(run: Run) -> float:
    """The start of a run in seconds since 1970, from its id, or else the modification time of its config."""
    try:
        return datetime.strptime(run.id[:15], "%Y%m%d-%H%M%S").timestamp()
    except ValueError:
        return (run.path / "config.json").stat().st_mtime


def export_tensorboard(runs: dict[str, Run], directory: Path) -> None:
    """Write runs, by their names, as event files of TensorBoard: a folder per run, a scalar per metric.

    Steps are epochs, wall times are the ends of epochs; the settings and the note are added as text.
    """
    from torch.utils.tensorboard import SummaryWriter  # slow to import, and an optional dependency

    for name, run in runs.items():
        history, start = load(run), started(run)
        config, note = json.dumps(settings(run.read_config()), indent=2), run.read_note()
        with SummaryWriter(str(Path(directory) / name)) as writer:
            writer.add_text("config", f"```\n{config}\n```", 0, walltime=start)
            if note:
                writer.add_text("note", note, 0, walltime=start)
            for row in history.to_dict("records"):
                time = start + 3600 * row["hours"]
                for metric, value in row.items():
                    if kind(metric) != "position" and not math.isnan(value):
                        writer.add_scalar(metric, value, int(row["epoch"]), walltime=time)


def zip_tensorboard(runs: dict[str, Run]) -> bytes:
    """The folders of `export_tensorboard` as a ZIP file."""
    with tempfile.TemporaryDirectory() as folder:
        export_tensorboard(runs, Path(folder) / "runs")
        return Path(shutil.make_archive(f"{folder}/packed", "zip", f"{folder}/runs")).read_bytes()
