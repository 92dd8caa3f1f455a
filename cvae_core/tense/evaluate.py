"""Every score of a checkpoint, beside the baselines: what `evaluate tense` prints."""

import statistics
from collections.abc import Sequence

import numpy as np

from cvae_core import checkpoint
from cvae_core.errors import UserError
from cvae_core.tense import data, metrics
from cvae_core.tense.data import TENSES, Verb
from cvae_core.tense.inference import load, lookup

ROUNDS = 3  # of refinement
MARKS = {"bleu4": 0.7, "gaussian": 0.3}  # what the course gives full marks for


def evaluate(
    tense,
    lexicon: Sequence[Verb] | None = None,
    pairs: Sequence[tuple] = data.COURSE_PAIRS,
    split: str = "test",
    seed: int = 0,
    samples: int = 1000,
    compare: bool = False,
    seeds: int = 5,
    own: int | None = None,
) -> dict:
    """Every score: conversion of a split's verbs, of the verbs trained on, and random z (z = mu and greedy throughout).

    `compare` adds the baselines' accuracy and the scores of the three reports' shipped models, each against its rows.
    The Gaussian scores are means over `seeds` sets of `samples` draws, with their `spread`. Of the verbs trained on,
    `own` are scored, evenly spread over the list; None scores all.
    """
    lexicon = data.load_lexicon().verbs if lexicon is None else lexicon
    verbs = data.select_split(lexicon, split)
    if not verbs:
        raise UserError(f"The {split} split holds no verbs: give a longer list or another split.")
    if samples < 1 or seeds < 1 or (own is not None and own < 1):
        raise UserError(f"{samples} samples of {seeds} seeds, {own} own verbs: expected at least 1 of each.")
    scores = {"bleu4": metrics.bleu4_of_pairs(tense, pairs)} | metrics.accuracy(tense, verbs)
    scores |= draws_of(tense, samples, range(seed, seed + seeds))
    trained = tense.verbs if own is None else tense.verbs[:: -(-len(tense.verbs) // own)]
    scores |= conversion_of(tense, verbs, trained, scores["by_direction"]) | trust_of(tense, verbs)
    if compare:
        from cvae_core.tense.baselines import BASELINES, suffix_lookup

        trained_on = tense.model.config.train_on
        known = "train" if trained_on == "all" else trained_on  # a lookup of all would know the answers
        learned = {"suffix lookup": suffix_lookup(data.select_split(lexicon, known))}
        scores["baselines"] = {name: metrics.accuracy_of(f, verbs) for name, f in (BASELINES | learned).items()}
        scores["sources"] = {}
        for name in (n for n in checkpoint.available("tense") if n.startswith("source-")):
            source = load(name)
            scores["sources"][name] = {
                "bleu4": metrics.bleu4_of_pairs(source, pairs),
                "accuracy": metrics.accuracy(source, verbs)["accuracy"],
            } | draws_of(source, samples, range(seed, seed + seeds))
    return scores


def draws_of(tense, samples: int, seeds: Sequence[int]) -> dict:
    """Gaussian score and distinct rows of draws, one shot and refined, against the rows that were trained on.

    `distinct_share` is `distinct` as a share of what uniform draws over those rows would give.
    """
    most = metrics.uniform_distinct(len(tense.verbs), samples)
    scores: dict = {}
    spread = {}
    for rounds in (0, ROUNDS):
        sets = [metrics.gaussian_scores(tense, tense.verbs, samples, seed, rounds) for seed in seeds]
        for name in sets[0]:
            values = [one[name] for one in sets]
            scores[name], spread[name] = statistics.mean(values), [min(values), max(values)]
        suffix = "_refined" if rounds else ""
        scores[f"distinct_share{suffix}"] = scores[f"distinct{suffix}"] / most
    return scores | {"spread": spread}


def conversion_of(
    tense, verbs: Sequence[Verb], own: Sequence[Verb], by_direction: dict[str, float]
) -> dict[str, float | None]:
    """Exact match in parts: from the present, verbs without a known stem, from z alone, and of verbs trained on (own).

    A verb has a known stem when it is two letters or more before a verb of three or more that was trained on
    (over+come). None where there is no such verb.
    """
    stems = {verb.lemma for verb in tense.verbs if len(verb.lemma) >= 3}
    new = [v for v in verbs if not any(v.lemma[i:] in stems for i in range(2, len(v.lemma) - 2))]
    irregular = [verb for verb in own if data.is_irregular(verb)]

    def share(some: Sequence[Verb], see_source: bool = True) -> float | None:
        return metrics.accuracy(tense, some, see_source)["accuracy"] if some else None

    return {
        "from_present": statistics.mean(v for name, v in by_direction.items() if name.startswith(TENSES[0])),
        "no_known_stem": share(new),
        "z_alone": share(verbs, see_source=False),
        "own_z_alone": share(own, see_source=False),
        "own_irregular": share(irregular),
    }


def trust_of(tense, verbs: Sequence[Verb], seed: int = 0) -> dict:
    """Whether the model knows what it knows.

    `calibration`: expected error of the shown probabilities, with its bins. `junk_auroc`: how well familiarity tells
    verbs from as many strings of random letters or of consonants, as long as they are. `familiarity_floor`: what 99 of
    100 verbs reach, in nats a letter.
    """
    error, bins = metrics.calibration(*metrics.sureness(tense, verbs))
    return {
        "calibration": {"error": error, "bins": bins},
        **_junk_of(tense, verbs, seed),
        "own_tense": own_tense(tense, verbs),
    }


def own_tense(tense, verbs: Sequence[Verb]) -> float | None:
    """Share of the forms that stand for one tense only whose tense the model names; None where there is none."""
    forms = [(form, t) for verb in verbs for t, form in enumerate(verb.row)]
    forms = [(form, t) for form, t in forms if {known for _, known in lookup(form)} <= {t}]
    if not forms:
        return None
    words, tenses = zip(*forms, strict=True)
    return float((tense.tense_scores(words).argmax(1) == np.array(tenses)).mean())


def _junk_of(tense, verbs: Sequence[Verb], seed: int) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score  # slow to import

    rng = np.random.default_rng(seed)
    lemmas = [verb.lemma for verb in verbs]
    letters = [list(data.LETTERS), [c for c in data.LETTERS if c not in "aeiouy"]]
    junk = ["".join(rng.choice(letters[i % 2], len(lemma))) for i, lemma in enumerate(lemmas)]
    known, unknown = (tense.familiarity(words, data.PRESENT) for words in (lemmas, junk))
    return {
        "junk_auroc": float(roc_auc_score([1] * len(known) + [0] * len(unknown), [*known, *unknown])),
        "familiarity_floor": float(np.percentile(known, 1)),
    }


def scorecard(
    tense,
    verbs: Sequence[Verb],
    pairs: Sequence[tuple] = data.COURSE_PAIRS,
    seeds: Sequence[int] = range(5),
    samples: int = 100,
) -> dict:
    """The course's two scores as it takes them: BLEU-4 on the pairs, Gaussian score of 100 draws against `verbs`.

    The draws' score depends on the seed by several points, so `gaussian` lists one score a seed.
    """
    words, sources, references, targets = zip(*pairs, strict=True)
    made = [c.form for c in tense.convert(words, sources, targets)]
    return {
        "bleu4": metrics.bleu4_of_pairs(tense, pairs),
        "pairs": [
            {"word": w, "from": TENSES[s], "to": TENSES[t], "expected": r, "answer": m, "bleu4": metrics.bleu4(m, r)}
            for w, s, r, t, m in zip(words, sources, references, targets, made, strict=True)
        ],
        "gaussian": [metrics.gaussian_scores(tense, verbs, samples, seed)["gaussian"] for seed in seeds],
    }


def as_table(scores: dict) -> str:
    """The scores as lines of text."""
    spread = scores["spread"]
    lines = [
        f"{name:<34}{value:8.4f}" + ("  ({:.4f} to {:.4f})".format(*spread[name]) if name in spread else "")
        for name, value in scores.items()
        if isinstance(value, float)
    ]
    lines.append(f"{'calibration error, 15 bins':<34}{scores['calibration']['error']:8.4f}")
    lines += [f"  {name:<32}{value:8.4f}" for name, value in scores["by_direction"].items()]
    for name, baseline in scores.get("baselines", {}).items():
        lines.append(f"baseline accuracy, {name:<15}{baseline['accuracy']:8.4f}")
    for name, of in scores.get("sources", {}).items():
        lines += [f"{f'{name}, {score}':<34}{of[score]:8.4f}" for score in ("bleu4", "gaussian", "gaussian_refined")]
        lines.append(f"{f'{name}, accuracy':<34}{of['accuracy']:8.4f}")
    return "\n".join(lines)
