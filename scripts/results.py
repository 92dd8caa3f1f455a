"""Write docs/results.md, and the table of results in README.md, from the committed JSON in assets/:

    .venv/bin/python -m scripts.results

`tense.json` and `tense-heldout.json` are what `python -m cvae_core evaluate tense --checkpoint NAME --compare --json`
prints, `digits.json` what `evaluate digits --json` prints, `reports.json` what `python -m benchmarks.reports` writes.
`tense-aligned.json` has the scores of the last model of one level, whose decoder got the encoder's outputs, as its own
version printed them. No number in them is typed by hand.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from scripts.digit_tables import digits_section
from scripts.report_tables import reports_section
from scripts.tables import number, rows_of, with_section, with_spread, wrapped

ROOT = Path(__file__).resolve().parent.parent
README, PAGE = ROOT / "README.md", ROOT / "docs" / "results.md"
BEGIN, END = "<!-- results: written by python -m scripts.results -->", "<!-- end of results -->"
TENSES = ("present", "third-person", "progressive", "past")
BASELINES = {
    "copy": "the input, copied",
    "spelling rules": "textbook spelling rules",
    "suffix lookup": "suffix lookup (longest-suffix edits learned from the training verbs)",
    "lemminflect, unknown words": "lemminflect's models for unknown words",
}


class Scores(NamedTuple):
    """The files, parsed."""

    shipped: dict[str, Any]  # of `tense`, trained on all verbs
    heldout: dict[str, Any]  # of `tense-heldout`, not trained on the test split
    aligned: dict[str, Any]  # of the `tense-heldout` before it, of one level, with the encoder's outputs in the decoder
    reports: dict[str, Any]
    digits: dict[str, Any]


def read(folder: Path = ROOT / "assets") -> Scores:
    """The committed scores."""
    names = ("tense", "tense-heldout", "tense-aligned", "reports", "digits")
    return Scores(*(json.loads((folder / f"{name}.json").read_text()) for name in names))


def conversion_ranking(heldout: dict) -> list[tuple[str, float]]:
    """Exact match on unseen verbs of the model, the baselines and the reports' models: (name, score), best first."""
    ranking = [("**`tense-heldout`, this project's model**", heldout["unseen"]["accuracy"])]
    ranking += [(f"baseline: {BASELINES[name]}", s["accuracy"]) for name, s in heldout["baselines"].items()]
    ranking += [(f"model of report {name[-3:]}, `{name}`", s["accuracy"]) for name, s in heldout["sources"].items()]
    return sorted(ranking, key=lambda row: -row[1])


def baselines_remark(heldout: dict) -> str:
    """One sentence on the baselines that are better than the model, or that none is."""
    accuracy = heldout["unseen"]["accuracy"]
    better = [(s["accuracy"], name) for name, s in heldout["baselines"].items() if s["accuracy"] > accuracy]
    if not better:
        return f"No baseline converts unseen verbs better than the model ({number(accuracy)})."
    names = " and ".join(f"{BASELINES[name].split(' (')[0]} ({number(value)})" for value, name in sorted(better))
    counted = {1: "One baseline converts", 2: "Two baselines convert"}.get(len(better), "Several baselines convert")
    return f"{counted} unseen verbs better than the model does ({number(accuracy)}): {names}."


# --- README -----------------------------------------------------------------------------------------------------


def readme_section(scores: Scores) -> str:
    """The table of README.md and the sentence after it."""
    shipped, heldout = scores.shipped, scores.heldout
    known, unseen = shipped["own"], heldout["unseen"]
    conversion = [(name, number(value)) for name, value in conversion_ranking(heldout) if value > 0.5]
    others = [
        (f"`tense`: its {known['verbs']:,} verbs, 12 directions", number(known["accuracy"])),
        ("`tense`: the 1,000 most frequent verbs", number(known["frequent"])),
        ("`tense`: BLEU-4 of the course's ten pairs", number(shipped["bleu4"])),
        ("`tense`: share of random z that decode to a verb (Gaussian score)", number(shipped["gaussian"])),
        ("`tense`: the same after three rounds of refinement", number(shipped["gaussian_refined"])),
        ("`tense-heldout`: tense of an unseen form inferred", number(unseen["tense"])),
        ("`tense-heldout`: calibration error of the probabilities, 15 bins", number(unseen["calibration"]["error"])),
        ("`tense-heldout`: unseen verbs against random letters by familiarity, AUROC", number(heldout["junk_auroc"])),
    ]
    header = (f"exact match on {unseen['verbs']} unseen verbs, mean of 12 directions", "score")
    table = rows_of(header, [*conversion, ("*other scores*", ""), *others])
    return f"{BEGIN}\n{table}\n\n{wrapped(baselines_remark(heldout))}\n{END}"


# --- docs/results.md --------------------------------------------------------------------------------------------


def page(scores: Scores) -> str:
    """docs/results.md."""
    parts = [
        "# Results",
        "<!-- Written by `python -m scripts.results` from assets/*.json: change that script, not this page. -->",
        INTRODUCTION,
        "## Unseen verbs",
        unseen_section(scores.heldout),
        "## Random z and known verbs",
        known_section(scores),
        "## Two latent levels",
        latents_section(scores),
        "## The models of the three reports",
        sources_section(scores.heldout),
        "## The three reports, claimed and measured",
        reports_section(scores.reports),
        "## Digits",
        digits_section(scores.digits),
    ]
    return "\n\n".join(parts) + "\n"


INTRODUCTION = """\
Two checkpoints of verbs ship. `tense-heldout` was not trained on the test split of the dictionary: the scores on unseen
verbs, calibration and familiarity are from it. `tense`, which the app uses, continues from its third training step with
every verb of the dictionary.

```
python -m cvae_core evaluate tense --checkpoint tense --compare --json > assets/tense.json
python -m cvae_core evaluate tense --checkpoint tense-heldout --compare --json > assets/tense-heldout.json
python -m scripts.results
```

An answer is right if it is an accepted spelling of the form. Conversion is greedy, from the mean of q(s | x, c), which
gradient steps change where the decoder does not reproduce the word; a model of one level decodes the mean of z."""


def unseen_section(heldout: dict) -> str:
    """Conversion, calibration and tense of the verbs that `tense-heldout` was not trained on."""
    unseen = heldout["unseen"]
    ranking = rows_of(
        ("exact match, mean of 12 directions", "score"), [(n, number(v)) for n, v in conversion_ranking(heldout)]
    )
    parts = rows_of(
        ("`tense-heldout`, test split", "score"),
        [
            ("from the present to the other three", number(unseen["from_present"])),
            ("verbs that are not a prefix and a training verb", number(unseen["no_known_stem"])),
            ("through the latents alone", number(unseen["z_alone"])),
            ("reconstruction in the same tense", number(unseen["reconstruction"])),
            ("tense inferred, for forms of one tense only", number(unseen["tense"])),
            ("expected calibration error, 15 bins", number(unseen["calibration"]["error"])),
            ("AUROC of familiarity, verbs against strings of random letters", number(heldout["junk_auroc"])),
        ],
    )
    score = unseen["by_direction"]
    directions = rows_of(
        ("from \\ to", *TENSES), [(s, *(number(score.get(f"{s}>{t}")) for t in TENSES)) for s in TENSES]
    )
    bins = rows_of(
        ("answers in the bin", "mean probability", "accuracy"),
        [(f"{b['count']:,}", number(b["confidence"]), number(b["accuracy"])) for b in unseen["calibration"]["bins"]],
        left=0,
    )
    introduction = (
        f"{unseen['verbs']} verbs of the test split. {baselines_remark(heldout)} lemminflect's models were trained "
        "on the same dictionary, possibly on these verbs, too."
    )
    return "\n\n".join([
        wrapped(introduction), ranking, parts, "By direction:", directions,
        "Calibration of the probabilities of the answers:", bins,
    ])  # fmt: skip


def known_section(scores: Scores) -> str:
    """Scores of both checkpoints on random z and on the verbs that they were trained on."""
    both = (scores.shipped, scores.heldout)
    rows = [("verbs trained on", *(f"{s['trained_on']:,}" for s in both))]
    rows += [("BLEU-4, the course's ten pairs", *(number(s["bleu4"]) for s in both))]
    for name, text in {
        "gaussian": "Gaussian score, one shot",
        "gaussian_refined": "Gaussian score after three rounds of refinement",
        "distinct": "distinct verbs, as a share of the samples",
        "distinct_refined": "distinct verbs after refinement",
    }.items():
        rows.append((text, *(with_spread(s, name) for s in both)))
    for name, text in {
        "distinct_share": "distinct verbs, relative to uniform sampling of the verbs",
        "distinct_share_refined": "the same after refinement",
    }.items():
        rows.append((text, *(number(s[name]) for s in both)))
    for name, text in {
        "accuracy": "verbs trained on, exact match, 12 directions",
        "irregular": "the irregular ones among them",
        "frequent": "those among the 1,000 most frequent verbs",
        "z_alone": "through z, by way of the map to s",
        "tense": "tense inferred, for forms of one tense only",
    }.items():
        rows.append((text, *(number(s["own"][name]) for s in both)))
    introduction = (
        "Gaussian score: the share of samples z ~ N(0, I) whose four decoded forms are those of one verb that the "
        "model was trained on; mean over five sets of 1,000 samples, with the lowest and the highest. Among the most "
        "frequent verbs a form that belongs to several verbs (saw, lay) may be read as any of them."
    )
    return wrapped(introduction) + "\n\n" + rows_of(("", "`tense`", "`tense-heldout`"), rows)


def latents_section(scores: Scores) -> str:
    """What each level holds, and what two levels changed."""
    names = {
        "kl": "KL to the prior, nats", "mutual_information": "mutual information with the word, nats",
        "active_units": "active units", "nll": "negative log-likelihood, 50 importance samples, nats",
    }  # fmt: skip
    both = [of["latents"][space] for of in (scores.shipped, scores.heldout) for space in ("z", "s")]
    held = rows_of(
        ("on known forms", "`tense`, z", "s", "`tense-heldout`, z", "s"),
        [
            (text, *(number(of[name], 0 if name == "active_units" else 2) for of in both))
            for name, text in names.items()
        ],
    )
    now, before = scores.heldout, scores.aligned
    compared = rows_of(
        ("`tense-heldout`, test split", "two levels", "one level, the encoder's outputs in the decoder"),
        [
            ("conversion, 12 directions", number(now["unseen"]["accuracy"]), number(before["unseen"]["accuracy"])),
            ("the same through the latents alone", *(number(of["unseen"]["z_alone"]) for of in (now, before))),
            *(
                (text, *(number(of["unseen"][name]) for of in (now, before)))
                for name, text in {"from_present": "from the present", "reconstruction": "reconstruction"}.items()
            ),
            ("calibration error", *(number(of["unseen"]["calibration"]["error"]) for of in (now, before))),
            *(
                (text, *(number(of[name]) for of in (now, before)))
                for name, text in {
                    "gaussian": "Gaussian score, one shot",
                    "distinct_share": "distinct, as a share of uniform sampling's",
                    "gaussian_refined": "Gaussian score, refined",
                    "bleu4": "BLEU-4",
                }.items()
            ),
            ("verbs trained on", *(number(of["own"]["accuracy"]) for of in (now, before))),
            ("verbs trained on, through z", *(number(of["own"]["z_alone"]) for of in (now, before))),
        ],
    )
    introduction = (
        "z identifies a verb, s spells a word. Mutual information is at most the logarithm of the number of words it "
        "is estimated on (2,000: 7.60 nats)."
    )
    return "\n\n".join([wrapped(introduction), held, "Against the model before it:", compared])


def sources_section(heldout: dict) -> str:
    """Scores of the reports' shipped models in the same evaluation."""
    rows = [
        (
            f"`{name}`", number(s["bleu4"]), with_spread(s, "gaussian"), number(s["gaussian_refined"]),
            number(s["distinct_share"]), number(s["accuracy"]),
        )
        for name, s in heldout["sources"].items()
    ]  # fmt: skip
    header = ("model", "BLEU-4", "Gaussian", "refined", "distinct, relative to uniform", "exact match, unseen verbs")
    return (
        "Trained here on the course's list by the reports' presets, scored with the same samples and unseen "
        "verbs.\n\n" + rows_of(header, rows)
    )


def main() -> None:
    """Write both files."""
    scores = read()
    PAGE.write_text(page(scores), encoding="utf-8")
    README.write_text(with_section(README.read_text(encoding="utf-8"), readme_section(scores)), encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(ROOT)} and the table in {README.name}")


if __name__ == "__main__":
    main()
