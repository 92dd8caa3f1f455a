"""What a model has to beat: four ways to convert a verb without one.

Each is `convert(words, sources, targets) -> list[str]`, as `metrics.accuracy_of` takes it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import cache

from lemminflect.core.Inflections import Inflections
from lemminflect.core.Lemmatizer import Lemmatizer

from cvae_core.tense.data import (
    DIRECTIONS,
    PAST,
    PRESENT,
    PROGRESSIVE,
    THIRD,
    Verb,
    select_split,
)
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.spelling import SPELLING_RULES, common_start

Convert = Callable[[Sequence[str], Sequence[int], Sequence[int]], list[str]]
Edit = tuple[int, str]  # strip so many letters at the end, then add these


def copy_input(words: Sequence[str], sources: Sequence[int], targets: Sequence[int]) -> list[str]:
    """The words themselves, whatever the target tense."""
    return list(words)


# --- textbook rules ---------------------------------------------------------------------------------------------


def spelling_rules(words: Sequence[str], sources: Sequence[int], targets: Sequence[int]) -> list[str]:
    """The textbook's spelling of regular verbs, by way of the present."""
    return [
        w if s == t else SPELLING_RULES[t](spell_present(w, s)) for w, s, t in zip(words, sources, targets, strict=True)
    ]


def spell_present(word: str, source: int) -> str:
    """The first present that a rule turns back into `word` and that ends as English verbs do; else the bare stem."""
    if source == PRESENT:
        return word
    ending = {THIRD: "s", PROGRESSIVE: "ing", PAST: "ed"}[source]
    if not word.endswith(ending):
        return word  # irregular: no rule knows
    stem = word.removesuffix(ending)
    if source == THIRD:
        candidates = [stem[:-2] + "y", stem[:-1], stem]  # carries, boxes, makes
    else:
        candidates = [stem[:-1], stem[:-1] + "y", stem, stem + "e", stem[:-1] + "ie"]  # stopped, carried, walked, liked
    rule = SPELLING_RULES[source]
    return next((m for m in candidates if m and rule(m) == word and not re.search(ODD, m)), stem)


# Endings that English verbs avoid.
ODD = "|".join((
    r"^[^aeiou]*[aeiou][flsz]$",  # one syllable with a single f, l, s or z: fall, pass
    r"^[aeiou][^aeiou]$",  # add
    r"^.?y$",  # die
    r"[cuvz]$|(?<!s)s$|[dr]g$",  # dance, argue, solve, freeze, close, judge, merge
    r"[^aeiourlw]l$",  # settle
    r"[aeiou].*[^aeiou]at$",  # relate
))  # fmt: skip


# --- lemminflect's models for words that its dictionary lacks ---------------------------------------------------

PENN_TAGS = {PRESENT: "VB", THIRD: "VBZ", PROGRESSIVE: "VBG", PAST: "VBD"}


def lemminflect_unknown(words: Sequence[str], sources: Sequence[int], targets: Sequence[int]) -> list[str]:
    """Every word treated as unknown: lemmatized unless it is a present, then inflected, never looked up."""
    made = []
    for word, source, target in zip(words, sources, targets, strict=True):
        lemma = word
        if source not in (PRESENT, target):
            lemma = Lemmatizer().getAllLemmasOOV(word, "VERB").get("VERB", (word,))[0]
        unchanged = source == target
        made.append(word if unchanged else Inflections().getAllInflectionsOOV(lemma, "VERB")[PENN_TAGS[target]][0])
    return made


# --- longest-suffix edits, learned ------------------------------------------------------------------------------


def suffix_lookup(train_verbs: Sequence[Verb]) -> Convert:
    """For each direction, the edit most often seen with the longest ending that training verbs share with the word.

    A draw between edits is settled by the next shorter ending, where more verbs vote. An edit that would strip more
    letters than the word has is passed over.
    """
    votes = {direction: defaultdict(Counter) for direction in DIRECTIONS}
    for verb in train_verbs:
        for source, target in DIRECTIONS:
            word = verb.row[source]
            edit = _edit(word, verb.row[target])
            for start in range(len(word) + 1):
                votes[source, target][word[start:]][edit] += 1

    def apply(word: str, source: int, target: int) -> str:
        if source == target:
            return word
        ranks: dict[Edit, tuple[int, ...]] = {}
        for start in range(len(word) + 1):
            counts = votes[source, target].get(word[start:])
            if counts is None:
                continue
            if not ranks:  # the longest ending seen: its edits are the candidates
                ranks = {edit: () for edit in counts if edit[0] <= len(word)}
            ranks = {edit: (*rank, counts[edit]) for edit, rank in ranks.items()}
        if not ranks:
            return word
        strip, add = max(ranks, key=ranks.__getitem__)
        return word[: len(word) - strip] + add

    def convert(words: Sequence[str], sources: Sequence[int], targets: Sequence[int]) -> list[str]:
        return [apply(*task) for task in zip(words, sources, targets, strict=True)]

    return convert


def _edit(word: str, made: str) -> Edit:
    """What turns `word` into `made` at its end."""
    shared = common_start((word, made))
    return len(word) - shared, made[shared:]


@cache
def _lexicon_lookup() -> Convert:
    return suffix_lookup(select_split(load_lexicon().verbs, "train"))


BASELINES: dict[str, Convert] = {
    "copy": copy_input,
    "spelling rules": spelling_rules,
    "lemminflect, unknown words": lemminflect_unknown,
    "suffix lookup": lambda *tasks: _lexicon_lookup()(*tasks),  # learned from the training split on first use
}
