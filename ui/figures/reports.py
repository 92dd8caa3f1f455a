"""Plotly figures of the course reports: claimed and measured scores, and how near each epoch of a run comes."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui.figures import COLOURS
from ui.figures.curves import LEGEND, score_figure

CLAIM = {"color": COLOURS[1], "size": 13, "symbol": "circle-open", "line": {"width": 2}}


def claims_figure(rows: list[dict]) -> go.Figure:
    """BLEU-4 and Gaussian score of each row of the reports: claimed, and measured with a standard deviation of seeds.

    `rows` are those of assets/reports.json.
    """
    figure = make_subplots(rows=2, subplot_titles=("BLEU-4", "Gaussian score"), vertical_spacing=0.08)
    names = [row["report"] for row in rows]
    for panel, score in enumerate(("bleu4", "gaussian"), 1):
        spread = [row[f"{score}_spread"] or 0.0 for row in rows]
        figure.add_scatter(
            row=panel, col=1, x=[row[score] for row in rows], y=names, name="measured", mode="markers",
            marker={"color": COLOURS[0], "size": 10}, error_x={"array": spread, "color": COLOURS[0], "thickness": 2},
            customdata=spread, hovertemplate="measured %{x:.3f} ± %{customdata:.3f}<extra>%{y}</extra>",
            legendgroup="measured", showlegend=panel == 1,
        )  # fmt: skip
        figure.add_scatter(
            row=panel, col=1, x=[row[f"claimed_{score}"] for row in rows], y=names, name="claimed", mode="markers",
            marker=CLAIM,
            hovertemplate="claimed %{x:.3f}<extra>%{y}</extra>", legendgroup="claimed", showlegend=panel == 1,
        )  # fmt: skip
    figure.update_xaxes(range=[-0.03, 1.03])
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_annotations(x=0, xanchor="left", font_size=15)  # the panels' titles
    figure.update_layout(height=160 + 52 * len(rows), legend=LEGEND, margin={"l": 10, "r": 10, "t": 80, "b": 30})
    return figure


def readings_figure(frames: dict[str, pd.DataFrame], claim: tuple[float, float]) -> go.Figure:
    """BLEU-4 and Gaussian score of every epoch of each run, and the claim with a box of 0.05 around it."""
    figure = score_figure(frames, "bleu4", "gaussian", {"bleu4": "BLEU-4", "gaussian": "Gaussian score"})
    x, y = claim
    figure.add_scatter(x=[x], y=[y], name="claimed", mode="markers", marker=CLAIM)
    figure.add_shape(type="rect", x0=x - 0.05, x1=x + 0.05, y0=y - 0.05, y1=y + 0.05, line={"color": COLOURS[1]})
    return figure.update_layout(height=520)
