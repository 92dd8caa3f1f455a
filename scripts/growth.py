"""Sections of Markdown with plots on how costs grow, from the measurements of `python -m benchmarks.scale`."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.figure import Figure

SLOPES = (
    "A slope is that of a straight line through the points on logarithmic axes: 1 means that twice as much costs (or "
    "gives) twice as much, 0 that it makes no difference.\n"
)


class Part(NamedTuple):
    """A measured dependence: a row per x; the columns named in `slopes` are plotted."""

    title: str
    text: str
    columns: tuple[str, ...]  # x first
    rows: list[tuple]
    slopes: tuple[str, ...]


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The slope of the least-squares line through the points on logarithmic axes."""
    return statistics.linear_regression([math.log(value) for value in x], [math.log(value) for value in y]).slope


def slopes(part: Part) -> dict[str, float]:
    """The slope of each column that the part names; none for a single row."""
    if len(part.rows) < 2:
        return {}
    columns = dict(zip(part.columns, zip(*part.rows, strict=True), strict=True))
    return {name: slope(columns[part.columns[0]], columns[name]) for name in part.slopes}


@matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "cvae"})  # text stays text, ids are the same each time
def plot(part: Part, path: Path) -> None:
    """Plot the columns that have a slope against x, as SVG."""
    figure = Figure(figsize=(5.5, 3.5), layout="constrained")
    axes = figure.subplots()
    columns = dict(zip(part.columns, zip(*part.rows, strict=True), strict=True))
    for name, value in slopes(part).items():
        axes.plot(columns[part.columns[0]], columns[name], "o-", label=f"{name} (slope {value:.2f})")
    axes.set(xscale="log", yscale="log", xlabel=part.columns[0])
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    # The file changes only with the measurement.
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def section(part: Part, picture: str = "") -> str:
    """Markdown: text, table, slopes and, with `picture`, the plot."""
    lines = [f"## {part.title}", "", part.text, ""]
    lines += [f"| {' | '.join(part.columns)} |", f"|{'---:|' * len(part.columns)}"]
    lines += [f"| {' | '.join(_number(value) for value in row)} |" for row in part.rows]
    if values := slopes(part):
        lines += ["", "Slopes: " + "; ".join(f"{name} {value:.2f}" for name, value in values.items()) + "."]
    if picture:
        lines += ["", f"![{part.title}]({picture})"]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def write(part: Part, name: str, folder: Path, head: str) -> None:
    """Write a part and its plot to the folder's RESULTS.md, replacing the part of the same title."""
    results, plots = folder / "RESULTS.md", folder / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    plot(part, plots / f"{name}.svg")
    before = results.read_text(encoding="utf-8").split("\n## ")[1:] if results.exists() else []
    sections = {text.partition("\n")[0]: f"## {text}".strip() + "\n" for text in before}
    sections[part.title] = section(part, f"plots/{name}.svg")
    results.write_text("\n".join([f"# How cost grows\n\n{head}\n", SLOPES, *sections.values()]), encoding="utf-8")
