"""Actions of the gripper: the simulator's random policy, and the conditions that given actions lead to."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pymunk
import torch
from torch import Tensor

from cvae_core.video.data import ACTION
from cvae_core.video.physics import REACH, World


def follow(condition: Tensor, actions: np.ndarray) -> Tensor:
    """A model's conditions (P + H - 1, 7): those of P given frames (P, 7), then actions (H, 4).

    The first action leads from the last given frame; positions are sums of the steps.
    """
    chosen = torch.from_numpy(actions).float()
    moved = torch.cat([chosen.new_zeros(1, 3), chosen[:-1, :3].cumsum(0)])
    return torch.cat([condition[:-1], torch.cat([chosen, condition[-1, ACTION:] + moved], 1)])


def random_actions(world: World, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless actions (4,): dx, dy, dz in metres and the gripper, 1 open, 0 closed. Each depends on the world's state.

    Three plans alternate at random: grasp an object and carry it to a random position, push an object, or go to a
    random position.
    """
    while True:
        near = sorted(world.objects, key=lambda o: math.dist(o.shape.body.position, world.position[:2]))
        body = (near[0] if rng.random() < 0.7 else near[int(rng.integers(len(near)))]).shape.body
        speed = float(rng.uniform(0.012, 0.028))
        plan = rng.choice(["grasp", "push", "wander"], p=[0.55, 0.3, 0.15])
        anywhere = rng.uniform(REACH[:, 0], REACH[:, 1])
        if plan == "grasp":
            yield from _go(world, rng, (*body.position, 0.055), speed, 1.0)
            yield from _go(world, rng, (*body.position, 0.02), speed, 1.0)
            yield _stay(rng, 0.0)
            anywhere[2] = rng.uniform(0.03, 0.15)
            yield from _go(world, rng, anywhere, speed, 0.0)
            yield _stay(rng, 1.0)
        elif plan == "push":
            ahead = pymunk.Vec2d(*body.position) - tuple(world.position[:2].tolist())
            goal = body.position + ahead.normalized() * float(rng.uniform(0.04, 0.12))
            yield from _go(world, rng, (*goal, 0.02), speed, float(rng.random() < 0.5))
        else:
            yield from _go(world, rng, anywhere, speed, float(rng.random() < 0.7))


def _go(
    world: World, rng: np.random.Generator, goal: Sequence[float] | np.ndarray, speed: float, gripper: float
) -> Iterator[np.ndarray]:
    goal = np.clip(goal, REACH[:, 0], REACH[:, 1])
    for _ in range(20):  # the noise of the actions can keep the gripper from a goal
        way = goal - world.position
        if np.abs(way).max() < 0.005:
            return
        move = way * min(1.0, speed / math.sqrt(float(way @ way))) + rng.normal(0, 0.0015, 3)
        yield np.array([*move, gripper])


def _stay(rng: np.random.Generator, gripper: float) -> np.ndarray:
    return np.array([*rng.normal(0, 0.001, 3), gripper])
