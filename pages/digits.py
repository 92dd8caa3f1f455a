"""Digits: completions of hidden quadrants, the latent space of a label-conditioned model, training by epoch."""

import streamlit as st

import ui

ui.frame("digits")

import random

import numpy as np
import pandas as pd
import torch
from PIL import Image, UnidentifiedImageError

from cvae_core import runs
from cvae_core.digits import data, inference, metrics
from cvae_core.digits.model import LabelCVAE, QuadrantCVAE, log_likelihood
from cvae_core.digits.photos import read_digit
from cvae_core.errors import UserError
from ui.figures import digits as figures

MAX_PICTURE = 4096  # pixels a side of an uploaded picture
# Decided by the file's content, not its name: some of Pillow's other readers start programs.
FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
NAMES = ("top left", "top right", "bottom left", "bottom right")
OBJECTIVES = {"cvae": "CVAE", "gsnn": "GSNN", "hybrid": "hybrid"}
LIKELIHOOD_SAMPLES = 100
SHEET = 10  # samples per label


def pick_model(task: str, label: str, key: str) -> QuadrantCVAE | LabelCVAE:
    """Choose among the shipped models and finished runs of one task; only the chosen one is loaded."""
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
    return ui.load_model(st.selectbox(label, names, key=key, bind="query-params"), "digits")


def picture_with_download(picture: np.ndarray, caption: str, name: str) -> None:
    """A picture (h, w) in [0, 1] as a PNG, with a button that saves it."""
    file = figures.png(picture, scale=8)
    st.image(file, caption=caption, width="stretch", alt=caption)
    st.download_button("Save", file, f"{name}.png", "image/png", key=f"save {name}")


# --- complete -------------------------------------------------------------------------------------------------------


def pick_digit() -> torch.Tensor:
    """Choose a digit of the built-in test set or upload a picture: (784,) in [0, 1]."""
    images = data.small_digits().test
    file = st.file_uploader("Your own picture of a digit", type=["png", "jpg", "jpeg", "bmp", "webp"])
    if file is not None:
        try:
            picture = Image.open(file, formats=FORMATS)
            if max(picture.size) > MAX_PICTURE:
                raise UserError(f"The picture has {picture.size} pixels: expected at most {MAX_PICTURE} a side.")
            threshold = st.slider(
                "Threshold of the ink", 0.3, 2.5, 1.0, key="threshold", bind="query-params",
                help="Lower if strokes are missing from the picture below, higher if dirt or a shadow is in it.",
            )  # fmt: skip
            return read_digit(picture, threshold).float() / 255
        except UserError as error:
            st.error(str(error))
        except (
            UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError,
        ):  # fmt: skip
            st.error(f"Cannot read {file.name}: expected a picture.")
    last = len(images.pixels) - 1
    st.session_state.setdefault("digit", 3)
    columns = st.columns([2, 1], vertical_alignment="bottom")
    columns[1].button("Another", on_click=lambda: st.session_state.update(digit=random.randint(0, last)))
    index = columns[0].number_input("Digit of the test set", 0, last, step=1, key="digit", bind="query-params")
    return images.pixels[index].float() / 255


def toggle(name: str) -> None:
    """Show or hide a quadrant."""
    visible = set(st.session_state["shown"]) ^ {name}
    st.session_state["shown"] = [n for n in NAMES if n in visible]


def show_complete() -> None:
    """The view: a digit with hidden quadrants, what the models predict there, and their likelihoods."""
    columns = st.columns([2, 2, 2, 1], vertical_alignment="bottom")
    with columns[0]:
        model = pick_model("quadrants", "Model", "model")
    objective = columns[1].segmented_control(
        "Objective", list(model.branches), format_func=OBJECTIVES.get, default=next(iter(model.branches)),
        required=True, key="objective",
    )  # fmt: skip
    n = columns[2].slider("Samples", 1, 100, 25, key="samples", bind="query-params")
    seed = ui.seed_input(columns[3], "Seed", "seed", 0)
    given, single, many = st.columns([6, 3, 5])
    with given:
        pixels = pick_digit()
        visible = pick_quadrants(pixels)
    if all(visible):
        given.info("Nothing is hidden: hide a quadrant.")
        return
    guess, samples = inference.complete(model, pixels, visible, n, seed, objective)
    with single:
        picture_with_download(guess.view(28, 28).numpy(), "The baseline's prediction", "guess")
        picture_with_download(samples.mean(0).view(28, 28).numpy(), f"Mean of {n} samples", "mean")
        st.plotly_chart(
            figures.variance_figure(samples.var(0, unbiased=False).numpy()), key="variance", config=ui.PNG,
            alt="Variance of each pixel over the samples",
        )  # fmt: skip
        st.caption("Variance of each pixel over the samples")
    with many:
        sheet = figures.tile(samples.numpy(), columns=round(n**0.5))
        picture_with_download(sheet, f"{n} samples of the {OBJECTIVES[objective]}", "samples")
        show_likelihoods(model, pixels, visible)


def pick_quadrants(pixels: torch.Tensor) -> tuple[bool, ...]:
    """Which quadrants are visible, by clicks on the picture or by their names."""
    st.session_state.setdefault("shown", ["bottom left"])
    names = st.pills("Visible quadrants", NAMES, selection_mode="multi", key="shown", bind="query-params")
    visible = tuple(name in names for name in NAMES)
    event = st.plotly_chart(
        # A new key after each click drops the selection, so that the same quadrant can be clicked again.
        figures.quadrant_figure(pixels.numpy(), visible), key=f"quadrants {st.session_state.get('clicks', 0)}",
        on_select="rerun", selection_mode="points", config=ui.PLAIN,
        alt=f"The digit; visible: {', '.join(names) or 'nothing'}. A click on a quadrant shows or hides it.",
    )  # fmt: skip
    st.caption("Click a quadrant to show or hide it.")
    if event["selection"]["points"]:
        st.session_state["clicked"] = NAMES[int(np.ravel(event["selection"]["points"][0]["customdata"])[0])]
        st.session_state["clicks"] = st.session_state.get("clicks", 0) + 1
        st.rerun()
    return visible


def show_likelihoods(model: QuadrantCVAE, pixels: torch.Tensor, visible: tuple[bool, ...]) -> None:
    """Negative log-likelihood of the hidden pixels under each model."""
    picture, quadrants = pixels[None], torch.tensor(visible)[None]
    nll = {"baseline": metrics.baseline_nll(model, picture, quadrants)}
    for name, branch in model.branches.items():
        importance = branch.recognition is not None
        samples = LIKELIHOOD_SAMPLES if importance else 10 * LIKELIHOOD_SAMPLES
        generator = torch.Generator().manual_seed(0)
        nll[OBJECTIVES[name]] = -float(log_likelihood(model, name, picture, quadrants, samples, generator, importance))
    st.subheader("Log-likelihood of the hidden pixels")
    st.plotly_chart(
        figures.likelihood_figure(nll), key="likelihood", config=ui.PNG,
        alt="Negative log-likelihood of the hidden pixels under each model",
    )  # fmt: skip
    st.markdown(
        "Negative log-likelihood in nats, lower is better; for models with a recognition network estimated by "
        f"importance sampling with {LIKELIHOOD_SAMPLES} samples, for the GSNN with {10 * LIKELIHOOD_SAMPLES} samples "
        "of its prior. The baseline predicts one picture, the mean of all possible ones; the others sample many sharp "
        "ones."
    )


# --- by label -------------------------------------------------------------------------------------------------------


def show_sheets() -> None:
    """Samples of the conditional model by label, and of the unconditional one."""
    st.session_state.setdefault("sheet", 0)
    st.button("Other samples", on_click=lambda: st.session_state.update(sheet=random.randint(0, ui.MAX_SEED)))
    for column, name, caption in zip(
        st.columns(2), ("digits-label", "digits-unconditional"),
        ("Conditional: one row per label, one column per z", "Unconditional: a new z for each picture"), strict=True,
    ):  # fmt: skip
        pictures = inference.sheet(ui.load_model(name, "digits"), SHEET, st.session_state["sheet"])
        with column:
            picture_with_download(figures.tile(pictures.flatten(0, 1).numpy(), SHEET), caption, name)
    st.markdown(
        "Given the label, z encodes the handwriting: the digits of a column agree in slant and stroke width. Without "
        "it, the same two dimensions must also encode which digit it is, and a z between two digits decodes to neither."
    )


def show_label() -> None:
    """The view: samples by label, and a map of a two-dimensional latent space."""
    show_sheets()
    st.subheader("The map of a latent space")
    model = pick_model("label", "Model", "label_model")
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
        picture_with_download(pictures[row, column].reshape(28, 28), f"Label {label}", "closer")
        whole = figures.tile(pictures.reshape(steps * steps, -1), steps)
        st.download_button("Save the whole map", figures.png(whole, 2), "map.png", "image/png")
    with sheet:
        event = st.plotly_chart(
            figures.manifold_figure(pictures, (row, column)), key=f"map {label} {steps} {row} {column}",
            on_select="rerun", selection_mode="points", config=ui.PLAIN,
            alt=f"Decoded pictures of label {label} over the latent space, {steps} by {steps}",
        )  # fmt: skip
    if event["selection"]["points"]:
        st.session_state["cell"] = tuple(int(v) for v in event["selection"]["points"][0]["customdata"])
        st.rerun()
    st.markdown(
        "The grid points are quantiles of N(0, 1), so that each picture covers an equal share of the prior. The label "
        "determines the digit and z the handwriting: upright or slanted, thin or bold."
        if model.config.conditional
        else "This model is unconditional: z encodes both the digit and the handwriting."
    )


# --- training -------------------------------------------------------------------------------------------------------


def show_training() -> None:
    """The view: curves of a shipped or local run of digits, and its samples and latent space by epoch."""
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
    names = [n for n in history.columns if n not in ("epoch", "step", "seconds", "images_per_second", "learning_rate")]
    chosen = st.pills("Curves", names, selection_mode="multi", default=names[1:3], key="curves")
    if chosen:
        st.line_chart(history.set_index("epoch")[chosen], alt=f"{', '.join(chosen)} by epoch")
    samples = run.read_samples()
    if not samples:
        return
    epoch = st.select_slider("Epoch", [s["epoch"] for s in samples], samples[-1]["epoch"], key=f"epoch {run.id}")
    sample = next(s for s in samples if s["epoch"] == epoch)
    pictures = np.array([list(bytes.fromhex(p)) for p in sample["pictures"]]) / 255
    picture_with_download(figures.tile(pictures, 10), f"Samples after epoch {epoch}", "epoch")
    if "scatter" in sample:
        st.plotly_chart(
            figures.scatter_figure(sample["scatter"], sample["labels"]), key="scatter", config=ui.PNG,
            alt=f"Posterior means of validation images after epoch {epoch}, coloured by label",
        )  # fmt: skip
        st.markdown(
            "Posterior means of validation images. A conditional model need not separate the labels: their clusters "
            "overlap, and z encodes only what the label leaves open."
        )


VIEWS = {"Complete": show_complete, "By label": show_label, "Training": show_training}

# Clicks on charts change widgets' values, which is possible only before the widgets are drawn.
if "clicked" in st.session_state:
    toggle(st.session_state.pop("clicked"))
if "cell" in st.session_state:
    st.session_state["row"], st.session_state["column"] = st.session_state.pop("cell")

ui.header(
    "digits", "Digits",
    "Hide part of a handwritten digit and see which digits the model thinks possible.",
)  # fmt: skip
view = ui.pick_view(VIEWS)
try:
    VIEWS[view]()
except UserError as error:
    st.error(str(error))
