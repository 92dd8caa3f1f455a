"""Letters, tenses, verbs: the vocabulary, the course's files and the user's own.

A `Verb` holds four forms in the order of `TENSES`, each with every accepted spelling, the commonest first.
"""

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvae_core.errors import UserError, shown
from cvae_core.tense.text import cells_of_lines, read_text

PAD, SOS, EOS = 0, 1, 2
LETTERS = "abcdefghijklmnopqrstuvwxyz"
FIRST_LETTER = 3
VOCABULARY_SIZE = FIRST_LETTER + len(LETTERS)
MAX_LENGTH = 32
MAX_SPELLINGS = 16  # of one form; `generate` counts every combination of a verb's spellings

TENSES = ("present", "third-person", "progressive", "past")
PRESENT, THIRD, PROGRESSIVE, PAST = range(4)
# The course's own names, what people type, and the tags of the Penn Treebank and of UniMorph's readers.
TENSE_ALIASES = {
    alias: tense
    for tense, aliases in {
        "present": "sp simple-present present-simple present-tense base base-form infinitive lemma vb vbp",
        "third-person": "tp third 3rd 3sg 3rd-person third-person-singular 3rd-person-singular "
        "third-person-singular-present 3rd-person-singular-present third-person-present vbz",
        "progressive": "pg present-progressive present-continuous continuous gerund present-participle "
        "ing -ing ing-form -ing-form vbg",
        "past": "p past-tense simple-past past-simple preterite vbd",
    }.items()
    for alias in aliases.split()
}
PARTICIPLES = ("past-participle", "vbn", "pp")
# The 12 conversions between different tenses, as (source, target).
DIRECTIONS = tuple((s, t) for s in range(4) for t in range(4) if s != t)

# The course's test.txt with the tenses that sources 000 and 002 print beside it.
COURSE_PAIRS = (
    ("abandon", PRESENT, "abandoned", PAST),
    ("abet", PRESENT, "abetting", PROGRESSIVE),
    ("begin", PRESENT, "begins", THIRD),
    ("expend", PRESENT, "expends", THIRD),
    ("sent", PAST, "sends", THIRD),
    ("split", PRESENT, "splitting", PROGRESSIVE),
    ("flared", PAST, "flare", PRESENT),
    ("functioning", PROGRESSIVE, "function", PRESENT),
    ("functioning", PROGRESSIVE, "functioned", PAST),
    ("healing", PROGRESSIVE, "heals", THIRD),
)


def parse_tense(name: str) -> int:
    """Index into `TENSES` of a tense's name or alias."""
    key = name.strip().lower().replace("_", "-").replace(" ", "-")
    key = TENSE_ALIASES.get(key, key)
    if key in PARTICIPLES:
        raise UserError(f"The past participle is none of the four tenses: use one of {', '.join(TENSES)}.")
    if key not in TENSES:
        raise UserError(f"{shown(name)} is not a tense: use one of {', '.join(TENSES)} (or sp, tp, pg, p).")
    return TENSES.index(key)


def is_word(text: str) -> bool:
    """Whether a text is 1 to 32 letters a to z."""
    return re.fullmatch(r"[a-z]{1,32}", text) is not None


def parse_word(text: str) -> str:
    """The word in lower case without surrounding blanks; anything but 1 to 32 letters a-z is refused.

    A hyphen is no letter: re-enter is to be given as reenter.
    """
    word = text.strip().lower()
    if not word:
        raise UserError("No word given: type one English verb form, such as abandon.")
    if re.fullmatch(r"[a-z]+(-[a-z]+)+", word):
        raise UserError(f"{shown(text)} has a hyphen: write {shown(word.replace('-', ''))}, in one.")
    if not re.fullmatch(r"[a-z]+", word):
        raise UserError(f"{shown(text)} is not one word of the letters a to z: no blanks, digits, accents or hyphens.")
    if len(word) > MAX_LENGTH:
        raise UserError(f"The word has {len(word)} letters; at most {MAX_LENGTH} are supported.")
    return word


def encode(words: Sequence[str]) -> np.ndarray:
    """Words -> (n, longest + 1) uint8: letters, then EOS, then PAD."""
    ids = np.zeros((len(words), max(map(len, words), default=0) + 1), np.uint8)
    for row, word in zip(ids, words, strict=True):
        row[: len(word)] = np.frombuffer(word.encode(), np.uint8) - ord("a") + FIRST_LETTER
        row[len(word)] = EOS
    return ids


def decode(ids: Iterable[Sequence[int]]) -> list[str]:
    """The letters of each row up to EOS; other special symbols are left out."""
    words = []
    for row in np.asarray(ids):
        end = np.flatnonzero(row == EOS)
        row = row[: end[0]] if len(end) else row
        words.append("".join(LETTERS[i - FIRST_LETTER] for i in row if i >= FIRST_LETTER))
    return words


@dataclass(frozen=True)
class Verb:
    """Four forms in the order of `TENSES`, each a tuple of accepted spellings."""

    forms: tuple[tuple[str, ...], ...]

    @property
    def lemma(self) -> str:
        """The commonest spelling of the present."""
        return self.forms[PRESENT][0]

    @property
    def row(self) -> tuple[str, ...]:
        """The commonest spelling of each form."""
        return tuple(spellings[0] for spellings in self.forms)

    def accepts(self, row: Sequence[str]) -> bool:
        """Whether four forms are accepted spellings of this verb's."""
        return all(word in spellings for word, spellings in zip(row, self.forms, strict=True))


def verbs_from_rows(rows: Sequence, name: str = "the list") -> list[Verb]:
    """Verbs from plain JSON: for each its four forms, each a list of spellings; `name` is what errors call it."""
    try:
        verbs = [Verb(tuple(tuple(spellings) for spellings in row)) for row in rows]
        complete = (len(verb.forms) == 4 and all(verb.forms) for verb in verbs)
        if verbs and all(complete) and all(is_word(word) for verb in verbs for word in itertools.chain(*verb.forms)):
            return verbs
    except TypeError:
        pass
    raise UserError(f"{name} is damaged: its verbs are not rows of four forms in the letters a to z.")


def spread(verbs: Sequence[Verb], count: int) -> list[Verb]:
    """At most `count` verbs, evenly spread over a list."""
    return list(verbs[:: max(1, -(-len(verbs) // count))]) if count else []


def split_of(lemma: str) -> str:
    """`train`, `validation` or `test` (80/10/10) by a hash of the verb's own spelling: it never moves."""
    bucket = int.from_bytes(hashlib.blake2b(lemma.encode(), digest_size=4).digest(), "big") % 10
    return {0: "test", 1: "validation"}.get(bucket, "train")


def select_split(verbs: Sequence[Verb], split: str) -> list[Verb]:
    """The verbs of one split, of several joined by `+`, or all of them for `all`."""
    return [v for v in verbs if split == "all" or split_of(v.lemma) in split.split("+")]


# --- files ------------------------------------------------------------------------------------------------------


def read_pairs(path: str | Path) -> list[tuple[str, int, str, int]]:
    """The course's `test.txt`: (word, its tense, target, its tense).

    Two words a line take the course's ten tense pairs in order; four columns (word, tense, target, tense) name them.
    """
    return parse_pairs(read_text(path), str(path))


def parse_pairs(text: str, name: str = "the pairs") -> list[tuple[str, int, str, int]]:
    """`read_pairs` on text at hand; `name` is what errors call it."""
    pairs = []
    lines = list(cells_of_lines(text))
    for index, (number, cells) in enumerate(lines):
        if len(cells) == 4:
            word, source, target, tense = cells
            try:
                source, tense = parse_tense(source), parse_tense(tense)
            except UserError as error:
                raise UserError(f"{name}, line {number}: {error}") from None
        elif len(cells) == 2 and index < len(COURSE_PAIRS):
            (word, target), (_, source, _, tense) = cells, COURSE_PAIRS[index]
        else:
            raise UserError(
                f"{name}, line {number}: expected two words (at most ten lines, in the course's order) or four columns "
                f"(word, tense, target, tense), found {len(cells)} in line {index + 1} of the pairs."
            )
        for w in (word, target):
            if not is_word(w):
                raise UserError(f"{name}, line {number}: expected words of 1 to 32 letters a to z, found {shown(w)}.")
        pairs.append((word, source, target, tense))
    if not pairs:
        raise UserError(f"{name} holds no pairs: expected two words a line.")
    return pairs
