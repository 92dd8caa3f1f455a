"""Video: what a model predicts for the next frames, and how the prediction follows the arm's actions."""

import streamlit as st

import ui

ui.frame("video")

from cvae_core.errors import UserError
from ui.video.clips import pick_clip, pick_model, pick_source
from ui.video.predict import show_predict
from ui.video.reach import show_reach
from ui.video.steer import show_steer

VIEWS = {"Predict": show_predict, "Steer": show_steer, "Reach": show_reach}

ui.header(
    "video", "Video",
    "The model gets two frames and the arm's next actions, and predicts the frames that follow: where the arm is, what "
    "it covers and uncovers, what it pushes.",
)  # fmt: skip
view = ui.pick_view(VIEWS)
try:
    columns = st.columns([3, 2], vertical_alignment="bottom")
    with columns[0]:
        source = pick_source()
    with columns[1]:
        name, model = pick_model()
    clip = pick_clip(source, model.config.past)
    VIEWS[view](name, model, clip)
except UserError as error:
    st.error(str(error))
