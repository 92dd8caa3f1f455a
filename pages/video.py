"""Video: see what a model expects of the next frames, steer the arm and watch the prediction follow."""

import streamlit as st

import ui

ui.frame("video")

import random
import re
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cvae_core.errors import UserError
from cvae_core.figures import video as figures
from cvae_core.video import inference, metrics
from cvae_core.video.data import ACTION, FILES, Clip, read_clip
from cvae_core.video.model import VideoCVAE
from cvae_core.video.pictures import gif, strip
from cvae_core.video.session import TEST
from cvae_core.video.simulator import simulate

PNG = {"displaylogo": False, "modeBarButtons": [["toImage"]]}
MAX_SEED = 2**31 - 1
MAX_FILES = 200  # of an uploaded sequence
SIMULATOR, FOLDER = "Simulator", "My own folder"
# What an arrow does to (dx, dy, dz) for each metre of its step, in the directions of the picture.
ARROWS = {
    "↑": (-1, 0, 0), "↓": (1, 0, 0), "←": (0, -1, 0), "→": (0, 1, 0), "Raise": (0, 0, 1), "Lower": (0, 0, -1),
}  # fmt: skip
COLUMNS = ["down the picture, cm", "to the right, cm", "up from the table, cm", "gripper (1 open)"]
UNITS = np.array([100, 100, 100, 1])  # of the table's columns for one of an action's


# --- what is looked at ----------------------------------------------------------------------------------------------


def pick_model() -> tuple[str, VideoCVAE]:
    names = ui.model_names("video")
    if not names:
        st.error("There is no model of video yet: `python -m cvae_core train video --out video` makes one.")
        st.stop()
    name = st.selectbox(
        "Model", names, key="model", bind="query-params",
        help="`video` has learned from the simulator, `video-robot` from 16 sequences of a real robot: give that one a "
        "folder.",
    )  # fmt: skip
    return name, ui.load_model(name, "video")


def pick_clip(past: int) -> Clip:
    """A simulated sequence by its seed, or the user's own."""
    source = st.segmented_control(
        "Sequence", [SIMULATOR, FOLDER], default=SIMULATOR, required=True, key="source", bind="query-params"
    )
    if source == FOLDER:
        files = st.file_uploader(
            f"A folder with 0.png, 1.png, … and {' and '.join(FILES)}", ["png", "csv"],
            accept_multiple_files="directory", max_upload_size=5, key="folder",
        )  # fmt: skip
        if not files:
            st.info(
                "Give the folder of one sequence: frames of 64 x 64 pixels as `0.png`, `1.png`, …, and two tables "
                "without a header, a row a frame: `actions.csv` (dx, dy, dz, gripper) and "
                "`endeffector_positions.csv` (x, y, z)."
            )
            st.stop()
        clip = uploaded(files)
        if len(clip.frames) <= past:
            raise UserError(f"The sequence has {len(clip.frames)} frames: this model needs {past} and one to predict.")
        length = min(len(clip.frames), past + metrics.FUTURE)
        return Clip(clip.frames[:length], clip.condition[:length], clip.name)
    st.session_state.setdefault("seed", TEST)
    columns = st.columns([3, 1], vertical_alignment="bottom")
    columns[1].button("Another", on_click=lambda: st.session_state.update(seed=random.randint(TEST, MAX_SEED)))
    seed = columns[0].number_input(
        "Seed", 0, MAX_SEED, step=1, key="seed", bind="query-params",
        help=f"The shipped model was trained on small seeds; from {TEST:,} on it has seen none.",
    )  # fmt: skip
    return simulated(seed, past + metrics.FUTURE)


@st.cache_data(max_entries=50, show_spinner=False)
def simulated(seed: int, length: int, actions: np.ndarray | None = None) -> Clip:
    return simulate(seed, length, actions=actions)


def uploaded(files: list) -> Clip:
    """The sequence in uploaded files; only the names that a sequence has are written, into a folder of its own."""
    named = [(Path(file.name).name, file) for file in files]
    kept = [(name, file) for name, file in named if name in FILES or re.fullmatch(r"\d{1,4}\.png", name)]
    if len(kept) > MAX_FILES or len(dict(kept)) < len(kept):
        raise UserError(f"Give the folder of one sequence, with at most {MAX_FILES - len(FILES)} frames.")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "your folder" / "sequence"
        place.mkdir(parents=True)
        for name, file in kept:
            (place / name).write_bytes(file.getvalue())
        try:
            return read_clip(place)
        except UserError as error:
            raise UserError(str(error).replace(f"{place}", "your folder")) from None


@st.cache_data(max_entries=100, show_spinner="Predicting…")
def predict(
    stamp: tuple[str, float], _model: VideoCVAE, frames: np.ndarray, condition: np.ndarray, seed: int
) -> np.ndarray:
    """See `inference.predict`; computed once for each model, clips and seed."""
    return inference.predict(_model, torch.from_numpy(frames), torch.from_numpy(condition), seed).numpy()


def expected(name: str, model: VideoCVAE, clip: Clip, conditions: list[torch.Tensor], seed: int = 0) -> torch.Tensor:
    """What follows a clip's first frames under each of some conditions: (n, H, 3, 64, 64)."""
    past = model.config.past
    given = clip.frames[None, :past].expand(len(conditions), -1, -1, -1, -1).numpy()
    return torch.from_numpy(predict(ui.stamp(name), model, given, torch.stack(conditions).numpy(), seed))


def show_player(clips: dict[str, torch.Tensor], at: int, key: str) -> None:
    """Clips (T, 3, 64, 64) side by side, from frame `at` on."""
    pictures = {called: clip.permute(0, 2, 3, 1).numpy() for called, clip in clips.items()}
    st.plotly_chart(
        figures.player(pictures, at), key=key, config={"displayModeBar": False},
        alt=f"{', '.join(clips)}, frame by frame; a button plays them and a slider chooses the frame",
    )  # fmt: skip


# --- predict --------------------------------------------------------------------------------------------------------


def show_predict(name: str, model: VideoCVAE, clip: Clip) -> None:
    past = model.config.past
    heard = clip.condition[:-1]
    if st.session_state["source"] == SIMULATOR:
        called, other = "another clip's actions", simulated(TEST - 1, len(clip.frames)).condition[:-1]
    else:
        called, other = "the actions backwards", heard.flip(0)
    made, deaf = expected(name, model, clip, [heard, other])
    frames = clip.frames.float() / 255
    true, last = frames[past:], frames[past - 1].expand(len(frames) - past, -1, -1, -1)
    given = frames[:past]
    error = (made - true).abs().mean(1, keepdim=True).expand(-1, 3, -1, -1)
    show_player(
        {
            "truth": frames,
            "prediction": torch.cat([given, made]),
            "error, 4 times as bright": torch.cat([torch.zeros_like(given), 4 * error]),
        },
        past, "player",
    )  # fmt: skip
    scores = {
        "the model": metrics.psnr(made, true),
        "the last frame, copied": metrics.psnr(last, true),
        f"the model with {called}": metrics.psnr(deaf, true),
    }
    columns = st.columns([3, 2], gap="large")
    with columns[0]:
        st.plotly_chart(
            figures.by_frame({called: values.tolist() for called, values in scores.items()}, past), key="psnr",
            config=PNG, alt="PSNR of each predicted frame: the model, copying, and the model with other actions",
        )  # fmt: skip
    with columns[1]:
        for called, values in scores.items():
            st.metric(f"PSNR, {called}", f"{values.mean().item():.2f} dB")
        st.markdown(
            f"The model sees {past} frames and hears what the arm does in all {len(frames) - 1} steps. Copying says "
            "how much moves; wrong actions say how much the model listens."
        )
    st.download_button(
        "Download as GIF", lambda: gif(torch.cat([frames, torch.cat([given, made])], 3)), "prediction.gif",
        "image/gif", on_click="ignore",
    )  # fmt: skip
    show_draws(name, model, clip)


def show_draws(name: str, model: VideoCVAE, clip: Clip) -> None:
    """One past and several z."""
    st.subheader("Several futures of one past")
    columns = st.columns([1, 1, 2], vertical_alignment="bottom")
    draws = columns[0].slider("Draws of z", 2, 8, 4, key="draws", bind="query-params")
    seed = columns[1].number_input("Seed of z", 0, MAX_SEED, step=1, key="z_seed", bind="query-params")
    made = expected(name, model, clip, [clip.condition[:-1]] * draws, seed)
    true = clip.frames[model.config.past :].float() / 255
    spread = made.std(0).mean(1, keepdim=True)
    rows = [true, *made, (10 * spread).clamp(max=1).expand(-1, 3, -1, -1)]
    caption = f"Truth, {draws} draws, and where they differ (standard deviation, 10 times as bright)"
    st.image(strip(torch.cat(rows, 2), 2), caption=caption, width="stretch", alt=caption)
    apart = spread.square().mean().sqrt().item()
    st.markdown(
        f"The draws differ by {255 * apart:.1f} of 255 grey levels (root mean square). Where the actions say all, z "
        "has nothing left to say; it carries what they leave open, as how far a pushed thing slides."
    )


# --- steer ----------------------------------------------------------------------------------------------------------


def reset_actions(clip: Clip) -> None:
    """Begin with the clip's own actions."""
    st.session_state["table"] = clip.condition[:-1, :ACTION].double().numpy()
    st.session_state["steered"] = clip.name
    st.session_state["edits"] = st.session_state.get("edits", 0) + 1  # a new table forgets what was typed


def press(move: str) -> None:
    """Let an arrow decide the chosen step, and go on to the next."""
    actions, step = st.session_state["actions"].copy(), st.session_state["step"]
    if move in ARROWS:
        actions[step, :3] = np.array(ARROWS[move]) * st.session_state["length"] / 100
    else:
        actions[step:, 3] = float(move == "Open")
        actions[step, :3] = 0
    st.session_state["table"] = actions
    st.session_state["edits"] += 1
    st.session_state["step"] = min(step + 1, len(actions) - 1)


def edit_actions(clip: Clip, past: int) -> np.ndarray:
    """Arrows and a table: the actions of all steps, those between given frames as they were."""
    if st.session_state.get("steered") != clip.name:
        reset_actions(clip)
    last = len(clip.condition) - 2
    st.session_state["step"] = min(max(st.session_state.get("step", past - 1), past - 1), last)
    columns = st.columns(2)
    columns[0].slider("Step", past - 1, last, key="step", help="The step that the next arrow decides.")
    columns[1].slider("Its length, cm", 0.5, 4.0, 2.0, 0.5, key="length")
    buttons = st.container(horizontal=True)
    for move in (*ARROWS, "Open", "Close"):
        buttons.button(move, key=f"move {move}", on_click=press, args=(move,))
    buttons.button("As it was", key="reset", on_click=reset_actions, args=(clip,))
    table = st.session_state["table"]
    with st.expander("All steps as a table"):
        edited = st.data_editor(
            pd.DataFrame(table[past - 1 :] * UNITS, columns=COLUMNS, index=range(past - 1, len(table))).round(4),
            key=f"actions {st.session_state['edits']}",
            column_config={
                name: st.column_config.NumberColumn(min_value=low, max_value=high, required=True)
                for name, low, high in zip(COLUMNS, (-10, -10, -10, 0), (10, 10, 10, 1), strict=True)
            },
        )  # fmt: skip
    made = edited.to_numpy(np.float64) / UNITS
    if not np.isfinite(made).all() or np.abs(made).max() > 1:
        raise UserError("A step of the table has no number, or one out of range: -10 to 10 cm, and 0 to 1.")
    actions = np.concatenate([table[: past - 1], made])
    st.session_state["actions"] = actions
    return actions


def show_steer(name: str, model: VideoCVAE, clip: Clip) -> None:
    past = model.config.past
    left, right = st.columns([2, 3], gap="large")
    with left:
        actions = edit_actions(clip, past)
    truth = None
    if st.session_state["source"] == SIMULATOR:
        # The last row leads nowhere.
        steered = np.concatenate([actions, actions[-1:]])
        truth = simulated(st.session_state["seed"], len(clip.frames), steered)
        condition = truth.condition[:-1]
    else:
        condition = clip.condition[:-1].clone()
        condition[:, :ACTION] = torch.from_numpy(actions).float()
        steps = condition[past - 1 : -1, :3].cumsum(0)
        condition[past:, ACTION:] = condition[past - 1, ACTION:] + steps
    (made,) = expected(name, model, clip, [condition])
    made = torch.cat([clip.frames[:past].float() / 255, made])
    with right:
        shown = (
            {"prediction": made} if truth is None else {"what happens": truth.frames.float() / 255, "prediction": made}
        )
        # The frame that the last arrow led to.
        show_player(shown, max(st.session_state["step"], past), "steered player")
        st.download_button(
            "Download as GIF",
            lambda: gif(torch.cat(list(shown.values()), 3)),
            "steered.gif",
            "image/gif",
            on_click="ignore",
        )
        if truth is not None:
            psnr = metrics.psnr(made[past:], shown["what happens"][past:]).mean().item()
            st.markdown(f"The simulator moves the arm in the same way: the prediction scores **{psnr:.2f} dB**.")


VIEWS = {"Predict": show_predict, "Steer": show_steer}

st.title("Video")
st.markdown(
    "The model sees a robot's table twice and hears what the arm will do. Everything after that it has to imagine: "
    "where the arm is, what it hides and uncovers, what it pushes."
)
view = st.segmented_control(
    "View", list(VIEWS), default="Predict", required=True, key="view", bind="query-params",
    label_visibility="collapsed",
)  # fmt: skip
try:
    columns = st.columns([2, 3], vertical_alignment="bottom")
    with columns[0]:
        name, model = pick_model()
    with columns[1]:
        clip = pick_clip(model.config.past)
    VIEWS[view](name, model, clip)
except UserError as error:
    st.error(str(error))
