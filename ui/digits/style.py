"""The view Style: the z of a digit with every label, and the way from one digit's style to another's."""

import streamlit as st
import torch

from cvae_core.digits import inference
from cvae_core.latent import lerp
from ui.digits.choose import pick_labelled
from ui.digits.common import image, pick_model, save_buttons, show_images
from ui.figures import digits as figures

FIRST, SECOND = 3, 20  # test digits whose styles differ


def show_style() -> None:
    """The view."""
    columns = st.columns([2, 1])
    with columns[0]:
        name, model = pick_model("label", "Model", "label_model")
    if not model.config.conditional:
        st.info("This model gets no label: its z encodes the digit along with the style. Choose a conditional one.")
        return
    steps = columns[1].slider("Steps", 3, 16, 10, key="style_steps", bind="query-params")
    st.markdown(
        "The label says which digit it is; z, the posterior mean of your digit, holds what the label leaves open: its "
        "style. **Each row is a label, each column a z**: the first column has the style of digit A, the last that of "
        "digit B, and between them z goes along a straight line."
    )
    left, right = st.columns(2)
    with left:
        a = pick_labelled(name, model, first=FIRST, title="Digit A")
    with right:
        b = pick_labelled(name, model, "other ", SECOND, "Digit B")
    if a is None or b is None:
        return
    ends = [inference.style(model, digit.pixels, digit.label) for digit in (a, b)]
    pictures = inference.with_all_labels(model, lerp(*ends, torch.linspace(0, 1, steps))).numpy()
    st.subheader("Style A with all ten labels")
    show_images((image(row[0].reshape(28, 28), f"{label}") for label, row in enumerate(pictures)), 62)
    st.subheader("From style A to style B")
    sheet = figures.tile(pictures.reshape(-1, 784), steps)
    grid, beside = st.columns([2, 1])
    with grid:
        show_images([image(sheet, "One row per label; A's style on the left, B's on the right")], 200)
    with beside:
        save_buttons(sheet, "styles")
        if model.config.latent_size == 2:
            for name, z in zip("AB", ends, strict=True):
                st.markdown(f"z of digit {name}: ({z[0]:.2f}, {z[1]:.2f})".replace("-", "−"))
        st.markdown(
            "The pictures of a column share z, and with it slant, width and weight of the stroke, whatever the label."
        )
