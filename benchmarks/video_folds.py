"""Cross-validation of a fine-tuning on few sequences: what it gains in PSNR over copying the last given frame.

python -m benchmarks.video_folds FOLDER [--init video] [--preset robot] [--folds 4] [--seeds 3] [--processes 2]

Each of four folds holds out every fourth sequence of FOLDER/train; no other folder is read. Prints a line for each
seed, with the gain in each fold, and mean and standard deviation of all.
"""

import argparse
import os
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks import machine, table
from cvae_core import runs, session
from cvae_core.training import fit


def gain(folder: str, init: str, preset: str, folds: int, point: tuple[int, int]) -> float:
    """Mean gain in dB on a fold of a model that was trained on the others; `point` is the seed and the fold."""
    seed, fold = point
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        runs.RUNS = Path(root, "runs")
        os.environ["CVAE_CACHE"] = root  # otherwise the decoded frames of each fold would stay in the user's cache
        for split in ("train", "validate"):
            Path(root, split).mkdir()
        for number, sequence in enumerate(sorted(Path(folder, "train").glob("traj_*"))):
            split = "validate" if number % folds == fold else "train"
            Path(root, split, sequence.name).symlink_to(sequence.resolve())
        task, run = session.prepare("video", preset, {"seed": seed}, data=root, init=init)
        fit(task, run)
        row = run.read_metrics()[-1]
    return row["psnr"] - row["psnr_copy_last"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="sequences in the course's layout")
    parser.add_argument("--init", default="video", help="checkpoint to start from (default video)")
    parser.add_argument("--preset", default="robot", help="settings (default robot)")
    parser.add_argument("--folds", type=int, default=4, help="parts of the sequences (default 4)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each fold (default 3)")
    parser.add_argument("--processes", type=int, default=2, help="trainings at once, of one thread each (default 2)")
    args = parser.parse_args()
    points = list(product(range(args.seeds), range(args.folds)))
    with ProcessPoolExecutor(args.processes, get_context("spawn")) as pool:
        gains = list(pool.map(partial(gain, args.folder, args.init, args.preset, args.folds), points))
    print(machine())
    print(table([
        *((f"seed {seed}", "  ".join(f"{x:.2f}" for (s, _), x in zip(points, gains, strict=True) if s == seed))
          for seed in range(args.seeds)),
        ("mean gain, dB", f"{statistics.mean(gains):.2f}"),
        ("standard deviation", f"{statistics.pstdev(gains):.2f}"),
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
