"""While it learns: the pasts of real irregular and of invented verbs after each epoch of a shipped run."""

import streamlit as st

import ui
from cvae_core.tense import wug
from ui.figures.wug import learning_table

RUN = "wug"


def show_learning() -> None:
    """The view: a slider over the epochs of the run in assets/runs/wug, and two tables of pasts."""
    run = next((run for run in ui.shipped_runs() if run.id == RUN), None)
    pasts = {row["epoch"]: row["pasts"] for row in run.read_samples()} if run else {}
    if not pasts:
        st.info("There is no run in assets/runs/wug.")
        return
    config = run.read_config()["config"]
    st.markdown(
        f"This is the log of a small network, {config['hidden_size']} units wide where `tense` has 256: its first "
        f"{len(pasts)} epochs on the training split of the dictionary, from random weights and without invented verbs. "
        "Children say *went*, later *goed*, then *went* again; Rumelhart and McClelland (1986) saw the same in a "
        "network that met frequent verbs first. Here all verbs are there from the start, the frequent and irregular "
        "ones oftener. Move the slider and see which pasts are regularised when, and which come back."
    )
    epoch = st.select_slider("Epoch", list(pasts), list(pasts)[-1], key="epoch", bind="query-params")
    kinds = [wug.kind_of(verb, pasts[epoch][verb]) for verb in wug.REAL]
    wrong = [pasts[epoch][verb] for verb, kind in zip(wug.REAL, kinds, strict=True) if kind == wug.REGULAR]
    st.markdown(
        f"After epoch {epoch}, {kinds.count(wug.RIGHT)} of {len(kinds)} irregular pasts are right and {len(wrong)} "
        "regularised" + (f": *{', '.join(wrong)}*." if wrong else ".")
    )
    left, right = st.columns(2, gap="large")
    left.markdown("**Real irregular verbs**")
    left.html(learning_table(pasts, wug.REAL, epoch, real=True))
    left.html(
        '<p class="kinds">Each column is an epoch:<i class="right"></i>right<i class="regular"></i>regularised'
        '<i class="other"></i>another form</p>'
    )
    right.markdown("**Invented verbs**")
    right.html(learning_table(pasts, wug.INVENTED, epoch, real=False))
    right.html(
        '<p class="kinds">Each column is an epoch:<i class="regular"></i>regular<i class="other"></i>not regular</p>'
    )
