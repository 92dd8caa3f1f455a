"""Planning: where things are found, what candidates may be, that the cheapest is found, and how plans are judged."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from cvae_core import __main__ as command_line
from cvae_core import checkpoint
from cvae_core.video import planning, planning_metrics
from cvae_core.video.data import ACTION
from cvae_core.video.family import TEST
from cvae_core.video.model import build
from cvae_core.video.physics import REACH, TABLE
from cvae_core.video.planning import CANDIDATES, HORIZON, ITERATIONS, MAX_STEP, SEGMENTS, TOLERANCE, Goal
from cvae_core.video.planning_metrics import Task, distance, make_tasks
from cvae_core.video.policy import follow
from cvae_core.video.simulator import Scene, rollout
from tests.helpers import run_python
from tests.tiny_pictures import VIDEO

SEED, PAST = 1_000_003, 2
RED = torch.tensor([214, 48, 42]) / 255


@pytest.fixture(scope="module")
def scene() -> Scene:
    return rollout(SEED, PAST + HORIZON)


@pytest.fixture(scope="module")
def given(scene) -> planning.Situation:
    return planning.situation(scene, PAST)


def square(row: int, column: int, colour: Tensor, side: int = 6) -> Tensor:
    """A grey frame (3, 64, 64) with a square whose upper left corner is given."""
    frame = torch.full((3, 64, 64), 0.7)
    frame[:, row : row + side, column : column + side] = colour[:, None, None]
    return frame


# --- where things are -----------------------------------------------------------------------------------------------


def test_a_coloured_thing_is_found_at_its_centre_also_in_a_shadow():
    frames = torch.stack(
        [square(10, 30, RED), square(50, 3, RED), square(20, 20, 0.8 * RED), square(20, 20, RED.flip(0))]
    )
    found, pixels = planning.locate(frames, RED, 11)
    assert found[:3].tolist() == [[13, 33], [53, 6], [23, 23]]
    assert pixels[:3].tolist() == pytest.approx([36] * 3, rel=0.05) and pixels[3] == 0


def test_of_two_places_the_larger_is_taken():
    frame = torch.minimum(square(10, 10, RED, 3), square(40, 40, RED, 7))
    assert planning.locate(frame[None], RED, 11)[0].tolist() == [[43.5, 43.5]]


def test_every_visible_object_and_the_gripper_are_found_where_the_simulator_has_them():
    errors = {"gripper": [], "object": []}
    for seed in range(TEST, TEST + 15):
        scene = rollout(seed, PAST + HORIZON)
        given, last = planning.situation(scene, PAST), scene.clip.frames[-1:].float() / 255
        tip = planning.seen_at(scene.clip.condition[-1, ACTION:].double().numpy())
        goals = [(Goal("gripper", planning.seen_at(given.position), tip), tip)]
        for before, after in zip(scene.objects[PAST - 1], scene.objects[-1], strict=True):
            start, end = planning.seen_at(before), planning.seen_at(after)
            if np.linalg.norm(start - goals[0][0].start) > 10 and np.linalg.norm(end - tip) > 14:
                goals.append((Goal("object", start, end), end))
        for goal, end in goals:
            errors[goal.thing].append(np.linalg.norm(planning.find(last, given, goal)[0] - end))
    for thing, distances in errors.items():
        assert len(distances) >= 15 and np.mean(np.array(distances) < TOLERANCE) >= 0.9, thing


def test_a_thing_that_a_frame_does_not_show_counts_as_unmoved(given):
    start = planning.seen_at(rollout(SEED, 3).objects[1, 0])
    goal = Goal("object", start, start + 5)
    assert planning.find(torch.full((2, 3, 64, 64), 0.7), given, goal).tolist() == [start.tolist()] * 2


# --- candidates -----------------------------------------------------------------------------------------------------


def test_conditions_follow_actions_as_the_simulator_moves(scene, given):
    actions = planning.initial_actions(given)
    executed = planning.execute(SEED, given, actions).clip
    assert torch.allclose(follow(given.condition, actions), executed.condition[:-1], atol=2e-5)
    own = scene.clip.condition[PAST - 1 : -1, :ACTION].double().numpy()
    assert torch.equal(planning.execute(SEED, given, own).clip.frames, scene.clip.frames)


def test_candidates_stay_in_reach_with_short_steps_and_the_same_grip(given):
    steps = np.random.default_rng(0).normal(0, 0.05, (20, SEGMENTS, 3))
    actions = planning.to_actions(steps, given)
    positions = planning.positions_of(given, actions)
    assert actions.shape == (20, HORIZON, ACTION) and (actions[..., 3] == float(given.condition[-1, 3])).all()
    assert (positions >= REACH[:, 0] - 1e-9).all() and (positions <= REACH[:, 1] + 1e-9).all()
    assert np.linalg.norm(actions[..., :3], axis=-1).max() <= MAX_STEP + 1e-9
    executed = planning.execute(SEED, given, actions[0]).clip.condition[PAST - 1 :, ACTION:]
    assert positions[0] == pytest.approx(executed.numpy(), abs=2e-5)


# --- plans ----------------------------------------------------------------------------------------------------------


def known(given: planning.Situation) -> planning.WorldModel:
    """A world that tells where the gripper ends."""
    return lambda actions: planning.seen_at(planning.positions_of(given, actions)[:, -1])


def test_a_plan_reaches_its_goal_and_is_determined_by_its_seed(given):
    goal = Goal("gripper", planning.seen_at(given.position), np.array([40.0, 24.0]))
    plan = planning.plan(known(given), given, goal)
    end = planning.seen_at(planning.positions_of(given, plan.actions[None])[0, -1])
    assert np.linalg.norm(end - goal.position) < TOLERANCE
    assert plan.costs.shape == (ITERATIONS, CANDIDATES) and plan.paths.shape == (ITERATIONS, CANDIDATES, HORIZON + 1, 2)
    assert plan.costs[-1].mean() < plan.costs[0].mean() / 2
    again, other = (planning.plan(known(given), given, goal, seed, 2) for seed in (0, 1))
    assert np.array_equal(again.costs, plan.costs[:2]) and not np.array_equal(other.costs, plan.costs[:2])
    best = np.unravel_index(plan.costs.argmin(), plan.costs.shape)
    assert plan.paths[best][-1] == pytest.approx(end, abs=1e-3)


def test_for_an_object_it_is_cheaper_to_come_near():
    start = np.array([32.0, 32.0])
    goal = Goal("object", start, start + 10)
    here = np.array([*TABLE.mean(1), 0.02])
    near, far = (np.tile(here + [0, shift, 0], (1, HORIZON + 1, 1)) for shift in (0.01, 0.05))
    costs = [planning.cost_of(start[None], positions, goal)[0] for positions in (near, far)]
    assert costs == pytest.approx([np.hypot(10, 10) + 0.5 * 2, np.hypot(10, 10) + 0.5 * 10])


def test_worlds_tell_where_the_last_frame_shows_the_gripper(given):
    actions = np.stack([planning.initial_actions(given, seed) for seed in range(3)])
    goal = Goal("gripper", planning.seen_at(given.position), np.array([40.0, 24.0]))
    expected = known(given)(actions)
    true = planning.simulator_world(SEED, given, goal)(actions)
    last = planning.execute(SEED, given, actions[1]).clip.frames[-1:].float() / 255
    assert true[1].tolist() == planning.find(last, given, goal)[0].tolist() and np.abs(true - expected).max() < 2
    with_objects = build(replace(VIDEO, feedback=False, dynamics="maps", keypoints=2, objects=True)).eval()
    assert planning.model_world(with_objects, given, goal)(actions) == pytest.approx(expected, abs=1e-3)


def test_an_object_ends_where_its_keypoint_does(scene, given):
    """At its start without moves; and unmoved where no object is found at the start."""
    model = build(replace(VIDEO, feedback=False, dynamics="maps", keypoints=2, objects=True)).eval()
    actions = np.stack([planning.initial_actions(given, seed) for seed in range(3)])
    starts = planning.seen_at(np.column_stack([scene.objects[PAST - 1, :, :2], 0 * scene.objects[PAST - 1, :, 0]]))
    goal = Goal("object", starts[0], starts[0] + 10)
    ends = planning.model_world(model, given, goal)(actions)
    assert ends.shape == (3, 2) and (ends != starts[0]).any()
    empty = np.array([2.0, 62.0])
    nothing = planning.model_world(model, given, Goal("object", empty, empty + 10))(actions)
    assert nothing.tolist() == [empty.tolist()] * 3


def test_a_world_decodes_the_last_frame_alone(scene, given):
    actions = np.stack([planning.initial_actions(given, seed) for seed in range(3)])
    goal = Goal("gripper", planning.seen_at(given.position), np.array([40.0, 24.0]))
    for feedback in (False, True):
        model = build(VIDEO.__class__(**{**VIDEO.__dict__, "feedback": feedback, "keypoints": 2})).eval()
        model.standardize(scene.clip.condition)
        condition = torch.stack([follow(given.condition, a) for a in actions])
        frames = given.frames[None].float() / 255
        whole = model.predict(frames.repeat(3, 1, 1, 1, 1), condition, torch.Generator().manual_seed(5))
        last = model.predict(frames, condition, torch.Generator().manual_seed(5), last=1)
        assert whole.shape == (3, HORIZON, 3, 64, 64) and torch.allclose(last, whole[:, -1:], atol=1e-5)
        ends = planning.model_world(model, given, goal, 5)(actions)
        assert ends == pytest.approx(planning.find(whole[:, -1], given, goal), abs=0.5)  # bfloat16 where the CPU has it


# --- tasks and scores -----------------------------------------------------------------------------------------------


def test_tasks_are_seeded_and_of_both_kinds():
    tasks, again = (make_tasks(12, PAST) for _ in range(2))
    assert [task.seed for task in tasks] == [task.seed for task in again] and tasks[0].seed == TEST
    assert all(np.array_equal(a.goal.position, b.goal.position) for a, b in zip(tasks, again, strict=True))
    assert [task.goal.thing for task in tasks[:2]] == ["gripper", "object"]
    for task in tasks:
        away = np.linalg.norm(task.goal.position - task.goal.start)
        assert away > 2 * TOLERANCE and (task.target is None) == (task.goal.thing == "gripper")
        still = planning.execute(
            task.seed, planning.situation(rollout(task.seed, 3), PAST), np.zeros((HORIZON, ACTION))
        )
        assert distance(still, task) > TOLERANCE


def test_rates_are_counted_for_all_tasks_and_for_each_thing():
    goals = [Goal(thing, np.zeros(2), np.ones(2)) for thing in ("gripper", "gripper", "object", "object")]
    tasks = [Task(seed, None, goal) for seed, goal in enumerate(goals)]
    results = [
        {"random": 9.0, "model": m, "simulator": s, "seconds": t}
        for m, s, t in ((1, 1, 2), (3, 2, 4), (3.1, 3, 2), (8, 4, 4))
    ]
    scores = planning_metrics.summarize(tasks, results)
    assert (scores["random"], scores["model"], scores["simulator"], scores["seconds_per_plan"]) == (0, 0.5, 0.75, 3)
    assert scores["gripper"] == {"random": 0, "model": 1, "simulator": 1}
    assert scores["object"] == {"random": 0, "model": 0, "simulator": 0.5}
    lines = planning_metrics.as_table(scores).splitlines()
    assert lines[-1].split() == ["move", "the", "object", "0.00", "0.00", "0.50"]


def test_plans_are_evaluated_on_the_simulator_alone(tmp_path, capsys):
    assert command_line.main(["evaluate", "video", "--plan", "--data", str(tmp_path)]) == 2
    assert "leave out --data" in capsys.readouterr().err


def test_plans_depend_on_the_seed(monkeypatch, tmp_path, capsys):
    asked = []

    def plan(world, given, goal, seed):
        asked.append(seed)
        return planning.Plan(np.zeros((HORIZON, ACTION)), np.zeros((1, 1)), np.zeros((1, 1, HORIZON + 1, 2)))

    monkeypatch.setattr(planning, "plan", plan)
    monkeypatch.setattr(planning_metrics, "ProcessPoolExecutor", ThreadPoolExecutor)  # in this process, with `plan`
    checkpoint.write(tmp_path / "m.safetensors", build(VIDEO).state_dict(), {"system": "video", "config": vars(VIDEO)})
    options = ["--checkpoint", str(tmp_path / "m.safetensors"), "--clips", "2", "--json"]
    for seed in (0, 5):
        assert command_line.main(["evaluate", "video", "--plan", *options, "--seed", str(seed)]) == 0
    assert sorted(asked) == sorted(TEST + task + seed for task in (0, 1) for seed in (0, 0, 5, 5))


@pytest.mark.slow
def test_the_shipped_model_moves_the_gripper_and_objects_where_they_should_be():
    done = run_python("-m", "cvae_core", "evaluate", "video", "--plan", "--clips", 40, "--threads", 2, "--json")
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    assert scores["tasks"] == 40 and scores["gripper"]["model"] >= 0.8 * scores["gripper"]["simulator"] > 0.6
    assert scores["random"] < 0.3 and scores["object"]["simulator"] > 0.3 and scores["object"]["model"] >= 0.2
