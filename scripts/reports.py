"""The three reports' configurations and claims, the shipping of their runs, comparisons and tables of their results.

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
# Report 002 averages over letters, too. It scores its weights every 500 words; here every 2,000, to save time.
BATCH_002 = BATCH | {"learning_rate": 0.4, "evaluate_every": 250}
SEEDS = 3  # trainings of each row
SAMPLE_SEEDS = range(100, 105)  # training scores with seed 0
RESULTS = checkpoint.ROOT / "assets" / "reports.json"
LOGS = checkpoint.ROOT / "assets" / "runs"
SHIPPED = ("source-000", "source-001", "source-002")  # with their weights


class Row(NamedTuple):
    """A row of a report's table: its claimed scores, and the configuration that it is trained with here."""

    name: str
    report: str
    bleu4: float | None
    gaussian: float | None
    preset: str
    overrides: dict


ROWS = [
    Row("source-002-one-cycle-0.4", "002, ratio 0.4, one cycle", 0.7478, 0.06, "source-002-one-cycle-0.4", BATCH_002),
    Row("source-002-two-cycles-0.4", "002, ratio 0.4, two cycles", 0.9286, 0.3, "source-002-two-cycles-0.4", BATCH_002),
    Row("source-002-one-cycle-0.8", "002, ratio 0.8, one cycle", 0.6550, 0.28, "source-002-one-cycle-0.8", BATCH_002),
    Row("source-002", "002, ratio 0.8, two cycles", 0.9286, 0.39, "source-002", BATCH_002),
    Row("source-001", "001, KLD_weight 0, LR 0.05", 0.8201, 1.0, "source-001", BATCH),
    Row("source-001-single", "the same, a word at a time", 0.8201, 1.0, "source-001", {}),
    Row("source-001-lr-0.1", "001, KLD_weight 0, LR 0.1", 0.7596, 1.0, "source-001-lr-0.1", BATCH),
    Row("source-001-kl-0.5", "001, KLD_weight 0.5, LR 0.05", 0.7567, 0.75, "source-001-kl-0.5", BATCH),
    Row("source-000", "000, sigmoid to a weight of 0.08", 0.66, 0.43, "source-000", BATCH_000),
    Row("source-000-cyclical", "000, cyclical", 0.66, 0.43, "source-000-cyclical", BATCH_000),
    Row("source-000-cyclical-sum", "the same with the sum over letters", 0.66, 0.43, "source-000-cyclical", SUM_000),
    Row("source-000-monotonic", "000, monotonic", None, None, "source-000-monotonic", BATCH_000),
    Row("source-000-sigmoid", "000, sigmoid", None, None, "source-000-sigmoid", BATCH_000),
]  # fmt: skip


# --- shipping -------------------------------------------------------------------------------------------------


def checkpoint_name(name: str) -> str:
    """The name of the checkpoint of a report: source-000-cyclical -> source-000."""
    return "-".join(name.split("-")[:2])


def log_name(row_name: str, seed: int) -> str:
    """The folder in assets/runs/ of a row's run with a seed."""
    return row_name + (f"-seed-{seed}" if seed else "")


def ship(row: Row, repeats: list[Run]) -> None:
    """Copy the runs' logs; for one row of each report the weights of the first, in half precision (at most 4 MB)."""
    for seed, run in enumerate(repeats):
        ship_log(run, log_name(row.name, seed))
    if row.name in SHIPPED:
        weights = checkpoint.CHECKPOINTS / f"{checkpoint_name(row.name)}.safetensors"
        checkpoint.copy(repeats[0].weights, weights, pack="float16")


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

TWO_CYCLES = ("source-002", "source-002-two-cycles-0.4")
ONE_CYCLE = ("source-002-one-cycle-0.8", "source-002-one-cycle-0.4")
SCORES = {"bleu4": "BLEU-4", "gaussian": "Gaussian score"}
TRADED = SCORES | {"kl": "KL", "recon": "cross entropy"}  # by the KL weight
HOLDS, FAILS, NOISE = "holds", "does not hold", "cannot be told from noise"


class Comparison(NamedTuple):
    """Two sets of values, one of each training seed, of which the first should be larger."""

    text: str
    larger: list[float]
    smaller: list[float]

    @property
    def verdict(self) -> str:
        """`holds` if all values of the first set are above all of the second, `does not hold` if all are below.

        Of two sets of three that do not differ, that is so for one in twenty each (Mann-Whitney's U of 9 or 0); fewer
        than three tell nothing.
        """
        if min(len(self.larger), len(self.smaller)) < SEEDS:
            return NOISE
        if min(self.larger) > max(self.smaller):
            return HOLDS
        return FAILS if max(self.larger) < min(self.smaller) else NOISE

    def __str__(self) -> str:
        return f"{self.text}: {mean_and_range(self.larger)} against {mean_and_range(self.smaller)}; {self.verdict}"


def mean_and_range(values: list[float]) -> str:
    """The mean of the values of each training seed, with the lowest and the highest if there are several."""
    between = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{between}"


class Findings:
    """Comparisons of measured rows and of the logs of their runs. KeyError if a row is not measured yet."""

    def __init__(self, rows: dict[str, dict]):
        self.rows = rows
        self.logs = {
            name: [Run(LOGS / log_name(name, seed)).read_metrics() for seed in range(len(row["runs"]))]
            for name, row in rows.items()
        }

    def higher(self, a: str, b: str, *scores: str) -> list[Comparison]:
        """Whether row a has the higher scores than row b."""
        return [
            Comparison(f"{SCORES[key]}, {a} against {b}", *(self.rows[row][f"{key}_of_runs"] for row in (a, b)))
            for key in scores or SCORES
        ]

    def by_weight(self, name: str, metric: str, lower: bool) -> Comparison:
        """Whether a metric's mean is lower (or higher) over epochs with over half of the largest KL weight."""
        small, large = [], []
        for log in self.logs[name]:
            half = max(row["beta"] for row in log) / 2
            small.append(statistics.mean(row[metric] for row in log if row["beta"] <= half))
            large.append(statistics.mean(row[metric] for row in log if row["beta"] > half))
        if lower:
            return Comparison(f"{TRADED[metric]} with a small KL weight against a large one, {name}", small, large)
        return Comparison(f"{TRADED[metric]} with a large KL weight against a small one, {name}", large, small)

    def second_cycle(self, name: str, metric: str) -> Comparison:
        """Whether the metric's mean over the last tenth of a cycle is higher in the second cycle than in the first."""
        half = len(self.logs[name][0]) // 2
        first, second = (
            [statistics.mean(row[metric] for row in log[end - half // 10 : end]) for log in self.logs[name]]
            for end in (half, 2 * half)
        )
        return Comparison(f"{SCORES[metric]} at the end of cycle two against cycle one, {name}", second, first)

    def cyclical_is_better(self) -> list[Comparison]:
        """Report 000: cyclical annealing against monotonic."""
        return self.higher("source-000-cyclical", "source-000-monotonic")

    def weight_trades(self) -> list[Comparison]:
        """Reports 000 and 002, on the runs of 002: a larger KL weight lowers some metrics and raises others."""
        lowered = {"kl": True, "recon": False, "bleu4": True, "gaussian": False}
        return [
            self.by_weight(name, metric, lower) for name in TWO_CYCLES + ONE_CYCLE for metric, lower in lowered.items()
        ]

    def scores_rise(self) -> list[Comparison]:
        """Report 002: both scores become higher from cycle to cycle."""
        return [self.second_cycle(name, metric) for name in TWO_CYCLES for metric in SCORES]

    def two_cycles_are_better(self) -> list[Comparison]:
        """Report 002: two cycles against one, at both final teacher-forcing ratios."""
        return [found for a, b in zip(TWO_CYCLES, ONE_CYCLE, strict=True) for found in self.higher(a, b)]

    def ratio_raises_gaussian(self) -> list[Comparison]:
        """Report 002: a final teacher-forcing ratio of 0.8 against 0.4, with two cycles and with one."""
        return [found for a, b in (TWO_CYCLES, ONE_CYCLE) for found in self.higher(a, b, "gaussian")]

    def statements(self) -> Iterator[tuple[str, list[Comparison]]]:
        """Each statement of the reports with its comparisons, if its rows are measured."""
        tests = {
            "000: cyclical annealing does better than monotonic": self.cyclical_is_better,
            "000, 002: a larger KL weight lowers KL and BLEU-4 and raises cross entropy and Gaussian score": (
                self.weight_trades
            ),
            "002: both scores become higher from cycle to cycle": self.scores_rise,
            "002: two cycles do better than one": self.two_cycles_are_better,
            "002: a higher final teacher-forcing ratio raises the Gaussian score": self.ratio_raises_gaussian,
        }
        for statement, test in tests.items():
            try:
                yield statement, test()
            except KeyError:  # a row is not measured yet
                continue


def findings(rows: dict[str, dict]) -> list[dict]:
    """Each statement with its comparisons, and how many of them hold, do not, or cannot be told from noise."""
    return [
        {
            "statement": statement, "results": [str(found) for found in comparisons],
            "verdicts": {v: sum(c.verdict == v for c in comparisons) for v in (HOLDS, FAILS, NOISE)},
        }
        for statement, comparisons in Findings(rows).statements()
    ]  # fmt: skip


# --- tables --------------------------------------------------------------------------------------------------------


def verdicts(finding: dict) -> str:
    """How many comparisons of a statement have each verdict: `holds (3 of 4), cannot be told from noise (1 of 4)`."""
    counts = ((verdict, count) for verdict, count in finding["verdicts"].items() if count)
    return ", ".join(f"{verdict} ({count} of {len(finding['results'])})" for verdict, count in counts)


def reports_table(reports: dict) -> str:
    """Claimed and measured scores of each row of the reports, as a Markdown table; ± is a deviation over seeds."""
    rows = []
    for r in reports["rows"]:
        rows.append((
            r["report"], claim(r["claimed_bleu4"]), with_deviation(r, "bleu4"), number(r["bleu4_sampled"]),
            claim(r["claimed_gaussian"]), with_deviation(r, "gaussian"), number(r["distinct"]), number(r["unseen"]),
            number(r["kl"], 1), str(len(r["runs"])), str(r["batch_size"]), number(r["minutes"], 0),
        ))  # fmt: skip
    header = (
        "report", "BLEU-4 claimed", "measured", "with sampled z", "Gaussian claimed", "measured", "distinct",
        "unseen verbs", "KL, nats", "trainings", "batch", "minutes each",
    )  # fmt: skip
    return rows_of(header, rows)


def with_deviation(row: dict, score: str) -> str:
    """The mean over training seeds ± their standard deviation, if there are several."""
    spread = row[f"{score}_spread"]
    return number(row[score]) + (f" ± {spread:.3f}" if spread is not None else "")


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
        "The qualitative statements of the reports, and the comparisons that test them:",
        "\n".join(comparisons),
    ])  # fmt: skip
