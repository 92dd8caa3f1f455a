"""Plotly figures of video."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ui.figures import COLOURS, GREY

STYLES = ({"color": COLOURS[0]}, {"color": GREY, "dash": "dash"}, {"color": COLOURS[1], "dash": "dot"})


def by_frame(scores: Mapping[str, Sequence[float]], first: int, unit: str = "PSNR, dB") -> go.Figure:
    """A line per name: one score per frame, the first of them at frame `first`."""
    figure = go.Figure()
    for (name, values), line in zip(scores.items(), STYLES, strict=False):
        x = list(range(first, first + len(values)))
        figure.add_scatter(x=x, y=list(values), name=name, line=line, mode="lines+markers")
    figure.update_layout(
        height=320, xaxis={"title": "frame", "dtick": 1}, yaxis={"title": unit}, hovermode="x unified"
    )  # fmt: skip
    return figure
