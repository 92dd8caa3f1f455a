"""A robot's gripper over a table with things on it, seen from above: clips of any number, for nothing.

Lengths are metres and axes are the real robot's: x runs away from the robot (down the picture), y to its left (right
in the picture), z up. A frame is 5 mm a pixel and comes every 0.2 s. Things move by 2-D physics (pymunk): the gripper
pushes what it meets while it is lower than they are high, grasps what its fingers close around, and carries it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pymunk
import torch

from cvae_core.errors import UserError
from cvae_core.video.data import ACTION, SIDE, Clip, write_clip

PIXEL = 0.005
TABLE = np.array([[0.12, 0.44], [-0.16, 0.16]])  # x, y from and to; what the picture shows
MIDDLE = TABLE.mean(1)
REACH = np.array([[0.18, 0.39], [-0.11, 0.11], [0.01, 0.17]])  # x, y, z that the point between the fingertips can have
HEIGHT = 0.045  # of the things on the table: above it the gripper passes over them
CAMERA = 0.9  # height of the camera over the table's middle
SHOULDER = (0.04, 0.0, 0.17)  # where the arm begins, outside the picture
FRAME, SUBSTEPS = 0.2, 6  # seconds, physics steps a frame
SLIDE = 0.002  # share of its speed that a thing keeps over a second of friction with the table
OPEN, SHUT = 0.026, 0.007  # from the middle to either finger
FINGER, PALM, ARM = 0.005, 0.008, (0.015, 0.010)  # radii; the arm's at the shoulder and at the wrist
FINGER_BACK, FINGER_TIP = 0.024, 0.012  # a finger from the palm to its tip, along x
LIGHT = (0.2, 0.3)  # how far a shadow falls along x and y for each metre of height

GRIPPER, THING, WALL = 1, 2, 4  # who collides with whom, in bits
KINDS = {"disc": 1.0, "triangle": 1.4, "box": 1.2, "hexagon": 1.0}  # and how wide a circle goes around them
INK = {"arm": (70, 74, 88), "palm": (104, 108, 122), "finger": (24, 24, 28)}
TABLES = ((196, 178, 150), (168, 182, 190), (186, 196, 176), (206, 200, 192), (178, 168, 184))
COLOURS = ((214, 48, 42), (36, 104, 206), (240, 190, 30), (40, 156, 74), (146, 62, 170), (238, 122, 34), (30, 170, 180))


class Scene(NamedTuple):
    """A clip and what only the simulator knows of it."""

    clip: Clip
    things: np.ndarray  # (T, things, 3): where each thing is, x, y, and how high it is carried
    touched: bool  # whether the gripper met or grasped a thing


def simulate(seed: int, length: int = 12, noise: float = 0.0, actions: np.ndarray | None = None) -> Clip:
    """The clip of a seed; `rollout` says what the arguments mean, and tells more."""
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
    open gripper, 0 for a closed one. Without them a random policy of the seed reaches, pushes, grasps and carries;
    with them the scene, its start and its noise stay the same. They count to 6 decimals, as files hold them. The
    position moves by the action within `REACH`; the last row moves nothing. `noise` is the standard deviation of the
    camera's noise, in grey levels. A `UserError` says what cannot be simulated.
    """
    if seed < 0 or length < 3 or not 0 <= noise < math.inf:
        raise UserError(
            f"Cannot simulate seed {seed}, {length} frames, noise {noise}: expected a seed and noise of at least 0 "
            "and at least 3 frames."
        )
    # Streams of their own, so that given actions change neither the scene nor the noise.
    scene, policy, camera = (np.random.default_rng([seed, stream]) for stream in range(3))
    world, ground = _World(scene), _ground(scene)
    actions = _policy(world, policy) if actions is None else iter(_checked(actions, length))
    taken, states = [], []
    for _ in range(length):
        if taken:
            world.step(taken[-1])
        states.append(world.state())
        taken.append(np.round(next(actions), 6))
    track = _Track(*(np.array(part) for part in zip(*states, strict=True)))
    frames = _draw(ground, world.things, track)
    if noise:
        frames += camera.normal(0, noise, frames.shape).astype(np.float32)
        np.clip(frames, 0, 255, out=frames)
    frames += 0.5  # so that what follows rounds to the nearest byte
    pixels = torch.from_numpy(frames.astype(np.uint8))
    condition = torch.from_numpy(np.concatenate([np.array(taken), track.position], 1).astype(np.float32))
    things = np.concatenate([track.places, track.lifts[..., None]], -1)
    return Scene(Clip(pixels, condition, f"seed {seed}"), things, bool(track.touched[-1]))


def _checked(actions: np.ndarray, length: int) -> np.ndarray:
    actions = np.asarray(actions, np.float64)
    if actions.shape != (length, ACTION) or not (np.abs(actions) <= 1).all():  # a NaN is not
        raise UserError(
            f"These actions, {actions.shape} numbers, do not fit: expected {length} rows of dx, dy, dz (metres) and "
            "gripper (0 to 1), none beyond 1."
        )
    return actions


# --- physics --------------------------------------------------------------------------------------------------------


class _Thing(NamedTuple):
    """A disc, or a convex polygon with its corners (n, 2) around its centre of mass."""

    shape: pymunk.Shape
    radius: float
    corners: np.ndarray | None
    colour: tuple[int, int, int]


class _Track(NamedTuple):
    """What a frame shows, stacked over frames."""

    position: np.ndarray  # (T, 3) the point between the fingertips
    gap: np.ndarray  # (T,) from there to either finger
    places: np.ndarray  # (T, things, 2)
    turns: np.ndarray  # (T, things, 2) cosine and sine
    lifts: np.ndarray  # (T, things)
    held: np.ndarray  # (T, things)
    touched: np.ndarray  # (T,)


class _World:
    """Table, things and gripper of one scene; `step` moves them by one action."""

    def __init__(self, rng: np.random.Generator):
        self.space = pymunk.Space()
        self.space.damping = SLIDE
        self.space.collision_slop = 1e-4
        self.low, self.touched = False, False
        # What is carried: where it lies in the gripper, how far that can close, and the height that it was taken at.
        self.held, self.held_at, self.held_gap, self.held_from = None, pymunk.Vec2d(0, 0), 0.0, 0.0
        self.space.on_collision(GRIPPER, THING, begin=self._touch)
        self._walls()
        self.things = self._scatter(rng)
        # Near a thing, so that something happens within a dozen frames, and clear of them all.
        first = self.things[0].shape.body.position + rng.normal(0, 0.05, 2)
        self.position = np.clip([*first, rng.uniform(0.06, 0.11)], REACH[:, 0], REACH[:, 1])
        self.opening = float(rng.random() < 0.8)
        self.gap = self._gap(self.opening)
        self.fingers = [self._part((-FINGER_BACK, 0), (FINGER_TIP, 0), FINGER) for _ in range(2)]
        self.palm = self._part((-FINGER_BACK, -OPEN), (-FINGER_BACK, OPEN), PALM)
        for (body, _), goal in zip(self._parts(), self._goals(self.position, self.gap), strict=True):
            body.position = goal

    def _touch(self, arbiter: pymunk.Arbiter, space: pymunk.Space, data: object) -> None:
        self.touched = True

    def _walls(self) -> None:
        (top, bottom), (left, right) = TABLE
        corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
        for a, b, out in zip(corners, corners[1:] + corners[:1], [(-1, 0), (0, 1), (1, 0), (0, -1)], strict=True):
            # As thick as the table, so that nothing can be squeezed through.
            shift = pymunk.Vec2d(*out) * 0.3
            wall = pymunk.Segment(self.space.static_body, shift + a, shift + b, 0.3)
            wall.filter, wall.friction = pymunk.ShapeFilter(categories=WALL), 0.5
            self.space.add(wall)

    def _part(self, a: tuple[float, float], b: tuple[float, float], radius: float) -> tuple[pymunk.Body, pymunk.Shape]:
        body = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        shape = pymunk.Segment(body, a, b, radius)
        shape.collision_type, shape.friction = GRIPPER, 0.6
        shape.filter = pymunk.ShapeFilter(categories=GRIPPER, mask=0)
        self.space.add(body, shape)
        return body, shape

    def _parts(self) -> list[tuple[pymunk.Body, pymunk.Shape]]:
        return [*self.fingers, self.palm]

    def _scatter(self, rng: np.random.Generator) -> list[_Thing]:
        things, colours = [], rng.permutation(len(COLOURS))
        for number in range(int(rng.integers(3, 6))):
            kind = list(KINDS)[rng.integers(len(KINDS))]
            radius = KINDS[kind] * float(rng.uniform(0.015, 0.025))
            for _ in range(30):  # a place that is free, or the thing is left out
                place = rng.uniform(TABLE[:, 0] + 0.045, TABLE[:, 1] - 0.045)
                if all(math.dist(place, t.shape.body.position) > radius + t.radius + 0.006 for t in things):
                    break
            else:
                continue
            corners = _corners(kind, radius, rng)
            body = pymunk.Body()
            body.position, body.angle = tuple(place), float(rng.uniform(0, 2 * math.pi))
            shape = pymunk.Circle(body, radius) if corners is None else pymunk.Poly(body, corners.tolist())
            shape.density, shape.friction, shape.collision_type = 400.0, 0.4, THING
            shape.filter = pymunk.ShapeFilter(categories=THING)
            self.space.add(body, shape)
            things.append(_Thing(shape, radius, corners, COLOURS[colours[number]]))
        return things

    def _gap(self, opening: float) -> float:
        gap = SHUT + min(max(opening, 0.0), 1.0) * (OPEN - SHUT)
        return gap if self.held is None else max(gap, self.held_gap)

    def _half_width(self, thing: _Thing) -> float:
        """How far a thing reaches along y from between the fingers."""
        body = thing.shape.body
        if thing.corners is None:
            sides = [-thing.radius, thing.radius]
        else:
            sides = [body.rotation_vector.cpvrotate(tuple(corner)).y for corner in thing.corners]
        return max(abs(body.position.y - float(self.position[1]) + side) for side in sides)

    def _goals(self, position: np.ndarray, gap: float) -> list[tuple[float, float]]:
        x, y, _ = position.tolist()
        return [(x, y - gap), (x, y + gap), (x, y)]

    def step(self, action: np.ndarray) -> None:
        """Carry out (dx, dy, dz, gripper) within one frame."""
        opening = float(action[3])
        if opening >= 0.5:
            self._release()
        elif self.opening >= 0.5:
            self._grasp()
        self.opening = opening
        start, self.position = self.position, np.clip(self.position + action[:3], REACH[:, 0], REACH[:, 1])
        moved = self.position - start
        if self.held is not None:
            body = self.held.shape.body
            body.velocity, body.angular_velocity = pymunk.Vec2d(*moved[:2].tolist()) / FRAME, 0.0
        self.gap = self._gap(opening)
        for (body, _), goal in zip(self._parts(), self._goals(self.position, self.gap), strict=True):
            body.velocity = (pymunk.Vec2d(*goal) - body.position) / FRAME
        for step in range(SUBSTEPS):
            self._lower(start[2] + moved[2] * (step + 0.5) / SUBSTEPS < HEIGHT)
            self.space.step(FRAME / SUBSTEPS)
        if self.held is not None:  # exactly, whatever the collisions of the frame in which it was taken
            self.held.shape.body.position = self.held_at + tuple(self.position[:2].tolist())
        self._keep_on_table()

    def _keep_on_table(self) -> None:
        """What the gripper squeezes into a wall slips under the gripper."""
        (top, bottom), (left, right) = TABLE.tolist()
        for thing in self.things:
            x, y = thing.shape.body.position
            kept = (min(max(x, top + 0.01), bottom - 0.01), min(max(y, left + 0.01), right - 0.01))
            if kept != (x, y):
                thing.shape.body.position = kept

    def _lower(self, low: bool) -> None:
        """Let the gripper and what it holds meet the other things, or not."""
        if low != self.low:
            self.low = low
            shapes = [shape for _, shape in self._parts()] + ([self.held.shape] if self.held else [])
            for shape in shapes:
                shape.filter = pymunk.ShapeFilter(categories=GRIPPER, mask=THING if low else 0)

    def _grasp(self) -> None:
        """Take the thing between the fingers, if one is there that fits."""
        if self.position[2] >= HEIGHT:
            return
        for thing in self.things:
            inside = thing.shape.point_query(tuple(self.position[:2].tolist())).distance < 0
            width = self._half_width(thing)
            if inside and width <= OPEN - FINGER:
                self.held, self.held_gap, self.held_from = thing, width + FINGER, float(self.position[2])
                self.held_at = thing.shape.body.position - tuple(self.position[:2].tolist())
                self.touched = True
                thing.shape.filter = self.palm[1].filter
                thing.shape.body.body_type = pymunk.Body.KINEMATIC
                return

    def _release(self) -> None:
        if self.held is not None:
            self.held.shape.body.body_type = pymunk.Body.DYNAMIC
            self.held.shape.filter = pymunk.ShapeFilter(categories=THING)
            self.held = None

    def state(self) -> tuple:
        """A row of `_Track`."""
        bodies = [thing.shape.body for thing in self.things]
        held = [thing is self.held for thing in self.things]
        lift = max(0.0, float(self.position[2]) - self.held_from)
        return (
            self.position,
            self.gap,
            [tuple(body.position) for body in bodies],
            [tuple(body.rotation_vector) for body in bodies],
            [lift if h else 0.0 for h in held],
            held,
            self.touched,
        )


def _corners(kind: str, radius: float, rng: np.random.Generator) -> np.ndarray | None:
    if kind == "disc":
        return None
    sides = {"triangle": 3, "box": 4, "hexagon": 6}[kind]
    angles = [2 * math.pi * (n + 0.5) / sides for n in range(sides)]
    corners = radius * np.array([(math.cos(a), math.sin(a)) for a in angles])
    if kind == "box":
        corners *= (1.0, rng.uniform(0.45, 1.0))
    return corners


# --- policy ---------------------------------------------------------------------------------------------------------


def _policy(world: _World, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Actions for ever: goes for things to push them, or to grasp, carry and drop them, and sometimes for nothing."""
    while True:
        near = sorted(world.things, key=lambda t: math.dist(t.shape.body.position, world.position[:2]))
        body = (near[0] if rng.random() < 0.7 else near[int(rng.integers(len(near)))]).shape.body
        speed = float(rng.uniform(0.012, 0.028))
        plan = rng.choice(["grasp", "push", "wander"], p=[0.55, 0.3, 0.15])
        anywhere = rng.uniform(REACH[:, 0], REACH[:, 1])
        if plan == "grasp":
            yield from _go(world, rng, (*body.position, 0.055), speed, 1.0)
            yield from _go(world, rng, (*body.position, 0.02), speed, 1.0)
            yield from _stay(rng, 0.0, 1)
            anywhere[2] = rng.uniform(0.03, 0.15)
            yield from _go(world, rng, anywhere, speed, 0.0)
            yield from _stay(rng, 1.0, 1)
        elif plan == "push":
            ahead = pymunk.Vec2d(*body.position) - tuple(world.position[:2].tolist())
            goal = body.position + ahead.normalized() * float(rng.uniform(0.04, 0.12))
            yield from _go(world, rng, (*goal, 0.02), speed, float(rng.random() < 0.5))
        else:
            yield from _go(world, rng, anywhere, speed, float(rng.random() < 0.7))


def _go(
    world: _World, rng: np.random.Generator, goal: Sequence[float], speed: float, gripper: float
) -> Iterator[np.ndarray]:
    goal = np.clip(goal, REACH[:, 0], REACH[:, 1])
    for _ in range(20):  # a goal may be unreachable to within the hand's tremor
        way = goal - world.position
        if np.abs(way).max() < 0.005:
            return
        move = way * min(1.0, speed / math.sqrt(float(way @ way))) + rng.normal(0, 0.0015, 3)
        yield np.array([*move, gripper])


def _stay(rng: np.random.Generator, gripper: float, frames: int) -> Iterator[np.ndarray]:
    for _ in range(frames):
        yield np.array([*rng.normal(0, 0.001, 3), gripper])


# --- drawing --------------------------------------------------------------------------------------------------------
# Shapes by their signed distance d in pixels, opaque where d < -1/2 and anti-aliased to d = 1/2, for all frames of a
# clip at once and only in the window that they pass through.


CENTRES = np.arange(SIDE, dtype=np.float32) + np.float32(0.5)  # of the pixels along an axis


def _ground(rng: np.random.Generator) -> np.ndarray:
    """The table (3, 64, 64): a colour, faint stripes, and a darker rim."""
    colour = np.array(TABLES[rng.integers(len(TABLES))]) + rng.uniform(-12, 12, 3)
    row, column = CENTRES[:, None].astype(float), CENTRES.astype(float)
    angle, period = rng.uniform(0, math.pi), rng.uniform(5, 16)
    stripes = np.sin((row * math.cos(angle) + column * math.sin(angle)) * 2 * math.pi / period)
    edge = np.minimum(np.minimum(row, SIDE - row), np.minimum(column, SIDE - column))
    ground = (colour[:, None, None] + rng.uniform(2, 7) * stripes) * np.where(edge < 2, 0.8, 1.0)
    return ground.astype(np.float32)


def _project(places: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the camera sees points (..., 2) at heights (...), in pixels, and how many pixels a metre has there."""
    scale = CAMERA / (CAMERA - heights) / PIXEL
    return ((places - MIDDLE) * scale[..., None] + SIDE / 2).astype(np.float32), scale.astype(np.float32)


def _window(points: np.ndarray, radius: float) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """The part of the picture within a radius of points (..., 2), and its pixels' centres (h, 1) and (w)."""
    points = points.reshape(-1, 2)
    lows, highs = (points.min(0) - radius - 1).tolist(), (points.max(0) + radius + 2).tolist()
    where = tuple(slice(max(0, int(a)), max(0, int(b))) for a, b in zip(lows, highs, strict=True))
    return where, CENTRES[where[0], None], CENTRES[where[1]]


def _capsule(a: np.ndarray, b: np.ndarray, radius_a: np.ndarray, radius_b: np.ndarray):
    """A window and the coverage in it (T, h, w) of all within a radius of the segment from a to b, (T, 2) each."""
    where, rows, columns = _window(np.stack([a, b]), max(radius_a.max(), radius_b.max()))
    way = b - a
    length2 = (way * way).sum(1) + np.float32(1e-6)  # a disc where a = b
    (dx, dy), (x, y) = (way.T[:, :, None, None], a.T[:, :, None, None])
    x, y = rows - x, columns - y
    t = ((x * dx + y * dy) / length2[:, None, None]).clip(0, 1)
    x, y = x - t * dx, y - t * dy
    radius = radius_a[:, None, None] + t * (radius_b - radius_a)[:, None, None]
    return where, (radius + np.float32(0.5) - np.sqrt(x * x + y * y)).clip(0, 1)


def _polygon(centre: np.ndarray, turn: np.ndarray, corners: np.ndarray, scale: np.ndarray):
    """A window and the coverage in it (T, h, w) of a convex polygon, turned by (T, 2) cosine and sine."""
    where, rows, columns = _window(centre, float(np.sqrt((corners**2).sum(1)).max() * scale.max()))
    x, y = rows - centre[:, 0, None, None], columns - centre[:, 1, None, None]
    cos, sin = turn.astype(np.float32).T[:, :, None, None]
    x, y = x * cos + y * sin, y * cos - x * sin  # (T, h, w) in the thing's own axes
    inside = None
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0), strict=True):
        length = math.sqrt((bx - ax) ** 2 + (by - ay) ** 2)
        nx, ny = np.float32((by - ay) / length), np.float32((ax - bx) / length)  # outward: corners run anticlockwise
        depth = scale[:, None, None] * np.float32(nx * ax + ny * ay) - (x * nx + y * ny)
        inside = depth if inside is None else np.minimum(inside, depth)
    return where, (inside + np.float32(0.5)).clip(0, 1)


def _paint(canvas: np.ndarray, part: tuple, colour: Sequence[float], visible: np.ndarray | None = None) -> None:
    where, coverage = part
    if visible is not None:
        coverage = coverage * visible[:, None, None]
    window = canvas[:, :, *where]
    window += coverage[:, None] * (np.array(colour, np.float32)[:, None, None] - window)


def _gripper(track: _Track, shadow: bool) -> list[tuple[str, tuple]]:
    """Arm, palm and fingers, or the shadows that they cast on the table."""
    frames, heights = len(track.position), track.position[:, 2]

    def at(places: np.ndarray, heights: np.ndarray):
        return _project(places + heights[:, None] * LIGHT, heights * 0) if shadow else _project(places, heights)

    def capsule(a, b, radius_a, radius_b, raised=0.0, base=None):
        (a, scale_a), (b, scale_b) = at(a, heights + raised if base is None else base), at(b, heights + raised)
        return _capsule(a, b, np.float32(radius_a) * scale_a, np.float32(radius_b) * scale_b)

    tip = track.position[:, :2]
    wrist = tip - (FINGER_BACK, 0)
    across = np.stack([np.zeros(frames), track.gap], 1)
    shoulder = np.tile(SHOULDER, (frames, 1))
    fingers = [
        capsule(wrist + side * across, tip + side * across + (FINGER_TIP, 0), FINGER, FINGER, 0.01) for side in (-1, 1)
    ]
    palm = capsule(wrist - (0, OPEN), wrist + (0, OPEN), PALM, PALM, 0.02)
    arm = capsule(shoulder[:, :2], wrist, *ARM, 0.03, shoulder[:, 2])
    return [*(("finger", finger) for finger in fingers), ("arm", arm), ("palm", palm)]


def _draw(ground: np.ndarray, things: list[_Thing], track: _Track) -> np.ndarray:
    """All frames (T, 3, 64, 64), in grey levels."""
    frames = len(track.position)
    canvas = np.tile(ground, (frames, 1, 1, 1))
    shadows = np.zeros((frames, SIDE, SIDE), np.float32)

    def thing(n: int, places: np.ndarray, heights: np.ndarray):
        centre, scale = _project(places, heights)
        if (corners := things[n].corners) is None:
            radius = np.float32(things[n].radius) * scale
            return _capsule(centre, centre, radius, radius)
        return _polygon(centre, track.turns[:, n], corners, scale)

    def shade(part: tuple, visible: np.ndarray | None = None) -> None:
        where, coverage = part
        window = shadows[:, *where]
        np.maximum(window, coverage if visible is None else coverage * visible[:, None, None], out=window)

    for n, one in enumerate(things):
        _paint(canvas, thing(n, track.places[:, n], track.lifts[:, n]), one.colour, ~track.held[:, n])
        if track.held[:, n].any():
            cast = track.places[:, n] + track.lifts[:, n, None] * LIGHT
            shade(thing(n, cast, track.lifts[:, n] * 0), track.held[:, n])
    for _, part in _gripper(track, shadow=True):
        shade(part)
    canvas *= 1 - np.float32(0.22) * shadows[:, None]
    for n in np.flatnonzero(track.held.any(0)):  # above the shadows and the rest
        _paint(canvas, thing(n, track.places[:, n], track.lifts[:, n]), things[n].colour, track.held[:, n])
    for name, part in _gripper(track, shadow=False):
        _paint(canvas, part, INK[name])
    return canvas
