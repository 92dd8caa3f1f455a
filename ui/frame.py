"""What every page begins with: query parameters that its widgets can read, its style, its header."""

import contextlib
import math
import time
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import streamlit as st
from streamlit.errors import StreamlitAPIException

PAGES = Path(__file__).parent.parent / "pages"
STYLE = Path(__file__).with_name("style.css")
GUIDES = Path(__file__).with_name("guides")
PAINT_SECONDS = 0.15  # title, text and formulas are rendered in about 0.1 s
# Keys of widgets that mean something else on every page; Streamlit keeps the value of a bound widget under its key.
PER_PAGE = ("view", "seed", "draws", "steps", "run", "source")


def frame(name: str) -> None:
    """Called first by every page: clean the address, note whether the page was just opened, apply the app's style."""
    _follow_link()
    _clean_address()
    st.session_state["_unpainted"] = st.session_state.get("_opened") != name
    if st.session_state["_unpainted"]:
        for key in PER_PAGE:
            st.session_state.pop(key, None)
    st.session_state["_opened"] = name
    st.html(STYLE)


def header(page: str, title: str, sentence: str) -> None:
    """The top of a page: its title, what can be done here, and its guide with a worked example, ui/guides/PAGE.md."""
    guide = GUIDES / f"{page}.md"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title(title, width="content")
        if guide.is_file():
            with st.popover("How to read this page", icon=":material/help:", width="content"):
                st.markdown(guide.read_text(encoding="utf-8"))
    st.markdown(sentence)


def paint() -> None:
    """Let the browser paint what was sent, before the page goes on: once after it is opened, not when it is rerun.

    A browser renders in one go all that has arrived: the first text would wait for the last chart.
    """
    if st.session_state["_unpainted"]:
        time.sleep(PAINT_SECONDS)
        st.session_state["_unpainted"] = False


def link(place, page: str, label: str, query: dict[str, str]) -> None:
    """A link to another page whose `query` may name parameters of this one.

    Streamlit drops a parameter that a widget of the page before is bound to. It keeps `link`, which has them all.
    """
    place.page_link(PAGES / f"{page}.py", label=label, query_params={"link": urlencode(query)})


def _follow_link() -> None:
    """Put the parameters of a `link` into the address, from which widgets read them in the next run."""
    if "link" in st.query_params:
        st.query_params.from_dict(parse_qs(st.query_params["link"]))
        st.rerun()


def _clean_address() -> None:
    """Remove query parameters that widgets cannot read: an empty value for a required choice, inf for an integer.

    Widgets read the address before the page's script runs, so it is run again.
    """
    parameters = {key: st.query_params.get_all(key) for key in st.query_params}
    invalid = [key for key, values in parameters.items() if any(value == "" or _is_infinite(value) for value in values)]
    with contextlib.suppress(StreamlitAPIException):  # a widget that is bound to the parameter has been drawn
        for key in invalid:
            del st.query_params[key]
        if invalid:
            st.rerun()


def _is_infinite(value: str) -> bool:
    try:
        return math.isinf(float(value))
    except ValueError:
        return False
