"""English spelling of regular verb forms, as textbooks teach it; which verbs do not follow it."""

import re
from collections.abc import Callable, Sequence

from cvae_core.tense.data import PAST, Verb

VOWELS = "aeiou"


def common_start(words: Sequence[str]) -> int:
    """How many letters all the words begin with alike."""
    shortest = min(map(len, words))
    return next((i for i in range(shortest) if len({word[i] for word in words}) > 1), shortest)


def spell_third(verb: str) -> str:
    """Third person by the textbook: boxes, carries, walks."""
    if re.search(r"([szx]|ch|sh|[^aeiou]o)$", verb):
        return verb + "es"
    return verb[:-1] + "ies" if re.search(r"[^aeiou]y$", verb) else verb + "s"


def spell_progressive(verb: str) -> str:
    """Progressive by the textbook: dying, making, seeing, running."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not re.search(r"(ee|oe|ye)$", verb):
        return verb[:-1] + "ing"
    return _double(verb) + "ing"


def spell_past(verb: str) -> str:
    """Past by the textbook: liked, carried, stopped, walked."""
    if verb.endswith("e"):
        return verb + "d"
    return verb[:-1] + "ied" if re.search(r"[^aeiou]y$", verb) else _double(verb) + "ed"


# One rule for each of `data.TENSES`.
SPELLING_RULES: tuple[Callable[[str], str], ...] = (str, spell_third, spell_progressive, spell_past)


def _double(verb: str) -> str:
    """Double the last consonant of a verb of one syllable that ends consonant, vowel, consonant."""
    return verb + verb[-1] if re.fullmatch(r"[^aeiou]*(qu)?[aeiouy][^aeiouwxy]", verb) else verb


def regular_thirds(verb: str) -> set[str]:
    """Every third person that regular spelling allows, whatever doubles and whatever takes -es."""
    thirds = {verb + "s", verb + "es", verb + verb[-1] + "s", verb + verb[-1] + "es", spell_third(verb)}
    if verb.endswith("fe"):
        thirds.add(verb[:-2] + "ves")  # midwives
    return thirds | ({verb} if verb.endswith("s") else set())  # rendezvous


def regular_progressives(verb: str) -> set[str]:
    """Every progressive that regular spelling allows, whatever doubles and whatever keeps its e."""
    stems = {verb, verb + verb[-1], verb + "k"}
    if verb.endswith("e"):
        stems |= {verb[:-1], re.sub("fe$", "v", verb)}
    if verb.endswith("i"):
        stems.add(verb[:-1] + "y")  # taxying
    return {stem + "ing" for stem in stems} | {spell_progressive(verb)}


def follows_rules(verb: Verb) -> bool:
    """Whether the commonest form of each tense is the textbook's: not so of hang (hung, hanged), omit and mimic."""
    return all(rule(verb.lemma) == form for rule, form in zip(SPELLING_RULES, verb.row, strict=True))


def regular_pasts(verb: str) -> set[str]:
    """Every past that regular spelling allows, whatever doubles."""
    return {spell_past(verb), verb + "ed", verb + verb[-1] + "ed", verb + "ked"}


def is_irregular(verb: Verb) -> bool:
    """Whether no accepted past is what regular spelling (with or without doubling) gives."""
    return not regular_pasts(verb.lemma) & set(verb.forms[PAST])
