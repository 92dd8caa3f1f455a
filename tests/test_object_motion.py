"""Objects in video: found in the given frames, moved as wholes, and drawn into predicted frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cvae_core import __main__ as command_line
from cvae_core import checkpoint
from cvae_core.errors import UserError
from cvae_core.session import prepare
from cvae_core.video import object_training, objects, prediction
from cvae_core.video.data import ACTION
from cvae_core.video.discover import Found, discover, extreme
from cvae_core.video.family import TEST
from cvae_core.video.inference import load, predict
from cvae_core.video.layers import draw, layers_of
from cvae_core.video.model import ObjectCVAE, build, copy_frames
from cvae_core.video.object_motion import MOVES, ObjectMotion, start_of
from cvae_core.video.object_training import Tracks, fit_frames, fit_motion, join, push, simulated, tracks
from cvae_core.video.planning import HORIZON, MAX_STEP, execute, situation
from cvae_core.video.simulator import rollout
from tests.tiny_pictures import VIDEO

CONFIG = replace(VIDEO, feedback=False, dynamics="maps", keypoints=2, objects=True)
CARRYING, PAST = 1_000_003, 2  # seed of a scene in which an object is carried


@pytest.fixture(scope="module")
def scenes():
    return [rollout(CARRYING + i) for i in range(4)]


def index_of(found: Found, area: float) -> int:
    """The object that covers an area, in pixels."""
    return found.masks.sum((2, 3))[0].sub(area).abs().argmin().item()


def two_squares(shift: int = 0) -> torch.Tensor:
    """A frame with a red and a blue square, the red one shifted to the right."""
    frame = torch.full((3, 64, 64), 0.6)
    frame[:, 10:18, 20 + shift : 28 + shift] = torch.tensor([0.8, 0.2, 0.15])[:, None, None]
    frame[:, 40:46, 40:46] = torch.tensor([0.15, 0.4, 0.8])[:, None, None]
    return frame


def test_objects_are_found_with_place_size_and_colour():
    found = discover(two_squares()[None], two_squares(3)[None])
    assert found.exists[0].tolist() == [True, True, False, False, False, False]
    red, blue = index_of(found, 64), index_of(found, 36)
    assert found.centres[0, red].tolist() == pytest.approx([14 - 32, 27 - 32], abs=1e-4)
    assert found.before[0, red].tolist() == pytest.approx([14 - 32, 24 - 32], abs=1e-4)
    assert found.centres[0, blue].tolist() == pytest.approx([43 - 32, 43 - 32], abs=1e-4)
    torch.testing.assert_close(found.centres[0, blue], found.before[0, blue])
    torch.testing.assert_close(found.colours[0, red], torch.tensor([0.8, 0.2, 0.15]))
    grey = torch.full((1, 3, 64, 64), 0.5)
    assert not discover(grey, grey).exists.any()


def test_the_edge_of_an_object_is_no_object(scenes):
    """The blend of a strong colour and the table can be saturated as well, with another chromaticity."""
    before, last = (torch.stack([scene.clip.frames[i] for scene in scenes]).float() / 255 for i in (0, 1))
    found = discover(before, last).exists.sum(1).tolist()
    assert all(n <= len(scene.colours) for n, scene in zip(found, scenes, strict=True)), found


@settings(max_examples=20, deadline=None)
@given(row=st.floats(20, 44), column=st.floats(20, 44), radius=st.floats(3, 8))
def test_blended_edges_tell_where_an_object_is_within_a_pixel(row, column, radius):
    line = torch.arange(64) + 0.5
    cover = (radius + 0.5 - torch.hypot(line[:, None] - row, line - column)).clamp(0, 1)
    frame = torch.lerp(torch.tensor([0.77, 0.7, 0.6]), torch.tensor([0.84, 0.19, 0.16]), cover[..., None]).movedim(2, 0)
    found = discover(frame[None], frame[None])
    torch.testing.assert_close(found.masks[0, 0], cover, atol=0.01, rtol=0)
    # A disc drawn so has its own centroid up to 0.03 pixels beside its centre.
    assert found.centres[0, 0].tolist() == pytest.approx([row - 32, column - 32], abs=0.05)


@given(reach=st.integers(1, 3), seed=st.integers(0, 99))
def test_extremes_are_those_of_a_window(reach, seed):
    maps = torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(seed))
    size, padding = (2 * reach + 1, 1), (reach, 0)
    assert torch.equal(extreme(maps, reach, -2), F.max_pool2d(maps, size, 1, padding))
    assert torch.equal(extreme(maps, reach, -1), F.max_pool2d(maps, size[::-1], 1, padding[::-1]))
    assert torch.equal(extreme(maps, reach, -2, torch.minimum), -F.max_pool2d(-maps, size, 1, padding))


def test_a_shape_is_the_coverage_around_its_centre_in_both_given_frames():
    found = discover(two_squares()[None], two_squares(3)[None])
    start = start_of(found)
    expected = torch.zeros(2, 20, 20)
    expected[0, 6:14, 6:14] = 1
    expected[1, 6:14, 3:11] = 1
    torch.testing.assert_close(start.shapes[0, index_of(found, 64)], expected, atol=1e-4, rtol=0)


def test_the_colour_of_an_object_is_that_of_its_lit_part():
    frame = two_squares()
    frame[:, 10:14] *= 0.78  # a shadow on half of the red square
    found = discover(frame[None], frame[None])
    torch.testing.assert_close(found.colours[0, index_of(found, 64)], torch.tensor([0.8, 0.2, 0.15]), atol=1e-4, rtol=0)


def test_an_object_is_drawn_where_it_moves_to():
    frame = two_squares()[None]
    found = discover(frame, frame)
    moves = torch.zeros(1, 6, 2, 4)
    red = index_of(found, 64)
    moves[0, red, 1, :2] = torch.tensor([5.0, -4.0])
    layer, cover = draw(found, moves)
    torch.testing.assert_close(cover[0, 0, 0], found.masks[0].amax(0), atol=1e-4, rtol=0)
    torch.testing.assert_close(cover[0, 1, 0, 15:23, 16:24], torch.ones(8, 8), atol=1e-4, rtol=0)
    assert cover[0, 1, 0].sum() == pytest.approx(100, abs=0.01)
    torch.testing.assert_close(layer[0, 1, :, 18, 20], torch.tensor([0.8, 0.2, 0.15]), atol=1e-4, rtol=0)
    moves[0, red, 1, 2] = torch.pi / 2  # a square is the same after a quarter turn
    torch.testing.assert_close(draw(found, moves)[1], cover, atol=1e-3, rtol=0)
    layers = layers_of(found, moves)
    assert layers.shape == (1, 2, 5, 64, 64)
    torch.testing.assert_close(layers[0, 1, :, 18, 20], torch.tensor([0.8, 0.2, 0.15, 1.0, 0.0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(layers[0, :, 4, 10:18, 20:28], torch.ones(2, 8, 8))  # where it was
    moves[0, 2:, :, :2] = 20.0  # of places without an object
    assert torch.equal(layers_of(found, moves), layers)


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
        pushed = execute(seed, situation(scene, PAST), actions)
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


def test_training_of_moves_fits_them_and_leaves_the_model_of_frames_alone(scenes, monkeypatch):
    monkeypatch.setattr(object_training, "Z_FROM", 0.5)  # the terms of z come in
    model, data = build(CONFIG).eval(), tracks(scenes, PAST)
    assert isinstance(model, ObjectCVAE)
    frames = {name: value.clone() for name, value in model.frames.state_dict().items()}

    @torch.no_grad()
    def error() -> float:
        moves, _ = model.motion(data.start(), data.condition[:, :-1], PAST, None)
        return (moves - data.moves)[data.known].abs().mean().item()

    before = error()
    losses = [loss.item() for loss in fit_motion(model.motion, data, PAST, 30, size=8, rate=1e-2)]
    assert len(losses) == 30 and np.isfinite(losses).all() and error() < 0.7 * before
    for name, value in model.frames.state_dict().items():
        assert torch.equal(value, frames[name])


def test_training_of_frames_learns_to_show_layers(scenes):
    model, data = build(CONFIG).eval(), tracks(scenes, PAST)
    assert isinstance(model, ObjectCVAE)
    data = Tracks(*(part[:2] for part in data))
    losses = [loss.item() for loss in fit_frames(model, data, 12, size=2, rate=3e-3)]
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])


def test_layers_change_the_frames_that_they_belong_to(scenes):
    """With weights of a model without layers, too: the decoder blends them in from the start."""
    model = build(CONFIG).eval()
    copy_frames(build(replace(CONFIG, objects=False)), model.frames)
    data = tracks(scenes, PAST)
    given, condition = data.frames[:, :PAST].float() / 255, data.condition[:, :-1]
    layers = torch.zeros(len(given), 10, 5, 64, 64)
    layers[:, 4, :4, 30:40, 30:40] = torch.tensor([1.0, 0.0, 1.0, 1.0])[:, None, None]

    def predict(layers):
        return model.frames.predict(given, condition, torch.Generator().manual_seed(0), layers=layers)

    without, with_layer = predict(None), predict(layers)
    changed = (with_layer != without).flatten(2).any(2).all(0)
    assert changed.tolist() == [i == 4 for i in range(10)]
    magenta = torch.tensor([1.0, 0.0, 1.0])[:, None, None]
    inside = with_layer[:, 4, :, 32:38, 32:38]
    assert (inside - magenta).abs().mean() < 0.2 < (without[:, 4, :, 32:38, 32:38] - magenta).abs().mean()


def test_a_model_with_objects_predicts_frames(scenes, monkeypatch):
    model = build(CONFIG).eval()
    frames = torch.stack([scene.clip.frames[:PAST] for scene in scenes]).float() / 255
    condition = torch.stack([scene.clip.condition[:-1] for scene in scenes])
    predicted, again = (model.predict(frames, condition, torch.Generator().manual_seed(0)) for _ in range(2))
    assert predicted.shape == (4, 10, 3, 64, 64) and torch.equal(predicted, again)
    assert predicted.min() >= 0 and predicted.max() <= 1
    monkeypatch.setattr(prediction, "CLIPS_DECODED", 3)
    torch.testing.assert_close(model.predict(frames, condition, torch.Generator().manual_seed(0)), predicted)
    candidates = condition[:1].expand(3, -1, -1)
    assert model.predict(frames[:1], candidates, torch.Generator()).shape == (3, 10, 3, 64, 64)


def test_a_model_with_objects_is_trained_without_them(tmp_path, run_root):
    path, model = tmp_path / "model.safetensors", build(CONFIG)
    checkpoint.write(path, model.state_dict(), {"system": "video", "config": vars(CONFIG), "data": "simulator"})
    task, _ = prepare("video", None, {"clips": 2, "epochs": 1}, None, "cpu", init=str(path))
    assert not task.config.objects
    for name, value in task.model.state_dict().items():
        both = tuple(map(slice, value.shape))  # without what layers need
        assert torch.equal(value, model.frames.state_dict()[name][both])
    assert command_line.main(["train", "video", "--objects"]) == 2


def test_objects_need_two_given_frames_and_a_decoder_that_takes_layers():
    with pytest.raises(UserError, match="past"):
        replace(CONFIG, past=1)
    with pytest.raises(UserError, match="maps"):
        replace(CONFIG, dynamics="codes")


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
    assert found["with"] > 0.6 and found["without"] < 0.25
