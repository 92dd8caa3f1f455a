"""Video on the Train page."""

import streamlit as st

import ui
from cvae_core.run import Run
from cvae_core.systems import family
from ui.form import SCRATCH, pick_init, pick_preset, show_fields, show_start

TITLE = "Video"
LOSS_UNIT = "squared error"
SCORES = {
    "psnr": "PSNR of predicted frames, dB",
    "psnr_copy_last": "PSNR of the last given frame, copied, dB",
    "ssim": "SSIM of predicted frames",
}


def show_form() -> None:
    """The form: initial weights, preset and fields; the clips are simulated."""
    columns = st.columns(2)
    init = pick_init(
        columns[0], [SCRATCH, *ui.model_names("video")], "video init",
        "Clips are simulated. Your own sequences: `python -m cvae_core train video --data FOLDER`.",
    )  # fmt: skip
    presets = [name for name in family("video").PRESETS if name != "robot"]  # which is for a folder of sequences
    preset = pick_preset(
        columns[1], presets, "video preset",
        "The full size of report 004 needs a GPU: on a CPU choose a width of 8 and a few hundred clips.",
    )  # fmt: skip
    changed = show_fields("video", preset, init is not None)
    show_start("video", preset, changed, init=init)


def show_samples(run: Run, rows: list[dict], beside) -> None:
    """The last epoch's GIF: a validation clip, true and predicted."""
    caption = f"Truth and prediction after epoch {rows[-1]['epoch']}"
    beside.image(run.read_sample(rows[-1]["prediction.gif"]), caption=caption, alt=caption)


def links(run: Run) -> list[tuple[str, str, dict]]:
    """The Video page shows finished runs."""
    return [("video", "Its predictions", {"model": run.id})] if run.state == "finished" else []
