"""Digits: completions of hidden quadrants, styles, the gap of the bound, the latent space by label, training."""

import streamlit as st

import ui

ui.frame("digits")

from pathlib import Path

from cvae_core.errors import UserError
from ui.digits.complete import show_complete
from ui.digits.gap import show_gap
from ui.digits.label import show_label
from ui.digits.style import show_style
from ui.digits.training import show_training

VIEWS = {
    "Complete": show_complete, "Style": show_style, "Gap": show_gap, "By label": show_label, "Training": show_training,
}  # fmt: skip

# A click on the map changes sliders' values, which is possible only before the sliders are drawn.
if "cell" in st.session_state:
    st.session_state["row"], st.session_state["column"] = st.session_state.pop("cell")

st.html(Path(ui.__file__).with_name("digits") / "digits.css")
ui.header(
    "digits", "Digits",
    "Hide part of a handwritten digit, or draw one yourself, and see which digits the model thinks possible.",
)  # fmt: skip
view = ui.pick_view(VIEWS)
try:
    VIEWS[view]()
except UserError as error:
    st.error(str(error))
