"""Choose actions by the cross-entropy method (Rubinstein 1999) in what a world model predicts.

A goal is a position in the picture for the gripper or an object. Candidate actions are judged by where the world model
predicts the thing in the end: by its keypoints, where the model has them (`ObjectCVAE`), or by where the predicted last
frame shows the thing's colour (visual foresight, Finn and Levine 2017; judging a video model by its plans, VP², Tian et
al. 2023). The video model and the simulator are both world models, with the same cost and the same number of
candidates. The simulator then executes the plan.
Shapes: n candidates, H actions, P given frames. Positions in the picture are (row, column) in pixels of 5 mm.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.device import autocast, multiplies_bfloat16
from cvae_core.video.data import ACTION, SIDE
from cvae_core.video.model import ObjectCVAE, VideoCVAE
from cvae_core.video.physics import REACH, TABLE
from cvae_core.video.policy import follow
from cvae_core.video.rendering import GRIPPER_COLOURS, PIXEL, project
from cvae_core.video.simulator import Scene, rollout

ITERATIONS, CANDIDATES, ELITES = 8, 32, 5
HORIZON, SEGMENTS = 10, 5  # actions of a plan, in pieces of constant velocity
MAX_STEP = 0.03  # metres: the longest step of an action, as in the clips that the model was trained on
SPREAD = (0.03, 0.03, 0.02)  # standard deviation of the first candidates' steps, metres
DESCENT = -0.008  # their mean along z: the gripper starts above the objects
TOLERANCE = 3.0  # pixels, 1.5 cm: a goal is reached within it
APPROACH = 0.5  # weight of the way from the gripper to the object; without it nothing tells candidates that miss apart
MATCH = 25 / 255  # standard deviation of an accepted difference in colour
SHADE = (0.75, 1.02)  # an object in a shadow is darker
LEAST = 0.25  # share of an object's pixels that have to be found
WINDOWS = {"gripper": 17, "object": 11}  # pixels: larger than the thing

WorldModel = Callable[[np.ndarray], np.ndarray]  # actions (n, H, 4) -> where the thing of a goal ends (n, 2)


class Goal(NamedTuple):
    """Where the gripper, or the object that the last given frame shows at `start`, should be in the end."""

    thing: str  # "gripper" or "object"
    start: np.ndarray  # (2,)
    position: np.ndarray  # (2,)


class Plan(NamedTuple):
    """The cheapest actions found, and all that were tried; costs are in pixels."""

    actions: np.ndarray  # (H, 4)
    costs: np.ndarray  # (iterations, n)
    paths: np.ndarray  # (iterations, n, H + 1, 2): where each candidate brings the gripper


class Situation(NamedTuple):
    """What a planner knows: the given frames with the actions that led to them, and the gripper's position."""

    frames: Tensor  # (P, 3, 64, 64) bytes
    condition: Tensor  # (P, 7); the last row's action is still to be chosen

    @property
    def position(self) -> np.ndarray:
        """The gripper's position (3,) in the last given frame, metres."""
        return self.condition[-1, ACTION:].double().numpy()


def situation(scene: Scene, past: int) -> Situation:
    """The first `past` frames of a scene."""
    return Situation(scene.clip.frames[:past], scene.clip.condition[:past])


# --- where things are -----------------------------------------------------------------------------------------------


def seen_at(points: np.ndarray) -> np.ndarray:
    """Points (..., 3), metres -> their positions in the picture (..., 2)."""
    return project(points[..., :2], points[..., 2])[0]


def colour_of(frame: Tensor, goal: Goal) -> Tensor:
    """The colour (3,) by which a frame (3, 64, 64) shows the thing: the fingers', or the one at an object's start."""
    if goal.thing == "gripper":
        return torch.tensor(GRIPPER_COLOURS["finger"]) / 255
    row, column = np.clip(goal.start.astype(int), 1, SIDE - 2).tolist()
    return frame[:, row - 1 : row + 2, column - 1 : column + 2].flatten(1).median(1).values


def locate(frames: Tensor, colour: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Where frames (n, 3, 64, 64) show a colour (3,): (n, 2), and on how many pixels (n,).

    The window of so many pixels is where the colour covers most; the position is the centroid in it.
    """
    shade = (torch.einsum("nchw,c->nhw", frames, colour) / colour.square().sum()).clamp(*SHADE)
    difference = (frames - shade[:, None] * colour[:, None, None]).square().sum(1)
    weight = torch.exp(-0.5 * difference / MATCH**2)
    weight = weight * (weight > 0.1)  # (n, 64, 64)
    covered = F.avg_pool2d(weight, window, 1, window // 2)
    best = covered.flatten(1).argmax(1)
    line = torch.arange(SIDE)
    rows, columns = ((line - at[:, None]).abs() <= window // 2 for at in (best // SIDE, best % SIDE))
    weight = weight * (rows[:, :, None] & columns[:, None])
    pixels = weight.sum((1, 2))
    centres = torch.stack([weight.sum(2) @ (line + 0.5), weight.sum(1) @ (line + 0.5)], 1)
    return centres / pixels.clamp(min=1e-6)[:, None], pixels


# --- world models ---------------------------------------------------------------------------------------------------


def model_world(model: VideoCVAE, given: Situation, goal: Goal, seed: int = 0) -> WorldModel:
    """Predictions of a video model, all candidates at once.

    Keypoints are predicted with the prior's mean as z; frames, of which only the last is decoded, with a sample.
    """
    device = next(model.parameters()).device
    frames = given.frames[None].to(device).float() / 255

    def conditions(actions: np.ndarray) -> Tensor:
        return torch.stack([follow(given.condition, candidate) for candidate in actions]).to(device)

    if isinstance(model, ObjectCVAE):
        return lambda actions: _last_keypoint(model, frames, conditions(actions), goal)
    fast = multiplies_bfloat16(device)

    def ends(actions: np.ndarray) -> np.ndarray:
        generator = torch.Generator(device).manual_seed(seed)
        with autocast(device, fast):
            last = model.predict(frames, conditions(actions), generator, last=1)[:, 0]
        return find(last.float().cpu(), given, goal)

    return ends


def _last_keypoint(model: ObjectCVAE, frames: Tensor, condition: Tensor, goal: Goal) -> np.ndarray:
    """Where a model's keypoints end (n, 2): the fingertips, or the object at the goal's start, if one is found."""
    objects, moves, tips = model.move(frames, condition, None)
    if goal.thing == "gripper":
        return tips[:, -1].double().cpu().numpy() + SIDE / 2
    start = torch.from_numpy(goal.start - SIDE / 2).to(objects.centres)
    distance, nearest = torch.where(objects.exists[0], (objects.centres[0] - start).norm(dim=-1), torch.inf).min(0)
    displacement = moves[:, nearest, -1, :2] * (distance < WINDOWS["object"] / 2)
    return goal.start + displacement.double().cpu().numpy()


def simulator_world(seed: int, given: Situation, goal: Goal) -> WorldModel:
    """The true frames of the scene that belongs to a seed."""

    def ends(actions: np.ndarray) -> np.ndarray:
        last = torch.stack([execute(seed, given, candidate).clip.frames[-1] for candidate in actions])
        return find(last.float() / 255, given, goal)

    return ends


def execute(seed: int, given: Situation, actions: np.ndarray) -> Scene:
    """Simulate actions (H, 4) after the given frames."""
    past = given.condition[:-1, :ACTION].double().numpy()
    rows = np.concatenate([past, actions, np.zeros((1, ACTION))])  # the last row leads to no frame
    return rollout(seed, len(rows), actions=rows)


# --- cross-entropy method -------------------------------------------------------------------------------------------


def plan(world: WorldModel, given: Situation, goal: Goal, seed: int = 0, iterations: int = ITERATIONS) -> Plan:
    """Minimize `cost_of` over action sequences.

    Each iteration draws candidates from a diagonal Gaussian over the steps of `SEGMENTS` pieces and fits the next
    Gaussian to the cheapest ones. Its mean and the cheapest sequence so far are tried again.
    """
    rng = np.random.default_rng(seed)
    mean, deviation = _first_steps()
    best, costs, paths = mean, [], []
    for iteration in range(iterations):
        steps = rng.normal(mean, deviation, (CANDIDATES, SEGMENTS, 3))
        if iteration:
            steps[:2] = mean, best
        actions = to_actions(steps, given)
        positions = positions_of(given, actions)
        costs.append(cost_of(world(actions), positions, goal))
        paths.append(seen_at(positions))
        cheapest = np.argsort(costs[-1], kind="stable")[:ELITES]
        if costs[-1][cheapest[0]] == np.min(costs):
            best = steps[cheapest[0]].copy()
        mean, deviation = steps[cheapest].mean(0), steps[cheapest].std(0).clip(0.003)
    return Plan(to_actions(best[None], given)[0], np.stack(costs), np.stack(paths))


def initial_actions(given: Situation, seed: int = 0) -> np.ndarray:
    """Actions (H, 4) from the distribution that `plan` begins with."""
    return to_actions(np.random.default_rng(seed).normal(*_first_steps())[None], given)[0]


def _first_steps() -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (SEGMENTS, 3) of the first candidates' steps."""
    return np.tile((0.0, 0.0, DESCENT), (SEGMENTS, 1)), np.tile(SPREAD, (SEGMENTS, 1))


def to_actions(steps: np.ndarray, given: Situation) -> np.ndarray:
    """Steps of each piece (n, SEGMENTS, 3), metres -> actions (n, H, 4) within the gripper's reach.

    The gripper's opening stays as it is.
    """
    steps = limited(np.repeat(steps, HORIZON // SEGMENTS, 1))
    positions = np.tile(given.position, (len(steps), 1))
    moves = np.empty_like(steps)
    for i in range(HORIZON):
        after = np.clip(positions + steps[:, i], REACH[:, 0], REACH[:, 1])
        moves[:, i], positions = after - positions, after
    opening = np.full((*moves.shape[:2], 1), float(given.condition[-1, ACTION - 1]))
    return np.concatenate([moves, opening], 2)


def limited(steps: np.ndarray) -> np.ndarray:
    """Steps (..., 3) of at most MAX_STEP."""
    length = np.linalg.norm(steps, axis=-1, keepdims=True)
    return steps * np.minimum(1, MAX_STEP / np.maximum(length, 1e-9))


def positions_of(given: Situation, actions: np.ndarray) -> np.ndarray:
    """The gripper's positions (n, H + 1, 3), from the last given frame on, under actions (n, H, 4)."""
    moved = np.concatenate([np.zeros((len(actions), 1, 3)), actions[..., :3].cumsum(1)], 1)
    return given.position + moved


def cost_of(ends: np.ndarray, positions: np.ndarray, goal: Goal) -> np.ndarray:
    """The cost (n,) of candidates in pixels, from where the thing ends (n, 2) and positions (n, H + 1, 3).

    It is the distance to the goal; for an object also a share of how close the gripper comes to it.
    """
    cost = np.linalg.norm(ends - goal.position, axis=1)
    if goal.thing == "gripper":
        return cost
    ahead = np.array([*(goal.start - SIDE / 2) * PIXEL + TABLE.mean(1), 0.02])  # the object, at half of its height
    return cost + APPROACH / PIXEL * np.linalg.norm(positions - ahead, axis=-1).min(1)


def find(frames: Tensor, given: Situation, goal: Goal) -> np.ndarray:
    """Where frames (n, 3, 64, 64) show the thing (n, 2); its start where they do not show it."""
    before = given.frames[-1].float() / 255
    colour, window = colour_of(before, goal), WINDOWS[goal.thing]
    pixels_before = locate(before[None], colour, window)[1]
    found, pixels = locate(frames, colour, window)
    return np.where((pixels >= LEAST * pixels_before)[:, None].numpy(), found.double().numpy(), goal.start)
