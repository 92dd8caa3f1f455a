"""Scores of predicted frames. Frames are (..., 3, h, w) in [0, 1]; there is a score per frame: (...)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.errors import UserError
from cvae_core.video.data import Clip, stack
from cvae_core.video.inference import predict
from cvae_core.video.model import VideoCVAE

FUTURE = 10  # predicted frames, where the clips are long enough
MAX_PSNR = 100.0  # dB, for channels without any error
MOTION = 0.05  # a pixel moves where a channel differs by more than this from the last given frame


def psnr(predicted: Tensor, true: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, data range 1: the mean over the three channels, as the course defines it."""
    return _decibels((predicted - true).square().flatten(-2).mean(-1)).mean(-1)


def psnr_moving(predicted: Tensor, true: Tensor, last: Tensor) -> Tensor:
    """PSNR over the pixels that differ from the last given frame, all channels together; nan where none does."""
    moves = ((true - last).abs().amax(-3, keepdim=True) > MOTION).expand_as(true).flatten(-3)
    errors = (predicted - true).square().flatten(-3) * moves
    return _decibels(errors.sum(-1) / moves.sum(-1))


def _decibels(mean_squared_error: Tensor) -> Tensor:
    return (-10 * torch.log10(mean_squared_error)).clamp(max=MAX_PSNR)


def ssim(predicted: Tensor, true: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Structural similarity, data range 1, mean over channels (Wang et al. 2004: Gaussian window, K1 0.01, K2 0.03)."""
    x = torch.arange(window, dtype=predicted.dtype, device=predicted.device) - window // 2
    line = torch.exp(-x.square() / (2 * sigma**2))
    kernel = (line[:, None] * line / line.sum() ** 2)[None, None]

    def blur(picture: Tensor) -> Tensor:
        return F.conv2d(picture.reshape(-1, 1, *picture.shape[-2:]), kernel)  # windows inside the picture

    a, b = blur(predicted), blur(true)
    variances = blur(predicted.square()) - a.square() + blur(true.square()) - b.square()
    covariance = blur(predicted * true) - a * b
    c1, c2 = 0.01**2, 0.03**2
    map_ = (2 * a * b + c1) * (2 * covariance + c2) / ((a.square() + b.square() + c1) * (variances + c2))
    return map_.mean((-3, -2, -1)).view(predicted.shape[:-2]).mean(-1)


def evaluate(model: VideoCVAE, clips: Sequence[Clip], name: str, seed: int = 0) -> dict:
    """Scores of predicting all frames after the given ones, at most 10, with one z from the prior for each frame.

    The baselines are the last given frame, copied, and the model with the actions and positions of another clip, which
    shows how much it uses them. `per_frame` lists each score by frame. Raises UserError for fewer than 2 clips or clips
    without a frame to predict.
    """
    past = model.config.past
    length = min(past + FUTURE, *(len(clip.frames) for clip in clips))
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
    }  # (n, H) each
    return {"data": name, "clips": len(clips), "given": past, "predicted": length - past} | {
        name: values.nanmean().item() for name, values in scores.items()
    } | {"per_frame": {name: values.nanmean(0).tolist() for name, values in scores.items()}}  # fmt: skip


def as_table(scores: dict) -> str:
    """The result of `evaluate` as text."""
    lines = [
        f"{scores['data']}: {scores['clips']} clips, {scores['given']} frames given, {scores['predicted']} predicted"
    ]
    lines += [f"{name:<24}{scores[name]:8.3f}" for name in scores["per_frame"]]
    lines.append(f"{'PSNR by frame':<24}" + " ".join(f"{v:6.2f}" for v in scores["per_frame"]["psnr"]))
    return "\n".join(lines)
