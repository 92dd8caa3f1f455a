"""What the pages share: the frame's guard, cached models, the model picker."""

import json

import streamlit as st
import torch

from cvae_core import checkpoint, runs
from cvae_core.digits import model as digits
from cvae_core.errors import UserError
from cvae_core.tense import inference

torch.set_num_threads(1)  # threads of several sessions would fight for the cores


def frame(name: str) -> None:
    """Run by every page first: where Streamlit ran the page's file by itself, go through app.py.

    It does so on the first deep link to a fresh server, because the folder is called pages/.
    """
    if not st.session_state.get("_framed"):
        st.session_state["_bounce"] = (name, {key: st.query_params.get_all(key) for key in st.query_params})
        st.switch_page("app.py")


def load_model(name: str) -> inference.Tense:
    """A model by its name or its run's id, loaded once for all sessions and again when its file changes."""
    path = runs.find_weights(name)
    return _load(str(path), path.stat().st_mtime)


@st.cache_resource(max_entries=3, show_spinner="Loading the model…")
def _load(path: str, modified: float) -> inference.Tense:
    return inference.load(path)


@st.cache_data
def read_scores() -> dict:
    """What `python -m cvae_core evaluate tense --compare --json` printed for the shipped model."""
    return json.loads((checkpoint.ROOT / "assets" / "tense.json").read_text())


def load_digits(name: str) -> digits.QuadrantCVAE | digits.LabelCVAE:
    """A model of digits, like `load_model`."""
    path = runs.find_weights(name)
    return _load_digits(str(path), path.stat().st_mtime)


@st.cache_resource(max_entries=6, show_spinner="Loading the model…")
def _load_digits(path: str, modified: float) -> digits.QuadrantCVAE | digits.LabelCVAE:
    from cvae_core.digits import inference

    return inference.load(path)


def model_names(system: str = "tense") -> list[str]:
    """The shipped models of a system, the best first, then those of finished runs, newest first."""
    return sorted(checkpoint.available(system), key=lambda n: (n != system, n)) + runs.finished(system)


def pick_model(label: str, key: str, none: str | None = None) -> inference.Tense | None:
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
