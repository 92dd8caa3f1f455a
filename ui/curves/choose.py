"""The choice of runs to compare: a system, and rows of a table. The address names them, so that a link restores it."""

import contextlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

import ui
from cvae_core import checkpoint, curves
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.runs import list_runs
from ui.figures.curves import DASH_LENGTHS, run_styles
from ui.systems import titles

MAX_RUNS = 30
ROWS = 7  # of the table that are visible at once
PRESELECTED = 4
OPENED_ON = ("shipped/best", "shipped/source-002", "shipped/source-001")  # where the verbs have no other run
NONE = "-"  # in the address, if no run is chosen
PNG = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "scale": 2, "filename": "curves"}}


def all_runs() -> dict[str, Run]:
    """Local runs, newest first, then the shipped ones, by the names that the page shows."""
    shipped = {f"shipped/{run.id}": run for run in ui.shipped_runs()}
    first = [name for name in OPENED_ON if name in shipped]
    return {run.id: run for run in list_runs()} | {name: shipped[name] for name in [*first, *sorted(shipped)]}


def link_to_curves(label: str, names: Iterable[str]) -> None:
    """A button that shows the curves of those of the named runs that exist."""
    known = all_runs()
    found = [name for name in names if name in known][:MAX_RUNS]
    if found:
        st.button(label, on_click=_show_runs, args=(found,))


def _show_runs(names: list[str]) -> None:
    st.session_state["view"] = "Curves"
    st.query_params["run"] = names


@st.cache_data(max_entries=500, show_spinner="Reading the runs…")
def _read(path: str, stamp: tuple, _run: Run) -> tuple[dict, pd.DataFrame]:
    return curves.settings(_run.read_config()), curves.load(_run)


@st.cache_data(max_entries=5000, show_spinner="Reading the runs…")
def _describe(path: str, stamp: tuple, _run: Run) -> dict[str, Any]:
    """What the table says of a run, but for its name, colour and state."""
    settings, history = _read(path, stamp, _run)
    best = curves.best_epoch(history)
    scores = history.set_index("epoch").get("score", pd.Series(dtype=float))
    return {
        "preset": settings.get("preset"), "epochs": len(history[history["epoch"] > 0]),
        "best score": scores.get(best), "minutes": 60 * history["hours"].max() if len(history) else None,
    }  # fmt: skip


def _stamp(run: Run) -> tuple:
    """The version of a run's config and history."""
    try:
        stats = [file.stat() for name in ("config.json", "metrics.jsonl") if (file := run.path / name).exists()]
    except OSError:
        raise UserError(f"Run {run.id} cannot be read.") from None
    return tuple((s.st_mtime_ns, s.st_size) for s in stats)


def read(run: Run) -> tuple[dict, pd.DataFrame]:
    """Settings and history of a run, cached until its files change. UserError if they cannot be read."""
    return _read(str(run.path), _stamp(run), run)


def state_of(run: Run) -> str:
    """The state of a run, or `shipped`. UserError if it cannot be read."""
    is_shipped = not (run.path / "status.json").exists() and run.path.is_relative_to(checkpoint.ROOT / "assets")
    return "shipped" if is_shipped else str(run.read_status()["state"])


def _table(runs: dict[str, Run]) -> tuple[dict[str, dict], list[str]]:
    """A row per run that can be read, by its name, and sentences about the others."""
    rows, problems = {}, []
    for name, run in runs.items():
        try:
            rows[name] = {"state": state_of(run)} | _describe(str(run.path), _stamp(run), run)
        except UserError as error:
            problems.append(f"{error} It is left out.")
    return rows, problems


def _match(names: Iterable[str], pattern: str) -> list[str]:
    """The names that contain a match of a regular expression. UserError if it is none.

    RE2 takes linear time; with Python's `re`, `(.|.)+!` would block the server for hours.
    """
    names = list(names)
    try:
        matches = pc.match_substring_regex(pa.array(names, pa.string()), pattern=pattern).to_pylist()
    except ValueError as error:  # ArrowInvalid, or a lone surrogate
        reason = str(error).splitlines()[0][:200]
        raise UserError(f"The filter is not a regular expression ({reason}): try part of a run's name.") from None
    return [name for name, is_match in zip(names, matches, strict=True) if is_match]


def _first(names: list[str]) -> list[str]:
    """The newest runs; of the verbs, where there are only shipped ones, that of the best preset beside the reports'."""
    opened_on = [name for name in OPENED_ON if name in names]
    own = any(not name.startswith("shipped/") for name in names)
    return names[:PRESELECTED] if own or not opened_on else opened_on


def pick_system(place, systems: dict[str, str | None]) -> str:
    """Choose the system whose runs are compared: at first that of the runs in the address, or the verbs.

    `systems` has that of each run, by the run's name; None if it is unknown.
    """
    present = {name: title for name, title in titles().items() if name in systems.values()} or titles()
    named = [systems[name] for name in st.query_params.get_all("run") if name in systems]
    if named and named[0] in present:
        st.session_state["curves_system"] = named[0]
    elif st.session_state.get("curves_system") not in present:
        st.session_state["curves_system"] = next(iter(present), None)
    return place.segmented_control(
        "System", list(present), format_func=present.get, required=True, key="curves_system", on_change=_choose_first,
        args=(systems,),
    )  # fmt: skip


def _choose_first(systems: dict[str, str | None]) -> None:
    """Choose the first runs of the system and what is drawn of them at first, when it has changed."""
    for key in ("metric", "schedule", "across", "up"):
        st.session_state.pop(key, None)
    chosen = st.session_state["curves_system"]
    st.query_params["run"] = _first([name for name, system in systems.items() if system == chosen])


def _choose_newest(names: list[str]) -> None:
    """Choose the newest runs that match the filter, when it has changed."""
    with contextlib.suppress(UserError):  # shown when the page is drawn
        st.query_params["run"] = _match(names, st.session_state["filter"])[:PRESELECTED] or NONE


def _choose_rows(names: list[str]) -> None:
    """Choose the rows that are selected in the table."""
    rows = st.session_state["runs_table"]["selection"]["rows"]
    st.query_params["run"] = [names[row] for row in rows if row < len(names)] or NONE


def pick_runs(place, runs: dict[str, Run]) -> dict[str, Run]:
    """Choose runs of a system from a table, with the search in `place`. Stops the page if the search is invalid."""
    rows, problems = _table(runs)
    pattern = place.text_input(
        "Search", key="filter", bind="query-params", max_chars=200, placeholder="part of a name, such as source-002",
        on_change=_choose_newest, args=(list(rows),),
        help="A regular expression: `a|b` means a or b, `^2026` begins with 2026, `.*` matches anything.",
    )  # fmt: skip
    try:
        matching = _match(rows, pattern)
    except UserError as error:
        st.error(str(error))
        st.stop()
    for problem in problems:
        st.warning(problem)
    if not matching:
        st.info("No run's name matches the search.")
        return {}
    asked = st.query_params.get_all("run")
    chosen = [name for name in asked if name in matching]
    if not chosen and asked != [NONE]:
        chosen = _first(matching)
    _show_table({name: rows[name] for name in matching}, chosen)
    if not chosen:
        st.info("Choose at least one run.")
    elif len(chosen) > MAX_RUNS:
        st.info(f"{len(chosen)} runs are chosen: the first {MAX_RUNS} of them are compared.")
    return {name: runs[name] for name in chosen[:MAX_RUNS]}


def _show_table(rows: dict[str, dict], chosen: list[str]) -> None:
    """The runs, those chosen with the colour of their curves."""
    names = list(rows)
    styles = run_styles(chosen[:MAX_RUNS])
    table = pd.DataFrame(list(rows.values()))
    table.insert(0, "run", names)
    table.insert(0, "colour", [_swatch(styles[name]) if name in styles else None for name in names])
    # All three keys: where the browser's value differs from this one, Streamlit takes it for the visitor's choice.
    selected = {"rows": sorted(names.index(name) for name in chosen), "columns": [], "cells": []}
    st.session_state["runs_table"] = {"selection": selected}
    config = {
        "colour": st.column_config.ImageColumn("", width=44),
        "run": st.column_config.TextColumn(width=240),
        "best score": st.column_config.NumberColumn(
            format="%.3f", width=84, help="The largest score of an epoch, by which the best weights are kept."
        ),
        "minutes": st.column_config.NumberColumn("duration", format="%.0f min", width=72),
        "epochs": st.column_config.NumberColumn(width=62),
        "state": st.column_config.TextColumn(width=86),
        "preset": st.column_config.TextColumn(width=175),
    }
    st.dataframe(
        table, hide_index=True, column_config=config, key="runs_table", selection_mode="multi-row",
        on_select=lambda: _choose_rows(names), height=table_height(len(names), ROWS), placeholder="–",
        alt=f"Runs; compared are {', '.join(chosen[:MAX_RUNS]) or 'none'}",
    )  # fmt: skip
    st.caption(
        f"Select the runs to compare, at most {MAX_RUNS}; the box in the header selects all. A search selects the "
        f"first {PRESELECTED} that match."
    )


def table_height(rows: int, most: int) -> int:
    """The height in pixels of a table that shows so many rows without scrolling, but at most `most`."""
    return 35 * (min(rows, most) + 1) + 3


def _swatch(style: dict) -> str:
    """A piece of a run's line as a picture."""
    dashes = DASH_LENGTHS[style["dash"]]
    line = f'<path d="M2 10H38" stroke="{style["color"]}" stroke-width="5" stroke-dasharray="{dashes}"/>'
    return "data:image/svg+xml," + quote(f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">{line}</svg>')
