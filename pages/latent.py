"""The latent space: paths between two verbs, a map, words drawn from the prior, single dimensions."""

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
    "The encoder maps a word to a latent vector z; the decoder decodes a z in any tense. Here words are always decoded "
    "from z alone, even by a model whose decoder also gets the source word in conversion; so a reconstruction may "
    "differ from its word."
)
left, right = st.columns([3, 1], vertical_alignment="bottom")
view = left.segmented_control(
    "View", list(VIEWS), default="Interpolate", required=True, key="view", bind="query-params"
)
with right:
    model = ui.pick_model("Model", "model")
try:
    VIEWS[view](model)
except UserError as error:
    st.error(str(error))
