"""Everything that is measured of a model of verbs, and the course's two scores as the course takes them.

Figures about unseen verbs are only ever of verbs that the checkpoint was not trained on.
"""

import statistics
from collections.abc import Sequence

import numpy as np

from cvae_core import checkpoint
from cvae_core.errors import UserError
from cvae_core.tense import data, metrics
from cvae_core.tense.data import DIRECTIONS, TENSES, Verb
from cvae_core.tense.inference import load
from cvae_core.tense.information import latent_statistics
from cvae_core.tense.lexicon import load_lexicon, lookup, most_frequent
from cvae_core.tense.spelling import is_irregular

ROUNDS = 3  # of refinement
Z_ALONE = 1000  # verbs trained on that are decoded from z alone
LATENT_VERBS = 500  # whose forms the statistics of the latents are of
MARKS = {"bleu4": 0.7, "gaussian": 0.3}  # what the course gives full marks for
HELDOUT = "tense-heldout"  # the shipped checkpoint that has not seen the test split


def evaluate(
    model,
    lexicon: Sequence[Verb] | None = None,
    pairs: Sequence[tuple] = data.COURSE_PAIRS,
    split: str = "test",
    seed: int = 0,
    samples: int = 1000,
    compare: bool = False,
    seeds: int = 5,
    own: int | None = None,
) -> dict:
    """Every score: conversion of unseen verbs and of the verbs trained on, and random z.

    Conversion is greedy, from the s that spells the word (`Inflector.infer`).

    `unseen` are the verbs of the split that the model was not trained on; None, with a `note`, where it was trained on
    them all. `compare` adds the baselines' accuracy and the scores of the three reports' shipped models, each against
    its rows. The Gaussian scores are means over `seeds` sets of `samples` draws, with their `spread`. Of the verbs
    trained on, `own` are scored, evenly spread over the list; None scores all.
    """
    lexicon = load_lexicon().verbs if lexicon is None else lexicon
    verbs = data.select_split(lexicon, split)
    if not verbs:
        raise UserError(f"The {split} split holds no verbs: give a longer list or another split.")
    for name, number in (("samples", samples), ("seeds", seeds), ("own", own)):
        if number is not None and number < 1:
            raise UserError(f"{name} is {number}: expected at least 1.")
    known = {verb.lemma for verb in model.verbs}
    unseen = [verb for verb in verbs if verb.lemma not in known]
    scores = {"checkpoint": model.name, "trained_on": len(model.verbs), "split": split}
    if len(unseen) < len(verbs):
        scores["note"] = _note(model.name, len(verbs) - len(unseen), len(verbs), split)
    scores |= {"bleu4": metrics.bleu4_of_pairs(model, pairs)} | draws_of(model, samples, range(seed, seed + seeds))
    scores["unseen"] = unseen_of(model, unseen) if unseen else None
    scores["own"] = own_of(model, data.spread(model.verbs, own or len(model.verbs)))
    scores["latents"] = latents_of(model, data.spread(model.verbs, LATENT_VERBS), seed)
    scores["junk_auroc"] = junk_auroc(model, unseen or data.spread(model.verbs, Z_ALONE), seed)
    if compare:
        scores |= _comparison(unseen or verbs, model.config.train_on, pairs, samples, range(seed, seed + seeds))
    return scores


def _note(name: str, seen: int, total: int, split: str) -> str:
    """The sentence about verbs of the split that a checkpoint was trained on."""
    which = f"all {total:,}" if seen == total else f"{seen:,} of the {total:,}"
    rest = f"for unseen verbs see {HELDOUT}" if seen == total else "only the others count as unseen"
    return f"{name} was trained on {which} verbs of the {split} split: {rest}."


def _comparison(verbs: Sequence[Verb], train_on: str, pairs: Sequence[tuple], samples: int, seeds: range) -> dict:
    """Accuracy of the baselines on the verbs, and the scores of the reports' models."""
    from cvae_core.tense.baselines import BASELINES, suffix_lookup

    known = "train" if train_on == "all" else train_on  # a lookup of all would know the answers
    learned = {"suffix lookup": suffix_lookup(data.select_split(load_lexicon().verbs, known))}
    scores: dict = {"baselines": {}, "sources": {}}
    for name, convert in (BASELINES | learned).items():
        scores["baselines"][name] = metrics.accuracy_of(convert, verbs)
    for name in (n for n in checkpoint.available("tense") if n.startswith("source-")):
        source = load(name)
        scores["sources"][name] = {
            "bleu4": metrics.bleu4_of_pairs(source, pairs),
            "accuracy": metrics.accuracy(source, verbs)["accuracy"],
        } | draws_of(source, samples, seeds)
    return scores


def draws_of(model, samples: int, seeds: Sequence[int]) -> dict:
    """Gaussian score and distinct rows of draws, one shot and refined, against the rows that were trained on.

    `distinct_share` is `distinct` as a share of what uniform draws over those rows would give.
    """
    most = metrics.uniform_distinct(len(model.verbs), samples)
    sets = [metrics.refined_scores(model, model.verbs, samples, seed, ROUNDS) for seed in seeds]
    values = {name: [one[name] for one in sets] for name in sets[0]}
    scores: dict = {name: statistics.mean(of) for name, of in values.items()}
    scores |= {name.replace("distinct", "distinct_share"): scores[name] / most for name in scores if "distinct" in name}
    return scores | {"spread": {name: [min(of), max(of)] for name, of in values.items()}}


def unseen_of(model, verbs: Sequence[Verb]) -> dict:
    """Exact match on verbs that training left out, in parts, and what the model knows of its own reliability.

    A verb has a known stem when it is two letters or more before a verb of three or more that was trained on
    (over+come). `calibration` is the expected error of the answers' probabilities, with its bins. None where a part
    holds no verb.
    """
    stems = {verb.lemma for verb in model.verbs if len(verb.lemma) >= 3}
    new = [v for v in verbs if not any(v.lemma[i:] in stems for i in range(2, len(v.lemma) - 2))]
    scores = {"verbs": len(verbs)} | metrics.accuracy(model, verbs)
    error, bins = metrics.calibration(*metrics.confidences(model, verbs))
    return scores | {
        "from_present": statistics.mean(v for name, v in scores["by_direction"].items() if name.startswith(TENSES[0])),
        "no_known_stem": metrics.accuracy(model, new)["accuracy"] if new else None,
        "z_alone": scores["accuracy"],  # the decoder gets nothing but the latent
        "tense": tense_accuracy(model, verbs),
        "calibration": {"error": error, "bins": bins},
    }


def own_of(model, verbs: Sequence[Verb]) -> dict:
    """Exact match on verbs that were trained on: all, the irregular ones, the most frequent, and from z alone.

    `frequent` is of those among the dictionary's 1,000 most frequent verbs. There a form that belongs to several verbs
    or tenses (saw, lay) may be read as any of them.
    """
    frequent = {verb.lemma for verb in most_frequent()}
    tasks = [(v, s, t) for v in verbs for s, t in DIRECTIONS]
    made = model.convert([v.row[s] for v, s, _ in tasks], [s for _, s, _ in tasks], [t for *_, t in tasks])
    right = np.array([c.form in v.forms[t] for c, (v, _, t) in zip(made, tasks, strict=True)])
    lenient = right.copy()
    for i in np.flatnonzero(~right):
        verb, source, target = tasks[i]
        lenient[i] = any(made[i].form in other.forms[target] for other, _ in lookup(verb.row[source]))
    per_verb, lenient = right.reshape(len(verbs), -1).mean(1), lenient.reshape(len(verbs), -1).mean(1)
    irregular = np.array([is_irregular(v) for v in verbs])
    common = np.array([v.lemma in frequent for v in verbs])
    return {
        "verbs": len(verbs),
        "accuracy": float(per_verb.mean()),
        "irregular": float(per_verb[irregular].mean()) if irregular.any() else None,
        "frequent": float(lenient[common].mean()) if common.any() else None,
        "z_alone": metrics.accuracy(model, data.spread(verbs, Z_ALONE), space="z")["accuracy"],
        "tense": tense_accuracy(model, verbs),
    }


def latents_of(model, verbs: Sequence[Verb], seed: int) -> dict:
    """KL, mutual information, active units and likelihood of each level, on all forms of verbs trained on."""
    words, tenses = zip(*((form, t) for verb in verbs for t, form in enumerate(verb.row)), strict=True)
    spaces = ("z", "s") if model.config.spelling_size else ("z",)
    return {space: latent_statistics(model, words, tenses, space, seed=seed) for space in spaces}


def tense_accuracy(model, verbs: Sequence[Verb]) -> float | None:
    """Share of the forms that stand for one tense only whose tense the model names; None where there is none."""
    tenses: dict[str, set[int]] = {}
    for form, t in ((form, t) for verb in verbs for t, form in enumerate(verb.row)):
        tenses.setdefault(form, {known for _, known in lookup(form)}).add(t)
    words = [form for form, of in tenses.items() if len(of) == 1]
    if not words:
        return None
    found = zip(words, model.infer_tenses(words), strict=True)
    return statistics.mean(float(tense_of in tenses[word]) for word, tense_of in found)


def junk_auroc(model, verbs: Sequence[Verb], seed: int) -> float:
    """AUROC of familiarity as a score that separates verbs from random strings of the same number and lengths.

    Every other string has consonants alone.
    """
    from sklearn.metrics import roc_auc_score  # slow to import

    rng = np.random.default_rng(seed)
    lemmas = [verb.lemma for verb in verbs]
    letters = [list(data.LETTERS), [c for c in data.LETTERS if c not in "aeiouy"]]
    junk = ["".join(rng.choice(letters[i % 2], len(lemma))) for i, lemma in enumerate(lemmas)]
    known, unknown = (model.familiarity(words, [data.PRESENT] * len(words)) for words in (lemmas, junk))
    return float(roc_auc_score([1] * len(known) + [0] * len(unknown), [*known, *unknown]))


def scorecard(model, verbs: Sequence[Verb], pairs: Sequence[tuple] = data.COURSE_PAIRS) -> dict:
    """The course's two scores as it takes them: BLEU-4 on the pairs, Gaussian score of 100 draws against `verbs`.

    The draws' score depends on the seed by several points, so `gaussian` lists those of five seeds.
    """
    words, sources, references, targets = zip(*pairs, strict=True)
    made = [c.form for c in model.convert(words, sources, targets)]
    rows = [
        {"word": w, "from": TENSES[s], "to": TENSES[t], "expected": r, "answer": m, "bleu4": metrics.bleu4(m, r)}
        for w, s, r, t, m in zip(words, sources, references, targets, made, strict=True)
    ]
    return {
        "bleu4": statistics.mean(row["bleu4"] for row in rows),
        "pairs": rows,
        "gaussian": [metrics.gaussian_scores(model, verbs, 100, seed)["gaussian"] for seed in range(5)],
    }


def as_table(scores: dict) -> str:
    """The scores as lines of text."""
    spread, unseen, own = scores["spread"], scores["unseen"], scores["own"]
    lines = [f"{scores['checkpoint']}, trained on {scores['trained_on']:,} verbs"]
    lines += [scores["note"]] if "note" in scores else []
    lines += [
        _line(name, value) + ("  ({:.4f} to {:.4f})".format(*spread[name]) if name in spread else "")
        for name, value in scores.items()
        if isinstance(value, float)
    ]
    lines += [
        f"{own['verbs']:,} verbs it was trained on",
        *(_line(f"  {k}", v) for k, v in own.items() if isinstance(v, float)),
    ]
    for space, of in scores["latents"].items():
        lines += [f"{space}, on known forms", *(_line(f"  {name}", value) for name, value in of.items())]
    if unseen:
        lines += [f"{unseen['verbs']:,} unseen verbs of the {scores['split']} split"]
        lines += [_line(f"  {name}", value) for name, value in unseen.items() if isinstance(value, float)]
        lines += [_line("  calibration error, 15 bins", unseen["calibration"]["error"])]
        lines += [_line(f"    {name}", value) for name, value in unseen["by_direction"].items()]
    for name, baseline in scores.get("baselines", {}).items():
        lines.append(_line(f"baseline accuracy, {name}", baseline["accuracy"]))
    for name, of in scores.get("sources", {}).items():
        lines += [
            _line(f"{name}, {score}", of[score]) for score in ("bleu4", "gaussian", "gaussian_refined", "accuracy")
        ]
    return "\n".join(lines)


def _line(name: str, value: float) -> str:
    return f"{name:<45}{value:8.4f}"
