"""Digits on the Train page."""

import numpy as np
import streamlit as st

from cvae_core.digits.data import TASKS
from cvae_core.run import Run
from cvae_core.systems import family
from ui.figures.digits import png, tile
from ui.form import pick_preset, show_fields, show_start

TITLE = "Digits"
LOSS_UNIT = "nats"
DATA = {None: "scikit-learn's 1,797 small digits", "openml": "MNIST, downloaded from OpenML (11 MB, once)"}
SCORES = {"nll": "negative ELBO, nats per unseen picture"} | {
    f"{model}_{n}": f"{label}, {n} of 4 quadrants visible, nats per picture"
    for model, label in (("baseline", "baseline"), ("cvae", "CVAE"), ("gsnn", "GSNN"), ("hybrid", "hybrid"))
    for n in TASKS
}


def show_form() -> None:
    """The form: data, preset and fields."""
    columns = st.columns(2)
    source = columns[0].selectbox(
        "Pictures", list(DATA), format_func=DATA.get, key="pictures",
        help="MNIST from your own files: `python -m cvae_core train digits --data FOLDER`.",
    )  # fmt: skip
    preset = pick_preset(
        columns[1], list(family("digits").PRESETS), "digits preset", "Hidden quadrants, or digits by their label."
    )
    changed = show_fields("digits", preset)
    show_start("digits", preset, changed, source)


def show_samples(run: Run, rows: list[dict], beside) -> None:
    """The last epoch's samples."""
    pictures = np.array([list(bytes.fromhex(p)) for p in rows[-1]["pictures"]]) / 255
    caption = f"Samples after epoch {rows[-1]['epoch']}"
    beside.image(png(tile(pictures, len(pictures)), 2), caption=caption, alt=caption)


def links(run: Run) -> list[tuple[str, str, dict]]:
    """The Digits page shows runs in every state."""
    return [("digits", "Its samples, epoch by epoch", {"view": "Training", "run": run.id})]
