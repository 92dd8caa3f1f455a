"""A place for each verb of a model: the mean of its posteriors, and the map that ships with a checkpoint.

To encode all verbs takes seconds, and their t-SNE a minute: `python -m scripts.verb_map` does both once, for
assets/verb_map.safetensors.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from cvae_core import checkpoint, runs
from cvae_core.errors import UserError
from cvae_core.tense.data import TENSES, Verb
from cvae_core.tense.inference import Inflector

FILE = checkpoint.ROOT / "assets" / "verb_map.safetensors"


def means(model: Inflector, verbs: Sequence[Verb]) -> np.ndarray:
    """The mean of the posterior means of each verb's four forms: (n, Z)."""
    words = [form for verb in verbs for form in verb.row]
    mu = model.posterior(words, [*range(len(TENSES))] * len(verbs)).mu
    return mu.view(len(verbs), len(TENSES), -1).mean(1).cpu().numpy()


def save(verbs: Sequence[Verb], mu: np.ndarray, places: np.ndarray, weights: Path) -> None:
    """Write the means (n, Z) and the map (n, 2) of a checkpoint's verbs, with the hash that identifies its weights."""
    tensors = {"mu": torch.from_numpy(mu).half(), "places": torch.from_numpy(places).half()}
    checkpoint.write(FILE, tensors, {"verbs": [verb.lemma for verb in verbs], "weights": _hash(weights)})


def shipped(model: Inflector, verbs: Sequence[Verb]) -> tuple[np.ndarray, np.ndarray] | None:
    """The shipped means (n, Z) and t-SNE map (n, 2) of these verbs; None if they are of other weights or verbs."""
    try:
        tensors, metadata = checkpoint.read(FILE)
    except UserError:
        return None
    row = {lemma: i for i, lemma in enumerate(metadata.get("verbs", ()))}
    same = metadata.get("weights") == _hash(runs.find_weights(model.name))
    if not same or any(verb.lemma not in row for verb in verbs):
        return None
    rows = [row[verb.lemma] for verb in verbs]
    return tensors["mu"].float().numpy()[rows], tensors["places"].float().numpy()[rows]


def _hash(weights: Path) -> str | None:
    return (checkpoint.read_header(weights) or {}).get("sha256")
