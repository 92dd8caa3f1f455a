"""Clips of a robot's table: frames with the actions between them, in the course's folders or from the simulator.

A sequence lies in `traj_NAME/NUMBER/`: frames `0.png` to `{T-1}.png` of 64 x 64, `actions.csv` (dx, dy, dz, gripper)
and `endeffector_positions.csv` (x, y, z), a row a frame and no header.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cvae_core.checkpoint import digest, write_atomic
from cvae_core.errors import UserError

SIDE = 64
ACTION, POSITION = 4, 3
CONDITION = ACTION + POSITION
SHORTEST = 3  # two frames given and one to predict
FILES = {"actions.csv": ACTION, "endeffector_positions.csv": POSITION}
SPLITS = ("train", "validate")


class Clip(NamedTuple):
    """A sequence of T frames; row i of `condition` is frame i's, and its action leads to frame i + 1."""

    frames: Tensor  # (T, 3, 64, 64) bytes
    condition: Tensor  # (T, 7) action (dx, dy, dz, gripper) and the end effector's position (x, y, z)
    name: str


def stack(clips: Sequence[Clip], length: int) -> tuple[Tensor, Tensor]:
    """The first frames of some clips, (n, length, 3, 64, 64) bytes, and their conditions (n, length, 7)."""
    return (
        torch.stack([clip.frames[:length] for clip in clips]),
        torch.stack([clip.condition[:length] for clip in clips]),
    )


# --- one sequence ---------------------------------------------------------------------------------------------------


def read_clip(folder: str | Path) -> Clip:
    """A sequence from its folder; what is missing or does not fit is a `UserError` that names the sequence."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(
            f"There is no sequence {folder}: expected a folder with 0.png, 1.png, … and {' and '.join(FILES)}."
        )
    numbers = sorted(int(path.stem) for path in folder.glob("*.png") if re.fullmatch(r"0|[1-9]\d{0,8}", path.stem))
    if len(numbers) < SHORTEST:
        raise UserError(f"Sequence {folder} has {len(numbers)} frames: expected 0.png, 1.png, …, at least {SHORTEST}.")
    if numbers[-1] != len(numbers) - 1:
        missing = next(i for i, number in enumerate(numbers) if i != number)
        raise UserError(f"Sequence {folder} has no {missing}.png: expected every frame from 0 to {numbers[-1]}.")
    tables = [_read_rows(folder / file, width, len(numbers)) for file, width in FILES.items()]
    frames = torch.from_numpy(np.stack([_read_frame(folder / f"{i}.png") for i in numbers]))  # (T, 64, 64, 3)
    condition = torch.from_numpy(np.concatenate(tables, 1))
    return Clip(frames.permute(0, 3, 1, 2).contiguous(), condition, f"{folder.parent.name}/{folder.name}")


def _read_frame(path: Path) -> np.ndarray:
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.size != (SIDE, SIDE):
                width, height = picture.size
                raise UserError(
                    f"Sequence {path.parent}: {path.name} has {width} x {height} pixels: expected {SIDE} x {SIDE}."
                )
            return np.array(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        raise UserError(f"Sequence {path.parent}: {path.name} cannot be read as a PNG.") from None


def _read_rows(path: Path, width: int, length: int) -> np.ndarray:
    """Rows of finite numbers (length, width)."""
    of = f"Sequence {path.parent}: {path.name}"
    try:
        lines = path.read_text("utf-8-sig").rstrip().splitlines()
    except FileNotFoundError:
        raise UserError(f"{of} is missing: expected {width} numbers for each of {length} frames.") from None
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{of} cannot be read as text: expected {width} numbers a row.") from None
    if len(lines) != length:
        raise UserError(f"{of} has {len(lines)} rows for {length} frames: expected one each, without a header.")
    rows = np.empty((length, width), np.float32)
    for number, line in enumerate(lines, start=1):
        try:
            with np.errstate(over="ignore"):
                rows[number - 1] = [float(value) for value in line.split(",")]
            good = line.count(",") == width - 1 and np.isfinite(rows[number - 1]).all()
        except ValueError:
            good = False
        if not good:
            raise UserError(f"{of}, row {number}: expected {width} finite numbers, found {line[:60]!r}.")
    return rows


def write_clip(clip: Clip, folder: str | Path) -> Path:
    """Write a sequence as `read_clip` reads it, into a folder that is new or empty: frames exactly, 6 decimals."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder} already holds files: expected a new or empty folder for a sequence.")
        for i, frame in enumerate(clip.frames.numpy()):
            Image.fromarray(frame.transpose(1, 2, 0)).save(folder / f"{i}.png")
        for file, part in zip(FILES, clip.condition.split([ACTION, POSITION], 1), strict=True):
            rows = (",".join(f"{value:.6f}" for value in row) for row in part.tolist())
            (folder / file).write_text("\n".join(rows) + "\n", "utf-8")
    except OSError as error:
        raise UserError(f"Cannot write sequence {folder}: {error.strerror or error}.") from None
    return folder


# --- folders of sequences -------------------------------------------------------------------------------------------


def read_folder(folder: str | Path) -> tuple[list[Clip], list[Clip]]:
    """The clips to train on and those to validate on, from `train/` and `validate/`; either may be absent, not both.

    A folder that holds `traj_*` itself is all for validation. Sequences are `traj_*/NUMBER/`, in the order of their
    numbers. Frames are decoded once: the bytes are kept in a cache, which is made again when a file has changed.
    """
    folder = Path(folder)
    try:
        found = _sequences(folder)
        key, kept = _fingerprint(folder, found), _cache_file(folder)
    except OSError as error:
        raise UserError(f"Cannot read {error.filename or folder}: {error.strerror or error}.") from None
    clips = _read_cache(kept, key, [name for _, name, _ in found])
    if clips is None:
        clips = [read_clip(path)._replace(name=name) for _, name, path in found]
        with contextlib.suppress(OSError, UserError):  # a cache that cannot be written is done without
            _write_cache(kept, key, clips)
    train, validate = ([clip for clip, row in zip(clips, found, strict=True) if row[0] == split] for split in SPLITS)
    return train, validate


def _sequences(folder: Path) -> list[tuple[str, str, Path]]:
    """Split, name and folder of every sequence."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: expected one with train/ and validate/, or with traj_* folders.")
    splits = [name for name in SPLITS if (folder / name).is_dir()]
    places = [(name, folder / name) for name in splits] or [("validate", folder)]
    found = []
    for split, place in places:
        for trajectory in _sorted(path for path in place.glob("traj_*") if path.is_dir()):
            numbered = _sorted(path for path in trajectory.iterdir() if path.name.isdecimal() and path.is_dir())
            if not numbered:
                raise UserError(f"{trajectory} holds no sequence: expected a folder 0 with frames in it.")
            found += [(split, f"{trajectory.name}/{path.name}", path) for path in numbered]
    if not found:
        raise UserError(f"{folder} holds no sequences: expected train/ and validate/ with traj_* folders, or these.")
    return found


def _sorted(paths: Iterable[Path]) -> list[Path]:
    """By the numbers in their names: traj_2 before traj_10."""
    return sorted(paths, key=lambda path: [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", path.name)])


def _cache_file(folder: Path) -> Path:
    place = os.environ.get("CVAE_CACHE") or Path.home() / ".cache" / "cvae"
    return Path(place) / f"video-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}.safetensors"


def _fingerprint(folder: Path, found: list[tuple[str, str, Path]]) -> str:
    """Changes when a file in a sequence comes, goes or is written: its names, sizes and times."""
    key = hashlib.sha256()
    for _, _, path in found:
        for file in sorted(path.iterdir()):
            status = file.stat()
            key.update(f"{file.relative_to(folder)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return key.hexdigest()


def _write_cache(path: Path, key: str, clips: list[Clip]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        "frames": torch.cat([clip.frames for clip in clips]),
        "condition": torch.cat([clip.condition for clip in clips]),
        "lengths": torch.tensor([len(clip.frames) for clip in clips]),
    }
    write_atomic(path, save(tensors, {"key": key, "sha256": digest(tensors)}))


def _read_cache(path: Path, key: str, names: list[str]) -> list[Clip] | None:
    """The clips as they were decoded; None where the cache is absent, damaged or of other files."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("key") != key:
                return None
            tensors = {name: file.get_tensor(name) for name in ("frames", "condition", "lengths")}
        if metadata.get("sha256") != digest(tensors):
            return None
        lengths = tensors["lengths"].tolist()
        parts = zip(tensors["frames"].split(lengths), tensors["condition"].split(lengths), names, strict=True)
        return [Clip(*part) for part in parts]
    except (OSError, SafetensorError, RuntimeError, ValueError):
        return None
