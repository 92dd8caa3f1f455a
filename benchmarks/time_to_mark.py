"""How long an untrained model takes to pass the best published pair: BLEU-4 0.93 and Gaussian score 0.39.

    python -m benchmarks.time_to_mark --data train.txt [--device cuda] [--seed 0]

One process, one checkpoint, the course's data and the course's rules (LSTM encoder and decoder, no attention). Training
is looked at every few epochs on 200 draws; when both marks are passed it stops, and 1,000 fresh draws confirm it.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import machine
from cvae_core import runs
from cvae_core.tense import data, metrics
from cvae_core.tense.inference import Tense
from cvae_core.tense.presets import preset
from cvae_core.tense.task import TenseTask
from cvae_core.training import fit, pick_device

BLEU4, GAUSSIAN = 0.93, 0.39
DRAWS = 200
VALIDATION_SEED, CONFIRMING_SEED = 7, 8


def passed(found: dict[str, float]) -> bool:
    return found["bleu4"] >= BLEU4 and found["gaussian"] >= GAUSSIAN


def main(argv: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_to_mark", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="the course's train.txt")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    began = time.perf_counter()
    config = replace(preset("fast-course"), seed=args.seed)
    task = TenseTask(config, data.read_verbs(args.data).verbs, pick_device(args.device), "file train.txt")
    found: dict[str, float] = {}

    def evaluate() -> dict[str, float]:
        tense = Tense(task.model)
        bleu4 = metrics.bleu4_of_pairs(tense)
        gaussian = metrics.gaussian_scores(tense, task.verbs, DRAWS, VALIDATION_SEED)["gaussian"]
        # Both at once: scoring is cut short as soon as the marks are passed.
        found.update(bleu4=bleu4, gaussian=gaussian, seconds=time.perf_counter() - began)
        print("  ".join(f"{name} {value:.3f}" for name, value in found.items()), flush=True)
        return {"score": found["gaussian"]}

    task.evaluate = evaluate
    task.samples = dict  # nothing to look at
    run = runs.create({"system": "tense"}, "time-to-mark", Path(tempfile.mkdtemp()))
    fit(task, run, stopped=lambda: "seconds" in found and passed(found))
    tense = Tense(task.model.eval())
    confirmed = metrics.gaussian_scores(tense, task.verbs, 1000, CONFIRMING_SEED)
    found |= {"confirmed": confirmed["gaussian"], "distinct": confirmed["distinct"]}
    reached = passed(found)
    print(machine())
    print(
        f"{'' if reached else 'not '}reached in {found['seconds']:.0f} s: BLEU-4 {found['bleu4']:.3f}, Gaussian "
        f"{found['gaussian']:.3f} on {DRAWS} draws; on 1,000 fresh draws {found['confirmed']:.3f} "
        f"({found['distinct']:.3f} distinct)"
    )
    return found


if __name__ == "__main__":
    main()
