"""What each part of the recipe adds: the same short training with one part left out at a time.

    python -m benchmarks.ablation --data train.txt [--only "no prior matching"] [--threads 2]

First the course's list and rules (preset course), then every fifth training verb of the dictionary (preset best with
LSTMs of half the width, and consistency between tenses in the second half), 30 epochs each: shorter than
what ships, so compare rows with each other, not with the shipped model. Accuracy is on validation verbs; scores of
samples are of 1,000 for each of five seeds.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import machine
from cvae_core import runs
from cvae_core.device import pick_device
from cvae_core.schedules import begins, constant
from cvae_core.tense import data, metrics
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.data import Verb
from cvae_core.tense.evaluate import draws_of, tense_accuracy
from cvae_core.tense.inference import Inflector
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.presets import preset
from cvae_core.tense.spelling import is_irregular
from cvae_core.tense.task import TenseTask
from cvae_core.tense.verb_file import read_verbs
from cvae_core.training import fit

SEEDS = range(100, 105)
SHORT = {"epochs": 30}  # the course's rows
SMALL = SHORT | {  # the dictionary's
    "hidden_size": 128, "state_width": 512, "consistency": begins(0.5, 4.0),
}  # fmt: skip

COURSE_ROWS = {
    "course: all parts": {},
    "course: no prior matching": {"prior_share": constant(0.0)},
    "course: no consistency between tenses": {"consistency": constant(0.0)},
    "course: one layer from z to the state": {"state_layers": 1},
    "course: each form decoded in its own tense only": {"pairs": "same"},
}
DICTIONARY_ROWS = {
    "dictionary: all parts": {},
    "dictionary: tense conditions the decoder's inputs": {"decoder_condition": "input"},
    "dictionary: no prior matching": {"prior_share": constant(0.0)},
    "dictionary: no consistency between tenses": {"consistency": constant(0.0)},
    "dictionary: one level, the decoder gets z": {"spelling_size": 0},
    "dictionary: a quarter of the verbs decoded from z": {"z_share": 0.25},
    "dictionary: s with the KL weight of z": {"spelling_kl": 0.3},
    "dictionary: tense by the ELBO, no classifier": {"tense_classifier": False},
    "dictionary: no prefixed irregular verbs": {"prefixed": 0.0},
    "dictionary: no invented verbs": {"invented": 0.0},
}
COLUMNS = {
    "bleu4": "BLEU-4", "accuracy": "unseen verbs", "tense": "their tense",
    "own_irregular": "own irregular", "own_z_alone": "own, z alone",
    "gaussian": "Gaussian", "distinct_share": "distinct", "gaussian_refined": "refined", "minutes": "minutes",
}  # fmt: skip


def measure(config: TenseConfig, verbs: Sequence[Verb], device: str, samples: int = 1000) -> dict[str, float]:
    """Train once and score; `accuracy` only where verbs were held out, with `samples` of each seed."""
    task = TenseTask(config, verbs, pick_device(device))
    task.evaluate = lambda: {"score": 0.0}  # scored once, after training
    task.statistics = task.preview = dict
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        fit(task, runs.create({"system": "tense"}, "ablation", Path(folder)))
        minutes = (time.perf_counter() - began) / 60
    model = Inflector(task.model, task.verbs)
    irregular = [verb for verb in task.verbs if is_irregular(verb)]
    scores = {
        "bleu4": metrics.bleu4_of_pairs(model),
        "own_irregular": metrics.accuracy(model, irregular)["accuracy"] if irregular else None,
        "own_z_alone": metrics.accuracy(model, task.verbs[::5], space="z")["accuracy"],
        "minutes": minutes,
    }
    if config.train_on == "train":
        unseen = data.select_split(verbs, "validation")
        scores |= {"accuracy": metrics.accuracy(model, unseen)["accuracy"], "tense": tense_accuracy(model, unseen)}
    of_samples = draws_of(model, samples, SEEDS)
    spread = of_samples.pop("spread")["gaussian"]
    return scores | of_samples | {"spread": max(spread) - min(spread)}


def line(name: str, scores: dict[str, float]) -> str:
    """A row of the table; a dash where nothing was measured."""
    cells = ["–" if scores.get(c) is None else f"{scores[c]:.3f}" for c in COLUMNS if c != "minutes"]
    return f"| {name} | {' | '.join(cells)} | {scores['minutes']:.1f} |"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="the course's train.txt; without it only the dictionary's rows are measured")
    parser.add_argument("--only", nargs="+", default=[""], help="rows whose names hold one of these")
    parser.add_argument("--epochs", type=int, help="instead of the rows' own")
    parser.add_argument("--verbs", type=int, help="train on the first so many verbs of each list")
    parser.add_argument("--samples", type=int, default=1000, help="of each of five seeds")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    course = read_verbs(args.data, as_is=True).verbs[: args.verbs] if args.data else ()
    short = replace(preset("course"), **SHORT)
    jobs = [(name, short, part, course) for name, part in COURSE_ROWS.items() if args.data]
    small = replace(preset("best"), **SMALL)
    lexicon = load_lexicon().verbs
    some = data.select_split(lexicon, "train")[::5][: args.verbs]
    some += data.select_split(lexicon, "validation")[: args.verbs]
    jobs += [(name, small, part, some) for name, part in DICTIONARY_ROWS.items()]
    print(machine())
    print(f"| | {' | '.join(COLUMNS.values())} |\n|---{'|---:' * len(COLUMNS)}|", flush=True)
    spreads = []
    for name, config, part, verbs in jobs:
        if not any(text in name for text in args.only):
            continue
        config = replace(config, **part, **({"epochs": args.epochs} if args.epochs else {}))
        scores = measure(config, verbs, args.device, args.samples)
        spreads.append(scores["spread"])
        print(line(name, scores), flush=True)
    if spreads:
        print(f"Gaussian scores of one model differ by {statistics.mean(spreads):.3f} between five sets of samples.")


if __name__ == "__main__":
    main()
