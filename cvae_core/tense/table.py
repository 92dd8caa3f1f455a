"""Tables of conversions: rows of `word,source,target` in, the same with `prediction,probability,familiar` out."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from cvae_core.checkpoint import write_atomic
from cvae_core.errors import UserError
from cvae_core.tense.data import parse_tense, parse_word
from cvae_core.tense.lexicon import convertible_remark

COLUMNS = ("word", "source", "target")
FAMILIAR = {True: "yes", False: "no", None: ""}  # what the column says
GROUP = 1024  # rows between two reports of progress
MAX_COLUMNS = 100  # every row has every column, so that a wide header over many short rows would fill the memory
# Where a formula could begin: in a cell, or in what a spreadsheet that splits at semicolons, as in much of Europe,
# makes of it. The wide forms count in some Asian locales (OWASP, CSV Injection).
FORMULA = re.compile(r"(^|[;\t\n])(?=[^\S\n]*[=+\-@\t\n＝＋－＠])")


def convert_table(model, rows: list[dict], on_progress: Callable[[int, int], None] | None = None) -> list[dict]:
    """Each row with its prediction and probability, or with an `error`; an empty source is inferred.

    `familiar` says yes or no, where the checkpoint has a familiarity floor.
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
            row |= {"prediction": "", "probability": "", "familiar": "", "error": str(error)}
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
        known = [FAMILIAR[answer] for answer in model.are_familiar(words, sources)]
        for row, made, familiar in zip(jobs, model.convert(words, sources, targets), known, strict=True):
            row |= {
                "prediction": made.form,
                "probability": round(made.probability, 6),
                "familiar": familiar,
                "error": "",
            }
        converted += len(group)
        if on_progress:
            on_progress(converted, len(good))
    return done


def _groups(jobs: list) -> Iterator[list]:
    """The jobs by length of word, so that padding is not wasted, `GROUP` at a time."""
    jobs = sorted(jobs, key=lambda job: len(job[1]))
    return (jobs[start : start + GROUP] for start in range(0, len(jobs), GROUP))


def parse_table(text: str, name: str = "the table") -> list[dict]:
    """CSV, or TSV when the header has tabs, with at least the columns word, source and target."""
    text = text.lstrip("\ufeff")
    tabs = "\t" in text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if tabs else ",", restval="")
    try:
        header = [c.strip() for c in reader.fieldnames or []]
        header = [c.lower() if c.lower() in COLUMNS else c for c in header]
        if len(header) > MAX_COLUMNS:
            raise UserError(f"{name}, line 1: the header has {len(header):,} columns; at most {MAX_COLUMNS} are taken.")
        missing = [c for c in COLUMNS if c not in header]
        if missing:
            raise UserError(f"{name}, line 1: expected a header with {', '.join(COLUMNS)}; {missing[0]} is missing.")
        twice = [c for c in COLUMNS if header.count(c) > 1]
        if twice:
            raise UserError(f"{name}, line 1: the header has {twice[0]} more than once.")
        reader.fieldnames = header
        return list(reader)
    except csv.Error as error:
        raise UserError(f"{name}, line {reader.line_num}: {error}.") from None


def read_table(path: str | Path) -> list[dict]:
    """`parse_table` of a UTF-8 file. Raises UserError if it cannot be read."""
    try:
        return parse_table(Path(path).read_bytes().decode("utf-8"), str(path))
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise UserError(f"Cannot read {path}: expected a UTF-8 text file.") from None


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
