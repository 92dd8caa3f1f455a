"""A path between two z, decoded step by step."""

import math

import pandas as pd
import streamlit as st
import torch

import ui
from cvae_core.latent import PATHS
from cvae_core.tense import explore
from cvae_core.tense.data import TENSES
from cvae_core.tense.inference import Inflector
from ui.figures import latent as figures
from ui.latent.common import REFINE_HELP, ROUNDS, verb_ends


def show_interpolate(model: Inflector) -> None:
    """The view: the ends of a path, its steps as a table, and the norm of z along it."""
    a, b = _pick_ends(model)
    columns = st.columns([1, 1, 1], vertical_alignment="bottom")
    method = columns[0].segmented_control(
        "Path", list(PATHS), default="lerp", required=True, key="path", bind="query-params",
        help="lerp is the straight line; slerp is the arc around the origin.",
    )  # fmt: skip
    steps = columns[1].slider("Steps", 2, 30, 8, key="steps", bind="query-params")
    refined = columns[2].toggle("Refine each step", key="refine", bind="query-params", help=REFINE_HELP)
    walked = explore.walk(model, a, b, steps, method, ROUNDS if refined else 0)
    st.dataframe(
        pd.DataFrame([
            {"step": w["step"]}
            | {t: _cell(*cell) for t, *cell in zip(TENSES, w["forms"], w["known"], w["probabilities"], strict=True)}
            | {"one verb": "✓" if w["verb"] else "", "norm of z": f"{w['norm']:.2f}"}
            for w in walked
        ]),
        hide_index=True,
        alt="The four forms at each step of the path",
    )  # fmt: skip
    st.markdown(
        "A ✓ after a form: the dictionary lists it in this tense. In the column *one verb*: the dictionary lists all "
        "four as one verb. In brackets: the probability that the decoder gives the word."
    )
    st.download_button("Download CSV", pd.DataFrame(map(_flat_row, walked)).to_csv(index=False), "path.csv", "text/csv")
    st.header("Norm of z along the path")
    _show_norms(model, a, b, method, walked)


def _pick_ends(model: Inflector) -> tuple[torch.Tensor, torch.Tensor]:
    """The two ends of the path, (Z,) each."""
    kind = st.segmented_control(
        "Ends", ["Two verbs", "Two samples"], default="Two verbs", required=True, key="ends", bind="query-params"
    )
    first, second = st.columns(2)
    if kind == "Two verbs":
        return verb_ends(first, second, model)
    seeds = (
        ui.seed_input(first, "Seed of the first z", "seed_a", 1),
        ui.seed_input(second, "Seed of the second z", "seed_b", 2),
    )
    st.button("Resample", on_click=ui.new_seeds, args=("seed_a", "seed_b"), help="Sample two new z from N(0, I).")
    return model.draw(1, seeds[0])[0], model.draw(1, seeds[1])[0]


def _cell(form: str, known: bool, probability: float) -> str:
    percent = "<1%" if probability < 0.01 else f"{probability:.0%}"
    return f"{form}{' ✓' if known else ''} ({percent})"


def _flat_row(w: dict) -> dict:
    """A step of a path as a row of the CSV file."""
    row = {"step": w["step"], "t": w["t"], "norm": w["norm"]}
    for i, tense in enumerate(TENSES):
        row |= {tense: w["forms"][i], f"{tense} probability": w["probabilities"][i], f"{tense} known": w["known"][i]}
    return row | {"one verb": w["verb"]}


def _show_norms(model: Inflector, a: torch.Tensor, b: torch.Tensor, method: str, walked: list[dict]) -> None:
    """A chart of the norm of z on the line and on the arc, and why they differ."""
    norms = {name: model.path(a, b, len(walked), name).norm(dim=1).tolist() for name in PATHS}
    captions = [" · ".join(w["forms"][:2]) + "<br>" + " · ".join(w["forms"][2:]) for w in walked]
    st.plotly_chart(
        figures.walk_figure(norms, method, captions), key="norms", config=ui.PLAIN,
        alt="Norm of z along the straight line and along the arc, with the words of the step",
    )  # fmt: skip
    halfway = [model.path(a, b, 3, name)[1].norm().item() for name in ("lerp", "slerp")]
    d = len(a)
    st.markdown(
        f"The ends of this path have norms {a.norm():.2f} and {b.norm():.2f}; halfway, lerp has "
        f"**{halfway[0]:.2f}** and slerp **{halfway[1]:.2f}**. A sample of N(0, I) in {d} dimensions has a norm of "
        f"about √{d} = {math.sqrt(d):.2f}: nearly all samples lie in a thin shell of that radius. The midpoint of two "
        f"independent samples has half the variance of one, so a norm of about √({d}/2) = {math.sqrt(d / 2):.2f}: the "
        "straight line leaves the shell for a region where the decoder was trained on few examples. Slerp stays in the "
        "shell. Posterior means of words have smaller norms than samples: in dimensions that the model does not use "
        "they stay near 0."
    )
