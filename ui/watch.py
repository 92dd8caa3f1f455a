"""What a run has done so far: its preview epoch by epoch, what the KL weight did, and how it compares."""

from typing import Any

import pandas as pd
import streamlit as st

from cvae_core import collapse, curves, runs
from cvae_core.errors import UserError
from cvae_core.run import Run
from ui.systems import view

# Numbers of an epoch's row that tell what the KL weight did, by the end of their names.
INFORMATION = {
    "beta": "KL weight β",
    "kl": "KL, nats",
    "mutual_information_z": "mutual information, nats",
    "active_units_z": "active units",
}
COMPARED = 12  # settings that differ from the previous run's, at most


def show_history(run: Run, system: str) -> None:
    """The system's preview after the epoch that a slider is at: it follows the latest one until it is moved back."""
    rows = run.read_samples()
    if not rows:
        return
    try:
        shown = len(rows) if len(rows) == 1 else 1 + _pick_epoch(run.id, [row["epoch"] for row in rows])
        view(system).show_samples(run, rows[:shown])
    except (LookupError, TypeError, ValueError):
        raise UserError(f"Run {run.id} has no readable samples.jsonl.") from None


def _pick_epoch(run_id: str, epochs: list[int]) -> int:
    """The index of the chosen epoch."""
    key, latest = f"epoch {run_id}", f"latest epoch {run_id}"
    if st.session_state.get(key) in (None, st.session_state.get(latest)) or st.session_state[key] not in epochs:
        st.session_state[key] = epochs[-1]
    st.session_state[latest] = epochs[-1]
    chosen = st.select_slider(
        "What the model made of the same inputs after epoch", epochs, key=key,
        help="Move it back to see how the answers came about. At the right end it follows the training.",
    )  # fmt: skip
    return epochs.index(chosen)


def show_information(rows: list[dict[str, Any]], epochs: int) -> None:
    """KL weight, KL, mutual information and active units by epoch, and whether the posterior has collapsed."""
    collapsed, text = collapse.describe(rows, epochs)
    if text:
        (st.warning if collapsed else st.markdown)(text)
    rows = [row for row in rows if "kl" in row]
    names = {end: next((name for name in rows[-1] if name.endswith(end)), None) for end in INFORMATION} if rows else {}
    names = {end: name for end, name in names.items() if name}
    if len(rows) < 2:
        return
    with st.expander("What the KL weight did"):
        st.markdown(
            "When the **KL weight** rises, the KL gets dearer: the encoder moves its posteriors towards the prior and "
            "z holds less. It should still hold enough to tell the inputs apart. A KL, mutual information and number "
            "of active units near 0 mean that z is not used."
        )
        for column, (end, name) in zip(st.columns(len(names)), names.items(), strict=True):
            table = pd.DataFrame({"epoch": [row["epoch"] for row in rows], end: [row.get(name) for row in rows]})
            label = INFORMATION[end]
            column.markdown(f"**{label}**")
            column.line_chart(table, x="epoch", y=end, height=170, y_label="", alt=f"{label}, by epoch")


def show_comparison(run: Run, labels: dict[str, str]) -> None:
    """The final scores of a run beside those of the run before it, and the settings that differ."""
    older = runs.list_runs(system=run.system)
    older = older[next((i for i, other in enumerate(older) if other.id == run.id), len(older)) + 1 :]
    previous = next((other for other in older if other.state == "finished" and other.read_metrics()), None)
    rows = run.read_metrics()
    if previous is None or not rows:
        return
    mine, other = rows[-1], previous.read_metrics()[-1]
    with st.expander(f"Compared with the previous run, {previous.id}"):
        known = [name for name in (*labels, "loss", "recon", "kl") if name in mine or name in other]
        st.dataframe(
            pd.DataFrame({
                "last epoch": [labels.get(name, name) for name in known],
                "this run": [_rounded(mine.get(name)) for name in known],
                "previous run": [_rounded(other.get(name)) for name in known],
            }),
            hide_index=True, alt="The final scores of this run and of the previous one",
        )  # fmt: skip
        st.markdown(_differences(run, previous))


def _differences(run: Run, previous: Run) -> str:
    """The settings in which two runs differ, as Markdown."""
    mine, other = curves.settings(run.read_config()), curves.settings(previous.read_config())
    changed = [name for name in mine if mine[name] != other.get(name)]
    if not changed:
        return "Both have the same settings."
    listed = [f"`{name}` {_plain(mine[name])} (before: {_plain(other.get(name))})" for name in changed[:COMPARED]]
    more = f", and {len(changed) - COMPARED} more" if len(changed) > COMPARED else ""
    hint = " They differ by the seed alone: the differences above are chance." if changed == ["seed"] else ""
    return f"Settings that differ: {', '.join(listed)}{more}.{hint}"


def _plain(value: Any) -> str:
    """A setting as text: knots as the form takes them."""
    if isinstance(value, list | tuple):
        return ",".join(":".join(f"{part:g}" for part in knot) for knot in value)
    return str(value)


def _rounded(score: object) -> str:
    return f"{score:.3f}" if isinstance(score, int | float) else "–"
