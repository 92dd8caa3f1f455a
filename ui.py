"""What the pages share: the frame's guard, cached models, the model picker."""

import contextlib
import gc
import json
import math
from typing import Any

import streamlit as st
import torch
from streamlit.errors import StreamlitAPIException

from cvae_core import checkpoint, runs
from cvae_core.digits import inference as digits
from cvae_core.errors import UserError
from cvae_core.tense import inference as tense
from cvae_core.tense import lexicon
from cvae_core.video import inference as video

torch.set_num_threads(1)  # threads of several sessions would fight for the cores


def frame(name: str) -> None:
    """Run by every page first: where Streamlit ran the page's file by itself, go through app.py.

    It does so on the first deep link to a fresh server, because the folder is called pages/.
    """
    if not st.session_state.get("_framed"):
        st.session_state["_bounce"] = (name, {key: st.query_params.get_all(key) for key in st.query_params})
        st.switch_page("app.py")
    _clean_address()


def _clean_address() -> None:
    """Without what Streamlit's widgets stumble over: an empty value undoes what they require, inf is no whole number.

    They have read the address before the page begins, so that it begins again.
    """
    found = {key: st.query_params.get_all(key) for key in st.query_params}
    wrong = [key for key, values in found.items() if any(value == "" or _is_infinite(value) for value in values)]
    with contextlib.suppress(StreamlitAPIException):  # a widget on the page holds it, and has its value already
        for key in wrong:
            del st.query_params[key]
        if wrong:
            st.rerun()


def _is_infinite(value: str) -> bool:
    try:
        return math.isinf(float(value))
    except ValueError:
        return False


LOADERS = {"tense": tense.load, "digits": digits.load, "video": video.load}


def load_model(name: str, system: str = "tense") -> Any:
    """A model by its name or its run's id, loaded once for all sessions and again when its file changes."""
    return _load(system, *stamp(name))


def stamp(name: str) -> tuple[str, float]:
    """What tells a model's file from what it was before: its path and when it was written."""
    path = runs.find_weights(name)
    return str(path), path.stat().st_mtime


@st.cache_resource(max_entries=8, show_spinner="Loading the model…")
def _load(system: str, path: str, modified: float) -> Any:
    model = LOADERS[system](path)
    # A full collection of garbage looks at all that lives, a dictionary of verbs among it: 0.2 s in which nobody is
    # answered. What is loaded by now stays, and needs no looking at.
    gc.freeze()
    return model


@st.cache_data
def read_scores(name: str = "tense") -> dict:
    """What `evaluate tense --compare --json` printed for the shipped checkpoints `tense` and `tense-heldout`."""
    return json.loads((checkpoint.ROOT / "assets" / f"{name}.json").read_text())


def show_remark(word: str) -> bool:
    """What the dictionary says of modal verbs and past participles, with a link; whether the word can be converted."""
    remark = lexicon.remark(word)
    if remark is None:
        return True
    st.info(remark.text)
    if remark.lemma and not remark.convertible:
        st.page_link("pages/convert.py", label=f"Convert {remark.lemma}", query_params={"verb": remark.lemma})
    return remark.convertible


def model_names(system: str = "tense") -> list[str]:
    """The shipped models of a system, the best first, then those of finished runs, newest first."""
    return sorted(checkpoint.available(system), key=lambda n: (n != system, n)) + runs.finished(system)


def pick_model(label: str, key: str, none: str | None = None) -> tense.Tense | None:
    """A list of the tense models; `none` adds a first entry that stands for no model."""
    names = model_names()
    if not names:
        st.error("There is no model in checkpoints/: train one with `python -m cvae_core train tense --out tense`.")
        st.stop()
    options = ([none] if none else []) + names
    chosen = st.selectbox(label, options, key=key, bind="query-params")
    if chosen == none or chosen not in options:
        return None if none else load_model(names[0])
    try:
        return load_model(chosen)
    except UserError as error:
        st.error(str(error))
        st.stop()
