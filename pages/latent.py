"""The latent space: ribbons along a path, territories of a plane, a map, samples of the prior, single dimensions."""

import streamlit as st

import ui

ui.frame("latent")

from cvae_core.errors import UserError
from ui.latent.dimensions import show_dimensions
from ui.latent.interpolate import show_interpolate
from ui.latent.map import show_map
from ui.latent.plane import show_planes
from ui.latent.sample import show_sample

VIEWS = {
    "Ribbon": show_interpolate,
    "Plane": show_planes,
    "Map": show_map,
    "Samples": show_sample,
    "Dimensions": show_dimensions,
}

ui.header(
    "latent", "Latent space",
    "The encoder maps a word to two latent vectors: **z identifies a verb**, **s spells a word**; a learned map takes "
    "z to s, and the decoder gets s and the tense, nothing else. What is shown here is decoded from the latent alone.",
)  # fmt: skip
left, right = st.columns([3, 1], vertical_alignment="bottom")
view = ui.pick_view(VIEWS, left)
with right:
    model = ui.pick_model("Model", "model")
try:
    VIEWS[view](model)
except UserError as error:
    st.error(str(error))
