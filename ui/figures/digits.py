"""Pictures of digits as PNG, and plotly figures of them, some of which can be clicked."""

import io
from collections.abc import Sequence

import numpy as np
import plotly.colors
import plotly.graph_objects as go
from PIL import Image

from ui.figures import COLOURS

SIDE = 28  # pixels


def png(picture: np.ndarray, scale: int = 4, compress_level: int = 6) -> bytes:
    """A picture in [0, 1], grey (h, w) or RGB (h, w, 3), as a PNG file with `scale` times its height and width."""
    pixels = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
    size = (pixels.shape[1] * scale, pixels.shape[0] * scale)
    file = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(file, "PNG", compress_level=compress_level)
    return file.getvalue()


def tile(pictures: np.ndarray, columns: int, gap: int = 2) -> np.ndarray:
    """Pictures (n, 784) as one sheet (h, w) with `columns` of them in a row and grey gaps between them."""
    pictures = np.asarray(pictures, np.float32).reshape(-1, SIDE, SIDE)
    rows = -(-len(pictures) // columns)
    canvas = np.full((rows * (SIDE + gap) - gap, columns * (SIDE + gap) - gap), 0.4, np.float32)
    for i, picture in enumerate(pictures):
        top, left = (i // columns) * (SIDE + gap), (i % columns) * (SIDE + gap)
        canvas[top : top + SIDE, left : left + SIDE] = picture
    return canvas


def viridis(values: np.ndarray) -> np.ndarray:
    """Values (h, w) in [0, 1] as colours of the scale Viridis, (h, w, 3) in [0, 1]."""
    scale = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in plotly.colors.sequential.Viridis]) / 255
    stops = np.linspace(0, 1, len(scale))
    return np.stack([np.interp(values, stops, channel) for channel in scale.T], -1)


def beside(sheet: np.ndarray, picture: np.ndarray, gap: int = 2) -> np.ndarray:
    """A grey sheet (h, w) with a picture in colours (h, v, 3) to its right: (h, w + gap + v, 3)."""
    grey = np.repeat(sheet[..., None], 3, 2)
    return np.concatenate([grey, np.full((len(sheet), gap, 3), 0.4), picture], 1)


def manifold_figure(pictures: np.ndarray, chosen: tuple[int, int], height: int = 560) -> go.Figure:
    """A grid of pictures (rows, columns, 784); a click selects a cell, its (row, column) is the customdata."""
    rows, columns, _ = pictures.shape
    figure = go.Figure()
    sheet = pictures.reshape(rows, columns, SIDE, SIDE).transpose(0, 2, 1, 3).reshape(rows * SIDE, columns * SIDE)
    _draw(figure, sheet)
    row, column = chosen
    figure.add_shape(
        type="rect", x0=column * SIDE - 0.5, x1=(column + 1) * SIDE - 0.5, y0=row * SIDE - 0.5,
        y1=(row + 1) * SIDE - 0.5, line={"color": "#E69F00", "width": 3},
    )  # fmt: skip
    cells = [(r, c) for r in range(rows) for c in range(columns)]
    figure.add_scatter(
        x=[c * SIDE + SIDE / 2 for _, c in cells], y=[r * SIDE + SIDE / 2 for r, _ in cells], mode="markers",
        customdata=cells, hovertemplate="click to look closer<extra></extra>", showlegend=False,
        marker={"size": height / rows * 0.9, "symbol": "square", "opacity": 0.01},
        selected={"marker": {"opacity": 0.01}}, unselected={"marker": {"opacity": 0.01}},
    )  # fmt: skip
    return _bare(figure, height)


def scatter_figure(latents: Sequence[Sequence[float]], labels: Sequence[int], height: int = 560) -> go.Figure:
    """Latents (n, 2) of pictures, coloured by label (n,)."""
    latents, labels = np.asarray(latents), np.asarray(labels)
    figure = go.Figure()
    for label in sorted(set(labels.tolist())):
        points = latents[labels == label]
        figure.add_scatter(
            x=points[:, 0], y=points[:, 1], mode="markers", name=str(label),
            marker={"size": 7, "color": COLOURS[label % len(COLOURS)]},
        )  # fmt: skip
    figure.update_layout(height=height, margin={"l": 40, "r": 10, "t": 10, "b": 40}, legend_title="label")
    figure.update_xaxes(title="z₁", range=[-4, 4])
    figure.update_yaxes(title="z₂", range=[-4, 4], scaleanchor="x")
    return figure


def _draw(figure: go.Figure, grey: np.ndarray) -> None:
    figure.add_heatmap(z=grey, colorscale="Greys_r", zmin=0, zmax=1, showscale=False, hoverinfo="skip")


def _bare(figure: go.Figure, height: int) -> go.Figure:
    """Hide the axes, make pixels square, and put the first row at the top."""
    figure.update_layout(height=height, margin={"l": 0, "r": 0, "t": 0, "b": 0}, plot_bgcolor="rgba(0,0,0,0)")
    rows, columns = np.shape(figure.data[0].z)
    figure.update_xaxes(visible=False, fixedrange=True, range=[-0.5, columns - 0.5], constrain="domain")
    figure.update_yaxes(
        visible=False, fixedrange=True, range=[rows - 0.5, -0.5], scaleanchor="x", constrain="domain",
        constraintoward="top",
    )  # fmt: skip
    return figure
