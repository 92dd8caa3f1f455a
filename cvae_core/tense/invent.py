"""Invented verbs: the start of one joined to the stem end of another that inflects regularly, or a prefix before an
irregular one.

Training on them teaches spelling rather than vocabulary ("data hallucination", Anastasopoulos and Neubig 2019), and
that a prefix leaves the verb behind it as it was: overtook, because took.
"""

import re
from collections.abc import Sequence

import torch

from cvae_core.tense.data import PAST, Verb
from cvae_core.tense.spelling import VOWELS, common_start, is_irregular

SHORTEST, LONGEST = 3, 14
PREFIXES = ("re", "un", "over", "under", "out", "mis", "fore", "inter", "up", "in", "back", "down", "counter", "pre")


def regular_verbs(verbs: Sequence[Verb]) -> list[Verb]:
    """Verbs whose commonest past is the regular one: what may give its ending."""
    return [
        v
        for v in verbs
        if len(v.lemma) >= SHORTEST and v.row[PAST].endswith("ed") and not is_irregular(v) and common_start(v.row) > 1
    ]


def irregular_verbs(verbs: Sequence[Verb]) -> list[Verb]:
    """Verbs that a prefix may stand before."""
    return [v for v in verbs if is_irregular(v) and len(v.lemma) <= LONGEST]


def prefixed(irregular: Sequence[Verb], count: int, generator: torch.Generator) -> list[tuple]:
    """`count` rows of four forms, each a prefix and an irregular verb."""
    if not count:  # nothing can be drawn from no verbs, not even nothing
        return []
    which = torch.randint(len(irregular), (count,), generator=generator).tolist()
    prefix = torch.randint(len(PREFIXES), (count,), generator=generator).tolist()
    return [tuple(PREFIXES[p] + word for word in irregular[v].row) for v, p in zip(which, prefix, strict=True)]


def syllables(lemma: str) -> int:
    """Groups of vowels, a final e aside, counted up to three."""
    return min(len(re.findall(f"[{VOWELS}y]+", lemma.removesuffix("e"))), 3)


def invent(verbs: Sequence[Verb], regular: Sequence[Verb], count: int, generator: torch.Generator) -> list[tuple]:
    """`count` rows of four forms: start of any verb + end of a regular one, cut so that vowel and consonant alternate
    as they did in the second verb and the syllables stay as many.

    Stress goes with the number of syllables, and doubling and silent e with stress: from pit, pitted no depitted.
    """
    rows = []
    while len(rows) < count:
        n = count - len(rows)
        starts = torch.randint(len(verbs), (n,), generator=generator).tolist()
        ends = torch.randint(len(regular), (n,), generator=generator).tolist()
        cuts = torch.rand(n, 2, generator=generator).tolist()
        for i, j, (u, v) in zip(starts, ends, cuts, strict=True):
            row = regular[j].row
            stem = common_start(row)
            # Keep at least the last three letters before the ending, where they exist: doubling depends on them.
            end = int(v * max(stem - 2, 1))
            head = verbs[i].lemma
            head = head[: 1 + int(u * (len(head) - 1))]
            if end > 0 and (head[-1] in VOWELS) != (row[0][end - 1] in VOWELS):
                continue
            if syllables(head + row[0][end:]) != syllables(row[0]):
                continue
            if SHORTEST <= len(head) + len(row[0]) - end <= LONGEST:
                rows.append(tuple(head + word[end:] for word in row))
    return rows
