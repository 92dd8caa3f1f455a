"""Frames of a simulated clip, seen from a camera above the table: 64 x 64 pixels of 5 mm.

Shapes are drawn by their signed distance d in pixels, opaque where d < -1/2 and anti-aliased up to d = 1/2, for all
frames of a clip at once and only in the window of the picture that they pass through.
"""

import math
from collections.abc import Sequence

import numpy as np

from cvae_core.video.data import SIDE
from cvae_core.video.physics import FINGER_BACK, FINGER_RADIUS, FINGER_TIP, OPEN_GAP, PALM_RADIUS, TABLE, Object, State

PIXEL = 0.005  # metres
MIDDLE = TABLE.mean(1)
CAMERA_HEIGHT = 0.9  # metres over the table's middle
SHOULDER = (0.04, 0.0, 0.17)  # where the arm begins, outside the picture
ARM_RADII = (0.015, 0.010)  # at the shoulder and at the wrist
LIGHT = (0.2, 0.3)  # how far a shadow is displaced along x and y for each metre of height
GRIPPER_COLOURS = {"arm": (70, 74, 88), "palm": (104, 108, 122), "finger": (24, 24, 28)}
SHADOW = 0.22  # share of the light that a shadow takes
TABLE_COLOURS = ((196, 178, 150), (168, 182, 190), (186, 196, 176), (206, 200, 192), (178, 168, 184))
CENTRES = np.arange(SIDE, dtype=np.float32) + np.float32(0.5)  # of the pixels along an axis

# A window of the picture as slices of rows and columns, and the coverage of its pixels (T, h, w) in [0, 1].
Part = tuple[tuple[slice, slice], np.ndarray]


def render_table(rng: np.random.Generator) -> np.ndarray:
    """The table (3, 64, 64) in grey levels: a colour, faint stripes, and a darker rim."""
    colour = np.array(TABLE_COLOURS[rng.integers(len(TABLE_COLOURS))]) + rng.uniform(-12, 12, 3)
    row, column = CENTRES[:, None].astype(float), CENTRES.astype(float)
    angle, period = rng.uniform(0, math.pi), rng.uniform(5, 16)
    stripes = np.sin((row * math.cos(angle) + column * math.sin(angle)) * 2 * math.pi / period)
    edge = np.minimum(np.minimum(row, SIDE - row), np.minimum(column, SIDE - column))
    table = (colour[:, None, None] + rng.uniform(2, 7) * stripes) * np.where(edge < 2, 0.8, 1.0)
    return table.astype(np.float32)


def render_frames(table: np.ndarray, objects: Sequence[Object], states: State) -> np.ndarray:
    """All frames (T, 3, 64, 64) in grey levels, from the table (3, 64, 64) and the states with leading axis T."""
    frames = len(states.position)
    canvas = np.tile(table, (frames, 1, 1, 1))
    shadows = np.zeros((frames, SIDE, SIDE), np.float32)

    def draw(n: int, centres: np.ndarray, heights: np.ndarray) -> Part:
        centre, scale = project(centres, heights)
        if (corners := objects[n].corners) is None:
            radius = np.float32(objects[n].radius) * scale
            return _capsule(centre, centre, radius, radius)
        return _polygon(centre, states.rotations[:, n], corners, scale)

    def shade(part: Part, visible: np.ndarray | None = None) -> None:
        where, coverage = part
        window = shadows[:, *where]
        np.maximum(window, coverage if visible is None else coverage * visible[:, None, None], out=window)

    for n, item in enumerate(objects):
        centres, heights, held = states.centres[:, n], states.heights[:, n], states.held[:, n]
        _paint(canvas, draw(n, centres, heights), item.colour, ~held)
        if held.any():
            shade(draw(n, centres + heights[:, None] * LIGHT, heights * 0), held)
    for _, part in _gripper(states, shadow=True):
        shade(part)
    canvas *= 1 - np.float32(SHADOW) * shadows[:, None]
    for n in np.flatnonzero(states.held.any(0)).tolist():  # above the shadows and the other objects
        _paint(canvas, draw(n, states.centres[:, n], states.heights[:, n]), objects[n].colour, states.held[:, n])
    for name, part in _gripper(states, shadow=False):
        _paint(canvas, part, GRIPPER_COLOURS[name])
    return canvas


def _gripper(states: State, shadow: bool) -> list[tuple[str, Part]]:
    """Fingers, arm and palm, or the shadows that they cast on the table."""
    frames, heights = len(states.position), states.position[:, 2]

    def at(points: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return project(points + heights[:, None] * LIGHT, heights * 0) if shadow else project(points, heights)

    def capsule(a, b, radius_a, radius_b, raised=0.0, base=None) -> Part:
        (a, scale_a), (b, scale_b) = at(a, heights + raised if base is None else base), at(b, heights + raised)
        return _capsule(a, b, np.float32(radius_a) * scale_a, np.float32(radius_b) * scale_b)

    tip = states.position[:, :2]
    wrist = tip - (FINGER_BACK, 0)
    across = np.stack([np.zeros(frames), states.gap], 1)
    shoulder = np.tile(SHOULDER, (frames, 1))
    fingers = [
        capsule(wrist + side * across, tip + side * across + (FINGER_TIP, 0), FINGER_RADIUS, FINGER_RADIUS, 0.01)
        for side in (-1, 1)
    ]
    palm = capsule(wrist - (0, OPEN_GAP), wrist + (0, OPEN_GAP), PALM_RADIUS, PALM_RADIUS, 0.02)
    arm = capsule(shoulder[:, :2], wrist, *ARM_RADII, 0.03, shoulder[:, 2])
    return [*(("finger", finger) for finger in fingers), ("arm", arm), ("palm", palm)]


def project(points: np.ndarray, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates (..., 2) of points (..., 2) at heights (...), and pixels per metre at those heights (...)."""
    scale = CAMERA_HEIGHT / (CAMERA_HEIGHT - heights) / PIXEL
    return ((points - MIDDLE) * scale[..., None] + SIDE / 2).astype(np.float32), scale.astype(np.float32)


def _window(points: np.ndarray, radius: float) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """The part of the picture within a radius of points (..., 2), and its pixels' centres (h, 1) and (w,)."""
    points = points.reshape(-1, 2)
    lows, highs = (points.min(0) - radius - 1).tolist(), (points.max(0) + radius + 2).tolist()
    rows, columns = (slice(max(0, int(a)), max(0, int(b))) for a, b in zip(lows, highs, strict=True))
    return (rows, columns), CENTRES[rows, None], CENTRES[columns]


def _capsule(a: np.ndarray, b: np.ndarray, radius_a: np.ndarray, radius_b: np.ndarray) -> Part:
    """All points within a radius (T,) of the segment from a to b, (T, 2) each."""
    where, rows, columns = _window(np.stack([a, b]), max(radius_a.max(), radius_b.max()))
    way = b - a
    length2 = (way * way).sum(1) + np.float32(1e-6)  # a disc where a = b
    (dx, dy), (x, y) = (way.T[:, :, None, None], a.T[:, :, None, None])
    x, y = rows - x, columns - y
    t = ((x * dx + y * dy) / length2[:, None, None]).clip(0, 1)
    x, y = x - t * dx, y - t * dy
    radius = radius_a[:, None, None] + t * (radius_b - radius_a)[:, None, None]
    return where, (radius + np.float32(0.5) - np.sqrt(x * x + y * y)).clip(0, 1)


def _polygon(centre: np.ndarray, rotation: np.ndarray, corners: np.ndarray, scale: np.ndarray) -> Part:
    """A convex polygon with corners (n, 2) in metres, at centres (T, 2), rotated by (T, 2) cosine and sine."""
    where, rows, columns = _window(centre, float(np.sqrt((corners**2).sum(1)).max() * scale.max()))
    x, y = rows - centre[:, 0, None, None], columns - centre[:, 1, None, None]
    cos, sin = rotation.astype(np.float32).T[:, :, None, None]
    x, y = x * cos + y * sin, y * cos - x * sin  # (T, h, w) in the polygon's own axes
    depths = []  # inside each edge
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, 0), strict=True):
        length = math.sqrt((bx - ax) ** 2 + (by - ay) ** 2)
        nx, ny = np.float32((by - ay) / length), np.float32((ax - bx) / length)  # outward: corners run anticlockwise
        depths.append(scale[:, None, None] * np.float32(nx * ax + ny * ay) - (x * nx + y * ny))
    return where, (np.minimum.reduce(depths) + np.float32(0.5)).clip(0, 1)


def _paint(canvas: np.ndarray, part: Part, colour: Sequence[float], visible: np.ndarray | None = None) -> None:
    """Blend a colour into all frames, or into those that are visible (T,)."""
    where, coverage = part
    if visible is not None:
        coverage = coverage * visible[:, None, None]
    window = canvas[:, :, *where]
    window += coverage[:, None] * (np.array(colour, np.float32)[:, None, None] - window)
