"""Scores of predicted frames. Frames are (..., 3, h, w) in [0, 1]; there is a score per frame: (...)."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.errors import UserError
from cvae_core.video.data import Clip, stack
from cvae_core.video.inference import predict
from cvae_core.video.model import VideoCVAE

if TYPE_CHECKING:
    from cvae_core.video.simulator import Scene

FUTURE = 10  # predicted frames, where the clips are long enough
MAX_PSNR = 100.0  # dB, for channels without any error
SAMPLES, MAX_OPEN = 20, 20  # of z for each clip, and clips, in `futures`
WINDOW, SIGMA = 11, 1.5  # pixels: the Gaussian of `ssim`
MOTION = 0.05  # a pixel moves where a channel differs by more than this from the last given frame


def psnr(predicted: Tensor, true: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, data range 1: the mean over the three channels, as the course defines it."""
    return _decibels((predicted - true).square().flatten(-2).mean(-1)).mean(-1)


def psnr_moving(predicted: Tensor, true: Tensor, last: Tensor) -> Tensor:
    """PSNR over the pixels that differ from the last given frame, all channels together; nan where none does."""
    moves = moving(true, last).expand_as(true).flatten(-3)
    errors = (predicted - true).square().flatten(-3) * moves
    return _decibels(errors.sum(-1) / moves.sum(-1))


def moving(true: Tensor, last: Tensor) -> Tensor:
    """Whether a pixel differs from the last given frame by more than `MOTION` in a channel: (..., 1, h, w)."""
    return (true - last).abs().amax(-3, keepdim=True) > MOTION


def _decibels(mean_squared_error: Tensor) -> Tensor:
    return (-10 * torch.log10(mean_squared_error)).clamp(max=MAX_PSNR)


def ssim(predicted: Tensor, true: Tensor) -> Tensor:
    """Structural similarity, data range 1, mean over channels (Wang et al. 2004: Gaussian window, K1 0.01, K2 0.03)."""
    x = torch.arange(WINDOW, dtype=predicted.dtype, device=predicted.device) - WINDOW // 2
    line = torch.exp(-x.square() / (2 * SIGMA**2))
    kernel = (line[:, None] * line / line.sum() ** 2)[None, None]

    def blur(picture: Tensor) -> Tensor:
        return F.conv2d(picture.reshape(-1, 1, *picture.shape[-2:]), kernel)  # windows inside the picture

    a, b = blur(predicted), blur(true)
    variances = blur(predicted.square()) - a.square() + blur(true.square()) - b.square()
    covariance = blur(predicted * true) - a * b
    c1, c2 = 0.01**2, 0.03**2
    map_ = (2 * a * b + c1) * (2 * covariance + c2) / ((a.square() + b.square() + c1) * (variances + c2))
    return map_.mean((-3, -2, -1)).view(predicted.shape[:-2]).mean(-1)


def sharpness(predicted: Tensor, true: Tensor, last: Tensor) -> Tensor:
    """Gradient energy of the moving pixels relative to the truth's: 1 is as sharp; nan where nothing moves."""
    moves = moving(true, last).squeeze(-3)
    energies = [(_gradient_energy(frames) * moves).sum((-2, -1)) for frames in (predicted, true)]
    return energies[0] / energies[1]


def _gradient_energy(frames: Tensor) -> Tensor:
    """Squared differences to the pixels below and on the right, summed over channels: (..., h, w)."""
    below = F.pad(frames.diff(dim=-2), (0, 0, 0, 1))
    right = F.pad(frames.diff(dim=-1), (0, 1))
    return (below.square() + right.square()).sum(-3)


def evaluate(
    model: VideoCVAE, clips: Sequence[Clip], name: str, seed: int = 0, scenes: Sequence["Scene"] | None = None
) -> dict:
    """Scores of predicting all frames after the given ones, at most 10, with one z from the prior for each frame.

    The baselines are the last given frame, copied, and the model with the actions and positions of another clip, which
    shows how much it uses them. `per_frame` lists each score by frame. `objects_found`: of the objects that are moved
    in the simulated `scenes` of these clips, the share that is found in the last predicted frame. `futures` adds
    `best_of_20` and others. Raises UserError for fewer than 2 clips or clips without a frame to predict.
    """
    past = model.config.past
    length = min([past + FUTURE, *(len(clip.frames) for clip in clips)])
    if length <= past or len(clips) < 2:
        raise UserError(f"{name} has {len(clips)} clips of {length} frames: expected at least 2, of more than {past}.")
    frames, condition = stack(clips, length)
    condition = condition[:, :-1]
    true = frames[:, past:].float() / 255
    last = (frames[:, past - 1 : past].float() / 255).expand_as(true)
    predicted = predict(model, frames, condition, seed)
    scores = {
        "psnr": psnr(predicted, true),
        "psnr_copy_last": psnr(last, true),
        "psnr_shuffled_actions": psnr(predict(model, frames, condition.roll(1, 0), seed), true),
        "ssim": ssim(predicted, true),
        "ssim_copy_last": ssim(last, true),
        "psnr_moving": psnr_moving(predicted, true, last),
        "psnr_moving_copy_last": psnr_moving(last, true, last),
        "sharpness": sharpness(predicted, true, last),
    }  # (n, H) each
    return {"data": name, "clips": len(clips), "given": past, "predicted": length - past} | {
        name: values.nanmean().item() for name, values in scores.items()
    } | _found(predicted, last, scenes, past) | futures(model, frames, condition, scenes, seed) | {
        "per_frame": {name: values.nanmean(0).tolist() for name, values in scores.items()}
    }  # fmt: skip


def _found(predicted: Tensor, last: Tensor, scenes: Sequence["Scene"] | None, past: int) -> dict:
    """The share of the moved objects that are found in the last frame, predicted and copied; None without scenes."""
    if scenes is None:
        return {"objects_found": None, "objects_found_copy_last": None}
    from cvae_core.video.objects import found

    here, copied = (found(frames[:, -1], scenes, past).float().mean().item() for frames in (predicted, last))
    return {"objects_found": here, "objects_found_copy_last": copied}


def futures(
    model: VideoCVAE, frames: Tensor, condition: Tensor, scenes: Sequence["Scene"] | None, seed: int = 0
) -> dict:
    """`best_of_20` and `average_of_20`: PSNR of the best of 20 samples of z in each clip, and of them all.

    Frames (n, T, 3, 64, 64) in bytes, conditions (n, T - 1, 7). Of `open_clips` clips, at most 20: those whose `scenes`
    leave the outcome open (`simulator.is_open`), or the first ones without scenes.
    """
    rows: Iterable[int] = range(len(frames))
    if scenes is not None:
        from cvae_core.video.simulator import is_open

        rows = (row for row in rows if is_open(scenes[row]))  # 0.1 s each: no more are asked than needed
    rows = list(islice(rows, MAX_OPEN))
    if not rows:
        return {"open_clips": 0, "best_of_20": None, "average_of_20": None}
    frames, condition = frames[rows], condition[rows]
    true = frames[:, model.config.past :].float() / 255
    samples = torch.stack([
        psnr(predict(model, frames, condition, seed + i), true).mean(1) for i in range(SAMPLES)
    ])  # (20, n)  # fmt: skip
    best = samples.amax(0).mean().item()
    return {"open_clips": len(rows), "best_of_20": best, "average_of_20": samples.mean().item()}


def as_table(scores: dict) -> str:
    """The result of `evaluate` as text."""
    lines = [
        f"{scores['data']}: {scores['clips']} clips, {scores['given']} frames given, {scores['predicted']} predicted"
    ]
    single = ("objects_found", "objects_found_copy_last", "open_clips", "best_of_20", "average_of_20")
    named = [(name, scores[name]) for name in (*scores["per_frame"], *single)]
    lines += [f"{name:<24}{value:8.3f}" for name, value in named if value is not None]
    lines.append(f"{'PSNR by frame':<24}" + " ".join(f"{v:6.2f}" for v in scores["per_frame"]["psnr"]))
    return "\n".join(lines)
