"""Clips: the course's folders with everything that can be wrong in them, the cache, and the simulator's physics."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvae_core.errors import UserError
from cvae_core.video import data, simulator
from cvae_core.video.data import Clip, read_clip, read_folder, stack, write_clip
from cvae_core.video.simulator import HEIGHT, REACH, TABLE, rollout, simulate, write_dataset

ROBOT = Path(__file__).resolve().parents[2] / "shared" / "data" / "robot"
robot = pytest.mark.skipif(not ROBOT.is_dir(), reason=f"the real robot's sequences are not at {ROBOT}")
SEEDS = range(1000, 1030)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CVAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def scenes():
    return [rollout(seed) for seed in SEEDS]


@pytest.fixture
def folder(tmp_path):
    return write_clip(simulate(1, 4), tmp_path / "traj_7" / "0")


def actions_of(clip: Clip) -> np.ndarray:
    return clip.condition[:, :4].double().numpy()


# --- one sequence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [3, 12])
def test_what_is_written_is_read_again(tmp_path, length):
    clip = simulate(3, length, noise=2)
    again = read_clip(write_clip(clip, tmp_path / "traj_3" / "0"))
    assert torch.equal(again.frames, clip.frames) and again.frames.dtype == torch.uint8
    torch.testing.assert_close(again.condition, clip.condition, atol=5e-7, rtol=0)
    assert again.name == "traj_3/0" and again.condition.shape == (length, 7)
    assert again.frames.is_contiguous() and again.condition.is_contiguous()


def test_a_sequence_is_never_written_over_another(folder):
    with pytest.raises(UserError, match="already holds files"):
        write_clip(simulate(2, 3), folder)
    with pytest.raises(UserError, match="Cannot write"):
        write_clip(simulate(2, 3), folder / "0.png")
    assert torch.equal(read_clip(folder).frames, simulate(1, 4).frames)


def rows(text):
    return lambda folder: (folder / "actions.csv").write_text(text)


def picture(size=(64, 64), name="2.png", kind="PNG"):
    return lambda folder: Image.new("RGB", size).save(folder / name, kind)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "actions.csv").unlink(), "actions.csv is missing: expected 4 numbers for each of 4 frames"),
        (lambda f: (f / "endeffector_positions.csv").unlink(), "endeffector_positions.csv is missing"),
        (lambda f: (f / "2.png").unlink(), "has no 2.png: expected every frame from 0 to 3"),
        (lambda f: (f / "0.png").unlink(), "has no 0.png"),
        (lambda f: [path.unlink() for path in f.glob("[12].png")], "has 2 frames: .* at least 3"),
        (lambda f: (f / "3.png").unlink(), "actions.csv has 4 rows for 3 frames"),
        (picture(name="4.png"), "actions.csv has 4 rows for 5 frames"),
        (picture((64, 48)), "2.png has 64 x 48 pixels: expected 64 x 64"),
        (picture(kind="JPEG"), "2.png cannot be read as a PNG"),
        (lambda f: (f / "2.png").write_bytes((f / "2.png").read_bytes()[:200]), "2.png cannot be read"),
        (lambda f: (f / "2.png").write_bytes(b""), "2.png cannot be read"),
        (rows("dx,dy,dz,grip\n" + "0,0,0,1\n" * 4), "5 rows for 4 frames: expected one each, without a header"),
        (rows("0,0,0,1\n" * 2 + "0,zero,0,1\n" + "0,0,0,1\n"), "row 3: expected 4 finite numbers, found '0,zero,0,1'"),
        (rows("0,0,0,nan\n" * 4), "row 1: expected 4 finite numbers"),
        (rows("0,0,0,1e300\n" * 4), "row 1: expected 4 finite numbers"),
        (rows("0,0,0\n" * 4), "row 1: expected 4 finite numbers"),
        (rows("1\n" * 4), "row 1: expected 4 finite numbers"),
        (rows(""), "0 rows for 4 frames"),
        (lambda f: (f / "actions.csv").write_bytes(b"\xff\xfe\0"), "cannot be read as text"),
    ],
)
def test_a_damaged_sequence_is_named_with_what_was_expected(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError, match=message) as error:
        read_clip(folder)
    assert str(folder) in str(error.value)


def test_a_sequence_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="There is no sequence .*nowhere: expected a folder with 0.png"):
        read_clip(tmp_path / "nowhere")


def test_other_files_beside_the_frames_do_no_harm(folder):
    (folder / "notes.txt").write_text("a note")
    picture(name="strip.png")(folder)
    (folder / "actions.csv").write_text((folder / "actions.csv").read_text() + "\n\n")
    assert len(read_clip(folder).frames) == 4


# --- folders --------------------------------------------------------------------------------------------------------


def test_a_data_set_is_read_split_by_split_in_the_order_of_its_numbers(tmp_path):
    write_dataset(tmp_path / "set", train=[10, 2], validate=[5], length=3)
    train, validate = read_folder(tmp_path / "set")
    assert [clip.name for clip in train] == ["traj_2/0", "traj_10/0"] and [c.name for c in validate] == ["traj_5/0"]
    assert torch.equal(train[1].frames, simulate(10, 3).frames)
    none, same = read_folder(tmp_path / "set" / "train")  # traj_* directly
    assert none == [] and torch.equal(same[0].frames, train[0].frames)


def test_a_trajectory_can_hold_several_sequences(tmp_path):
    for number in (10, 2):
        write_clip(simulate(number, 3), tmp_path / "set" / "traj_a" / str(number))
    assert [clip.name for clip in read_folder(tmp_path / "set")[1]] == ["traj_a/2", "traj_a/10"]


def test_a_folder_without_sequences_is_an_error(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no sequences: expected train/"):
        read_folder(tmp_path)
    (tmp_path / "traj_1").mkdir()
    with pytest.raises(UserError, match="traj_1 holds no sequence: expected a folder 0"):
        read_folder(tmp_path)


def test_a_folder_that_may_not_be_read_is_an_error(folder, monkeypatch):
    def forbidden(*_):
        raise PermissionError(13, "Permission denied", "traj_7")

    monkeypatch.setattr(data, "_fingerprint", forbidden)
    with pytest.raises(UserError, match="Cannot read traj_7: Permission denied"):
        read_folder(folder.parents[1])


def count_reads(monkeypatch) -> list:
    read, plain = [], data.read_clip
    monkeypatch.setattr(data, "read_clip", lambda folder: read.append(folder) or plain(folder))
    return read


def assert_same(found: list[Clip], expected: list[Clip]):
    assert [clip.name for clip in found] == [clip.name for clip in expected]
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a.frames, b.frames) and torch.equal(a.condition, b.condition)


def test_frames_are_decoded_once_and_again_when_a_file_changes(tmp_path, cache, monkeypatch):
    write_dataset(tmp_path / "set", train=[1], validate=[2], length=3)
    read = count_reads(monkeypatch)
    first = read_folder(tmp_path / "set")
    assert len(read) == 2 and len(list(cache.iterdir())) == 1
    again = read_folder(tmp_path / "set")
    assert len(read) == 2
    for a, b in zip(first, again, strict=True):
        assert_same(b, a)
    frame = tmp_path / "set" / "train" / "traj_1" / "0" / "1.png"
    before = frame.stat()
    picture(name="1.png")(frame.parent)
    os.utime(frame, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert read_folder(tmp_path / "set")[0][0].frames[1].max() == 0 and len(read) == 4
    write_clip(simulate(4, 3), tmp_path / "set" / "train" / "traj_4" / "0")
    assert len(read_folder(tmp_path / "set")[0]) == 2
    assert len(list(cache.iterdir())) == 1  # one file a folder, however often it changes


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-100],
        lambda raw: raw[:-5000] + bytes([raw[-5000] ^ 1]) + raw[-4999:],  # a bit of a frame
        lambda raw: b"",
        lambda raw: b"no cache at all",
    ],
)
def test_a_damaged_cache_is_made_again(tmp_path, cache, monkeypatch, damage):
    write_dataset(tmp_path / "set", train=[], validate=[1, 2], length=3)
    _, expected = read_folder(tmp_path / "set")
    (kept,) = cache.iterdir()
    kept.write_bytes(damage(kept.read_bytes()))
    read = count_reads(monkeypatch)
    for _ in range(2):  # decoded again, then kept again
        assert_same(read_folder(tmp_path / "set")[1], expected)
        assert len(read) == 2


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CVAE_CACHE", str(tmp_path / "file"))
    write_dataset(tmp_path / "set", train=[], validate=[1], length=3)
    assert len(read_folder(tmp_path / "set")[1]) == 1


@robot
def test_the_real_robots_sequences_are_read():
    train, validate = read_folder(ROBOT)
    assert (len(train), len(validate)) == (16, 4)
    assert all(clip.frames.shape == (10, 3, 64, 64) and clip.condition.shape == (10, 7) for clip in train + validate)
    assert validate[1].name == "traj_17_to_17.tfrecords/0"
    expected = torch.tensor([-0.003817, 0.003480, -0.003492, 0.0, 0.259253, -0.055697, 0.063057])
    torch.testing.assert_close(validate[1].condition[4], expected)
    with Image.open(ROBOT / "validate" / "traj_17_to_17.tfrecords" / "0" / "9.png") as last:
        assert np.array_equal(validate[1].frames[9].permute(1, 2, 0), np.asarray(last.convert("RGB")))


# --- simulator ------------------------------------------------------------------------------------------------------


def test_a_seed_is_a_clip(scenes):
    clip = simulate(SEEDS[0])
    assert clip.frames.shape == (12, 3, 64, 64) and clip.frames.dtype == torch.uint8
    assert clip.condition.shape == (12, 7) and clip.condition.dtype == torch.float32
    assert_same([clip], [scenes[0].clip])
    assert not torch.equal(clip.frames, scenes[1].clip.frames)
    frames, condition = stack([simulate(seed) for seed in SEEDS[:2]], 12)
    assert torch.equal(frames[1], scenes[1].clip.frames) and torch.equal(condition[1], scenes[1].clip.condition)


def test_a_longer_clip_begins_like_a_shorter_one(scenes):
    assert torch.equal(simulate(SEEDS[0], 15).frames[:12], scenes[0].clip.frames)


def test_the_policys_own_actions_reproduce_its_clip(scenes):
    for seed, scene in zip(SEEDS[:5], scenes, strict=False):
        again = rollout(seed, actions=actions_of(scene.clip))
        assert_same([again.clip], [scene.clip])
        assert np.array_equal(again.things, scene.things)


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
    assert scene.clip.condition[:, 6].min() > HEIGHT
    assert not scene.touched and np.array_equal(scene.things[0], scene.things[-1])


def towards(seed: int, thing: int, length: int, gripper: float) -> tuple[np.ndarray, np.ndarray]:
    """Actions that stop with the gripper low over a thing after three frames, and where it then is."""
    start = rollout(seed, 3)
    position = start.clip.condition[0, 4:].double().numpy()
    goal = np.array([*start.things[0, thing, :2], 0.02])
    actions = np.zeros((length, 4))
    actions[:, 3] = gripper
    high = [*(goal[:2] - position[:2]), 0.0]
    actions[0, :3], actions[1, 2] = high, goal[2] - position[2]
    return actions, goal


def test_a_thing_in_a_closing_gripper_follows_it_until_it_opens():
    carried = 0
    for seed in SEEDS:
        for thing in range(len(rollout(seed, 3).things[0])):
            actions, goal = towards(seed, thing, 9, 1.0)
            actions[3:7, 3] = 0  # closes at frame 3, opens at frame 7
            actions[4:6, :3] = 0.02, 0.015, 0.03
            scene = rollout(seed, 9, actions=actions)
            if scene.things[5, thing, 2] == 0:
                continue  # out of reach, or too wide
            carried += 1
            assert scene.touched
            position = scene.clip.condition[:, 4:].double().numpy()
            offset = (scene.things[3:8, thing] - position[3:8])[:, :2]
            np.testing.assert_allclose(offset, offset[[0]].repeat(5, 0), atol=1e-6)
            assert scene.things[7, thing, 2] == pytest.approx(0.06, abs=1e-6) and scene.things[8, thing, 2] == 0
    assert carried >= 20


def test_a_low_gripper_pushes_what_it_meets_and_the_thing_comes_to_rest():
    pushed = 0
    for seed in SEEDS:
        actions, _ = towards(seed, 0, 20, 0.0)
        actions[2:6, 0] = 0.02
        scene = rollout(seed, 20, actions=actions)
        way = np.linalg.norm(np.diff(scene.things[:, 0, :2], axis=0), axis=1)
        pushed += way[2:6].sum() > 0.02
        assert way[-1] < 1e-3
    assert pushed >= 20


def test_things_stay_on_the_table_and_no_two_in_one_place():
    rng = np.random.default_rng(0)
    for seed in SEEDS[:12]:
        # A gripper that sweeps low from wall to wall squeezes things as much as can be.
        actions = np.column_stack([rng.choice([-0.05, 0.05], (40, 2)), np.full(40, -0.02), np.zeros(40)])
        things = rollout(seed, 40, actions=actions).things
        assert (things[..., :2] > TABLE[:, 0]).all() and (things[..., :2] < TABLE[:, 1]).all()
        apart = np.linalg.norm(things[0, :, None, :2] - things[0, None, :, :2], axis=-1)
        assert (apart[~np.eye(len(apart), dtype=bool)] > 0.02).all()


def test_noise_only_adds_noise():
    clean, noisy = simulate(4, noise=0), simulate(4, noise=5)
    difference = noisy.frames.float() - clean.frames.float()
    assert torch.equal(clean.condition, noisy.condition)
    inside = (clean.frames > 30) & (clean.frames < 225)
    assert difference[inside].std() == pytest.approx(5, rel=0.03) and abs(difference[inside].mean()) < 0.1
    assert_same([noisy], [simulate(4, noise=5)])


def test_the_background_stays_still(scenes):
    for scene in scenes[:5]:
        bottom = scene.clip.frames[:, :, -1]  # no thing reaches the last row, nor the gripper unless carried there
        still = (bottom == bottom[:1]).all(0)
        assert still.float().mean() > 0.7


def test_height_and_grip_can_be_seen():
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
    """Copying the last frame given scores 18 to 22 dB; the gripper touches something in 30 % of the clips or more."""
    found = [rollout(seed) for seed in range(50_000, 50_150)]
    frames = torch.stack([scene.clip.frames for scene in found]).float() / 255
    error = (frames[:, 2:] - frames[:, 1:2]).square().mean((2, 3, 4))
    assert 18 < float((-10 * error.log10()).mean()) < 22
    assert sum(scene.touched for scene in found) / len(found) > 0.5


def test_the_simulator_draws_a_disc_of_its_area():
    centre, radius = np.full((1, 2), 30.3, np.float32), np.full(1, 6.0, np.float32)
    _, coverage = simulator._capsule(centre, centre, radius, radius)
    assert coverage.sum() == pytest.approx(np.pi * 36, rel=0.01)
    corners = np.array([[0.02, 0.01], [-0.02, 0.01], [-0.02, -0.01], [0.02, -0.01]])
    turn, scale = np.array([[0.6, 0.8]]), np.full(1, 400.0, np.float32)
    _, coverage = simulator._polygon(centre, turn, corners, scale)
    assert coverage.sum() == pytest.approx(16 * 8, rel=0.03)
