"""The temperature at which the probabilities of answers are worth their number, on verbs that nobody trained on.

python -m benchmarks.temperature [--checkpoint tense] [--split validation]

The temperature of the presets is the one of least surprise on validation verbs (Guo et al. 2017); answers do not
depend on it. A checkpoint that was trained on the split says nothing about it.
"""

import argparse
from dataclasses import replace

import numpy as np

from cvae_core.tense import metrics
from cvae_core.tense.data import DIRECTIONS, load_lexicon, select_split
from cvae_core.tense.inference import Tense, load

TEMPERATURES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5)


def reliability(tense: Tense, verbs, temperature: float) -> dict[str, float]:
    """Accuracy, mean confidence, calibration error, and surprise (mean cross entropy of right or wrong, in nats)."""
    tense.model.config = replace(tense.model.config, temperature=temperature)
    tasks = [(verb, source, target) for source, target in DIRECTIONS for verb in verbs]
    made = tense.convert([v.row[s] for v, s, _ in tasks], [s for _, s, _ in tasks], [t for *_, t in tasks])
    right = np.array([c.form in v.forms[t] for c, (v, _, t) in zip(made, tasks, strict=True)])
    sure = np.array([c.probability for c in made])
    return {
        "accuracy": right.mean(),
        "confidence": sure.mean(),
        "error": metrics.calibration(sure, right)[0],
        "surprise": -np.log(np.clip(np.where(right, sure, 1 - sure), 1e-6, 1)).mean(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--checkpoint", default="tense")
    parser.add_argument("--split", default="validation", choices=("train", "validation", "test"))
    args = parser.parse_args()
    tense = load(args.checkpoint)
    verbs = select_split(load_lexicon().verbs, args.split)
    print(f"{tense.name}: 12 directions of {len(verbs)} {args.split} verbs; {tense.model.config.train_on} trained on")
    print("temperature  accuracy  confidence   error  surprise")
    for temperature in TEMPERATURES:
        of = reliability(tense, verbs, temperature)
        print(
            f"{temperature:11.2f}{of['accuracy']:10.4f}{of['confidence']:12.4f}{of['error']:8.4f}{of['surprise']:10.4f}"
        )


if __name__ == "__main__":
    main()
