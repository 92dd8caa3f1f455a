"""Train or fine-tune in the background, follow the run, and score a model as the course does."""

import streamlit as st

import ui

ui.frame("train")

from functools import partial

import pandas as pd

from cvae_core import jobs, runs, worker
from cvae_core.errors import UserError
from cvae_core.settings import training_allowed
from cvae_core.tense import data
from cvae_core.tense.evaluate import MARKS, scorecard
from cvae_core.tense.verb_file import parse_verbs
from ui.form import start
from ui.run_view import show_runs
from ui.systems import titles, view


def show_training() -> None:
    """Choose a system: a form for a new training, and the system's runs."""
    names = titles()
    system = st.segmented_control(
        "What to train", list(names), format_func=names.get, default=next(iter(names)), required=True, key="system",
        bind="query-params",
    )  # fmt: skip
    if hasattr(view(system), "demo") and not jobs.jobs().running():
        show_demo(system)
    with st.expander("A new training", expanded=not runs.list_runs(system=system)):
        try:
            view(system).show_form()
        except UserError as error:
            st.error(str(error))
    show_runs(system)
    if not jobs.jobs().running():
        worker.start_ahead()  # after the page: its imports take seconds of a core


def show_demo(system: str) -> None:
    """A button that starts a training of seconds."""
    columns = st.columns([1, 2], vertical_alignment="center")
    columns[1].markdown(
        "**New here?** A small model learns 24 verbs from nothing while you watch: the losses, the map of its latent "
        "space, conversions that turn right one by one, and random z that turn into verbs."
    )
    if columns[0].button("Watch a model learn", icon=":material/visibility:", key="demo", width="stretch"):
        try:
            preset, verbs = view(system).demo()
            start(system, preset, {}, verbs)
        except UserError as error:
            st.error(str(error))


def show_scorecard() -> None:
    """A model's BLEU-4 and Gaussian score, and whether they reach the course's full marks."""
    st.markdown(
        "The course asks for a mean **BLEU-4** of at least 0.7 on ten pairs of `test.txt`, and a **Gaussian score** of "
        "at least 0.3: of 100 samples z ~ N(0, I), decoded in four tenses, the share whose four words are a row of "
        "`train.txt`. Sets of 100 samples differ by several points, so the score is the mean of five sets."
    )
    chooser, uploader = st.columns(2)
    uploaded = ui.upload_model(uploader, "Or a checkpoint file (.safetensors)", "model")
    with chooser:
        model = ui.pick_model("Model", "model")
        if uploaded == model.name:
            st.markdown(f"**{uploaded}** is valid, and can be chosen on every page of this visit.")
            for page, label in (("convert", "Use it on Convert"), ("latent", "See its latent space")):
                st.page_link(ui.PAGES / f"{page}.py", label=label, query_params={"model": uploaded})
    columns = st.columns(2)
    verb_file = ui.uploaded_text(
        columns[0],
        "Your train.txt (otherwise the verbs that the model was trained on)",
        "rows",
        partial(parse_verbs, as_is=True),
    )
    pairs = ui.uploaded_text(columns[1], "Your test.txt (otherwise the course's ten pairs)", "pairs", data.parse_pairs)
    verbs = verb_file.verbs if verb_file else model.verbs
    with st.spinner("Scoring…"):
        scores = scorecard(model, verbs, pairs or data.COURSE_PAIRS)
    gaussian = scores["gaussian"]
    mean = sum(gaussian) / len(gaussian)
    for column, name, value, help_text in (
        (columns[0], "BLEU-4", scores["bleu4"], f"full marks at {MARKS['bleu4']}"),
        (columns[1], "Gaussian score", mean, f"full marks at {MARKS['gaussian']}; five sets of samples gave "
         f"{min(gaussian):.2f} to {max(gaussian):.2f}, against {len(verbs):,} rows"),
    ):  # fmt: skip
        passed = value >= MARKS["bleu4" if name == "BLEU-4" else "gaussian"]
        column.metric(f"{name} ({'passed' if passed else 'not reached'})", f"{value:.3f}")
        column.markdown(help_text)
    table = pd.DataFrame(scores["pairs"])
    table["bleu4"] = table["bleu4"].round(3)
    st.dataframe(table, hide_index=True, alt="The pairs with the model's answers")


VIEWS = {"Training": show_training, "Scorecard": show_scorecard}

ui.header(
    "train", "Train",
    "Train a model, or fine-tune one on your own verbs, and watch it learn. It goes on in the background.",
)  # fmt: skip
if not training_allowed():
    st.info(
        "Training is switched off on this server (ALLOW_TRAINING is set, and not to yes), so that visitors do not "
        "compete for its CPU. On your own machine `make app` starts the app with it: any preset from random weights, "
        "or fine-tuning on your own verbs in under a minute."
    )
    VIEWS = {"Scorecard": show_scorecard}
try:
    VIEWS[ui.pick_view(VIEWS)]()
except UserError as error:
    st.error(str(error))
