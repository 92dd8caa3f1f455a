"""Every score of a checkpoint, beside the baselines: what `evaluate tense` prints."""

from collections.abc import Sequence

from cvae_core.errors import UserError
from cvae_core.tense import data, metrics
from cvae_core.tense.data import TENSES, Verb

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
) -> dict:
    """BLEU-4 on the pairs and accuracy on a split (z = mu, greedy); Gaussian score and distinct of `samples` draws,
    one shot and refined, against the rows that the checkpoint was trained on."""
    lexicon = data.load_lexicon().verbs if lexicon is None else lexicon
    verbs = data.select_split(lexicon, split)
    if not verbs:
        raise UserError(f"The {split} split holds no verbs: give a longer list or another split.")
    if samples < 1:
        raise UserError(f"{samples} samples: expected at least 1.")
    scores = {"bleu4": metrics.bleu4_of_pairs(tense, pairs)} | metrics.accuracy(tense, verbs)
    scores |= metrics.gaussian_scores(tense, tense.verbs, samples, seed)
    scores |= metrics.gaussian_scores(tense, tense.verbs, samples, seed, ROUNDS)
    if compare:
        from cvae_core.tense.baselines import BASELINES, suffix_lookup

        learned = {"suffix lookup": suffix_lookup(data.select_split(lexicon, "train"))}
        scores["baselines"] = {name: metrics.accuracy_of(f, verbs) for name, f in (BASELINES | learned).items()}
    return scores


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
    lines = [f"{name:<34}{value:8.4f}" for name, value in scores.items() if isinstance(value, float)]
    lines += [f"  {name:<32}{value:8.4f}" for name, value in scores["by_direction"].items()]
    for name, baseline in scores.get("baselines", {}).items():
        lines.append(f"baseline accuracy, {name:<15}{baseline['accuracy']:8.4f}")
    return "\n".join(lines)
