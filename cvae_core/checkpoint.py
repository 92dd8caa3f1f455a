"""Weights and config in one safetensors file, read without executing anything.

The file's metadata hold `cvae`, a JSON object: format, system, config, what it was trained on, and a SHA-256 of
the tensors, so that a damaged file is told from a good one.
"""

import contextlib
import hashlib
import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cvae_core import migrate
from cvae_core.errors import UserError

FORMAT = 2  # of checkpoints and runs; migrate.py reads older ones
ROOT = Path(__file__).resolve().parent.parent  # of the checkout
PACKAGED = Path(__file__).resolve().parent / "checkpoints"  # there is such a folder in an installed package only
INSTALLED = PACKAGED.is_dir()
CHECKPOINTS = PACKAGED if INSTALLED else ROOT / "checkpoints"
SCALE = ":scale"  # ends the names of what a matrix in 8 bits is multiplied by, row by row
TYPES = {
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool,
}  # fmt: skip
RUN_WEIGHTS = ("weights.safetensors", "best.safetensors")  # the kept weights of a run, the latter in older runs
MAX_BYTES = 256 * 1024 * 1024
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def write_atomic(path: Path, data: bytes) -> None:
    """Write under a temporary name, flush to disk, then rename: the old file or the new one, never half of one.

    What the disk refuses (it is full, or may only be read) is a `UserError`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror or error}.") from None
    finally:
        with contextlib.suppress(OSError):  # a disk that may only be read says so even of a file that is not there
            temporary.unlink(missing_ok=True)


def write(path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Save tensors with their metadata (plain JSON values), atomically."""
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    metadata = metadata | {"format": FORMAT, "sha256": digest(tensors)}
    write_atomic(Path(path), save(tensors, {"cvae": json.dumps(metadata)}))


def read(path: str | Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Load what `write` saved; anything else, or a file whose tensors were changed, is a `UserError`."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path.name} is larger than {MAX_BYTES >> 20} MiB: not a checkpoint of this program.")
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["cvae"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        if not {t.dtype for t in tensors.values()} <= TYPES:
            raise ValueError("tensors of a type that no model has")
        intact = isinstance(metadata, dict) and metadata.pop("sha256") == digest(tensors)
        tensors = _unpack(tensors)
    except OSError as error:
        raise UserError(f"Cannot read checkpoint {path}: {error.strerror or error}.") from None
    except (SafetensorError, KeyError, ValueError, RuntimeError):
        raise UserError(
            f"{path.name} is not a checkpoint of this program (safetensors with a config inside)."
        ) from None
    if not intact:
        raise UserError(f"{path.name} is damaged: its tensors are not those that were saved.")
    if metadata.get("format") == 1:
        tensors, metadata = migrate.weights(tensors), migrate.checkpoint_metadata(metadata)
    elif metadata.get("format") != FORMAT:
        raise UserError(
            f"{path.name} has checkpoint format {metadata.get('format')}; this program reads 1 to {FORMAT}."
        )
    if not all(torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point()):
        raise UserError(f"{path.name} holds weights that are not finite numbers: its training has failed.")
    return {name: t.to(device) for name, t in tensors.items()}, metadata


def copy(source: Path, target: Path, pack: str = "") -> None:
    """Copy a checkpoint, packed as `float16` or `int8` or as it is; `read` gives models what they need of any."""
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
    """Matrices in 8 bits, each row in steps of its own, become numbers again."""
    scales = {name.removesuffix(SCALE): scale for name, scale in tensors.items() if name.endswith(SCALE)}
    rest = {name: tensor for name, tensor in tensors.items() if not name.endswith(SCALE)}
    if any(
        scale.shape != (*rest[name].shape[:1], 1) for name, scale in scales.items()
    ):  # a product could be of any size
        raise ValueError("scales do not fit their matrices")
    return rest | {name: rest[name] * scale for name, scale in scales.items()}


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of tensors with their names, types and shapes."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def find(name_or_path: str) -> Path:
    """A checkpoint by name (`tense` is tense.safetensors in CHECKPOINTS) or by path."""
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
    """The kept weights of a run folder."""
    return next((folder / name for name in RUN_WEIGHTS if (folder / name).is_file()), folder / RUN_WEIGHTS[0])


def available(system: str | None = None) -> list[str]:
    """Names in CHECKPOINTS, of one system or of all, in alphabetical order."""
    paths = sorted(CHECKPOINTS.glob("*.safetensors"))
    return [p.stem for p in paths if NAME.fullmatch(p.stem) and system in (None, system_of(p))]


def system_of(path: Path) -> str | None:
    """The system that a checkpoint file belongs to; None for anything else."""
    return (read_header(path) or {}).get("system")


def read_header(path: Path) -> dict[str, Any] | None:
    """The metadata of a checkpoint, without reading its tensors; None for anything else."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return _read_header(path, seen.st_ino, seen.st_mtime_ns, seen.st_size)


@lru_cache(maxsize=1024)
def _read_header(path: Path, *version: int) -> dict[str, Any] | None:
    """Each version of a file is read once: every rerun of a page lists them all."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["cvae"])
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RecursionError):
        return None
    if not isinstance(metadata, dict):
        return None
    return migrate.checkpoint_metadata(metadata) if metadata.get("format") == 1 else metadata
