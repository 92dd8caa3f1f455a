"""The view of a run, read from its folder alone: it may be trained by another process."""

import pandas as pd
import streamlit as st

from cvae_core import jobs, runs
from cvae_core.config import config_from_dict
from cvae_core.errors import UserError
from cvae_core.run import ACTIVE, Run
from cvae_core.systems import SYSTEMS, family
from ui.form import enqueue, start
from ui.frame import link
from ui.systems import view
from ui.watch import rounded, show_comparison, show_history, show_information, show_use

POLL_SECONDS = 1.0
NO_DATA = ("system", "preset", "config", "init", "device", "study", "created", "format")  # of config.json


def show_runs(system: str) -> None:
    """Choose a run of a system and show it."""
    jobs.jobs()  # queues the runs of the previous server before their states are shown
    damaged = [run.id for run in runs.list_runs() if run.system not in SYSTEMS]
    if damaged:
        st.warning(f"Left out, without a readable config.json: {', '.join(damaged)}.")
    _show_trash(system)
    choices = {run.id: run for run in runs.list_runs(system=system)}
    if not choices:
        st.info(f"There is no run yet: start one above, or with `python -m cvae_core train {system}`.")
        return
    if "started" in st.session_state:  # by a button below the choice, which cannot change it
        st.session_state["run"] = st.session_state.pop("started")
    if st.session_state.get("run") not in choices:
        st.session_state.pop("run", None)
    first = next((i for i, run in enumerate(choices.values()) if run.state == "running"), 0)
    name = st.selectbox("Run", list(choices), first, key="run", bind="query-params")
    active = choices[name].state in ACTIVE
    if active:
        st.session_state["watched"] = (name, "active")
    st.fragment(_show_run, run_every=POLL_SECONDS if active else None)(name, system)
    if not active:
        _show_actions(choices[name], system)


def _show_trash(system: str) -> None:
    """The system's deleted runs, each with a button that restores it."""
    deleted = runs.trashed(system)
    if not deleted:
        return
    with st.popover(f"Trash ({len(deleted)})", icon=":material/delete:"):
        st.markdown(f"Deleted runs are kept for {runs.TRASH_DAYS} days, or until their space is needed.")
        for run in deleted:
            if st.button(f"Restore {run.id}", key=f"restore {run.id}"):
                st.session_state["run"] = runs.restore(run.id).id
                st.rerun()


def _show_run(run_id: str, system: str) -> None:
    """State, progress, scores, samples and log of a run."""
    try:
        run = runs.find(run_id)
        status = run.read_status()
        rows = run.read_metrics()
        _show_state(run, status)
        _show_progress(status)
        show_history(run, system, status["state"] in ACTIVE)
        _show_scores(rows, view(system).SCORES)
        show_information(rows, status.get("epochs") or 1)
        if status["state"] == "finished":
            show_comparison(run, view(system).SCORES)
        show_use(run)
        log = run.read_log(12)
    except UserError as error:  # deleted, or its folder is damaged
        st.error(str(error))
        return
    if log:
        with st.expander("Log"):
            st.code(log, language=None)
    if status["state"] not in ACTIVE and st.session_state.get("watched") == (run_id, "active"):
        st.session_state["watched"] = (run_id, "ended")
        st.rerun()  # the whole page: polling ends, and the lists of models include the new one


def _show_state(run: Run, status: dict) -> None:
    """The state in words, and the buttons that apply to it."""
    state = status["state"]
    other = "" if _is_ours(run) else f" by another process (PID {status.get('pid')})"
    words = {
        "running": f"In training{other}.",
        "queued": "Starting." if run.id == jobs.jobs().running() else f"Waiting in the queue{other}.",
        "created": "Being prepared.",
        "stopped": "Stopped; it can be resumed from the same batch.",
        "interrupted": "Interrupted: its process is gone. It can be resumed from its last save, at most a minute old.",
        "failed": "Failed.",
        "finished": "Finished.",
    }
    row = st.container(horizontal=True, vertical_alignment="center")
    row.markdown(f"**{words.get(state, 'Its state is unknown.')}**", width="content")
    waiting = jobs.jobs().waiting()
    if state == "queued" and run.id in waiting:
        st.markdown(
            f"Position {waiting.index(run.id) + 1} of {len(waiting)} in the queue; "
            f"now in training: {jobs.jobs().running() or 'nothing'}."
        )
    if state == "failed":
        st.error(status.get("error") or "No error was recorded.")
    if state in ACTIVE and _is_ours(run):
        asked = row.button("Stop", icon=":material/stop:", key="stop", help="Stops after the current batch.")
        if asked and jobs.jobs().stop(run.id) == "stopping":
            st.markdown("Stopping…")
    elif state in ("stopped", "interrupted", "failed") and row.button(
        "Resume", icon=":material/play_arrow:", key="resume", help="Resumes bit-exactly from the last save."
    ):
        enqueue(runs.find_unfinished(run.id, run.system))
        st.rerun()


def _is_ours(run: Run) -> bool:
    """Whether the run is in this server's queue."""
    return run.id == jobs.jobs().running() or run.id in jobs.jobs().waiting()


def _show_progress(status: dict) -> None:
    """The share of training done, the speed and the time left."""
    epochs, batches = status.get("epochs"), status.get("batches")
    if epochs and batches:
        share = 1.0 if status["state"] == "finished" else (status["epoch"] + status.get("batch", 0) / batches) / epochs
        parts = [f"epoch {min(status['epoch'] + 1, epochs)} of {epochs}", f"{share:.0%}"]
        if status["state"] == "running" and status.get("per_second"):
            speed = f"{status['per_second']:,.0f} {status.get('unit', 'examples')} per second"
            parts += [speed, f"{_minutes(status.get('eta'))} left"]
        st.progress(min(share, 1.0), " · ".join(parts))


def _minutes(seconds: float | None) -> str:
    if seconds is None:
        return "unknown time"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _show_scores(rows: list[dict], labels: dict[str, str]) -> None:
    """The scores of the latest epoch, and those before training if it started from a model."""
    if not rows:
        return
    known = [name for name in labels if name in rows[-1]]
    table = pd.DataFrame({"score": [labels[name] for name in known]})
    if rows[0]["epoch"] == 0:
        table["before training"] = [rounded(rows[0].get(name)) for name in known]
    if rows[-1]["epoch"] > 0:
        table[f"after epoch {rows[-1]['epoch']}"] = [rounded(rows[-1][name]) for name in known]
    st.dataframe(table, hide_index=True, alt="Scores of the latest epoch")


def _repeat(run: Run) -> None:
    """Queue a training with the settings and data of a run, and a seed that no run of its preset has."""
    saved = run.read_config()
    config = vars(config_from_dict(family(run.system).Config, saved["config"]))
    of_preset = [other.read_config() for other in runs.list_runs(system=run.system)]
    seeds = [other["config"].get("seed", 0) for other in of_preset if other.get("preset") == saved.get("preset")]
    data = {name: value for name, value in saved.items() if name not in NO_DATA}
    init = str(run.init) if saved.get("init") else None
    start(run.system, saved.get("preset"), config | {"seed": max(seeds) + 1}, data, saved["device"], init)


def _show_actions(run: Run, system: str) -> None:
    """Download or delete a run that is not in training, and links to it on other pages."""
    row = st.container(horizontal=True, vertical_alignment="center")
    if run.weights.is_file():
        row.download_button(
            "Download the model", run.weights.read_bytes, f"{run.id}.safetensors", "application/octet-stream",
            on_click="ignore",
        )  # fmt: skip
    with row.popover("Delete"):
        st.markdown(f"Delete run {run.id} with its model? The trash keeps it for {runs.TRASH_DAYS} days.")
        if st.button("Yes, delete it", key="delete"):
            runs.delete(run)
            del st.session_state["run"]
            st.rerun()
    if row.button(
        "Repeat with another seed", key="repeat",
        help="The same settings and data: what differs between the two runs is chance.",
    ):  # fmt: skip
        try:
            _repeat(run)
        except UserError as error:
            st.error(str(error))
    links = view(system).links(run)
    if run.read_metrics():
        links.append(("curves", "Its curves", {"run": run.id}))
    for page, label, query in links:
        link(row, page, label, query)
