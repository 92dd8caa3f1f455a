"""The choice of runs to compare, and their histories."""

import contextlib
from collections.abc import Iterable

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

import ui
from cvae_core import checkpoint, curves
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.runs import list_runs

MAX_RUNS = 30
FEW_RUNS = 8  # more are listed in a box that scrolls
PRESELECTED = 4
OPENED_ON = ("shipped/best", "shipped/source-002", "shipped/source-001")  # where there are no runs yet
PNG = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "scale": 2, "filename": "curves"}}


def all_runs() -> dict[str, Run]:
    """Local runs, newest first, then the shipped ones, by the names that the page shows."""
    shipped = {f"shipped/{run.id}": run for run in ui.shipped_runs()}
    return {run.id: run for run in list_runs()} | shipped


def link_to_curves(label: str, names: Iterable[str]) -> None:
    """A button that shows the curves of those of the named runs that exist."""
    known = all_runs()
    view = {"view": "Curves", "run": [name for name in names if name in known][:MAX_RUNS]}
    if view["run"]:
        st.button(label, on_click=st.session_state.update, args=(view,))


@st.cache_data(max_entries=500, show_spinner="Reading the runs…")
def _read(path: str, stamp: tuple, _run: Run) -> tuple[dict, pd.DataFrame]:
    return curves.settings(_run.read_config()), curves.load(_run)


def read(run: Run) -> tuple[dict, pd.DataFrame, str]:
    """Settings, history and state of a run, cached until its files change. UserError if they cannot be read."""
    try:
        files = [run.path / name for name in ("config.json", "metrics.jsonl")]
        stats = [file.stat() for file in files if file.exists()]
        settings, history = _read(str(run.path), tuple((s.st_mtime_ns, s.st_size) for s in stats), run)
    except OSError:
        raise UserError(f"Run {run.id} cannot be read.") from None
    is_shipped = not (run.path / "status.json").exists() and run.path.is_relative_to(checkpoint.ROOT / "assets")
    return settings, history, "shipped" if is_shipped else str(run.read_status().get("state", "unknown"))


def _match(runs: dict[str, Run], pattern: str) -> list[str]:
    """The names that contain a match of a regular expression. UserError if it is none.

    RE2 takes linear time; with Python's `re`, `(.|.)+!` would block the server for hours.
    """
    try:
        matches = pc.match_substring_regex(pa.array(runs, pa.string()), pattern=pattern).to_pylist()
    except ValueError as error:  # ArrowInvalid, or a lone surrogate
        reason = str(error).splitlines()[0][:200]
        raise UserError(f"The filter is not a regular expression ({reason}): try part of a run's name.") from None
    return [name for name, is_match in zip(runs, matches, strict=True) if is_match]


def _choose_newest(runs: dict[str, Run]) -> None:
    """Select the newest runs that match the filter, when it has changed."""
    with contextlib.suppress(UserError):  # shown when the page is drawn
        st.session_state["run"] = _match(runs, st.session_state["filter"])[:PRESELECTED]


def _first(names: list[str]) -> list[str]:
    """The newest runs; where there are only shipped ones, that of the verbs beside the reports'."""
    opened_on = [name for name in OPENED_ON if name in names]
    own = any(not name.startswith("shipped/") for name in names)
    return names[:PRESELECTED] if own or not opened_on else opened_on


def pick_runs(runs: dict[str, Run]) -> dict[str, Run]:
    """Choose runs, by their names, from those that match a filter; stops the page if the filter is invalid."""
    columns = st.columns([1, 3])
    pattern = columns[0].text_input(
        "Filter by name", key="filter", bind="query-params", max_chars=200, placeholder="for example 2026|shipped",
        on_change=_choose_newest, args=(runs,),
        help="A regular expression: `a|b` means a or b, `^2026` begins with 2026, `.*` matches anything.",
    )  # fmt: skip
    try:
        matching = _match(runs, pattern)
    except UserError as error:
        st.error(str(error))
        st.stop()
    with columns[1].container(height=150 if len(matching) > FEW_RUNS else "content"):
        chosen = st.pills(
            f"Runs ({len(matching)} of {len(runs)} match, at most {MAX_RUNS} are compared)", matching,
            selection_mode="multi", default=_first(matching), key="run", bind="query-params",
        )  # fmt: skip
    if not matching:
        st.info("No run's name matches the filter.")
    elif not chosen:
        st.info("Choose at least one run.")
    elif len(chosen) > MAX_RUNS:
        st.info(f"{len(chosen)} runs are chosen: the first {MAX_RUNS} of them are compared.")
    return {name: runs[name] for name in chosen[:MAX_RUNS]}
