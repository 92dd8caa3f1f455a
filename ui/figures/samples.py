"""The latent map of a model in training, as a figure that is redrawn in place after every epoch."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

LABELLED = 32  # verbs up to which each has its name beside its point
# Okabe and Ito's colours, which colour-blind people tell apart; all are readable on white and on black.
COLOURS = {
    "regular": "#2b8cc9", "irregular": "#D55E00", "doubling": "#009E73", "e-dropped": "#CC79A7", "y to ie": "#b58900",
    "new": "#D55E00",
}  # fmt: skip
SHAPES = {
    "regular": "circle", "irregular": "triangle-up", "doubling": "square", "e-dropped": "diamond", "y to ie": "cross",
    "new": "triangle-up",
}  # fmt: skip


def aligned(maps: Sequence[list[list[Any]]]) -> list[list[Any]]:
    """The last of some maps, [verb, kind, x, y] each, turned so that verbs move least since the one before.

    The axes of principal components may flip or turn from epoch to epoch: the orthogonal Procrustes problem
    (Schönemann 1966), solved from each map to the next.
    """
    before: dict[str, np.ndarray] = {}
    for rows in maps:
        places = np.array([row[2:] for row in rows], float)
        shared = [i for i, row in enumerate(rows) if row[0] in before]
        if shared:
            u, _, v = np.linalg.svd(places[shared].T @ np.array([before[rows[i][0]] for i in shared]))
            places = places @ (u @ v)
        before = {row[0]: place for row, place in zip(rows, places, strict=True)}
    return [[*row[:2], *before[row[0]].tolist()] for row in maps[-1]]


def map_figure(rows: list[list[Any]], projected: bool) -> alt.LayerChart | alt.FacetChart:
    """A point per verb, [verb, kind, x, y] each; in a plane of z itself with the prior's circles of 1 and 2 sigma."""
    table = pd.DataFrame(rows, columns=["verb", "kind", "x", "y"])
    kinds = [kind for kind in COLOURS if kind in set(table["kind"])]
    reach = float(max(2.6, table[["x", "y"]].abs().to_numpy().max() * 1.3))
    names = ("first principal component", "second principal component") if projected else ("z₁", "z₂")
    x, y = (
        alt.X("x:Q", scale=alt.Scale(domain=[-reach, reach]), title=names[0]),
        alt.Y("y:Q", scale=alt.Scale(domain=[-reach, reach]), title=names[1]),
    )
    colour = alt.Color(
        "kind:N", scale=alt.Scale(domain=kinds, range=[COLOURS[kind] for kind in kinds]),
        legend=alt.Legend(orient="bottom", title=None, columns=3),
    )  # fmt: skip
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=[SHAPES[kind] for kind in kinds]))
    base = alt.Chart(table).encode(x=x, y=y)
    layers = [
        base.mark_point(filled=True, size=70, opacity=0.9).encode(color=colour, shape=shape, tooltip=["verb", "kind"])
    ]
    if len(rows) <= LABELLED:
        layers.append(base.mark_text(align="left", dx=7, fontSize=12).encode(text="verb:N", color=colour))
    if not projected:
        angle = np.linspace(0, 2 * np.pi, 91)
        circles = pd.DataFrame({
            "x": np.outer([1, 2], np.cos(angle)).ravel(), "y": np.outer([1, 2], np.sin(angle)).ravel(),
            "sigma": np.repeat([1, 2], len(angle)), "order": np.tile(np.arange(len(angle)), 2),
        })  # fmt: skip
        line = alt.Chart(circles).mark_line(color="#808080", strokeDash=[4, 4], strokeWidth=1)
        layers.insert(0, line.encode(x=x, y=y, detail="sigma:N", order="order:Q"))
    return alt.layer(*layers).properties(height=440)
