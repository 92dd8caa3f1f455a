"""The text of the Theory page, from assets/theory/: Markdown with `# title`, an introduction, and `## ` steps.

`$$` encloses displayed equations. Two kinds of lines at the end of a step are not text: `Code: ` and the functions
that compute it, by their full names, and `Plot: ` and the name of a plot. In formulas `\\post{…}`, `\\dec{…}`,
`\\pri{…}` and `\\klc{…}` colour the terms of the legend.
"""

import inspect
import re
import textwrap
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from cvae_core.checkpoint import ROOT

FOLDER = ROOT / "assets" / "theory"
# Colours with a contrast of at least 4.5 on the background of the theme.
COLOURS = {
    "light": {"post": "#1d4ed8", "dec": "#047857", "pri": "#7e22ce", "klc": "#b45309"},
    "dark": {"post": "#93c5fd", "dec": "#6ee7b7", "pri": "#d8b4fe", "klc": "#fdba74"},
}
LEGEND = r"""
| term | name | in the code |
|---|---|---|
| $\post{q(z|x,c)}$ | posterior, computed by the encoder | `model.encode` → `Gaussian(mu, logvar)` |
| $\dec{p(x|z,c)}$ | likelihood, computed by the decoder; minus its logarithm is the reconstruction loss | `recon` |
| $\pri{p(z|c)}$ | prior, N(0, I) unless a network computes it | `model.draw` |
| $\klc{\mathrm{KL}}$ | divergence of the posterior from the prior | `kl`, `kl_to_standard` |
| β | weight of the KL in the loss | `beta`, `kl_max` × `kl_knots` |
"""


class Step(NamedTuple):
    """A step of a section: its text, the functions that compute it, and the plot that stands beside it."""

    title: str
    text: str
    code: list[str]
    plot: str | None


class Section(NamedTuple):
    """A file of assets/theory/, parsed."""

    title: str
    intro: str
    steps: list[Step]


@lru_cache
def read_section(name: str) -> Section:
    """A section by its file's name without the ending, cached while the app runs."""
    head, *parts = (FOLDER / f"{name}.md").read_text(encoding="utf-8").split("\n## ")
    title, _, intro = head.removeprefix("# ").partition("\n")
    return Section(title.strip(), intro.strip(), [_step(part) for part in parts])


def _step(part: str) -> Step:
    title, _, text = part.partition("\n")
    lines = dict(re.findall(r"^(Code|Plot): (.+)$", text, re.M))
    text = re.sub(r"^(Code|Plot): .+$", "", text, flags=re.M)
    code = [name.strip() for name in lines["Code"].split(",")] if "Code" in lines else []
    return Step(title.strip(), text.strip(), code, lines.get("Plot"))


def show_legend() -> None:
    """What the coloured terms mean, and what they are called in the code."""
    st.markdown(coloured(LEGEND.replace("|x", r"\vert x").replace("|z", r"\vert z").replace("|c", r"\vert c")))


def show_section(name: str, plots: dict[str, Callable[[], None]], folded: bool = False) -> None:
    """A header, with the file's name as its anchor, and the numbered steps, each with its plot beside it.

    `folded` steps are in expanders, without numbers.
    """
    section = read_section(name)
    st.header(section.title, anchor=name)
    if section.intro:
        _show_text(section.intro)
    for number, step in enumerate(section.steps, start=1):
        if folded:
            with st.expander(step.title):
                _show_step(step, plots)
        else:
            numbered = f"{number}. {step.title}" if len(section.steps) > 1 else step.title
            st.subheader(numbered, anchor=f"{name}-{number}")
            _show_step(step, plots)


def _show_step(step: Step, plots: dict[str, Callable[[], None]]) -> None:
    text, beside = st.columns([1, 1], gap="large") if step.plot else (st.container(), None)
    with text:
        _show_text(step.text)
        if step.code:
            with st.container(horizontal=True):
                for name in step.code:
                    show_code(name)
    if beside is not None:
        with beside:
            plots[step.plot]()


def show_code(name: str) -> None:
    """A popover with the source of a function of this program, and where it is."""
    function = find(name)
    source, line = inspect.getsourcelines(function)
    path = Path(inspect.getsourcefile(function) or "").relative_to(ROOT)
    with st.popover(name.rsplit(".", 1)[-1], icon=":material/code:"):
        st.markdown(f"`{name}`, {path}, line {line}")
        st.code(textwrap.dedent("".join(source)), language="python")


def find(name: str) -> Any:
    """A function or a method by its full name. AttributeError or ImportError if there is none."""
    parts = name.split(".")
    if parts[-2][0].isupper():
        return getattr(getattr(import_module(".".join(parts[:-2])), parts[-2]), parts[-1])
    return getattr(import_module(".".join(parts[:-1])), parts[-1])


def coloured(text: str) -> str:
    """The formulas' colours, for the theme."""
    colours = COLOURS["dark" if st.context.theme.type == "dark" else "light"]
    return re.sub(r"\\(post|dec|pri|klc)\b", lambda match: rf"\textcolor{{{colours[match[1]]}}}", text)


def _show_text(text: str) -> None:
    """Markdown, in which `$$` encloses displayed equations."""
    for i, part in enumerate(coloured(text).split("$$")):
        if i % 2:
            # KaTeX's tables are 2 pixels wider than their box; the thin space prevents a scroll bar.
            st.latex(part.strip() + r"\,")
        elif part.strip():
            st.markdown(part.strip())
