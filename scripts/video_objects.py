"""Teach a video model that was trained on the simulator how objects move, and to show it:

    .venv/bin/python -m scripts.video_objects --base video-maps --out my-video --device cuda

`cvae_core.video.object_training` says what is trained on. It is meant for a GPU.
"""

import argparse
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from cvae_core import checkpoint
from cvae_core.video.inference import load
from cvae_core.video.model import ObjectCVAE, VideoCVAE, build, copy_frames
from cvae_core.video.object_training import Tracks, fit_frames, fit_motion, join, simulated

CHUNK = 100  # clips of a process's turn


def main() -> None:
    """Train, and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="video-maps", help="checkpoint of the model of frames (video-maps)")
    parser.add_argument("--out", required=True, help="name in checkpoints/")
    parser.add_argument("--clips", type=int, default=80_000, help="half of them pushes (80000: 27 GB of memory)")
    parser.add_argument("--motion-steps", type=int, default=12_000, help="batches of 512 clips (12000)")
    parser.add_argument("--frame-steps", type=int, default=7_000, help="batches of 64 clips (7000)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=2, help="that simulate (2)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = with_objects(load(args.base))
    data = simulate(args.clips, model.config.past, args.processes)
    model.to(args.device)
    data = Tracks(*(part.to(args.device) for part in data))
    show(fit_motion(model.motion, data, model.config.past, args.motion_steps, 512), "motion", args.motion_steps)
    show(fit_frames(model, data, args.frame_steps), "frames", args.frame_steps)
    write(model.cpu(), args.out)


def with_objects(base: VideoCVAE) -> ObjectCVAE:
    """A model of frames that takes layers, and a new one of how objects move."""
    model = build(replace(base.config, objects=True)).eval()
    assert isinstance(model, ObjectCVAE)
    copy_frames(base, model.frames)
    return model


def simulate(clips: int, past: int, processes: int) -> Tracks:
    """The tracks of clips with seeds from 0, by several processes."""
    chunks = [range(first, min(first + CHUNK, clips)) for first in range(0, clips, CHUNK)]
    with ProcessPoolExecutor(processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        parts = list(tqdm(pool.map(partial(_simulated, past=past), chunks), "simulating", len(chunks)))
    return join([Tracks(*map(torch.from_numpy, part)) for part in parts])


def _simulated(seeds: range, past: int) -> list[np.ndarray]:
    # Arrays go through a pipe; tensors would each hold a file of shared memory open.
    return [part.numpy() for part in simulated(seeds, past)]


def show(losses: Iterable[Tensor], name: str, steps: int) -> None:
    """Train, with a progress bar."""
    for step, loss in enumerate(bar := tqdm(losses, name, steps, mininterval=10)):
        if step % 100 == 0:
            bar.set_postfix(loss=f"{loss.item():.3g}", refresh=False)


def write(model: ObjectCVAE, name: str) -> None:
    """Write the checkpoint, in half precision."""
    metadata = {"system": "video", "config": vars(model.config), "data": "simulator"}
    path = checkpoint.CHECKPOINTS / f"{name}.safetensors"
    checkpoint.write(path, model.state_dict(), metadata)
    checkpoint.copy(path, path, "float16")
    print(path)


if __name__ == "__main__":
    main()
