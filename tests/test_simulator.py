"""The robot simulator's physics, and the data set that it writes."""

import numpy as np
import pytest
import torch

from cvae_core.errors import UserError
from cvae_core.video import rendering
from cvae_core.video.data import Clip, stack
from cvae_core.video.physics import OBJECT_HEIGHT, REACH, TABLE
from cvae_core.video.simulator import rollout, simulate
from tests.tiny_pictures import assert_same_clips

SEEDS = range(1000, 1030)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CVAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def scenes():
    return [rollout(seed) for seed in SEEDS]


def actions_of(clip: Clip) -> np.ndarray:
    return clip.condition[:, :4].double().numpy()


def test_a_seed_is_a_clip(scenes):
    clip = simulate(SEEDS[0])
    assert clip.frames.shape == (12, 3, 64, 64) and clip.frames.dtype == torch.uint8
    assert clip.condition.shape == (12, 7) and clip.condition.dtype == torch.float32
    assert_same_clips([clip], [scenes[0].clip])
    assert not torch.equal(clip.frames, scenes[1].clip.frames)
    frames, condition = stack([simulate(seed) for seed in SEEDS[:2]], 12)
    assert torch.equal(frames[1], scenes[1].clip.frames) and torch.equal(condition[1], scenes[1].clip.condition)


def test_a_longer_clip_begins_like_a_shorter_one(scenes):
    assert torch.equal(simulate(SEEDS[0], 15).frames[:12], scenes[0].clip.frames)


def test_the_policys_own_actions_reproduce_its_clip(scenes):
    for seed, scene in zip(SEEDS[:5], scenes, strict=False):
        again = rollout(seed, actions=actions_of(scene.clip))
        assert_same_clips([again.clip], [scene.clip])
        assert np.array_equal(again.objects, scene.objects)


def test_other_actions_keep_the_scene_and_its_noise():
    ours = simulate(5, 4, noise=3)
    still = simulate(5, 4, noise=3, actions=np.zeros((4, 4)))
    assert torch.equal(still.frames[0], ours.frames[0]) and not torch.equal(still.frames[3], ours.frames[3])


def test_an_action_leads_from_its_frame_to_the_next(scenes):
    clip, actions = scenes[0].clip, actions_of(scenes[0].clip)
    actions[6, :3] += 0.03
    other = simulate(SEEDS[0], actions=actions)
    assert torch.equal(other.frames[:7], clip.frames[:7]) and not torch.equal(other.frames[7], clip.frames[7])
    actions = actions_of(clip)
    actions[-1] = 0.5  # leads to no frame
    assert torch.equal(simulate(SEEDS[0], actions=actions).frames, clip.frames)


def test_positions_are_the_running_sum_of_actions_clipped_to_the_reach(scenes):
    rng = np.random.default_rng(0)
    wild = simulate(0, 30, actions=np.column_stack([rng.normal(0, 0.06, (30, 3)), rng.random(30)]))
    for clip in [wild, *(scene.clip for scene in scenes)]:
        action, position = actions_of(clip), clip.condition[:, 4:].double().numpy()
        expected = np.clip(position[:-1] + action[:-1, :3], REACH[:, 0], REACH[:, 1])
        np.testing.assert_allclose(position[1:], expected, atol=1e-6)


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_a_gripper_kept_high_touches_nothing(seed):
    rng = np.random.default_rng(seed)
    actions = np.column_stack([rng.normal(0, 0.03, (20, 2)), rng.uniform(0, 0.01, 20), rng.integers(0, 2, 20)])
    scene = rollout(seed, 20, actions=actions)
    assert scene.clip.condition[:, 6].min() > OBJECT_HEIGHT
    assert not scene.touched and np.array_equal(scene.objects[0], scene.objects[-1])


def towards(seed: int, index: int, length: int, gripper: float) -> tuple[np.ndarray, np.ndarray]:
    """Actions that leave the gripper low over an object after three frames, and its position there."""
    start = rollout(seed, 3)
    position = start.clip.condition[0, 4:].double().numpy()
    goal = np.array([*start.objects[0, index, :2], 0.02])
    actions = np.zeros((length, 4))
    actions[:, 3] = gripper
    high = [*(goal[:2] - position[:2]), 0.0]
    actions[0, :3], actions[1, 2] = high, goal[2] - position[2]
    return actions, goal


def test_an_object_in_a_closing_gripper_follows_it_until_it_opens():
    carried = 0
    for seed in SEEDS:
        for index in range(len(rollout(seed, 3).objects[0])):
            actions, goal = towards(seed, index, 9, 1.0)
            actions[3:7, 3] = 0  # closes at frame 3, opens at frame 7
            actions[4:6, :3] = 0.02, 0.015, 0.03
            scene = rollout(seed, 9, actions=actions)
            if scene.objects[5, index, 2] == 0:
                continue  # out of reach, or too wide
            carried += 1
            assert scene.touched
            position = scene.clip.condition[:, 4:].double().numpy()
            offset = (scene.objects[3:8, index] - position[3:8])[:, :2]
            np.testing.assert_allclose(offset, offset[[0]].repeat(5, 0), atol=1e-6)
            assert scene.objects[7, index, 2] == pytest.approx(0.06, abs=1e-6) and scene.objects[8, index, 2] == 0
    assert carried >= 20


def test_a_low_gripper_pushes_an_object_which_then_comes_to_rest():
    pushed = 0
    for seed in SEEDS:
        actions, _ = towards(seed, 0, 20, 0.0)
        actions[2:6, 0] = 0.02
        scene = rollout(seed, 20, actions=actions)
        way = np.linalg.norm(np.diff(scene.objects[:, 0, :2], axis=0), axis=1)
        pushed += way[2:6].sum() > 0.02
        assert way[-1] < 1e-3
    assert pushed >= 20


def test_objects_stay_on_the_table_and_apart():
    rng = np.random.default_rng(0)
    for seed in SEEDS[:12]:
        # A gripper that sweeps low from wall to wall squeezes objects most.
        actions = np.column_stack([rng.choice([-0.05, 0.05], (40, 2)), np.full(40, -0.02), np.zeros(40)])
        objects = rollout(seed, 40, actions=actions).objects
        assert (objects[..., :2] > TABLE[:, 0]).all() and (objects[..., :2] < TABLE[:, 1]).all()
        apart = np.linalg.norm(objects[0, :, None, :2] - objects[0, None, :, :2], axis=-1)
        assert (apart[~np.eye(len(apart), dtype=bool)] > 0.02).all()


def test_noise_only_adds_noise():
    clean, noisy = simulate(4, noise=0), simulate(4, noise=5)
    difference = noisy.frames.float() - clean.frames.float()
    assert torch.equal(clean.condition, noisy.condition)
    inside = (clean.frames > 30) & (clean.frames < 225)
    assert difference[inside].std() == pytest.approx(5, rel=0.03) and abs(difference[inside].mean()) < 0.1
    assert_same_clips([noisy], [simulate(4, noise=5)])


def test_the_background_stays_still(scenes):
    for scene in scenes[:5]:
        bottom = scene.clip.frames[:, :, -1]  # no object reaches the last row, and the gripper seldom
        still = (bottom == bottom[:1]).all(0)
        assert still.float().mean() > 0.7


def test_height_and_grip_are_visible():
    still = np.zeros((3, 4))
    base = simulate(2, 3, actions=still)
    for axis, change in ((2, 0.05), (3, 1.0)):
        actions = still.copy()
        actions[0, axis] = change
        assert (simulate(2, 3, actions=actions).frames[1] != base.frames[1]).sum() > 30


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"length": 2},
        {"noise": -1.0},
        {"noise": float("nan")},
        {"actions": np.zeros((11, 4))},
        {"actions": np.full((12, 4), np.nan)},
        {"actions": np.full((12, 4), 1e300)},
    ],
)
def test_what_cannot_be_simulated_is_an_error(wrong):
    with pytest.raises(UserError, match="expected"):
        rollout(**({"seed": 0} | wrong))


def test_clips_are_hard_enough_to_mean_something():
    """Copying the last given frame scores 18 to 22 dB; the gripper touches an object in more than half of the clips."""
    found = [rollout(seed) for seed in range(50_000, 50_150)]
    frames = torch.stack([scene.clip.frames for scene in found]).float() / 255
    error = (frames[:, 2:] - frames[:, 1:2]).square().mean((2, 3, 4))
    assert 18 < float((-10 * error.log10()).mean()) < 22
    assert sum(scene.touched for scene in found) / len(found) > 0.5


def test_the_simulator_draws_a_disc_of_its_area():
    centre, radius = np.full((1, 2), 30.3, np.float32), np.full(1, 6.0, np.float32)
    _, coverage = rendering._capsule(centre, centre, radius, radius)
    assert coverage.sum() == pytest.approx(np.pi * 36, rel=0.01)
    corners = np.array([[0.02, 0.01], [-0.02, 0.01], [-0.02, -0.01], [0.02, -0.01]])
    rotation, scale = np.array([[0.6, 0.8]]), np.full(1, 400.0, np.float32)
    _, coverage = rendering._polygon(centre, rotation, corners, scale)
    assert coverage.sum() == pytest.approx(16 * 8, rel=0.03)
