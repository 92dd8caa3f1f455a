"""Curves of training runs: losses, scores and schedules, one run beside another."""

import streamlit as st

import ui

ui.frame("curves")

import contextlib
import json
from collections.abc import Callable
from functools import partial

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from cvae_core import checkpoint, curves
from cvae_core.errors import UserError
from cvae_core.figures.curves import claims_figure, is_crowded, metric_figure, score_figure
from cvae_core.runs import Run, list_runs
from cvae_core.tense.batch import safe

MAX_RUNS = 30
FEW_RUNS = 8  # more stand in a box that scrolls
PRESELECTED = 4
PNG = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "scale": 2, "filename": "curves"}}


def all_runs() -> dict[str, Run]:
    """Own runs, newest first, then those that came with the project, by the names that the page shows."""
    shipped = {f"shipped/{run.id}": run for run in list_runs(checkpoint.ROOT / "assets" / "runs")}
    return {run.id: run for run in list_runs()} | shipped


@st.cache_data(max_entries=500, show_spinner="Reading the runs…")
def _read(path: str, stamp: tuple, _run: Run) -> tuple[dict, pd.DataFrame]:
    return curves.settings(_run.read_config()), curves.load(_run)


def read(run: Run) -> tuple[dict, pd.DataFrame, str]:
    """Settings, history and state of a run; the files are read again only when they changed."""
    try:
        files = [run.path / name for name in ("config.json", "metrics.jsonl")]
        stats = [file.stat() for file in files if file.exists()]
        settings, history = _read(str(run.path), tuple((s.st_mtime_ns, s.st_size) for s in stats), run)
    except OSError:
        raise UserError(f"Run {run.id} cannot be read.") from None
    is_shipped = not (run.path / "status.json").exists() and run.path.is_relative_to(checkpoint.ROOT / "assets")
    return settings, history, "shipped" if is_shipped else str(run.read_status().get("state", "unknown"))


def match(runs: dict[str, Run], pattern: str) -> list[str]:
    """The names that a regular expression finds itself in.

    By RE2, whose time grows with the length alone: with Python's `re`, `(.|.)+!` would stop the server for hours.
    """
    try:
        found = pc.match_substring_regex(pa.array(runs, pa.string()), pattern=pattern).to_pylist()
    except ValueError as error:  # ArrowInvalid, or half a surrogate pair
        reason = str(error).splitlines()[0][:200]
        raise UserError(f"The filter is not a regular expression ({reason}): try part of a run's name.") from None
    return [name for name, matches in zip(runs, found, strict=True) if matches]


def choose_newest(runs: dict[str, Run]) -> None:
    """After a change of the filter: the newest runs that match it."""
    with contextlib.suppress(UserError):  # said when the page is drawn
        st.session_state["run"] = match(runs, st.session_state["filter"])[:PRESELECTED]


def pick_runs(runs: dict[str, Run]) -> dict[str, Run]:
    """The filter and the list of runs that it leaves to choose from."""
    columns = st.columns([1, 3])
    pattern = columns[0].text_input(
        "Filter by name", key="filter", bind="query-params", max_chars=200, placeholder="for example 2026|shipped",
        on_change=choose_newest, args=(runs,),
        help="A regular expression: `a|b` means a or b, `^2026` begins with 2026, `.*` stands for anything.",
    )  # fmt: skip
    try:
        matching = match(runs, pattern)
    except UserError as error:
        st.error(str(error))
        st.stop()
    with columns[1].container(height=150 if len(matching) > FEW_RUNS else "content"):
        chosen = st.pills(
            f"Runs ({len(matching)} of {len(runs)} match, at most {MAX_RUNS} are compared)", matching,
            selection_mode="multi", default=matching[:PRESELECTED], key="run", bind="query-params",
        )  # fmt: skip
    if not matching:
        st.info("No run's name matches the filter.")
    elif not chosen:
        st.info("Choose at least one run.")
    elif len(chosen) > MAX_RUNS:
        st.info(f"{len(chosen)} runs are chosen: the first {MAX_RUNS} of them are compared.")
    return {name: runs[name] for name in chosen[:MAX_RUNS]}


def show_curves(frames: dict[str, pd.DataFrame]) -> None:
    """Metrics and schedules over training."""
    losses, scores = curves.names(frames, "loss"), curves.names(frames, "score")
    # Pills where a multiselect might stand: its white text cannot be read on the dark theme's primary colour.
    metrics = st.pills(
        "Metrics", [*losses, *scores, *curves.names(frames, "speed")], selection_mode="multi",
        default=losses + scores[:1], key="metric", bind="query-params",
    )  # fmt: skip
    scheduled = curves.names(frames, "schedule")
    schedules = st.pills(
        "Schedules below them", scheduled, selection_mode="multi", default=scheduled, key="schedule",
        bind="query-params",
        help="What training changed by plan: beta is the weight of the KL term, teacher_forcing_ratio the share of "
        "steps in which the decoder is told the true letter or frame before it.",
    )  # fmt: skip
    columns = st.columns([3, 3, 2, 2], vertical_alignment="bottom")
    x = columns[0].segmented_control(
        "Across", ["epoch", "step", "time"], default="epoch", required=True, key="x", bind="query-params"
    )
    smoothing = columns[1].slider(
        "Smoothing", 0.0, 0.99, 0.0, 0.01, key="smoothing", bind="query-params",
        help="Each point becomes an average that leans on the points before it; the line as logged stays, faint.",
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
    st.markdown(
        "The star marks the best epoch: the largest `score`, or the smallest `loss` where no score was logged. "
        "A click on a run's name hides it; the camera above the chart saves it as PNG."
    )
    if is_crowded(frames, len(metrics) + len(schedules)):
        st.markdown(
            "With this many curves the faint unsmoothed lines and the shared hover box are left out, and only the "
            "first panel has stars: choose fewer runs or metrics to see them all."
        )
    st.subheader("Last and best values")
    table = curves.summary(frames, metrics)
    digits = {column: st.column_config.NumberColumn(format="%.4g") for column in table}
    st.dataframe(table, column_config=digits, alt="Last and best values of each run")


def show_scores(frames: dict[str, pd.DataFrame]) -> None:
    """One score against another, epoch by epoch."""
    options = curves.names(frames, "score", "loss")
    if len(options) < 2:
        st.info("These runs logged fewer than two scores.")
        return
    columns = st.columns(2)
    across = columns[0].selectbox("Across", options, index=0, key="across", bind="query-params")
    up = columns[1].selectbox("Up", options, index=1, key="up", bind="query-params")
    st.markdown("Each point is an epoch. A path begins at the open circle and ends at the square.")
    st.plotly_chart(score_figure(frames, across, up), key="scores", config=PNG, alt=f"{up} against {across} by epoch")


def show_runs(settings: dict[str, dict], states: dict[str, str]) -> None:
    """State of each run, and what sets the runs apart."""
    st.subheader("Settings that differ")
    table = curves.differing(settings)
    table.insert(0, "state", [states[name] for name in table.index])
    st.dataframe(table, alt="State of each run and the settings that differ between the runs")
    if len(settings) > 1 and table.shape[1] == 1:
        st.markdown("These runs have the same settings.")


def show_downloads(runs: dict[str, Run], frames: dict[str, pd.DataFrame]) -> None:
    st.subheader("Download")
    with st.container(horizontal=True):
        st.download_button(
            "All numbers (CSV)", lambda: curves.tidy(frames).map(safe).rename(columns=safe).to_csv(index=False),
            "curves.csv", "text/csv", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "TensorBoard files (zip)", lambda: curves.zip_tensorboard(runs), "tensorboard.zip", "application/zip",
            on_click="ignore", help="Unpack them and start `tensorboard --logdir` on the folder.",
        )  # fmt: skip


def compare_runs(show: Callable[[dict[str, pd.DataFrame]], None]) -> None:
    """Choose runs and see their histories, what sets them apart, and files of it all."""
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
    begun = {name: frame for name, frame in frames.items() if len(frame)}
    if begun:
        show(begun)
    else:
        st.info("None of these runs has finished an epoch yet.")
    show_runs(settings, states)
    if begun:
        show_downloads({name: chosen[name] for name in begun}, begun)


# --- sweeps ---------------------------------------------------------------------------------------------------------


@st.cache_resource(max_entries=4, show_spinner="Opening the database…")
def open_studies(url: str):
    from cvae_core import sweep  # Optuna takes a second to import

    return sweep.open_storage(url)


def show_sweeps() -> None:
    """The studies of `python -m cvae_core sweep`: their trials, and Optuna's plots of them."""
    from cvae_core import sweep

    storage = open_studies(sweep.default_storage())
    names = sweep.study_names(storage)
    if not names:
        st.info(
            "There is no sweep yet. This trains 6 models, two at a time: `python -m cvae_core sweep tense --study mine "
            "--grid kl_max=0.1,0.3,1 source=none,aligned --epochs 5 --workers 2`"
        )
        return
    study = sweep.load(st.selectbox("Study", names, key="study", bind="query-params"), storage)
    rows = sweep.table(study)
    done = sum(row["state"] == "complete" for row in rows)
    metric = study.user_attrs["setup"]["metric"]
    st.markdown(f"{done} of {len(rows)} points are trained; the value is `{metric}` after the last epoch.")
    st.dataframe(
        pd.DataFrame(rows).dropna(axis="columns", how="all"), hide_index=True, alt="Trials of the study, the best first"
    )
    if done < 2:
        st.info("Plots need two trained points.")
        return
    plot = st.segmented_control(
        "Plot", list(sweep.PLOTS), default="Parallel coordinates", required=True, key="plot", bind="query-params"
    )
    figure = sweep.PLOTS[plot](study, target_name=metric)
    st.plotly_chart(figure, key=f"sweep {plot}", config=PNG, alt=f"{plot} of the study {study.study_name}")
    here = all_runs()
    drawn = [row["run"] for row in rows if row["run"] in here][:MAX_RUNS]
    if drawn:
        st.button(
            "Draw the curves of its runs", on_click=st.session_state.update, args=({"view": "Curves", "run": drawn},)
        )


# --- the reports ----------------------------------------------------------------------------------------------------


WHY = """
- **Gaussian 1.0 (001)**: its code prints the score of one tuple after the other, 1 for a tuple that is found. The
  score of a set of draws is their mean, which is near 0 for its model as for ours.
- **0.43 and 0.489 (000)**: the text and the table give different scores for one run. As its listing prints the loss,
  the cross entropy is a mean over letters and the KL a sum over dimensions; that weighs the KL so heavily that the
  latent space collapses (KL 0.0): the decoder then says the same few verbs whatever z is. One verb said to every z is
  in the list or is not, so that the Gaussian score is luck, and *distinct* tells it from a score that was earned.
- **BLEU-4 of 002**: 0.9286 is what nine right pairs and one wrong one give; all four of our runs end there.
- **Gaussian scores of 002**: its final KL weight is not printed. At 0.1 the posteriors take 18 to 20 nats, far more
  than the 7 that tell 1,217 verbs apart, so that a random z seldom falls near one of them.
- **One word at a time (001)**: a step of 0.05 for every word is eight times the step of a batch of eight, whose
  gradient is a mean. With the sum over letters it does not converge.
"""


def show_reports() -> None:
    """What the three reports claim, beside what their configurations gave here."""
    results = json.loads((checkpoint.ROOT / "assets" / "reports.json").read_text())
    st.markdown(
        "The three course reports on verb tenses, each row trained here with the report's settings, in batches of "
        "eight words where nothing else is said. BLEU-4 is on the course's ten pairs; the Gaussian score is the mean "
        "over five sets of 100 draws, with the lowest and the highest. It counts a tuple once, however often its row "
        "stands in the list. *Distinct* is how many different rows there are among 100 draws, *unseen* how often a "
        "verb that was not in the list comes out right."
    )
    table = pd.DataFrame([
        {
            "report": row["report"],
            "BLEU-4 claimed": row["claimed_bleu4"], "BLEU-4": row["bleu4"],
            "Gaussian claimed": row["claimed_gaussian"], "Gaussian": row["gaussian"],
            "five sets": "{:.2f} to {:.2f}".format(*row["gaussian_range"]),
            "distinct": row["distinct"], "unseen": row["unseen"], "KL in nats": row["kl"], "minutes": row["minutes"],
        }
        for row in results["rows"]
    ])  # fmt: skip
    digits = {"KL in nats": "%.1f", "minutes": "%.0f"}
    columns = {name: st.column_config.NumberColumn(format=digits.get(name, "%.3f")) for name in table.columns[1:]}
    columns.pop("five sets")
    st.dataframe(table, hide_index=True, column_config=columns, alt="Claimed and measured scores of the reports")
    st.plotly_chart(
        claims_figure(results["rows"]), key="claims", config=PNG,
        alt="Claimed and measured BLEU-4 and Gaussian score of each report's row",
    )  # fmt: skip
    with st.expander("Why some claims do not come out"):
        st.markdown(WHY)
    st.subheader("What they say in words")
    for finding in results["findings"]:
        with st.expander(f"{finding['statement']}: so in {finding['holds']} of {finding['of']} comparisons"):
            st.markdown("\n".join(f"- {text}" for text in finding["results"]))
    st.markdown(f"By `python -m benchmarks.reports --data train.txt`, on {results['machine']}.")
    here = all_runs()
    drawn = [name for row in results["rows"] if (name := f"shipped/{row['name']}") in here]
    choice = {"view": "Curves", "run": drawn}
    st.button("Draw the curves of these runs", on_click=st.session_state.update, args=(choice,))


VIEWS = {
    "Curves": partial(compare_runs, show_curves),
    "Two scores": partial(compare_runs, show_scores),
    "Sweeps": show_sweeps,
    "Claimed and measured": show_reports,
}

st.title("Curves")
view = st.segmented_control(
    "View", list(VIEWS), default="Curves", required=True, key="view", bind="query-params", label_visibility="collapsed"
)
try:
    VIEWS[view]()
except UserError as error:
    st.error(str(error))
