"""How often plans reach their goals: with the video model, with the true simulator, and random actions."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import torch

from cvae_core.video import planning
from cvae_core.video.family import TEST
from cvae_core.video.model import VideoCVAE
from cvae_core.video.physics import REACH
from cvae_core.video.planning import HORIZON, TOLERANCE, Goal, seen_at
from cvae_core.video.simulator import Scene, rollout

THINGS = ("gripper", "object")
PLANNERS = ("random", "model", "simulator")
GRIPPER_AWAY = 0.06  # metres: the least distance from the start to the gripper's goal
PUSHES = (0.04, 0.08)  # metres that an object has to be moved
CLEAR = 0.035  # metres between the gripper and an object at the start
BEHIND = 0.04  # metres behind an object, seen from its goal, that the gripper must be able to reach


class Task(NamedTuple):
    """A goal in the scene of a seed; object number `target` of it, None for the gripper."""

    seed: int
    target: int | None
    goal: Goal


def make_task(seed: int, thing: str, past: int) -> Task | None:
    """The task of a seed, None if no object of the scene can be pushed."""
    rng = np.random.default_rng([seed, 3])
    scene = rollout(seed, past + HORIZON)
    position = scene.clip.condition[past - 1, 4:].double().numpy()
    if thing == "gripper":
        while np.linalg.norm((place := rng.uniform(*REACH[:2].T)) - position[:2]) < GRIPPER_AWAY:
            pass
        return Task(seed, None, Goal(thing, seen_at(position), seen_at(np.append(place, position[2]))))
    for _ in range(1000):
        target, angle = int(rng.integers(scene.objects.shape[1])), rng.uniform(0, 2 * np.pi)
        x, y, height = scene.objects[past - 1, target]
        start, direction = np.array([x, y]), np.array([np.cos(angle), np.sin(angle)])
        place = start + rng.uniform(*PUSHES) * direction
        points = np.stack([start, place, start - BEHIND * direction])
        within = (points > REACH[:2, 0]).all() and (points < REACH[:2, 1]).all()
        if within and height == 0 and np.linalg.norm(start - position[:2]) > CLEAR:
            start, place = seen_at(np.array([[*start, 0], [*place, 0]]))
            return Task(seed, target, Goal(thing, start, place))
    return None


def make_tasks(count: int, past: int) -> list[Task]:
    """So many tasks of scenes that no shipped model was trained on, half of them with each thing."""

    def endless() -> Iterator[Task]:
        for seed in itertools.count(TEST):
            if task := make_task(seed, THINGS[seed % 2], past):
                yield task

    tasks = endless()
    return [next(tasks) for _ in range(count)]


def distance(scene: Scene, task: Task) -> float:
    """How far from the goal the thing is in the last frame of a simulated scene, in pixels."""
    if task.target is None:
        end = seen_at(scene.clip.condition[-1, 4:].double().numpy())
    else:
        end = seen_at(scene.objects[-1, task.target])
    return float(np.linalg.norm(end - task.goal.position))


def solve(model: VideoCVAE, task: Task, seed: int = 0) -> dict[str, float]:
    """The distance in pixels that is left with each planner, and the seconds that planning with the model took.

    The seed is of the candidates, the random actions and z.
    """
    candidates = task.seed + seed
    given = planning.situation(rollout(task.seed, model.config.past + HORIZON), model.config.past)
    start = time.perf_counter()
    by_model = planning.plan(planning.model_world(model, given, task.goal, seed), given, task.goal, candidates)
    seconds = time.perf_counter() - start
    by_simulator = planning.plan(planning.simulator_world(task.seed, given, task.goal), given, task.goal, candidates)
    chosen = {
        "random": planning.initial_actions(given, candidates), "model": by_model.actions,
        "simulator": by_simulator.actions,
    }  # fmt: skip
    return {
        name: distance(planning.execute(task.seed, given, actions), task) for name, actions in chosen.items()
    } | {"seconds": seconds}  # fmt: skip


def evaluate(
    model: VideoCVAE,
    tasks: Sequence[Task],
    processes: int = 1,
    done: Callable[[], object] = lambda: None,
    seed: int = 0,
) -> dict:
    """Solve tasks in processes of one thread each; `done` is called after each task. See `solve`, `summarize`."""
    results = []
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (model, seed)) as pool:
        for result in pool.map(_solve, tasks):
            results.append(result)
            done()
    return summarize(tasks, results)


def summarize(tasks: Sequence[Task], results: Sequence[dict[str, float]]) -> dict:
    """Success rates by planner, over all tasks and for each thing, and the mean seconds of a plan with the model."""

    def rates(thing: str | None = None) -> dict[str, float]:
        chosen = [r for task, r in zip(tasks, results, strict=True) if thing in (None, task.goal.thing)]
        return {name: float(np.mean([r[name] <= TOLERANCE for r in chosen])) for name in PLANNERS}

    seconds = float(np.mean([r["seconds"] for r in results]))
    budget = {"candidates": planning.CANDIDATES, "iterations": planning.ITERATIONS}
    things = {thing: rates(thing) for thing in dict.fromkeys(task.goal.thing for task in tasks)}
    return rates() | {"seconds_per_plan": seconds, "tasks": len(tasks)} | budget | things


def as_table(scores: dict) -> str:
    """The result of `evaluate` as text."""
    lines = [
        f"{scores['tasks']} tasks, each plan from {scores['iterations']} x {scores['candidates']} candidates, "
        f"{scores['seconds_per_plan']:.2f} s with the model; share of goals reached within {TOLERANCE / 2:g} cm:",
        f"{'':<24}" + "".join(f"{name:>11}" for name in PLANNERS),
    ]
    groups = {"all": scores} | {f"move the {thing}": scores[thing] for thing in THINGS if thing in scores}
    return "\n".join(
        lines + [f"{name:<24}" + "".join(f"{rates[p]:>11.2f}" for p in PLANNERS) for name, rates in groups.items()]
    )


_model: VideoCVAE
_seed: int


def _start(model: VideoCVAE, seed: int) -> None:
    """A worker process keeps the model and the seed, and uses one thread."""
    global _model, _seed
    torch.set_num_threads(1)
    _model, _seed = model, seed


def _solve(task: Task) -> dict[str, float]:
    return solve(_model, task, _seed)
