"""Models by name: loaded once for all sessions, listed without loading them."""

import gc
from typing import Any

import streamlit as st

from cvae_core import checkpoint, jobs, runs
from cvae_core.config import TrainConfig, config_from_dict
from cvae_core.errors import UserError
from cvae_core.systems import family
from cvae_core.tense import uploads


def load_model(name: str, system: str = "tense") -> Any:
    """A model by its name or its run's id, loaded once for all sessions and again when its file changes."""
    return _load(system, *stamp(name))


def stamp(name: str) -> tuple[str, float]:
    """The version of a model's file: its path and modification time."""
    path = runs.find_weights(name)
    return str(path), path.stat().st_mtime


@st.cache_resource(max_entries=8, show_spinner="Loading the model…")
def _load(system: str, path: str, modified: float) -> Any:
    model = family(system).load(path)
    # A full garbage collection visits all live objects, the dictionary of verbs among them, and blocks every session
    # for 0.2 s. It leaves out what is frozen, all that is loaded by now.
    gc.freeze()
    return model


def config_of(name: str, system: str) -> TrainConfig:
    """The config of a model from its file's header, without reading weights. UserError if it has no valid config."""
    path = runs.find_weights(name)
    header = checkpoint.read_header(path)
    if header is None:
        raise UserError(f"{path.name} is not a checkpoint of this program.")
    config = header.get("config")
    if not isinstance(config, dict):
        raise UserError(f"{name} holds no config for its weights.")
    return config_from_dict(family(system).Config, config)


def model_names(system: str = "tense") -> list[str]:
    """The shipped models of a system, the best first, then finished runs, newest first, then this session's uploads."""
    shipped = sorted(checkpoint.available(system), key=lambda n: (n != system, n))
    return shipped + runs.finished(system) + (st.session_state.get("uploads", []) if system == "tense" else [])


def upload_model(place, label: str, picker: str) -> str | None:
    """Upload a checkpoint of verbs for this session: its name, None without a file. A new one is chosen in a picker.

    Called before the picker with that key is drawn. UserError if the file is not a checkpoint that can be used.
    """
    file = place.file_uploader(
        label, type=["safetensors"], max_upload_size=uploads.MAX_MEGABYTES, key="checkpoint",
        help="As *Download the model* saves it, or from `checkpoints/`. It is validated, never executed, seen by this "
        f"session alone, and removed after {uploads.HOURS:.0f} hours.",
    )  # fmt: skip
    if file is None:
        return None
    if st.session_state.get("upload") != file.file_id:
        jobs.check_disk_usage()
        name = uploads.store(file.getvalue(), file.name)
        others = [other for other in st.session_state.get("uploads", []) if other != name]
        st.session_state["uploads"] = [*others, name]
        st.session_state["upload"], st.session_state[picker] = file.file_id, name
    return st.session_state["uploads"][-1]


def pick_model(label: str, key: str, none: str | None = None, names: list[str] | None = None) -> Any:
    """Choose a tense model, of `names` or of all; `none` is the label of a first entry for no model: None."""
    names = names or model_names()
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
