"""Digits of 28 x 28 grey levels: MNIST from its IDX files, or scikit-learn's small digits enlarged to that size.

Quadrants are numbered 0 top left, 1 top right, 2 bottom left, 3 bottom right; `visible` says which a model gets.
"""

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.errors import UserError

SIDE = 28
PIXELS = SIDE * SIDE
QUADRANTS = 4
LABELS = 10
# Sohn et al. 2015, section 5.1, by the number of visible quadrants.
TASKS = {
    "1": (False, False, True, False),  # bottom left
    "2": (True, False, True, False),  # left half
    "3": (True, True, True, False),  # all but bottom right
}
BOX = 20  # MNIST fits its digits into 20 x 20 before it centres them
MAX_BYTES = 1 << 30  # of one file, unpacked: EMNIST, the largest of its kind, has 547 MB
# What the names of a set's files begin with, for training and for testing.
PARTS = (("train", "t10k"), ("emnist-digits-train", "emnist-digits-test"), ("emnist-mnist-train", "emnist-mnist-test"))
SMALL, MNIST = "scikit-learn's digits", "MNIST"  # names of the data sets
HELD_OUT = 10_000  # of MNIST's training images, for validation


class Images(NamedTuple):
    """Pictures with their labels."""

    pixels: Tensor  # (n, 784) bytes
    labels: Tensor  # (n,)


class Digits(NamedTuple):
    """A data set with its splits; every choice is made on `validation`."""

    name: str
    train: Images
    validation: Images
    test: Images


# --- loading --------------------------------------------------------------------------------------------------------


def load(source: str | None = None) -> Digits:
    """MNIST from a folder or, for `openml`, downloaded by scikit-learn; None: scikit-learn's small digits.

    Raises UserError for what `read_mnist` or `download` refuses.
    """
    if source is None:
        return small_digits()
    return download() if source == "openml" else read_mnist(source)


def read_mnist(folder: str | Path) -> Digits:
    """MNIST, or a set of its kind, from four IDX files, gzip or not; it is named after its folder.

    They are in the folder itself, in its `raw`, or in `NAME/raw`, as torchvision keeps them; EMNIST's by its own names,
    and its images, which are transposed, are turned. The last 10,000 training images (or a sixth) are for validation.
    Raises UserError for a missing folder or file, several sets, a damaged file, images that are not 28 x 28, and labels
    that do not match them or are not 0 to 9.
    """
    place, parts = _find_set(Path(folder))
    (pixels, labels), test = (_read_pair(place, part) for part in parts)
    if parts[0].startswith("emnist") and _is_transposed(pixels, labels):
        pixels, test = pixels.swapaxes(1, 2), (test[0].swapaxes(1, 2), test[1])
    return _split(_name_of(place), np.ascontiguousarray(pixels), labels, np.ascontiguousarray(test[0]), test[1])


def name_of(source: str | None) -> str:
    """What the data set that `load` reads is called. Raises UserError for a folder without one."""
    if source is None:
        return SMALL
    return MNIST if source == "openml" else _name_of(_find_set(Path(source))[0])


def _name_of(place: Path) -> str:
    place = place.resolve()
    return place.parent.name if place.name == "raw" else place.name


def _find_set(folder: Path) -> tuple[Path, tuple[str, str]]:
    """The folder that has the files, and what their names begin with, for training and for testing."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: expected one with MNIST's four IDX files.")
    places = [folder, folder / "raw", *sorted(folder.glob("*/raw"))]
    found = [(place, parts) for place in places for parts in PARTS if any(place.glob(f"{parts[0]}-images*"))]
    if len({place for place, _ in found}) > 1:
        raise UserError(f"{folder} has several data sets: name one of {', '.join(str(p) for p, _ in found)}.")
    return found[0] if found else (folder, PARTS[0])


def _is_transposed(pixels: np.ndarray, labels: np.ndarray) -> bool:
    """Whether the mean 1 lies on its side: its mass is spread more over columns than over rows."""
    one = pixels[labels == 1].mean(0) if (labels == 1).any() else np.zeros((SIDE, SIDE))
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    return bool(axis**2 @ one.sum(1) < axis**2 @ one.sum(0))


def _split(name: str, pixels: np.ndarray, labels: np.ndarray, test_pixels: np.ndarray, test_labels: np.ndarray):
    held_out = min(HELD_OUT, len(pixels) // 6)
    first = len(pixels) - held_out
    images = [(pixels[:first], labels[:first]), (pixels[first:], labels[first:]), (test_pixels, test_labels)]
    return Digits(name, *(Images(torch.tensor(p).view(-1, PIXELS), torch.tensor(n).long()) for p, n in images))


def _read_pair(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = read_idx(_find(folder, f"{name}-images", 3)), read_idx(_find(folder, f"{name}-labels", 1))
    if pixels.shape[1:] != (SIDE, SIDE):
        raise UserError(f"{name}-images holds arrays of {pixels.shape[1:]}: expected images of 28 x 28.")
    if labels.ndim != 1 or len(labels) != len(pixels):
        raise UserError(f"{name}-labels holds {labels.shape} labels for {len(pixels)} images: expected one each.")
    if len(labels) < 6 or labels.max() >= LABELS:
        raise UserError(f"{name}-labels: expected at least 6 labels from 0 to 9.")
    return pixels, labels


def _find(folder: Path, name: str, dimensions: int) -> Path:
    for separator in "-.":  # both spellings are in use
        for suffix in ("", ".gz"):
            path = folder / f"{name}{separator}idx{dimensions}-ubyte{suffix}"
            if path.is_file():
                return path
    raise UserError(
        f"{folder} holds no {name}-idx{dimensions}-ubyte, with .gz or without: expected MNIST's four files."
    )


def read_idx(path: str | Path) -> np.ndarray:
    """The array of bytes in an IDX file, gzip or not.

    Unpacks no more than the header states, at most 1 GB: a small gzip file can hold gigabytes. Raises UserError for a
    file that cannot be read, is not IDX, or holds more or less than its header states.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else open(path, "rb") as file:
            kind = file.read(4)
            if len(kind) < 4 or kind[:3] != b"\0\0\x08" or not 1 <= kind[3] <= 3:
                raise UserError(
                    f"{path} is not an IDX file of bytes: expected it to begin with 0 0 8 and 1 to 3 dimensions."
                )
            sizes = file.read(4 * kind[3])
            if len(sizes) < 4 * kind[3]:
                raise UserError(f"{path} ends within its header.")
            shape = struct.unpack(f">{kind[3]}I", sizes)
            expected = math.prod(shape)
            if not 0 < expected <= MAX_BYTES:
                raise UserError(f"{path} is to hold {expected:,} bytes by its header: expected 1 to {MAX_BYTES:,}.")
            content = file.read(expected + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from None
    if len(content) != expected:
        holds = "more" if len(content) > expected else f"{len(content)} bytes of data"
        raise UserError(f"{path} holds {holds}: its header says {expected}.")
    return np.frombuffer(content, np.uint8).reshape(shape)


def download() -> Digits:
    """MNIST from OpenML by scikit-learn, which caches it in its data folder. Raises UserError if that fails."""
    from sklearn.datasets import fetch_openml

    try:
        pixels, labels = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False, parser="liac-arff")
    except (OSError, ValueError) as error:  # a damaged file or an answer of OpenML is a ValueError
        raise UserError(f"Cannot download MNIST: {str(error).rstrip('.')}.") from None
    pixels, labels = pixels.astype(np.uint8), labels.astype(np.int64)
    return _split(MNIST, pixels[:60_000], labels[:60_000], pixels[60_000:], labels[60_000:])


@cache
def small_digits() -> Digits:
    """scikit-learn's 1,797 digits of 8 x 8, enlarged to MNIST's box, in a fixed random order; a sixth is for tests."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = torch.from_numpy(digits.images).float()[:, None] * (255 / 16)
    box = F.interpolate(grey, size=(BOX, BOX), mode="bicubic", align_corners=False).clamp(0, 255)
    pixels = F.pad(box, [(SIDE - BOX) // 2] * 4)[:, 0].round().to(torch.uint8).numpy()
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0)).numpy()
    pixels, labels = pixels[order], digits.target[order]
    test = len(pixels) // 6
    return _split(SMALL, pixels[test:], labels[test:], pixels[:test], labels[:test])


# --- pictures of users ----------------------------------------------------------------------------------------------


def centre(picture: np.ndarray) -> Tensor:
    """Convert a grey picture (h, w) to MNIST's format: (784,) bytes.

    White on black, scaled to a box of 20 x 20, with its centre of mass in the middle; a picture of 28 x 28 with a dark
    border is left unchanged. Raises UserError if the picture has no pixels or no ink.
    """
    grey = torch.from_numpy(np.array(picture, np.float32))
    if grey.ndim != 2 or min(grey.shape) < 1:
        raise UserError("Expected a picture with rows and columns of grey.")
    border = torch.cat([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if border.median() > 127:
        grey = 255 - grey  # dark ink on paper
    elif tuple(grey.shape) == (SIDE, SIDE):
        return grey.flatten().to(torch.uint8)
    ink = grey > 64
    if not bool(ink.any()):
        raise UserError("The picture is empty: expected a digit on a plain ground.")
    rows, columns = ink.any(1).nonzero()[:, 0], ink.any(0).nonzero()[:, 0]
    grey = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(grey.shape)
    size = [max(1, round(n * scale)) for n in grey.shape]
    small = F.interpolate(grey[None, None], size=size, mode="bilinear", antialias=True, align_corners=False)[0, 0]
    mass = small.sum()
    corner = [
        int(torch.round(SIDE / 2 - (small.sum(1 - axis) * torch.arange(size[axis])).sum() / mass)) for axis in (0, 1)
    ]
    top, left = (min(max(p, 0), SIDE - n) for p, n in zip(corner, size, strict=True))
    canvas = torch.zeros(SIDE, SIDE)
    canvas[top : top + size[0], left : left + size[1]] = small
    return canvas.round().clamp(0, 255).flatten().to(torch.uint8)


# --- quadrants ------------------------------------------------------------------------------------------------------


def pixel_mask(visible: Tensor) -> Tensor:
    """The pixels of the visible quadrants: (..., 4) bool -> (..., 784) bool."""
    halves = visible.reshape(*visible.shape[:-1], 2, 2)
    half = SIDE // 2
    return halves.repeat_interleave(half, -2).repeat_interleave(half, -1).flatten(-2)


def visible_choices() -> Sequence[tuple[bool, ...]]:
    """Every choice of visible quadrants that hides at least one."""
    return [tuple(bool(n >> q & 1) for q in range(QUADRANTS)) for n in range(2**QUADRANTS - 1)]
