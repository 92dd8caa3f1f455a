"""Train or fine-tune in the background, watch it, and score a model as the course does."""

import streamlit as st

import ui

ui.frame("train")

import math
from collections.abc import Callable
from dataclasses import fields
from functools import partial

import numpy as np
import pandas as pd
import torch

from cvae_core import curves, runs
from cvae_core.digits import presets as digit_presets
from cvae_core.digits import session as digits
from cvae_core.digits.data import TASKS
from cvae_core.errors import UserError
from cvae_core.figures.digits import png, tile
from cvae_core.jobs import MAX_WAITING, check_room, jobs, training_allowed
from cvae_core.runs import Run
from cvae_core.tense import data
from cvae_core.tense import session as tense
from cvae_core.tense.data import TENSES, VerbFile
from cvae_core.tense.evaluate import MARKS, scorecard
from cvae_core.tense.presets import PRESETS, preset
from cvae_core.training import TrainConfig, describe_device, pick_device
from cvae_core.video import presets as video_presets
from cvae_core.video import session as video
from cvae_core.worker import train_apart

SYSTEMS = {"tense": "Verbs", "digits": "Digits", "video": "Video"}
DIGITS = {None: "scikit-learn's 1,797 small digits", "openml": "MNIST, downloaded from OpenML (11 MB, once)"}
SCRATCH, LEXICON, OWN = "random weights", "The built-in dictionary", "My own verbs"
MAX_VERBS = 20_000
LIVE_POINTS = 400
SECONDS_BETWEEN_LOOKS = 1.0

# What the form takes, field by field: small enough for a machine that others use too.
MAIN_FIELDS = {
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "learning_rate": "Learning rate",
    "kl_max": "Largest KL weight",
    "tf_final": "Final teacher forcing",
}
LIMITS = {
    "epochs": (1, 300), "batch_size": (1, 4096), "learning_rate": (1e-6, 1.0), "kl_max": (0.0, 10.0),
    "seed": (0, 2**31 - 1), "weight_decay": (0.0, 10.0), "clip_norm": (0.0, 1000.0), "kl_cycles": (1, 100),
    "tf_every": (1, 300), "evaluate_every": (0, 1_000_000), "hidden_size": (4, 1024), "embedding_size": (0, 512),
    "latent_size": (1, 256), "condition_size": (1, 64), "repeats": (1, 100), "irregular_repeats": (1, 100),
    "length_pool": (0, 1000), "state_width": (0, 2048), "prior_share": (0.0, 4.0), "consistency": (0.0, 100.0),
    "hidden_layers": (1, 8), "shift": (0, 4), "tf_start": (0, 300), "width": (4, 64), "code_size": (4, 512),
    "rnn_size": (8, 512), "predictor_layers": (1, 4), "posterior_layers": (1, 4), "past": (1, 5), "future": (1, 20),
    "clips": (10, 5000), "points": (0, 64), "temperature": (0.05, 20.0),
}  # fmt: skip


# --- the form -------------------------------------------------------------------------------------------------------


def field_input(place, field, value, key: str):
    """A widget for a config field, by its type and choices."""
    text, choices, label = field.metadata["help"], field.metadata["choices"], MAIN_FIELDS.get(field.name, field.name)
    if choices:
        return place.selectbox(label, choices, choices.index(value), key=key, help=text)
    if isinstance(value, bool):
        return place.toggle(label, value, key=key, help=text)
    low, high = LIMITS.get(field.name, (0.0, 1.0))
    kind, step, shown = (int, 1, "%d") if isinstance(value, int) else (float, None, "%.6g")
    return place.number_input(label, kind(low), kind(high), kind(value), step=step, format=shown, key=key, help=text)


def check_limits(values: dict) -> None:
    """The browser keeps to a widget's bounds, a forged message need not."""
    for name, value in values.items():
        low, high = LIMITS.get(name, (-math.inf, math.inf))
        if isinstance(value, int | float) and not low <= value <= high:
            raise UserError(f"{name} is {value}: this page takes {low:g} to {high:g}.")


def uploaded(place, label: str, key: str, parse):
    """What `parse` makes of an uploaded text file, None without one."""
    file = place.file_uploader(label, type=["txt", "csv", "tsv"], max_upload_size=5, key=key)
    if file is None:
        return None
    try:
        return parse(file.getvalue().decode("utf-8-sig"), file.name)
    except UnicodeDecodeError:
        raise UserError(f"{file.name} is not UTF-8 text.") from None


def pick_verbs(first: str) -> VerbFile | None:
    """The user's own verbs, none of them as long as none are given, or None for the built-in dictionary."""
    if st.segmented_control("Verbs", [LEXICON, OWN], default=first, required=True, key=f"verbs {first}") == LEXICON:
        return None
    columns = st.columns(2)
    read = uploaded(columns[0], "A text file", "verb_file", data.parse_verbs)
    typed = columns[1].text_area(
        "Or type them here", key="typed", max_chars=200_000, placeholder="googol googols googoling googoled",
        help=f"One verb a line, its four forms ({', '.join(TENSES)}) apart by spaces, commas or tabs; spellings "
        "that are equally right apart by a slash: burned/burnt.",
    )  # fmt: skip
    if read is None and not typed.strip():
        st.info("Give your verbs, one a line with four forms: `walk walks walking walked`.")
        return VerbFile((), 0)
    name = "your list" if read is None else st.session_state["verb_file"].name
    read = read or data.parse_verbs(typed, name)
    if len(read.verbs) > MAX_VERBS:
        raise UserError(f"{name} has {len(read.verbs):,} verbs; at most {MAX_VERBS:,} are trained here.")
    twice = f", {read.duplicates:,} repeated lines left out" if read.duplicates else ""
    st.markdown(f"**{len(read.verbs):,} verbs** in {name}{twice}.")
    return read


def show_tense_form() -> None:
    """Which verbs to train on, from which weights, with what."""
    columns = st.columns(2)
    init = columns[0].selectbox(
        "Start from", [*ui.model_names(), SCRATCH], key="init",
        help="Fine-tuning goes on from a model's weights and mixes verbs that it knew into every batch; from random "
        "weights everything is learned anew.",
    )  # fmt: skip
    init = None if init == SCRATCH else init
    own = pick_verbs(OWN if init else LEXICON)
    named = [name for name in PRESETS if name not in ("fine-tune", "best-rest")]
    if init:
        named = ["fine-tune", "best", "best-rest"] if own else ["best", "best-rest", "fine-tune"]
    chosen = columns[1].selectbox(
        "Preset", named, key=f"preset {init is None} {own is None}",
        help="The values that the fields below start from. The source presets are those of the three reports.",
    )  # fmt: skip
    changed = show_fields(chosen, preset(chosen), fixed=tense.MODEL_FIELDS if init else ())
    name = f"{len(own.verbs)} own verbs" if own else "lexicon"
    show_start(
        lambda device: tense.create(chosen, changed, own.verbs if own else None, name, device, init),
        disabled=bool(own and not own.verbs),
    )


def show_digits_form() -> None:
    """Which digits to train on, with what."""
    columns = st.columns(2)
    source = columns[0].selectbox(
        "Pictures", list(DIGITS), format_func=DIGITS.get, key="pictures",
        help="MNIST from files of your own: `python -m cvae_core train digits --data FOLDER`.",
    )  # fmt: skip
    chosen = columns[1].selectbox(
        "Preset", list(digit_presets.PRESETS), key="digits preset",
        help="The values that the fields below start from: hidden quadrants, or digits by their label.",
    )  # fmt: skip
    changed = show_fields(chosen, digit_presets.preset(chosen))
    show_start(lambda device: digits.create(chosen, changed, source, device))


def show_video_form() -> None:
    """How to train on simulated clips, and from which weights."""
    columns = st.columns(2)
    init = columns[0].selectbox(
        "Start from", [SCRATCH, *ui.model_names("video")], key="video init",
        help="Clips are simulated. Sequences of your own: `python -m cvae_core train video --data FOLDER`.",
    )  # fmt: skip
    chosen = columns[1].selectbox(
        "Preset", list(video_presets.PRESETS), key="video preset",
        help="The values that the fields below start from. The source's full size takes a GPU: on a processor choose a "
        "width of 8 and some hundred clips.",
    )  # fmt: skip
    init = None if init == SCRATCH else init
    changed = show_fields(chosen, video_presets.preset(chosen), fixed=video.MODEL_FIELDS if init else ())
    show_start(lambda device: video.create(chosen, changed, None, device, init))


def show_start(create: Callable[[str], Run], disabled: bool = False) -> None:
    """The device, and the button that hands the run that `create(device)` makes to the queue."""
    device = "auto"
    if torch.cuda.is_available():
        device = st.segmented_control("Device", ["auto", "cuda", "cpu"], default="auto", required=True, key="device")
    st.markdown(f"Device: {describe_device(pick_device(device))}.")
    if not st.button("Start training", icon=":material/play_arrow:", key="start", disabled=disabled):
        return
    if len(jobs().waiting()) >= MAX_WAITING:
        raise UserError(f"{MAX_WAITING} trainings wait already: try again when one of them has begun.")
    check_room()
    with st.spinner("Looking at the data…"):
        run = create(device)
    enqueue(run)
    st.session_state["run"] = run.id
    st.rerun()


def show_fields(name: str, base: TrainConfig, fixed: tuple[str, ...] = ()) -> dict:
    """Inputs for a preset's fields, the main ones in sight, those in `fixed` left out: what was changed."""
    every = {f.name: f for f in fields(base) if f.name not in fixed}
    values = {}
    for column, main in zip(st.columns(len(MAIN_FIELDS)), MAIN_FIELDS, strict=True):
        values[main] = field_input(column, every[main], getattr(base, main), f"{name} {main}")
    with st.expander("All other fields"):
        columns = st.columns(4)
        for i, other in enumerate(n for n in every if n not in MAIN_FIELDS):
            values[other] = field_input(columns[i % 4], every[other], getattr(base, other), f"{name} {other}")
    check_limits(values)
    return {name: value for name, value in values.items() if value != getattr(base, name)}


def enqueue(run: Run) -> None:
    """Into the queue, or a sentence why not."""
    if jobs().submit(run, partial(train_apart, run)) == "full":
        run.write_status(state="stopped")
        raise UserError(f"{MAX_WAITING} trainings wait already: resume run {run.id} when one of them has begun.")


# --- one run, live --------------------------------------------------------------------------------------------------

ACTIVE = ("created", "queued", "running")


def watch(run_id: str) -> None:
    """Everything there is to see of a run, from its folder alone: this process or another may be training it."""
    try:
        run = runs.find(run_id)
        status = run.read_status()
        show_state(run, status)
        show_progress(run, status)
        show_before_and_after(run.read_metrics())
        show_samples(run)
        log = run.read_log(12)
    except UserError as error:  # deleted, or its folder is damaged
        st.error(str(error))
        return
    if log:
        st.markdown("**Log**")
        st.code(log, language=None)
    if status["state"] not in ACTIVE and st.session_state.get("watched") == (run_id, "active"):
        st.session_state["watched"] = (run_id, "ended")
        st.rerun()  # the whole page: no more looking every second, and the pickers know the new model


def show_state(run: Run, status: dict) -> None:
    """Where it stands in words, and the buttons that make sense there."""
    state = status["state"]
    other = "" if ours(run) else f" by another process (PID {status.get('pid')})"
    words = {
        "running": f"In training{other}.",
        "queued": "About to begin." if run.id == jobs().running() else f"Waiting in the queue{other}.",
        "created": "Being prepared.",
        "stopped": "Stopped; it can go on from the same batch.",
        "interrupted": "Interrupted: its process is gone. It can go on from its last save, a minute old at most.",
        "failed": "Failed.",
        "finished": "Finished.",
    }
    st.markdown(f"**{words.get(state, 'Its state is unknown.')}**")
    if state == "queued" and run.id in jobs().waiting():
        st.markdown(
            f"Place {jobs().waiting().index(run.id) + 1} of {len(jobs().waiting())}; "
            f"now in training: {jobs().running() or 'nothing'}."
        )
    if state == "failed":
        st.error(status.get("error") or "There is no word about why.")
    buttons = st.container(horizontal=True)
    if state in ACTIVE and ours(run):
        asked = buttons.button("Stop", icon=":material/stop:", key="stop", help="After the batch in hand.")
        if asked and jobs().stop(run.id) == "stopping":
            st.markdown("Stopping…")
    elif state in ("stopped", "interrupted", "failed") and buttons.button(
        "Resume", icon=":material/play_arrow:", key="resume", help="From the exact place at which it was saved."
    ):
        enqueue(runs.find_unfinished(run.id, run.system))
        st.rerun()


def ours(run: Run) -> bool:
    """Whether this server trains the run, or will."""
    return run.id == jobs().running() or run.id in jobs().waiting()


def show_progress(run: Run, status: dict) -> None:
    """How far, how fast, how long still; and the losses so far."""
    epochs, batches = status.get("epochs"), status.get("batches")
    if epochs and batches:
        share = 1.0 if status["state"] == "finished" else (status["epoch"] + status.get("batch", 0) / batches) / epochs
        parts = [f"epoch {min(status['epoch'] + 1, epochs)} of {epochs}", f"{share:.0%}"]
        if status["state"] == "running" and status.get("per_second"):
            speed = f"{status['per_second']:,.0f} {status.get('unit', 'examples')} per second"
            parts += [speed, f"{minutes(status.get('eta'))} left"]
        st.progress(min(share, 1.0), " · ".join(parts))
    progress = pd.DataFrame(run.read_progress()).apply(pd.to_numeric, errors="coerce")
    if len(progress) < 2 or not {"epoch", "loss"} <= set(progress):
        return
    shown = progress.iloc[curves.thin(progress["loss"].to_numpy(), LIVE_POINTS)]
    losses = [name for name in ("loss", "recon", "kl") if name in shown]
    st.line_chart(
        shown,
        x="epoch",
        y=losses,
        height=260,
        alt="Losses so far, by epoch",
        y_label="squared error" if run.system == "video" else "nats",
    )


def digits_of(score: object) -> str:
    return f"{score:.3f}" if isinstance(score, int | float) else "–"


def minutes(seconds: float | None) -> str:
    if seconds is None:
        return "unknown time"
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


SCORES = {
    "accuracy_new": "accuracy on the new verbs", "accuracy_old": "accuracy on the old verbs",
    "accuracy": "accuracy on unseen verbs", "bleu4": "BLEU-4, the course's ten pairs",
    "gaussian": "Gaussian score, 100 draws", "distinct": "distinct rows among the draws",
    "nll": "bound, nats an unseen picture",
    "psnr": "PSNR of predicted frames, dB", "psnr_copy_last": "PSNR of the last given frame, copied, dB",
    "ssim": "SSIM of predicted frames",
} | {
    f"{model}_{n}": f"{called}, {n} of 4 quadrants seen, nats a picture"
    for model, called in (("baseline", "baseline"), ("cvae", "CVAE"), ("gsnn", "GSNN"), ("hybrid", "hybrid"))
    for n in TASKS
}  # fmt: skip


def show_before_and_after(rows: list[dict]) -> None:
    """The scores of the latest epoch, beside those of before training when it began with a model."""
    if not rows:
        return
    known = [name for name in SCORES if name in rows[-1]]
    table = pd.DataFrame({"score": [SCORES[name] for name in known]})
    if rows[0]["epoch"] == 0:
        table["before training"] = [digits_of(rows[0].get(name)) for name in known]
    if rows[-1]["epoch"] > 0:
        table[f"after epoch {rows[-1]['epoch']}"] = [digits_of(rows[-1][name]) for name in known]
    st.dataframe(table, hide_index=True, alt="Scores of the latest epoch")


def show_samples(run: Run) -> None:
    """What the model made of a few inputs, if it was asked yet."""
    samples = run.read_samples()
    try:
        if samples:
            draw_samples(run, samples)
    except (LookupError, TypeError, ValueError):
        raise UserError(f"Run {run.id} has no readable samples.jsonl.") from None


def draw_samples(run: Run, samples: list[dict]) -> None:
    """What the model makes of the course's pairs now, and one generated row an epoch; or the pictures that it draws."""
    if "prediction.gif" in samples[-1]:
        caption = f"Truth and prediction after epoch {samples[-1]['epoch']}"
        st.image(run.read_sample(samples[-1]["prediction.gif"]), caption=caption, alt=caption)
        return
    if "pictures" in samples[-1]:
        pictures = np.array([list(bytes.fromhex(p)) for p in samples[-1]["pictures"]]) / 255
        caption = f"What it draws after epoch {samples[-1]['epoch']}"
        st.image(png(tile(pictures, len(pictures)), 2), caption=caption, alt=caption)
        return
    left, right = st.columns(2)
    made = pd.DataFrame(samples[-1]["conversions"], columns=["word", "to", "answer", "expected"])
    made["right"] = ["✓" if a == e else "✗" for a, e in zip(made["answer"], made["expected"], strict=True)]
    left.markdown(f"**Conversions after epoch {samples[-1]['epoch']}**")
    left.dataframe(made, hide_index=True, alt="Conversions of the course's pairs")
    drawn = pd.DataFrame([[s["epoch"], *s["generated"][0]] for s in reversed(samples)], columns=["epoch", *TENSES])
    right.markdown("**The same random z, epoch by epoch**")
    right.dataframe(drawn, hide_index=True, alt="The row generated from one random z after each epoch")


def show_finished(run: Run) -> None:
    """What can be done with a run that is not in training."""
    weights = run.path / "best.safetensors"
    row = st.container(horizontal=True, vertical_alignment="center")
    if weights.is_file():
        row.download_button(
            "Download the model", weights.read_bytes, f"{run.id}.safetensors", "application/octet-stream",
            on_click="ignore",
        )  # fmt: skip
    with row.popover("Delete"):
        st.markdown(f"Delete run {run.id} with its model? This cannot be undone.")
        if st.button("Yes, delete it", key="delete"):
            runs.delete(run)
            del st.session_state["run"]
            st.rerun()
    if run.system == "digits":
        row.page_link("pages/digits.py", label="Its pictures, epoch by epoch", query_params={
            "view": "Training", "run": run.id,
        })  # fmt: skip
    elif run.system == "video":
        if run.state == "finished":
            row.page_link("pages/video.py", label="What it predicts", query_params={"model": run.id})
    elif run.state == "finished":
        row.page_link("pages/convert.py", label="Try it in Convert", query_params={"model": run.id})
        row.page_link("pages/latent.py", label="Its latent space", query_params={"model": run.id})
    if run.read_metrics():
        row.page_link("pages/curves.py", label="Its curves", query_params={"run": run.id})


def show_runs(system: str) -> None:
    """Pick a run and look at it."""
    damaged = [run.id for run in runs.list_runs() if run.system not in tuple(SYSTEMS)]
    if damaged:
        st.warning(f"Without a readable config.json, and left out: {', '.join(damaged)}.")
    found = {run.id: run for run in runs.list_runs(system=system)}
    if not found:
        st.info(f"There is no run yet: start one above, or with `python -m cvae_core train {system}`.")
        return
    if st.session_state.get("run") not in found:
        st.session_state.pop("run", None)
    first = next((i for i, run in enumerate(found.values()) if run.state == "running"), 0)
    name = st.selectbox("Run", list(found), first, key="run", bind="query-params")
    active = found[name].state in ACTIVE
    if active:
        st.session_state["watched"] = (name, "active")
    st.fragment(watch, run_every=SECONDS_BETWEEN_LOOKS if active else None)(name)
    if not active:
        show_finished(found[name])


# --- the course's scorecard -----------------------------------------------------------------------------------------


def show_scorecard() -> None:
    """BLEU-4 and Gaussian score of a model with the course's marks."""
    st.markdown(
        "The course asks for a mean **BLEU-4** of at least 0.7 on ten pairs of `test.txt`, and a **Gaussian score** of "
        "at least 0.3: of 100 draws z ~ N(0, I), decoded in four tenses, the share whose four words are a row of "
        "`train.txt`. One set of 100 draws differs from another by several points, so five are taken."
    )
    chosen = ui.pick_model("Model", "model")
    columns = st.columns(2)
    own = uploaded(
        columns[0], "Your train.txt (otherwise the verbs that the model was trained on)", "rows", data.parse_verbs
    )
    pairs = uploaded(columns[1], "Your test.txt (otherwise the course's ten pairs)", "pairs", data.parse_pairs)
    verbs = own.verbs if own else chosen.verbs
    with st.spinner("Scoring…"):
        scores = scorecard(chosen, verbs, pairs or data.COURSE_PAIRS)
    gaussian = scores["gaussian"]
    mean = sum(gaussian) / len(gaussian)
    for column, name, value, help_text in (
        (columns[0], "BLEU-4", scores["bleu4"], f"full marks at {MARKS['bleu4']}"),
        (columns[1], "Gaussian score", mean, f"full marks at {MARKS['gaussian']}; five sets of draws gave "
         f"{min(gaussian):.2f} to {max(gaussian):.2f}, against {len(verbs):,} rows"),
    ):  # fmt: skip
        passed = value >= MARKS["bleu4" if name == "BLEU-4" else "gaussian"]
        column.metric(f"{name} ({'passed' if passed else 'not reached'})", f"{value:.3f}")
        column.markdown(help_text)
    table = pd.DataFrame(scores["pairs"])
    table["bleu4"] = table["bleu4"].round(3)
    st.dataframe(table, hide_index=True, alt="The pairs with the model's answers")


def show_training() -> None:
    system = st.segmented_control(
        "What to train", list(SYSTEMS), format_func=SYSTEMS.get, default="tense", required=True, key="system",
        bind="query-params",
    )  # fmt: skip
    with st.expander("A new training", expanded=not runs.list_runs(system=system)):
        try:
            FORMS[system]()
        except UserError as error:
            st.error(str(error))
    show_runs(system)


FORMS = {"tense": show_tense_form, "digits": show_digits_form, "video": show_video_form}
VIEWS = {"Training": show_training, "Scorecard": show_scorecard}

st.title("Train")
if not training_allowed():
    st.info(
        "Training is switched off on this server (ALLOW_TRAINING=0), so that its visitors do not compete for the "
        "processor. On a machine of your own, `make app` brings it: any preset from random weights, or fine-tuning on "
        "your own verbs in under a minute."
    )
    VIEWS = {"Scorecard": show_scorecard}
view = st.segmented_control(
    "View", list(VIEWS), default=next(iter(VIEWS)), required=True, key="view", bind="query-params",
    label_visibility="collapsed",
)  # fmt: skip
try:
    VIEWS[view]()
except UserError as error:
    st.error(str(error))
