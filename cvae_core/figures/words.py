"""Figures of words: plotly, data in, figure out."""

import numpy as np
import plotly.graph_objects as go

from cvae_core.tense.data import LETTERS


def letter_heatmap(letters: list[str], probabilities: np.ndarray) -> go.Figure:
    """Per-letter distributions (T, 27) as a heat map: answer across, alphabet down, percentages of 1 and more as text.

    Only letters that reach 1 % somewhere get a line.
    """
    names = [*LETTERS, "⏎"]
    rows = [i for i in range(len(names)) if probabilities[:, i].max() >= 0.01][::-1]
    percent = 100 * probabilities[:, rows].T
    text = [[f"{p:.0f}" if p >= 1 else "" for p in line] for line in percent]
    figure = go.Figure(
        go.Heatmap(
            z=percent, x=list(range(len(letters))), y=[names[i] for i in rows], text=text, texttemplate="%{text}",
            zmin=0, zmax=100, colorscale="Blues", showscale=False, xgap=1, ygap=1,
            hovertemplate="place %{x}, letter %{y}: %{z:.2f} %<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(tickvals=list(range(len(letters))), ticktext=letters, side="top", fixedrange=True)
    figure.update_yaxes(fixedrange=True, type="category")
    figure.update_layout(height=60 + 26 * len(rows), margin={"l": 30, "r": 10, "t": 30, "b": 10})
    return figure
