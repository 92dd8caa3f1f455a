"""Measure the wug test again and write what comes of it: `python -m scripts.wug`, half a minute.

assets/wug/tense.json has what `python -m cvae_core evaluate wug --json` prints; the table in docs/wug.md is made from
it and from assets/wug/seeds.json. `--tables` writes the table alone. `--seeds CHECKPOINT …` measures networks that
differ in their seed instead, and writes assets/wug/seeds.json and the table.
"""

import argparse
import json
import statistics
from collections.abc import Sequence

from cvae_core.tense import wug
from cvae_core.tense.inference import load
from scripts.results import ROOT
from scripts.tables import number, rows_of, with_section

PAGE, FOLDER = ROOT / "docs" / "wug.md", ROOT / "assets" / "wug"
FILE, SEEDS = FOLDER / "tense.json", FOLDER / "seeds.json"
BEGIN, END = "<!-- Written by python -m scripts.wug. -->", "<!-- end of the table -->"
NAMES = {"model": "the network `{}`", "rule_model": "rule model (2003)", "analogy_model": "analogy model (2003)"}


def summary(networks: Sequence[dict]) -> dict:
    """What `wug.evaluate` found of several networks: each one's correlations, their means and standard deviations."""
    found = [{"ratings": scores["model"], "production": scores["production"]["model"]} for scores in networks]
    columns = {
        people: {kind: [scores[people][kind] for scores in found] for kind in found[0][people]} for people in found[0]
    }
    return {"networks": found} | {
        name: {people: {kind: of(values) for kind, values in kinds.items()} for people, kinds in columns.items()}
        for name, of in (("mean", statistics.mean), ("spread", statistics.stdev))
    }


def table(scores: dict, seeds: dict) -> str:
    """Spearman's correlations with ratings and with production, in Markdown; ± is a standard deviation over seeds."""
    rows = [
        (label.format(scores["checkpoint"]), *(number(value, 2) for value in _both(scores, name)))
        for name, label in NAMES.items()
    ]
    intervals = ("{:.2f} to {:.2f}".format(*interval) for interval in _both(scores, "interval"))
    rows.insert(1, ("its 95 % interval", *intervals))
    means, spreads = ([of for kinds in seeds[name].values() for of in kinds.values()] for name in ("mean", "spread"))
    several = (number(mean, 2, spread) for mean, spread in zip(means, spreads, strict=True))
    rows.insert(2, (f"{len(seeds['networks'])} smaller networks, below", *several))
    return rows_of(("", "all", "regular", "irregular", "all, said", "regular, said", "irregular, said"), rows)


def _both(scores: dict, name: str) -> list:
    """What is stored under a name for ratings, then for production."""
    return [*scores[name].values(), *scores["production"][name].values()]


def with_table(text: str) -> str:
    """The document with the table made from both files."""
    made = table(json.loads(FILE.read_text()), json.loads(SEEDS.read_text()))
    return with_section(text, f"{BEGIN}\n{made}\n{END}")


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", action="store_true", help="measure nothing")
    parser.add_argument("--seeds", nargs="+", metavar="CHECKPOINT", help="networks that differ in their seed alone")
    args = parser.parse_args()
    if args.seeds:
        found = summary([wug.evaluate(load(name)) for name in args.seeds])
        SEEDS.write_text(json.dumps(found, indent=2) + "\n")
    elif not args.tables:
        FILE.write_text(json.dumps(wug.evaluate(load("tense")), indent=2) + "\n")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
