"""The view By label: samples by label, and a map of a two-dimensional latent space."""

import random

import streamlit as st

import ui
from cvae_core.digits import data, inference
from ui.digits.common import pick_model, save_buttons, show_picture
from ui.figures import digits as figures

SHEET = 10  # samples per label


def show_label() -> None:
    """The view."""
    _show_sheets()
    st.subheader("The map of a latent space")
    _, model = pick_model("label", "Model", "label_model")
    if model.config.latent_size != 2:
        st.info("This model's latent space has more than two dimensions: a map cannot show all of it.")
        return
    columns = st.columns(2)
    label = columns[0].select_slider(
        "Label", range(data.LABELS), 5, key="label", bind="query-params", disabled=not model.config.conditional
    )
    steps = columns[1].slider("Pictures a side", 5, 25, 15, step=2, key="steps", bind="query-params")
    pictures = inference.manifold(model, label, steps).numpy()
    middle = steps // 2
    for key in ("row", "column"):
        st.session_state[key] = min(st.session_state.get(key, middle), steps - 1)
    sheet, closer = st.columns([3, 2])
    with closer:
        column = st.slider("First dimension (left to right)", 0, steps - 1, key="column")
        row = st.slider("Second dimension (top to bottom)", 0, steps - 1, key="row")
        show_picture(pictures[row, column].reshape(28, 28), f"Label {label}", "closer")
    with sheet:
        event = st.plotly_chart(
            figures.manifold_figure(pictures, (row, column)), key=f"map {label} {steps} {row} {column}",
            on_select="rerun", selection_mode="points", config=ui.PLAIN,
            alt=f"Decoded pictures of label {label} over the latent space, {steps} by {steps}",
        )  # fmt: skip
        save_buttons(figures.tile(pictures.reshape(steps * steps, -1), steps), "map")
    if event["selection"]["points"]:
        st.session_state["cell"] = tuple(int(v) for v in event["selection"]["points"][0]["customdata"])
        st.rerun()
    st.markdown(
        "The grid points are quantiles of N(0, 1), so that each picture covers an equal share of the prior. The label "
        "determines the digit and z the handwriting: upright or slanted, thin or bold."
        if model.config.conditional
        else "This model is unconditional: z encodes both the digit and the handwriting."
    )


def _show_sheets() -> None:
    """Samples of the conditional model by label, and of the unconditional one."""
    st.session_state.setdefault("sheet", 0)
    st.button("Other samples", on_click=lambda: st.session_state.update(sheet=random.randint(0, ui.MAX_SEED)))
    for column, name, caption in zip(
        st.columns(2), ("digits-label", "digits-unconditional"),
        ("Conditional: one row per label, one column per z", "Unconditional: a new z for each picture"), strict=True,
    ):  # fmt: skip
        pictures = inference.sheet(ui.load_model(name, "digits"), SHEET, st.session_state["sheet"])
        with column:
            show_picture(figures.tile(pictures.flatten(0, 1).numpy(), SHEET), caption, name)
    st.markdown(
        "Given the label, z encodes the handwriting: the digits of a column agree in slant and stroke width. Without "
        "it, the same two dimensions must also encode which digit it is, and a z between two digits decodes to neither."
    )
