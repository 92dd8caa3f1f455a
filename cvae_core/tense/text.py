"""Text files as people have them: encodings, separators, comments, blank rows."""

import codecs
import csv
import io
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cvae_core.errors import UserError

STDIN = "-"
MAX_CELLS = 100  # of a line of a verb list; what follows is one cell more
MAX_QUOTED = 100_000  # letters of a line up to which quotation marks are understood
SEP = re.compile(r"\s*sep=([,;|\t])[ \t]*(?:\r\n|\r|\n|$)")  # the first line of some exports of spreadsheets


def read_text(path: str | Path) -> str:
    """The text of a file, or of standard input for `-`. Raises UserError if it cannot be read."""
    try:
        raw = sys.stdin.buffer.read() if str(path) == STDIN else Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    return decode_text(raw, str(path))


def decode_text(raw: bytes, name: str) -> str:
    """UTF-8, or UTF-16 with a byte-order mark. Raises UserError for other encodings."""
    utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(
            f"{name} is not text in UTF-8: save it as UTF-8, in Excel as “CSV UTF-8”. Older programs on Windows write "
            "Windows-1252."
        ) from None
    if "\0" in text:
        raise UserError(f"{name} contains zero bytes: it is no text, or UTF-16 without a mark. Save it as UTF-8.")
    return text


def csv_rows(text: str, name: str) -> list[list[str]]:
    """The rows of CSV or TSV text that are not blank.

    The separator is that of a first line `sep=;`, else a tab if the first row has one, else `;` or `,`, whichever that
    row has more of. Raises UserError where the text is not CSV.
    """
    text = text.removeprefix("\ufeff")
    found = SEP.match(text)
    start = found.end() if found else 0
    first = re.split(r"[\r\n]", text[start:].lstrip(), maxsplit=1)[0]
    separator = found[1] if found else "\t" if "\t" in first else max(",;", key=first.count)
    reader = csv.reader(io.StringIO(text[start:], newline=""), delimiter=separator)
    before = text[:start].count("\n")  # lines
    try:
        return [cells for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise UserError(f"{name}, line {before + reader.line_num}: {error}.") from None


def cells_of_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line, with its number: separated by tabs, commas, semicolons or else blanks, quoted or not.

    Left out are blank lines, those that begin with #, a first line `sep=;`, and separators at the end of a line.
    """
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#") or (number == 1 and SEP.fullmatch(line)):
            continue
        separator = next((s for s in "\t,;" if s in line), None)  # semicolons last: tags of UniMorph have them
        cells = line.split(separator, MAX_CELLS)
        if '"' in line and len(line) < MAX_QUOTED:
            with suppress(csv.Error):  # a line with a quotation mark that is none of CSV
                cells = next(csv.reader([line], delimiter=separator or " ", skipinitialspace=True))
        cells = [cell.strip() for cell in cells]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield number, cells
