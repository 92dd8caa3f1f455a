"""Small widgets, chart settings and files that several pages use."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from cvae_core import checkpoint, runs
from cvae_core.errors import UserError
from cvae_core.runs import Run
from cvae_core.tense import lexicon

MAX_SEED = 2**31 - 1
PLAIN = {"displayModeBar": False}  # a chart without buttons
PNG = {"displaylogo": False, "modeBarButtons": [["toImage"]]}  # a chart that can be saved


def pick_view(views: Sequence[str]) -> str:
    """The views of a page as tabs; the first is the default."""
    return st.segmented_control(
        "View", list(views), default=next(iter(views)), required=True, key="view", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip


def seed_input(column, label: str, key: str, seed: int, text: str | None = None) -> int:
    """A field for a seed, which begins with `seed` and can be set by `new_seeds`."""
    st.session_state.setdefault(key, seed)  # not as the field's value, which a button may not overwrite
    return column.number_input(label, 0, MAX_SEED, step=1, key=key, bind="query-params", help=text)


def new_seeds(*keys: str) -> None:
    """Random seeds for the fields with these keys; for a button's `on_click`."""
    st.session_state.update({key: random.randint(0, MAX_SEED) for key in keys})


def uploaded_text(place, label: str, key: str, parse: Callable[[str, str], Any]) -> Any:
    """What `parse` makes of an uploaded text file and its name; None without a file."""
    file = place.file_uploader(label, type=["txt", "csv", "tsv"], max_upload_size=5, key=key)
    if file is None:
        return None
    try:
        return parse(file.getvalue().decode("utf-8-sig"), file.name)
    except UnicodeDecodeError:
        raise UserError(f"{file.name} is not UTF-8 text.") from None


def shipped_runs() -> list[Run]:
    """The runs that come with the project."""
    return runs.list_runs(checkpoint.ROOT / "assets" / "runs")


@st.cache_data
def read_scores(name: str = "tense") -> dict:
    """What `evaluate tense --compare --json` printed for the shipped checkpoints `tense` and `tense-heldout`."""
    return json.loads((checkpoint.ROOT / "assets" / f"{name}.json").read_text())


def show_remark(word: str) -> bool:
    """Show the dictionary's remark on a word, with a link to the verb; return whether the word can be converted."""
    remark = lexicon.remark(word)
    if remark is None:
        return True
    st.info(remark.text)
    if remark.lemma and not remark.convertible:
        st.page_link("pages/convert.py", label=f"Convert {remark.lemma}", query_params={"verb": remark.lemma})
    return remark.convertible
