"""The three reports' configurations and claims, the shipping of their runs, and comparisons of their results.

`python -m benchmarks.reports` trains and measures them.
"""

import json
import shutil
import statistics
from collections.abc import Iterator
from typing import NamedTuple

from cvae_core import checkpoint
from cvae_core.run import Run
from scripts.tables import claim, number, rows_of, wrapped

BATCH = {"batch_size": 8}
# 000 averages over letters, so its steps are an eighth of the others': here the rate grows with the batch.
BATCH_000 = BATCH | {"learning_rate": 0.4}
# With the mean, a KL weight of 1 weighs eight times what it does in the bound; here it does not.
SUM_000 = BATCH | {"recon": "sum", "learning_rate": 0.05}
# Report 002 scores its weights every 500 words; here every 2,000, to save time.
BATCH_002 = BATCH | {"evaluate_every": 250}
SEEDS = range(100, 105)  # of the samples; training scores with seed 0
RESULTS = checkpoint.ROOT / "assets" / "reports.json"
LOGS = checkpoint.ROOT / "assets" / "runs"
SHIPPED = ("source-000-cyclical", "source-001", "source-002")  # with their weights


class Row(NamedTuple):
    """A row of a report's table: its claimed scores, and the configuration that it is trained with here."""

    name: str
    report: str
    bleu4: float | None
    gaussian: float | None
    preset: str
    overrides: dict


ROWS = [
    Row("source-000-cyclical", "000, cyclical", 0.66, 0.43, "source-000-cyclical", BATCH_000),
    Row("source-000-cyclical-sum", "the same with the sum over letters", 0.66, 0.43, "source-000-cyclical", SUM_000),
    Row("source-000-monotonic", "000, monotonic", None, None, "source-000-monotonic", BATCH_000),
    Row("source-000-sigmoid", "000, sigmoid", None, None, "source-000-sigmoid", BATCH_000),
    Row("source-001", "001, KLD_weight 0, LR 0.05", 0.8201, 1.0, "source-001", BATCH),
    Row("source-001-single", "the same, a word at a time", 0.8201, 1.0, "source-001", {}),
    Row("source-001-lr-0.1", "001, KLD_weight 0, LR 0.1", 0.7596, 1.0, "source-001-lr-0.1", BATCH),
    Row("source-001-kl-0.5", "001, KLD_weight 0.5, LR 0.05", 0.7567, 0.75, "source-001-kl-0.5", BATCH),
    Row("source-002-one-cycle-0.4", "002, ratio 0.4, one cycle", 0.7478, 0.06, "source-002-one-cycle-0.4", BATCH_002),
    Row("source-002-two-cycles-0.4", "002, ratio 0.4, two cycles", 0.9286, 0.3, "source-002-two-cycles-0.4", BATCH_002),
    Row("source-002-one-cycle-0.8", "002, ratio 0.8, one cycle", 0.6550, 0.28, "source-002-one-cycle-0.8", BATCH_002),
    Row("source-002", "002, ratio 0.8, two cycles", 0.9286, 0.39, "source-002", BATCH_002),
]  # fmt: skip


# --- shipping -------------------------------------------------------------------------------------------------


def checkpoint_name(name: str) -> str:
    """The name of the checkpoint of a report: source-000-cyclical -> source-000."""
    return "-".join(name.split("-")[:2])


def ship(row: Row, run: Run) -> None:
    """Copy the run's log and, for one run of each report, its weights in half precision (at most 4 MB)."""
    ship_log(run, row.name)
    if row.name in SHIPPED:
        weights = checkpoint.CHECKPOINTS / f"{checkpoint_name(row.name)}.safetensors"
        checkpoint.copy(run.weights, weights, pack="float16")


def ship_log(run: Run, name: str, every: int = 0) -> None:
    """Copy a run's config and metrics to assets/runs/, without the user's verbs and the path of the data.

    With `every`, also the samples of every so many epochs, counted back from the last one.
    """
    folder = LOGS / name
    folder.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in run.read_config().items() if key not in ("verbs", "source")}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    shutil.copy(run.path / "metrics.jsonl", folder / "metrics.jsonl")
    if every:
        rows = run.read_samples()
        kept = [row for row in rows if (rows[-1]["epoch"] - row["epoch"]) % every == 0]
        (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))


# --- statements of the reports -------------------------------------------------------------------------------------

Comparison = tuple[str, bool]  # a sentence with both scores, and whether they agree with the statement
TWO_CYCLES = ("source-002", "source-002-two-cycles-0.4")
ONE_CYCLE = ("source-002-one-cycle-0.8", "source-002-one-cycle-0.4")


class Findings:
    """Comparisons of measured rows and of the logs of their runs. KeyError if a row is not measured yet."""

    def __init__(self, rows: dict[str, dict]):
        self.rows = rows
        self.logs = {name: Run(LOGS / name).read_metrics() for name in rows}

    def higher(self, a: str, b: str) -> list[Comparison]:
        """Whether run a has the higher BLEU-4 and Gaussian score than run b."""
        first, second = self.rows[a], self.rows[b]
        return [
            (f"{text} {first[key]:.3f} ({a}) against {second[key]:.3f} ({b})", first[key] > second[key])
            for key, text in {"bleu4": "BLEU-4", "gaussian": "Gaussian"}.items()
        ]

    def falls_with_the_weight(self, name: str, metric: str, expected: bool) -> Comparison:
        """Whether the metric's mean is lower over epochs with over half of the largest KL weight than over others."""
        log = self.logs[name]
        half = max(row["beta"] for row in log) / 2
        low = statistics.mean(row[metric] for row in log if row["beta"] <= half)
        high = statistics.mean(row[metric] for row in log if row["beta"] > half)
        text = f"{metric} {low:.3f} with a small KL weight, {high:.3f} with a large one ({name})"
        return text, (high < low) == expected

    def cycles(self, name: str, metric: str) -> Comparison:
        """Whether the metric's mean over the last tenth of a cycle is higher in the second cycle than in the first."""
        log = self.logs[name]
        half = len(log) // 2
        first, second = (statistics.mean(row[metric] for row in log[e - half // 10 : e]) for e in (half, 2 * half))
        return f"{metric} {first:.3f} at the end of cycle one, {second:.3f} of cycle two ({name})", second > first

    def cyclical_is_better(self) -> list[Comparison]:
        """Report 000: cyclical annealing against monotonic."""
        return self.higher("source-000-cyclical", "source-000-monotonic")

    def weight_trades(self) -> list[Comparison]:
        """Reports 000 and 002, on the runs of 002: a larger KL weight lowers some metrics and raises others."""
        lowered = {"kl": True, "recon": False, "bleu4": True, "gaussian": False}
        return [
            self.falls_with_the_weight(name, metric, expected)
            for name in TWO_CYCLES + ONE_CYCLE
            for metric, expected in lowered.items()
        ]

    def statements(self) -> Iterator[tuple[str, list[Comparison]]]:
        """Each statement of the reports with its comparisons, if its rows are measured."""
        tests = {
            "000: cyclical annealing does better than monotonic": self.cyclical_is_better,
            "000, 002: a larger KL weight lowers KL and BLEU-4 and raises cross entropy and Gaussian score": (
                self.weight_trades
            ),
            "002: both scores become higher from cycle to cycle": lambda: [
                self.cycles(name, metric) for name in TWO_CYCLES for metric in ("bleu4", "gaussian")
            ],
            "002: two cycles do better than one": lambda: [
                result for a, b in zip(TWO_CYCLES, ONE_CYCLE, strict=True) for result in self.higher(a, b)
            ],
            "002: a higher final teacher-forcing ratio raises the Gaussian score": lambda: [
                self.higher(a, b)[1] for a, b in (TWO_CYCLES, ONE_CYCLE)
            ],
        }
        for statement, test in tests.items():
            try:
                yield statement, test()
            except KeyError:  # a row is not measured yet
                continue


def findings(rows: dict[str, dict]) -> list[dict]:
    """Each statement with its comparisons: `holds` of `of` agree with it."""
    return [
        {
            "statement": statement, "holds": sum(agrees for _, agrees in results), "of": len(results),
            "results": [text for text, _ in results],
        }
        for statement, results in Findings(rows).statements()
    ]  # fmt: skip


# --- tables --------------------------------------------------------------------------------------------------------


def reports_table(reports: dict) -> str:
    """Claimed and measured scores of each row of the reports, as a Markdown table."""
    rows = []
    for r in reports["rows"]:
        low, high = r["gaussian_range"]
        rows.append((
            r["report"], claim(r["claimed_bleu4"]), number(r["bleu4"]), claim(r["claimed_gaussian"]),
            f"{number(r['gaussian'])} ({low:.2f} to {high:.2f})", number(r["distinct"]), number(r["unseen"]),
            number(r["kl"], 1), str(r["batch_size"]), number(r["minutes"], 0),
        ))  # fmt: skip
    header = (
        "report", "BLEU-4 claimed", "measured", "Gaussian claimed", "measured (five sets of 100)", "distinct",
        "unseen verbs", "KL, nats", "batch", "minutes",
    )  # fmt: skip
    return rows_of(header, rows)


def reports_section(reports: dict) -> str:
    """The rows of the reports, and the comparisons that test each of their qualitative statements."""
    comparisons = []
    for finding in reports["findings"]:
        comparisons.append(f"- {finding['statement']}: {finding['holds']} of {finding['of']} comparisons")
        comparisons += [f"  - {text}" for text in finding["results"]]
    introduction = (
        "`python -m benchmarks.reports --data train.txt` trains each row on the course's list of verbs, scores it, "
        f"and converts {reports['unseen_verbs']} verbs that are not on that list. Measured on: {reports['machine']}. "
        "[reports.md](reports.md) discusses the rows."
    )
    return "\n\n".join([
        wrapped(introduction),
        reports_table(reports),
        "The qualitative statements of the reports, and the comparisons that test them:",
        "\n".join(comparisons),
    ])  # fmt: skip
