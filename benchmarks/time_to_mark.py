"""How long an untrained model takes to pass the best published pair: BLEU-4 0.93 and Gaussian score 0.41.

    python -m benchmarks.time_to_mark --data train.txt [--device cuda] [--seed 0]

One process, one checkpoint, the course's data and the course's rules (LSTM encoder and decoder, no attention). Each
epoch is scored on the course's pairs and, where BLEU-4 passes, on 200 samples. When both marks are passed training
stops, and 1,000 new samples confirm it. The preset `fast-course` was chosen with seed 0.
"""

import argparse
import math
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import machine
from cvae_core import runs
from cvae_core.device import pick_device
from cvae_core.tense import metrics
from cvae_core.tense.inference import Inflector
from cvae_core.tense.presets import preset
from cvae_core.tense.task import TenseTask
from cvae_core.tense.verb_file import read_verbs
from cvae_core.training import fit

BLEU4, GAUSSIAN = 0.93, 0.41
SAMPLES = 200
VALIDATION_SEED, CONFIRMING_SEED = 7, 8


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_to_mark", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="the course's train.txt")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bleu4", type=float, default=BLEU4, help="the first mark")
    parser.add_argument("--gaussian", type=float, default=GAUSSIAN, help="the second mark")
    parser.add_argument("--epochs", type=int, help="at most, instead of the preset's")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    began = time.perf_counter()
    config = replace(preset("fast-course"), seed=args.seed, **({"epochs": args.epochs} if args.epochs else {}))
    task = TenseTask(config, read_verbs(args.data, as_is=True).verbs, pick_device(args.device), "file train.txt")
    found: dict[str, float] = {}

    def passed() -> bool:
        return bool(found) and found["bleu4"] >= args.bleu4 and found["gaussian"] >= args.gaussian

    def evaluate() -> dict[str, float]:
        model = Inflector(task.model)
        bleu4, gaussian = metrics.bleu4_of_pairs(model), math.nan
        if bleu4 >= args.bleu4:
            gaussian = metrics.gaussian_scores(model, task.verbs, SAMPLES, VALIDATION_SEED)["gaussian"]
        # Both at once: scoring is interrupted as soon as the marks are passed.
        found.update(bleu4=bleu4, gaussian=gaussian, seconds=time.perf_counter() - began)
        print("  ".join(f"{name} {value:.3f}" for name, value in found.items()), flush=True)
        return {"score": found["gaussian"]}

    task.evaluate = evaluate
    task.statistics = task.preview = dict  # none
    run = runs.create({"system": "tense"}, "time-to-mark", Path(tempfile.mkdtemp()))
    fit(task, run, stopped=passed)
    confirmed = metrics.gaussian_scores(Inflector(task.model), task.verbs, 1000, CONFIRMING_SEED)
    found |= {"confirmed": confirmed["gaussian"], "distinct": confirmed["distinct"]}
    print(machine())
    print(
        f"{'' if passed() else 'not '}reached in {found['seconds']:.0f} s: BLEU-4 {found['bleu4']:.3f}, Gaussian "
        f"{found['gaussian']:.3f} on {SAMPLES} samples; on 1,000 new samples {found['confirmed']:.3f} "
        f"({found['distinct']:.3f} distinct)"
    )
    return found


if __name__ == "__main__":
    main()
