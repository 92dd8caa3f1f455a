"""The latent plane of one digit and its bounds as bars: HTML in colours for either theme; the gap by epoch."""

import base64
import io
from collections.abc import Iterable, Sequence

import numpy as np
import plotly.graph_objects as go
from PIL import Image

PICTURE = 400  # units of the SVG's side
BLUE, ORANGE, GREEN, GREY = "#2b8cc9", "#d08700", "#009E73", "#8a8a8a"
COLOURS = {"posterior": BLUE, "q": ORANGE, "encoder": GREEN, "prior": GREY}

Ellipse = tuple[np.ndarray, np.ndarray]  # mean and standard deviations, (2,) each
Square = tuple[float, float, float]  # its centre and half its side, in units of z


def heat(mass: np.ndarray) -> str:
    """Masses (h, w) as the source of an image: blue, the more opaque the larger."""
    colour = np.array([int(BLUE[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    alpha = (255 * np.sqrt(mass / mass.max())).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.dstack([np.broadcast_to(colour, (*mass.shape, 3)), alpha])).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def window_around(mass: np.ndarray, square: Square, ellipses: Iterable[Ellipse]) -> Square:
    """A square that shows the mass (side, side), which covers `square`, and the ellipses."""
    axis = np.linspace(-square[2], square[2], len(mass))
    rows, columns = np.nonzero(mass > 1e-3 * mass.max())
    points = [np.stack([square[0] + axis[columns], square[1] - axis[rows]], 1)]
    return square_around([*points, *(np.stack([mean - 2.5 * sigma, mean + 2.5 * sigma]) for mean, sigma in ellipses)])


def square_around(points: Sequence[np.ndarray]) -> Square:
    """The smallest square that contains arrays of points (n, 2), at least half a unit wide."""
    low, high = np.concatenate(points).min(0), np.concatenate(points).max(0)
    x, y = (low + high) / 2
    return float(x), float(y), max(float((high - low).max()) / 2, 0.25)


def plane(
    mass: np.ndarray,
    square: Square,
    window: Square,
    q: Ellipse,
    encoder: Ellipse | None,
    alt: str,
    paths: dict[str, np.ndarray] | None = None,
) -> str:
    """The posterior's masses (side, side) over a square, rows from the top, with q, the encoder's q and the prior.

    The ellipses enclose one and two standard deviations, as do the prior's circles; `paths` are lines through points
    (n, 2), by the names in COLOURS. The page's HTML may contain no SVG, but a picture of one.
    """
    x, y, half = window
    scale = PICTURE / (2 * half)

    def ellipses(shape: Ellipse, colour: str, dashes: str = "none") -> str:
        (cx, cy), (rx, ry) = shape[0], shape[1] * scale
        return "".join(
            f'<ellipse cx="{(cx - x + half) * scale:.2f}" cy="{(y + half - cy) * scale:.2f}" rx="{k * rx:.2f}" '
            f'ry="{k * ry:.2f}" fill="none" stroke="{colour}" stroke-width="{4 - k}" stroke-dasharray="{dashes}"/>'
            for k in (1, 2)
        )

    def line(points: np.ndarray, colour: str) -> str:
        text = " ".join(f"{(px - x + half) * scale:.1f},{(y + half - py) * scale:.1f}" for px, py in points)
        return f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="1.5"/>'

    end = square[2] * len(mass) / (len(mass) - 1)  # of the outermost cells
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {PICTURE} {PICTURE}">'
        f'<image href="{heat(mass)}" x="{(square[0] - end - x + half) * scale:.2f}" '
        f'y="{(y + half - square[1] - end) * scale:.2f}" '
        f'width="{2 * end * scale:.2f}" height="{2 * end * scale:.2f}"/>'
        + ellipses((np.zeros(2), np.ones(2)), COLOURS["prior"])
        + "".join(line(points, COLOURS[name]) for name, points in (paths or {}).items())
        + (ellipses(encoder, COLOURS["encoder"], "7 5") if encoder else "")
        + ellipses(q, COLOURS["q"])
        + "</svg>"
    )
    source = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    spans = " and ".join(f"{name} from {m - half:.1f} to {m + half:.1f}" for name, m in (("z₁", x), ("z₂", y)))
    return f'<figure><img src="{source}" alt="{alt}"><figcaption>{spans.replace("-", "−")}</figcaption></figure>'


def key(names: dict[str, str]) -> str:
    """What the colours of `plane` are: HTML."""
    parts = (f'<span><i style="--bar: {COLOURS[name]}"></i>{text}</span>' for name, text in names.items())
    return f'<p class="key">{"".join(parts)}</p>'


def bars(rows: Iterable[tuple[str, list[tuple[float, str]], str]], longest: float) -> str:
    """Bars as an HTML list: (name, parts as (length, colour), text at the end); `longest` fills the width."""
    items = []
    for name, parts, text in rows:
        widths = "".join(
            f'<u style="width: {100 * min(max(length, 0) / longest, 1):.2f}%; --bar: {colour}"></u>'
            for length, colour in parts
        )
        items.append(f"<li><span>{name}</span><i>{widths}</i><span>{text.replace('-', '−')}</span></li>")
    return f'<ul class="nats">{"".join(items)}</ul>'


def gap_figure(epochs: Sequence[int], parts: dict[str, list[float]], now: int) -> go.Figure:
    """The gap's `amortisation` and `approximation` by epoch, on a logarithmic scale, with a line at one epoch."""
    figure = go.Figure()
    for (name, values), colour in zip(parts.items(), (COLOURS["q"], BLUE), strict=True):
        # A logarithm has no 0; less than a thousandth of a nat is within the error of the integrals.
        shown = np.maximum(values, 1e-3)
        figure.add_scatter(x=list(epochs), y=shown, name=name, mode="lines+markers", line={"color": colour})
    figure.add_vline(now, line={"color": GREY, "dash": "dot"})
    figure.update_xaxes(title="epoch")
    figure.update_yaxes(title="gap, nats", type="log", dtick=1)
    return figure.update_layout(height=280, hovermode="x unified")
