"""Comparison of runs: metrics and schedules, one score against another, settings, downloads."""

from collections.abc import Callable
from typing import NamedTuple

import pandas as pd
import streamlit as st

from cvae_core import curves
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.tense.table import safe
from ui.curves.choose import PNG, all_runs, pick_runs, pick_system, read, table_height
from ui.curves.groups import group_frames, pick_baseline, pick_groups, show_notes
from ui.curves.labels import names_in_words
from ui.figures.curves import affected, is_crowded, metric_figure, panel_order, score_figure
from ui.systems import view


class Comparison(NamedTuple):
    """What is drawn: histories of runs or of groups of them, with the columns that they have."""

    system: str
    frames: dict[str, pd.DataFrame]
    baseline: str | None  # the name of one of them
    labels: dict[str, str]  # of the columns, in words

    def columns(self, *kinds: str) -> list[str]:
        """The logged numbers of the given kinds."""
        return curves.names(self.frames, *kinds)


def show_curves(c: Comparison) -> None:
    """Metrics and schedules over training, and a table of their last and best values."""
    first = _first_metrics(c)
    metrics = st.pills(  # not a multiselect: its white text is unreadable on the dark theme's primary colour
        "Metrics", c.columns("loss", "score", "speed"), selection_mode="multi", default=first, key="metric",
        bind="query-params", format_func=c.labels.get,
    )  # fmt: skip
    scheduled = c.columns("schedule")
    schedules = st.pills(
        "Schedules", scheduled, selection_mode="multi", default=[s for s in scheduled if affected(s, first)],
        key="schedule", bind="query-params", format_func=c.labels.get,
        help="Each is drawn below what it affects: the KL weight below the KL, the teacher-forcing ratio (the "
        "probability that the decoder gets the true previous letter or frame) below the reconstruction loss.",
    )  # fmt: skip
    columns = st.columns([3, 3, 4], vertical_alignment="bottom")
    x = columns[0].segmented_control(
        "x axis", ["epoch", "step", "time"], default="epoch", required=True, key="x", bind="query-params"
    )
    smoothing = columns[1].slider(
        "Smoothing", 0.0, 0.99, 0.0, 0.01, key="smoothing", bind="query-params",
        help="Exponential moving average; the curve as logged stays visible, faintly.",
    )  # fmt: skip
    switches = columns[2].container(horizontal=True)
    log_x = switches.toggle("Log x", key="log_x", bind="query-params", help="Spreads the first epochs.")
    log_y = switches.toggle("Log y", key="log", bind="query-params", help="Values of 0 and less are left out.")
    clip = switches.toggle("Clip outliers", key="clip", bind="query-params", help="Shows the middle 96%.")
    if not metrics and not schedules:
        st.info("Choose at least one metric or schedule.")
        return
    best = {name: curves.best_epoch(frame) for name, frame in c.frames.items()}
    figure = metric_figure(c.frames, metrics, schedules, x, smoothing, log_y, clip, best, c.labels, log_x)
    drawn = ", ".join(c.labels[name] for name in panel_order(metrics, schedules))
    st.plotly_chart(figure, key="curves", config=PNG, alt=f"{drawn} of {len(c.frames)} runs by {x}")
    if c.columns("spread"):
        st.markdown("A line with a band is the mean of a group and one standard deviation to both sides of it.")
    st.markdown(
        "The star marks the best epoch: the one with the largest score, or with the smallest loss where no score was "
        "logged. A click on a run's name hides its curves."
    )
    if is_crowded(c.frames, len(metrics) + len(schedules)):
        st.markdown(
            "With this many curves the unsmoothed lines and the shared hover box are left out, and only the first "
            "panel has stars: choose fewer runs or metrics to see them."
        )
    if metrics:
        _show_values(c, metrics)


def _first_metrics(c: Comparison) -> list[str]:
    """The terms of the bound and the system's main score: the first that all histories have, or that one has."""
    terms = [name for name in ("recon", "kl") if name in c.labels] or c.columns("loss")
    scores = [name for name in view(c.system).SCORES if name in c.labels]
    shared = [name for name in scores if all(name in frame for frame in c.frames.values())]
    return terms + (shared or scores or c.columns("score"))[:1]


def _show_values(c: Comparison, metrics: list[str]) -> None:
    """A row per metric and history: the last value and that of the best epoch."""
    st.subheader("Last and best values" if c.baseline is None else f"Last and best values, compared with {c.baseline}")
    table = curves.summary(c.frames, metrics, c.baseline)
    rows = pd.DataFrame([
        {
            "metric": c.labels[metric], "run": name, "at the end": row[f"{metric}, last"],
            "at the best epoch": row[f"{metric}, best epoch"], "best epoch": row["best epoch"],
        }
        for metric in metrics for name, row in table.iterrows()
    ])  # fmt: skip
    digits = {
        column: st.column_config.NumberColumn(format="%.4g")
        for column in rows.select_dtypes("number")
        if column != "best epoch"
    }
    st.dataframe(
        rows, hide_index=True, column_config=digits, height=table_height(len(rows), 20),
        alt="Last and best values of each metric and run",
    )  # fmt: skip


def show_scores(c: Comparison) -> None:
    """One score against another, a point per epoch."""
    options = c.columns("score", "loss")
    if len(options) < 2:
        st.info("These runs logged fewer than two scores.")
        return
    columns = st.columns(2)
    pick = {"format_func": c.labels.get, "bind": "query-params"}
    x = columns[0].selectbox("x axis", options, index=0, key="across", **pick)
    y = columns[1].selectbox("y axis", options, index=1, key="up", **pick)
    st.markdown("Each point is an epoch. A path begins at the open circle and ends at the square.")
    figure = score_figure(c.frames, x, y, c.labels)
    st.plotly_chart(figure, key="scores", config=PNG, alt=f"{c.labels[y]} against {c.labels[x]} by epoch")


def _show_settings(settings: dict[str, dict]) -> None:
    """The settings that differ, folded: a row per setting, a column per run."""
    if len(settings) < 2:
        return
    panel = st.expander("Settings that differ", on_change="rerun", key="settings_open")
    if not panel.open:
        return
    table = curves.differing(settings).T.rename_axis("setting").reset_index()
    if table.empty:
        panel.markdown("These runs have the same settings.")
        return
    widths = {name: st.column_config.TextColumn(width=190) for name in table}
    panel.dataframe(
        table, hide_index=True, column_config=widths, height=table_height(len(table), 40),
        alt="The settings that differ between the runs",
    )  # fmt: skip


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


def compare_runs(show: Callable[[Comparison], None]) -> None:
    """Choose runs of a system, draw their histories or those of groups with `show`, and compare their settings.

    Below are notes and buttons to download the histories.
    """
    runs = all_runs()
    if not runs:
        st.info("There is no run yet: make one on the Train page, or with `python -m cvae_core train tense`.")
        return
    columns = st.columns([2, 3])
    systems = {name: run.system for name, run in runs.items()}
    system = pick_system(columns[0], systems)
    chosen = pick_runs(columns[1], {name: run for name, run in runs.items() if systems[name] in (system, None)})
    settings, frames = {}, {}
    for name, run in chosen.items():
        try:
            settings[name], frames[name] = read(run)
        except UserError as error:  # it was changed since the table was made
            st.warning(f"{error} It is left out.")
    if not frames:
        return
    started = {name: frame for name, frame in frames.items() if len(frame)}
    with st.popover("Groups and baseline", icon=":material/compare_arrows:"):
        groups = pick_groups(st, settings)
        lines = group_frames(groups, started)
        baseline = pick_baseline(st, list(lines))
    if lines:
        logged = list(dict.fromkeys(column for frame in lines.values() for column in frame))
        show(Comparison(system, lines, baseline, names_in_words(system, logged)))
    else:
        st.info("None of these runs has finished an epoch yet.")
    _show_settings(settings)
    show_notes(chosen, groups)
    if started:
        _show_downloads({name: chosen[name] for name in started}, started)
