"""Plotly figures: data in, figure out; a module per page."""

COLOURS = (  # the first six: Okabe and Ito 2008
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8c6d31", "#7f7f7f", "#9467bd", "#17becf",
)  # fmt: skip
