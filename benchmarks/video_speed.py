"""Speed of video prediction: ten frames after two given ones, one clip and a batch, beside the encoder alone.

python -m benchmarks.video_speed [--checkpoint video-objects] [--repeats 20]
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from benchmarks import machine, table
from cvae_core.video.family import TEST
from cvae_core.video.inference import BATCH, load, predict
from cvae_core.video.model import ObjectCVAE
from cvae_core.video.simulator import simulate

FRAMES = 12


def median_milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Median time of so many calls, after two that warm up."""
    times = []
    for _ in range(repeats + 2):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="video-objects", help="name or path (default video-objects)")
    parser.add_argument("--repeats", type=int, default=20, help="calls of each (default 20)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, clip = load(args.checkpoint), simulate(TEST, FRAMES)
    frames, actions = clip.frames[None], clip.condition[None, :-1]
    pixels = torch.rand(FRAMES, 3, 64, 64)
    with torch.inference_mode():
        encoder = model.frames.encoder if isinstance(model, ObjectCVAE) else model.encoder
        networks = median_milliseconds(lambda: encoder(pixels), args.repeats)
    prediction = median_milliseconds(lambda: predict(model, frames, actions), args.repeats)
    many = frames.expand(BATCH, -1, -1, -1, -1), actions.expand(BATCH, -1, -1)
    batch = median_milliseconds(lambda: predict(model, *many), max(1, args.repeats // 5)) / BATCH
    print(machine())
    print(table([
        (f"prediction of {FRAMES - model.config.past} frames, one thread", f"{prediction:.1f} ms"),
        (f"the same of each clip in a batch of {BATCH}", f"{batch:.1f} ms"),
        (f"the encoder alone on {FRAMES} frames", f"{networks:.1f} ms"),
        ("ratio", f"{prediction / networks:.1f} x"),
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
