"""A photographed or scanned digit as a picture of MNIST's kind: light, paper, pen and frame are taken away."""

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage
from torch import Tensor

from cvae_core.digits.data import SIDE, centre
from cvae_core.errors import UserError

WORK = 224  # pixels of the longer side while the ink is looked for
COARSE = 56  # of the longer side, for the ground; a window of a third of it is mostly ground
SPECK = 0.04  # share of the largest part below which a part is dirt
FAINTEST = 0.07  # difference between ink and ground, as a share of the ground
DARKEST = 20.0  # grey levels added to the ground, so that the noise of a black one counts little
FRAME, PAPER = 40, 90  # grey levels that the black frame of a scan is below, and its paper above


def read_digit(picture: Image.Image, threshold: float = 1.0) -> Tensor:
    """The digit in a picture, white on black: (784,) bytes, as `data.centre` gives it.

    The ink is what differs from the ground around it in any colour. `threshold` multiplies the one that is found.
    Raises UserError if there is no ink.
    """
    grey = _flat(picture)
    if grey.shape[:2] == (SIDE, SIDE) and _border(grey.mean(2)) < 64:
        return centre(grey.mean(2))  # of MNIST's kind already
    return centre(_ink(grey, threshold))


def _flat(picture: Image.Image) -> np.ndarray:
    """Upright, without transparency, in colours of 8 bits: (h, w, 3) floats."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):  # 16 bits and more
        values = np.asarray(picture, np.float64)
        low, high = values.min(), values.max()
        scale = 255 / max(high - low, 1) if high > 255 else 1.0
        return np.repeat(((values - (low if high > 255 else 0)) * scale)[..., None], 3, 2)
    if "A" in picture.getbands() or "transparency" in picture.info:
        layers = np.asarray(picture.convert("RGBA"), np.float64)
        alpha = layers[..., 3:] / 255
        brightness = (layers[..., :3] * alpha).sum() / max(3 * alpha.sum(), 1e-9)
        return layers[..., :3] * alpha + (255.0 if brightness < 128 else 0.0) * (1 - alpha)  # what contrasts
    return np.asarray(picture.convert("RGB"), np.float64)


def _border(grey: np.ndarray) -> float:
    return float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))


def _resized(picture: np.ndarray, longer: int) -> np.ndarray:
    """Smaller, (h, w, 3), its longer side so many pixels at most."""
    scale = min(1.0, longer / max(picture.shape[:2]))
    size = [max(1, round(n * scale)) for n in picture.shape[1::-1]]
    layers = [Image.fromarray(picture[..., c].astype(np.float32)).resize(size, Image.Resampling.BOX) for c in range(3)]
    return np.stack([np.asarray(layer, np.float64) for layer in layers], 2)


def _without_frame(picture: np.ndarray) -> np.ndarray:
    """The picture within the black frame of a scan, if it has one and something is left within it."""
    grey = picture.mean(2)
    if np.median(grey) < PAPER:
        return picture
    kept = [np.flatnonzero(np.median(grey, axis) >= FRAME) for axis in (1, 0)]
    margins = [2 * (len(lines) < size) for lines, size in zip(kept, grey.shape, strict=True)]  # its soft edge
    if any(len(lines) <= 2 * margin for lines, margin in zip(kept, margins, strict=True)):
        return picture
    rows, columns = (slice(lines[0] + m, lines[-1] + 1 - m) for lines, m in zip(kept, margins, strict=True))
    return picture[rows, columns]


def _ink(picture: np.ndarray, threshold: float) -> np.ndarray:
    """How much ink is at each pixel of a smaller picture, 0 to 255: (h, w)."""
    picture = _without_frame(_resized(picture, WORK))
    coarse = _resized(picture, COARSE)
    window = max(3, max(coarse.shape) // 3)
    ground = ndimage.median_filter(coarse, size=(window, window, 1), mode="nearest")
    zoom = [a / b for a, b in zip(picture.shape[:2], ground.shape[:2], strict=True)]
    ground = ndimage.zoom(ground, (*zoom, 1), order=1, grid_mode=True, mode="nearest")
    difference = (ndimage.gaussian_filter(picture, (0.7, 0.7, 0)) - ground) / (ground + DARKEST)  # whatever the light
    noise = 1.4826 * float(np.median(np.abs(difference).max(2)))  # a standard deviation, where most is ground
    darker, lighter = (np.max(sign * difference, 2).clip(0) for sign in (-1, 1))
    dark, light = (_parts(contrast, noise, threshold) for contrast in (darker, lighter))
    found = max((dark, light), key=lambda part: part[1])[0]
    if found is None:
        raise UserError("The picture is empty: expected a digit on a plain ground.")
    return found


def _parts(contrast: np.ndarray, noise: float, threshold: float) -> tuple[np.ndarray | None, float]:
    """Ink of one kind, darker or lighter than the ground, without dirt and what touches the edge; and its weight."""
    cut = max(_otsu(contrast[contrast > noise]), 3 * noise, FAINTEST) * threshold
    labels, count = ndimage.label(contrast > cut, np.ones((3, 3)))
    if not count:
        return None, 0.0
    areas = ndimage.sum_labels(np.ones_like(contrast), labels, np.arange(1, count + 1))
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    inside = [n for n in range(1, count + 1) if n not in edge]
    if not inside:
        return None, 0.0
    largest = max(areas[n - 1] for n in inside)
    kept = np.isin(labels, [n for n in inside if areas[n - 1] >= SPECK * largest])
    near = ndimage.binary_dilation(kept, iterations=2)  # with the soft edge of the strokes
    full = np.percentile(contrast[kept], 75)
    ink = np.where(near, contrast / full * 255, 0).clip(0, 255)
    return ink, float(ink.sum()) * float(full)


def _otsu(values: np.ndarray) -> float:
    """The threshold that parts values into two classes with the largest variance between them (Otsu 1979)."""
    if not values.size:
        return 0.0
    counts, edges = np.histogram(values, 64)
    middles = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * middles).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middles[np.nanargmax(np.where(above > 0, between, 0))])
