"""The user's actions, by arrows or in a table, and the prediction under them."""

import numpy as np
import pandas as pd
import streamlit as st
import torch

from cvae_core.errors import UserError
from cvae_core.video import metrics
from cvae_core.video.data import ACTION, Clip
from cvae_core.video.model import VideoCVAE
from cvae_core.video.pictures import gif
from ui.video.clips import SIMULATOR, predict, show_player, simulated

# Direction (dx, dy, dz) of each arrow as the picture shows it, scaled by the length of the step.
ARROWS = {
    "↑": (-1, 0, 0), "↓": (1, 0, 0), "←": (0, -1, 0), "→": (0, 1, 0), "Raise": (0, 0, 1), "Lower": (0, 0, -1),
}  # fmt: skip
COLUMNS = ["down the picture, cm", "to the right, cm", "up from the table, cm", "gripper (1 open)"]
UNITS = np.array([100, 100, 100, 1])  # table units per unit of an action: cm per metre


def _reset_actions(clip: Clip) -> None:
    """Start from the clip's own actions."""
    st.session_state["table"] = clip.condition[:-1, :ACTION].double().numpy()
    st.session_state["steered"] = clip.name
    st.session_state["edits"] = st.session_state.get("edits", 0) + 1  # a new key: the table editor drops earlier edits


def _press(move: str) -> None:
    """An arrow sets the action of the chosen step; the next step is chosen."""
    actions, step = st.session_state["actions"].copy(), st.session_state["step"]
    if move in ARROWS:
        actions[step, :3] = np.array(ARROWS[move]) * st.session_state["length"] / 100
    else:
        actions[step:, 3] = float(move == "Open")
        actions[step, :3] = 0
    st.session_state["table"] = actions
    st.session_state["edits"] += 1
    st.session_state["step"] = min(step + 1, len(actions) - 1)


def _edit_actions(clip: Clip, past: int) -> np.ndarray:
    """Arrows and a table: the actions of all steps (T - 1, 4); those between given frames stay the clip's."""
    if st.session_state.get("steered") != clip.name:
        _reset_actions(clip)
    last = len(clip.condition) - 2
    st.session_state["step"] = min(max(st.session_state.get("step", past - 1), past - 1), last)
    columns = st.columns(2)
    columns[0].slider("Step", past - 1, last, key="step", help="The step whose action the next arrow sets.")
    columns[1].slider("Length, cm", 0.5, 4.0, 2.0, 0.5, key="length")
    buttons = st.container(horizontal=True)
    for move in (*ARROWS, "Open", "Close"):
        buttons.button(move, key=f"move {move}", on_click=_press, args=(move,))
    buttons.button("Reset", key="reset", on_click=_reset_actions, args=(clip,))
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
    """The view: arrows and a table on the left, the prediction on the right."""
    past = model.config.past
    left, right = st.columns([2, 3], gap="large")
    with left:
        actions = _edit_actions(clip, past)
    truth = None
    if st.session_state["source"] == SIMULATOR:
        # The last row of actions leads to no frame.
        truth = simulated(st.session_state["seed"], len(clip.frames), np.concatenate([actions, actions[-1:]]))
        condition = truth.condition[:-1]
    else:
        condition = _with_actions(clip, actions, past)
    (predicted,) = predict(name, model, clip, [condition])
    shown = {"prediction": torch.cat([clip.frames[:past].float() / 255, predicted])}
    if truth is not None:
        shown = {"simulation": truth.frames.float() / 255} | shown
    with right:
        # The frame that the last arrow led to.
        show_player(shown, max(st.session_state["step"], past), "steered player")
        st.download_button(
            "Download as GIF", lambda: gif(torch.cat(list(shown.values()), 3)), "steered.gif", "image/gif",
            on_click="ignore",
        )  # fmt: skip
        if truth is not None:
            psnr = metrics.psnr(predicted, shown["simulation"][past:]).mean().item()
            st.markdown(f"The simulator moves the arm in the same way: the prediction scores **{psnr:.2f} dB**.")


def _with_actions(clip: Clip, actions: np.ndarray, past: int) -> torch.Tensor:
    """A recorded clip's condition (T - 1, 7) with other actions (T - 1, 4): the positions are sums of the steps."""
    condition = clip.condition[:-1].clone()
    condition[:, :ACTION] = torch.from_numpy(actions).float()
    steps = condition[past - 1 : -1, :3].cumsum(0)
    condition[past:, ACTION:] = condition[past - 1, ACTION:] + steps
    return condition
