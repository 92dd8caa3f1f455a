"""Components of the Digits page: a square to draw on, and a row of pictures whose quadrants can be clicked.

streamlit-drawable-canvas 0.13 has neither an eraser nor a label for screen readers, and sends a drawing only when the
pen is lifted: the model could not follow a stroke.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw

from ui.pictures import component

SIDE = 280  # units of a drawing
PEN, ERASER = 22, 44  # width of their lines; in MNIST a stroke is a tenth as wide as a digit is high
MAX_POINTS = 20_000  # of a drawing

Stroke = dict[str, Any]  # "erase": bool, "points": [[x, y], …] from 0 to SIDE

_draw = component(
    "draw",
    '<div class="stage" style="max-width: 280px"><canvas role="img" style="width: 100%; aspect-ratio: 1; '
    'touch-action: none; border-radius: 6px"></canvas></div><div class="bar">'
    + "".join(
        f'<button type="button" style="padding: 4px 9px">{label}</button>'
        for label in ("Pen", "Eraser", "Undo", "Clear")
    )
    + "</div>",
)
_completion = component("completion", '<div class="stage"></div>')


def show_canvas(key: str, alt: str) -> list[Stroke]:
    """A square to draw on: its strokes. They outlive views that do not show it."""
    saved = f"saved {key}"
    result = _draw(
        data={
            "strokes": st.session_state.get(saved, []), "side": SIDE, "pen": PEN, "rubber": ERASER, "alt": alt,
        },
        key=key, on_strokes_change=lambda: None,
    )  # fmt: skip
    if result.strokes is not None:
        st.session_state[saved] = read_strokes(result.strokes)
    return st.session_state.get(saved, [])


def read_strokes(value: Any) -> list[Stroke]:
    """The strokes that a browser sent, without what is not one; MAX_POINTS points at most."""
    read: list[Stroke] = []
    room = MAX_POINTS
    for stroke in value if isinstance(value, list) else []:
        points = stroke.get("points") if isinstance(stroke, dict) else None
        points = [point for point in points[:room] if _is_point(point)] if isinstance(points, list) else []
        if points:
            read.append({"erase": stroke.get("erase") is True, "points": points})
            room -= len(points)
    return read


def _is_point(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(part, int | float) and math.isfinite(part) and 0 <= part <= SIDE for part in value)
    )


def drawn(strokes: Sequence[Stroke]) -> np.ndarray:
    """The picture of strokes, white on black, as draw.js shows it: (SIDE, SIDE) bytes."""
    image = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(image)
    for stroke in strokes:
        width, colour = (ERASER, 0) if stroke["erase"] else (PEN, 255)
        points = [tuple(point) for point in stroke["points"]]
        pen.line(points, fill=colour, width=width)
        for x, y in points:  # round ends and joints
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=colour)
    return np.array(image)


def show_completion(
    pictures: Sequence[tuple[str, str]], visible: Sequence[bool], names: Sequence[str], on_toggle: Callable[[str], None]
) -> None:
    """Pictures (source, caption) in a row; `on_toggle` gets the name of a quadrant of the first that was clicked."""
    key = "completion"

    def toggled() -> None:
        name = st.session_state[key].toggled
        if name in names:
            on_toggle(name)

    _completion(
        data={
            "pictures": [{"src": source, "caption": caption} for source, caption in pictures],
            "visible": list(visible), "names": list(names),
        },
        key=key, on_toggled_change=toggled,
    )  # fmt: skip
