"""The latent plane of one digit as SVG, and its bounds as bars: HTML for `st.html`, which follows the page's theme."""

import base64
import io
from collections.abc import Iterable

import numpy as np
from PIL import Image

PICTURE = 320  # units of the SVG's side
MARGIN = 26  # for the axes' numbers
BLUE, ORANGE, GREEN, GREY = "#2b8cc9", "#d08700", "#009E73", "#8a8a8a"
COLOURS = {"posterior": BLUE, "q": ORANGE, "encoder": GREEN, "prior": GREY}

Ellipse = tuple[np.ndarray, np.ndarray]  # mean and standard deviations, (2,) each


def heat(mass: np.ndarray) -> str:
    """Masses (h, w) as the source of an image: blue, the more opaque the larger."""
    colour = np.array([int(BLUE[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    alpha = (255 * np.sqrt(mass / mass.max())).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.dstack([np.broadcast_to(colour, (*mass.shape, 3)), alpha])).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def window_around(mass: np.ndarray, limit: float, ellipses: Iterable[Ellipse]) -> tuple[float, float, float]:
    """A square that shows the mass (side, side) and the ellipses: its centre and half its side, in units of z."""
    axis = np.linspace(-limit, limit, len(mass))
    rows, columns = np.nonzero(mass > 1e-3 * mass.max())
    points = [np.stack([axis[columns], -axis[rows]], 1)]
    points += [np.stack([mean - 2.5 * sigma, mean + 2.5 * sigma]) for mean, sigma in ellipses]
    low, high = np.concatenate(points).min(0), np.concatenate(points).max(0)
    x, y = (low + high) / 2
    return float(x), float(y), max(float((high - low).max()) / 2, 0.25)


def plane(
    mass: np.ndarray, limit: float, window: tuple[float, float, float], q: Ellipse, encoder: Ellipse, alt: str
) -> str:
    """The posterior's masses (side, side), rows from the top, with q, the encoder's q and the prior, within a window.

    The ellipses enclose one and two standard deviations, as do the prior's circles.
    """
    x, y, half = window
    scale = (PICTURE - 2 * MARGIN) / (2 * half)

    def place(point: Iterable[float]) -> tuple[float, float]:
        a, b = point
        return MARGIN + (a - x + half) * scale, MARGIN + (y + half - b) * scale

    def ellipses(shape: Ellipse, colour: str, dashes: str = "") -> str:
        (cx, cy), (rx, ry) = place(shape[0]), shape[1] * scale
        return "".join(
            f'<ellipse cx="{cx:.2f}" cy="{cy:.2f}" rx="{k * rx:.2f}" ry="{k * ry:.2f}" fill="none" stroke="{colour}" '
            f'stroke-width="{3 - k}" stroke-dasharray="{dashes}"/>'
            for k in (1, 2)
        )

    step = 2 * limit / (len(mass) - 1)
    left, top = place((-limit - step / 2, limit + step / 2))
    size = (2 * limit + step) * scale
    inner = PICTURE - 2 * MARGIN
    prior = (np.zeros(2), np.ones(2))
    drawn = (
        f'<image href="{heat(mass)}" x="{left:.2f}" y="{top:.2f}" width="{size:.2f}" height="{size:.2f}" '
        'preserveAspectRatio="none"/>'
        + ellipses(prior, COLOURS["prior"])
        + ellipses(encoder, COLOURS["encoder"], "5 4")
        + ellipses(q, COLOURS["q"])
    )
    frame = f'x="{MARGIN}" y="{MARGIN}" width="{inner}" height="{inner}"'
    numbers = [
        (MARGIN, PICTURE - 8, "start", x - half), (PICTURE - MARGIN, PICTURE - 8, "end", x + half),
        (MARGIN - 4, PICTURE - MARGIN, "end", y - half), (MARGIN - 4, MARGIN + 10, "end", y + half),
    ]  # fmt: skip
    text = "".join(
        f'<text x="{a}" y="{b}" text-anchor="{anchor}">{value:.1f}</text>'.replace(">-", ">−")
        for a, b, anchor, value in numbers
    )
    return (
        f'<svg viewBox="0 0 {PICTURE} {PICTURE}" role="img" aria-label="{alt}" fill="currentColor" font-size="11">'
        f'<svg {frame} viewBox="{MARGIN} {MARGIN} {inner} {inner}">{drawn}</svg>'
        f'<rect {frame} fill="none" stroke="currentColor" stroke-opacity="0.4"/>{text}'
        f'<text x="{PICTURE / 2}" y="{PICTURE - 8}" text-anchor="middle">z₁</text>'
        f'<text x="{MARGIN - 4}" y="{PICTURE / 2}" text-anchor="end">z₂</text></svg>'
    )


def key(names: dict[str, str]) -> str:
    """What the colours of `plane` are: HTML."""
    parts = (f'<i style="--bar: {COLOURS[name]}"></i>{text}' for name, text in names.items())
    return f'<p class="key">{" ".join(parts)}</p>'


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
