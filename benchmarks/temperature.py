"""The temperature at which the probabilities of answers are worth their number, on verbs that nobody trained on.

    python -m cvae_core train tense --out mine
    python -m benchmarks.temperature --checkpoint mine

The temperature of the presets is the one of least surprise on validation verbs (Guo et al. 2017); answers do not
depend on it. What ships has learned from validation verbs, once that was chosen, and is refused.
"""

import argparse
from dataclasses import replace

import numpy as np

from cvae_core.tense import metrics
from cvae_core.tense.data import select_split
from cvae_core.tense.inference import Tense, load
from cvae_core.tense.lexicon import load_lexicon

TEMPERATURES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5)


def reliability(tense: Tense, verbs, temperature: float) -> dict[str, float]:
    """Accuracy, mean confidence, calibration error, and surprise (mean cross entropy of right or wrong, in nats)."""
    tense.model.config = replace(tense.model.config, temperature=temperature)
    sure, right = map(np.array, metrics.sureness(tense, verbs))
    return {
        "accuracy": right.mean(),
        "confidence": sure.mean(),
        "error": metrics.calibration(sure, right)[0],
        "surprise": -np.log(np.clip(np.where(right, sure, 1 - sure), 1e-6, 1)).mean(),
    }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--checkpoint", required=True, help="a model that was trained on the training split alone")
    args = parser.parse_args(argv)
    tense = load(args.checkpoint)
    if tense.model.config.train_on != "train":
        parser.error(f"{tense.name} has learned from the verbs that this asks about: give one with train_on train.")
    verbs = select_split(load_lexicon().verbs, "validation")
    print(f"{tense.name}: 12 directions of {len(verbs)} validation verbs")
    print("temperature  accuracy  confidence   error  surprise")
    for temperature in TEMPERATURES:
        of = reliability(tense, verbs, temperature)
        print(
            f"{temperature:11.2f}{of['accuracy']:10.4f}{of['confidence']:12.4f}{of['error']:8.4f}{of['surprise']:10.4f}"
        )


if __name__ == "__main__":
    main()
