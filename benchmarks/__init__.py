"""Speed, each figure printed beside its peer from the same run: python -m benchmarks.train_speed, ….convert_speed."""

import json
import os
import platform
import shutil
from collections.abc import Sequence

# Waiting threads sleep instead of spinning: beside another busy process spinning costs minutes. Read at torch's import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402

from cvae_core.checkpoint import ROOT  # noqa: E402
from cvae_core.runs import Run  # noqa: E402


def machine() -> str:
    """What a timing depends on, in a line."""
    return (
        f"{_processor()}, {os.cpu_count()} cores; {platform.system()} {platform.machine()}; "
        f"Python {platform.python_version()}, torch {torch.__version__}, threads {torch.get_num_threads()}"
    )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def ship_log(run: Run, name: str, samples: int = 0) -> None:
    """Put a run's log into assets/runs/: settings and metrics, without the user's data and where they lay.

    With `samples`, also what the model made after every so many epochs, the last one among them.
    """
    folder = ROOT / "assets" / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in run.read_config().items() if key not in ("verbs", "source")}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    shutil.copy(run.path / "metrics.jsonl", folder / "metrics.jsonl")
    if samples:
        rows = run.read_samples()
        kept = [row for row in rows if (rows[-1]["epoch"] - row["epoch"]) % samples == 0]
        (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Two columns, the second flush right."""
    left, right = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(f"{name:<{left}}  {value:>{right}}" for name, value in rows)
