"""Groups of runs on the Curves page, the baseline they are compared with, and notes about runs."""

import pandas as pd
import streamlit as st

from cvae_core import curves
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.settings import training_allowed

NO_GROUPS, NO_BASELINE = "each run", "none"
MAX_NOTE = 5000  # characters


def pick_groups(place, settings: dict[str, dict]) -> dict[str, list[str]]:
    """Choose what a line is of: a run, or all runs of one value of a setting; -> the runs' names by the line's."""
    names = sorted({name for values in settings.values() for name in values} - {"seed", "format"})
    by = place.selectbox(
        "Group by", [NO_GROUPS, curves.SAME, *names], key="group", bind="query-params",
        help="A group is drawn as its mean with a band of one standard deviation. "
        f"“{curves.SAME}” groups runs with the same settings, as `train --repeats 3` makes them.",
    )  # fmt: skip
    return {name: [name] for name in settings} if by == NO_GROUPS else curves.groups(settings, by)


def pick_baseline(place, lines: list[str]) -> str | None:
    """Choose the line that the numbers of all others are compared with."""
    chosen = place.selectbox(
        "Baseline", [NO_BASELINE, *lines], key="baseline", bind="query-params",
        help="With a baseline, the table shows the difference of each number to it.",
    )  # fmt: skip
    return None if chosen == NO_BASELINE else chosen


def group_frames(groups: dict[str, list[str]], frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The history of each line: of one run, or of the group's runs that have finished an epoch."""
    members = {line: [frames[name] for name in names if name in frames] for line, names in groups.items()}
    return {line: curves.group_history(histories) for line, histories in members.items() if histories}


def show_notes(runs: dict[str, Run], groups: dict[str, list[str]]) -> None:
    """The notes about runs and groups, and where training is allowed a field to write them.

    A group's is kept with its first run.
    """
    st.subheader("Notes")
    firsts = {line: runs[names[0]] for line, names in groups.items()}
    notes = {line: run.read_note() for line, run in firsts.items()}
    for line, note in notes.items():
        if note:
            # Without pictures: they could be fetched from anywhere.
            st.markdown(f"**{line}**\n\n{note.replace('![', '!&#91;')}")
    own = [line for line, run in firsts.items() if (run.path / "status.json").exists()]  # not shipped
    if not training_allowed() or not own:
        if not any(notes.values()):
            st.markdown("There are none.")
        return
    with st.popover("Write a note", icon=":material/edit_note:"):
        line = st.selectbox("About", own, key="noted")
        text = st.text_area("Note (Markdown)", notes[line], max_chars=MAX_NOTE, key=f"note {line}")
        if st.button("Save", key="save note"):
            try:
                firsts[line].write_note(text)
            except UserError as error:
                st.error(str(error))
            else:
                st.rerun()
