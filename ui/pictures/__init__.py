"""Pictures that plotly cannot draw, as components of our own (Streamlit components v2).

Each is one file of JavaScript after shared.js. Ribbons, planes and maps draw what is decoded in
`cvae_core.tense.regions`, move the cursor without the server, and save the picture as PNG, SVG or CSV; the table with
the robot's gripper takes goals and moves. The modules of this package have the others.
"""

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from cvae_core.tense.regions import Decoded
from ui.figures import COLOURS
from ui.figures.digits import png

FOLDER = Path(__file__).parent
SAVE = '<span class="save" role="group" aria-label="Save the picture"></span>'
STATUS = '<div class="status" aria-live="polite"></div>'


def component(name: str, html: str):
    """A component whose JavaScript is in a file of its name."""
    files = ("shared.js", f"{name}.js")
    js = "\n".join((FOLDER / file).read_text(encoding="utf-8") for file in files)
    css = (FOLDER / "pictures.css").read_text(encoding="utf-8")
    return st.components.v2.component(f"cvae_{name}", html=f'<div class="picture {name}">{html}</div>', css=css, js=js)


_ribbon = component(
    "ribbon",
    '<div class="stage"></div><div class="bar"><button type="button" class="play">▶ Play</button>'
    f'<input type="range" min="0" step="1" aria-label="Point of the path">{SAVE}</div><div class="readout"></div>',
)
_plane = component("plane", f'<div class="stage"></div>{STATUS}<div class="bar">{SAVE}</div>')
_map = component(
    "map",
    '<div class="legend"></div><div class="stage"></div>'
    f'{STATUS}<div class="bar"><button type="button" class="in" aria-label="Zoom in">+</button>'
    '<button type="button" class="out" aria-label="Zoom out">−</button><button type="button" class="all">All</button>'
    f'<button type="button" class="lasso" aria-pressed="false">Lasso</button>{SAVE}</div>',
)
_table = component(
    "table",
    f'<div class="stage"></div>{STATUS}<div class="bar" hidden><input type="range" min="0" step="1" '
    'aria-label="Iteration"><output></output></div>',
)


def data_url(picture: np.ndarray) -> str:
    """A picture in [0, 1], (h, w) or (h, w, 3), as the source of an HTML image."""
    file = png(picture, scale=1, compress_level=1)  # in a fourth of the time, and hardly larger
    return "data:image/png;base64," + base64.b64encode(file).decode()


def ribbon(label: str, decoded: Decoded, short: str = "") -> dict[str, Any]:
    """One ribbon of `show_ribbons`: a path decoded in one tense. `short` is its label where there is little room."""
    segments: list[list] = []
    for i, (form, verb, known) in enumerate(zip(decoded.forms, decoded.verbs, decoded.known, strict=True)):
        if segments and segments[-1][2:] == [form, verb, known]:
            segments[-1][1] = i
        else:
            segments.append([i, i, form, verb, known])
    return {
        "label": label, "short": short or label, "segments": segments,
        "p": [round(100 * p) for p in decoded.probabilities],
        "letters": [[round(100 * p) for p in letters] for letters in decoded.letters],
    }  # fmt: skip


def show_ribbons(rows: Sequence[tuple[str, list[dict]]], name: str, key: str, alt: str, start: int = 0) -> None:
    """Rows of ribbons with one cursor; `name` names the path and the files that are saved."""
    _ribbon(
        data={"rows": [{"title": t, "ribbons": r} for t, r in rows], "name": name, "alt": alt, "start": start}, key=key
    )


def show_plane(
    decoded: Decoded,
    side: int,
    corners: Sequence[tuple[float, float, str]],
    name: str,
    key: str,
    alt: str,
) -> tuple[float, float] | None:
    """Territories of side × side cells; the picked point. All points are shares of the side, from the top left."""
    verbs = list(dict.fromkeys(decoded.verbs))
    number = {verb: i for i, verb in enumerate(verbs)}
    known = dict(zip(decoded.verbs, decoded.known, strict=True))
    result = _plane(
        data={
            "name": name, "alt": alt, "side": side, "cells": [number[verb] for verb in decoded.verbs], "verbs": verbs,
            "known": [known[verb] for verb in verbs], "p": [round(100 * p) for p in decoded.probabilities],
            "corners": [{"x": x, "y": y, "label": label} for x, y, label in corners],
            "path": [corner[:2] for corner in corners[:2]],
        },
        key=key, on_picked_change=lambda: None,
    )  # fmt: skip
    return place(result.picked)


def show_map(data: dict[str, Any], key: str) -> tuple[dict[str, Any] | None, list[str]]:
    """A map, with `data` as map.js has it: what was picked, {"word": …} or {"place": [x, y]}, and the lasso's words."""
    result = _map(
        data=data | {"palette": COLOURS}, key=key, on_picked_change=lambda: None, on_lasso_change=lambda: None
    )
    picked = result.picked if isinstance(result.picked, dict) else None
    lasso = set(result.lasso) if isinstance(result.lasso, list) else ()
    return picked, [word for word in data["words"] if word in lasso]


def show_table(
    frame: np.ndarray,
    data: dict[str, Any],
    key: str,
    on_mark: Callable[[], None] = lambda: None,
    on_moves: Callable[[], None] = lambda: None,
) -> None:
    """A frame (64, 64, 3) in [0, 1] of the table, with `data` as table.js has it; the callbacks read `sent`."""
    _table(data={"frame": data_url(frame)} | data, key=key, on_mark_change=on_mark, on_moves_change=on_moves)


def sent(key: str, name: str) -> Any:
    """What the component with this key has sent under a name; None before."""
    state = st.session_state.get(key)
    return state.get(name) if state is not None else None


def place(value: Any) -> tuple[float, float] | None:
    """A place that a browser sent; None for anything but two numbers that a picture can have."""
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(part, int | float) for part in value):
        x, y = map(float, value)
        if abs(x) <= 100 and abs(y) <= 100:
            return x, y
    return None
