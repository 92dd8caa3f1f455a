"""The guard of the frame, and of the address."""

import contextlib
import math

import streamlit as st
from streamlit.errors import StreamlitAPIException


def frame(name: str) -> None:
    """Called by every page first: where Streamlit ran the page's file by itself, go through app.py.

    It does so on the first deep link to a fresh server, because the folder is called pages/.
    """
    if not st.session_state.get("_framed"):
        st.session_state["_bounce"] = (name, {key: st.query_params.get_all(key) for key in st.query_params})
        st.switch_page("app.py")
    _clean_address()


def _clean_address() -> None:
    """Remove query parameters that widgets cannot read: an empty value for a required choice, inf for an integer.

    The widgets have read the address before the page begins, so the page begins again.
    """
    found = {key: st.query_params.get_all(key) for key in st.query_params}
    wrong = [key for key, values in found.items() if any(value == "" or _is_infinite(value) for value in values)]
    with contextlib.suppress(StreamlitAPIException):  # a widget on the page is bound to it, and has its value already
        for key in wrong:
            del st.query_params[key]
        if wrong:
            st.rerun()


def _is_infinite(value: str) -> bool:
    try:
        return math.isinf(float(value))
    except ValueError:
        return False
