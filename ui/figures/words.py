"""Plotly figures of the Convert page."""

import math

import numpy as np
import plotly.graph_objects as go

from cvae_core.tense.data import LETTERS


def letter_heatmap(letters: list[str], probabilities: np.ndarray) -> go.Figure:
    """Per-letter distributions (T, 27) as a heat map: positions of the answer (x) against letters (y), in percent.

    Letters below 1 % at every position are left out.
    """
    names = [*LETTERS, "⏎"]
    rows = [i for i in range(len(names)) if probabilities[:, i].max() >= 0.01][::-1]
    percent = 100 * probabilities[:, rows].T
    text = [[f"{p:.0f}" if p >= 1 else "" for p in line] for line in percent]
    heatmap = go.Heatmap(
        z=percent, x=list(range(len(letters))), y=[names[i] for i in rows], text=text, texttemplate="%{text}",
        zmin=0, zmax=100, colorscale="Blues", showscale=False, xgap=1, ygap=1,
        hovertemplate="position %{x}, letter %{y}: %{z:.2f} %<extra></extra>",
    )  # fmt: skip
    layout = go.Layout(
        xaxis={"tickvals": list(range(len(letters))), "ticktext": letters, "side": "top", "fixedrange": True},
        yaxis={"fixedrange": True, "type": "category"},
        height=60 + 26 * len(rows), margin={"l": 30, "r": 10, "t": 30, "b": 10},
    )  # fmt: skip
    return go.Figure(heatmap, layout)


def reliability_figure(bins: list[dict]) -> go.Figure:
    """Reliability diagram: accuracy against mean probability of each bin of `metrics.calibration`.

    A bin with more answers is a larger point. On the dotted diagonal the probabilities are calibrated.
    """
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "width": 1}, hoverinfo="skip")
    figure.add_scatter(
        x=[b["confidence"] for b in bins], y=[b["accuracy"] for b in bins], customdata=[b["count"] for b in bins],
        mode="markers+lines", line={"width": 1.2},
        marker={"size": [6 + 3 * math.log10(b["count"]) for b in bins], "sizemode": "diameter"},
        hovertemplate="%{customdata:,} answers: mean probability %{x:.0%}, accuracy %{y:.0%}<extra></extra>",
    )  # fmt: skip
    percent = {"range": [0, 1.03], "tickformat": ".0%", "fixedrange": True}
    figure.update_layout(
        xaxis=percent | {"title": "probability of the answer"}, yaxis=percent | {"title": "accuracy"},
        height=360, margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False,
    )  # fmt: skip
    return figure
