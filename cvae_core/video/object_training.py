"""Training of how objects move (`object_motion`), for a model that has been trained without.

The simulator's record says where each object is, also under the arm. It takes minutes: a few numbers an object.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cvae_core import schedules
from cvae_core.video.data import ACTION, SIDE
from cvae_core.video.discover import Found, discover
from cvae_core.video.model import VideoCVAE
from cvae_core.video.rendering import project
from cvae_core.video.simulator import Scene

BATCH = 48  # clips
SAME_COLOUR = 0.1  # largest distance of the chromaticities of an object found and one of the record
NOISE = 0.1  # pixels, added to centres in training
Z_FROM = 0.4
NEAR, FAR_SHARE = 10.0, 0.1  # pixels from the gripper; the share of the other objects that is trained on, too


class Tracks(NamedTuple):
    """The objects found in the given frames of n clips, and how they move."""

    objects: Found
    condition: Tensor  # (n, T - 1, 7)
    moves: Tensor  # (n, N, S, 4) since the last given frame, zero for what is no object of the record


def take(data: Tracks, rows: Tensor | slice) -> Tracks:
    """The tracks of some clips."""
    return Tracks(Found(*(part[rows] for part in data.objects)), data.condition[rows], data.moves[rows])


def tracks(scenes: Sequence[Scene], past: int) -> Tracks:
    """The objects found in simulated scenes, matched with the record by their colours."""
    frames = torch.stack([scene.clip.frames[past - 2 : past] for scene in scenes]).float() / 255
    found = discover(frames[:, 0], frames[:, 1])
    chroma = found.colours / found.colours.sum(-1, keepdim=True).clamp(min=1e-3)
    moves = torch.zeros(*found.areas.shape, len(scenes[0].clip.frames) - past, 4)
    for row, scene in enumerate(scenes):
        path = _path(scene)
        path = path[:, past:] - path[:, past - 1 : past]  # (objects, S, 4)
        distance = torch.cdist(chroma[row], torch.tensor(scene.colours / scene.colours.sum(1, keepdims=True)).float())
        nearest, which = distance.min(1)
        known = found.exists[row] & (nearest < SAME_COLOUR)
        moves[row, known] = path[which[known]]
    return Tracks(found, torch.stack([scene.clip.condition[:-1] for scene in scenes]), moves)


def _path(scene: Scene) -> Tensor:
    """Row, column, angle and log scale of the record's objects, as the picture shows them: (objects, T, 4)."""
    pixels, scale = project(scene.objects[..., :2], scene.objects[..., 2])
    angles = np.unwrap(np.arctan2(scene.rotations[..., 1], scene.rotations[..., 0]), axis=0)
    path = np.concatenate([pixels - SIDE / 2, angles[..., None], np.log(scale)[..., None]], -1)
    return torch.from_numpy(path).float().transpose(0, 1)


def fit_motion(model: VideoCVAE, data: Tracks, steps: int, rate: float = 5e-3, seed: int = 0) -> Iterator[float]:
    """Train `model.motion`; yields the loss of each step.

    First with the prior's mean as z alone, so that z does not explain what the gripper explains; after `Z_FROM` of the
    steps also by the evidence lower bound: the hybrid objective of Sohn et al. (2015).
    """
    generator, past = torch.Generator().manual_seed(seed), model.config.past
    mirror = torch.tensor([1.0, -1.0])
    for step, rows in enumerate(_steps(model.motion, len(data.moves), steps, rate, generator)):
        objects, condition, moves = take(data, rows)
        if torch.rand((), generator=generator) < 0.5:
            objects = objects._replace(centres=objects.centres * mirror, before=objects.before * mirror)
            condition = condition * torch.tensor([1.0, -1, 1, 1, 1, -1, 1])
            moves = moves * torch.tensor([1.0, -1, -1, 1])
        noise = NOISE * torch.randn(objects.centres.shape, generator=generator)
        objects = objects._replace(centres=objects.centres + noise)
        with torch.no_grad():
            gripper = model.motion.point(condition[:, past - 1 :, ACTION:])[:, None]  # (B, 1, S, 2)
        near = (gripper - objects.centres[:, :, None]).norm(dim=-1).amin(2) < NEAR
        few = torch.rand(near.shape, generator=generator) < FAR_SHARE
        chosen = objects.exists & (near | few | (moves[..., :2].abs().amax((2, 3)) > 1))
        plain, error, kl = (part.mean() for part in model.motion(objects, condition, past, generator, moves, chosen))
        loss = plain + (error + kl if step >= Z_FROM * steps else 0.0)
        loss.backward()
        yield loss.item()


def _steps(part: nn.Module, n: int, steps: int, rate: float, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows of a batch, each followed by an update of the weights from their gradients: one-cycle AdamW."""
    optimizer = torch.optim.AdamW(part.parameters(), weight_decay=0.0)
    order = torch.empty(0, dtype=torch.long)
    for step in range(steps):
        if len(order) < min(BATCH, n):
            order = torch.randperm(n, generator=generator)
        rows, order = order[:BATCH], order[BATCH:]
        optimizer.zero_grad()
        yield rows
        for group in optimizer.param_groups:
            group["lr"] = schedules.learning_rate(step / steps, "one-cycle", rate)
        nn.utils.clip_grad_norm_(part.parameters(), 1.0)
        optimizer.step()
