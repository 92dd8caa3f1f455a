"""The three reports' results: what they claim, and what their configurations give.

    python -m benchmarks.reports --data train.txt            # train what is missing, measure, print
    python -m benchmarks.reports --data train.txt --only source-001 --seeds 1 2   # two more trainings of one row
    python -m benchmarks.reports --table                     # print what was measured before

`--data` is the course's list of verbs; its ten test pairs are built in. Each configuration trains with three seeds in
batches of 8 (`source-001` also one word at a time, as all reports do), a process for each run: about seven hours on two
cores. Run again after an interruption, the command resumes from the last saved states. Results go to
assets/reports.json, where those of other rows and seeds stay, the runs' logs to assets/runs/, and one set of weights a
report to checkpoints/.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import mean

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
from scripts.report_tables import reports_table
from scripts.reports import RESULTS, ROWS, SAMPLE_SEEDS, SEEDS, Row, find_run, ship, summary
from scripts.statements import findings, verdicts


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


def measure(run: Run, seed: int, unseen: list[data.Verb]) -> dict:
    """The scores of one training: the course's, on samples that training did not use, and what no report prints.

    BLEU-4 is that of the posterior mean; `bleu4_sampled` is the mean over posterior samples, as report 002 scores.
    """
    model = load(run.id)
    sets = [metrics.gaussian_scores(model, model.verbs, 100, seed) for seed in SAMPLE_SEEDS]
    history = run.read_metrics()
    return {
        "seed": seed, "run": run.id, "machine": machine(),
        "bleu4": metrics.bleu4_of_pairs(model),
        "bleu4_sampled": mean(metrics.bleu4_of_pairs(model, seed=seed) for seed in SAMPLE_SEEDS),
        "gaussian": mean(scores["gaussian"] for scores in sets),
        "gaussian_range": [pick(scores["gaussian"] for scores in sets) for pick in (min, max)],
        "distinct": mean(scores["distinct"] for scores in sets),
        "unseen": metrics.accuracy(model, unseen)["accuracy"],
        "kl": history[-1]["kl"],
        "minutes": sum(r["seconds"] for r in history) / 60,
    }  # fmt: skip


def unseen_by(verbs: VerbFile) -> list[data.Verb]:
    """Test verbs of the dictionary of which no form is in the course's list."""
    known = {form for verb in verbs.verbs for spellings in verb.forms for form in spellings}
    test_verbs = data.select_split(load_lexicon().verbs, "test")
    return [verb for verb in test_verbs if not known & {form for forms in verb.forms for form in forms}]


def measure_rows(path: str, only: list[str] | None, seeds: list[int], before: list[dict], workers: int) -> dict:
    """Train with these seeds, measure and ship the rows named, or all; what is written to assets/reports.json.

    Trainings of other rows and seeds stay as they were measured.
    """
    rows = [row for row in ROWS if only is None or row.name in only]
    unseen, measured = unseen_by(read_verbs(path, as_is=True)), {row["name"]: row["trainings"] for row in before}
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        jobs = [(row, seed) for seed in seeds for row in rows]  # every row once before any is repeated
        found = {(row.name, seed): pool.submit(train, row, seed, path) for row, seed in jobs}
        for row in rows:
            repeats = {seed: Run(runs.RUNS / found[row.name, seed].result()) for seed in seeds}
            new = [measure(run, seed, unseen) for seed, run in repeats.items()]
            kept = [training for training in measured.get(row.name, []) if training["seed"] not in repeats]
            measured[row.name] = sorted(kept + new, key=lambda training: training["seed"])
            ship(row, repeats)
    summaries = {row.name: summary(row, measured[row.name]) for row in ROWS if row.name in measured}
    machines = {training["machine"] for trainings in measured.values() for training in trainings}
    return {
        "machine": " and ".join(sorted(machines)), "unseen_verbs": len(unseen),
        "rows": [*summaries.values()], "findings": findings(summaries),
    }  # fmt: skip


def main(argv: list[str] | None = None) -> list[dict]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports", description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="the course's train.txt")
    parser.add_argument("--only", nargs="+", choices=[row.name for row in ROWS], help="these rows")
    parser.add_argument("--seeds", nargs="+", type=int, default=[*range(SEEDS)], help="of trainings (default: 0 1 2)")
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
