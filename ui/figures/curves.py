"""Plotly figures of runs' histories, the data frames of `cvae_core.curves.load`."""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cvae_core import curves
from ui.figures import RUNS

# The next one when all colours are used, and how long its strokes and gaps are in a swatch of 36 pixels.
DASH_LENGTHS = {"solid": "none", "dash": "10 3", "dot": "4 4", "dashdot": "14 4 4 4", "longdash": "16 4"}
AFFECTED = {"beta": ("kl", "kl_s"), "teacher_forcing_ratio": ("recon",), "learning_rate": ("loss",)}  # by a schedule

CURVE_POINTS = 1500  # per curve
POINTS = 30_000  # of all curves together
MARKERS = 3000  # of all paths in the plane of two scores
MANY_CURVES = 40  # above it only lines and, in the first panel, stars: each trace costs the browser milliseconds
PANEL, LOW_PANEL, GAP = 190, 80, 34  # heights of panels, and of the space for a panel's title, in pixels
LEGEND_HEIGHT = 90  # pixels at most
LEGEND = {  # above the first panel, in a box that scrolls when there are many runs
    "orientation": "h", "x": 0, "xanchor": "left", "yref": "container", "y": 1, "yanchor": "top",
    "maxheight": LEGEND_HEIGHT, "itemsizing": "constant",
}  # fmt: skip
X_TITLES = {"epoch": "epoch", "step": "steps of the optimizer"}


def is_crowded(frames: dict[str, pd.DataFrame], panels: int) -> bool:
    """Whether the curves are too many for faint unsmoothed lines, stars in every panel and a shared hover box."""
    return len(frames) * panels > MANY_CURVES


def metric_figure(
    frames: dict[str, pd.DataFrame],
    metrics: list[str],
    schedules: list[str],
    x: str = "epoch",
    smoothing: float = 0.0,
    log_y: bool = False,
    clip: bool = False,
    best: dict[str, int] | None = None,
    labels: dict[str, str] | None = None,
    log_x: bool = False,
) -> go.Figure:
    """A panel per metric, and under the metrics that a schedule affects its lower one, on one x axis.

    That is `epoch`, `step` or `time`. `smoothing` in [0, 1) draws the curve as logged behind the smoothed one, faintly.
    `log_y` drops values that are not positive, `clip` limits the y axis to `curves.clip_range`; neither applies to
    schedules. `best` maps runs to the epoch that gets a star, `labels` names to titles of panels. A group of runs has a
    band of one standard deviation.
    """
    panels, labels = panel_order(metrics, schedules), labels or {}
    crowded = is_crowded(frames, len(panels))
    budget = min(CURVE_POINTS, max(4, POINTS // max(1, len(frames) * len(panels))))
    xs, x_title = _x_values(frames, x)
    styles = run_styles(frames)
    traces, layout = [], _stacked_axes(panels, schedules, labels, _legend_height(len(frames)))
    for row, metric in enumerate(panels):
        is_metric, values = metric not in schedules, []
        for run, frame in frames.items():
            raw = _curve(frame, xs[run], metric, log_y and is_metric)
            if raw.empty:
                continue
            line = curves.smooth(raw, smoothing) if is_metric else raw
            values.append(line.to_numpy())
            common = {"name": run, "legendgroup": run, "xaxis": "x", "yaxis": _axis("y", row)}
            if is_metric and smoothing and not crowded:
                traces.append(
                    _line(raw, budget, styles[run], opacity=0.3, hoverinfo="skip", showlegend=False, **common)
                )
            if f"{metric}{curves.SPREAD}" in frame:
                spread = _curve(frame, xs[run], f"{metric}{curves.SPREAD}", False)
                spread = curves.smooth(spread, smoothing) if is_metric else spread
                traces += _band(line, spread, styles[run], log_y and is_metric, budget, common)
            hover = f"{labels.get(metric, metric)} %{{y:.4g}}<extra>{run}</extra>"
            traces.append(_line(line, budget, styles[run], hovertemplate=hover, showlegend=False, **common))
            star = frame["epoch"] == (best or {}).get(run)
            if is_metric and star.any() and (row == 0 or not crowded):
                traces += _star(line, xs[run][star], styles[run], common)
        if is_metric:
            layout[_axis("yaxis", row)] |= _y_range(values, log_y, clip)
    traces += [_legend_entry(run, style) for run, style in styles.items()]
    figure = go.Figure({"data": traces, "layout": layout})
    figure.update_layout(
        xaxis={
            "title": x_title, "anchor": _axis("y", len(panels) - 1), "domain": [0, 1],
            "unifiedhovertitle": {"text": f"{x_title} %{{x}}"}, "type": "log" if log_x else "linear",
        },
        hovermode="closest" if crowded else "x unified", hoversubplots="axis",
    )  # fmt: skip
    return figure


def affected(schedule: str, metrics: list[str]) -> list[str]:
    """Those of the metrics that a schedule affects."""
    return [name for name in metrics if name in AFFECTED.get(schedule, ())]


def panel_order(metrics: list[str], schedules: list[str]) -> list[str]:
    """The metrics, each schedule below the last of those that it affects; the other schedules at the end."""
    panels = list(metrics)
    for schedule in schedules:
        above = affected(schedule, panels)
        panels.insert(panels.index(above[-1]) + 1 if above else len(panels), schedule)
    return panels


def _legend_height(runs: int) -> int:
    """Pixels: the legend has a line for two runs on a phone."""
    return min(22 * -(-runs // 2), LEGEND_HEIGHT)


def run_styles(runs: Iterable[str]) -> dict[str, dict]:
    """Plotly's line style of each run: a colour, and another dash once all colours are used."""
    looks = cycle((colour, dash) for dash in DASH_LENGTHS for colour in RUNS)
    return {run: {"color": colour, "dash": dash} for run, (colour, dash) in zip(runs, looks, strict=False)}


def _x_values(frames: dict[str, pd.DataFrame], x: str) -> tuple[dict[str, pd.Series], str]:
    """The x values of each history's rows, and the x axis's title."""
    if x != "time":
        return {run: frame.get(x, pd.Series(np.nan, frame.index)) for run, frame in frames.items()}, X_TITLES[x]
    hours = {run: frame["hours"] for run, frame in frames.items()}
    if max((values.max() for values in hours.values() if len(values)), default=0) > 2:
        return hours, "training time in hours"
    return {run: 60 * values for run, values in hours.items()}, "training time in minutes"


def _curve(frame: pd.DataFrame, x: pd.Series, metric: str, positive: bool) -> pd.Series:
    """The metric indexed by x, without missing values; only its positive values if `positive`."""
    if metric not in frame:
        return pd.Series(dtype=float)
    curve = pd.Series(frame[metric].to_numpy(), index=x.to_numpy()).dropna()
    curve = curve[curve.index.notna()]
    return curve[curve > 0] if positive else curve


def _line(curve: pd.Series, budget: int, style: dict, **options) -> dict:
    kept = curves.thin(curve.to_numpy(), budget)
    return {
        "type": "scatter", "mode": "lines", "x": curve.index.to_numpy()[kept], "y": curve.to_numpy()[kept],
        "line": style | {"width": 1.8}, **options,
    }  # fmt: skip


def _band(line: pd.Series, spread: pd.Series, style: dict, positive: bool, budget: int, common: dict) -> list[dict]:
    """The area of one standard deviation to both sides of a group's mean, where it is known."""
    spread = spread[spread.index.isin(line.index)].sort_index()
    spread = spread.iloc[curves.thin(spread.to_numpy(), budget)]
    mean = line[~line.index.duplicated()].reindex(spread.index).to_numpy()
    low, high = mean - spread.to_numpy(), mean + spread.to_numpy()
    if positive:
        low = np.maximum(low, mean / 10)  # a logarithmic axis has no zero
    x = spread.index.to_numpy()
    return [{
        "type": "scatter", "mode": "lines", "x": np.concatenate([x, x[::-1]]), "y": np.concatenate([high, low[::-1]]),
        "fill": "toself", "fillcolor": style["color"], "opacity": 0.2, "line": {"width": 0}, "hoverinfo": "skip",
        "showlegend": False, **common,
    }]  # fmt: skip


def _star(curve: pd.Series, x: pd.Series, style: dict, common: dict) -> list[dict]:
    """A star on the curve at the best epoch's x; none where the curve has no value there."""
    at = curve[curve.index.isin(x)].iloc[-1:]
    marker = {"symbol": "star", "size": 12, "color": style["color"], "line": {"width": 1, "color": "white"}}
    star = {"type": "scatter", "mode": "markers", "x": at.index.to_numpy(), "y": at.to_numpy(), "marker": marker}
    return [star | {"hoverinfo": "skip", "showlegend": False} | common] if len(at) else []


def _legend_entry(run: str, style: dict) -> dict:
    """A trace without points: the legend entry of all of a run's curves."""
    return {
        "type": "scatter", "mode": "lines", "x": [None], "y": [None], "line": style | {"width": 3}, "name": run,
        "legendgroup": run, "hoverinfo": "skip", "showlegend": True,
    }  # fmt: skip


def _y_range(curves_of_panel: list[np.ndarray], log_y: bool, clip: bool) -> dict:
    """Scale of a panel's y axis; plotly takes the range of a logarithmic one as exponents of 10."""
    scale = {"type": "log", "nticks": 3} if log_y else {}  # with more, the digits between decades run together
    values = np.concatenate(curves_of_panel) if curves_of_panel else np.array([])
    limits = curves.clip_range(np.log10(values) if log_y else values) if clip else None
    return scale | ({"range": limits} if limits else {})


def _axis(name: str, row: int) -> str:
    """Plotly's name of a panel's axis: y, y2, y3 and so on."""
    return f"{name}{row + 1}" if row else name


def _stacked_axes(panels: list[str], schedules: list[str], labels: dict[str, str], legend: int) -> dict[str, Any]:
    """Layout with a y axis and a title per panel, from the top down, below a legend of so many pixels."""
    heights = [LOW_PANEL if name in schedules else PANEL for name in panels]
    inside = sum(heights) + GAP * (len(heights) - 1)
    margin = {"l": 10, "r": 10, "t": legend + GAP, "b": 60}
    layout: dict[str, Any] = {"height": inside + margin["t"] + margin["b"], "margin": margin, "annotations": []}
    top = inside
    for row, (name, height) in enumerate(zip(panels, heights, strict=True)):
        domain = [max(0.0, (top - height) / inside), top / inside]
        axis = {"domain": domain, "automargin": True, "nticks": 5 if height == PANEL else 3}
        layout[_axis("yaxis", row)] = axis | ({"rangemode": "tozero"} if name in schedules else {})
        layout["annotations"].append({
            "text": f"<b>{labels.get(name, name)}</b>", "x": 0, "y": domain[1], "xref": "paper", "yref": "paper",
            "xanchor": "left", "yanchor": "bottom", "showarrow": False,
        })  # fmt: skip
        top -= height + GAP
    return layout | {"legend": LEGEND}


def score_figure(frames: dict[str, pd.DataFrame], x: str, y: str, labels: dict[str, str] | None = None) -> go.Figure:
    """Score y against score x: a path per run through its epochs, from an open circle to a filled square."""
    x_title, y_title = ((labels or {}).get(name, name) for name in (x, y))
    hover = f"{x_title} %{{x:.4g}}<br>{y_title} %{{y:.4g}}"
    traces, budget = [], max(8, MARKERS // max(1, len(frames)))
    for run, style in run_styles(frames).items():
        frame = frames[run]
        points = frame.dropna(subset=[x, y]) if {x, y} <= set(frame) else frame.head(0)
        if points.empty:
            continue
        kept = np.union1d(*(curves.thin(points[name].to_numpy(), budget // 2) for name in (x, y)))
        points, between = points.iloc[kept], len(kept) - 2
        marker = {
            "color": style["color"],
            "symbol": ["circle-open", *["circle"] * between, "square"][-len(kept) :],
            "size": [12, *[5] * between, 12][-len(kept) :],
            "line": {"width": 2, "color": style["color"]},
        }
        traces.append({
            "type": "scatter", "mode": "lines+markers", "x": points[x], "y": points[y], "name": run,
            "customdata": points["epoch"], "line": style | {"width": 1.2}, "marker": marker, "showlegend": True,
            "hovertemplate": f"epoch %{{customdata}}<br>{hover}<extra>{run}</extra>",
        })  # fmt: skip
    figure = go.Figure(traces)
    figure.update_layout(
        xaxis_title=x_title, yaxis_title=y_title, height=620, legend=LEGEND,
        margin={"l": 10, "r": 10, "t": 20 + _legend_height(len(frames)), "b": 10},
    )  # fmt: skip
    return figure
