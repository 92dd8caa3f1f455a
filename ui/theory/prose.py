"""The text of the Theory page, from assets/theory/: Markdown with `# title`, an introduction, and `## ` parts."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import streamlit as st

FOLDER = Path(__file__).resolve().parent.parent.parent / "assets" / "theory"


class Section(NamedTuple):
    """A file of assets/theory/, parsed."""

    title: str
    intro: str
    parts: list[tuple[str, str]]  # (title, text)


@lru_cache
def read_section(name: str) -> Section:
    """A section by its file's name without the ending, cached while the app runs."""
    head, *parts = (FOLDER / f"{name}.md").read_text(encoding="utf-8").split("\n## ")
    title, _, intro = head.removeprefix("# ").partition("\n")
    split = [part.partition("\n") for part in parts]
    return Section(title.strip(), intro.strip(), [(part_title.strip(), text.strip()) for part_title, _, text in split])


def show_section(name: str, numbered: bool = True) -> None:
    """A header, with the file's name as its anchor, the introduction, and the parts in expanders.

    Numbered parts are steps, of which the first is expanded.
    """
    section = read_section(name)
    st.header(section.title, anchor=name)
    _show_text(section.intro)
    for number, (title, text) in enumerate(section.parts, start=1):
        with st.expander(f"{number}. {title}" if numbered else title, expanded=numbered and number == 1):
            _show_text(text)


def _show_text(text: str) -> None:
    """Markdown, in which `$$` encloses displayed equations."""
    for i, part in enumerate(text.split("$$")):
        if i % 2:
            # KaTeX's tables are 2 pixels wider than their box; the thin space prevents a scroll bar.
            st.latex(part.strip() + r"\,")
        elif part.strip():
            st.markdown(part.strip())
