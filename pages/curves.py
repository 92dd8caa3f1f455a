"""Compare training runs: losses, scores and schedules; sweeps; the scores that the reports claim."""

import streamlit as st

import ui

ui.frame("curves")

from functools import partial

from cvae_core.errors import UserError
from ui.curves.compare import compare_runs, show_curves, show_scores
from ui.curves.reports import show_reports
from ui.curves.sweeps import show_sweeps

VIEWS = {
    "Curves": partial(compare_runs, show_curves),
    "Two scores": partial(compare_runs, show_scores),
    "Sweeps": show_sweeps,
    "Claimed and measured": show_reports,
}

ui.header(
    "curves", "Curves",
    "Compare trainings: losses and scores epoch by epoch, beside the schedules that shaped them.",
)  # fmt: skip
view = ui.pick_view(VIEWS)
try:
    VIEWS[view]()
except UserError as error:
    st.error(str(error))
