"""Two-dimensional physics of the simulated scene (pymunk): a table with objects, and the gripper above it.

Lengths are metres and axes are the real robot's: x points away from the robot (down the picture), y to its left (right
in the picture), z up. The gripper pushes objects while it is lower than they are high, grasps the object that its
fingers close around, and carries it.
"""

import math
from typing import NamedTuple

import numpy as np
import pymunk

TABLE = np.array([[0.12, 0.44], [-0.16, 0.16]])  # bounds of x and y: the picture shows exactly the table
REACH = np.array([[0.18, 0.39], [-0.11, 0.11], [0.01, 0.17]])  # bounds of x, y, z for the point between the fingertips
OBJECT_HEIGHT = 0.045  # above it the gripper passes over the objects
FRAME_SECONDS, SUBSTEPS = 0.2, 6  # time between frames, and physics steps in it
DAMPING = 0.002  # share of its speed that an object keeps over a second of friction with the table
OPEN_GAP, CLOSED_GAP = 0.026, 0.007  # from the midpoint of the gripper to either finger
FINGER_RADIUS, PALM_RADIUS = 0.005, 0.008
FINGER_BACK, FINGER_TIP = 0.024, 0.012  # a finger runs from the palm to its tip, along x

GRIPPER, OBJECT, WALL = 1, 2, 4  # collision categories, as bits
SHAPES = {"disc": 1.0, "triangle": 1.4, "box": 1.2, "hexagon": 1.0}  # factor of the circumscribed circle's radius
COLOURS = ((214, 48, 42), (36, 104, 206), (240, 190, 30), (40, 156, 74), (146, 62, 170), (238, 122, 34), (30, 170, 180))


class Object(NamedTuple):
    """A disc, or a convex polygon with its corners (n, 2) relative to its centre of mass."""

    shape: pymunk.Shape
    radius: float
    corners: np.ndarray | None
    colour: tuple[int, int, int]


class State(NamedTuple):
    """The scene at one frame, or with a leading axis T for all frames of a clip."""

    position: np.ndarray  # (3,) point between the fingertips
    gap: np.ndarray  # () from that point to either finger
    centres: np.ndarray  # (objects, 2)
    rotations: np.ndarray  # (objects, 2) cosine and sine
    heights: np.ndarray  # (objects,) above the table
    held: np.ndarray  # (objects,) bool
    touched: np.ndarray  # () bool: the gripper has touched or grasped an object so far


class World:
    """Table, objects and gripper of one scene; `step` moves them by one action."""

    def __init__(self, rng: np.random.Generator):
        """Draw the scene: three to five objects (fewer where no free position is found) and the gripper's start."""
        self.space = pymunk.Space()
        self.space.damping = DAMPING
        self.space.collision_slop = 1e-4
        self.low, self.touched = False, False
        # The held object: its offset from the gripper, the gap that it leaves, and the gripper's height at the grasp.
        self.held: Object | None = None
        self.held_offset, self.held_gap, self.held_from = pymunk.Vec2d(0, 0), 0.0, 0.0
        self.space.on_collision(GRIPPER, OBJECT, begin=self._touch)
        self._add_walls()
        self.objects = self._add_objects(rng)
        # Near an object, so that they meet within a dozen frames, and above all of them.
        first = self.objects[0].shape.body.position + rng.normal(0, 0.05, 2)
        self.position = np.clip([*first, rng.uniform(0.06, 0.11)], REACH[:, 0], REACH[:, 1])
        self.opening = float(rng.random() < 0.8)
        self.gap = self._gap(self.opening)
        fingers = [self._add_part((-FINGER_BACK, 0), (FINGER_TIP, 0), FINGER_RADIUS) for _ in range(2)]
        palm = self._add_part((-FINGER_BACK, -OPEN_GAP), (-FINGER_BACK, OPEN_GAP), PALM_RADIUS)
        self.gripper = [*fingers, palm]
        for part, target in zip(self.gripper, self._targets(), strict=True):
            part.body.position = target

    def step(self, action: np.ndarray) -> None:
        """Carry out (dx, dy, dz, gripper) within one frame: metres, and 1 for open, 0 for closed."""
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
            body.velocity, body.angular_velocity = pymunk.Vec2d(*moved[:2].tolist()) / FRAME_SECONDS, 0.0
        self.gap = self._gap(opening)
        for part, target in zip(self.gripper, self._targets(), strict=True):
            part.body.velocity = (pymunk.Vec2d(*target) - part.body.position) / FRAME_SECONDS
        for step in range(SUBSTEPS):
            self._set_low(start[2] + moved[2] * (step + 0.5) / SUBSTEPS < OBJECT_HEIGHT)
            self.space.step(FRAME_SECONDS / SUBSTEPS)
        if self.held is not None:  # exactly, whatever the collisions of the frame in which it was grasped
            self.held.shape.body.position = self.held_offset + self._xy()
        self._keep_on_table()

    def state(self) -> State:
        """The scene as it is now."""
        bodies = [item.shape.body for item in self.objects]
        held = [item is self.held for item in self.objects]
        height = max(0.0, float(self.position[2]) - self.held_from)
        return State(
            self.position,
            np.array(self.gap),
            np.array([tuple(body.position) for body in bodies]),
            np.array([tuple(body.rotation_vector) for body in bodies]),
            np.array([height if h else 0.0 for h in held]),
            np.array(held),
            np.array(self.touched),
        )

    def _touch(self, arbiter: pymunk.Arbiter, space: pymunk.Space, data: object) -> None:
        self.touched = True

    def _add_walls(self) -> None:
        (top, bottom), (left, right) = TABLE
        corners = [(top, left), (top, right), (bottom, right), (bottom, left)]
        for a, b, out in zip(corners, corners[1:] + corners[:1], [(-1, 0), (0, 1), (1, 0), (0, -1)], strict=True):
            # As thick as the table, so that nothing can be squeezed through.
            shift = pymunk.Vec2d(*out) * 0.3
            wall = pymunk.Segment(self.space.static_body, shift + a, shift + b, 0.3)
            wall.filter, wall.friction = pymunk.ShapeFilter(categories=WALL), 0.5
            self.space.add(wall)

    def _add_part(self, a: tuple[float, float], b: tuple[float, float], radius: float) -> pymunk.Shape:
        body = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        shape = pymunk.Segment(body, a, b, radius)
        shape.collision_type, shape.friction = GRIPPER, 0.6
        shape.filter = pymunk.ShapeFilter(categories=GRIPPER, mask=0)
        self.space.add(body, shape)
        return shape

    def _add_objects(self, rng: np.random.Generator) -> list[Object]:
        objects, colours = [], rng.permutation(len(COLOURS))
        for number in range(int(rng.integers(3, 6))):
            kind = list(SHAPES)[rng.integers(len(SHAPES))]
            radius = SHAPES[kind] * float(rng.uniform(0.015, 0.025))
            for _ in range(30):  # tries to find a free position; without one the object is left out
                centre = rng.uniform(TABLE[:, 0] + 0.045, TABLE[:, 1] - 0.045)
                if all(math.dist(centre, o.shape.body.position) > radius + o.radius + 0.006 for o in objects):
                    break
            else:
                continue
            corners = _corners(kind, radius, rng)
            body = pymunk.Body()
            body.position, body.angle = tuple(centre), float(rng.uniform(0, 2 * math.pi))
            shape = pymunk.Circle(body, radius) if corners is None else pymunk.Poly(body, corners.tolist())
            shape.density, shape.friction, shape.collision_type = 400.0, 0.4, OBJECT
            shape.filter = pymunk.ShapeFilter(categories=OBJECT)
            self.space.add(body, shape)
            objects.append(Object(shape, radius, corners, COLOURS[colours[number]]))
        return objects

    def _xy(self) -> tuple[float, float]:
        return tuple(self.position[:2].tolist())

    def _gap(self, opening: float) -> float:
        gap = CLOSED_GAP + min(max(opening, 0.0), 1.0) * (OPEN_GAP - CLOSED_GAP)
        return gap if self.held is None else max(gap, self.held_gap)

    def _targets(self) -> list[tuple[float, float]]:
        """Where the gripper's parts belong at its position and gap."""
        x, y = self._xy()
        return [(x, y - self.gap), (x, y + self.gap), (x, y)]

    def _half_width(self, item: Object) -> float:
        """How far an object extends along y from between the fingers."""
        body = item.shape.body
        if item.corners is None:
            sides = [-item.radius, item.radius]
        else:
            sides = [body.rotation_vector.cpvrotate(tuple(corner)).y for corner in item.corners]
        return max(abs(body.position.y - float(self.position[1]) + side) for side in sides)

    def _keep_on_table(self) -> None:
        """Objects that the gripper squeezes into a wall slip under the gripper."""
        (top, bottom), (left, right) = TABLE.tolist()
        for item in self.objects:
            x, y = item.shape.body.position
            kept = (min(max(x, top + 0.01), bottom - 0.01), min(max(y, left + 0.01), right - 0.01))
            if kept != (x, y):
                item.shape.body.position = kept

    def _set_low(self, low: bool) -> None:
        """Whether the gripper and the object that it holds collide with the other objects."""
        if low != self.low:
            self.low = low
            for shape in [*self.gripper, *([self.held.shape] if self.held else [])]:
                shape.filter = pymunk.ShapeFilter(categories=GRIPPER, mask=OBJECT if low else 0)

    def _grasp(self) -> None:
        """Hold the object between the fingers, if there is one that fits."""
        if self.position[2] >= OBJECT_HEIGHT:
            return
        for item in self.objects:
            inside = item.shape.point_query(self._xy()).distance < 0
            width = self._half_width(item)
            if inside and width <= OPEN_GAP - FINGER_RADIUS:
                self.held, self.held_gap, self.held_from = item, width + FINGER_RADIUS, float(self.position[2])
                self.held_offset = item.shape.body.position - self._xy()
                self.touched = True
                item.shape.filter = self.gripper[0].filter
                item.shape.body.body_type = pymunk.Body.KINEMATIC
                return

    def _release(self) -> None:
        if self.held is not None:
            self.held.shape.body.body_type = pymunk.Body.DYNAMIC
            self.held.shape.filter = pymunk.ShapeFilter(categories=OBJECT)
            self.held = None


def _corners(kind: str, radius: float, rng: np.random.Generator) -> np.ndarray | None:
    if kind == "disc":
        return None
    sides = {"triangle": 3, "box": 4, "hexagon": 6}[kind]
    angles = [2 * math.pi * (n + 0.5) / sides for n in range(sides)]
    corners = radius * np.array([(math.cos(a), math.sin(a)) for a in angles])
    if kind == "box":
        corners *= (1.0, rng.uniform(0.45, 1.0))
    return corners
