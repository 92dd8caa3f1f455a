"""How close predicted frames are to the true ones. Frames are (..., 3, h, w) in [0, 1]; scores are a frame's: (...)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cvae_core.errors import UserError
from cvae_core.video.data import Clip, stack
from cvae_core.video.inference import predict
from cvae_core.video.model import VideoCVAE

FUTURE = 10  # frames predicted, where the clips are long enough
EXACT = 100.0  # dB of a channel that is exactly right, whose error has no logarithm
MOVED = 0.05  # a pixel moves where a channel differs by more than this from the last frame given


def psnr(made: Tensor, true: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, data range 1, the mean of the three channels' as the course defines it."""
    return _decibels((made - true).square().flatten(-2).mean(-1)).mean(-1)


def psnr_of_moving(made: Tensor, true: Tensor, last: Tensor) -> Tensor:
    """PSNR over the pixels that differ from the last frame given, all channels together; nan where none does."""
    moves = ((true - last).abs().amax(-3, keepdim=True) > MOVED).expand_as(true).flatten(-3)
    errors = (made - true).square().flatten(-3) * moves
    return _decibels(errors.sum(-1) / moves.sum(-1))


def _decibels(error: Tensor) -> Tensor:
    return (-10 * torch.log10(error)).clamp(max=EXACT)


def ssim(made: Tensor, true: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Structural similarity, data range 1 (Wang et al. 2004: Gaussian window, K1 = 0.01, K2 = 0.03), channels' mean."""
    x = torch.arange(window, dtype=made.dtype, device=made.device) - window // 2
    line = torch.exp(-x.square() / (2 * sigma**2))
    kernel = (line[:, None] * line / line.sum() ** 2)[None, None]

    def blur(picture: Tensor) -> Tensor:
        return F.conv2d(picture.reshape(-1, 1, *picture.shape[-2:]), kernel)  # no window leaves the picture

    a, b = blur(made), blur(true)
    variances = blur(made.square()) - a.square() + blur(true.square()) - b.square()
    covariance = blur(made * true) - a * b
    c1, c2 = 0.01**2, 0.03**2
    map_ = (2 * a * b + c1) * (2 * covariance + c2) / ((a.square() + b.square() + c1) * (variances + c2))
    return map_.mean((-3, -2, -1)).view(made.shape[:-2]).mean(-1)


def evaluate(model: VideoCVAE, clips: Sequence[Clip], name: str, seed: int = 0) -> dict:
    """Scores of predicting all frames after the given ones, at most 10, with one z from the prior for each frame.

    Beside the model stand the last given frame, copied, and the model with the actions and positions of another clip,
    which tells a model that listens to them from one that does not. Lists are by frame.
    """
    past = model.config.past
    length = min(past + FUTURE, *(len(clip.frames) for clip in clips))
    if length <= past or len(clips) < 2:
        raise UserError(f"{name} has {len(clips)} clips of {length} frames: expected at least 2, of more than {past}.")
    frames, condition = stack(clips, length)
    condition = condition[:, :-1]
    true = frames[:, past:].float() / 255
    last = (frames[:, past - 1 : past].float() / 255).expand_as(true)
    made = predict(model, frames, condition, seed)
    scores = {
        "psnr": psnr(made, true),
        "psnr_copy_last": psnr(last, true),
        "psnr_shuffled_actions": psnr(predict(model, frames, condition.roll(1, 0), seed), true),
        "ssim": ssim(made, true),
        "ssim_copy_last": ssim(last, true),
        "psnr_moving": psnr_of_moving(made, true, last),
        "psnr_moving_copy_last": psnr_of_moving(last, true, last),
    }  # (n, H) each
    return {"data": name, "clips": len(clips), "given": past, "predicted": length - past} | {
        name: values.nanmean().item() for name, values in scores.items()
    } | {"per_frame": {name: values.nanmean(0).tolist() for name, values in scores.items()}}  # fmt: skip


def as_table(scores: dict) -> str:
    lines = [
        f"{scores['data']}: {scores['clips']} clips, {scores['given']} frames given, {scores['predicted']} predicted"
    ]
    lines += [f"{name:<24}{scores[name]:8.3f}" for name in scores["per_frame"]]
    lines.append(f"{'PSNR by frame':<24}" + " ".join(f"{v:6.2f}" for v in scores["per_frame"]["psnr"]))
    return "\n".join(lines)
