"""The wug test: the past tense of invented verbs, by the visitor, by people, by a rule model and by a network."""

import streamlit as st

import ui

ui.frame("wug")

from pathlib import Path

from cvae_core.errors import UserError
from ui.wug.learning import show_learning
from ui.wug.quiz import show_quiz

STYLE = Path(ui.__file__).with_name("wug") / "wug.css"

st.html(STYLE)
ui.header(
    "wug", "Wug test",
    "What is the past tense of a verb that does not exist? Answer first, then see what people said, what a model of "
    "rules predicts, and what the network finds likely.",
)  # fmt: skip
left, right = st.columns([3, 1], vertical_alignment="bottom")
view = ui.pick_view(["Wug test", "While it learns"], left)
try:
    if view == "Wug test":
        with right:
            model = ui.pick_model("Model", "model")
        show_quiz(model)
    else:
        show_learning()
except UserError as error:
    st.error(str(error))
