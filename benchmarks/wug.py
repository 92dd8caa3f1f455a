"""How the network's probabilities of invented pasts are best computed: `python -m benchmarks.wug`, a minute.

Nothing here looks at the core verbs of the wug test, which are its test. Settings are compared on real verbs of the
validation and test splits, which `tense-heldout` was not trained on, and on the 14 peripheral verbs: how well the
probability of the regular past separates regular from irregular verbs (AUROC), the negative log-likelihood of irregular
pasts, and the correlation with people's ratings. Conversion is the same in all of them.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from cvae_core.tense import wug
from cvae_core.tense.data import PAST, Verb, select_split
from cvae_core.tense.inference import Inflector, load
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.spelling import is_irregular, spell_past

# Samples, their standard deviation as a multiple of the posterior's, temperature.
SETTINGS = ((1, 0.0, 1.0), (1, 0.0, 1.5), (1, 0.0, 2.0), (30, 1.0, 1.0), (30, 1.0, 1.5), (30, 0.5, 1.0), (30, 1.5, 1.0))
EVERY = 12  # regular verb of the held-out ones


def heldout_scores(model: Inflector, verbs: Sequence[Verb], setting: tuple[int, float, float]) -> tuple[float, float]:
    """AUROC of p(regular past), and the mean NLL of irregular verbs' pasts in nats."""
    irregular = [is_irregular(verb) for verb in verbs]
    pasts = [(spell_past(verb.lemma), verb.row[PAST]) for verb in verbs]
    found = [wug.probabilities(model, v.lemma, of, *setting) for v, of in zip(verbs, pasts, strict=True)]
    regular, true = np.array(found).T
    return roc_auc_score(np.invert(irregular), regular), -np.log(np.maximum(true[irregular], 1e-6)).mean()


def peripheral_scores(model: Inflector, setting: tuple[int, float, float]) -> list[float]:
    """Spearman's correlation with ratings: all pasts, regular, irregular."""
    forms = [form for of in wug.load_forms().values() for form in of if not form.core]
    found = np.array([wug.probabilities(model, form.verb, [form.past], *setting)[0] for form in forms])
    ratings, regular = np.array([form.rating for form in forms]), np.array([form.regular for form in forms])
    return [wug.spearman(found[kind], ratings[kind]) for kind in (regular | True, regular, ~regular)]


def main() -> None:
    """Print a row for each setting."""
    heldout, shipped = load("tense-heldout"), load("tense")
    verbs = select_split(load_lexicon().verbs, "validation+test")
    chosen = [verb for verb in verbs if is_irregular(verb)]
    print(f"{len(chosen)} irregular verbs held out, 14 peripheral verbs")
    chosen += [verb for verb in verbs if not is_irregular(verb)][::EVERY]
    print("samples  scale  temperature   AUROC  NLL irregular      all  regular  irregular")
    for setting in SETTINGS:
        auroc, nll = heldout_scores(heldout, chosen, setting)
        rho = peripheral_scores(shipped, setting)
        line = "{:7d}{:7.1f}{:13.1f}".format(*setting)
        print(f"{line}{auroc:8.3f}{nll:15.3f}{rho[0]:9.3f}{rho[1]:9.3f}{rho[2]:11.3f}", flush=True)


if __name__ == "__main__":
    main()
