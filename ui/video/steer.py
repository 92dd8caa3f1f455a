"""The user's actions, by keys, buttons or in a table, and the prediction under them."""

import numpy as np
import pandas as pd
import streamlit as st
import torch

from cvae_core.errors import UserError
from cvae_core.video import metrics
from cvae_core.video.data import ACTION, Clip
from cvae_core.video.model import VideoCVAE
from cvae_core.video.pictures import gif
from cvae_core.video.planning import seen_at
from cvae_core.video.policy import follow
from ui import pictures
from ui.video.clips import SIMULATOR, play, predict, simulated

# Direction (dx, dy, dz) of each arrow as the picture shows it, scaled by the length of the step.
ARROWS = {
    "↑": (-1, 0, 0), "↓": (1, 0, 0), "←": (0, -1, 0), "→": (0, 1, 0), "Raise": (0, 0, 1), "Lower": (0, 0, -1),
}  # fmt: skip
COLUMNS = ["down the picture, cm", "to the right, cm", "up from the table, cm", "gripper (1 open)"]
UNITS = np.array([100, 100, 100, 1])  # table units per unit of an action: cm per metre


MOVES = (*ARROWS, "Open", "Close")
HISTORY = 100  # moves that can be undone
TABLE_KEY = "steer table"


def _identity(clip: Clip, past: int) -> tuple[str, int, bytes]:
    """What a visitor's actions belong to; all uploaded clips have the same name."""
    return clip.name, past, clip.condition.numpy().tobytes()


def _reset_actions(clip: Clip, past: int) -> None:
    """Start from the clip's own actions, at the last given frame."""
    st.session_state.update(steered=_identity(clip, past), steer_undone=[], steer_history=[])
    _set_actions(clip.condition[:-1, :ACTION].double().numpy(), past - 1)


def _set_actions(actions: np.ndarray, step: int) -> None:
    st.session_state.update(table=actions, actions=actions, step=step)
    # New keys for the slider and the table editor, which drops earlier edits.
    st.session_state["edits"] = st.session_state.get("edits", 0) + 1


def _press(move: str) -> None:
    """A move sets the action of the chosen step, and the next step is chosen; or the last move is undone or redone."""
    state = st.session_state
    now = state["actions"], state["step"]
    if move in ("Undo", "Redo"):
        source, target = ("steer_history", "steer_undone") if move == "Undo" else ("steer_undone", "steer_history")
        if state[source]:
            state[target].append(now)
            _set_actions(*state[source].pop())
        return
    actions, step = now[0].copy(), now[1]
    if step == len(actions):  # the last frame: no action leads on
        return
    if move in ARROWS:
        actions[step, :3] = np.array(ARROWS[move]) * state["length"] / 100
    else:
        actions[step:, 3] = float(move == "Open")
        actions[step, :3] = 0
    state["steer_history"] = [*state["steer_history"], now][-HISTORY:]
    state["steer_undone"] = []
    _set_actions(actions, step + 1)


def _choose_step(key: str) -> None:
    if key == f"step {st.session_state['edits']}":  # after quick presses the browser still sends earlier sliders
        st.session_state["step"] = st.session_state[key]


def _on_moves() -> None:
    """Moves by key: the component sends the last ones and how many there have been."""
    sent = pictures.sent(TABLE_KEY, "moves")
    if not isinstance(sent, dict) or not isinstance(sent.get("count"), int) or not isinstance(sent.get("last"), list):
        return
    fresh = sent["count"] - st.session_state.get("steer_moves", 0)
    for move in sent["last"][-fresh:] if fresh > 0 else ():
        if move in (*MOVES, "Undo", "Redo"):
            _press(move)
    st.session_state["steer_moves"] = max(sent["count"], st.session_state.get("steer_moves", 0))


def _edit_actions(clip: Clip, past: int) -> np.ndarray:
    """Arrows and a table: the actions of all steps (T - 1, 4); those between given frames stay the clip's."""
    if st.session_state.get("steered") != _identity(clip, past):
        _reset_actions(clip, past)
    last = len(clip.condition) - 1
    st.session_state["step"] = max(st.session_state["step"], past - 1)
    buttons = st.container(horizontal=True)
    for move in MOVES:
        buttons.button(
            move, key=f"move {move}", on_click=_press, args=(move,), disabled=st.session_state["step"] == last
        )
    buttons.button("Undo", key="undo", on_click=_press, args=("Undo",), disabled=not st.session_state["steer_history"])
    buttons.button("Redo", key="redo", on_click=_press, args=("Redo",), disabled=not st.session_state["steer_undone"])
    buttons.button("Reset", key="reset", on_click=_reset_actions, args=(clip, past))
    columns = st.columns(2)
    key = f"step {st.session_state['edits']}"
    st.session_state.setdefault(key, st.session_state["step"])
    columns[0].slider(
        "Frame", past - 1, last, key=key, on_change=_choose_step, args=(key,),
        help="The next move leads on from this frame.",
    )  # fmt: skip
    columns[1].slider("Length, cm", 0.5, 4.0, 2.0, 0.5, key="length", help="How far an arrow moves the arm.")
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
    typed = edited.to_numpy(np.float64) / UNITS
    if not np.isfinite(typed).all() or np.abs(typed).max() > 1:
        raise UserError("A step of the table has a missing or invalid number: expected -10 to 10 cm, and 0 to 1.")
    actions = np.concatenate([table[: past - 1], typed])
    st.session_state["actions"] = actions
    return actions


def show_steer(name: str, model: VideoCVAE, clip: Clip) -> None:
    """The view: the predicted frame that the last move led to, with the gripper's path; all frames beside it."""
    past = model.config.past
    left, right = st.columns(2, gap="large")
    picture = left.container()
    with left:
        actions = _edit_actions(clip, past)
    truth = None
    if st.session_state["source"] == SIMULATOR:
        # The last row of actions leads to no frame.
        truth = simulated(st.session_state["seed"], len(clip.frames), np.concatenate([actions, actions[-1:]]))
        condition = truth.condition[:-1]
    else:
        condition = follow(clip.condition[:past], actions[past - 1 :])
    (predicted,) = predict(name, model, clip, [condition])
    shown = {"prediction": torch.cat([clip.frames[:past].float() / 255, predicted])}
    if truth is not None:
        shown = {"simulation": truth.frames.float() / 255} | shown
    step = st.session_state["step"]
    with picture:
        _show_table(clip, shown["prediction"][step], truth, step)
    with right:
        play(shown, step, "steered player")
        st.download_button(
            "Download as GIF", lambda: gif(torch.cat(list(shown.values()), 3)), "steered.gif", "image/gif",
            on_click="ignore",
        )  # fmt: skip
        if truth is not None:
            psnr = metrics.psnr(predicted, shown["simulation"][past:]).mean().item()
            st.markdown(f"The simulator moves the arm in the same way: the prediction scores **{psnr:.2f} dB**.")


def _show_table(clip: Clip, frame: torch.Tensor, truth: Clip | None, step: int) -> None:
    """The predicted frame at a step with the gripper's path: solid so far, dashed ahead; of a real robot no path."""
    path, status = [], f"Frame {step}"
    if truth is not None:
        positions = truth.condition[:, ACTION:].double().numpy()
        path = seen_at(positions)[:, ::-1].round(1).tolist()
        (right, down), height = path[step], positions[step, 2]
        status += f": gripper {down / 2:.1f} cm down, {right / 2:.1f} cm to the right, {100 * height:.1f} cm high"
    pictures.show_table(
        frame.permute(1, 2, 0).numpy(),
        {
            "mode": "steer", "scene": clip.name, "reach": None, "things": [], "target": 0, "goal": None, "fans": [],
            "alt": f"The prediction at frame {step}, with the gripper's path. Arrow keys move the arm; Page up and "
            "Page down raise and lower it; O opens and C closes the gripper; Ctrl+Z and Ctrl+Y undo and redo.",
            "moved": path[: step + 1], "plan": path[step:], "status": status,
            "done": st.session_state.get("steer_moves", 0),
        },
        TABLE_KEY, on_moves=_on_moves,
    )  # fmt: skip
    st.caption(
        "Click the picture, then steer by keys: the arrows, Page up and Page down to raise and lower, O and C for the "
        "gripper, Ctrl+Z and Ctrl+Y to undo and redo. Each press moves the arm by one frame."
    )
