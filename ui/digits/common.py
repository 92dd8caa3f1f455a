"""What several views of digits use: the choice of model, crisp pictures, and buttons that save them."""

from collections.abc import Iterable
from html import escape

import numpy as np
import streamlit as st

import ui
from cvae_core.digits.model import LabelCVAE, QuadrantCVAE
from cvae_core.errors import UserError
from ui.figures.digits import png
from ui.pictures import data_url


def pick_model(task: str, label: str, key: str) -> tuple[str, QuadrantCVAE | LabelCVAE]:
    """Choose among the shipped models and finished runs of one task: its name and the model, alone loaded."""
    names = []
    for name in ui.model_names("digits"):
        try:
            if ui.config_of(name, "digits").task == task:
                names.append(name)
        except UserError as error:
            st.warning(f"{error} It is left out.")
    if not names:
        st.error("There is no such model yet: `python -m cvae_core train digits` trains one.")
        st.stop()
    name = st.selectbox(label, names, key=key, bind="query-params")
    return name, ui.load_model(name, "digits")


def image(picture: np.ndarray, caption: str, marked: bool = False) -> str:
    """A picture (h, w) in [0, 1] with its caption as HTML; its pixels stay sharp at any zoom."""
    return (
        f'<figure class="{"nearest" if marked else ""}"><img class="pixels" src="{data_url(picture)}" '
        f'alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def show_images(figures: Iterable[str], least: int, most: str = "none") -> None:
    """Pictures by `image` in rows, each at least so many pixels wide, and at most as wide as the CSS length `most`."""
    st.html(f'<div class="digits" style="--least: {least}px; --most: {most}">{"".join(figures)}</div>')


def show_picture(picture: np.ndarray, caption: str, name: str) -> None:
    """A picture (h, w) in [0, 1] as wide as its column, with buttons that save it."""
    show_images([image(picture, caption)], 200)
    save_buttons(picture, name)


def save_buttons(picture: np.ndarray, name: str) -> None:
    """Buttons that save a picture as a PNG, at its own size and with 8 × 8 pixels for each."""
    with st.container(horizontal=True):
        for scale in (1, 8):
            st.download_button(
                f"PNG {scale}×", lambda scale=scale: png(picture, scale), f"{name}-{scale}x.png", "image/png",
                key=f"save {name} {scale}", on_click="ignore", help=f"Save: {name}",
            )  # fmt: skip
