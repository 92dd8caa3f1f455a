"""The reports' statements in words, each tested on the runs of its rows, with a verdict."""

import statistics
from collections.abc import Iterator
from typing import NamedTuple

from cvae_core.run import Run
from scripts.reports import LOGS, SEEDS, log_name

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
            name: [Run(LOGS / log_name(name, training["seed"])).read_metrics() for training in row["trainings"]]
            for name, row in rows.items()
        }

    def higher(self, a: str, b: str, *scores: str) -> list[Comparison]:
        """Whether row a has the higher scores than row b."""
        return [
            Comparison(f"{SCORES[key]}, {self.title(a)} against {self.title(b)}", self.each(a, key), self.each(b, key))
            for key in scores or SCORES
        ]

    def title(self, name: str) -> str:
        """A row as the table calls it, in quotation marks."""
        return f"“{self.rows[name]['report']}”"

    def each(self, name: str, score: str) -> list[float]:
        """A score of each training of a row."""
        return [training[score] for training in self.rows[name]["trainings"]]

    def by_weight(self, name: str, metric: str, lower: bool) -> Comparison:
        """Whether a metric's mean is lower (or higher) over epochs with over half of the largest KL weight."""
        small, large = [], []
        for log in self.logs[name]:
            half = max(row["beta"] for row in log) / 2
            small.append(statistics.mean(row[metric] for row in log if row["beta"] <= half))
            large.append(statistics.mean(row[metric] for row in log if row["beta"] > half))
        what, where = TRADED[metric], self.title(name)
        if lower:
            return Comparison(f"{what} at small KL weights against large ones, {where}", small, large)
        return Comparison(f"{what} at large KL weights against small ones, {where}", large, small)

    def second_cycle(self, name: str, metric: str) -> Comparison:
        """Whether the metric's mean over the last tenth of a cycle is higher in the second cycle than in the first."""
        half = len(self.logs[name][0]) // 2
        first, second = (
            [statistics.mean(row[metric] for row in log[end - half // 10 : end]) for log in self.logs[name]]
            for end in (half, 2 * half)
        )
        text = f"{SCORES[metric]} at the end of the second cycle against the first, {self.title(name)}"
        return Comparison(text, second, first)

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


def verdicts(finding: dict) -> str:
    """How many comparisons of a statement have each verdict: `holds (3 of 4), cannot be told from noise (1 of 4)`."""
    counts = ((verdict, count) for verdict, count in finding["verdicts"].items() if count)
    return ", ".join(f"{verdict} ({count} of {len(finding['results'])})" for verdict, count in counts)
