"""Training of the video models: a stop changes nothing, mirrored and recoloured clips, schedules, presets."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from cvae_core import runs
from cvae_core.errors import UserError
from cvae_core.step import beta_at, teacher_forcing_at
from cvae_core.training import fit
from cvae_core.video import family
from cvae_core.video.model import build
from cvae_core.video.presets import PRESETS, preset
from cvae_core.video.task import VideoTask
from tests.tiny import step
from tests.tiny_pictures import VIDEO as CONFIG
from tests.tiny_pictures import square_clips, tiny_video


def test_training_lowers_the_loss_and_a_stop_changes_nothing(tmp_path):
    task, run = tiny_video(epochs=6), runs.create({"system": "video"}, "whole", tmp_path)
    assert fit(task, run) == "finished"
    losses = [row["recon"] for row in run.read_metrics()]
    assert losses[-1] < losses[0]
    asked = iter([False] * 7 + [True])
    stopped, again = runs.create({"system": "video"}, "stopped", tmp_path), tiny_video(epochs=6)
    assert fit(tiny_video(epochs=6), stopped, stopped=lambda: next(asked)) == "stopped"
    assert fit(again, stopped) == "finished"
    for a, b in zip(task.model.state_dict().values(), again.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_gradients_do_not_depend_on_the_order_of_threads():
    task = tiny_video(future=4)
    batch = next(task.batches(step(0)))
    torch.set_num_threads(4)  # more than cores, so that their order varies

    def gradients() -> torch.Tensor:
        task.model.zero_grad()
        task.loss(batch, step(0, 0, 1.0, 1.0))["loss"].backward()
        return torch.cat([p.grad.flatten() for p in task.model.parameters()])

    first = gradients()
    assert all(torch.equal(first, gradients()) for _ in range(8))


def test_a_mirrored_clip_moves_the_other_way():
    plain, mirrored = (next(tiny_video(mirror=m, batch_size=6).batches(step(0))) for m in (False, True))
    flipped = [not torch.equal(a, b) for a, b in zip(plain.frames, mirrored.frames, strict=True)]
    assert 0 < sum(flipped) < 6
    for i, was in enumerate(flipped):
        assert torch.equal(mirrored.frames[i], plain.frames[i].flip(-1) if was else plain.frames[i])
        signs = torch.tensor([1.0, -1, 1, 1, 1, -1, 1]) if was else torch.ones(7)
        assert torch.equal(mirrored.condition[i], plain.condition[i] * signs)


def test_jitter_changes_a_clip_s_colours_and_not_its_motion():
    plain, other = (next(tiny_video(jitter=j, batch_size=6).batches(step(0))) for j in (0.0, 0.3))
    assert torch.equal(plain.condition, other.condition)
    ratio = other.frames / plain.frames  # the clips are grey
    bright = plain.frames > 0.5
    assert ((ratio >= 0.69) & (ratio <= 1.31)).all() and (other.frames <= 1).all()
    dark = ratio.masked_fill(bright, torch.nan)  # bright pixels may be clipped at white
    per_channel = dark.nanmean((1, 3, 4), keepdim=True)
    assert torch.allclose(dark.nan_to_num(0.0), per_channel.expand_as(dark) * ~bright, atol=1e-5)
    assert not torch.allclose(per_channel[:, :, 0], per_channel[:, :, 1])


def test_each_epoch_saves_a_gif(tmp_path):
    run = runs.create({"system": "video"}, "pictures", tmp_path)
    fit(tiny_video(), run)
    names = [row["prediction.gif"] for row in run.read_samples()]
    assert names == ["0001-prediction.gif", "0002-prediction.gif"]
    with Image.open(run.path / names[0]) as picture:
        assert picture.n_frames == 5 and picture.size == (2 * 3 * 64, 3 * 64)


def test_windows_are_of_the_shortest_clip_s_length_and_begin_anywhere():
    task = VideoTask(CONFIG, square_clips(length=9), square_clips(2, length=4))
    assert task.length == 4
    batches = [next(task.batches(step(epoch))) for epoch in range(5)]
    whole = {tuple(clip.condition[start, :2].tolist()) for clip in square_clips(length=9) for start in range(6)}
    first = {tuple(row) for batch in batches for row in batch.condition[:, 0, :2].tolist()}
    assert len(first) > 2 and first <= whole
    with pytest.raises(UserError, match="expected more than 2"):
        VideoTask(CONFIG, square_clips(length=2), square_clips(2))


def test_one_frame_is_predicted_from_one_of_the_simulator(monkeypatch):
    """The shortest clip that it simulates has 3 frames: windows of 2 are cut from it."""
    monkeypatch.setattr(family, "VALIDATION_CLIPS", 2)
    task = family.make_task(
        replace(CONFIG, past=1, future=1, clips=2), family.data_entries(None), torch.device("cpu"), None, False
    )
    assert task.length == 2 and next(task.batches(step(0))).frames.shape[:2] == (2, 2)
    assert "score" in task.evaluate()


def test_004_s_schedules():
    config = preset("source-004-cyclical")
    ratios = [teacher_forcing_at(config, epoch) for epoch in range(300)]
    assert ratios[:30] == [1.0] * 30 and ratios[30] == pytest.approx(0.996) and ratios[279] == pytest.approx(0.001)
    assert min(ratios) == ratios[-1] == 0.001 and ratios == sorted(ratios, reverse=True)
    betas = [beta_at(config, epoch) for epoch in range(300)]
    assert betas[100] == 0 and betas[125] == pytest.approx(0.5) and betas[50] == betas[99] == 1.0
    betas = [beta_at(preset("source-004-monotonic"), epoch) for epoch in range(300)]
    assert betas[50] == pytest.approx(0.5) and betas[100] == pytest.approx(1.0) == betas[299]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds(name):
    assert replace(preset(name), width=4) and build(replace(preset(name), width=4, rnn_size=8))
