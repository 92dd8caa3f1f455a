"""Figures of the Convert page."""

import math

import numpy as np
import plotly.graph_objects as go

from cvae_core.tense.data import LETTERS

RUNNERS_UP = 3  # at each letter
TILES = """<style>
.letters { display: flex; flex-wrap: wrap; gap: 6px; list-style: none; margin: 0; padding: 0; }
.letters li { margin: 0; text-align: center; min-width: 46px; font-size: 0.85rem; }
.letters b {
  display: block; font: 600 1.6rem ui-monospace, monospace; padding: 2px 8px; border-radius: 8px;
  background: color-mix(in srgb, #2b8cc9 calc(var(--sure) * 55%), transparent);
}
.letters span { display: block; }
</style>"""


def letter_tiles(letters: list[str], probabilities: np.ndarray) -> str:
    """The letters of an answer as tiles, in HTML: each with its probability and the letters likeliest beside it.

    `probabilities` are the distributions (T, 27), a to z, then the end; runners-up below 1 % are left out. A plotly
    heat map of the same took a fifth of the time of a conversion.
    """
    names = [*LETTERS, "⏎"]
    tiles = []
    for letter, row in zip(letters, probabilities, strict=True):
        chosen = names.index(letter)
        others = [i for i in np.argsort(-row)[: RUNNERS_UP + 1] if i != chosen and row[i] >= 0.01][:RUNNERS_UP]
        rest = "".join(f"<span>{names[i]} {row[i]:.0%}</span>" for i in others)
        tiles.append(f'<li><b style="--sure: {row[chosen]:.2f}">{letter}</b><span>{row[chosen]:.0%}</span>{rest}</li>')
    return f'{TILES}<ol class="letters" aria-label="Letters and their probabilities">{"".join(tiles)}</ol>'


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
