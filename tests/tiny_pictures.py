"""Tasks of digits and video so small that a training takes a second."""

import gzip
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cvae_core.digits import data as digits_data
from cvae_core.digits.config import DigitsConfig
from cvae_core.digits.data import Images
from cvae_core.digits.task import DigitsTask
from cvae_core.schedules import ramp
from cvae_core.video.config import VideoConfig
from cvae_core.video.data import Clip
from cvae_core.video.task import VideoTask

DIGITS = DigitsConfig(epochs=3, batch_size=64, hidden_size=16, latent_size=3, learning_rate=5e-3)
LABEL = replace(DIGITS, task="label", latent_size=2)
VIDEO = VideoConfig(
    epochs=2, batch_size=3, width=4, code_size=8, latent_size=3, rnn_size=12, past=2, future=3, learning_rate=5e-3,
    keypoints=0, copies=False, feedback=True, kl_max=1.0, kl_knots=ramp(), precision="float32",
)  # fmt: skip


def tiny_digits(config: DigitsConfig = DIGITS) -> DigitsTask:
    """150 training images of the built-in digits."""
    small = digits_data.small_digits()
    return DigitsTask(config, small._replace(train=Images(*(part[:150] for part in small.train))))


def idx(array: np.ndarray) -> bytes:
    """An array of bytes as an IDX file."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder: Path, n: int = 30, zipped: bool = True) -> Path:
    """MNIST's four files with n random images each."""
    rng = np.random.default_rng(0)
    for name in ("train", "t10k"):
        for kind, array in (
            ("images-idx3", rng.integers(0, 256, (n, 28, 28), np.uint8)),
            ("labels-idx1", rng.integers(0, 10, n).astype(np.uint8)),
        ):
            content = idx(array)
            path = folder / f"{name}-{kind}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(content) if zipped else content)
    return folder


def square_clips(n: int = 6, length: int = 6) -> list[Clip]:
    """Clips of a bright square that moves by four times the first two numbers of the action, in pixels."""
    clips = []
    for seed in range(n):
        generator = torch.Generator().manual_seed(seed)
        steps = torch.randint(-4, 5, (length, 2), generator=generator)
        centres = (32 + steps.cumsum(0) - steps).clamp(8, 56)
        frames = torch.full((length, 3, 64, 64), 40, dtype=torch.uint8)
        for frame, (y, x) in zip(frames, centres.tolist(), strict=True):
            frame[:, y - 6 : y + 6, x - 6 : x + 6] = 220
        clips.append(Clip(frames, torch.cat([steps / 4, torch.zeros(length, 5)], 1), f"clip {seed}"))
    return clips


def tiny_video(**changes) -> VideoTask:
    """Six training clips of squares, two for validation."""
    return VideoTask(replace(VIDEO, **changes), square_clips(), square_clips(2))


def assert_same_clips(found: list[Clip], expected: list[Clip]):
    assert [clip.name for clip in found] == [clip.name for clip in expected]
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a.frames, b.frames) and torch.equal(a.condition, b.condition)
