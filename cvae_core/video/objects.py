"""Whether moved objects are found in predicted frames: by their colour, at the place where they are."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from cvae_core.video.physics import COLOURS
from cvae_core.video.rendering import PIXEL, SHADOW
from cvae_core.video.simulator import Scene

NEAR = 60 / 255  # largest distance of a pixel's colour from an object's, in RGB
APART = 4.0  # pixels between the centroids of an object that is found
VISIBLE = 8  # pixels of an object that can be found
SHARE = 1 / 3  # of the object's true pixels that a prediction must have
MOVED = 2.0  # pixels


def moved(scene: Scene, first: int) -> np.ndarray:
    """Whether each object is carried or pushed after frame `first`: lifted, or moved by more than 2 pixels."""
    objects = scene.objects[first:]
    way = np.linalg.norm(objects[-1, :, :2] - objects[0, :, :2], axis=-1) / PIXEL
    return (way > MOVED) | (objects[..., 2] > 0).any(0)


def found(predicted: Tensor, scenes: Sequence[Scene], past: int) -> Tensor:
    """Whether each moved object is found in the last frame: one value per object that is visible in the true frame.

    Predicted frames (n, 3, 64, 64) in [0, 1] belong to the last frames of n scenes, the first `past` frames of which
    were given.
    """
    results = []
    for frame, scene in zip(predicted, scenes, strict=True):
        true = scene.clip.frames[-1].float() / 255
        for colour in scene.colours[moved(scene, past - 1)]:
            here, there = _pixels(true, colour), _pixels(frame, colour)
            if len(here) >= VISIBLE:
                near = len(there) >= SHARE * len(here) and (here.mean(0) - there.mean(0)).norm() <= APART
                results.append(bool(near))
    return torch.tensor(results)


def _pixels(frame: Tensor, colour: np.ndarray) -> Tensor:
    """Rows and columns (n, 2) of the pixels of an object's colour, lit or in shadow, nearer than any other object's."""
    palette = torch.tensor(COLOURS) / 255
    palette = torch.stack([palette, (1 - SHADOW) * palette])  # (2, colours, 3)
    distances = (frame[:, :, :, None, None] - palette.permute(2, 0, 1)[:, None, None]).norm(dim=0).amin(2)
    nearest = distances.argmin(-1)  # (h, w)
    index = COLOURS.index(tuple(colour.tolist()))
    return ((nearest == index) & (distances[..., index] < NEAR)).nonzero().float()
