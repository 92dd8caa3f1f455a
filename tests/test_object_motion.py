"""Objects in video: found in the given frames, moved as wholes, and drawn into predicted frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cvae_core import __main__ as command_line
from cvae_core import checkpoint
from cvae_core.errors import UserError
from cvae_core.session import prepare
from cvae_core.video import object_training, objects
from cvae_core.video.data import ACTION
from cvae_core.video.discover import discover
from cvae_core.video.family import TEST
from cvae_core.video.inference import load, predict
from cvae_core.video.layers import draw, place
from cvae_core.video.model import ObjectCVAE, build
from cvae_core.video.object_motion import MOVES, ObjectMotion, start_of
from cvae_core.video.object_training import fit, join, push, simulated, tracks
from cvae_core.video.planning import HORIZON, MAX_STEP
from cvae_core.video.simulator import rollout
from tests.tiny_pictures import VIDEO

CONFIG = replace(VIDEO, feedback=False, objects=True)
CARRYING, PAST = 1_000_003, 2  # seed of a scene in which an object is carried


@pytest.fixture(scope="module")
def scenes():
    return [rollout(CARRYING + i) for i in range(4)]


def two_squares(shift: int = 0) -> torch.Tensor:
    """A frame with a red and a blue square, the red one shifted to the right."""
    frame = torch.full((3, 64, 64), 0.6)
    frame[:, 10:18, 20 + shift : 28 + shift] = torch.tensor([0.8, 0.2, 0.15])[:, None, None]
    frame[:, 40:46, 40:46] = torch.tensor([0.15, 0.4, 0.8])[:, None, None]
    return frame


def test_objects_are_found_with_place_size_and_colour():
    found = discover(two_squares()[None], two_squares(3)[None])
    areas = found.masks.sum((2, 3))[0].tolist()
    assert found.exists[0].tolist() == [True, True, False, False, False, False]
    red, blue = areas.index(64), areas.index(36)
    assert found.centres[0, red].tolist() == [14 - 32, 27 - 32] and found.before[0, red].tolist() == [14 - 32, 24 - 32]
    assert found.centres[0, blue].tolist() == found.before[0, blue].tolist() == [43 - 32, 43 - 32]
    torch.testing.assert_close(found.colours[0, red], torch.tensor([0.8, 0.2, 0.15]))
    grey = torch.full((1, 3, 64, 64), 0.5)
    assert not discover(grey, grey).exists.any()


def test_a_shape_is_the_mask_around_its_centre():
    found = discover(two_squares()[None], two_squares()[None])
    start = start_of(found)
    red = int((found.masks.sum((2, 3))[0] == 64).nonzero())
    expected = torch.zeros(20, 20)
    expected[6:14, 6:14] = 1
    torch.testing.assert_close(start.shapes[0, red], expected, atol=1e-4, rtol=0)


def test_an_object_is_drawn_where_it_moves_to():
    frame = two_squares()[None]
    found = discover(frame, frame)
    moves = torch.zeros(1, 6, 2, 4)
    red = int((found.masks.sum((2, 3))[0] == 64).nonzero())
    moves[0, red, 1, :2] = torch.tensor([5.0, -4.0])
    layer, cover = draw(found, moves)
    torch.testing.assert_close(cover[0, 0, 0], found.masks[0].amax(0), atol=1e-4, rtol=0)
    torch.testing.assert_close(cover[0, 1, 0, 15:23, 16:24], torch.ones(8, 8), atol=1e-4, rtol=0)
    assert cover[0, 1, 0].sum() == pytest.approx(100, abs=0.01)
    torch.testing.assert_close(layer[0, 1, :, 18, 20], torch.tensor([0.8, 0.2, 0.15]), atol=1e-4, rtol=0)
    moves[0, red, 1, 2] = torch.pi / 2  # a square is the same after a quarter turn
    torch.testing.assert_close(draw(found, moves)[1], cover, atol=1e-3, rtol=0)
    tips = torch.full((1, 3, 2), 100.0)
    placed = place(frame[:, None].expand(-1, 2, -1, -1, -1), found, frame[0][None], moves, tips)
    torch.testing.assert_close(placed[0, 1, :, 18, 20], torch.tensor([0.8, 0.2, 0.15]), atol=0.02, rtol=0)
    arm = frame[:, None].expand(-1, 2, -1, -1, -1).clone()
    arm[..., 14:24, :] = 0.3  # grey and dark: above the object
    torch.testing.assert_close(
        place(arm, found, frame[0][None], moves, tips)[0, 1, :, 18, 20], torch.full((3,), 0.3), atol=0.02, rtol=0
    )


def test_tracks_match_the_simulator_s_record(scenes):
    data = tracks(scenes, PAST)
    assert data.moves.shape == (4, 6, 10, MOVES)
    for row, scene in enumerate(scenes):
        assert data.known[row].any()
        for number in np.flatnonzero(objects.moved(scene, PAST - 1)):
            way = (scene.objects[-1, number, :2] - scene.objects[PAST - 1, number, :2]) / 0.005
            ends = data.moves[row, :, -1, :2].numpy()
            assert np.linalg.norm(ends - way, axis=1).min() < 6  # perspective moves what is lifted


def test_pushes_begin_as_the_given_frames_do_and_touch_something():
    touched = []
    for seed in range(1, 17, 2):
        scene = rollout(seed, PAST + HORIZON)
        actions = push(scene, PAST)
        pushed = rollout(seed, PAST + HORIZON, actions=actions)
        assert torch.equal(pushed.clip.frames[:PAST], scene.clip.frames[:PAST])
        assert np.linalg.norm(actions[:, :3], axis=1).max() < MAX_STEP + 0.02  # with noise
        touched.append(pushed.touched)
    assert sum(touched) >= 5


def test_clips_of_several_processes_are_joined():
    one, two = simulated(range(0, 2), PAST), simulated(range(2, 4), PAST)
    for part, whole in zip(join([one, two])[1:], simulated(range(4), PAST)[1:], strict=True):
        assert torch.equal(part, whole)


def test_moves_depend_on_every_action_and_on_none_after():
    torch.manual_seed(0)
    motion, frame = ObjectMotion(), two_squares()[None]
    start = start_of(discover(frame, frame))
    condition = torch.randn(1, 6, 7, generator=torch.Generator().manual_seed(0)) / 10

    @torch.no_grad()
    def predict(condition, seed=0):
        return motion(start, condition, PAST, torch.Generator().manual_seed(seed))[0]

    moves = predict(condition)
    assert moves.shape == (1, 6, 5, MOVES) and torch.equal(moves, predict(condition))
    assert not torch.equal(moves, predict(condition, seed=1))
    for row in range(1, 6):
        changed = condition.clone()
        changed[:, row, :ACTION] += 0.5
        differs = (predict(changed) != moves).flatten(2, 2).any(3).any(1)[0].tolist()
        assert differs == [i >= row - 1 for i in range(5)]


def test_an_object_moves_alike_everywhere_but_for_the_walls():
    """Shifted by pixels with the gripper, it makes the same moves once its place on the table is left out."""
    torch.manual_seed(0)
    motion, frame = ObjectMotion(), two_squares()[None]
    with torch.no_grad():
        motion.embed[0][0].weight[:, 10:12] = 0  # the centre on the table
    start = start_of(discover(frame, frame))
    condition = torch.randn(1, 4, 7, generator=torch.Generator().manual_seed(0)) / 10
    condition[..., [2, ACTION + 2]] = 0  # on the table, where nothing is seen in perspective
    shift = torch.tensor([3.0, -7.0])
    elsewhere = start._replace(centres=start.centres + shift, before=start.before + shift)
    moved = condition.clone()
    moved[..., ACTION : ACTION + 2] += shift * 0.005  # metres in a pixel
    with torch.no_grad():
        here, there = motion(start, condition, PAST, None)[0], motion(elsewhere, moved, PAST, None)[0]
    torch.testing.assert_close(here[:, :2], there[:, :2], atol=1e-3, rtol=0)


def test_training_fits_the_moves_and_leaves_the_model_of_frames_alone(scenes, monkeypatch):
    monkeypatch.setattr(object_training, "BATCH", 8)
    monkeypatch.setattr(object_training, "Z_FROM", 0.5)  # the terms of z come in
    model, data = build(CONFIG).eval(), tracks(scenes, PAST)
    assert isinstance(model, ObjectCVAE)
    frames = {name: value.clone() for name, value in model.frames.state_dict().items()}

    @torch.no_grad()
    def error() -> float:
        moves, _ = model.motion(data.start, data.condition, PAST, None)
        return (moves - data.moves)[data.known].abs().mean().item()

    before = error()
    losses = list(fit(model.motion, data, PAST, 30, rate=1e-2))
    assert len(losses) == 30 and np.isfinite(losses).all() and error() < 0.7 * before
    for name, value in model.frames.state_dict().items():
        assert torch.equal(value, frames[name])


def test_a_model_with_objects_predicts_frames(scenes):
    model = build(CONFIG).eval()
    frames = torch.stack([scene.clip.frames[:PAST] for scene in scenes]).float() / 255
    condition = torch.stack([scene.clip.condition[:-1] for scene in scenes])
    predicted, again = (model.predict(frames, condition, torch.Generator().manual_seed(0)) for _ in range(2))
    assert predicted.shape == (4, 10, 3, 64, 64) and torch.equal(predicted, again)
    assert predicted.min() >= 0 and predicted.max() <= 1
    candidates = condition[:1].expand(3, -1, -1)
    (last,) = model.predict(frames[:1], candidates, torch.Generator().manual_seed(0), last=1)[:1]
    assert last.shape == (1, 3, 64, 64)


def test_a_model_with_objects_is_trained_without_them(tmp_path, run_root):
    path, model = tmp_path / "model.safetensors", build(CONFIG)
    checkpoint.write(path, model.state_dict(), {"system": "video", "config": vars(CONFIG), "data": "simulator"})
    task, _ = prepare("video", None, {"clips": 2, "epochs": 1}, None, "cpu", init=str(path))
    assert not task.config.objects
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, model.frames.state_dict()[name])
    assert command_line.main(["train", "video", "--objects"]) == 2


def test_objects_need_two_given_frames():
    with pytest.raises(UserError, match="past"):
        replace(CONFIG, past=1)


def test_the_shipped_model_keeps_objects_that_dissolve_without_it():
    model = load("video-objects")
    scenes = [rollout(TEST + i) for i in range(24)]
    frames, condition = (
        torch.stack([getattr(scene.clip, part) for scene in scenes]) for part in ("frames", "condition")
    )
    found = {}
    for name, predictor in (("with", model), ("without", model.frames)):
        predicted = predict(predictor, frames[:, :PAST], condition[:, :-1])
        found[name] = objects.found(predicted[:, -1], scenes, PAST).float().mean().item()
    assert found["with"] > 0.45 and found["without"] < 0.25
