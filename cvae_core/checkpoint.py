"""Weights and config in one safetensors file, which is read without executing code.

The file's metadata contain `cvae`, a JSON object: format, system, config, the training data, and a SHA-256 of the
tensors, which detects a damaged file.
"""

import contextlib
import hashlib
import json
import os
import re
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cvae_core import migrate
from cvae_core.errors import UserError

FORMAT = 5  # of checkpoints and runs; migrate.py reads older ones
ROOT = Path(__file__).resolve().parent.parent  # of the checkout
PACKAGED = Path(__file__).resolve().parent / "checkpoints"  # exists only in an installed package
INSTALLED = PACKAGED.is_dir()
CHECKPOINTS = PACKAGED if INSTALLED else ROOT / "checkpoints"
SCALE = ":scale"  # suffix of the tensor (rows, 1) by which an int8 matrix is multiplied
TYPES = {
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool,
}  # fmt: skip
RUN_WEIGHTS = ("weights.safetensors", "best.safetensors")  # the kept weights of a run, the latter in older runs
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def write_atomic(path: Path, data: bytes) -> None:
    """Write a temporary file, flush it to disk and rename it, so that `path` is never incomplete.

    Raises UserError if the file cannot be written, as on a full or read-only disk.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from None
    finally:
        with contextlib.suppress(OSError):  # a read-only disk raises even if the file does not exist
            temporary.unlink(missing_ok=True)


def write(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Save tensors and metadata (JSON values) atomically. Raises UserError as `write_atomic` does."""
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    metadata = metadata | {"format": FORMAT, "sha256": digest(tensors)}
    write_atomic(Path(path), save(tensors, {"cvae": json.dumps(metadata)}))


def read(path: str | Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata that `write` saved, in any format so far; packed tensors are unpacked.

    Raises UserError for any other file, a damaged one, and weights that are not finite.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["cvae"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        if not {t.dtype for t in tensors.values()} <= TYPES:
            raise ValueError("unsupported dtype")
        intact = isinstance(metadata, dict) and metadata.pop("sha256") == digest(tensors)
        tensors = _unpack(tensors)
    except OSError as error:
        raise UserError(f"Cannot read checkpoint {path}: {error.strerror or error}.") from None
    except (SafetensorError, KeyError, ValueError, RuntimeError):
        raise UserError(f"{path.name} is not a checkpoint of this program (safetensors with a config).") from None
    if not intact:
        raise UserError(f"{path.name} is damaged: its tensors do not match their checksum.")
    version = metadata.get("format")
    if version in range(1, FORMAT):
        tensors, metadata = migrate.weights(tensors), migrate.checkpoint_metadata(metadata)
    elif version != FORMAT:
        raise UserError(f"{path.name} has checkpoint format {version}; this program reads 1 to {FORMAT}.")
    if not all(torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point()):
        raise UserError(f"{path.name} contains weights that are not finite numbers: its training has failed.")
    return {name: t.to(device) for name, t in tensors.items()}, metadata


def copy(source: Path, target: Path, pack: str = "") -> None:
    """Copy a checkpoint: unchanged, in `float16`, or with matrices in `int8`. Raises UserError as read and write do."""
    if not pack:
        return write_atomic(target, source.read_bytes())
    tensors, metadata = read(source)
    packed = {}
    for name, tensor in tensors.items():
        if pack == "int8" and tensor.is_floating_point() and tensor.dim() == 2:
            scale = tensor.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / 127
            packed[name], packed[name + SCALE] = (tensor / scale).round().to(torch.int8), scale
        else:
            packed[name] = tensor.half() if tensor.is_floating_point() else tensor
    return write(target, packed, metadata)


def _unpack(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Multiply int8 matrices (rows, columns) by their scales (rows, 1)."""
    scales = {name.removesuffix(SCALE): scale for name, scale in tensors.items() if name.endswith(SCALE)}
    rest = {name: tensor for name, tensor in tensors.items() if not name.endswith(SCALE)}
    # Other shapes could broadcast to a product of any size.
    if any(scale.shape != (*rest[name].shape[:1], 1) for name, scale in scales.items()):
        raise ValueError("scales do not fit their matrices")
    return rest | {name: rest[name] * scale for name, scale in scales.items()}


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of the names, dtypes, shapes and values of tensors."""
    sha256 = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        sha256.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha256.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha256.hexdigest()


def find(name_or_path: str) -> Path:
    """A checkpoint file, by name (`tense` is tense.safetensors in CHECKPOINTS), path, or path of a run folder.

    Raises UserError if there is none.
    """
    named = CHECKPOINTS / f"{name_or_path}.safetensors"
    if NAME.fullmatch(name_or_path) and named.is_file():
        return named
    path = Path(name_or_path.replace("\0", ""))
    with contextlib.suppress(OSError):  # a name too long for the file system is no file
        if path.is_dir():
            path = weights_in(path)
        if path.is_file():
            return path
    known = ", ".join(available()) or "none"
    raise UserError(f"There is no checkpoint {name_or_path!r}: give a path, or one of the shipped names ({known}).")


def weights_in(folder: Path) -> Path:
    """The file of a run folder's kept weights, whether it exists or not."""
    return next((folder / name for name in RUN_WEIGHTS if (folder / name).is_file()), folder / RUN_WEIGHTS[0])


def available(system: str | None = None) -> list[str]:
    """Names of the checkpoints in CHECKPOINTS, of one system or of all (None), in alphabetical order."""
    paths = sorted(CHECKPOINTS.glob("*.safetensors"))
    return [p.stem for p in paths if NAME.fullmatch(p.stem) and system in (None, system_of(p))]


def system_of(path: Path) -> str | None:
    """The system of a checkpoint file; None for any other file."""
    return (read_header(path) or {}).get("system")


def read_header(path: Path) -> dict[str, Any] | None:
    """The metadata of a checkpoint file, without reading its tensors; None for any other file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return _read_header(path, stat.st_ino, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1024)  # every rerun of a page lists all checkpoints
def _read_header(path: Path, *version: int) -> dict[str, Any] | None:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["cvae"])
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError):
        return None
    if not isinstance(metadata, dict):
        return None
    return migrate.checkpoint_metadata(metadata) if metadata.get("format") in range(1, FORMAT) else metadata
