"""The choice of model and sequence, cached predictions, and the player."""

import random
import re
import tempfile
from pathlib import Path

import numpy as np
import streamlit as st
import torch

import ui
from cvae_core import checkpoint
from cvae_core.errors import UserError
from cvae_core.video import inference, metrics
from cvae_core.video.data import FILES, Clip, read_clip
from cvae_core.video.family import TEST, VALIDATION
from cvae_core.video.model import VideoCVAE
from cvae_core.video.simulator import simulate
from ui.pictures.player import show_player

MAX_FILES = 200  # of an uploaded sequence
SIMULATOR, ROBOT, FOLDER = "Simulator", "Real robot", "My own folder"
ROBOT_CLIPS = {"1": "traj_16", "2": "traj_17"}  # folders in assets/robot/
# What a sequence of each source is first predicted with; a visitor's is of a real robot, or looks like one.
MODELS = {SIMULATOR: "video-objects", ROBOT: "video-robot", FOLDER: "video-robot"}


def pick_source() -> str:
    """Choose where the sequence comes from; the model follows, until another is chosen."""
    source = st.segmented_control(
        "Sequence", [SIMULATOR, ROBOT, FOLDER], default=SIMULATOR, required=True, key="source", bind="query-params",
        on_change=_follow_source,
    )  # fmt: skip
    # Opened after another page, this one has no source chosen, and the model may be one of another system.
    known = st.session_state.get("model") in ui.model_names("video")
    changed = st.session_state.get("source_before", source) != source
    if (not known or changed) and "model" not in st.query_params:
        _follow_source()
    st.session_state["source_before"] = source
    return source


def _follow_source() -> None:
    """Choose the model for the source, where that model ships."""
    name = MODELS.get(st.session_state["source"])
    if name in ui.model_names("video"):
        st.session_state["model"] = name


def pick_model() -> tuple[str, VideoCVAE]:
    """Choose a video model: its name and the loaded model."""
    names = ui.model_names("video")
    if not names:
        st.error("There is no video model yet: `python -m cvae_core train video --out video` makes one.")
        st.stop()
    name = st.selectbox(
        "Model", names, key="model", bind="query-params",
        help="`video` predicts codes of the simulator's frames, `video-maps` feature maps. `video-objects` is "
        "`video-maps` with a model of how objects move, whose layers its decoder shows. `video-robot` is `video`, "
        "trained further on 16 sequences of a real robot, none of which is shown here.",
    )  # fmt: skip
    return name, ui.load_model(name, "video")


def pick_clip(source: str, past: int) -> Clip:
    """Choose a sequence of a source: simulated by its seed, of the real robot, or uploaded; at most `past` + 10 frames.

    Raises UserError for an upload that is no sequence or has no frame to predict.
    """
    if source == FOLDER:
        return _pick_upload(past)
    if source == ROBOT:
        number = st.segmented_control(
            "Which", list(ROBOT_CLIPS), default="1", required=True, key="robot", bind="query-params"
        )
        st.caption(
            "[BridgeData V2](https://rail-berkeley.github.io/bridgedata/) (Walke et al. 2023), CC BY 4.0, reduced to "
            "64 × 64. `video-robot` was trained on 16 other sequences of it."
        )
        return robot_clip(ROBOT_CLIPS[number])
    columns = st.columns([3, 1], vertical_alignment="bottom")
    columns[1].button("Another", on_click=lambda: st.session_state.update(seed=random.randint(TEST, ui.MAX_SEED)))
    seed = ui.seed_input(
        columns[0], "Seed", "seed", TEST, f"No shipped model was trained on clips of the simulator with seeds "
        f"from {TEST:,} on.",
    )  # fmt: skip
    if seed < VALIDATION:
        st.warning(
            f"Training clips have seeds below {VALIDATION:,}: the prediction may be better than that of new clips."
        )
    return simulated(seed, past + metrics.FUTURE)


def _pick_upload(past: int) -> Clip:
    files = st.file_uploader(
        f"A folder with 0.png, 1.png, … and {' and '.join(FILES)}", ["png", "csv"],
        accept_multiple_files="directory", max_upload_size=5, key="folder",
    )  # fmt: skip
    if not files:
        st.info(
            "Upload the folder of one sequence: frames of 64 x 64 pixels as `0.png`, `1.png`, …, and two tables "
            "without a header, one row per frame: `actions.csv` (dx, dy, dz, gripper) and "
            "`endeffector_positions.csv` (x, y, z). Distances and positions are in metres."
        )
        st.stop()
    clip = _uploaded(files)
    if len(clip.frames) <= past:
        raise UserError(f"The sequence has {len(clip.frames)} frames: this model needs {past} and one to predict.")
    length = min(len(clip.frames), past + metrics.FUTURE)
    return Clip(clip.frames[:length], clip.condition[:length], clip.name)


@st.cache_data(show_spinner=False)
def robot_clip(name: str) -> Clip:
    """A sequence in assets/robot/."""
    return read_clip(checkpoint.ROOT / "assets" / "robot" / name / "0")


@st.cache_data(max_entries=50, show_spinner=False)
def simulated(seed: int, length: int, actions: np.ndarray | None = None) -> Clip:
    """See `simulator.simulate`."""
    return simulate(seed, length, actions=actions)


def _uploaded(files: list) -> Clip:
    """The sequence in uploaded files; those with a sequence's file names are written to a temporary folder."""
    named = [(Path(file.name).name, file) for file in files]
    kept = [(name, file) for name, file in named if name in FILES or re.fullmatch(r"\d{1,4}\.png", name)]
    if len(kept) > MAX_FILES or len(dict(kept)) < len(kept):
        raise UserError(f"Upload the folder of one sequence, with at most {MAX_FILES - len(FILES)} frames.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "your folder" / "sequence"
        path.mkdir(parents=True)
        for name, file in kept:
            (path / name).write_bytes(file.getvalue())
        try:
            return read_clip(path)
        except UserError as error:
            raise UserError(str(error).replace(f"{path}", "your folder")) from None


@st.cache_data(max_entries=100, show_spinner="Predicting…")
def _predict(
    stamp: tuple[str, float], _model: VideoCVAE, frames: np.ndarray, condition: np.ndarray, seed: int
) -> np.ndarray:
    """See `inference.predict`; computed once for each model, clips and seed."""
    return inference.predict(_model, torch.from_numpy(frames), torch.from_numpy(condition), seed).numpy()


def predict(name: str, model: VideoCVAE, clip: Clip, conditions: list[torch.Tensor], seed: int = 0) -> torch.Tensor:
    """The frames after a clip's given ones under each of n conditions (T - 1, 7): (n, H, 3, 64, 64)."""
    past = model.config.past
    given = clip.frames[None, :past].expand(len(conditions), -1, -1, -1, -1).numpy()
    return torch.from_numpy(_predict(ui.stamp(name), model, given, torch.stack(conditions).numpy(), seed))


def play(clips: dict[str, torch.Tensor], start: int, key: str) -> None:
    """Clips (T, 3, 64, 64) side by side, played by the browser, at frame `start`."""
    show_player({name: clip.permute(0, 2, 3, 1).numpy() for name, clip in clips.items()}, start, key)
