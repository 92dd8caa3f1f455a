"""Small widgets, chart settings and files that several pages use."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from cvae_core import checkpoint, runs
from cvae_core.run import Run
from cvae_core.tense import lexicon
from cvae_core.tense.text import decode_text

MAX_SEED = 2**31 - 1
PLAIN = {"displayModeBar": False}  # a chart without buttons
PNG = {"displaylogo": False, "modeBarButtons": [["toImage"]]}  # a chart that can be saved


def pick_view(views: Sequence[str], place=st) -> str:
    """Choose one of a page's views; the first is the default."""
    return place.segmented_control(
        "View", list(views), default=next(iter(views)), required=True, key="view", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip


def seed_input(column, label: str, key: str, seed: int, text: str | None = None) -> int:
    """An input for a seed; `seed` is the initial value, and `new_seeds` can change it."""
    st.session_state.setdefault(key, seed)  # not the widget's own value, which a button could not change
    return column.number_input(label, 0, MAX_SEED, step=1, key=key, bind="query-params", help=text)


def new_seeds(*keys: str) -> None:
    """Set random seeds in the inputs with these keys; a button's `on_click`."""
    st.session_state.update({key: random.randint(0, MAX_SEED) for key in keys})


def uploaded_text(place, label: str, key: str, parse: Callable[[str, str], Any]) -> Any:
    """Upload a text file: the result of `parse(text, file name)`, None without a file.

    UserError if the file is no text, or `parse` raises it.
    """
    file = place.file_uploader(label, type=["txt", "csv", "tsv"], max_upload_size=5, key=key)
    if file is None:
        return None
    return parse(decode_text(file.getvalue(), file.name), file.name)


def table_behind(make: Callable[[], pd.DataFrame], label: str, key: str) -> None:
    """The numbers behind a picture, folded; they are made when the table is opened."""
    panel = st.expander(label, on_change="rerun", key=key)
    if panel.open:
        panel.dataframe(make(), hide_index=True, alt=label)


def shipped_runs() -> list[Run]:
    """The runs in assets/runs/."""
    return runs.list_runs(checkpoint.ROOT / "assets" / "runs")


@st.cache_data
def read_scores(name: str) -> dict:
    """The scores of the shipped checkpoint `tense` or `tense-heldout`, from `evaluate tense --compare --json`."""
    return json.loads((checkpoint.ROOT / "assets" / f"{name}.json").read_text())


def show_remark(word: str) -> bool:
    """Show the dictionary's remark on a word, if any, with a button for its verb; whether the word can be converted."""
    remark = lexicon.remark(word)
    if remark is None:
        return True
    st.info(remark.text)
    if remark.lemma and not remark.convertible:
        # No link: of its parameters Streamlit drops `verb`, to which the input on this page is bound.
        st.button(f"Convert {remark.lemma}", on_click=st.session_state.update, args=({"verb": remark.lemma},))
    return remark.convertible
