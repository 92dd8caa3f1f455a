"""Training of how objects move (`object_motion`), for a model of frames that has been trained.

The simulator's record says where each object is, also under the arm. Half of the clips are pushes as a planner tries
them: the random policy's own pushes are straight and slow.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cvae_core import schedules
from cvae_core.video.data import ACTION, MIRROR, SIDE
from cvae_core.video.discover import discover
from cvae_core.video.object_motion import ObjectMotion, Start, start_of
from cvae_core.video.physics import REACH
from cvae_core.video.planning import HORIZON, MAX_STEP, SEGMENTS
from cvae_core.video.rendering import project
from cvae_core.video.simulator import Scene, rollout

BATCH = 64  # clips
SAME_COLOUR = 0.1  # largest distance of the chromaticities of an object found and one of the record
NOISE = 0.1  # pixels, added to centres in training
Z_FROM = 0.7
RESTING = 0.15  # weight of an object that is not moved


class Tracks(NamedTuple):
    """The objects found in the given frames of n clips, and how they move."""

    start: Start
    condition: Tensor  # (n, T - 1, 7)
    moves: Tensor  # (n, N, S, 4) since the last given frame, zero for what is no object of the record
    known: Tensor  # (n, N) bool: an object of the record


def take(data: Tracks, rows: Tensor) -> Tracks:
    """The tracks of some clips."""
    return Tracks(Start(*(part[rows] for part in data.start)), *(part[rows] for part in data[1:]))


def join(parts: Sequence[Tracks]) -> Tracks:
    """All clips of several tracks."""
    starts = Start(*(torch.cat(part) for part in zip(*(data.start for data in parts), strict=True)))
    return Tracks(starts, *(torch.cat(part) for part in zip(*(data[1:] for data in parts), strict=True)))


def simulated(seeds: Iterable[int], past: int) -> Tracks:
    """The tracks of the random policy's clips (even seeds) and of pushes (odd seeds)."""
    length = past + HORIZON
    scenes = []
    for seed in seeds:
        scene = rollout(seed, length)
        scenes.append(rollout(seed, length, actions=push(scene, past)) if seed % 2 else scene)
    return tracks(scenes, past)


def push(scene: Scene, past: int) -> np.ndarray:
    """Actions (T, 4): those of the given frames, then some that lead behind an object and through it."""
    rng = np.random.default_rng([scene.seed, 9])
    condition = scene.clip.condition.double().numpy()
    position, places = condition[past - 1, ACTION:], scene.objects[past - 1, :, :2]
    nearest = int(np.linalg.norm(places - position[:2], axis=1).argmin())
    place = places[nearest if rng.random() < 0.5 else rng.integers(len(places))]
    angle = rng.uniform(0, 2 * np.pi)
    ahead, aside = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    behind = place - ahead * rng.uniform(0.02, 0.05) + aside * rng.normal(0, 0.008)
    beyond = place + ahead * rng.uniform(0, 0.09) + aside * rng.normal(0, 0.012)
    first = int(rng.integers(1, 4))  # segments that lead behind the object; the others lead through it
    here = np.array([*behind, rng.uniform(0.015, 0.04)])
    through = np.linspace(behind, beyond, SEGMENTS - first + 1)[1:]
    points = [*np.linspace(position, here, first + 1)[1:], *([*xy, rng.uniform(0.012, 0.03)] for xy in through)]
    actions = np.zeros((len(condition), ACTION))
    actions[: past - 1] = condition[: past - 1, :ACTION]
    actions[past - 1 :, 3] = condition[past - 1, 3]
    for i in range(HORIZON):
        if i % (HORIZON // SEGMENTS) == 0:
            step = (points[i * SEGMENTS // HORIZON] - position) / (HORIZON // SEGMENTS)
            step = step * min(1, MAX_STEP / max(float(np.linalg.norm(step)), 1e-9)) + rng.normal(0, 0.003, 3)
        after = np.clip(position + step, REACH[:, 0], REACH[:, 1])
        actions[past - 1 + i, :3], position = after - position, after
    return actions


def tracks(scenes: Sequence[Scene], past: int) -> Tracks:
    """The objects found in simulated scenes, matched with the record by their colours."""
    frames = torch.stack([scene.clip.frames[past - 2 : past] for scene in scenes]).float() / 255
    found = discover(frames[:, 0], frames[:, 1])
    chroma = found.colours / found.colours.sum(-1, keepdim=True).clamp(min=1e-3)
    moves = torch.zeros(*found.exists.shape, len(scenes[0].clip.frames) - past, 4)
    known = torch.zeros_like(found.exists)
    for row, scene in enumerate(scenes):
        path = _path(scene)
        path = path[:, past:] - path[:, past - 1 : past]  # (objects, S, 4)
        distance = torch.cdist(chroma[row], torch.tensor(scene.colours / scene.colours.sum(1, keepdims=True)).float())
        nearest, which = distance.min(1)
        known[row] = found.exists[row] & (nearest < SAME_COLOUR)
        moves[row, known[row]] = path[which[known[row]]]
    return Tracks(start_of(found), torch.stack([scene.clip.condition[:-1] for scene in scenes]), moves, known)


def _path(scene: Scene) -> Tensor:
    """Row, column, angle and log scale of the record's objects, as the picture shows them: (objects, T, 4)."""
    pixels, scale = project(scene.objects[..., :2], scene.objects[..., 2])
    angles = np.unwrap(np.arctan2(scene.rotations[..., 1], scene.rotations[..., 0]), axis=0)
    path = np.concatenate([pixels - SIDE / 2, angles[..., None], np.log(scale)[..., None]], -1)
    return torch.from_numpy(path).float().transpose(0, 1)


def fit(
    motion: ObjectMotion, data: Tracks, past: int, steps: int, rate: float = 4e-3, seed: int = 0
) -> Iterator[float]:
    """Train; yields the loss of each step.

    First with the prior's mean as z alone, so that z does not explain what the gripper explains; after `Z_FROM` of the
    steps also by the evidence lower bound: the hybrid objective of Sohn et al. (2015).
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(motion.parameters(), weight_decay=1e-4)
    for step in range(steps):
        rows = torch.randint(len(data.moves), (BATCH,), generator=generator)
        batch = _augmented(take(data, rows), generator)
        loss = _loss(motion, batch, past, generator, step >= Z_FROM * steps)
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = schedules.learning_rate(step / steps, "one-cycle", rate)
        nn.utils.clip_grad_norm_(motion.parameters(), 1.0)
        optimizer.step()
        yield loss.item()


def _augmented(batch: Tracks, generator: torch.Generator) -> Tracks:
    """Mirrored or not, with noise on the centres."""
    start, condition, moves, known = batch
    shapes, centres, before, exists = start
    if torch.rand((), generator=generator) < 0.5:
        mirror = torch.tensor([1.0, -1.0])
        shapes, centres, before = shapes.flip(-1), centres * mirror, before * mirror
        condition = condition * torch.tensor(MIRROR)
        moves = moves * torch.tensor([1.0, -1, -1, 1])
    centres, before = (part + NOISE * torch.randn(part.shape, generator=generator) for part in (centres, before))
    return Tracks(Start(shapes, centres, before, exists), condition, moves, known)


def _loss(motion: ObjectMotion, batch: Tracks, past: int, generator: torch.Generator, with_z: bool) -> Tensor:
    """Negative log-likelihood at the prior's mean, in nats a step and object, up to a constant.

    With `with_z` the negative evidence lower bound is added. Objects that do not move have the weight `RESTING`.
    """
    moved = batch.moves[..., :2].abs().amax((2, 3)) > 1
    weight = (batch.known * torch.where(moved, 1.0, RESTING))[..., None]

    def mean(nats: Tensor) -> Tensor:
        return (nats * weight).sum() / (weight.sum() * nats.shape[-1]).clamp(min=1.0)

    def error(moves: Tensor) -> Tensor:  # quadratic where small, linear where large, which would outweigh all others
        return (((moves - batch.moves) / motion.spread).square() + 1).sqrt().sub(1).sum(-1)

    loss = mean(error(motion(batch.start, batch.condition, past, None)[0]))
    if with_z:
        moves, kl = motion(batch.start, batch.condition, past, generator, batch.moves)
        loss = loss + mean(error(moves) + kl)
    return loss
