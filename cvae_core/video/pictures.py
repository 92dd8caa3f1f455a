"""Frames as files: moving pictures and strips."""

import io

import numpy as np
from PIL import Image
from torch import Tensor


def gif(frames: Tensor, seconds: float = 0.2, scale: int = 3) -> bytes:
    """Frames (T, 3, h, w) in [0, 1] as an endless GIF."""
    pictures = [_image(frame, scale) for frame in frames]
    file = io.BytesIO()
    pictures[0].save(
        file, "GIF", save_all=True, append_images=pictures[1:], duration=round(1000 * seconds), loop=0
    )  # fmt: skip
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
