"""The three reports' results: what they claim, and what their configurations give.

    python -m benchmarks.reports --data train.txt            # train what is missing, measure, print
    python -m benchmarks.reports --data train.txt --only source-001
    python -m benchmarks.reports --table                     # print what was measured before

`--data` is the course's list of verbs; its ten test pairs are built in. Each configuration trains in batches of 8
(`source-001` also one word at a time, as all reports do), which takes about two hours of one core in all. Results go
to assets/reports.json, the runs' logs to assets/runs/, one set of weights a report to checkpoints/.
"""

import argparse
import json
import statistics
import sys
from typing import NamedTuple

import torch

from benchmarks import machine, ship_log
from cvae_core import checkpoint, runs
from cvae_core.runs import Run
from cvae_core.tense import data, metrics
from cvae_core.tense.inference import load
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.session import prepare, reopen
from cvae_core.training import train

BATCH = {"batch_size": 8}
# 000 averages over letters and so takes steps an eighth as long as the others': here the rate grows with the batch.
BATCH_000 = BATCH | {"learning_rate": 0.4}
# With the mean, a KL weight of 1 weighs eight times what it does in the bound; here it does not.
SUM_000 = BATCH | {"recon": "sum", "learning_rate": 0.05}
# Source 002 scores its weights every 500 words; every 2,000 here, for the sake of time.
BATCH_002 = BATCH | {"evaluate_every": 250}
SEEDS = range(100, 105)  # of the draws; training scores with seed 0
RESULTS = checkpoint.ROOT / "assets" / "reports.json"
SHIPPED = ("source-000-cyclical", "source-001", "source-002")  # their weights, too


class Row(NamedTuple):
    """A row of a report: what it claims, and how it is trained here."""

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


def short(name: str) -> str:
    """The name of the checkpoint of a report: source-000-cyclical -> source-000."""
    return "-".join(name.split("-")[:2])


def find_run(row: Row) -> Run | None:
    """The newest run of the row's configuration, finished or to be gone on with."""
    for run in runs.list_runs():
        saved = run.read_config()
        config = saved.get("config", {})
        wanted = {"batch_size": 1, "seed": 0} | row.overrides
        if saved.get("preset") == row.preset and all(config.get(k) == v for k, v in wanted.items()):
            return run
    return None


def train_row(row: Row, verbs: data.VerbFile, name: str) -> Run:
    """The row's finished run: trained now, gone on with, or found."""
    run = find_run(row)
    if run is not None and run.state == "finished":
        return run
    if run is not None and run.state in ("running", "queued"):
        raise SystemExit(f"Run {run.id} of {row.name} is in training elsewhere: measure it later.")
    task, run = reopen(run.id) if run else prepare(row.preset, row.overrides, verbs.verbs, name)
    print(f"training {row.name}: run {run.id}", file=sys.stderr, flush=True)
    if train(task, run, stopped=lambda: False) != "finished":
        raise SystemExit(f"Run {run.id} did not finish.")
    return run


def measure(row: Row, run: Run, unseen: list) -> dict:
    """Official scores by draws of seeds that training did not use, and what the report does not print."""
    tense = load(run.id)
    drawn = [metrics.gaussian_scores(tense, tense.verbs, 100, seed) for seed in SEEDS]
    gaussian, history = [d["gaussian"] for d in drawn], run.read_metrics()
    return {
        "name": row.name, "report": row.report, "claimed_bleu4": row.bleu4, "claimed_gaussian": row.gaussian,
        "bleu4": metrics.bleu4_of_pairs(tense), "gaussian": statistics.mean(gaussian),
        "gaussian_range": [min(gaussian), max(gaussian)],
        "distinct": statistics.mean(d["distinct"] for d in drawn),
        "unseen": metrics.accuracy(tense, unseen)["accuracy"],
        "kl": history[-1]["kl"], "minutes": sum(r["seconds"] for r in history) / 60,
        "batch_size": run.read_config()["config"]["batch_size"], "run": run.id,
    }  # fmt: skip


def ship(row: Row, run: Run) -> None:
    """The log without the user's verbs, and for one run a report its weights in half precision (4 MB is the limit)."""
    ship_log(run, row.name)
    if row.name in SHIPPED:
        weights = checkpoint.CHECKPOINTS / f"{short(row.name)}.safetensors"
        checkpoint.copy(run.path / "best.safetensors", weights, half=True)


# --- what the reports say in words ----------------------------------------------------------------------------------


def findings(rows: dict[str, dict]) -> list[dict]:
    """Each statement with the comparisons that test it: `holds` is how many of them come out as it says."""
    logs = {name: Run(checkpoint.ROOT / "assets" / "runs" / name).read_metrics() for name in rows}

    def higher(a: str, b: str) -> list[tuple[str, bool]]:
        """Whether run a has the higher BLEU-4 and Gaussian score than run b."""
        names = {"bleu4": "BLEU-4", "gaussian": "Gaussian"}
        return [
            (f"{text} {rows[a][key]:.3f} ({a}) against {rows[b][key]:.3f} ({b})", rows[a][key] > rows[b][key])
            for key, text in names.items()
        ]

    def falls_with_the_weight(name: str, metric: str, wanted: bool) -> tuple[str, bool]:
        """Whether the metric is lower where the KL weight is high: epochs with over half of the largest, and others."""
        half = max(row["beta"] for row in logs[name]) / 2
        low = statistics.mean(row[metric] for row in logs[name] if row["beta"] <= half)
        high = statistics.mean(row[metric] for row in logs[name] if row["beta"] > half)
        return f"{metric} {low:.3f} with a small KL weight, {high:.3f} with a large one ({name})", (
            high < low
        ) == wanted

    def cycles(name: str, metric: str) -> tuple[str, bool]:
        """The metric's mean over the last tenth of the first and of the second cycle."""
        half = len(logs[name]) // 2
        first, second = (
            statistics.mean(row[metric] for row in logs[name][end - half // 10 : end]) for end in (half, 2 * half)
        )
        return f"{metric} {first:.3f} at the end of cycle one, {second:.3f} of cycle two ({name})", second > first

    two, one = ("source-002", "source-002-two-cycles-0.4"), ("source-002-one-cycle-0.8", "source-002-one-cycle-0.4")
    tests = {
        "000: cyclical annealing does better than monotonic": lambda: higher(
            "source-000-cyclical", "source-000-monotonic"
        ),
        "000, 002: a larger KL weight lowers KL and BLEU-4 and raises cross entropy and Gaussian score": (
            lambda: [
                falls_with_the_weight(name, metric, wanted)
                for name in two + one
                for metric, wanted in {"kl": True, "recon": False, "bleu4": True, "gaussian": False}.items()
            ]
        ),
        "002: both scores become higher from cycle to cycle": lambda: [
            cycles(name, metric) for name in two for metric in ("bleu4", "gaussian")
        ],
        "002: two cycles do better than one": lambda: [
            result for a, b in zip(two, one, strict=True) for result in higher(a, b)
        ],
        "002: a higher final teacher-forcing ratio raises the Gaussian score": lambda: [
            higher(a, b)[1] for a, b in (two, one)
        ],
    }
    found = []
    for statement, test in tests.items():
        try:
            results = test()
        except KeyError:  # one of its runs is not measured yet
            continue
        holds = sum(holds for _, holds in results)
        found.append(
            {"statement": statement, "holds": holds, "of": len(results), "results": [text for text, _ in results]}
        )
    return found


def table(found: list[dict]) -> str:
    lines = [
        "| report | BLEU-4 claimed | measured | Gaussian claimed | measured (five sets of 100 draws) | distinct | "
        "unseen verbs | KL | minutes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in found:
        low, high = r["gaussian_range"]
        lines.append(
            f"| {r['report']} | {_or_dash(r['claimed_bleu4'])} | {r['bleu4']:.3f} | {_or_dash(r['claimed_gaussian'])} "
            f"| {r['gaussian']:.3f} ({low:.2f} to {high:.2f}) | {r['distinct']:.3f} | {r['unseen']:.3f} "
            f"| {r['kl']:.1f} | {r['minutes']:.0f} |"
        )
    return "\n".join(lines)


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def main(argv: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports", description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="the course's train.txt")
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], help="these rows")
    parser.add_argument("--table", action="store_true", help="print assets/reports.json")
    args = parser.parse_args(argv)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": []}
    if not args.table:
        if not args.data:
            parser.error("--data is needed: the course's train.txt")
        torch.set_num_threads(1)
        verbs = data.read_verbs(args.data)
        known = {form for verb in verbs.verbs for spellings in verb.forms for form in spellings}
        test_verbs = data.select_split(load_lexicon().verbs, "test")
        unseen = [verb for verb in test_verbs if not known & {form for forms in verb.forms for form in forms}]
        measured = {r["name"]: r for r in results["rows"]}
        for row in ROWS:
            if args.only is None or row.name in args.only:
                run = train_row(row, verbs, "file train.txt")
                measured[row.name] = measure(row, run, unseen)
                ship(row, run)
        results = {
            "machine": machine(), "unseen_verbs": len(unseen),
            "rows": [measured[row.name] for row in ROWS if row.name in measured], "findings": findings(measured),
        }  # fmt: skip
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(table(results["rows"]))
    for finding in results.get("findings", []):
        print(f"\n{finding['statement']}: {finding['holds']} of {finding['of']} comparisons")
        print("\n".join(f"  {text}" for text in finding["results"]))
    return results["rows"]


if __name__ == "__main__":
    main()
