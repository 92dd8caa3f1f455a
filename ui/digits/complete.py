"""The view Complete: a digit with hidden quadrants, what the models predict there, and their likelihoods."""

import numpy as np
import streamlit as st
import torch
from torch import Tensor

import ui
from cvae_core.digits import inference, metrics
from cvae_core.digits.data import pixel_mask
from cvae_core.digits.model import QuadrantCVAE, log_likelihood
from ui.digits.choose import DRAW, pick_digit, pick_source
from ui.digits.common import image, pick_model, save_buttons, show_images
from ui.figures import bars
from ui.figures import digits as figures
from ui.pictures import data_url
from ui.pictures.digits import show_completion

NAMES = ("top left", "top right", "bottom left", "bottom right")
OBJECTIVES = {"cvae": "CVAE", "gsnn": "GSNN", "hybrid": "hybrid"}
LIKELIHOOD_SAMPLES = 100


def show_complete() -> None:
    """The view."""
    columns = st.columns([2, 2, 2, 1], vertical_alignment="bottom")
    with columns[0]:
        _, model = pick_model("quadrants", "Model", "model")
    names = list(model.branches)  # the hybrid, where there is one, is the last
    objective = columns[1].segmented_control(
        "Objective", names, format_func=OBJECTIVES.get, default=names[-1], required=True, key="objective",
        help="The CVAE has the best bound; the hybrid, whose training also decodes samples of the prior, the best "
        "samples; the GSNN (Gaussian stochastic network) is trained on those alone.",
    )  # fmt: skip
    n = columns[2].slider("Samples", 1, 100, 24, key="samples", bind="query-params")
    seed = ui.seed_input(columns[3], "Seed", "seed", 0)
    choice, hiding = st.columns([2, 3])
    with choice:
        chosen = pick_source()
    with hiding:
        visible = _pick_quadrants()
    left, right = st.columns([3, 7]) if chosen == DRAW else (st.container(), st.container())
    with left:
        digit = pick_digit(chosen)
    if digit is None:
        return
    pixels = digit.pixels
    with right:
        if all(visible):
            st.info("Nothing is hidden: hide a quadrant.")
            return
        guess, samples = inference.complete(model, pixels, visible, n, seed, objective)
        _show_row(pixels, visible, guess, samples)
    left, right = st.columns([3, 2])
    with left:
        _show_samples(pixels, visible, samples, OBJECTIVES[objective])
    with right:
        _show_likelihoods(model, pixels, visible)


def _pick_quadrants() -> tuple[bool, ...]:
    """Which quadrants are visible, by their names; clicks on the picture change them, too."""
    st.session_state.setdefault("shown", ["bottom left"])
    names = st.pills(
        "Visible quadrants", NAMES, selection_mode="multi", key="shown", bind="query-params",
        help="Or click the quadrants of the first picture.",
    )  # fmt: skip
    return tuple(name in names for name in NAMES)


def toggle(name: str) -> None:
    """Show or hide a quadrant."""
    visible = set(st.session_state["shown"]) ^ {name}
    st.session_state["shown"] = [n for n in NAMES if n in visible]


def _show_row(pixels: Tensor, visible: tuple[bool, ...], guess: Tensor, samples: Tensor) -> None:
    """One row: the visible part, the truth, the deterministic guess, and mean and variance of the samples."""
    shown = pixels * pixel_mask(torch.tensor(visible))
    variance = figures.viridis(samples.var(0, unbiased=False).view(28, 28).numpy() / 0.25)  # a share of the largest
    mean = samples.mean(0)
    pictures = {
        "Visible part": shown, "Truth": pixels, "Deterministic guess": guess, f"Mean of {len(samples)} samples": mean,
    }  # fmt: skip
    named = [(picture.view(28, 28).numpy(), caption) for caption, picture in pictures.items()]
    named.append((variance, "Variance of each pixel"))
    show_completion([(data_url(picture), caption) for picture, caption in named], visible, NAMES, toggle)
    grey = torch.stack(list(pictures.values())).numpy()
    save_buttons(figures.beside(figures.tile(grey, len(grey)), variance), "completion")


def _show_samples(pixels: Tensor, visible: tuple[bool, ...], samples: Tensor, objective: str) -> None:
    """The samples, the one under which the true pixels are likeliest first; the nearest to the truth is marked."""
    st.subheader(f"Samples of the {objective}")
    hidden = ~pixel_mask(torch.tensor(visible))
    log_p = metrics.picture_log_likelihood(samples, pixels, hidden)
    nearest = int((samples - pixels).square().sum(1).argmin())
    order = log_p.argsort(descending=True).tolist()
    show_images(
        (
            image(
                samples[i].view(28, 28).numpy(),
                ("★ " if i == nearest else "") + f"{log_p[i]:.1f}".replace("-", "−"), i == nearest,
            )
            for i in order
        ),
        62,
    )  # fmt: skip
    st.caption(
        "Under each sample: log p(y | x, z), the log-likelihood in nats of the true hidden pixels y given its z, by "
        "which the samples are sorted. ★: the nearest to the truth, by squared distance."
    )
    save_buttons(figures.tile(samples[order].numpy(), columns=int(np.ceil(len(order) ** 0.5))), "samples")


def _show_likelihoods(model: QuadrantCVAE, pixels: Tensor, visible: tuple[bool, ...]) -> None:
    """Negative log-likelihood of the hidden pixels under each model."""
    read, quadrants = pixels[None, None], torch.tensor(visible)[None]
    nll = {"baseline": float(metrics.baseline_nll(model, read, quadrants))}
    for name, branch in model.branches.items():
        importance = branch.recognition is not None
        samples = LIKELIHOOD_SAMPLES if importance else 10 * LIKELIHOOD_SAMPLES
        generator = torch.Generator().manual_seed(0)
        nll[OBJECTIVES[name]] = -float(log_likelihood(model, name, read, quadrants, samples, generator, importance))
    st.subheader("Likelihood of the truth")
    rows = [(name, value / max(nll.values()), f"{value:.1f}") for name, value in nll.items()]
    st.html(bars(rows, "Negative log-likelihood of the hidden pixels under each model, in nats"))
    st.markdown(
        "−log p(y | x) of the hidden pixels in nats, lower is better: for models with a recognition network estimated "
        f"by importance sampling with {LIKELIHOOD_SAMPLES} samples, for the GSNN with {10 * LIKELIHOOD_SAMPLES} "
        "samples of its prior. The baseline predicts one picture, the mean of all possible ones; the others sample "
        "many sharp ones."
    )
