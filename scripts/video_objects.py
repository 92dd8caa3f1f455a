"""Teach a video model that was trained on the simulator how objects move:

    .venv/bin/python -m scripts.video_objects --base video --out my-video

The model keeps its other weights. `cvae_core.video.object_training` says what is trained on.
"""

import argparse
from dataclasses import replace

import torch
from tqdm import tqdm

from cvae_core import checkpoint
from cvae_core.video.inference import load
from cvae_core.video.metrics import FUTURE
from cvae_core.video.model import VideoCVAE
from cvae_core.video.object_training import fit_motion, tracks
from cvae_core.video.simulator import rollout


def main() -> None:
    """Train, and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="video", help="checkpoint to start from (video)")
    parser.add_argument("--out", required=True, help="name in checkpoints/")
    parser.add_argument("--clips", type=int, default=2500, help="simulated clips for the motion (2500)")
    parser.add_argument("--steps", type=int, default=4000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = with_objects(load(args.base))
    length = model.config.past + FUTURE
    scenes = [rollout(seed, length) for seed in tqdm(range(args.clips), "simulating")]
    data = tracks(scenes, model.config.past)
    for _ in tqdm(fit_motion(model, data, args.steps), "motion", args.steps):
        pass
    metadata = {"system": "video", "config": vars(model.config), "data": "simulator"}
    path = checkpoint.CHECKPOINTS / f"{args.out}.safetensors"
    checkpoint.write(path, model.state_dict(), metadata)
    checkpoint.copy(path, path, "float16")
    print(path)


def with_objects(base: VideoCVAE) -> VideoCVAE:
    """The model with new weights for objects, which it may have had before."""
    model = VideoCVAE(replace(base.config, objects=True)).eval()
    kept = {name: value for name, value in base.state_dict().items() if not name.startswith("motion.")}
    model.load_state_dict(kept, strict=False)
    return model


if __name__ == "__main__":
    main()
