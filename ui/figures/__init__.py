"""Figures: data in, a Plotly figure or HTML out; a module per page.

All take their colours from the palettes here; Plotly figures take their looks from one template, which Streamlit
completes with the fonts and the background of the theme. One palette serves both themes: each colour has a contrast of
at least 3:1 with either background (WCAG 2.2, 1.4.11), measured by tests/test_colours.py.
"""

from collections.abc import Iterable

import plotly.graph_objects as go
import plotly.io as pio

# Runs, losses, lines: the first six are far apart with any colour vision (ΔE of 25 and more).
COLOURS = (
    "#0099E5", "#E57300", "#AA00FF", "#8C5F2A", "#BC1BA2", "#8C8C8C", "#1E8A3E", "#DC2626", "#0891B2", "#8A8F1A",
)  # fmt: skip
RUNS = COLOURS[:6]
GREY, RED = COLOURS[5], COLOURS[7]
TENSES = {"present": "#0099E5", "third-person": "#1E8A3E", "progressive": "#E57300", "past": "#AA00FF"}
KNOWN, INVENTED = "#0099E5", "#E57300"  # a form that the dictionary has, or not

MARGIN = {"l": 10, "r": 10, "t": 10, "b": 10}
LEGEND_ABOVE = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"}

_STREAMLIT = [pio.templates["streamlit"]] if "streamlit" in pio.templates else []  # not where figures are tested alone
pio.templates["cvae"] = pio.templates.merge_templates(
    *_STREAMLIT,
    go.layout.Template(layout={"colorway": COLOURS, "hovermode": "closest", "margin": MARGIN, "legend": LEGEND_ABOVE}),
)
pio.templates.default = "cvae"


def bars(rows: Iterable[tuple[str, float, str]], label: str, colour: str = COLOURS[0]) -> str:
    """A list in HTML: names, each with a bar of a length in [0, 1] and a number as text. `label` says what they are."""
    items = "".join(
        f'<li><span>{name}</span><i style="--length: {length:.3f}"></i><span>{number}</span></li>'
        for name, length, number in rows
    )
    return f'<ol class="bars" style="--colour: {colour}" aria-label="{label}">{items}</ol>'


def faint(colour: str, opacity: float = 0.25) -> str:
    """A colour of a palette, transparent: for areas."""
    return f"rgba({int(colour[1:3], 16)}, {int(colour[3:5], 16)}, {int(colour[5:7], 16)}, {opacity})"
