"""Frames as image files: animated GIFs and PNG strips."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cvae_core.checkpoint import write_atomic
from cvae_core.video.data import Clip
from cvae_core.video.inference import predict
from cvae_core.video.model import VideoCVAE

DURATION = 200  # milliseconds of a frame, as in the simulator


def gif(frames: Tensor, scale: int = 3) -> bytes:
    """Frames (T, 3, h, w) in [0, 1] as a GIF that loops."""
    pictures = [_image(frame, scale) for frame in frames]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=DURATION, loop=0)
    return file.getvalue()


def strip(frames: Tensor, scale: int = 1) -> bytes:
    """Frames (T, 3, h, w) in [0, 1] side by side as a PNG."""
    file = io.BytesIO()
    _image(frames.permute(1, 2, 0, 3).flatten(2), scale).save(file, "PNG")
    return file.getvalue()


def _image(frame: Tensor, scale: int) -> Image.Image:
    pixels = (frame.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def write_predictions(model: VideoCVAE, clips: Sequence[Clip], folder: str | Path, seed: int = 0) -> list[str]:
    """Write a GIF and a PNG strip for each clip, true frames left or above, predictions right or below; the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    past, written = model.config.past, []
    for number, clip in enumerate(clips):
        frames = clip.frames.float() / 255
        predicted = predict(model, clip.frames[None], clip.condition[None, :-1], seed + number)[0]
        predicted = torch.cat([frames[:past], predicted])
        for name, data in (
            (f"{number:03d}.gif", gif(torch.cat([frames, predicted], 3))),
            (f"{number:03d}.png", strip(torch.cat([frames, predicted], 2))),
        ):
            write_atomic(folder / name, data)
            written.append(str(folder / name))
    return written
