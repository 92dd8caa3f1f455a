"""The choice of a digit: one of the test set, one's own drawing, or a photograph."""

import random
from typing import NamedTuple

import numpy as np
import streamlit as st
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

import ui
from cvae_core.digits import data, exact
from cvae_core.digits.model import LabelCVAE
from cvae_core.digits.photos import read_digit
from cvae_core.errors import UserError
from ui.digits.common import image, show_images
from ui.pictures.digits import drawn, show_canvas

TEST, DRAW, PHOTO = "Test set", "Draw", "Photo"
MAX_PICTURE = 4096  # pixels a side of an uploaded picture
# Decided by the file's content, not its name: some of Pillow's other readers start programs.
FORMATS = ("PNG", "JPEG", "BMP", "WEBP")


class Digit(NamedTuple):
    """A chosen picture."""

    pixels: Tensor  # (784,) in [0, 1]
    label: int | None  # None: unknown
    index: int | None = None  # in the test set


def pick_source(key: str = "source", label: str = "Digit") -> str:
    """Choose where a digit comes from."""
    return st.segmented_control(
        label, [TEST, DRAW, PHOTO], default=TEST, required=True, key=key, bind="query-params",
        help="Without a pointer: choose one of the test set.",
    )  # fmt: skip


def pick_digit(source: str, prefix: str = "", first: int = 3) -> Digit | None:
    """Choose a digit from a source; None as long as nothing is drawn or uploaded. `prefix` begins the widgets' keys."""
    if source == DRAW:
        return _drawing(f"{prefix}drawing")
    if source == PHOTO:
        return _photo(prefix)
    images = data.small_digits().test
    key, last = f"{prefix}digit", len(images.pixels) - 1
    st.session_state.setdefault(key, first)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        index = st.number_input("Number of the digit", 0, last, step=1, key=key, bind="query-params", width=170)
        st.button(
            "Another", key=f"{key} another", on_click=lambda: st.session_state.update({key: random.randint(0, last)})
        )
    return Digit(images.pixels[index].float() / 255, int(images.labels[index]), index)


def _drawing(key: str) -> Digit | None:
    strokes = show_canvas(key, "A black square to draw a digit on. Without a pointer, choose one of the test set.")
    picture = drawn(strokes)
    if not (picture > 64).any():
        st.caption("Draw a digit, as large as the square: the model's answer follows the pen.")
        return None
    return Digit(data.centre(picture).float() / 255, None)


def _photo(prefix: str) -> Digit | None:
    file = st.file_uploader(
        "Your own picture of a digit", type=["png", "jpg", "jpeg", "bmp", "webp"], max_upload_size=5,
        key=f"{prefix}photo",
    )  # fmt: skip
    if file is None:
        return None
    threshold = st.slider(
        "Threshold of the ink", 0.3, 2.5, 1.0, key=f"{prefix}threshold", bind="query-params",
        help="Lower if strokes are missing from the picture that the model gets, higher if dirt or a shadow is in it.",
    )  # fmt: skip
    try:
        picture = Image.open(file, formats=FORMATS)
        if max(picture.size) > MAX_PICTURE:
            raise UserError(f"The picture has {picture.size} pixels: expected at most {MAX_PICTURE} a side.")
        return Digit(read_digit(picture, threshold).float() / 255, None)
    except UserError as error:
        st.error(str(error))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        st.error(f"Cannot read {file.name}: expected a picture.")
    return None


def pick_labelled(name: str, model: LabelCVAE, prefix: str = "", first: int = 3, title: str = "Digit") -> Digit | None:
    """Choose a digit and its label; the model proposes the label of a drawing or a photograph, where it gets one."""
    left, right = st.columns([3, 1])
    with left:
        source = pick_source(f"{prefix}source", title)
        digit = pick_digit(source, prefix, first)
    if digit is None:
        return None
    label = digit.label
    if label is None:
        with left:
            label = _pick_label(name, model, digit.pixels, f"{prefix}label") if model.config.conditional else 0
    caption = f"{title}, label {label}" if model.config.conditional else title
    with right:
        show_images([image(digit.pixels.view(28, 28).numpy(), caption)], 84, "150px")
    return digit._replace(label=label)


def _pick_label(name: str, model: LabelCVAE, pixels: Tensor, key: str) -> int:
    probabilities = _label_probabilities(ui.stamp(name), model, pixels.numpy())
    order = np.argsort(-probabilities)
    return st.selectbox(
        "Label", order.tolist(), key=f"{key} {order[0]}", format_func=lambda c: f"{c}  ({probabilities[c]:.1%})",
        help="p(label | picture) by Bayes' rule from the model's p(picture | label), which is exact here.",
    )  # fmt: skip


@st.cache_data(max_entries=100, show_spinner=False)
def _label_probabilities(stamp: tuple[str, float], _model: LabelCVAE, pixels: np.ndarray) -> np.ndarray:
    """See `exact.label_probabilities`."""
    return exact.label_probabilities(_model, torch.from_numpy(pixels)).numpy()
