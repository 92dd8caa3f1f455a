"""The video system: networks, rollout, scores, command line, and files."""

import io
import json
import math
from dataclasses import replace

import pytest
import torch
from PIL import Image

from cvae_core import __main__ as command_line
from cvae_core import checkpoint, runs
from cvae_core.errors import UserError
from cvae_core.video import metrics
from cvae_core.video.config import VideoConfig
from cvae_core.video.data import read_folder, stack, write_clip
from cvae_core.video.family import TEST
from cvae_core.video.inference import load
from cvae_core.video.model import build
from cvae_core.video.pictures import gif, strip
from cvae_core.video.simulator import rollout, simulate
from tests.helpers import ROBOT, needs
from tests.tiny import step
from tests.tiny_pictures import VIDEO as CONFIG
from tests.tiny_pictures import square_clips, tiny_video

VARIANTS = [
    {}, {"network": "dcgan"}, {"norm": "group"}, {"prior": "learned"},
    {"predictor_layers": 1, "posterior_layers": 2}, {"copies": True}, {"copies": True, "network": "dcgan"},
    {"feedback": False}, {"feedback": False, "prior": "learned"}, {"feedback": False, "copies": True, "keypoints": 2},
    {"keypoints": 3}, {"keypoints": 3, "network": "dcgan"},
    {"dynamics": "maps", "keypoints": 2}, {"dynamics": "maps", "keypoints": 2, "prior": "learned"},
]  # fmt: skip
each_variant = pytest.mark.parametrize("changes", VARIANTS, ids=lambda c: "-".join(map(str, c.values())) or "default")


def random_clip(config: VideoConfig, size: int = 5):
    generator = torch.Generator().manual_seed(0)
    model = build(config).eval()
    frames = torch.rand(2, size, 3, 64, 64, generator=generator)
    return model, frames, torch.randn(2, size, 7, generator=generator)


@each_variant
@pytest.mark.parametrize("forced", [1.0, 0.0])
def test_one_step_changes_every_weight(changes, forced):
    task = tiny_video(**changes)
    batch = next(task.batches(step(0)))
    terms = task.loss(batch, step(0, 0, 1.0, forced))
    terms["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in task.model.parameters())
    assert terms["kl"] >= 0 and terms["loss"].item() == pytest.approx((terms["recon"] + terms["kl"]).item(), rel=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("changes", VARIANTS[:4], ids=str)
def test_a_rollout_over_the_true_frames_is_teacher_forcing(changes):
    """A rollout uses the given frames: with all of them it equals the single call of teacher forcing."""
    model, frames, condition = random_clip(replace(CONFIG, past=4, **changes))
    forced = model(frames, condition, torch.Generator().manual_seed(1))
    codes = model.encoder(frames.flatten(0, 1))[0].view(2, 5, -1)
    mu, logvar, _ = model.posterior(codes[:, 1:])
    z = mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape, generator=torch.Generator().manual_seed(1))
    predicted, prior_mu, _ = model._rollout(frames[:, :-1], condition[:, :-1], z, torch.Generator(), first=1)
    torch.testing.assert_close(predicted, forced.frames, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(prior_mu, forced.prior_mu, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_predictor_goes_on_from_its_state():
    model, _, condition = random_clip(CONFIG)
    codes, z = torch.rand(2, 5, 8), torch.randn(2, 5, 3)
    whole, _ = model.next_code(codes, z, condition, None)
    first, state = model.next_code(codes[:, :2], z[:, :2], condition[:, :2], None)
    second, _ = model.next_code(codes[:, 2:], z[:, 2:], condition[:, 2:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)


@each_variant
def test_a_prediction_depends_on_every_action_and_on_no_future_frame(changes):
    model, frames, condition = random_clip(replace(CONFIG, **changes))

    def predict(condition, seed=0):
        return model.predict(frames[:, :2], condition[:, :-1], torch.Generator().manual_seed(seed))

    predicted = predict(condition)
    assert predicted.shape == (2, 3, 3, 64, 64) and predicted.min() >= 0 and predicted.max() <= 1
    assert torch.equal(predicted, predict(condition)) and not torch.equal(predicted, predict(condition, seed=1))
    for row in range(4):
        changed = condition.clone()
        changed[:, row] += 1
        differs = (predict(changed) != predicted).flatten(2).any(2).any(0).tolist()
        assert differs == [i >= max(row, 1) - 1 for i in range(3)]  # frame i + 2 depends on rows up to i + 1


@torch.no_grad()
def test_prediction_in_maps_is_the_forward_pass_with_z_from_the_prior():
    """Without uncertainty in z, both are one computation; the last frames alone are those of all."""
    model, frames, condition = random_clip(replace(CONFIG, dynamics="maps", keypoints=2, prior="learned"))
    for gaussian in (model.transition.prior_out, model.transition.posterior_out):
        gaussian.weight.zero_()
        gaussian.bias.fill_(-60.0)
    forward = model(frames, condition, torch.Generator().manual_seed(0)).frames[:, 1:]
    predicted = model.predict(frames[:, :2], condition[:, :-1], torch.Generator())
    torch.testing.assert_close(predicted, forward, rtol=1e-4, atol=1e-5)
    last = model.predict(frames[:, :2], condition[:, :-1], torch.Generator(), last=2)
    torch.testing.assert_close(last, predicted[:, -2:], rtol=1e-4, atol=1e-5)


def test_prediction_in_maps_needs_keypoints():
    with pytest.raises(UserError, match="needs keypoints"):
        replace(CONFIG, dynamics="maps", keypoints=0)


@torch.no_grad()
def test_a_flow_of_one_cell_moves_the_reference_by_four_pixels_a_step():
    """The state's flow carries the points of the reference frame, whose pixels the decoder samples there."""
    model, frames, condition = random_clip(replace(CONFIG, dynamics="maps", keypoints=2), size=4)
    for layer in (model.transition.flow, model.last_flow, model.blend[-1]):
        layer.weight.zero_()
        layer.bias.zero_()
    model.transition.flow.bias[0] = -1.0  # each cell shows what its left neighbour showed
    model.blend[-1].bias[4 * 4 : 4 * 5] = 50.0  # all pixels are sampled
    predicted = model.predict(frames[:, :2], condition[:, :3], torch.Generator())
    for i, shift in enumerate((4, 8)):
        torch.testing.assert_close(predicted[:, i, :, :, 16:], frames[:, 1, :, :, 16 - shift : 64 - shift])


def test_free_running_uses_the_given_frames_and_then_its_own():
    """Free running depends on a later frame through z alone, a sample of its posterior."""
    model, frames, condition = random_clip(CONFIG)
    predicted = model(frames, condition, torch.Generator().manual_seed(0), teacher_forcing=False).frames
    frames[:, 3] = 0
    again = model(frames, condition, torch.Generator().manual_seed(0), teacher_forcing=False).frames
    assert torch.equal(predicted[:, :2], again[:, :2]) and not torch.equal(predicted[:, 2], again[:, 2])


# --- scores ---------------------------------------------------------------------------------------------------------


def test_psnr_is_the_channels_mean():
    true = torch.zeros(2, 3, 8, 8)
    predicted = true.clone()
    predicted[0, 0] = 0.1  # 20 dB; the others are exact
    predicted[1] = 0.1
    assert metrics.psnr(predicted, true).tolist() == pytest.approx([(20 + 2 * metrics.MAX_PSNR) / 3, 20.0])


def test_psnr_of_moving_pixels_leaves_out_the_rest():
    last, true = torch.zeros(3, 8, 8), torch.zeros(3, 8, 8)
    true[:, :2] = 1.0
    predicted = torch.full((3, 8, 8), 0.9)  # bad on all pixels but the moving ones
    assert metrics.psnr_moving(predicted, true, last).item() == pytest.approx(20.0)
    assert math.isnan(metrics.psnr_moving(predicted, last, last).item())


def test_ssim_has_its_known_values():
    flat = torch.full((3, 16, 16), 0.2)
    c1 = 0.01**2
    assert metrics.ssim(flat, flat + 0.3).item() == pytest.approx((0.2 + c1) / (0.04 + 0.25 + c1), rel=1e-4)
    noise = torch.rand(2, 3, 20, 20)
    assert metrics.ssim(noise, noise).tolist() == pytest.approx([1.0, 1.0])
    assert metrics.ssim(noise, 1 - noise).max() < 0
    assert metrics.ssim(noise, 0.5 * noise).shape == (2,)


# --- command line ---------------------------------------------------------------------------------------------------


def test_the_command_line_trains_evaluates_and_predicts(tmp_path, run_root, checkpoint_root, capsys):
    for number, clip in enumerate(square_clips()):
        write_clip(clip, tmp_path / "data" / ("validate" if number < 2 else "train") / f"traj_{number}" / "0")
    data = ["--data", str(tmp_path / "data")]
    sizes = ["--width", "4", "--rnn-size", "12", "--code-size", "8", "--epochs", "1", "--batch-size", "2"]
    assert command_line.main(["train", "video", *data, *sizes, "--out", "tiny"]) == 0
    capsys.readouterr()
    model = ["--checkpoint", str(checkpoint_root / "tiny.safetensors")]
    assert command_line.main(["evaluate", "video", *data, *model, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert (scores["clips"], scores["given"], scores["predicted"]) == (2, 2, 4)
    names = {"psnr", "ssim", "psnr_copy_last", "psnr_shuffled_actions", "psnr_moving", "sharpness"}
    assert scores["objects_found"] is None and scores["best_of_20"] >= scores["average_of_20"]  # no record of objects
    assert names <= scores.keys() and all(len(values) == 4 for values in scores["per_frame"].values())
    assert scores["psnr"] == pytest.approx(sum(scores["per_frame"]["psnr"]) / 4)
    assert command_line.main(["predict", "video", *data, *model, "--clips", "1", "--out", str(tmp_path / "made")]) == 0
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == ["000.gif", "000.png"]
    assert command_line.main(["train", "video", *data, "--init", model[1], "--width", "8"]) == 2
    assert "width comes from the checkpoint" in capsys.readouterr().err
    assert command_line.main(["train", "video", *data, *model[1:]]) == 2
    before = runs.list_runs()
    assert command_line.main(["train", "video", "--data", str(tmp_path / "data" / "validate")]) == 2
    assert "nothing to train on" in capsys.readouterr().err and runs.list_runs() == before


def test_exchanged_actions_show_a_model_that_ignores_them():
    """With the weights of the condition at zero, exchanged actions change nothing."""
    model = build(CONFIG).eval()
    with torch.no_grad():
        for weight in (*model.predictor.parameters(), *model.decoder.parameters()):
            weight.mul_(3)  # so that the actions have an effect
    with_actions = metrics.evaluate(model, square_clips(3), "squares")
    assert with_actions["psnr"] != with_actions["psnr_shuffled_actions"]
    with torch.no_grad():
        model.predictor.embed.weight[:, -7:] = 0
    without_actions = metrics.evaluate(model, square_clips(3), "squares")
    assert without_actions["psnr"] == without_actions["psnr_shuffled_actions"]
    assert without_actions["psnr_copy_last"] == with_actions["psnr_copy_last"]


def test_scores_of_no_clips_are_refused():
    with pytest.raises(UserError, match="nothing has 0 clips"):
        metrics.evaluate(build(CONFIG).eval(), [], "nothing")


def test_open_scenes_are_looked_for_until_there_are_enough(monkeypatch):
    asked = []

    def is_open(scene) -> bool:
        asked.append(scene.seed)
        return scene.seed != 1

    monkeypatch.setattr("cvae_core.video.simulator.is_open", is_open)
    monkeypatch.setattr(metrics, "MAX_OPEN", 2)
    scenes = [rollout(seed, 4) for seed in range(4)]
    frames, condition = stack([scene.clip for scene in scenes], 4)
    assert metrics.futures(build(CONFIG).eval(), frames, condition[:, :-1], scenes)["open_clips"] == 2
    assert asked == [0, 1, 2]


# --- files ----------------------------------------------------------------------------------------------------------


def test_frames_become_gifs_and_strips():
    frames = torch.rand(4, 3, 8, 8)
    with Image.open(io.BytesIO(gif(frames, scale=2))) as picture:
        assert picture.n_frames == 4 and picture.size == (16, 16) and picture.info["loop"] == 0
    with Image.open(io.BytesIO(strip(frames))) as picture:
        assert picture.size == (32, 8)


# --- what ships -----------------------------------------------------------------------------------------------------


def test_the_shipped_model_predicts_and_uses_the_actions():
    model, clips = load("video"), [simulate(TEST + i, 12) for i in range(4)]
    scores = metrics.evaluate(model, clips, "simulator")
    assert scores["psnr"] > max(30, scores["psnr_copy_last"] + 6, scores["psnr_shuffled_actions"] + 3)


@needs("robot")
def test_the_shipped_model_of_the_robot_is_better_than_copying():
    scores = metrics.evaluate(load("video-robot"), read_folder(ROBOT)[1], "robot")
    assert scores["psnr"] > scores["psnr_copy_last"] + 1


@pytest.mark.parametrize("name", ["video", "video-maps", "video-objects", "video-robot"])
def test_shipped_models_are_small(name):
    assert checkpoint.find(name).stat().st_size <= 10_000_000
