"""Plotly figures of the latent space."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from ui.figures import COLOURS

PATH_COLOUR = "#a855f7"
LINE_COLOURS = ("#2b8cc9", "#D55E00")
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "x")
PALE_BLUES = ((0, "#f7fbff"), (1, "#5fa8d3"))  # dark text is readable on all of them
EMPTY = -1  # customdata of a marker between the words


def walk_figure(norms: Mapping[str, Sequence[float]], method: str, captions: Sequence[str]) -> go.Figure:
    """Norm of z along each kind of path, with a marker that moves along `method`.

    `captions` has the words of each step. A slider and two buttons move the marker, without the server.
    """
    steps = list(range(1, len(captions) + 1))
    chosen = norms[method]
    figure = go.Figure()
    for (name, values), colour in zip(norms.items(), LINE_COLOURS, strict=False):
        line = {"dash": "solid" if name == method else "dot", "color": colour}
        figure.add_scatter(x=steps, y=list(values), name=name, mode="lines", line=line)
    figure.add_scatter(
        x=steps[:1], y=[chosen[0]], mode="markers", showlegend=False, hoverinfo="skip",
        marker={"size": 14, "symbol": "diamond", "color": PATH_COLOUR},
    )  # fmt: skip
    titles = [
        {"text": f"<b>Step {i}, norm {chosen[i - 1]:.2f}<br>{words}</b>"}
        for i, words in zip(steps, captions, strict=True)
    ]
    figure.frames = [
        go.Frame(data=[go.Scatter(x=[i], y=[chosen[i - 1]])], traces=[len(norms)], name=str(i), layout={"title": title})
        for i, title in zip(steps, titles, strict=True)
    ]
    jump = {"mode": "immediate", "frame": {"duration": 0}, "transition": {"duration": 0}}
    play = {"fromcurrent": True, "frame": {"duration": 700}, "transition": {"duration": 200}}
    figure.update_layout(
        title=titles[0] | {"font": {"size": 16}, "yref": "container", "y": 0.96, "yanchor": "top"},
        height=430, margin={"l": 50, "r": 15, "t": 90, "b": 130}, legend={"x": 1, "xanchor": "right", "y": 1.02,
        "yanchor": "bottom", "orientation": "h"}, xaxis_title="step", yaxis_title="norm of z",
        updatemenus=[{
            "type": "buttons", "direction": "right", "showactive": False, "x": 0, "xanchor": "left", "y": 0,
            "yanchor": "top", "font": {"color": "#111111"}, "bgcolor": "#e5e7eb", "pad": {"t": 50},
            "buttons": [
                {"label": "▶ Play", "method": "animate", "args": [None, play]},
                {"label": "Pause", "method": "animate", "args": [[None], jump]},
            ],
        }],
        sliders=[{
            "x": 0, "len": 1, "y": 0, "yanchor": "top", "pad": {"t": 95}, "currentvalue": {"visible": False},
            "ticklen": 0, "minorticklen": 0, "font": {"size": 1, "color": "rgba(0,0,0,0)"},
            "steps": [{"label": str(i), "method": "animate", "args": [[str(i)], jump]} for i in steps],
        }],
    )  # fmt: skip
    figure.update_xaxes(fixedrange=True, range=[0.5, len(steps) + 0.5])
    figure.update_yaxes(fixedrange=True, rangemode="tozero")
    return figure


def map_figure(
    points: np.ndarray, names: Sequence[str], labels: Sequence, path: np.ndarray, path_names: Sequence[str]
) -> go.Figure:
    """Points (n, 2) with labels (n,), a path (m, 2), and a grid of invisible markers: plotly selects markers only.

    customdata: the index of a point, n + the index on the path, or `EMPTY` for the grid. Numeric labels get a colour
    scale, other labels a colour and a symbol each.
    """
    figure = go.Figure(_grid(points))
    hover = {"hovertemplate": "%{text}<extra></extra>", "unselected": {"marker": {"opacity": 0.6}}}
    numbers, labels = np.arange(len(points)), np.asarray(labels)
    is_number = np.issubdtype(labels.dtype, np.number)
    groups = [("", numbers)] if is_number else [(g, numbers[labels == g]) for g in dict.fromkeys(labels.tolist())]
    for (group, rows), symbol, colour in zip(groups, SYMBOLS, COLOURS, strict=False):
        marker = {"size": 8, "symbol": symbol, "color": colour, "opacity": 0.8}
        if is_number:
            marker |= {
                "color": labels[rows],
                "colorscale": "Viridis",
                "colorbar": {"title": "letters", "thickness": 12, "len": 0.9, "y": 0, "yanchor": "bottom"},
            }
        figure.add_scatter(
            x=points[rows, 0], y=points[rows, 1], text=[names[i] for i in rows], customdata=rows, name=group,
            mode="markers", marker=marker, showlegend=not is_number, **hover,
        )  # fmt: skip
    if len(path):
        figure.add_scatter(
            x=path[:, 0], y=path[:, 1], text=list(path_names), customdata=len(points) + np.arange(len(path)),
            name="path", mode="lines+markers", line={"color": PATH_COLOUR, "width": 2},
            marker={"size": 9, "symbol": "star", "color": PATH_COLOUR}, **hover,
        )  # fmt: skip
    figure.update_layout(
        height=560, margin={"l": 10, "r": 10, "t": 30, "b": 10}, clickmode="event+select", hovermode="closest",
        dragmode="pan", legend={"orientation": "h", "y": -0.02, "yanchor": "top"},
    )  # fmt: skip
    low, high = _bounds(points)
    for axis, start, end in zip((figure.layout.xaxis, figure.layout.yaxis), low, high, strict=True):
        axis.update(range=[float(start), float(end)], showticklabels=False, showgrid=False, zeroline=False)
    return figure


def _bounds(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of the axes, with a margin around the points: (2,), (2,)."""
    low, high = points.min(0), points.max(0)
    edge = 0.05 * (high - low) + 1e-6
    return low - edge, high + edge


def _grid(points: np.ndarray, side: int = 28) -> go.Scatter:
    x, y = np.meshgrid(*np.linspace(*_bounds(points), side).T)
    return go.Scatter(
        x=x.ravel().round(4), y=y.ravel().round(4), customdata=np.full(x.size, EMPTY), mode="markers", hoverinfo="none",
        showlegend=False, marker={"size": 12, "opacity": 0, "color": PATH_COLOUR, "symbol": "circle"},
        selected={"marker": {"opacity": 1, "size": 12}}, unselected={"marker": {"opacity": 0}},
    )  # fmt: skip


def kl_bars(kl: np.ndarray, active: np.ndarray) -> go.Figure:
    """Mean KL (Z,) of each dimension in nats, largest first; `active` (Z,) sets the pattern of the bars."""
    order = np.argsort(-kl)
    figure = go.Figure()
    for name, chosen in (("active", active[order]), ("not active", ~active[order])):
        x = order[chosen]
        shape = "" if name == "active" else "/"
        figure.add_bar(
            x=[str(d) for d in x], y=kl[x], name=name, marker={"pattern": {"shape": shape}},
            hovertemplate="dimension %{x}: %{y:.4f} nats<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(
        type="category", categoryorder="array", categoryarray=[str(d) for d in order], title="dimension",
        fixedrange=True, tickangle=0,
    )  # fmt: skip
    figure.update_yaxes(title="mean KL in nats", fixedrange=True)
    figure.update_layout(
        height=300, margin={"l": 50, "r": 10, "t": 30, "b": 50},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
    return figure


def trait_heatmap(shares: Mapping[str, np.ndarray], dimensions: Sequence[int]) -> go.Figure:
    """Eta squared in percent: traits (x) against dimensions (y, the first at the top); `shares` has (Z,) per trait."""
    rows = list(dimensions)[::-1]
    percent = 100 * np.array([[share[d] for share in shares.values()] for d in rows])
    figure = go.Figure(
        go.Heatmap(
            z=percent, x=[name.replace(" ", "<br>") for name in shares], y=[str(d) for d in rows], zmin=0, zmax=100,
            colorscale=PALE_BLUES, showscale=False, texttemplate="%{z:.0f}", textfont={"color": "#111111"},
            xgap=1, ygap=1,
            hovertemplate="dimension %{y}, %{x}: %{z:.1f} %<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(side="top", fixedrange=True)
    figure.update_yaxes(type="category", fixedrange=True, title="dimension")
    figure.update_layout(height=90 + 26 * len(rows), margin={"l": 50, "r": 10, "t": 50, "b": 10})
    return figure
