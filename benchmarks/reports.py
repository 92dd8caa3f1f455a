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
from scripts.reports import RESULTS, ROWS, SEEDS, Row, findings, reports_table, ship


def find_run(row: Row) -> Run | None:
    """The newest run of the row's configuration, finished or resumable."""
    for run in runs.list_runs():
        saved = run.read_config()
        config = saved.get("config", {})
        wanted = {"batch_size": 1, "seed": 0} | row.overrides
        if saved.get("preset") == row.preset and all(config.get(k) == v for k, v in wanted.items()):
            return run
    return None


def train_row(row: Row, verbs: VerbFile, name: str) -> Run:
    """The row's finished run: trained now, resumed, or found."""
    run = find_run(row)
    if run is not None and run.state == "finished":
        return run
    if run is not None and run.state in ("running", "queued"):
        raise SystemExit(f"Run {run.id} of {row.name} is being trained by another process: measure it later.")
    task, run = reopen(run.id) if run else prepare("tense", row.preset, row.overrides, (name, verbs.verbs))
    print(f"training {row.name}: run {run.id}", file=sys.stderr, flush=True)
    if fit(task, run, stopped=lambda: False) != "finished":
        raise SystemExit(f"Run {run.id} did not finish.")
    return run


def measure(row: Row, run: Run, unseen: list) -> dict:
    """The course's scores, on samples of seeds that training did not use, and what the report does not print."""
    model = load(run.id)
    sets = [metrics.gaussian_scores(model, model.verbs, 100, seed) for seed in SEEDS]
    gaussian, history = [scores["gaussian"] for scores in sets], run.read_metrics()
    return {
        "name": row.name, "report": row.report, "claimed_bleu4": row.bleu4, "claimed_gaussian": row.gaussian,
        "bleu4": metrics.bleu4_of_pairs(model), "gaussian": statistics.mean(gaussian),
        "gaussian_range": [min(gaussian), max(gaussian)],
        "distinct": statistics.mean(scores["distinct"] for scores in sets),
        "unseen": metrics.accuracy(model, unseen)["accuracy"],
        "kl": history[-1]["kl"], "minutes": sum(r["seconds"] for r in history) / 60,
        "batch_size": run.read_config()["config"]["batch_size"], "run": run.id,
    }  # fmt: skip


def unseen_by(verbs: VerbFile) -> list[data.Verb]:
    """Test verbs of the dictionary of which no form is in the course's list."""
    known = {form for verb in verbs.verbs for spellings in verb.forms for form in spellings}
    test_verbs = data.select_split(load_lexicon().verbs, "test")
    return [verb for verb in test_verbs if not known & {form for forms in verb.forms for form in forms}]


def measure_rows(verbs: VerbFile, only: list[str] | None, before: list[dict]) -> dict:
    """Train, measure and ship the rows named, or all; what is written to assets/reports.json."""
    unseen, measured = unseen_by(verbs), {row["name"]: row for row in before}
    for row in ROWS:
        if only is None or row.name in only:
            run = train_row(row, verbs, "file train.txt")
            measured[row.name] = measure(row, run, unseen)
            ship(row, run)
    return {
        "machine": machine(), "unseen_verbs": len(unseen),
        "rows": [measured[row.name] for row in ROWS if row.name in measured], "findings": findings(measured),
    }  # fmt: skip


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
        results = measure_rows(read_verbs(args.data, as_is=True), args.only, results["rows"])
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(reports_table(results))
    for finding in results.get("findings", []):
        print(f"\n{finding['statement']}: {finding['holds']} of {finding['of']} comparisons agree")
        print("\n".join(f"  {text}" for text in finding["results"]))
    return results["rows"]


if __name__ == "__main__":
    main()
