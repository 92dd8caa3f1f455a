"""The three reports' results: what they claim, and what their configurations give.

    python -m benchmarks.reports --data train.txt            # train what is missing, measure, print
    python -m benchmarks.reports --data train.txt --only source-001
    python -m benchmarks.reports --table                     # print what was measured before

`--data` is the course's list of verbs; its ten test pairs are built in. Each configuration trains with three seeds in
batches of 8 (`source-001` also one word at a time, as all reports do), a process for each run: about six hours on two
cores. Run again after an interruption, the command resumes from the last saved states. Results go to
assets/reports.json, the runs' logs to assets/runs/, one set of weights a report to checkpoints/.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import mean, stdev

import torch

from benchmarks import machine
from cvae_core import runs
from cvae_core.run import Run
from cvae_core.session import prepare, reopen
from cvae_core.tense import data, metrics
from cvae_core.tense.inference import load
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.verb_file import VerbFile, read_verbs
from cvae_core.training import fit
from scripts.reports import RESULTS, ROWS, SAMPLE_SEEDS, SEEDS, Row, findings, reports_table, ship, verdicts


def find_run(row: Row, seed: int) -> Run | None:
    """The newest run of the row's configuration with a seed, finished or resumable."""
    for run in runs.list_runs():
        saved = run.read_config()
        config = saved.get("config", {})
        wanted = {"batch_size": 1} | row.overrides | {"seed": seed}
        if saved.get("preset") == row.preset and all(config.get(k) == v for k, v in wanted.items()):
            return run
    return None


def train(row: Row, seed: int, path: str) -> str:
    """The id of the row's finished run with a seed: trained now, resumed, or found."""
    torch.set_num_threads(1)
    run = find_run(row, seed)
    if run is not None and run.state == "finished":
        return run.id
    if run is not None and run.state in ("running", "queued"):
        raise SystemExit(f"Run {run.id} of {row.name} is being trained by another process: measure it later.")
    verbs = read_verbs(path, as_is=True).verbs
    overrides = row.overrides | {"seed": seed}
    task, run = reopen(run.id) if run else prepare("tense", row.preset, overrides, ("file train.txt", verbs))
    print(f"training {row.name}, seed {seed}: run {run.id}", file=sys.stderr, flush=True)
    if fit(task, run, stopped=lambda: False) != "finished":
        raise SystemExit(f"Run {run.id} did not finish.")
    return run.id


def scores_of(run: Run, unseen: list) -> dict:
    """The course's scores, on samples of seeds that training did not use, and what the report does not print.

    BLEU-4 is that of the posterior mean; `bleu4_sampled` is the mean over posterior samples, as report 002 scores.
    """
    model = load(run.id)
    sets = [metrics.gaussian_scores(model, model.verbs, 100, seed) for seed in SAMPLE_SEEDS]
    history = run.read_metrics()
    return {
        "bleu4": metrics.bleu4_of_pairs(model),
        "bleu4_sampled": mean(metrics.bleu4_of_pairs(model, seed=seed) for seed in SAMPLE_SEEDS),
        "gaussian": mean(scores["gaussian"] for scores in sets),
        "sets": [scores["gaussian"] for scores in sets],
        "distinct": mean(scores["distinct"] for scores in sets),
        "unseen": metrics.accuracy(model, unseen)["accuracy"],
        "kl": history[-1]["kl"],
        "minutes": sum(r["seconds"] for r in history) / 60,
    }


def measure(row: Row, repeats: list[Run], unseen: list) -> dict:
    """A row of assets/reports.json: means over the runs of different seeds, and standard deviations (`…_spread`)."""
    each = [scores_of(run, unseen) for run in repeats]
    names = [name for name in each[0] if name != "sets"]
    every_set = [score for scores in each for score in scores["sets"]]
    return {
        "name": row.name, "report": row.report, "claimed_bleu4": row.bleu4, "claimed_gaussian": row.gaussian,
        **{name: mean(scores[name] for scores in each) for name in names},
        **{f"{name}_spread": stdev(s[name] for s in each) if len(each) > 1 else None for name in names},
        "gaussian_range": [min(every_set), max(every_set)],
        "batch_size": repeats[0].read_config()["config"]["batch_size"],
        "runs": [run.id for run in repeats], "bleu4_of_runs": [scores["bleu4"] for scores in each],
        "gaussian_of_runs": [scores["gaussian"] for scores in each],
    }  # fmt: skip


def unseen_by(verbs: VerbFile) -> list[data.Verb]:
    """Test verbs of the dictionary of which no form is in the course's list."""
    known = {form for verb in verbs.verbs for spellings in verb.forms for form in spellings}
    test_verbs = data.select_split(load_lexicon().verbs, "test")
    return [verb for verb in test_verbs if not known & {form for forms in verb.forms for form in forms}]


def measure_rows(path: str, only: list[str] | None, seeds: int, before: list[dict], workers: int) -> dict:
    """Train with so many seeds, measure and ship the rows named, or all; what is written to assets/reports.json."""
    rows = [row for row in ROWS if only is None or row.name in only]
    unseen, measured = unseen_by(read_verbs(path, as_is=True)), {row["name"]: row for row in before}
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        jobs = [(row, seed) for seed in range(seeds) for row in rows]  # every row once before any is repeated
        found = {(row.name, seed): pool.submit(train, row, seed, path) for row, seed in jobs}
        for row in rows:
            repeats = [Run(runs.RUNS / found[row.name, seed].result()) for seed in range(seeds)]
            measured[row.name] = measure(row, repeats, unseen)
            ship(row, repeats)
    return {
        "machine": machine(), "unseen_verbs": len(unseen),
        "rows": [measured[row.name] for row in ROWS if row.name in measured], "findings": findings(measured),
    }  # fmt: skip


def main(argv: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports", description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="the course's train.txt")
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], help="these rows")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings of each row (default: 3)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: all cores)")
    parser.add_argument("--table", action="store_true", help="print assets/reports.json")
    args = parser.parse_args(argv)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": []}
    if not args.table:
        if not args.data:
            parser.error("--data is needed: the course's train.txt")
        torch.set_num_threads(1)
        results = measure_rows(args.data, args.only, args.seeds, results["rows"], args.workers)
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(reports_table(results))
    for finding in results.get("findings", []):
        print(f"\n{finding['statement']}: {verdicts(finding)}")
        print("\n".join(f"  {text}" for text in finding["results"]))
    return results["rows"]


if __name__ == "__main__":
    main()
