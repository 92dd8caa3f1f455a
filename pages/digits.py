"""Digits: hide quadrants and see what could be there, walk the map of a label-conditioned model, watch it train."""

import streamlit as st

import ui

ui.frame("digits")

import random

import numpy as np
import pandas as pd
import torch
from PIL import Image, UnidentifiedImageError

from cvae_core import checkpoint, runs
from cvae_core.digits import data, inference
from cvae_core.digits.model import LabelCVAE, QuadrantCVAE, log_likelihood
from cvae_core.errors import UserError
from cvae_core.figures import digits as figures

MAX_SEED = 2**31 - 1
MAX_PICTURE = 4096  # pixels a side of an uploaded picture
# What the picture is, not what its name says: some of Pillow's other readers start programs.
FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
PLAIN = {"displayModeBar": False}
PNG = {"displaylogo": False, "modeBarButtons": [["toImage"]]}
NAMES = ("top left", "top right", "bottom left", "bottom right")
CALLED = {"cvae": "CVAE", "gsnn": "GSNN", "hybrid": "hybrid"}
LIKELIHOOD_DRAWS = 100
SHEET = 10  # samples of each label


def pick_model(kind: type, label: str, key: str) -> QuadrantCVAE | LabelCVAE:
    """A list of the shipped models and finished runs of one kind."""
    names = []
    for name in ui.model_names("digits"):
        try:
            if isinstance(ui.load_model(name, "digits"), kind):
                names.append(name)
        except UserError as error:
            st.warning(f"{error} It is left out.")
    if not names:
        st.error("There is no such model yet: `python -m cvae_core train digits` makes one.")
        st.stop()
    return ui.load_model(st.selectbox(label, names, key=key, bind="query-params"), "digits")


def picture_with_download(picture: np.ndarray, caption: str, name: str) -> None:
    """A picture (h, w) in [0, 1] as a PNG, with a button that saves it."""
    file = figures.png(picture, scale=8)
    st.image(file, caption=caption, width="stretch", alt=caption)
    st.download_button("Save", file, f"{name}.png", "image/png", key=f"save {name}")


# --- complete -------------------------------------------------------------------------------------------------------


def pick_digit() -> torch.Tensor:
    """A digit of the built-in test set, or the user's own picture: (784,) in [0, 1]."""
    images = data.small_digits().test
    file = st.file_uploader("Your own picture of a digit", type=["png", "jpg", "jpeg", "bmp", "webp"])
    if file is not None:
        try:
            picture = Image.open(file, formats=FORMATS)
            if max(picture.size) > MAX_PICTURE:
                raise UserError(f"The picture has {picture.size} pixels: expected at most {MAX_PICTURE} a side.")
            return data.centre(np.asarray(picture.convert("L"))).float() / 255
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
    """Show or hide a quadrant; all four cannot be shown."""
    shown = set(st.session_state["shown"])
    st.session_state["shown"] = [n for n in NAMES if n in shown ^ {name}]


def show_complete() -> None:
    columns = st.columns([2, 2, 2, 1], vertical_alignment="bottom")
    with columns[0]:
        model = pick_model(QuadrantCVAE, "Model", "model")
    objective = columns[1].segmented_control(
        "Objective", list(model.branches), format_func=CALLED.get, default=next(iter(model.branches)), required=True,
        key="objective",
    )  # fmt: skip
    n = columns[2].slider("Samples", 1, 100, 25, key="samples", bind="query-params")
    st.session_state.setdefault("seed", 0)
    seed = columns[3].number_input("Seed", 0, MAX_SEED, step=1, key="seed", bind="query-params")
    given, single, many = st.columns([6, 3, 5])
    with given:
        pixels = pick_digit()
        seen = pick_quadrants(pixels)
    if all(seen):
        given.info("Nothing is hidden: hide a quadrant.")
        return
    guess, drawn = inference.complete(model, pixels, seen, n, seed, objective)
    with single:
        picture_with_download(guess.view(28, 28).numpy(), "The baseline's one guess", "guess")
        picture_with_download(drawn.mean(0).view(28, 28).numpy(), f"Mean of {n} samples", "mean")
        st.plotly_chart(
            figures.variance_figure(drawn.var(0, unbiased=False).numpy()), key="variance", config=PNG,
            alt="Variance of each pixel over the samples",
        )  # fmt: skip
        st.caption("Where the samples differ: the variance of each pixel")
    with many:
        sheet = figures.tile(drawn.numpy(), columns=round(n**0.5))
        picture_with_download(sheet, f"{n} samples of the {CALLED[objective]}", "samples")
        show_likelihoods(model, pixels, seen)


def pick_quadrants(pixels: torch.Tensor) -> tuple[bool, ...]:
    """Which quadrants are shown, by clicks on the picture or by its names."""
    st.session_state.setdefault("shown", ["bottom left"])
    shown = st.pills("Quadrants shown", NAMES, selection_mode="multi", key="shown", bind="query-params")
    seen = tuple(name in shown for name in NAMES)
    event = st.plotly_chart(
        # A key of its own after each click forgets the selection, so that the same quadrant can be clicked again.
        figures.quadrant_figure(pixels.numpy(), seen), key=f"quadrants {st.session_state.get('clicks', 0)}",
        on_select="rerun", selection_mode="points", config=PLAIN,
        alt=f"The digit; shown: {', '.join(shown) or 'nothing'}. A click on a quadrant shows or hides it.",
    )  # fmt: skip
    st.caption("Click a quadrant to show or hide it.")
    if event["selection"]["points"]:
        st.session_state["clicked"] = NAMES[int(np.ravel(event["selection"]["points"][0]["customdata"])[0])]
        st.session_state["clicks"] = st.session_state.get("clicks", 0) + 1
        st.rerun()
    return seen


def show_likelihoods(model: QuadrantCVAE, pixels: torch.Tensor, seen: tuple[bool, ...]) -> None:
    """How well each model foresaw the pixels that were hidden."""
    shown = torch.tensor(seen)[None]
    with torch.no_grad():
        guess, _ = model.condition(pixels[None], shown)
        hidden = ~data.pixel_mask(shown)
        nll = {"baseline": float(-((pixels * guess - torch.nn.functional.softplus(guess)) * hidden).sum())}
    for name, branch in model.branches.items():
        draws = LIKELIHOOD_DRAWS if branch.recognition is not None else 10 * LIKELIHOOD_DRAWS
        generator = torch.Generator().manual_seed(0)
        found = log_likelihood(model, name, pixels[None], shown, draws, generator, branch.recognition is not None)
        nll[CALLED[name]] = -float(found)
    st.subheader("How well was the truth foreseen?")
    st.plotly_chart(
        figures.likelihood_figure(nll), key="likelihood", config=PNG,
        alt="Negative log-likelihood of the hidden pixels under each model",
    )  # fmt: skip
    st.markdown(
        "Negative log-likelihood of the hidden pixels, less is better; for models with a recognition network by "
        f"importance sampling with {LIKELIHOOD_DRAWS} draws, for the GSNN with {10 * LIKELIHOOD_DRAWS} draws from its "
        "prior. The baseline says one picture, a blend of all that could be there; the others say many sharp ones."
    )


# --- by label -------------------------------------------------------------------------------------------------------


def show_sheets() -> None:
    """Samples by label, beside those of the model that is not told any."""
    st.session_state.setdefault("sheet", 0)
    st.button("Other samples", on_click=lambda: st.session_state.update(sheet=random.randint(0, MAX_SEED)))
    for column, name, caption in zip(
        st.columns(2), ("digits-label", "digits-unconditional"),
        ("Told the label: a row a label, a column a z", "Told nothing: each picture another z"), strict=True,
    ):  # fmt: skip
        pictures = inference.sheet(ui.load_model(name, "digits"), SHEET, st.session_state["sheet"])
        with column:
            picture_with_download(figures.tile(pictures.flatten(0, 1).numpy(), SHEET), caption, name)
    st.markdown(
        "With the label given, one z is one hand: the slant and the weight of a column's digits agree. Without it, the "
        "same two dimensions also have to say which digit, and what lies between two digits is neither."
    )


def show_label() -> None:
    show_sheets()
    st.subheader("The map of a latent space")
    model = pick_model(LabelCVAE, "Model", "label_model")
    if model.config.latent_size != 2:
        st.info("This model's latent space has more than two dimensions: no map can show it all.")
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
            on_select="rerun", selection_mode="points", config=PLAIN,
            alt=f"What the decoder draws for label {label} over the latent space, {steps} by {steps} pictures",
        )  # fmt: skip
    if event["selection"]["points"]:
        st.session_state["cell"] = tuple(int(v) for v in event["selection"]["points"][0]["customdata"])
        st.rerun()
    st.markdown(
        "Each picture stands for an equal share of the prior: its places are quantiles of N(0, 1). The label says "
        "which digit, so that z is free to say how it is written: upright or slanted, thin or bold."
        if model.config.conditional
        else "This model is not told the label: both the digit and its style are a matter of z."
    )


# --- training -------------------------------------------------------------------------------------------------------


def show_training() -> None:
    """The logs of the shipped runs and of this machine's: curves, and the latent space epoch by epoch."""
    shipped = sorted((checkpoint.ROOT / "assets" / "runs").glob("source-003*"))
    here = {f"shipped/{path.name}": runs.Run(path) for path in shipped}
    here |= {run.id: run for run in runs.list_runs(system="digits")}
    if not here:
        st.info("No runs of digits yet: `python -m cvae_core train digits` makes one.")
        return
    run = here[st.selectbox("Run", list(here), key="run", bind="query-params")]
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
    then = next(s for s in samples if s["epoch"] == epoch)
    pictures = np.array([list(bytes.fromhex(p)) for p in then["pictures"]]) / 255
    picture_with_download(figures.tile(pictures, 10), f"What it drew after epoch {epoch}", "epoch")
    if "scatter" in then:
        st.plotly_chart(
            figures.scatter_figure(then["scatter"], then["labels"]), key="scatter", config=PNG,
            alt=f"Posterior means of validation images after epoch {epoch}, coloured by label",
        )  # fmt: skip
        st.markdown(
            "Where validation images lie. A model that is told the label need not keep the labels apart: the clouds "
            "come to lie over one another, and z keeps only what the label leaves open."
        )


VIEWS = {"Complete": show_complete, "By label": show_label, "Training": show_training}

# Clicks on charts change widgets, which must be done before the widgets are drawn.
if "clicked" in st.session_state:
    toggle(st.session_state.pop("clicked"))
if "cell" in st.session_state:
    st.session_state["row"], st.session_state["column"] = st.session_state.pop("cell")

st.title("Digits")
view = st.segmented_control(
    "View",
    list(VIEWS),
    default="Complete",
    required=True,
    key="view",
    bind="query-params",
    label_visibility="collapsed",
)
try:
    VIEWS[view]()
except UserError as error:
    st.error(str(error))
