"""Looking into a trained model's latent space: walks, maps, what a draw gets wrong, what a dimension carries.

Shapes: n points, Z latent dimensions. A space is z, which identifies a verb, or s, which spells a word.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from cvae_core.errors import UserError
from cvae_core.latent import kl_to_standard
from cvae_core.tense.data import PAST, PRESENT, PROGRESSIVE, TENSES, THIRD, Verb
from cvae_core.tense.inference import Inflector
from cvae_core.tense.information import ACTIVE
from cvae_core.tense.lexicon import load_lexicon, lookup
from cvae_core.tense.spelling import SPELLING_RULES, is_irregular

# --- decoding -----------------------------------------------------------------------------------------------------


def is_known(form: str, tense: int) -> bool:
    """Whether the dictionary has the form in this tense."""
    return any(t == tense for _, t in lookup(form))


def verb_of(row: Sequence[str]) -> Verb | None:
    """The dictionary's verb that has all four forms, if there is one."""
    return next((v for v, t in lookup(row[PRESENT]) if t == PRESENT and v.accepts(row)), None)


def spell_out(model: Inflector, latent: Tensor, rounds: int = 0, space: str = "z") -> list[dict]:
    """What each point is decoded to in the four tenses, a z after rounds of refinement: (n, Z) -> n dicts.

    `forms`, `probabilities` and `known` (the dictionary has this form) hold one entry a tense; `verb` is whether
    the dictionary has all four as one verb.
    """
    latent = model.refine(latent, rounds) if space == "z" else latent
    columns = [model.decode(latent, t, space) for t in range(len(TENSES))]
    return [
        {
            "forms": tuple(c.form for c in row),
            "probabilities": tuple(c.probability for c in row),
            "known": tuple(is_known(c.form, t) for t, c in enumerate(row)),
            "verb": verb_of([c.form for c in row]) is not None,
        }
        for row in zip(*columns, strict=True)
    ]


def walk(
    model: Inflector, a: Tensor, b: Tensor, steps: int, method: str = "lerp", rounds: int = 0, space: str = "z"
) -> list[dict]:
    """The path from a to b, both included: (Z,), (Z,) -> one dict a step.

    Each holds `step`, `t` from 0 to 1, `norm` of the path's point (before refinement), and what `spell_out` gives.
    """
    points = model.path(a, b, steps, method)
    positions, norms = np.linspace(0, 1, steps).tolist(), points.norm(dim=1).tolist()
    decoded = spell_out(model, points, rounds, space)
    return [
        {"step": i + 1, "t": t, "norm": norm, **forms}
        for i, (t, norm, forms) in enumerate(zip(positions, norms, decoded, strict=True))
    ]


# --- a sample of words ----------------------------------------------------------------------------------------------


class Sample(NamedTuple):
    """Words with what the encoder makes of them; word i is verb `verbs[i]` in tense `tenses[i]`."""

    words: list[str]
    tenses: list[int]
    verbs: list[Verb]
    mu: np.ndarray  # (n, Z)
    logvar: np.ndarray  # (n, Z)


def sample_words(model: Inflector, n_verbs: int = 250) -> Sample:
    """Posteriors of the four forms of n of the model's own verbs (all of them, if it has fewer)."""
    rng = np.random.default_rng(0)
    verbs = model.verbs or list(load_lexicon().verbs)
    chosen = sorted(rng.choice(len(verbs), min(n_verbs, len(verbs)), replace=False))
    cells = [(word, t, verbs[i]) for i in chosen for t, word in enumerate(verbs[i].row)]
    words, tenses, owners = (list(column) for column in zip(*cells, strict=True))
    mu, logvar = model.posterior(words, tenses)
    return Sample(words, tenses, owners, mu.cpu().numpy(), logvar.cpu().numpy())


def verb_class(verb: Verb) -> str:
    """How the verb's commonest forms are spelled: regular, doubling, e-dropped, y to ie, or irregular."""
    lemma, third, progressive = verb.lemma, verb.row[THIRD], verb.row[PROGRESSIVE]
    if is_irregular(verb):
        return "irregular"
    if third == lemma[:-1] + "ies":
        return "y to ie"
    if progressive == lemma + lemma[-1] + "ing":
        return "doubling"
    if lemma.endswith("e") and progressive == lemma[:-1] + "ing":
        return "e-dropped"
    return "regular"


def traits(sample: Sample) -> dict[str, list]:
    """Labels of each word: its tense, and its verb's length, first and last letter (present) and class."""
    lemmas = [v.lemma for v in sample.verbs]
    return {
        "tense": [TENSES[t] for t in sample.tenses],
        "length": [len(w) for w in lemmas],
        "first letter": [w[0] for w in lemmas],
        "last letter": [w[-1] for w in lemmas],
        "verb class": [verb_class(v) for v in sample.verbs],
    }


# --- a map ----------------------------------------------------------------------------------------------------------

METHODS = ("PCA", "t-SNE", "two dimensions")
NEAREST = 8  # points that a map without a formula takes the mean of


class Projection(NamedTuple):
    """A map of latent space: z = center + position @ axes, or (t-SNE, which has no formula) no axes."""

    mu: np.ndarray  # (n, Z)
    positions: np.ndarray  # (n, 2)
    center: np.ndarray | None  # (Z,)
    axes: np.ndarray | None  # (2, Z), orthonormal


def project(mu: np.ndarray, method: str = "PCA", kl: np.ndarray | None = None) -> Projection:
    """Lay n points out in the plane: (n, Z) -> (n, 2); `two dimensions` shows the two of the largest `kl` (Z,)."""
    if method not in METHODS:
        raise UserError(f"{method!r} is not a kind of map: expected one of {', '.join(METHODS)}.")
    if method == "t-SNE":
        return Projection(mu, _tsne(mu), None, None)
    if method == "PCA":
        center = mu.mean(0)
        axes = np.linalg.svd(mu - center, full_matrices=False)[2][:2]  # principal directions
    else:
        center = np.zeros(mu.shape[1], mu.dtype)
        assert kl is not None
        axes = np.eye(mu.shape[1], dtype=mu.dtype)[np.argsort(-kl)[:2]]
    if len(axes) < 2:  # a model of one dimension, or one point: the map is a line
        axes = np.pad(axes, ((0, 2 - len(axes)), (0, 0)))
    return Projection(mu, (mu - center) @ axes.T, center, axes)


def _tsne(mu: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE  # slow to import

    if len(mu) == 1:
        return np.zeros((1, 2), mu.dtype)
    perplexity = min(30.0, (len(mu) - 1) / 3)
    init = "pca" if min(mu.shape) >= 2 else "random"
    return TSNE(2, perplexity=perplexity, init=init, max_iter=500, random_state=0).fit_transform(mu)


def position_to_z(projection: Projection, position: Sequence[float]) -> np.ndarray:
    """The z of a position on the map: (2,) -> (Z,); without a formula, from the NEAREST points."""
    if projection.axes is None:
        return _weighted_mean(np.asarray(position), projection.positions, projection.mu)
    return projection.center + np.asarray(position, projection.mu.dtype) @ projection.axes


def z_to_position(projection: Projection, z: np.ndarray) -> np.ndarray:
    """The position of a z on the map: (Z,) -> (2,); without a formula, from the NEAREST points."""
    if projection.axes is None:
        return _weighted_mean(z, projection.mu, projection.positions)
    return (z - projection.center) @ projection.axes.T


def _weighted_mean(query: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of the values of the NEAREST keys, weighted by 1 / distance (Shepard 1968)."""
    nearest, distances = neighbours(query, keys, NEAREST)
    weights = 1 / np.maximum(distances, 1e-9)
    return (weights / weights.sum() @ values[nearest]).astype(values.dtype)


def neighbours(z: np.ndarray, mu: np.ndarray, k: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of n points, nearest first: (Z,), (n, Z) -> indices (k,), Euclidean distances (k,)."""
    distances = np.linalg.norm(mu - z, axis=1)
    nearest = np.argsort(distances, kind="stable")[:k]
    return nearest, distances[nearest]


# --- dimensions -----------------------------------------------------------------------------------------------------


def dimension_statistics(mu: np.ndarray, logvar: np.ndarray) -> dict[str, np.ndarray]:
    """For each dimension the mean `kl` in nats, the `variance` of mu over words, and whether it is `active`.

    (n, Z), (n, Z) -> (Z,) each. Active: variance above 0.01 (Burda et al. 2016).
    """
    kl = kl_to_standard(torch.from_numpy(mu), torch.from_numpy(logvar)).mean(0).numpy()
    variance = mu.var(0)
    return {"kl": kl, "variance": variance, "active": variance > ACTIVE}


def explained_variance(mu: np.ndarray, labels: Sequence) -> np.ndarray:
    """Eta squared: the share of each dimension's variance that lies between groups of equal label, (n, Z) -> (Z,).

    0 where a dimension does not vary at all.
    """
    _, groups = np.unique(np.asarray(labels), return_inverse=True)
    centred = (mu - mu.mean(0)).astype(np.float64)
    counts = np.bincount(groups)
    means = np.zeros((len(counts), mu.shape[1]))
    np.add.at(means, groups, centred)
    means /= counts[:, None]
    total = (centred**2).sum(0)
    return np.divide((counts[:, None] * means**2).sum(0), total, out=np.zeros_like(total), where=total > 1e-12)


# --- what a draw gets wrong -----------------------------------------------------------------------------------------


def explain(row: Sequence[str], verbs: Sequence[Verb]) -> str:
    """Why four forms are no row of these verbs, in a few words; empty when they are one."""
    candidates = [v for v in verbs if row[PRESENT] in v.forms[PRESENT]]
    if not candidates:
        return f"present {row[PRESENT]!r} is no verb of the training rows"
    wrong, verb = min(((_wrong(row, v), v) for v in candidates), key=lambda pair: len(pair[0]))
    owners = {t: next((v.lemma for v in verbs if row[t] in v.forms[t]), None) for t in wrong}
    notes = [
        f"{TENSES[t]}: {row[t]}" + (f" (of {owners[t]})" if owners[t] else "") + f", expected {'/'.join(verb.forms[t])}"
        for t in wrong
    ]
    mixed = "the four forms belong to different verbs: " if wrong and all(owners.values()) else ""
    return mixed + "; ".join(notes)


def _wrong(row: Sequence[str], verb: Verb) -> list[int]:
    return [t for t in range(len(TENSES)) if row[t] not in verb.forms[t]]


def regular_forms(present: str) -> tuple[set[str], ...]:
    """What the spelling rules make of a present form; a last consonant after a single vowel may be doubled."""
    forms = tuple({spell(present)} for spell in SPELLING_RULES)
    if re.search(r"([^aeiou]|qu)[aeiou][^aeiouwxy]$", present):
        forms[PROGRESSIVE].add(present + present[-1] + "ing")  # travelling: the rule doubles one syllable only
        forms[PAST].add(present + present[-1] + "ed")
    return forms


def is_regular(row: Sequence[str]) -> bool:
    """Whether the spelling rules take the present form to the other three."""
    present = row[PRESENT]
    return bool(present) and all(w in forms for w, forms in zip(row, regular_forms(present), strict=True))


def consistency(rows: Sequence[Sequence[str]]) -> dict[str, float]:
    """How often one z in four tenses is one verb.

    `dictionary`: share of rows that are a dictionary's verb. `rules`: share whose other forms are what the dictionary
    or the spelling rules give for the present form, whether or not anybody has heard of the verb.
    """
    real = [verb_of(row) is not None for row in rows]
    spelled = [known or is_regular(row) for row, known in zip(rows, real, strict=True)]
    count = max(len(rows), 1)
    return {"dictionary": sum(real) / count, "rules": sum(spelled) / count}
