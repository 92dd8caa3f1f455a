"""The reports' results as Markdown, for docs/results.md and the command line."""

from scripts.statements import verdicts
from scripts.tables import claim, number, rows_of, wrapped


def reports_table(reports: dict) -> str:
    """Claimed and measured scores of each row of the reports, as a Markdown table; ± is a deviation over seeds."""
    rows = []
    for r in reports["rows"]:
        rows.append((
            r["report"], claim(r["claimed_bleu4"]), with_deviation(r, "bleu4"), number(r["bleu4_sampled"]),
            claim(r["claimed_gaussian"]), with_deviation(r, "gaussian"), number(r["distinct"]), number(r["unseen"]),
            number(r["kl"], 1), str(len(r["trainings"])), str(r["batch_size"]), number(r["minutes"], 0),
        ))  # fmt: skip
    header = (
        "report", "BLEU-4 claimed", "measured", "with sampled z", "Gaussian claimed", "measured", "distinct",
        "unseen verbs", "KL, nats", "trainings", "batch", "minutes each",
    )  # fmt: skip
    return rows_of(header, rows)


def with_deviation(row: dict, score: str) -> str:
    """The mean over training seeds ± their standard deviation, if there are several."""
    return number(row[score], spread=row[f"{score}_spread"])


def reports_section(reports: dict) -> str:
    """The rows of the reports, and the comparisons that test each of their qualitative statements."""
    comparisons = []
    for finding in reports["findings"]:
        comparisons.append(f"- {finding['statement']}: {verdicts(finding)}")
        comparisons += [f"  - {text}" for text in finding["results"]]
    introduction = (
        "`python -m benchmarks.reports --data train.txt` trains each row on the course's list of verbs, scores it, "
        f"and converts {reports['unseen_verbs']} verbs that are not on that list. Measured on: {reports['machine']}. "
        "[reports.md](reports.md) discusses the rows."
    )
    return "\n\n".join([
        wrapped(introduction),
        reports_table(reports),
        wrapped(
            "The qualitative statements of the reports, and the comparisons that test them. Each compares means over "
            "trainings, with their range; rows have their names from the table. A KL weight is small up to half of its "
            "largest value."
        ),
        "\n".join(comparisons),
    ])  # fmt: skip
