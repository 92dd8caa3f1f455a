"""Lists of verbs as people have them: columns in several orders, headers, tagged triples, rows that cannot be right."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cvae_core.errors import UserError, shown
from cvae_core.tense.data import (
    MAX_SPELLINGS,
    PARTICIPLES,
    PAST,
    PRESENT,
    PROGRESSIVE,
    TENSE_ALIASES,
    TENSES,
    THIRD,
    Verb,
    is_word,
)  # fmt: skip
from cvae_core.tense.lexicon import listed_forms
from cvae_core.tense.spelling import SPELLING_RULES, regular_thirds
from cvae_core.tense.text import cells_of_lines, read_text

SHOWN = 5  # repaired rows that are named
SAMPLE = 1000  # rows that the columns are recognised by
PARTICIPLE = len(TENSES)  # a column that no tense needs
COLUMN_NAMES = (
    {tense: i for i, tense in enumerate(TENSES)}
    | {alias: TENSES.index(tense) for alias, tense in TENSE_ALIASES.items()}
    | dict.fromkeys((*PARTICIPLES, "v3"), PARTICIPLE)
    | {"verb": PRESENT, "v1": PRESENT, "v2": PAST, "ving": PROGRESSIVE, "v-ing": PROGRESSIVE}
)
Row = tuple[int, list[str]]  # line number and cells


@dataclass(frozen=True)
class VerbFile:
    """The verbs of a list, how many duplicate rows were dropped, and sentences on how it was read and repaired."""

    verbs: tuple[Verb, ...]
    duplicates: int = 0
    notes: tuple[str, ...] = ()


def read_verbs(path: str | Path, as_is: bool = False) -> VerbFile:
    """`parse_verbs` of a file, or of standard input for `-`."""
    return parse_verbs(read_text(path), str(path), as_is)


def parse_verbs(text: str, name: str = "the list", as_is: bool = False) -> VerbFile:
    """Verbs of a text: four forms a line in the order of `TENSES`, as in the course's `train.txt`.

    Tabs, semicolons, commas or blanks separate; `burned/burnt` gives two spellings; # begins a comment. Other orders of
    columns and triples of lemma, form and tag (UniMorph, SIGMORPHON, Penn Treebank) are recognised, and rows that
    cannot be right are repaired; `notes` says so. With `as_is` rows are four forms and taken as they stand. A row that
    stands twice is counted and kept once. Raises UserError for what is no list of verbs.
    """
    rows = list(cells_of_lines(text))
    notes: list[str] = []
    tags = None if as_is else _tag_column(rows)
    if tags is not None:
        rows, note = _join_triples(rows, tags)
        notes.append(note)
    else:
        rows = [(number, [cell.lower() for cell in cells]) for number, cells in rows]
        columns, header = _columns(rows, as_is)
        if header and not set(header) <= COLUMN_NAMES.keys():
            notes.append(f"Line {rows[0][0]} was taken as a header: {shown(' '.join(header))}.")
        start = 1 if header else 0
        rows = [(number, _arrange(cells, columns, f"{name}, line {number}")) for number, cells in rows[start:]]
        if columns != [PRESENT, THIRD, PROGRESSIVE, PAST]:
            notes.append(_describe(columns))
    verbs, repairs = [], []
    for number, cells in rows:
        forms = _forms(cells, f"{name}, line {number}")
        if not as_is and (fault := _fault(forms)):
            repaired = _repair(forms)
            repairs.append(f"line {number}: {_shown(forms)} → {_shown(repaired)} ({fault})")
            forms = repaired
        verbs.append(Verb(forms))
    if not verbs:
        raise UserError(f"{name} holds no verbs: expected four forms a line ({', '.join(TENSES)}).")
    if repairs:
        some = "; ".join(repairs[:SHOWN]) + (f"; and {len(repairs) - SHOWN} more" if len(repairs) > SHOWN else "")
        notes.append(f"{len(repairs)} of {len(verbs)} rows cannot be right and were repaired: {some}.")
    kept = tuple(dict.fromkeys(verbs))
    return VerbFile(kept, len(verbs) - len(kept), tuple(notes))


# --- columns ----------------------------------------------------------------------------------------------------


def _columns(rows: list[Row], as_is: bool) -> tuple[list[int], list[str]]:
    """What each column holds, a tense or PARTICIPLE, and the header, empty if the first row is none.

    By the header's names if all are known; else by what most rows have there: the base first, -ing, -s, the past, and
    the participle after it.
    """
    usual = [PRESENT, THIRD, PROGRESSIVE, PAST]
    if not rows:
        return usual, []
    base, *others = header = [re.sub("[ _]", "-", cell) for cell in rows[0][1]]
    named = [COLUMN_NAMES.get(cell, -1) for cell in header]
    if -1 not in named:
        return (usual if as_is else named), header
    alike = all(is_word(cell.replace("/", "")) for cell in others) and any(cell[:1] == base[:1] for cell in others)
    inflected = any(_is_third(cell, base) or _is_progressive(cell, base) for cell in others)
    if as_is or len(rows) == 1 or alike or inflected or not others:
        header = []
    sample = [[cell.split("/")[0] for cell in cells] for _, cells in rows[bool(header) : SAMPLE]]
    width = Counter(map(len, sample)).most_common(1)[0][0]
    sample = [cells for cells in sample if len(cells) == width]

    def share(column: int, tense: int) -> float:
        """Of the rows that have a form of that tense in the column."""
        fits = _is_progressive if tense == PROGRESSIVE else _is_third
        return sum(fits(cells[column], cells[0]) for cells in sample) / len(sample)

    found = dict.fromkeys((0,), PRESENT)
    for tense in (PROGRESSIVE, THIRD):
        free = [column for column in range(width) if column not in found]
        best = max(free, key=lambda column: share(column, tense), default=None)
        if best is not None and share(best, tense) >= 0.5:
            found[best] = tense
    rest = [column for column in range(width) if column not in found]
    if as_is or (len(found) == 1 and width != 3) or not 1 <= len(rest) <= 2 or width < 3:
        return usual, header  # no other order was recognised
    found |= dict(zip(rest, (PAST, PARTICIPLE), strict=False))
    return [found[column] for column in range(width)], header


def _is_progressive(form: str, base: str) -> bool:
    return form.endswith("ing") and form != base


def _is_third(form: str, base: str) -> bool:
    return bool(base) and form in regular_thirds(base) and form != base


def _arrange(cells: list[str], columns: list[int], where: str) -> list[str]:
    """The four forms of a row, those that it lacks completed."""
    if len(cells) != len(columns):
        wanted = ", ".join([*TENSES, "past participle"][c] for c in columns)
        count = {3: "three", 4: "four", 5: "five"}.get(len(columns), str(len(columns)))
        raise UserError(f"{where}: expected {count} forms ({wanted}), found {len(cells)}.")
    by_tense = dict(zip(columns, cells, strict=True))
    if PRESENT not in by_tense or PAST not in by_tense:
        raise UserError(f"{where}: a row needs at least the present and the past of a verb.")
    base, past = (by_tense[tense].split("/")[0] for tense in (PRESENT, PAST))
    return [by_tense.get(tense) or _complete(base, tense, past) for tense in range(len(TENSES))]


def _complete(base: str, tense: int, past: str) -> str:
    """A form by the dictionary, else by spelling rules; the progressive doubles a consonant where the past does."""
    if listed := listed_forms(base, PRESENT, tense):
        return "/".join(listed)
    doubled = base and tense == PROGRESSIVE and past == base + base[-1] + "ed"
    return base + base[-1] + "ing" if doubled else SPELLING_RULES[tense](base)


def _describe(columns: Sequence[int]) -> str:
    names = [*TENSES, "past participle (not used)"]
    completed = [TENSES[tense] for tense in range(len(TENSES)) if tense not in columns]
    also = f"; {' and '.join(completed)} completed by the dictionary and spelling rules" if completed else ""
    return f"The columns were read as {', '.join(names[c] for c in columns)}{also}."


# --- triples of lemma, form and tag -----------------------------------------------------------------------------


def _tag_column(rows: list[Row]) -> int | None:
    """The column of tags, if three columns have one."""
    if not rows or any(len(cells) != 3 for _, cells in rows):
        return None
    return next((c for c in (2, 1) if all(re.match(r"(V|N|ADJ|ADV)([;.]|$)|VB", cells[c]) for _, cells in rows)), None)


def _tense_of_tag(tag: str) -> int | None:
    """The tense of a tag of UniMorph (V;PST) or the Penn Treebank (VBD); None for all other forms."""
    parts = set(re.split("[;+]", tag))
    if not tag.startswith(("V;", "V.")):
        return COLUMN_NAMES.get(tag.lower()) if tag.lower() not in PARTICIPLES else None
    if any(part.startswith("V.PTCP") or part == "PTCP" for part in parts):
        return PROGRESSIVE if "PRS" in parts else None
    if "PST" in parts:
        return PAST
    return THIRD if {"3", "SG", "PRS"} <= parts else PRESENT if "NFIN" in parts else None


def _join_triples(rows: list[Row], tags: int) -> tuple[list[Row], str]:
    """One row of four forms for each lemma that has a past, and a sentence."""
    lemmas: dict[str, list[dict[str, None]]] = {}
    first: dict[str, int] = {}
    for number, cells in rows:
        tense = _tense_of_tag(cells[tags])
        lemma, form = (cell.lower() for i, cell in enumerate(cells) if i != tags)
        first.setdefault(lemma, number)
        forms = lemmas.setdefault(lemma, [{lemma: None}, {}, {}, {}])
        if tense is not None and is_word(form):
            forms[tense][form] = None
    joined, left_out = [], 0
    for lemma, forms in lemmas.items():
        if not is_word(lemma) or not forms[PAST]:
            left_out += 1
            continue
        past = next(iter(forms[PAST]))
        cells = ["/".join(found) or _complete(lemma, tense, past) for tense, found in enumerate(forms)]
        joined.append((first[lemma], cells))
    skipped = f"; {left_out} lemmas of several words or without a past were left out" if left_out else ""
    return joined, f"The rows were read as lemma, form and tag: {len(joined)} verbs{skipped}."


# --- rows that cannot be right ----------------------------------------------------------------------------------


def _forms(cells: list[str], where: str) -> tuple[tuple[str, ...], ...]:
    forms = tuple(tuple(dict.fromkeys(cell.split("/"))) for cell in cells)
    if max(map(len, forms)) > MAX_SPELLINGS:
        raise UserError(f"{where}: a form has more than {MAX_SPELLINGS} spellings.")
    for word in (w for spellings in forms for w in spellings):
        if not is_word(word):
            raise UserError(f"{where}: expected words of 1 to 32 letters a to z, found {shown(word)}.")
    return forms


def _fault(forms: tuple[tuple[str, ...], ...]) -> str:
    """Why a row cannot be right; empty if it can."""
    if not all(word.endswith("ing") for word in forms[PROGRESSIVE]):
        return "no -ing in the progressive"
    if not all(word.endswith("s") for word in forms[THIRD]):
        return "no -s in the third person"
    return "-ing in the past" if any(word.endswith("ing") for word in forms[PAST]) else ""


def _repair(forms: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """The row with a form that is in the wrong column moved, and others by the dictionary or by spelling rules."""
    base = forms[PRESENT][0]
    third = next((f for f in forms[THIRD:] if f[0].endswith("s") and _is_third(f[0], base)), None)
    progressive = next((f for f in (forms[PROGRESSIVE], forms[PAST], forms[THIRD]) if f[0].endswith("ing")), None)
    moved = [f for f in (forms[PAST], forms[PROGRESSIVE]) if f not in (third, progressive, forms[PRESENT])]
    moved = [f for f in moved if f[0][0] == base[0] and not f[0].endswith("ing") and not _is_third(f[0], base)]
    if third is None and forms[THIRD][0].endswith("s"):
        third = forms[THIRD]
    past = moved[0] if moved else None
    found, spelled = (forms[PRESENT], third, progressive, past), past[0] if past else ""
    return tuple(f or tuple(_complete(base, tense, spelled).split("/")) for tense, f in enumerate(found))


def _shown(forms: Sequence[Sequence[str]]) -> str:
    return " ".join("/".join(spellings) for spellings in forms)
