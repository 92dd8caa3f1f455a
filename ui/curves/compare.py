"""Comparison of runs: metrics and schedules, one score against another, settings, downloads."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from cvae_core import curves
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.tense.table import safe
from ui.curves.choose import PNG, all_runs, pick_runs, read
from ui.curves.groups import group_frames, pick_baseline, pick_groups, show_notes
from ui.figures.curves import is_crowded, metric_figure, score_figure


def show_curves(frames: dict[str, pd.DataFrame], baseline: str | None) -> None:
    """Metrics and schedules over training, and a table of their last and best values."""
    losses, scores = curves.names(frames, "loss"), curves.names(frames, "score")
    # Not a multiselect: its white text is unreadable on the dark theme's primary colour.
    metrics = st.pills(
        "Metrics", [*losses, *scores, *curves.names(frames, "speed")], selection_mode="multi",
        default=losses + scores[:1], key="metric", bind="query-params",
    )  # fmt: skip
    scheduled = curves.names(frames, "schedule")
    schedules = st.pills(
        "Schedules", scheduled, selection_mode="multi", default=scheduled, key="schedule",
        bind="query-params",
        help="beta is the weight of the KL term, teacher_forcing_ratio the probability that "
        "the decoder gets the true previous letter or frame.",
    )  # fmt: skip
    columns = st.columns([3, 3, 2, 2], vertical_alignment="bottom")
    x = columns[0].segmented_control(
        "x axis", ["epoch", "step", "time"], default="epoch", required=True, key="x", bind="query-params"
    )
    smoothing = columns[1].slider(
        "Smoothing", 0.0, 0.99, 0.0, 0.01, key="smoothing", bind="query-params",
        help="Exponential moving average; the curve as logged stays visible, faintly.",
    )  # fmt: skip
    log_y = columns[2].toggle("Log scale", key="log", bind="query-params", help="Values of 0 and less are left out.")
    clip = columns[3].toggle(
        "Clip outliers", key="clip", bind="query-params", help="Shows the middle 96 % of the values."
    )
    if not metrics and not schedules:
        st.info("Choose at least one metric or schedule.")
        return
    best = {name: curves.best_epoch(frame) for name, frame in frames.items()}
    figure = metric_figure(frames, metrics, schedules, x, smoothing, log_y, clip, best)
    st.plotly_chart(
        figure, key="curves", config=PNG, alt=f"{', '.join([*metrics, *schedules])} of {len(frames)} runs by {x}"
    )
    if any(curves.names({name: frame}, "spread") for name, frame in frames.items()):
        st.markdown("A line with a band is the mean of a group and one standard deviation to both sides of it.")
    st.markdown(
        "The star marks the best epoch: the largest `score`, or the smallest `loss` where no score was logged. "
        "A click on a run's name hides it; the camera above the chart saves it as PNG."
    )
    if is_crowded(frames, len(metrics) + len(schedules)):
        st.markdown(
            "With this many curves the unsmoothed lines and the shared hover box are left out, and only the first "
            "panel has stars: choose fewer runs or metrics to see them."
        )
    st.subheader("Last and best values" if baseline is None else f"Last and best values, compared with {baseline}")
    table = curves.summary(frames, metrics, baseline)
    numeric = table.select_dtypes("number")
    digits = {column: st.column_config.NumberColumn(format="%.4g") for column in numeric}
    st.dataframe(table, column_config=digits, alt="Last and best values of each run")


def show_scores(frames: dict[str, pd.DataFrame], baseline: str | None) -> None:
    """One score against another, a point per epoch."""
    options = curves.names(frames, "score", "loss")
    if len(options) < 2:
        st.info("These runs logged fewer than two scores.")
        return
    columns = st.columns(2)
    x = columns[0].selectbox("x axis", options, index=0, key="across", bind="query-params")
    y = columns[1].selectbox("y axis", options, index=1, key="up", bind="query-params")
    st.markdown("Each point is an epoch. A path begins at the open circle and ends at the square.")
    st.plotly_chart(score_figure(frames, x, y), key="scores", config=PNG, alt=f"{y} against {x} by epoch")


def _show_settings(settings: dict[str, dict], states: dict[str, str]) -> None:
    """A table: the state of each run, and the settings that differ between runs."""
    st.subheader("Settings that differ")
    table = curves.differing(settings)
    table.insert(0, "state", [states[name] for name in table.index])
    st.dataframe(table, alt="State of each run and the settings that differ between the runs")
    if len(settings) > 1 and table.shape[1] == 1:
        st.markdown("These runs have the same settings.")


def _show_downloads(runs: dict[str, Run], frames: dict[str, pd.DataFrame]) -> None:
    """Buttons to download all histories as CSV, and the runs as TensorBoard files."""
    st.subheader("Download")
    with st.container(horizontal=True):
        st.download_button(
            "All numbers (CSV)", lambda: curves.tidy(frames).map(safe).rename(columns=safe).to_csv(index=False),
            "curves.csv", "text/csv", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "TensorBoard files (zip)", lambda: curves.zip_tensorboard(runs), "tensorboard.zip", "application/zip",
            on_click="ignore", help="Unpack it and start `tensorboard --logdir` on the folder.",
        )  # fmt: skip


def compare_runs(show: Callable[[dict[str, pd.DataFrame], str | None], None]) -> None:
    """Choose runs, draw their histories or those of groups with `show`, and compare their settings.

    Below are notes and buttons to download the histories. `show` gets the histories and the name of the baseline's.
    """
    runs = all_runs()
    if not runs:
        st.info("There is no run yet: make one on the Train page, or with `python -m cvae_core train tense`.")
        return
    chosen = pick_runs(runs)
    settings, frames, states = {}, {}, {}
    for name, run in chosen.items():
        try:
            settings[name], frames[name], states[name] = read(run)
        except UserError as error:
            st.warning(f"{error} It is left out.")
    if not frames:
        return
    started = {name: frame for name, frame in frames.items() if len(frame)}
    columns = st.columns(2)
    groups = pick_groups(columns[0], settings)
    lines = group_frames(groups, started)
    baseline = pick_baseline(columns[1], list(lines))
    if lines:
        show(lines, baseline)
    else:
        st.info("None of these runs has finished an epoch yet.")
    _show_settings(settings, states)
    show_notes(chosen, groups)
    if started:
        _show_downloads({name: chosen[name] for name in started}, started)
