"""The course's scores, as it defines them, and exact-match accuracy."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch

from cvae_core.latent import reparameterize
from cvae_core.tense.data import COURSE_PAIRS, DIRECTIONS, TENSES, Verb

SMOOTHING = 0.1  # counted as a match where there is none: method 1 of Chen and Cherry (2014)


def bleu4(prediction: str, reference: str) -> float:
    """BLEU-4 on letters (Papineni et al. 2002), smoothed; for three letters the course takes three weights of 0.33.

    The same as nltk's `sentence_bleu`, which takes seconds to import.
    """
    weights = (0.33,) * 3 if len(reference) == 3 else (0.25,) * 4
    if not set(prediction) & set(reference):
        return 0.0
    terms = [min(0.0, 1 - len(reference) / len(prediction))]  # log of the brevity penalty
    for n, weight in enumerate(weights, 1):
        found, expected = (Counter(w[i : i + n] for i in range(len(w) - n + 1)) for w in (prediction, reference))
        terms.append(weight * math.log(((found & expected).total() or SMOOTHING) / max(1, found.total())))
    return math.exp(math.fsum(terms))


def bleu4_of_pairs(model, pairs: Sequence[tuple] = COURSE_PAIRS, seed: int | None = None) -> float:
    """Mean BLEU-4 over (word, tense, target, tense) pairs.

    With a seed, z is sampled from each word's posterior instead of being its mean, as report 002 scores.
    """
    words, sources, references, targets = zip(*pairs, strict=True)
    if seed is None:
        made = model.convert(words, sources, targets)
    else:
        mu, logvar = model.posterior(words, sources, "z")
        z = reparameterize(mu, logvar, torch.Generator().manual_seed(seed))
        made = model.answer(model.spelled(z, "z"), targets)
    return sum(bleu4(m.form, r) for m, r in zip(made, references, strict=True)) / len(pairs)


def matches(rows: Sequence[Sequence[str]], verbs: Sequence[Verb]) -> list[Verb | None]:
    """For each 4-tuple the verb whose row it is, with any accepted spellings; None if it is no verb's."""
    by_present: dict[str, list[Verb]] = {}
    for verb in verbs:
        for word in verb.forms[0]:
            by_present.setdefault(word, []).append(verb)
    return [next((v for v in by_present.get(row[0], []) if v.accepts(row)), None) for row in rows]


def gaussian_score(rows: Sequence[tuple[str, ...]], verbs: Sequence[Verb]) -> tuple[float, float]:
    """Share of 4-tuples that are a verb's row (any accepted spellings), and share of n that are different verbs.

    A tuple counts once, however often its row stands in the file: the course's script counts it once a line.
    """
    hits = [verb for verb in matches(rows, verbs) if verb is not None]
    return len(hits) / len(rows), len(set(hits)) / len(rows)


def gaussian_scores(model, verbs: Sequence[Verb], n: int, seed: int) -> dict[str, float]:
    """Gaussian score and distinct rows of n draws, one shot."""
    share, distinct = gaussian_score(model.decode_rows(model.draw(n, seed)), verbs)
    return {"gaussian": share, "distinct": distinct}


def refined_scores(model, verbs: Sequence[Verb], n: int, seed: int, rounds: int) -> dict[str, float]:
    """`gaussian_scores` of the same n draws, one shot and after rounds of refinement."""
    rows = model.decode_rows(model.draw(n, seed))
    one_shot = gaussian_score(rows, verbs)
    for _ in range(rounds):
        rows = model.decode_rows(model.reread(rows))
    refined = gaussian_score(rows, verbs)
    return dict(zip(("gaussian", "distinct", "gaussian_refined", "distinct_refined"), one_shot + refined, strict=True))


def uniform_distinct(rows: int, n: int) -> float:
    """The share of n uniform draws over some rows that are different rows: the most that `distinct` can be expected."""
    return rows * (1 - (1 - 1 / rows) ** n) / n


def accuracy(model, verbs: Sequence[Verb], space: str = "s") -> dict:
    """`accuracy_of` a model that decodes from s, or from z."""
    return accuracy_of(lambda *args: [c.form for c in model.convert(*args, space)], verbs)


def accuracy_of(convert: Callable[[list, list, list], list[str]], verbs: Sequence[Verb]) -> dict:
    """Exact match from each verb's commonest spelling, any accepted variant right.

    `accuracy` is the mean of the 12 directions, `by_direction` each, `reconstruction` the mean of the 4 tenses.
    """
    pairs = [*DIRECTIONS, *((t, t) for t in range(len(TENSES)))]
    tasks = [(v, s, t) for s, t in pairs for v in verbs]
    made = convert([v.row[s] for v, s, _ in tasks], [s for _, s, _ in tasks], [t for *_, t in tasks])
    right = [m in v.forms[t] for m, (v, _, t) in zip(made, tasks, strict=True)]
    share = {pair: sum(right[i * len(verbs) : (i + 1) * len(verbs)]) / len(verbs) for i, pair in enumerate(pairs)}
    by_direction = {f"{TENSES[s]}>{TENSES[t]}": share[s, t] for s, t in DIRECTIONS}
    return {
        "accuracy": sum(by_direction.values()) / len(by_direction),
        "by_direction": by_direction,
        "reconstruction": sum(share[t, t] for t in range(len(TENSES))) / len(TENSES),
    }


def confidences(model, verbs: Sequence[Verb]) -> tuple[list[float], list[bool]]:
    """Of each answer, the probability shown and whether it is right: all verbs in one direction, then in the next."""
    tasks = [(v, s, t) for s, t in DIRECTIONS for v in verbs]
    made = model.convert([v.row[s] for v, s, _ in tasks], [s for _, s, _ in tasks], [t for *_, t in tasks])
    return [c.probability for c in made], [c.form in v.forms[t] for c, (v, _, t) in zip(made, tasks, strict=True)]


def calibration(confidences: Sequence[float], right: Sequence[bool], bins: int = 15) -> tuple[float, list[dict]]:
    """Expected calibration error (Guo et al. 2017) and, for each bin that is not empty, what went into it.

    A bin has the answers whose confidence lies in one of equally wide parts of [0, 1]: `count`, mean `confidence`,
    `accuracy`. The error is the mean gap between the two, weighted by count.
    """
    confidence, hit = np.asarray(confidences, float), np.asarray(right, float)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    filled = [
        {"count": int(n), "confidence": float(confidence[place == b].mean()), "accuracy": float(hit[place == b].mean())}
        for b, n in enumerate(np.bincount(place, minlength=bins))
        if n
    ]
    gap = sum(b["count"] * abs(b["confidence"] - b["accuracy"]) for b in filled) / max(len(confidence), 1)
    return gap, filled
