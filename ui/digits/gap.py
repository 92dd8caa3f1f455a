"""The view Gap: the exact posterior of one digit, the encoder's q, and how far each bound is from log p(x | c)."""

import time
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st
import torch

import ui
from cvae_core.digits import exact
from cvae_core.digits.model import LabelCVAE
from cvae_core.latent import Gaussian
from ui.digits.choose import Digit, pick_labelled
from ui.digits.common import pick_model
from ui.digits.lag import show_lag
from ui.figures import posterior as figures

AFTER, DURING = "After training", "During training"
FIRST = 7  # of the test digits
PAUSE = 0.35  # seconds between two steps of the optimisation


class Step(NamedTuple):
    """q after a step of the optimisation, with its bounds in nats."""

    mean: np.ndarray  # (2,)
    sigma: np.ndarray  # (2,)
    elbo: float
    bounds: dict[int, float]  # importance-weighted, by their number of samples


class Analysis(NamedTuple):
    """One digit under one model."""

    mass: np.ndarray  # (side, side), p(z in the cell | x, c), rows from the top
    log_p: float  # log p(x | c), nats
    steps: list[Step]  # from the encoder's q to the best Gaussian


def show_gap() -> None:
    """The view: a trained model, or one during its training."""
    when = st.segmented_control(
        "Gap", [AFTER, DURING], default=AFTER, required=True, key="when", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    (show_lag if when == DURING else _show_trained)()


def _show_trained() -> None:
    name, model = pick_model("label", "Model", "label_model")
    st.markdown(
        "With two latent dimensions nothing has to be estimated: on a grid of 161 × 161 cells the integral over z is "
        "a sum, so that log p(x | c) and the true posterior p(z | x, c) are known. The ELBO lies below log p(x | c) by "
        "KL(q ‖ p(z | x, c)), its **gap**."
    )
    digit = pick_labelled(name, model, first=FIRST)
    if digit is None:
        return
    analysis = _analyse(ui.stamp(name), model, digit.pixels.numpy(), digit.label)
    _show_analysis(analysis, digit)
    st.markdown(
        "**Approximation gap**: what the best diagonal Gaussian lacks, because the posterior is no such Gaussian. "
        "**Amortisation gap**: what the encoder's q lacks beside that one, because one network has to give the "
        "posteriors of all pictures ([Cremer, Li and Duvenaud 2018](https://arxiv.org/abs/1801.03558)). Optimising q "
        "for one digit closes the second alone. An importance-weighted bound averages the weights of k samples from q "
        "inside the logarithm: it rises with k to log p(x | c) for any q. [Theory](theory#bound-4) derives the gap."
    )


def _show_analysis(analysis: Analysis, digit: Digit) -> None:
    last = len(analysis.steps) - 1
    # Another digit begins at the encoder's q.
    of = (analysis.log_p, digit.label)
    if st.session_state.get("gap_of") != of:
        st.session_state["gap_of"], st.session_state["gap_step"] = of, 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        pressed = st.button("Optimise q for this digit", icon=":material/target:", key="optimise")
        place = st.container()
    slot = st.empty()
    if pressed:
        for step in range(last + 1):
            slot.html(_picture(analysis, step))
            time.sleep(PAUSE)
        st.session_state["gap_step"] = last
    step = place.slider(
        "Step of the optimisation", 0, last, key="gap_step", help="BFGS on the ELBO; 0 is the encoder's q."
    ) if last else 0  # fmt: skip
    slot.html(_picture(analysis, step))
    ui.table_behind(lambda: _table(analysis), "The bounds as a table", "gap_table")


def _picture(analysis: Analysis, step: int) -> str:
    """The latent plane twice, whole and closer, beside the bars."""
    encoder, now, best = analysis.steps[0], analysis.steps[step], analysis.steps[-1]
    q, first = (now.mean, now.sigma), (encoder.mean, encoder.sigma)
    window = figures.window_around(analysis.mass, exact.WHOLE, [(s.mean, s.sigma) for s in analysis.steps])
    name = "q" if step else "q of the encoder"
    alt = f"True posterior as a heat map with {name} at ({now.mean[0]:.2f}, {now.mean[1]:.2f}), gap " + (
        f"{analysis.log_p - now.elbo:.2f} nats"
    )
    whole = figures.plane(analysis.mass, exact.WHOLE, (0, 0, 3.2), q, first, f"The whole plane. {alt}")
    closer = figures.plane(analysis.mass, exact.WHOLE, window, q, first, f"Closer. {alt}")
    key = figures.key({
        "posterior": "true posterior", "q": f"q, step {step}", "encoder": "q of the encoder", "prior": "prior N(0, I)",
    })  # fmt: skip
    longest = analysis.log_p - encoder.elbo
    approximation, amortisation = analysis.log_p - best.elbo, best.elbo - now.elbo
    colour = figures.COLOURS["q"]
    rows = [
        ("ELBO", [(approximation, figures.BLUE), (amortisation, colour)], _nats(now.elbo, analysis.log_p)),
        *(
            (f"k = {k}", [(analysis.log_p - bound, figures.GREY)], _nats(bound, analysis.log_p))
            for k, bound in now.bounds.items()
        ),
        ("log p(x | c)", [], f"{analysis.log_p:.2f}"),
    ]
    split = figures.bars(
        [
            ("approximation", [(approximation, figures.BLUE)], f"{approximation:.3f} nats"),
            ("amortisation", [(amortisation, colour)], f"{amortisation:.3f} nats"),
        ],
        longest,
    )
    return (
        f'<div class="posterior"><div>{closer}{key}</div><div>'
        f"<p><b>How far each bound is below log p(x | c)</b>, nats</p>{figures.bars(rows, longest)}"
        f"<p><b>The gap of the ELBO: {approximation + amortisation:.3f} nats</b></p>{split}"
        f'<div class="whole">{whole}<p>The whole plane: the posterior is far narrower than the prior.</p></div>'
        "</div></div>"
    )


def _nats(bound: float, log_p: float) -> str:
    return f"{bound:.2f} ({bound - log_p:+.3f})"


def _table(analysis: Analysis) -> pd.DataFrame:
    """A row per step of the optimisation."""
    return pd.DataFrame([
        {
            "step": number, "log p(x | c)": analysis.log_p, "ELBO": step.elbo, "gap": analysis.log_p - step.elbo,
            "amortisation": analysis.steps[-1].elbo - step.elbo,
        } | {f"k = {k}": bound for k, bound in step.bounds.items()}
        for number, step in enumerate(analysis.steps)
    ]).round(3)  # fmt: skip


@st.cache_data(max_entries=50, show_spinner="Integrating over z…")
def _analyse(stamp: tuple[str, float], _model: LabelCVAE, pixels: np.ndarray, label: int) -> Analysis:
    """One digit, computed once for each model, picture and label."""
    picture = torch.from_numpy(pixels)
    (joint,) = exact.log_joint(_model, picture[None], torch.tensor([label]))
    path = exact.optimise(joint, exact.encoder_posterior(_model, picture, label))
    mass = torch.softmax(joint, 0).view(exact.SIDE, exact.SIDE).numpy()
    return Analysis(mass, torch.logsumexp(joint, 0).item(), [_step(joint, q) for q in path])


def _step(joint: torch.Tensor, q: Gaussian) -> Step:
    bounds = exact.importance_bounds(joint, q, torch.Generator().manual_seed(0))
    return Step(q.mu.numpy(), torch.exp(0.5 * q.logvar).numpy(), exact.elbo(joint, q).item(), bounds)
