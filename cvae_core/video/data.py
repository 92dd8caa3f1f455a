"""Clips of a robot at a table: frames and the actions between them, in the course's folders or from the simulator.

A sequence is a folder `traj_NAME/NUMBER/` with frames `0.png` to `{T-1}.png` of 64 x 64 pixels, `actions.csv` (dx, dy,
dz, gripper) and `endeffector_positions.csv` (x, y, z), in metres, one row per frame and no header.
"""

import contextlib
import hashlib
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

from cvae_core import settings
from cvae_core.checkpoint import digest, write_atomic
from cvae_core.errors import UserError

SIDE = 64
ACTION, POSITION = 4, 3
CONDITION = ACTION + POSITION
MIRROR = (1.0, -1.0, 1.0, 1.0, 1.0, -1.0, 1.0)  # signs of a condition in the mirrored picture: dy and y change
MIN_FRAMES = 3  # two given frames and one to predict
FILES = {"actions.csv": ACTION, "endeffector_positions.csv": POSITION}
SPLITS = {"train": "train", "test": "test"} | dict.fromkeys(("validate", "validation", "valid", "val"), "validate")


class Clip(NamedTuple):
    """A sequence of T frames; row i of `condition` belongs to frame i, and its action leads to frame i + 1."""

    frames: Tensor  # (T, 3, 64, 64) bytes
    condition: Tensor  # (T, 7) action (dx, dy, dz, gripper) and the end effector's position (x, y, z), metres
    name: str


def stack(clips: Sequence[Clip], length: int) -> tuple[Tensor, Tensor]:
    """The first frames of some clips, (n, length, 3, 64, 64) bytes, and their conditions (n, length, 7)."""
    return (
        torch.stack([clip.frames[:length] for clip in clips]),
        torch.stack([clip.condition[:length] for clip in clips]),
    )


# --- one sequence ---------------------------------------------------------------------------------------------------


def read_clip(folder: str | Path) -> Clip:
    """Read a sequence from its folder.

    Raises UserError, with the path, for a missing or unreadable file, a frame that is not 64 x 64, fewer than 3 frames,
    and a table whose rows are not one per frame or not finite numbers.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(
            f"There is no sequence {folder}: expected a folder with 0.png, 1.png, … and {' and '.join(FILES)}."
        )
    files = [path for path in folder.glob("*.png") if re.fullmatch(r"[0-9]{1,9}", path.stem)]  # 7.png or 07.png
    by_number = {int(path.stem): path for path in files}
    numbers, frames = sorted(by_number), len(files)
    if len(by_number) < frames:
        raise UserError(f"Sequence {folder} has a frame twice, such as 7.png and 07.png: expected each once.")
    if frames < MIN_FRAMES:
        raise UserError(f"Sequence {folder} has {frames} frames: expected 0.png, 1.png, …, at least {MIN_FRAMES}.")
    if numbers[-1] != frames - 1:
        missing = next(i for i, number in enumerate(numbers) if i != number)
        raise UserError(f"Sequence {folder} has no {missing}.png: expected every frame from 0 to {numbers[-1]}.")
    tables = [_read_rows(folder / file, width, frames) for file, width in FILES.items()]
    pixels = torch.from_numpy(np.stack([_read_frame(by_number[i]) for i in numbers]))  # (T, 64, 64, 3)
    condition = torch.from_numpy(np.concatenate(tables, 1))
    return Clip(pixels.permute(0, 3, 1, 2).contiguous(), condition, f"{folder.parent.name}/{folder.name}")


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
            valid = line.count(",") == width - 1 and np.isfinite(rows[number - 1]).all()
        except ValueError:
            valid = False
        if not valid:
            raise UserError(f"{of}, row {number}: expected {width} finite numbers, found {line[:60]!r}.")
    return rows


def write_clip(clip: Clip, folder: str | Path) -> Path:
    """Write a sequence in the layout of `read_clip`, numbers with 6 decimals.

    Raises UserError if the folder already holds files or cannot be written.
    """
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


def read_folder(folder: str | Path, test: bool = False) -> tuple[list[Clip], list[Clip]]:
    """Training and validation clips from `train/` and `validate/` (or `val/`), of which one may be absent.

    Instead of the validation clips those in `test/`, if `test` asks for them or there are no others. A folder that
    itself holds `traj_*` is a validation set. Sequences are `traj_*/NUMBER/`, ordered by their numbers. Decoded frames
    are cached in `CVAE_CACHE` (`~/.cache/cvae`) until a file changes. Raises UserError for a folder
    without sequences or one that cannot be read, and for what `read_clip` refuses.
    """
    folder = Path(folder)
    try:
        sequences = _sequences(folder)
        key, cache = _fingerprint(folder, sequences), _cache_file(folder)
    except OSError as error:
        raise UserError(f"Cannot read {error.filename or folder}: {error.strerror or error}.") from None
    clips = _read_cache(cache, key, [name for _, name, _ in sequences])
    if clips is None:
        clips = [read_clip(path)._replace(name=name) for _, name, path in sequences]
        with contextlib.suppress(OSError, UserError):  # reading works without a cache
            _write_cache(cache, key, clips)
    splits = [split for split, _, _ in sequences]
    train, validate, held_out = (
        [clip for clip, of in zip(clips, splits, strict=True) if of == split] for split in ("train", "validate", "test")
    )
    return train, held_out if (test and held_out) or not validate else validate


def _sequences(folder: Path) -> list[tuple[str, str, Path]]:
    """Split, name and folder of every sequence."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: expected one with train/ and validate/, or with traj_* folders.")
    splits = [(split, folder / name) for name, split in SPLITS.items() if (folder / name).is_dir()]
    splits = splits or [("validate", folder)]
    sequences = []
    for split, parent in splits:
        for trajectory in _sorted(path for path in parent.glob("traj_*") if path.is_dir()):
            numbered = _sorted(path for path in trajectory.iterdir() if path.name.isdecimal() and path.is_dir())
            if not numbered:
                raise UserError(f"{trajectory} holds no sequence: expected a folder 0 with frames in it.")
            sequences += [(split, f"{trajectory.name}/{path.name}", path) for path in numbered]
    if not sequences:
        raise UserError(f"{folder} holds no sequences: expected train/ and validate/ with traj_* folders, or these.")
    return sequences


def _sorted(paths: Iterable[Path]) -> list[Path]:
    """Sort by the numbers in the names: traj_2 before traj_10."""
    return sorted(paths, key=lambda path: [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", path.name)])


def _cache_file(folder: Path) -> Path:
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return settings.cache_folder() / f"video-{key}.safetensors"


def _fingerprint(folder: Path, sequences: list[tuple[str, str, Path]]) -> str:
    """A hash of the names, sizes and modification times of all files of the sequences."""
    key = hashlib.sha256()
    for _, _, path in sequences:
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
    """The decoded clips; None if the cache is absent, damaged or outdated."""
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
