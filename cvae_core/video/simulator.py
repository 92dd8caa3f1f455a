"""A robot's gripper over a table with objects, seen from above: any number of clips, deterministic by seed.

`physics` moves the objects, `policy` chooses actions, `rendering` draws the frames; a frame comes every 0.2 s.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from cvae_core.errors import UserError
from cvae_core.video.data import ACTION, Clip, write_clip
from cvae_core.video.physics import State, World
from cvae_core.video.policy import random_actions
from cvae_core.video.rendering import render_frames, render_table

NUDGE, ELSEWHERE = 0.001, 0.010  # metres


class Scene(NamedTuple):
    """A clip with the simulator's ground truth."""

    clip: Clip
    objects: np.ndarray  # (T, objects, 3): each object's x and y, and its height above the table
    rotations: np.ndarray  # (T, objects, 2): cosine and sine
    touched: bool  # whether the gripper touched or grasped an object
    colours: np.ndarray  # (objects, 3): red, green and blue, 0 to 255, of each object
    seed: int


def simulate(seed: int, length: int = 12, noise: float = 0.0, actions: np.ndarray | None = None) -> Clip:
    """The clip of `rollout` alone."""
    return rollout(seed, length, noise, actions).clip


def write_dataset(
    folder: str | Path, train: Iterable[int], validate: Iterable[int], length: int = 12, noise: float = 0.0
) -> None:
    """Write the clips of two sets of seeds in the course's layout: `train/traj_SEED/0` and `validate/traj_SEED/0`."""
    for split, seeds in (("train", train), ("validate", validate)):
        for seed in seeds:
            write_clip(simulate(seed, length, noise), Path(folder) / split / f"traj_{seed}" / "0")


def rollout(seed: int, length: int = 12, noise: float = 0.0, actions: np.ndarray | None = None) -> Scene:
    """Simulate `length` frames of the scene that belongs to a seed.

    Row i of `actions` (length, 4) is (dx, dy, dz, gripper) and leads from frame i to frame i + 1: metres, and 1 for an
    open gripper, 0 for a closed one. Without them the random policy acts, by the same seed; with them the scene, its
    start and its noise stay the same. They are rounded to 6 decimals, as in files. The position moves by the action
    within `physics.REACH`; the last row moves nothing. `noise` is the standard deviation of the camera's noise, in grey
    levels. Raises UserError for a negative seed or noise, fewer than 3 frames, and actions of another shape or beyond
    [-1, 1].
    """
    if seed < 0 or length < 3 or not 0 <= noise < math.inf:
        raise UserError(
            f"Cannot simulate seed {seed}, {length} frames, noise {noise}: expected a seed and noise of at least 0 "
            "and at least 3 frames."
        )
    # Separate streams, so that given actions change neither the scene nor the noise.
    scene, policy, camera = (np.random.default_rng([seed, stream]) for stream in range(3))
    world, table = World(scene), render_table(scene)
    planned = random_actions(world, policy) if actions is None else iter(_checked(actions, length))
    executed: list[np.ndarray] = []
    states = []
    for _ in range(length):
        if executed:
            world.step(executed[-1])
        states.append(world.state())
        executed.append(np.round(next(planned), 6))
    track = State(*(np.stack(part) for part in zip(*states, strict=True)))
    frames = render_frames(table, world.objects, track)
    if noise:
        frames += camera.normal(0, noise, frames.shape).astype(np.float32)
        np.clip(frames, 0, 255, out=frames)
    frames += 0.5  # so that the conversion to bytes rounds to the nearest
    pixels = torch.from_numpy(frames.astype(np.uint8))
    condition = torch.from_numpy(np.concatenate([np.array(executed), track.position], 1).astype(np.float32))
    objects = np.concatenate([track.centres, track.heights[..., None]], -1)
    colours = np.array([item.colour for item in world.objects])
    return Scene(
        Clip(pixels, condition, f"seed {seed}"), objects, track.rotations, bool(track.touched[-1]), colours, seed
    )


def is_open(scene: Scene) -> bool:
    """Whether the frames leave open how a scene ends: a gripper a millimetre beside it leaves an object elsewhere.

    A millimetre is a fifth of a pixel, elsewhere is more than two pixels from where the object ends.
    """
    if not scene.touched:
        return False
    actions = scene.clip.condition[:, :ACTION].double().numpy()
    for shift in ((NUDGE, 0), (-NUDGE, 0), (0, NUDGE), (0, -NUDGE)):
        nudged = actions.copy()
        nudged[0, :2] += shift
        other = rollout(scene.seed, len(actions), actions=nudged)
        if np.linalg.norm(other.objects[-1, :, :2] - scene.objects[-1, :, :2], axis=-1).max() > ELSEWHERE:
            return True
    return False


def _checked(actions: np.ndarray, length: int) -> np.ndarray:
    actions = np.asarray(actions, np.float64)
    if actions.shape != (length, ACTION) or not (np.abs(actions) <= 1).all():  # false for NaN, too
        raise UserError(
            f"These actions, {actions.shape} numbers, do not fit: expected {length} rows of dx, dy, dz (metres) and "
            "gripper (0 to 1), none beyond 1."
        )
    return actions
