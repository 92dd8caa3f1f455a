"""The view Training: curves of a shipped or local run of digits, and its samples and latent space by epoch."""

import numpy as np
import pandas as pd
import streamlit as st

import ui
from cvae_core import runs
from ui.curves.labels import names_in_words
from ui.digits.common import show_picture
from ui.figures import digits as figures

# Columns of an epoch's row that no axis in nats can have.
NO_NATS = ("epoch", "step", "seconds", "images_per_second", "learning_rate", "beta", "teacher_forcing_ratio")


def show_training() -> None:
    """The view."""
    choices = {f"shipped/{run.id}": run for run in reversed(ui.shipped_runs()) if run.system == "digits"}
    choices |= {run.id: run for run in runs.list_runs(system="digits")}
    if not choices:
        st.info("No runs of digits yet: `python -m cvae_core train digits` makes one.")
        return
    run = choices[st.selectbox("Run", list(choices), key="run", bind="query-params")]
    history = pd.DataFrame(run.read_metrics())
    if history.empty:
        st.info("This run has no finished epoch yet.")
        return
    names = [name for name in history.columns if name not in NO_NATS]
    words = names_in_words("digits", names)
    chosen = st.pills(
        "Curves", names, selection_mode="multi", default=names[1:3], format_func=words.get, key="curves"
    )  # fmt: skip
    if chosen:
        drawn = history.set_index("epoch")[chosen].rename(columns=words)
        st.line_chart(drawn, y_label="nats", alt=f"{', '.join(drawn.columns)} by epoch")
    samples = [row for row in run.read_samples() if "pictures" in row]
    if not samples:
        return
    epoch = st.select_slider("Epoch", [s["epoch"] for s in samples], samples[-1]["epoch"], key=f"epoch {run.id}")
    sample = next(s for s in samples if s["epoch"] == epoch)
    pictures = np.array([list(bytes.fromhex(p)) for p in sample["pictures"]]) / 255
    show_picture(figures.tile(pictures, 10), f"Samples after epoch {epoch}", "epoch")
    if "scatter" in sample:
        st.plotly_chart(
            figures.scatter_figure(sample["scatter"], sample["labels"]), key="scatter", config=ui.PNG,
            alt=f"Posterior means of validation images after epoch {epoch}, coloured by label",
        )  # fmt: skip
        st.markdown(
            "Posterior means of validation images. A conditional model need not separate the labels: their clusters "
            "overlap, and z encodes only what the label leaves open."
        )
