"""A form for a training: inputs for the fields of a system's config, and the button that starts it."""

from dataclasses import Field, fields, replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
import torch

from cvae_core import jobs, session
from cvae_core.config import TrainConfig, format_knots, parse_knots
from cvae_core.device import describe_device, pick_device
from cvae_core.errors import UserError
from cvae_core.run import Run
from cvae_core.step import beta_at, knots_at, learning_rate_at
from cvae_core.systems import family
from cvae_core.worker import train_in_subprocess

DRAWN_POINTS = 200  # of a schedule, at most
SCRATCH = "random weights"  # among the models to start from
MAIN_FIELDS = {
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "learning_rate": "Learning rate",
    "kl_max": "Largest KL weight",
}
# Groups of the other fields, each with what it decides; fields of the model's shape are the family's MODEL_FIELDS,
# and what no group names is data.
GROUPS = {
    "Model": "The shapes of the networks. A model of other shapes starts from random weights.",
    "Data": "What a batch consists of, and how often each example occurs.",
    "Schedules": "What changes during training, as it will run with the values here.",
    "Loss": "What is minimised beside the reconstruction and the KL, and how it is optimised.",
    "Training": "Seed, precision, and which weights are scored and kept.",
}
GROUP_OF = {
    "kl_knots": "Schedules", "teacher_forcing": "Schedules", "lr_schedule": "Schedules",
    "prior_share": "Schedules", "consistency": "Schedules", "encoder_until": "Schedules", "average_from": "Schedules",
    "spelling_kl": "Loss", "recon": "Loss", "alpha": "Loss", "prior_samples": "Loss",
    "optimizer": "Loss", "clip_norm": "Loss",
    "seed": "Training", "evaluate_every": "Training", "keep": "Training", "precision": "Training",
}  # fmt: skip
KNOTS = {  # of schedules besides the KL weight's
    "teacher_forcing": "teacher-forcing ratio", "prior_share": "samples of z per word",
    "consistency": "weight of consistency",
}  # fmt: skip
KNOTS_HELP = ". Knots of a piecewise-linear schedule: share of training:value, …"


def field_input(place, field: Field, value: Any, key: str) -> Any:
    """A widget for a config field, by its type, choices and range; returns its value, the typed text for a schedule."""
    text, choices = field.metadata["help"], field.metadata["choices"]
    label = MAIN_FIELDS.get(field.name, field.name)
    if choices:
        return place.selectbox(label, choices, choices.index(value), key=key, help=text)
    if isinstance(value, bool):
        return place.toggle(label, value, key=key, help=text)
    if isinstance(value, tuple):
        return place.text_input(label, format_knots(value), key=key, help=text + KNOTS_HELP, max_chars=2000)
    kind, step, pattern = (int, 1, "%d") if isinstance(value, int) else (float, None, "%.6g")
    bounds = [None if field.metadata[end] is None else kind(field.metadata[end]) for end in ("low", "high")]
    return place.number_input(label, *bounds, kind(value), step=step, format=pattern, key=key, help=text)


def show_fields(system: str, preset: str, from_weights: bool = False) -> dict[str, Any]:
    """Inputs for a preset's fields; returns the fields that were changed.

    With `from_weights` the fields that a checkpoint's weights fix are left out. UserError for a value outside its
    field's range: the browser enforces a widget's bounds, but a forged message can have any value.
    """
    base: TrainConfig = session.preset(system, preset)
    fixed = family(system).MODEL_FIELDS if from_weights else ()
    editable = {f.name: f for f in fields(base) if f.name not in fixed and f.metadata["help"]}
    values = {}
    for column, main in zip(st.columns(len(MAIN_FIELDS)), MAIN_FIELDS, strict=True):
        values[main] = field_input(column, editable[main], getattr(base, main), f"{preset} {main}")
    groups = _groups(system, [name for name in editable if name not in MAIN_FIELDS])
    panel = st.expander("All settings", on_change="rerun", key="all settings")
    with panel:
        for (group, names), tab in zip(groups.items(), st.tabs(list(groups)), strict=True):
            tab.markdown(GROUPS[group])
            columns = tab.columns(4)
            for i, name in enumerate(names):
                values[name] = field_input(columns[i % 4], editable[name], getattr(base, name), f"{preset} {name}")
            if group == "Schedules":
                drawing = tab.container()
    # Only after all inputs are drawn: an input that is not drawn loses its value.
    for name in values:
        if isinstance(getattr(base, name), tuple):
            values[name] = parse_knots(values[name])
    config = replace(base, **values)
    if panel.open:  # charts take 40 ms each to make, and their program the browser as long to load
        show_schedules(drawing, config)
    return {name: value for name, value in values.items() if value != getattr(base, name)}


def _groups(system: str, names: list[str]) -> dict[str, list[str]]:
    """The names of fields in each group that has some."""
    shapes = family(system).MODEL_FIELDS
    group_of = {name: "Model" if name in shapes else GROUP_OF.get(name, "Data") for name in names}
    groups = {group: [name for name in names if group_of[name] == group] for group in GROUPS}
    return {group: found for group, found in groups.items() if found}


def show_schedules(place, config: TrainConfig) -> None:
    """KL weight, learning rate and the system's other schedules by epoch, as training takes them."""
    drawn = {"KL weight β": beta_at, "learning rate": learning_rate_at} | {
        label: partial(knots_at, name) for name, label in KNOTS.items() if hasattr(config, name)
    }
    epochs = range(0, config.epochs, -(-config.epochs // DRAWN_POINTS))
    for column, (label, schedule) in zip(place.columns(len(drawn)), drawn.items(), strict=True):
        table = pd.DataFrame(
            {"epoch": [epoch + 1 for epoch in epochs], label: [schedule(config, epoch) for epoch in epochs]}
        )
        column.markdown(f"**{label}**")
        column.line_chart(table, x="epoch", y=label, height=150, y_label="", alt=f"{label} in the course of training")


def pick_init(place, options: list[str], key: str, text: str) -> str | None:
    """Choose the model to start from among `options`, which contain `SCRATCH`; None for random weights."""
    chosen = place.selectbox("Start from", options, key=key, help=text)
    return None if chosen == SCRATCH else chosen


def pick_preset(place, names: list[str], key: str, text: str) -> str:
    """Choose the preset that sets the initial values of the fields; `text` extends its help."""
    return place.selectbox("Preset", names, key=key, help=f"Sets the initial values of the fields below. {text}")


def show_start(
    system: str,
    preset: str,
    changed: dict[str, Any],
    data: Any = None,
    init: str | None = None,
    disabled: bool = False,
) -> None:
    """Choose the number of runs and the device; a button puts the runs into the queue.

    The other arguments are those of `session.create`. UserError if the queue is full, the runs take too much disk
    space, or the choices cannot be trained.
    """
    columns = st.columns([1, 3], vertical_alignment="bottom")
    count = columns[0].number_input(
        "Repeats", 1, jobs.MAX_WAITING + 1, key="repeats",
        help="Runs with different seeds, one after the other. The Curves page draws their mean and spread.",
    )  # fmt: skip
    device = "auto"
    if torch.cuda.is_available():
        device = columns[1].segmented_control(
            "Device", ["auto", "cuda", "cpu"], default="auto", required=True, key="device"
        )
    st.markdown(f"Device: {describe_device(pick_device(device))}.")
    if not st.button("Start training", icon=":material/play_arrow:", key="start", disabled=disabled):
        return
    start(system, preset, changed, data, device, init, count)


def start(
    system: str,
    preset: str | None,
    changed: dict[str, Any],
    data: Any = None,
    device: str = "auto",
    init: str | None = None,
    count: int = 1,
) -> None:
    """Put `count` runs into the queue, show the first, and rerun the page. UserError as `show_start` raises it."""
    queue = jobs.jobs()
    if len(queue.waiting()) + bool(queue.running()) + count > jobs.MAX_WAITING + 1:
        raise UserError(
            f"The queue has room for {jobs.MAX_WAITING} trainings beside the running one, and {len(queue.waiting())} "
            "wait already: try again when one of them has started."
        )
    jobs.check_disk_usage()
    with st.spinner("Reading the data…"):
        runs = [
            session.create(system, preset, overrides, data, device, init)
            for overrides in session.repeats(system, preset, changed, count)
        ]
    for run in runs:
        enqueue(run)
    st.session_state["started"] = runs[0].id  # `show_runs` shows it
    st.rerun()


def enqueue(run: Run) -> None:
    """Put a run into the queue. UserError if it is full; the run is then stopped and can be resumed."""
    if jobs.jobs().submit(run, partial(train_in_subprocess, run)) == "full":
        run.write_status(state="stopped")
        raise UserError(f"{jobs.MAX_WAITING} trainings wait already: resume run {run.id} when one of them has started.")
