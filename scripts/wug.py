"""Measure the wug test again and write what comes of it: `python -m scripts.wug`, half a minute.

assets/wug/tense.json has what `python -m cvae_core evaluate wug --json` prints; the table in docs/wug.md is made from
it. `--tables` writes the table alone.
"""

import json
import sys

from cvae_core.tense import wug
from scripts.results import ROOT
from scripts.tables import number, rows_of

PAGE, FILE = ROOT / "docs" / "wug.md", ROOT / "assets" / "wug" / "tense.json"
BEGIN, END = "<!-- Written by python -m scripts.wug. -->\n", "<!-- end of the table -->\n"
NAMES = {"model": "the network `{}`", "rule_model": "rule model (2003)", "analogy_model": "analogy model (2003)"}


def table(scores: dict) -> str:
    """Spearman's correlations with ratings and with production, in Markdown."""
    rows = [
        (label.format(scores["checkpoint"]), *(number(value, 2) for value in _both(scores, name)))
        for name, label in NAMES.items()
    ]
    intervals = ("{:.2f} to {:.2f}".format(*interval) for interval in _both(scores, "interval"))
    rows.insert(1, ("its 95 % interval", *intervals))
    return rows_of(("", "all", "regular", "irregular", "all, said", "regular, said", "irregular, said"), rows) + "\n"


def _both(scores: dict, name: str) -> list:
    """What is stored under a name for ratings, then for production."""
    return [*scores[name].values(), *scores["production"][name].values()]


def with_table(text: str, scores: dict) -> str:
    """The document with the table between its markers replaced."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}{table(scores)}{END}{rest.split(END)[1]}"


def main() -> None:
    """Write both files."""
    if sys.argv[1:] != ["--tables"]:
        from cvae_core.tense.inference import load

        FILE.write_text(json.dumps(wug.evaluate(load("tense")), indent=2) + "\n")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), json.loads(FILE.read_text())), encoding="utf-8")


if __name__ == "__main__":
    main()
