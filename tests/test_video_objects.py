"""Objects in video: found in the given frames, moved as wholes, drawn, and scored."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cvae_core import checkpoint
from cvae_core.errors import UserError
from cvae_core.session import prepare
from cvae_core.video import metrics, objects
from cvae_core.video.discover import discover
from cvae_core.video.layers import draw, place
from cvae_core.video.model import build
from cvae_core.video.object_motion import ObjectMotion
from cvae_core.video.object_training import fit_motion, tracks
from cvae_core.video.simulator import is_open, rollout
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
    assert found.exists[0].tolist() == [True, True, False, False, False, False]
    red, blue = (0, 1) if found.areas[0, 0] == 64 else (1, 0)
    assert found.areas[0, [red, blue]].tolist() == [64, 36]
    assert found.centres[0, red].tolist() == [14 - 32, 27 - 32] and found.before[0, red].tolist() == [14 - 32, 24 - 32]
    assert found.centres[0, blue].tolist() == found.before[0, blue].tolist() == [43 - 32, 43 - 32]
    torch.testing.assert_close(found.colours[0, red], torch.tensor([0.8, 0.2, 0.15]))
    assert not discover(torch.full((1, 3, 64, 64), 0.5), torch.full((1, 3, 64, 64), 0.5)).exists.any()


def test_an_object_is_drawn_where_it_moves_to():
    frame = two_squares()[None]
    found = discover(frame, frame)
    moves = torch.zeros(1, 6, 2, 4)
    red = int((found.areas[0] == 64).nonzero())
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


def test_tracks_are_the_record_s(scenes):
    data = tracks(scenes, PAST)
    assert data.moves.shape == (4, 6, 10, 4)
    for row, scene in enumerate(scenes):
        for number in np.flatnonzero(objects.moved(scene, PAST - 1)):
            way = (scene.objects[-1, number, :2] - scene.objects[PAST - 1, number, :2]) / 0.005
            ends = data.moves[row, :, -1, :2].numpy()
            assert np.linalg.norm(ends - way, axis=1).min() < 6  # perspective moves what is lifted


def test_moves_depend_on_every_action_and_on_none_after():
    motion, frame = ObjectMotion(), two_squares()[None]
    found, condition = discover(frame, frame), torch.randn(1, 6, 7, generator=torch.Generator().manual_seed(0)) / 10

    def predict(condition, seed=0):
        return motion.predict(found, condition, PAST, torch.Generator().manual_seed(seed))

    moves = predict(condition)
    assert moves.shape == (1, 6, 5, 4) and torch.equal(moves, predict(condition))
    assert not torch.equal(moves, predict(condition, seed=1))
    for row in range(1, 6):
        changed = condition.clone()
        changed[:, row, :4] += 0.5
        differs = (predict(changed) != moves).flatten(2, 2).any(3).any(1)[0].tolist()
        assert differs == [i >= row - 1 for i in range(5)]


def test_training_lowers_the_loss_and_leaves_other_weights_alone(scenes):
    model, data = build(CONFIG).eval(), tracks(scenes, PAST)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = list(fit_motion(model, data, 60))  # from the 25th step on with the terms of z
    assert np.mean(losses[19:24]) < 0.8 * np.mean(losses[:5]) and np.mean(losses[-5:]) < np.mean(losses[24:29])
    for name, value in model.state_dict().items():
        assert name.startswith("motion.") or torch.equal(value, before[name])


def test_a_model_with_objects_predicts_frames(scenes):
    model = build(CONFIG).eval()
    frames = torch.stack([scene.clip.frames[:PAST] for scene in scenes]).float() / 255
    condition = torch.stack([scene.clip.condition[:-1] for scene in scenes])
    predicted, again = (model.predict(frames, condition, torch.Generator().manual_seed(0)) for _ in range(2))
    assert predicted.shape == (4, 10, 3, 64, 64) and torch.equal(predicted, again)
    assert predicted.min() >= 0 and predicted.max() <= 1


def test_a_model_with_objects_is_trained_without_them(tmp_path, run_root):
    path, model = tmp_path / "model.safetensors", build(CONFIG)
    checkpoint.write(path, model.state_dict(), {"system": "video", "config": vars(CONFIG), "data": "simulator"})
    task, _ = prepare("video", None, {"clips": 2, "epochs": 1}, None, "cpu", init=str(path))
    assert not task.config.objects
    for name, value in task.model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
    with pytest.raises(UserError, match="scripts.video_objects"):
        prepare("video", None, {"objects": True}, None, "cpu")


# --- scores ---------------------------------------------------------------------------------------------------------


def test_moved_objects_are_found_where_they_are_and_not_where_they_were(scenes):
    true, last = (torch.stack([scene.clip.frames[i] for scene in scenes]).float() / 255 for i in (-1, PAST - 1))
    here, there = objects.found(true, scenes, PAST), objects.found(last, scenes, PAST)
    assert len(here) == len(there) > 0
    assert here.all() and there.float().mean() < 0.5
    assert not objects.found(torch.full_like(true, 0.5), scenes, PAST).any()


def test_the_outcome_is_open_only_where_something_is_touched():
    found = [rollout(seed) for seed in range(12)]
    opened = [is_open(scene) for scene in found]
    assert 0 < sum(opened) < 12
    assert all(scene.touched for scene, is_ in zip(found, opened, strict=True) if is_)


def test_sharpness_falls_when_a_picture_is_blurred():
    true, last = torch.rand(2, 3, 32, 32), torch.zeros(2, 3, 32, 32)
    blurred = torch.nn.functional.avg_pool2d(true, 3, 1, 1)
    assert metrics.sharpness(true, true, last).tolist() == pytest.approx([1.0, 1.0])
    assert metrics.sharpness(blurred, true, last).max() < 0.5
