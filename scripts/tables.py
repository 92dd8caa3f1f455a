"""Numbers and Markdown tables of the generated documents."""

import textwrap
from collections.abc import Sequence

DASH = "–"


def number(value: float | None, digits: int = 3, spread: float | None = None) -> str:
    """A score, never rounded up to 1, and ± its standard deviation if there is one; a dash for None."""
    if value is None:
        return DASH
    text = "> 0.999" if 0.9995 <= value < 1 else f"{value:.{digits}f}"
    return text if spread is None else f"{text} ± {spread:.{digits}f}"


def claim(value: float | None) -> str:
    """A score as a report prints it; a dash for None."""
    return DASH if value is None else f"{value:g}"


def with_spread(scores: dict, name: str) -> str:
    """A mean over sets of samples, with the lowest and the highest score."""
    low, high = scores["spread"][name]
    return f"{number(scores[name])} ({number(low)} to {number(high)})"


def wrapped(text: str) -> str:
    """A paragraph, wrapped at 120 characters."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def with_section(text: str, section: str) -> str:
    """The text with the section that begins and ends with the same lines as `section` replaced by it."""
    first, *_, last = section.splitlines()
    before, rest = text.split(first)
    return before + section + rest.split(last)[1]


def rows_of(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table whose first `left` columns are text and whose others are numbers."""
    ruler = ["---"] * left + ["---:"] * (len(header) - left)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ruler, *rows))
