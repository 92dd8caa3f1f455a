"""Plotly figures of the latent space."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from ui.figures import COLOURS, faint

PALE_BLUES = ((0, "#f7fbff"), (1, "#5fa8d3"))  # dark text is readable on all of them


def norm_figure(norms: Mapping[str, Sequence[float]], space: str) -> go.Figure:
    """Norm of the points of a space along each kind of path."""
    figure = go.Figure()
    for (name, values), colour in zip(norms.items(), COLOURS, strict=False):
        share = np.linspace(0, 1, len(values))
        figure.add_scatter(x=share, y=list(values), name=name, mode="lines", line={"color": colour})
    figure.update_layout(
        height=280, margin={"l": 50, "r": 15, "t": 30, "b": 40}, xaxis_title="share of the path",
        yaxis_title=f"norm of {space}",
        legend={"x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom", "orientation": "h"},
    )  # fmt: skip
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True, rangemode="tozero")
    return figure


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


def running_score(hits: Sequence[bool]) -> go.Figure:
    """The share of hits among the first n samples, with Wilson's 95 % interval, against n."""
    n = np.arange(1, len(hits) + 1)
    share = np.cumsum(hits) / n
    low, high = wilson(share, n)
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure = go.Figure()
    figure.add_scatter(x=n, y=low, **band)
    figure.add_scatter(x=n, y=high, fill="tonexty", fillcolor=faint(COLOURS[0]), **band)
    figure.add_scatter(
        x=n, y=share, mode="lines", line={"color": COLOURS[0]}, showlegend=False,
        customdata=np.stack([low, high], 1),
        hovertemplate="%{x} samples: %{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})<extra></extra>",
    )  # fmt: skip
    figure.update_layout(
        height=260, margin={"l": 50, "r": 15, "t": 10, "b": 40}, xaxis_title="samples", yaxis_title="Gaussian score"
    )
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True, range=[0, 1.02], tickformat=".0%")
    return figure


def wilson(share: np.ndarray, n: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of a share of n: lower and upper bounds."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - half, middle + half


def shares_figure(counts: Sequence[int], expected: Sequence[float]) -> go.Figure:
    """How many verbs were decoded from 0, 1, 2, … of the samples, beside what equal shares of the prior give."""
    figure = go.Figure()
    x = [str(i) for i in range(len(counts))]
    figure.add_bar(x=x, y=list(counts), name="decoded", marker={"color": COLOURS[0]})
    figure.add_scatter(
        x=x, y=list(expected), name="if all verbs had equal shares", mode="markers",
        marker={"color": COLOURS[1], "symbol": "line-ew-open", "size": 22, "line": {"width": 3}},
    )  # fmt: skip
    figure.update_layout(
        height=260, margin={"l": 60, "r": 15, "t": 30, "b": 40}, xaxis_title="samples that decode to a verb",
        yaxis_title="verbs", legend={"x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom", "orientation": "h"},
    )  # fmt: skip
    figure.update_xaxes(fixedrange=True, type="category")
    figure.update_yaxes(fixedrange=True, type="log")
    return figure
