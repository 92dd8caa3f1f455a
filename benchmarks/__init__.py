"""Speed, ablations and load: `python -m benchmarks.NAME` prints each figure beside a baseline from the same run."""

import os
import platform
from collections.abc import Sequence

# Waiting threads sleep instead of spinning: beside another busy process spinning costs minutes. Read at torch's import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402


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


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Two columns, the second flush right."""
    left, right = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "\n".join(f"{name:<{left}}  {value:>{right}}" for name, value in rows)
