"""`train`: train a model of any system, or resume a run."""

import argparse
import math
import os
import sys
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from cvae_core.cli import options
from cvae_core.errors import UserError
from cvae_core.systems import SYSTEMS, cli


def add_command(commands) -> argparse.ArgumentParser:
    """Add `train` to the commands."""
    train = commands.add_parser("train", help="train a model", argument_default=argparse.SUPPRESS)
    train.add_argument("system", choices=SYSTEMS)
    train.add_argument("--preset", type=options.name, help="named configuration, whose fields the flags below change")
    train.add_argument("--data", help="; ".join(f"{system}: {cli(system).DATA}" for system in SYSTEMS))
    train.add_argument("--as-is", action="store_true", help="tense: do not repair rows of --data that cannot be right")
    train.add_argument("--device", choices=("auto", "cpu", "cuda"))
    train.add_argument("--threads", type=int, help="CPU threads (default 1)")
    train.add_argument("--out", help="name of the checkpoint in checkpoints/ for the kept weights")
    train.add_argument("--pack", choices=("float16", "int8"), help="compress that checkpoint")
    train.add_argument("--resume", metavar="RUN", help="resume a stopped or interrupted run, by id or path")
    train.add_argument("--init", metavar="CHECKPOINT", help="start from its weights")
    train.add_argument(
        "--repeats", type=options.whole, help="runs with different seeds (default 1); --out keeps the best"
    )
    train.set_defaults(run=run_train)
    return train


def run_train(args: argparse.Namespace) -> None:
    """Train a new run or resume one, in one process or in those that torchrun started."""
    from cvae_core import checkpoint

    given = vars(args)
    out = given.get("out")
    if out is not None and not checkpoint.NAME.fullmatch(out):
        raise UserError(f"{out!r} cannot name a checkpoint: use letters, digits, dot, dash and underscore.")
    options.set_threads(given.get("threads", 1))
    from cvae_core import parallel
    from cvae_core.device import pick_device

    overrides = options.overrides(given, given["system"])
    if "resume" in given and (overrides or given.keys() & {"preset", "data", "as_is", "init", "repeats"}):
        raise UserError("--resume uses the run's own config and data: leave out other settings.")
    with parallel.joined(pick_device(given.get("device", "auto"))):
        _train(given, overrides, out)


def _train(given: dict[str, Any], overrides: dict[str, Any], out: str | None) -> None:
    from cvae_core import checkpoint, parallel, session

    system, device, finished = given["system"], given.get("device"), []
    if "resume" in given:
        named = given["resume"]
        starts = [lambda: session.reopen(Path(named) if os.sep in named else named, device, system)]
    else:
        entries, preset = options.data_entries(system, given), given.get("preset")
        starts = [
            partial(session.prepare, system, preset, repeat, entries, device or "auto", given.get("init"))
            for repeat in session.repeats(system, preset, overrides, given.get("repeats", 1))
        ]
    first = parallel.rank() == 0  # only the first process prints
    for start in starts:
        task, run = start()
        if not _fit(task, run, given, first):
            return
        finished.append(run)
    if not first:
        return
    rows = [run.read_metrics()[-1] for run in finished]
    if len(rows) > 1:
        print(_mean_and_spread(rows))
    if out:
        _, best = max(zip(rows, finished, strict=True), key=lambda pair: _kept_score(pair[0]))
        checkpoint.copy(best.weights, checkpoint.CHECKPOINTS / f"{out}.safetensors", given.get("pack", ""))
        print(f"Saved as checkpoint {out}" + (f" the weights of run {best.id}" if len(rows) > 1 else ""))


def _fit(task, run, given: dict[str, Any], first: bool) -> bool:
    """Train a run with a progress bar; whether it has finished, with how to resume it if not."""
    from cvae_core.training import fit

    echo = print if first else lambda *args, **kwargs: None
    echo(f"Run {run.id}: {task.description} on {task.device}", flush=True)
    batches = task.steps_per_epoch() * task.config.epochs
    with options.stop_signals() as stopped, options.progress(batches, "batches", first) as bar:
        ended = fit(task, run, stopped, lambda event: _show(event, bar, first))
    if ended == "stopped":
        flags = [f" --{name} {given[name]}" for name in ("device", "threads", "out", "pack") if name in given]
        resume = f"python -m cvae_core train {given['system']} --resume {run.id}{''.join(flags)}"
        echo(f"Stopped and saved. To resume: {resume}")
        return False
    echo(f"Finished: run {run.id}")
    return True


def _kept_score(row: dict[str, float]) -> float:
    """The score of the weights that a run has kept, from its last row: with `keep = best` that of an earlier epoch."""
    return row.get("best_score", row.get("score", -math.inf))


def _mean_and_spread(rows: list[dict[str, float]]) -> str:
    """Mean and standard deviation of what the last epochs of several runs logged."""
    names = [name for name in rows[0] if name not in ("epoch", "step") and all(name in row for row in rows)]
    values = {name: [row[name] for row in rows] for name in names}
    return f"{len(rows)} runs:  " + "  ".join(f"{n} {mean(v):.4g} ± {stdev(v):.2g}" for n, v in values.items())


def _show(event: dict[str, Any], bar, first: bool) -> None:
    """Update the progress bar after a batch, print a line of scores after an epoch."""
    from cvae_core.run import as_line

    if event["kind"] == "batch":
        done = event["epoch"] * event["batches"] + event["batch"]
        if not bar.n:
            bar.initial = bar.n = done - 1  # batches before a resumed training do not count for the speed
        bar.update(done - bar.n)
        bar.set_postfix_str(f"loss {event['loss']:.3f}", refresh=False)
    elif first:
        bar.write(as_line(event["row"]), file=sys.stdout)
        sys.stdout.flush()
