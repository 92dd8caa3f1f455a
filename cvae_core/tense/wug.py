"""The wug test (Berko 1958): the past tense of invented verbs, by people, by two models of 2003 and by a network.

assets/wug/ has the published figures of Albright and Hayes (2003). The 41 core verbs are the test; whatever is chosen,
the number of samples for example, is chosen on the 14 peripheral ones and on real verbs that training left out.
"""

import csv
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from cvae_core import checkpoint
from cvae_core.tense import data
from cvae_core.tense.data import PAST, PRESENT
from cvae_core.tense.decoding import log_probability
from cvae_core.tense.inference import Inflector
from cvae_core.tense.lexicon import listed_forms
from cvae_core.tense.spelling import regular_pasts

PACKAGED = Path(__file__).resolve().parent.parent / "wug"  # exists only in an installed package
FOLDER = PACKAGED if checkpoint.INSTALLED else checkpoint.ROOT / "assets" / "wug"
FILE = "albright_hayes_2003.tsv"
MODELS = ("model", "rule_model", "analogy_model")
SAMPLES = 200  # of q(s | verb)
RESAMPLES = 1000  # of the verbs, for the intervals

# Whose pasts a training logs after each epoch: real irregular verbs, frequent ones first, and invented verbs.
REAL = ("go", "come", "take", "think", "give", "keep", "write", "break", "sing", "grow", "hit", "bend")
INVENTED = ("bize", "blig", "drit", "fleep", "gleed", "nold", "plim", "scride", "spling", "teep", "wiss", "zay")
RIGHT, REGULAR, OTHER = "right", "regular", "other"


class Form(NamedTuple):
    """A past tense of an invented verb."""

    verb: str
    core: bool
    regular: bool
    past: str
    production: float  # share of the people who said it
    rating: float  # people's mean, 1 to 7
    rule_model: float  # predictions of the rating
    analogy_model: float


@cache
def load_forms() -> dict[str, tuple[Form, ...]]:
    """The rated pasts of each verb, the regular one first."""
    with open(FOLDER / FILE, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    forms: dict[str, tuple[Form, ...]] = {}
    for row in rows:
        numbers = (float(row[name]) for name in ("production", "rating", "rule_model", "analogy_model"))
        form = Form(row["verb"], row["set"] == "core", row["kind"] == "regular", row["past"], *numbers)
        forms[form.verb] = (*forms.get(form.verb, ()), form)
    return forms


def spellings(verb: str, past: str) -> tuple[str, ...]:
    """A past and its other spelling of one sound, if it has one: fletted and fleted, preck and prek.

    After a vowel letter a consonant letter at the end sounds alike single and doubled; k is doubled as ck. The end is
    that of the past or, of a regular one, what comes before -ed; if the verb itself ends in e, nothing doubles there
    (bized is not bizzed).
    """
    ending = "ed" if past in regular_pasts(verb) else ""
    if ending and verb.endswith("e"):
        return (past,)
    stem = past.removesuffix(ending)
    if doubled := re.fullmatch(r".*[aeiouy](ck|([bdfglmnprstvz])\2)", stem):
        return past, stem[: -len(doubled[1])] + doubled[1][-1] + ending
    if re.fullmatch(r".*[aeiouy][bdfgklmnprstvz]", stem):
        return past, stem[:-1] + ("ck" if stem[-1] == "k" else 2 * stem[-1]) + ending
    return (past,)


@torch.inference_mode()
def probabilities(
    model: Inflector,
    verb: str,
    pasts: Sequence[str],
    samples: int = SAMPLES,
    scale: float = 1.0,
    temperature: float = 1.0,
) -> list[float]:
    """p(past | verb) = E p(past | s) over q(s | verb), the probabilities of one sound's spellings added up.

    Conversion decodes the mean of q(s | verb) alone; averaging over the posterior gives graded probabilities. The mean
    is the s that spells the verb (`Inflector.infer`), the standard deviation `scale` times the encoder's, and all verbs
    get the same noise. Raises UserError for what is no word.
    """
    mean = model.infer([verb], [PRESENT])
    sigma = torch.exp(0.5 * model.posterior([verb], [PRESENT], "s").logvar)
    eps = torch.randn(samples, mean.shape[1], generator=torch.Generator().manual_seed(0)).to(model.device)
    s, tense = mean + scale * sigma * eps, torch.full((samples,), PAST, device=model.device)

    def probability(word: str) -> float:
        letters = torch.from_numpy(data.encode([data.parse_word(word)])).long().to(model.device)
        found = log_probability(model.model, letters.expand(samples, -1), s, tense, temperature)
        return found.exp().mean().item()

    return [sum(map(probability, spellings(verb, past))) for past in pasts]


# --- correlation with people ------------------------------------------------------------------------------------


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation, ties by their mean rank."""
    from scipy.stats import rankdata  # takes a second to import, and each training imports this module

    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def evaluate(model: Inflector, verbs: str = "core", samples: int = SAMPLES, seed: int = 0) -> dict:
    """Spearman's correlation of the network and of both models with people.

    Over `all` pasts, over each verb's `regular` one, and over each verb's main `irregular` one, which is listed first.
    With ratings, and under `production` with the shares of people who said a form. `interval` is the network's: 95 %,
    by a bootstrap over verbs.
    """
    groups = [forms for forms in load_forms().values() if forms[0].core == (verbs == "core")]
    network = [p for forms in groups for p in probabilities(model, forms[0].verb, [f.past for f in forms], samples)]
    forms = [form for group in groups for form in group]
    columns = {"model": np.array(network)}
    for name in (*MODELS[1:], "rating", "production"):
        columns[name] = np.array([getattr(form, name) for form in forms])
    position = np.array([i for group in groups for i in range(len(group))])
    kinds = {"all": position >= 0, "regular": position == 0, "irregular": position == 1}
    ends = np.cumsum([len(group) for group in groups])
    rows = [np.arange(end - len(group), end) for end, group in zip(ends, groups, strict=True)]
    scores: dict = {"checkpoint": model.name, "verbs": len(groups), "forms": len(forms), "samples": samples}
    scores |= _against(columns, "rating", kinds, rows, seed)
    return scores | {"production": _against(columns, "production", kinds, rows, seed)}


def _against(columns: dict[str, np.ndarray], people: str, kinds: dict, rows: list[np.ndarray], seed: int) -> dict:
    """Correlations of each model with a column of people's, and the network's intervals; `rows` are those of a verb."""
    target = columns[people]
    scores: dict = {
        name: {kind: spearman(columns[name][chosen], target[chosen]) for kind, chosen in kinds.items()}
        for name in MODELS
    }
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        for kind, chosen in kinds.items():
            of = drawn[chosen[drawn]]
            found[kind].append(spearman(columns["model"][of], target[of]))
    return scores | {"interval": {kind: np.quantile(of, (0.025, 0.975)).tolist() for kind, of in found.items()}}


def as_table(scores: dict) -> str:
    """The correlations as lines of text."""
    names = {"model": scores["checkpoint"], "rule_model": "rule model", "analogy_model": "analogy model"}
    lines = [f"Spearman's correlation with people, {scores['verbs']} invented verbs, {scores['forms']} pasts"]
    for title, of in (("ratings", scores), ("share who said it", scores["production"])):
        lines.append(f"{title:<20}{'all':>24}{'regular':>24}{'irregular':>24}")
        for name, label in names.items():
            cells = [f"{value:.3f}" for value in of[name].values()]
            if name == "model":
                ends = ["{:.2f} to {:.2f}".format(*interval) for interval in of["interval"].values()]
                cells = [f"{cell} ({interval})" for cell, interval in zip(cells, ends, strict=True)]
            lines.append(f"  {label:<18}" + "".join(f"{cell:>24}" for cell in cells))
    return "\n".join(lines)


# --- while it learns --------------------------------------------------------------------------------------------


def logged_pasts(model: Inflector) -> dict[str, str]:
    """The network's past of REAL and INVENTED."""
    words = [*REAL, *INVENTED]
    made = model.convert(words, [PRESENT] * len(words), [PAST] * len(words))
    return {word: candidate.form for word, candidate in zip(words, made, strict=True)}


def kind_of(verb: str, past: str) -> str:
    """RIGHT if the dictionary has it, REGULAR if it is spelled as a regular past, else OTHER."""
    if past in listed_forms(verb, PRESENT, PAST):
        return RIGHT
    return REGULAR if past in regular_pasts(verb) else OTHER
