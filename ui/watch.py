"""What a run has done so far: its preview epoch by epoch, what the KL weight did, and how it compares."""

from typing import Any

import pandas as pd
import streamlit as st

from cvae_core import collapse, curves, runs
from cvae_core.errors import UserError
from cvae_core.run import Run
from ui.figures import RUNS
from ui.systems import view

# Numbers of an epoch's row that tell what the KL weight did, by the end of their names.
INFORMATION = {
    "beta": "KL weight β",
    "kl": "KL, nats",
    "mutual_information_z": "mutual information, nats",
    "active_units_z": "active units",
}
LIVE_POINTS = 400
USE = {
    "cpu_percent": "Processor, % of one core",
    "memory_gb": "Memory, GB",
    "gpu_percent": "GPU, %",
    "gpu_memory_gb": "GPU memory, GB",
}
LOOK_AT_LOSSES = (
    "**Losses.** `recon`, what it costs to reconstruct the target from z, falls first. `kl` is what the encoder spends "
    "on telling z of one input from those of others: it rises, and falls again when its weight β grows. `loss` is "
    "recon + β·kl, plus what else this system minimises."
)
COMPARED = 12  # settings that differ from the previous run's, at most


def show_history(run: Run, system: str, active: bool) -> None:
    """The losses so far, and beside and below them the system's preview after the epoch that a slider is at."""
    rows = run.read_samples()
    shown = 1 + _pick_epoch(run.id, [row["epoch"] for row in rows], active) if len(rows) > 1 else len(rows)
    losses, beside = st.columns(2)
    with losses:
        _show_losses(run, view(system).LOSS_UNIT)
    if not rows:
        beside.markdown("After the first epoch this shows what the model makes of a few inputs.")
        return
    try:
        view(system).show_samples(run, rows[:shown], beside)
    except (LookupError, TypeError, ValueError):
        raise UserError(f"Run {run.id} has no readable samples.jsonl.") from None


def _pick_epoch(run_id: str, epochs: list[int], active: bool) -> int:
    """The index of the chosen epoch: the last one, or what the slider is at, which a run in training hides."""
    if active and not st.toggle("Look back at earlier epochs", key=f"back {run_id}"):
        return len(epochs) - 1
    chosen = st.select_slider(
        "What the model made of the same inputs after epoch", epochs, epochs[-1],
        key=f"epoch {run_id}" if active else f"epoch {run_id} of {len(epochs)}",
        help="Move it back to see how the answers came about.",
    )  # fmt: skip
    return epochs.index(chosen) if chosen in epochs else len(epochs) - 1


def _show_losses(run: Run, unit: str) -> None:
    """The mean losses of every second so far."""
    progress = pd.DataFrame(run.read_progress()).apply(pd.to_numeric, errors="coerce")
    if len(progress) < 2 or not {"epoch", "loss"} <= set(progress):
        return
    points = progress.iloc[curves.thin(progress["loss"].to_numpy(), LIVE_POINTS)]
    losses = [name for name in ("loss", "recon", "kl") if name in points]
    st.markdown(LOOK_AT_LOSSES)
    st.line_chart(
        points, x="epoch", y=losses, height=360, alt="Losses so far, by epoch", y_label=unit,
        color=list(RUNS[: len(losses)]),
    )  # fmt: skip


def show_use(run: Run) -> None:
    """What a training has used of processor, memory and GPU, second by second."""
    points = pd.DataFrame(run.read_progress()).apply(pd.to_numeric, errors="coerce")
    used = [name for name in USE if name in points]
    if len(points) < 2 or "epoch" not in points or not used:
        return
    points = points.iloc[curves.thin(points[used[0]].to_numpy(), LIVE_POINTS)]
    with st.expander("Processor and memory"):
        for column, name in zip(st.columns(len(used)), used, strict=True):
            column.line_chart(
                points, x="epoch", y=name, height=160, alt=f"{USE[name]}, by epoch", y_label=USE[name], color=RUNS[0]
            )


def show_information(rows: list[dict[str, Any]], epochs: int) -> None:
    """KL weight, KL, mutual information and active units by epoch, and whether the posterior has collapsed."""
    collapsed, text = collapse.describe(rows, epochs)
    if text:
        (st.warning if collapsed else st.markdown)(text)
    rows = collapse.with_kl(rows)
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
            table = pd.DataFrame(
                {
                    "epoch": [row["epoch"] for row in rows],
                    end: pd.to_numeric(pd.Series([row.get(name) for row in rows]), errors="coerce"),
                }
            )
            label = INFORMATION[end]
            column.markdown(f"**{label}**")
            column.line_chart(table, x="epoch", y=end, height=170, y_label="", alt=f"{label}, by epoch", color=RUNS[0])


def show_comparison(run: Run, labels: dict[str, str]) -> None:
    """The final scores of a run beside those of the run before it, and the settings that differ."""
    older = runs.list_runs(system=run.system)
    older = older[next((i for i, other in enumerate(older) if other.id == run.id), len(older)) + 1 :]
    previous = next((other for other in older if other.state == "finished"), None)
    rows = run.read_metrics()
    if previous is None or not rows:
        return
    try:
        other, changes = previous.read_metrics()[-1], _differences(run, previous)
    except (UserError, IndexError):  # damaged, or stopped before its first epoch ended
        return
    mine = rows[-1]
    with st.expander(f"Compared with the previous run, {previous.id}"):
        known = [name for name in (*labels, "loss", "recon", "kl") if name in mine or name in other]
        st.dataframe(
            pd.DataFrame({
                "last epoch": [labels.get(name, name) for name in known],
                "this run": [rounded(mine.get(name)) for name in known],
                "previous run": [rounded(other.get(name)) for name in known],
            }),
            hide_index=True, alt="The final scores of this run and of the previous one",
        )  # fmt: skip
        st.markdown(changes)


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


def rounded(score: object) -> str:
    """A score with three decimals; a dash where there is none."""
    return f"{score:.3f}" if isinstance(score, int | float) else "–"
