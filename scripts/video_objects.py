"""Teach a video model that was trained on the simulator how objects move:

    .venv/bin/python -m scripts.video_objects --base video-maps --out my-video

The model keeps its other weights. `cvae_core.video.object_training` says what is trained on.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

import torch
from tqdm import tqdm

from cvae_core import checkpoint
from cvae_core.video.inference import load
from cvae_core.video.model import ObjectCVAE, VideoCVAE, build
from cvae_core.video.object_training import fit, join, simulated

CHUNK = 100  # clips of a process's turn


def main() -> None:
    """Train, and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="video-maps", help="checkpoint of the model of frames (video-maps)")
    parser.add_argument("--out", required=True, help="name in checkpoints/")
    parser.add_argument("--clips", type=int, default=40_000, help="simulated clips, half of them pushes (40000)")
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--processes", type=int, default=2, help="that simulate (2)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = with_objects(load(args.base))
    chunks = [range(first, min(first + CHUNK, args.clips)) for first in range(0, args.clips, CHUNK)]
    with ProcessPoolExecutor(args.processes, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        simulate = partial(simulated, past=model.config.past)
        data = join(list(tqdm(pool.map(simulate, chunks), "simulating", len(chunks))))
    losses = fit(model.motion, data, model.config.past, args.steps)
    for loss in (bar := tqdm(losses, "training", args.steps, mininterval=10)):
        bar.set_postfix(loss=f"{loss:.2f}", refresh=False)
    metadata = {"system": "video", "config": vars(model.config), "data": "simulator"}
    path = checkpoint.CHECKPOINTS / f"{args.out}.safetensors"
    checkpoint.write(path, model.state_dict(), metadata)
    checkpoint.copy(path, path, "float16")
    print(path)


def with_objects(base: VideoCVAE) -> ObjectCVAE:
    """A model of frames with new weights for objects, which it may have had before."""
    frames = base.frames if isinstance(base, ObjectCVAE) else base
    model = build(replace(frames.config, objects=True)).eval()
    assert isinstance(model, ObjectCVAE)
    model.frames.load_state_dict(frames.state_dict())
    return model


if __name__ == "__main__":
    main()
