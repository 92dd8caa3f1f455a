"""The latent space: paths between two z, a map, samples of the prior, single dimensions."""

import streamlit as st

import ui

ui.frame("latent")

from cvae_core.errors import UserError
from ui.latent.dimensions import show_dimensions
from ui.latent.interpolate import show_interpolate
from ui.latent.map import show_map
from ui.latent.sample import show_sample

VIEWS = {
    "Interpolate": show_interpolate,
    "Map": show_map,
    "Sample": show_sample,
    "Dimensions": show_dimensions,
}

st.title("Latent space")
st.markdown(
    "The encoder maps a word to a latent vector z; the decoder decodes a z in any tense. On this page words are always "
    "decoded from z alone, also by models whose decoder gets the encoder's outputs in conversion, so a reconstruction "
    "may differ from its word."
)
left, right = st.columns([3, 1], vertical_alignment="bottom")
view = ui.pick_view(VIEWS, left)
with right:
    model = ui.pick_model("Model", "model")
try:
    VIEWS[view](model)
except UserError as error:
    st.error(str(error))
