"""Tables of conversions: rows of word, source, target in; the same with the answers of model and dictionary out."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from cvae_core.checkpoint import write_atomic
from cvae_core.errors import UserError
from cvae_core.tense.data import parse_tense, parse_word
from cvae_core.tense.lexicon import convertible_remark, listed_forms, note_on
from cvae_core.tense.text import csv_rows, read_text

COLUMNS = ("word", "source", "target")
HEADERS = dict(zip(COLUMNS, COLUMNS, strict=True)) | {
    "verb": "word", "words": "word", "verbs": "word", "from": "source", "to": "target",
}  # fmt: skip
SAYS = {True: "yes", False: "no", None: ""}  # what the columns known and familiar say
MADE = ("prediction", "probability", "familiar", "known", "dictionary", "note")  # columns that conversion adds
GROUP = 1024  # rows between two reports of progress
MAX_COLUMNS = 100  # every row has every column, so that a wide header over many short rows would fill the memory
# Where a formula could begin: in a cell, or in what a spreadsheet that splits at semicolons, as in much of Europe,
# makes of it. The wide forms count in some Asian locales (OWASP, CSV Injection).
FORMULA = re.compile(r"(^|[;\t\n])(?=[^\S\n]*[=+\-@\t\n＝＋－＠])")


def convert_table(model, rows: list[dict], on_progress: Callable[[int, int], None] | None = None) -> list[dict]:
    """Each row with its prediction and probability, or with an `error`; an empty source is inferred.

    `familiar` says yes or no, where the checkpoint has a familiarity floor; `known` whether the dictionary has the word
    in its tense, `dictionary` its forms; `note` is a sentence where it has another form than the model.
    """
    done = [dict(row) for row in rows]
    good, unknown = [], []
    for row in done:
        extra = row.pop(None, None)  # where DictReader leaves cells beyond the header
        try:
            word, target = parse_word(row["word"] or ""), parse_tense(row["target"] or "")
            source = parse_tense(row["source"]) if (row["source"] or "").strip() else None
            if source is None:
                convertible_remark(word)
            if extra:
                raise UserError("The row has more cells than the header.")
        except UserError as error:
            row |= dict.fromkeys(MADE, "") | {"note": row.get("note", ""), "error": str(error)}
        else:
            job = [row, word, source, target]
            good.append(job)
            if source is None:
                unknown.append(job)
    for group in _groups(unknown):
        for job, source in zip(group, model.infer_tenses([word for _, word, *_ in group]), strict=True):
            job[2] = source
    converted = 0
    for group in _groups(good):
        jobs, words, sources, targets = zip(*group, strict=True)
        familiar = model.are_familiar(words, sources)
        listed = [listed_forms(*key) for key in zip(words, sources, targets, strict=True)]
        answers = zip(model.convert(words, sources, targets), familiar, listed, strict=True)
        for row, (made, is_familiar, forms) in zip(jobs, answers, strict=True):
            cells = made.form, round(made.probability, 6), SAYS[is_familiar], SAYS[bool(forms)], "/".join(forms)
            own = {"note": row["note"]} if "note" in row and "prediction" not in row else {}  # a column of the user's
            row |= dict(zip(MADE, (*cells, note_on(made.form, forms)), strict=True)) | own | {"error": ""}
        converted += len(group)
        if on_progress:
            on_progress(converted, len(good))
    return done


def _groups(jobs: list) -> Iterator[list]:
    """The jobs by length of word, so that padding is not wasted, `GROUP` at a time."""
    jobs = sorted(jobs, key=lambda job: len(job[1]))
    return (jobs[start : start + GROUP] for start in range(0, len(jobs), GROUP))


def parse_table(text: str, name: str = "the table", source: str = "", target: str = "") -> list[dict]:
    """CSV or TSV with a column word, and source and target where rows have their own, or a plain list of words.

    `source` and `target` name the tenses of rows that name none. A source that is empty all the same is inferred.
    """
    lines = csv_rows(text, name)
    header = [cell.strip() for cell in lines[0]] if lines else []
    header = [HEADERS.get(c.lower(), c) for c in header]
    if len(header) > MAX_COLUMNS:
        raise UserError(f"{name}, line 1: the header has {len(header):,} columns; at most {MAX_COLUMNS} are taken.")
    twice = [c for c in COLUMNS if header.count(c) > 1]
    if twice:
        raise UserError(f"{name}, line 1: the header has {twice[0]} more than once.")
    if "word" not in header:
        if not lines or any(len(_without_blank_end(cells)) > 1 for cells in lines):
            raise UserError(
                f"{name}, line 1: word is missing: expected a header with {', '.join(COLUMNS)}, or one word a line."
            )
        header = ["word"]
    else:
        lines = lines[1:]
        if not lines:
            raise UserError(f"{name} has a header and no rows.")
    if "target" not in header and not target:
        raise UserError(f"{name}, line 1: no column target: add one, or name the tense to convert to (--to).")
    return [_row(header, cells, source, target) for cells in lines]


def _row(header: list[str], cells: list[str], source: str, target: str) -> dict:
    """A row with every column; cells beyond the header are under None."""
    row: dict = dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=False))
    if extra := _without_blank_end(cells[len(header) :]):
        row[None] = extra
    row |= {"source": row.get("source") or source, "target": row.get("target") or target}
    return row


def _without_blank_end(cells: list[str]) -> list[str]:
    """The cells up to the last that is not blank."""
    filled = [i for i, cell in enumerate(cells) if cell.strip()]
    return cells[: filled[-1] + 1] if filled else []


def read_table(path: str | Path, source: str = "", target: str = "") -> list[dict]:
    """`parse_table` of a file, or of standard input for `-`. Raises UserError if it cannot be read."""
    return parse_table(read_text(path), str(path), source, target)


def read_scored(path: str | Path) -> tuple[list[dict], tuple[list[str], list[int], list[int], list[str]]]:
    """A file of forms to score: its rows, and words, sources, targets and forms as `Inflector.score` takes them.

    Raises UserError, with the row, for an empty or wrong cell.
    """
    rows = read_table(path)
    jobs = []
    for number, row in enumerate(rows, 1):
        try:
            if None in row:
                raise UserError("it has more cells than the header.")
            if "form" not in row:
                raise UserError("the column form is missing.")
            tenses = parse_tense(row["source"]), parse_tense(row["target"])
            jobs.append((parse_word(row["word"]), *tenses, parse_word(row["form"])))
        except UserError as error:
            raise UserError(f"{path}, row {number}: {error}") from None
    if not jobs:
        raise UserError(f"{path} has no rows: expected word, source, target and form.")
    words, sources, targets, forms = map(list, zip(*jobs, strict=True))
    return rows, (words, sources, targets, forms)


def format_table(rows: list[dict], delimiter: str = ",") -> str:
    """The rows as CSV, every cell `safe`."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if not any(row.get("error") for row in rows):
        columns = [c for c in columns if c != "error"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, delimiter=delimiter, extrasaction="ignore", lineterminator="\n")
    writer.writerow({c: safe(c) for c in columns})
    writer.writerows({k: safe(v) for k, v in row.items()} for row in rows)
    return text.getvalue()


def safe(cell):
    """A cell of an export with an apostrophe wherever a spreadsheet would take what follows for a formula.

    Words stay as they are, so that a table of words that is read again is the same; an apostrophe stays, too: to take
    it away on reading would bring the formula back.
    """
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r\n", "\n").replace("\r", "\n")  # the writer quotes a line feed, not a lone return
    return FORMULA.sub(r"\1'", cell)


def write_table(path: str | Path, rows: list[dict]) -> None:
    """Write `format_table`, with tabs to a .tsv file. Raises UserError if it cannot be written."""
    delimiter = "\t" if str(path).endswith(".tsv") else ","
    if not Path(path).name:
        raise UserError(f"Cannot write {str(path)!r}: expected the name of a file.")
    write_atomic(Path(path), format_table(rows, delimiter).encode())
