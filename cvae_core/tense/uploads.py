"""Checkpoints of verbs that visitors of the app upload: kept for a day among the runs, named by their content.

A file is read without executing anything, and rejected before a model is built that is larger than the file.
"""

import contextlib
import hashlib
import math
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from cvae_core import checkpoint, runs
from cvae_core.config import config_from_dict
from cvae_core.errors import UserError
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.inference import load
from cvae_core.tense.model import create

HOURS = 24.0
MAX_MEGABYTES = 16


def store(data: bytes, file_name: str) -> str:
    """Validate a checkpoint and keep it; returns a name that `runs.find_weights` knows.

    Raises UserError for a file that is too large, that `load` rejects, or whose config describes a larger model than
    its tensors fill.
    """
    if len(data) > MAX_MEGABYTES << 20:
        raise UserError(f"{file_name} is larger than {MAX_MEGABYTES} MiB: too large for a model of this program.")
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(file_name).stem)[:30].strip("-") or "model"
    name, uploads = f"uploaded-{stem}-{hashlib.sha256(data).hexdigest()[:12]}", runs.RUNS / runs.UPLOADS
    try:
        uploads.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=uploads) as folder:
            path = Path(folder) / f"{stem}.safetensors"
            checkpoint.write_atomic(path, data)
            _check(path)
            load(str(path))
            path.replace(uploads / f"{name}.safetensors")
    except OSError as error:
        raise UserError(f"Cannot keep an upload in {uploads}: {error.strerror}.") from None
    _remove_old()
    return name


def _check(path: Path) -> None:
    """Raises UserError for what a file's header alone rules out: another system, a config of a larger model."""
    header = checkpoint.read_header(path)
    if header is None:
        raise UserError(f"{path.name} is not a checkpoint of this program (safetensors with a config).")
    if header.get("system") != "tense" or not isinstance(header.get("config"), dict):
        raise UserError(f"{path.name} is not a checkpoint of a model of verbs.")
    temperature, floor = header.get("temperature", 1.0), header.get("familiarity_floor")
    if not _is_number(temperature) or temperature <= 0 or not (floor is None or _is_number(floor)):
        raise UserError(f"{path.name} is damaged: its temperature or its familiarity floor is out of range.")
    with torch.device("meta"):  # shapes without memory
        needed = sum(p.numel() for p in create(config_from_dict(TenseConfig, header["config"])).parameters())
    try:
        with safe_open(path, framework="pt") as file:
            there = sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except SafetensorError:
        there = 0
    if needed > there:
        raise UserError(f"{path.name} contains weights that do not fit its config.")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _remove_old() -> None:
    """Remove uploads older than HOURS."""
    for path in (runs.RUNS / runs.UPLOADS).glob("*.safetensors"):
        with contextlib.suppress(OSError):  # another session was faster
            if time.time() - path.stat().st_mtime > 3600 * HOURS:
                path.unlink()
