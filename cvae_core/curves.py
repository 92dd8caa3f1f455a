"""Curves of runs: read them, smooth and thin them, compare the runs behind them, hand them to TensorBoard.

A run's history is a table with a row for each epoch: `epoch`, `step`, `hours` since the run's start, and every number
that the run logged.
"""

import json
import math
import tempfile
import zipfile
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cvae_core.errors import UserError
from cvae_core.runs import Run

POSITIONS = ("epoch", "step", "seconds", "hours")
LOSSES = ("loss", "recon", "kl")
SCHEDULES = ("beta", "teacher_forcing_ratio", "learning_rate")


def load(run: Run) -> pd.DataFrame:
    """The history of a run, in the order of its epochs; entries that are no finite number are left empty.

    An epoch's `seconds` add up to `hours`. Of an epoch logged twice the later row counts. A run without a finished
    epoch gives a table without rows; a file that cannot be understood raises `UserError`.
    """
    try:
        rows = [{name: _number(value) for name, value in row.items()} for row in run.read_metrics()]
        frame = pd.DataFrame(rows, columns=None if rows else ["epoch"], dtype=float)
        frame = frame.dropna(subset="epoch").drop_duplicates("epoch", keep="last")
        frame = frame.sort_values("epoch", ignore_index=True)
    except (OSError, AttributeError, KeyError, OverflowError):
        raise UserError(f"Run {run.id} has no readable metrics.jsonl.") from None
    if "step" not in frame:
        frame["step"] = np.nan
    frame.loc[frame["epoch"] == 0, "step"] = 0.0
    seconds = frame["seconds"] if "seconds" in frame else pd.Series(0.0, frame.index)
    frame["hours"] = seconds.fillna(0.0).cumsum() / 3600
    return frame.dropna(axis="columns", how="all") if len(frame) else frame


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else math.nan


def kind(metric: str) -> str:
    """What a logged number is: `position`, `loss`, `schedule`, `speed` or `score`."""
    kinds = {"position": POSITIONS, "loss": LOSSES, "schedule": SCHEDULES}
    for name, members in kinds.items():
        if metric in members:
            return name
    return "speed" if metric.endswith("_per_second") else "score"


def names(frames: dict[str, pd.DataFrame], *kinds: str) -> list[str]:
    """The logged numbers of these kinds in any of the histories: one kind after the other, each in order of logging."""
    logged = dict.fromkeys(column for frame in frames.values() for column in frame)
    return [name for wanted in kinds for name in logged if kind(name) == wanted]


def best_epoch(frame: pd.DataFrame) -> int | None:
    """The first epoch with the largest `score`; without scores, with the smallest `loss`; None without either."""
    for metric, sign in (("score", 1), ("loss", -1)):
        if metric in frame and frame[metric].notna().any():
            return int(frame["epoch"][(sign * frame[metric]).idxmax()])
    return None


def smooth(values: pd.Series, weight: float) -> pd.Series:
    """Exponential moving average without the early bias towards 0, as TensorBoard draws it; `weight` in [0, 1).

    s_t = Σ_k weight^k · y_{t-k} / Σ_k weight^k, over k = 0 … t
    """
    return values.ewm(alpha=1 - weight, adjust=True).mean()


def thin(values: np.ndarray, count: int) -> np.ndarray:
    """Indices of at most `count` (4 or more) of the values, in order, that keep the curve's look.

    The first, the last and, of each of equally long stretches, the smallest and the largest: spikes survive.
    """
    length = len(values)
    if length <= count:
        return np.arange(length)
    stretches = (count - 2) // 2
    stretch = np.arange(length) * stretches // length
    order = np.lexsort((values, stretch))  # within each stretch from small to large
    starts = np.searchsorted(stretch, np.arange(stretches))
    ends = np.append(starts[1:], length) - 1
    return np.unique(np.concatenate(([0, length - 1], order[starts], order[ends])))


def clip_range(values: np.ndarray) -> tuple[float, float] | None:
    """From the 2nd to the 98th percentile with a margin of 5 % at both ends; None where there are no values."""
    if not len(values):
        return None
    low, high = np.percentile(values, [2, 98])
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return float(low - margin), float(high + margin)


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """A run's config.json as one level of names: `system`, `preset`, `data` and such, then the fields of `config`.

    Left out are the time of the run's creation and the words that a run may carry with it.
    """
    outer = {k: v for k, v in config.items() if k != "created" and not isinstance(v, dict | list)}
    inner = config.get("config")
    return outer | (inner if isinstance(inner, dict) else {})


def differing(runs: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Runs down, settings across: only those that differ between the runs, as text; "–" where one is absent.

    Takes the `settings` of each run, by the run's name.
    """
    fields = dict.fromkeys(field for values in runs.values() for field in values)
    table = {field: [_text(values[field]) if field in values else "–" for values in runs.values()] for field in fields}
    return pd.DataFrame({field: texts for field, texts in table.items() if len(set(texts)) > 1}, index=list(runs))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "–" if value is None else json.dumps(value)


def summary(frames: dict[str, pd.DataFrame], metrics: list[str]) -> pd.DataFrame:
    """Runs down: epochs, hours, the best epoch, and each metric at the last and at the best epoch."""
    rows = []
    for frame in frames.values():
        best = best_epoch(frame)
        row = {"epochs": frame["epoch"].max(), "hours": frame["hours"].max(), "best epoch": best}
        for metric in metrics:
            values = frame.set_index("epoch")[metric].dropna() if metric in frame else pd.Series(dtype=float)
            row[f"{metric}, last"] = values.iloc[-1] if len(values) else None
            row[f"{metric}, best epoch"] = values.get(best)
        rows.append(row)
    return pd.DataFrame(rows, index=list(frames))


def tidy(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One table of all histories: `run`, `epoch`, `step`, `hours`, then every number logged."""
    joined = pd.concat([frame.assign(run=name) for name, frame in frames.items()], ignore_index=True)
    first = [column for column in ("run", "epoch", "step", "hours") if column in joined]
    return joined[first + [column for column in joined if column not in (*first, "seconds")]]


def started(run: Run) -> float:
    """When a run began, in seconds since 1970: by its id, otherwise by the age of its config."""
    try:
        return datetime.strptime(run.id[:15], "%Y%m%d-%H%M%S").timestamp()
    except ValueError:
        return (run.path / "config.json").stat().st_mtime


def export_tensorboard(runs: dict[str, Run], directory: Path) -> None:
    """Write runs, by the names they shall have, as TensorBoard reads them: a folder each, a scalar for each metric.

    Scalars stand at their epoch and carry the time at which it ended; the settings are there as text.
    """
    from torch.utils.tensorboard import SummaryWriter  # slow to import, and nothing else needs it

    for name, run in runs.items():
        history, start = load(run), started(run)
        config = json.dumps(settings(run.read_config()), indent=2)
        with SummaryWriter(str(Path(directory) / name)) as writer:
            writer.add_text("config", f"```\n{config}\n```", 0, walltime=start)
            for row in history.to_dict("records"):
                time = start + 3600 * row["hours"]
                for metric, value in row.items():
                    if kind(metric) != "position" and not math.isnan(value):
                        writer.add_scalar(metric, value, int(row["epoch"]), walltime=time)


def zip_tensorboard(runs: dict[str, Run]) -> bytes:
    """The folders of `export_tensorboard`, packed."""
    packed = BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        export_tensorboard(runs, Path(folder))
        for path in sorted(Path(folder).rglob("*")):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()
