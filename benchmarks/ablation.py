"""What each part of the recipe adds: the same short training with one part left out at a time.

    python -m benchmarks.ablation --data train.txt [--only "no prior matching"] [--threads 2]

First the course's list and rules (preset course), then every fifth training verb of the lexicon (preset best with LSTMs
of half the width, and agreement between tenses in the second half), 30 epochs each: less than what ships, so compare
rows, not rows with the shipped model's figures. Accuracy is on validation verbs; draws are 1,000 for each of five
seeds.
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
from cvae_core.tense import data, metrics
from cvae_core.tense.data import Verb
from cvae_core.tense.evaluate import draws_of, own_tense
from cvae_core.tense.inference import Tense
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.model import TenseConfig
from cvae_core.tense.presets import preset
from cvae_core.tense.spelling import is_irregular
from cvae_core.tense.task import TenseTask
from cvae_core.training import fit, pick_device

SEEDS = range(100, 105)
SHORT = {"epochs": 30}  # the course's rows
SMALL = SHORT | {  # the lexicon's
    "hidden_size": 128, "state_width": 512, "consistency": 4.0, "consistency_from": 0.5,
}  # fmt: skip

COURSE_ROWS = {
    "course: all parts": {},
    "course: no prior matching": {"prior_share": 0.0},
    "course: tense in the first state only": {"decoder_condition": "state"},
    "course: no agreement between tenses": {"consistency": 0.0},
    "course: one layer from z": {"state_layers": 1},
    "course: each form to itself only": {"pairs": "same"},
}
LEXICON_ROWS = {
    "lexicon: all parts": {},
    "lexicon: tense with every letter that goes in": {"decoder_condition": "input"},
    "lexicon: no prior matching": {"prior_share": 0.0},
    "lexicon: no agreement between tenses": {"consistency": 0.0},
    "lexicon: source word always seen": {"source_dropout": 0.0},
    "lexicon: source word never seen": {"source": "none"},
    "lexicon: tense of a form by evidence, no classifier": {"tense_classifier": False},
    "lexicon: no prefixed irregular verbs": {"prefixed": 0.0},
    "lexicon: no invented verbs": {"invented": 0.0},
}
COLUMNS = {
    "bleu4": "BLEU-4", "accuracy": "unseen verbs", "own_tense": "their tense",
    "own_irregular": "own irregular", "own_z_alone": "own, z alone",
    "gaussian": "Gaussian", "distinct_share": "distinct", "gaussian_refined": "refined", "minutes": "minutes",
}  # fmt: skip


def measure(config: TenseConfig, verbs: Sequence[Verb], device: str) -> dict[str, float]:
    """Train once and score; `accuracy` only where verbs were held out."""
    task = TenseTask(config, verbs, pick_device(device))
    task.evaluate = lambda: {"score": 0.0}  # scored once, after training
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        fit(task, runs.create({"system": "tense"}, "ablation", Path(folder)))
        minutes = (time.perf_counter() - began) / 60
    tense = Tense(task.model.eval(), task.verbs)
    irregular = [verb for verb in task.verbs if is_irregular(verb)]
    scores = {
        "bleu4": metrics.bleu4_of_pairs(tense),
        "own_irregular": metrics.accuracy(tense, irregular)["accuracy"],
        "own_z_alone": metrics.accuracy(tense, task.verbs[::5], see_source=False)["accuracy"],
        "minutes": minutes,
    }
    if config.train_on == "train":
        unseen = data.select_split(verbs, "validation")
        scores |= {"accuracy": metrics.accuracy(tense, unseen)["accuracy"], "own_tense": own_tense(tense, unseen)}
    drawn = draws_of(tense, 1000, SEEDS)
    spread = drawn.pop("spread")["gaussian"]
    return scores | drawn | {"spread": max(spread) - min(spread)}


def line(name: str, scores: dict[str, float]) -> str:
    cells = [f"{scores[c]:.3f}" if c in scores else "–" for c in COLUMNS if c != "minutes"]
    return f"| {name} | {' | '.join(cells)} | {scores['minutes']:.1f} |"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="the course's train.txt; without it only the lexicon's rows are measured")
    parser.add_argument("--only", nargs="+", default=[""], help="rows whose names hold one of these")
    parser.add_argument("--epochs", type=int, help="instead of the rows' own")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    course = data.read_verbs(args.data).verbs if args.data else ()
    short = replace(preset("course"), **SHORT)
    jobs = [(name, short, part, course) for name, part in COURSE_ROWS.items() if args.data]
    small = replace(preset("best"), **SMALL)
    lexicon = load_lexicon().verbs
    some = data.select_split(lexicon, "train")[::5] + data.select_split(lexicon, "validation")
    jobs += [(name, small, part, some) for name, part in LEXICON_ROWS.items()]
    print(machine())
    print(f"| | {' | '.join(COLUMNS.values())} |\n|---{'|---:' * len(COLUMNS)}|", flush=True)
    spreads = []
    for name, config, part, verbs in jobs:
        if not any(text in name for text in args.only):
            continue
        config = replace(config, **part, **({"epochs": args.epochs} if args.epochs else {}))
        scores = measure(config, verbs, args.device)
        spreads.append(scores["spread"])
        print(line(name, scores), flush=True)
    if spreads:
        print(f"Gaussian scores of one model differ by {statistics.mean(spreads):.3f} between the draws of five seeds.")


if __name__ == "__main__":
    main()
