"""Plotly figures of video: a player of clips side by side, and scores by frame."""

import base64
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui.figures import COLOURS, GREY
from ui.figures.digits import png

FRAME_SECONDS = 0.2
STYLES = ({"color": COLOURS[0]}, {"color": GREY, "dash": "dash"}, {"color": COLOURS[1], "dash": "dot"})


def player(rows: Mapping[str, np.ndarray], at: int, height: int = 330) -> go.Figure:
    """Clips (T, h, w, 3) in [0, 1] side by side under their names, with buttons to play them and a slider over frames.

    It starts at frame `at`; the browser plays it without the server.
    """
    figure = make_subplots(1, len(rows), subplot_titles=list(rows), horizontal_spacing=0.02)
    length = len(next(iter(rows.values())))
    frames = [
        go.Frame(
            name=str(t), traces=list(range(len(rows))),
            data=[go.Image(source=_source(clip[t]), hoverinfo="skip") for clip in rows.values()],
        )
        for t in range(length)
    ]  # fmt: skip
    for column, trace in enumerate(frames[at].data, start=1):
        figure.add_trace(trace, 1, column)
    figure.frames = frames
    now = {"mode": "immediate", "transition": {"duration": 0}}
    play = now | {"frame": {"duration": 1000 * FRAME_SECONDS, "redraw": True}, "fromcurrent": True}
    still = now | {"frame": {"duration": 0, "redraw": True}}
    buttons = [
        {"label": "Play", "method": "animate", "args": [None, play]},
        {"label": "Pause", "method": "animate", "args": [[None], still]},
    ]
    steps = [{"label": str(t), "method": "animate", "args": [[str(t)], still]} for t in range(length)]
    figure.update_layout(
        height=height, margin={"l": 0, "r": 0, "t": 28, "b": 0},
        updatemenus=[{"type": "buttons", "direction": "left", "x": 0, "y": -0.06, "yanchor": "top", "xanchor": "left",
                      "showactive": False, "buttons": buttons, "pad": {"r": 0, "t": 0}}],
        sliders=[{"active": at, "x": 0.3, "len": 0.7, "y": -0.02, "steps": steps, "pad": {"t": 0},
                  "currentvalue": {"prefix": "frame ", "xanchor": "right"}}],
    )  # fmt: skip
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def by_frame(scores: Mapping[str, Sequence[float]], first: int, unit: str = "PSNR, dB") -> go.Figure:
    """A line per name: one score per frame, the first of them at frame `first`."""
    figure = go.Figure()
    for (name, values), line in zip(scores.items(), STYLES, strict=False):
        x = list(range(first, first + len(values)))
        figure.add_scatter(x=x, y=list(values), name=name, line=line, mode="lines+markers")
    figure.update_layout(
        height=320, margin={"l": 0, "r": 0, "t": 8, "b": 0}, xaxis={"title": "frame", "dtick": 1},
        yaxis={"title": unit}, legend={"orientation": "h", "y": -0.25}, hovermode="x unified",
    )  # fmt: skip
    return figure


def _source(picture: np.ndarray) -> str:
    """A picture (h, w, 3) in [0, 1] as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png(picture, scale=1)).decode()
