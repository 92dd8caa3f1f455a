"""The latent plane of one digit and its bounds as bars: HTML for `st.html`, in colours for either theme."""

import base64
import io
from collections.abc import Iterable

import numpy as np
from PIL import Image

PICTURE = 400  # units of the SVG's side
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

    The ellipses enclose one and two standard deviations, as do the prior's circles. The page's HTML may contain no SVG,
    but a picture of one.
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

    end = limit + limit / (len(mass) - 1)  # of the outermost cells
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {PICTURE} {PICTURE}">'
        f'<image href="{heat(mass)}" x="{(half - end - x) * scale:.2f}" y="{(y + half - end) * scale:.2f}" '
        f'width="{2 * end * scale:.2f}" height="{2 * end * scale:.2f}"/>'
        + ellipses((np.zeros(2), np.ones(2)), COLOURS["prior"])
        + ellipses(encoder, COLOURS["encoder"], "7 5")
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
