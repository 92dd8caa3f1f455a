"""The softmax temperature at which probabilities are calibrated, on verbs that the model was not trained on.

    python -m cvae_core train tense --out mine
    python -m benchmarks.temperature --checkpoint mine --write

The temperature of a checkpoint minimises the negative log-likelihood on validation verbs (Guo et al. 2017); answers
do not depend on it. `--write` stores it in the checkpoint, and models trained from there inherit it. A model that was
trained on the validation verbs is refused.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from cvae_core import checkpoint
from cvae_core.runs import find_weights
from cvae_core.tense import metrics
from cvae_core.tense.data import Verb, select_split
from cvae_core.tense.inference import Inflector, load
from cvae_core.tense.lexicon import load_lexicon

TEMPERATURES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5)


def reliability(model: Inflector, verbs: Sequence[Verb], temperature: float) -> dict[str, float]:
    """Accuracy, mean confidence, expected calibration error, and NLL of right or wrong, in nats."""
    model.temperature = temperature
    confidences, right = map(np.array, metrics.confidences(model, verbs))
    return {
        "accuracy": right.mean(),
        "confidence": confidences.mean(),
        "error": metrics.calibration(confidences, right)[0],
        "nll": -np.log(np.clip(np.where(right, confidences, 1 - confidences), 1e-6, 1)).mean(),
    }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--checkpoint", required=True, help="a model that was trained on the training split alone")
    parser.add_argument("--verbs", type=int, help="the first so many validation verbs; without it all")
    parser.add_argument("--write", action="store_true", help="store the best temperature in the checkpoint")
    args = parser.parse_args(argv)
    model = load(args.checkpoint)
    if model.config.train_on != "train":
        parser.error(f"{model.name} was trained on the validation verbs: give a model with train_on train.")
    verbs = select_split(load_lexicon().verbs, "validation")[: args.verbs]
    print(f"{model.name}: 12 directions of {len(verbs)} validation verbs")
    print("temperature  accuracy  confidence   error       nll")
    nll = {}
    for temperature in TEMPERATURES:
        of = reliability(model, verbs, temperature)
        nll[temperature] = of["nll"]
        print(f"{temperature:11.2f}{of['accuracy']:10.4f}{of['confidence']:12.4f}{of['error']:8.4f}{of['nll']:10.4f}")
    if args.write:
        path = find_weights(args.checkpoint)
        tensors, metadata = checkpoint.read(path)
        best = min(nll, key=nll.get)
        checkpoint.write(path, tensors, metadata | {"temperature": best})
        print(f"{path.name} now has temperature {best:g}.")


if __name__ == "__main__":
    main()
