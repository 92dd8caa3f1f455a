"""A goal that the user marks, the plan for it, and how the simulator carries it out."""

from typing import Any, NamedTuple

import numpy as np
import streamlit as st
import torch

import ui
from cvae_core.video import planning
from cvae_core.video.data import SIDE, Clip
from cvae_core.video.model import VideoCVAE
from cvae_core.video.physics import COLOURS, REACH
from cvae_core.video.planning import TOLERANCE, Goal, Plan
from cvae_core.video.planning_metrics import Task, distance
from cvae_core.video.simulator import Scene, rollout
from ui import pictures
from ui.figures import video as figures
from ui.video.clips import SIMULATOR, play, predict

NAMES = ("red", "blue", "yellow", "green", "purple", "orange", "turquoise")  # of physics.COLOURS
TABLE_KEY = "reach table"
MARK = torch.tensor([194, 0, 122]) / 255  # the colour of the goal's mark, as in table.js


class Thing(NamedTuple):
    """What can be moved: the gripper, or object number `target`."""

    name: str
    target: int | None
    at: np.ndarray  # (2,) row and column, pixels


@st.cache_data(max_entries=20, show_spinner=False)
def _simulated(seed: int, length: int) -> Scene:
    return rollout(seed, length)


@st.cache_data(max_entries=50, show_spinner="Planning…")
def _plan(
    stamp: tuple[str, float] | None, _model: VideoCVAE, _scene: Scene, seed: int, thing: str, start: tuple, goal: tuple
) -> Plan:
    """The plan in the model's predictions, or in the simulator's where `stamp` is None."""
    given, task = planning.situation(_scene, _model.config.past), Goal(thing, np.array(start), np.array(goal))
    world = planning.model_world(_model, given, task) if stamp else planning.simulator_world(seed, given, task)
    return planning.plan(world, given, task)


def show_reach(name: str, model: VideoCVAE, clip: Clip) -> None:
    """The view: the picture to mark a goal in, the plan, and its execution."""
    if st.session_state["source"] != SIMULATOR:
        st.info("A plan is carried out by the simulator: choose *Simulator* above.")
        return
    seed, past = st.session_state["seed"], model.config.past
    scene = _simulated(seed, past + planning.HORIZON)
    things = _things(scene, past)
    names = [thing.name for thing in things]
    if st.session_state.get("reach_seed") != seed or st.session_state["reach_things"] != names:
        st.session_state.update(reach_seed=seed, reach_things=names)
        _choose(names[0])
    left, right = st.columns(2, gap="large")
    with left:
        key = f"thing {st.session_state['marks']}"
        st.session_state.setdefault(key, st.session_state["thing"])
        chosen = st.selectbox("What to move", names, key=key, on_change=_on_thing, args=(key,))
        thing = next(thing for thing in things if thing.name == chosen)
        goal = st.session_state["goal"]
        arguments = (model, scene, seed, "gripper" if thing.target is None else "object", tuple(thing.at))
        plan = _plan(ui.stamp(name), *arguments, goal) if goal else None
        _show_table(clip, things, things.index(thing), goal, plan, past)
        st.caption(
            "Click where it should end up, or drag it there. By keyboard: Tab to the picture, arrows (with Shift, five "
            "pixels at once), Enter. The dashed frame is what the gripper reaches."
        )
        if plan:
            st.caption(
                f"Paths of the gripper: grey, the {planning.CANDIDATES} candidates of an iteration; blue, the cheapest "
                f"{planning.ELITES}, to which the next iteration's distribution is fitted; orange, the cheapest."
            )
    with right:
        if plan is None:
            tried = planning.ITERATIONS * planning.CANDIDATES
            st.info(
                f"Mark a goal for {chosen} in the picture. The model then predicts what {tried} sequences of actions "
                "lead to, and the simulator carries out the one whose prediction ends nearest to the goal."
            )
            return
        task = Task(seed, thing.target, Goal(arguments[3], thing.at, np.array(goal)))
        _show_outcome(name, model, clip, scene, task, plan, chosen)
        if st.toggle("Plan with the true simulator, too", key="with_simulator"):
            given = planning.situation(scene, past)
            with_truth = _plan(None, *arguments, goal)
            left_over = distance(planning.execute(seed, given, with_truth.actions), task)
            st.markdown(
                f"Planning with the simulator in the model's place, from as many candidates, leaves {chosen} "
                f"**{left_over / 2:.1f} cm** from the goal."
            )
        st.plotly_chart(
            _falling(plan), key="costs", config=ui.PNG,
            alt="Cost of the candidates over the iterations: the cheapest so far, and the mean",
        )  # fmt: skip


def _things(scene: Scene, past: int) -> list[Thing]:
    """The gripper and all objects, named by the colour that the last given frame shows."""
    frame = scene.clip.frames[past - 1].float()
    things = [Thing("the gripper", None, planning.seen_at(planning.situation(scene, past).position))]
    for target, start in enumerate(planning.seen_at(scene.objects[past - 1])):
        colour = planning.colour_of(frame, Goal("object", start, start))
        name = NAMES[int((torch.tensor(COLOURS) - colour).square().sum(1).argmin())]
        things.append(Thing(f"the {name} object", target, start))
    names = [thing.name for thing in things]  # an object under the gripper has the gripper's colour
    return [thing for thing in things if names.count(thing.name) == 1]


def _choose(thing: str, goal: tuple[float, float] | None = None) -> None:
    """What to move, and where to."""
    st.session_state.update(thing=thing, goal=goal)
    st.session_state["marks"] = st.session_state.get("marks", 0) + 1  # a new key for the select box


def _on_thing(key: str) -> None:
    if key == f"thing {st.session_state['marks']}":  # the browser may still send an earlier box
        _choose(st.session_state[key])


def _on_mark() -> None:
    """A mark in the picture chooses the thing and its goal."""
    mark, names = pictures.sent(TABLE_KEY, "mark"), st.session_state["reach_things"]
    place = pictures.place(mark.get("goal")) if isinstance(mark, dict) else None
    number = mark.get("thing") if place else None
    if isinstance(number, int) and 0 <= number < len(names) and place and max(place) <= SIDE and min(place) >= 0:
        _choose(names[number], (place[1], place[0]))


def _show_table(
    clip: Clip, things: list[Thing], target: int, goal: tuple[float, float] | None, plan: Plan | None, past: int
) -> None:
    corners = planning.seen_at(np.column_stack([REACH[:2].T, np.zeros(2)]))  # at the table's height
    (top, left), (bottom, right) = corners.round(2).tolist()
    pictures.show_table(
        clip.frames[past - 1].permute(1, 2, 0).numpy() / 255,
        {
            "mode": "goal", "scene": clip.name,
            "alt": "The table in the last given frame. Mark a goal: arrow keys move the cross, Enter sets the goal.",
            "reach": [left, top, right - left, bottom - top], "target": target, "goal": goal and [goal[1], goal[0]],
            "things": [{"name": thing.name, "at": thing.at[::-1].tolist()} for thing in things],
            "fans": _fans(plan) if plan else [], "done": 0,
        },
        TABLE_KEY, on_mark=_on_mark,
    )  # fmt: skip


def _fans(plan: Plan) -> list[Any]:
    """For each iteration the candidates' paths as (x, y), the cheapest first."""
    return [
        paths[np.argsort(costs, kind="stable")][..., ::-1].round(1).tolist()
        for costs, paths in zip(plan.costs, plan.paths, strict=True)
    ]


def _show_outcome(name: str, model: VideoCVAE, clip: Clip, scene: Scene, task: Task, plan: Plan, thing: str) -> None:
    """Prediction and execution side by side, and how far from the goal each ends."""
    past = model.config.past
    given = planning.situation(scene, past)
    executed = planning.execute(task.seed, given, plan.actions)
    (predicted,) = predict(name, model, clip, [executed.clip.condition[:-1]])
    frames = {
        "prediction": torch.cat([clip.frames[:past].float() / 255, predicted]),
        "execution": executed.clip.frames.float() / 255,
    }
    play({label: _marked(part, task.goal) for label, part in frames.items()}, past, "reach player")
    found = planning.find(predicted[-1:], given, task.goal)[0]
    expected, real = float(np.linalg.norm(found - task.goal.position)), distance(executed, task)
    lost = task.target is not None and np.array_equal(found, task.goal.start)
    in_prediction = (
        f"The predicted last frame does not show {thing}: the model does not tell where it goes"
        if lost
        else f"In the predicted last frame {thing} is **{expected / 2:.1f} cm** from the goal"
    )
    verdict = "the goal is reached" if real <= TOLERANCE else f"not within {TOLERANCE / 2:g} cm, so the goal is missed"
    st.markdown(f"{in_prediction}. The simulator leaves it **{real / 2:.1f} cm** away: {verdict}.")


def _marked(frames: torch.Tensor, goal: Goal) -> torch.Tensor:
    """Frames (T, 3, 64, 64) with a mark around the goal."""
    frames = frames.clone()
    row, column = goal.position.astype(int).tolist()
    for down, across in ((-2, 0), (2, 0), (0, -2), (0, 2), (-3, 0), (3, 0), (0, -3), (0, 3)):
        if 0 <= row + down < SIDE and 0 <= column + across < SIDE:
            frames[:, :, row + down, column + across] = MARK
    return frames


def _falling(plan: Plan):
    """The cost over the iterations in centimetres."""
    costs = plan.costs / 2
    figure = figures.by_frame(
        {
            "cheapest so far": np.minimum.accumulate(costs.min(1)).tolist(),
            "mean of the candidates": costs.mean(1).tolist(),
        },
        1, "cost, cm",
    )  # fmt: skip
    return figure.update_layout(height=260).update_xaxes(title="iteration")
