"""`sweep`: train every point of a grid or of a search, in any number of worker processes."""

import argparse
import os
import subprocess
import sys
import time

from cvae_core.cli import options
from cvae_core.errors import UserError
from cvae_core.systems import SYSTEMS, family

MAX_TRIALS = 100_000  # of a search


def add_command(commands) -> argparse.ArgumentParser:
    """Add `sweep` to the commands."""
    text = "train every point of a grid or of a search"
    sweep = commands.add_parser("sweep", help=text, argument_default=argparse.SUPPRESS)
    add = sweep.add_argument
    add("system", choices=SYSTEMS)
    add("--study", type=options.name, required=True, help="its name; without grid and search, an existing study")
    add("--storage", help="database URL, such as postgresql://… (runs/sweeps.db)")
    add("--grid", nargs="+", metavar="FIELD=V,V", help="values of config fields; all combinations run")
    add("--search", nargs="+", metavar="FIELD=LOW:HIGH[:log]", help="ranges or values of fields; Optuna picks points")
    add("--trials", type=options.whole, help="number of points of a search")
    add("--workers", type=options.whole, help="processes on this machine (default 1)")
    add("--repeats", type=options.whole, help="runs of each point, with different seeds; their mean counts (default 1)")
    add("--metric", help="what a point is judged by after its last epoch, more is better (score)")
    add("--preset", type=options.name, help="named configuration that the points change")
    add("--data", help="as in train; the built-in data when not given")
    add("--as-is", action="store_true", help="as in train")
    add("--device", choices=("auto", "cpu", "cuda"))
    add("--json", action="store_true", help="print the results as JSON")
    add("--worker", action="store_true", help=argparse.SUPPRESS)
    sweep.set_defaults(run=run_sweep)
    return sweep


def run_sweep(args: argparse.Namespace) -> int:
    """Run the trials of a new or an existing study, and print its table; 1 if the database or a worker was lost."""
    from cvae_core import runs, sweep

    given = vars(args)
    workers = options.in_range("workers", given.get("workers", 1), 1, 256)
    storage = given["storage"] if "storage" in given else sweep.default_storage()
    with sweep.database_errors():
        study = _open_study(given, storage)
        if "worker" in given:
            _work(study)
            return 0
    rows, lost = _run_workers(study, storage, workers)
    options.print_json(rows) if given.get("json") else print(sweep.as_text(rows))
    print(f"The runs are in {runs.RUNS}; the Curves page draws them and the study.", file=sys.stderr)
    if lost:
        done = ", ".join(str(row["trial"]) for row in rows if row["state"] == "complete") or "none yet"
        print(
            f"{lost} Complete and safe: trials {done}. Those in progress go on from their last save when the study is "
            f"worked on again: python -m cvae_core sweep {given['system']} --study {given['study']}",
            file=sys.stderr,
        )
    return 1 if lost else 0


def _open_study(given: dict, storage: str):
    """A new study if grid or search is given, else an existing one. Raises UserError for flags that do not fit."""
    from cvae_core import sweep
    from cvae_core.session import MAX_REPEATS

    system = given["system"]
    database = sweep.open_storage(storage)
    overrides = options.overrides(given, system)
    grid, search = given.get("grid", []), given.get("search", [])
    if not grid and not search:
        if overrides or given.keys() & {"preset", "data", "as_is", "device", "metric", "trials", "repeats"}:
            raise UserError("An existing study keeps its settings: leave out other settings, or give --grid.")
        return sweep.load(given["study"], database)
    if grid and search:
        raise UserError("Give --grid or --search, not both: a search takes values, too (--search kl_max=0.1,0.3).")
    if search and "trials" not in given:
        raise UserError("A search needs --trials: the number of points.")
    if grid and "trials" in given:
        raise UserError("A grid runs all its points: leave out --trials.")
    parse = sweep.parse_grid if grid else sweep.parse_search
    space = dict(parse(text, family(system).Config) for text in grid or search)
    setup = {
        "system": system, "study": given["study"], "preset": given.get("preset"), "overrides": overrides,
        "data": options.data_entries(system, given), "device": given.get("device", "auto"),
        "metric": given.get("metric", "score"),
        "repeats": options.in_range("repeats", given.get("repeats", 1), 1, MAX_REPEATS),
    }  # fmt: skip
    trials = options.in_range("trials", given["trials"], 1, MAX_TRIALS) if search else None
    return sweep.create(given["study"], database, setup, space, trials)


def _work(study) -> None:
    """Run trials until none is left; the first Ctrl+C or SIGTERM stops within a batch, as does a lost database."""
    import threading

    import torch

    from cvae_core import sweep
    from cvae_core.session import train_point

    torch.set_num_threads(1)
    setup, lost = study.user_attrs["setup"], threading.Event()
    threading.excepthook = lambda _: lost.set()  # the thread of the heartbeat: another worker may take the trial now
    with options.stop_signals() as signalled:

        def stopped() -> bool:
            return signalled() or lost.is_set()

        sweep.work(study, lambda values, begun, started: train_point(setup, values, begun, started, stopped), stopped)


def _run_workers(study, storage: str, workers: int) -> tuple[list[dict], str]:
    """Start worker processes and show the progress of the study, including workers on other machines.

    -> the study's table as last seen, and what was lost: a sentence, empty if nothing was.
    """
    from cvae_core import sweep

    command = [sys.executable, "-m", "cvae_core", "sweep", study.user_attrs["setup"]["system"]]
    command += ["--study", study.study_name, "--worker"]
    environment = os.environ | {"CVAE_STUDIES": storage}  # not an argument: those are in the list of processes
    # In sessions of their own Ctrl+C does not reach them: they get one signal, from here; a second one would kill them.
    running = [subprocess.Popen(command, env=environment, start_new_session=True) for _ in range(workers)]
    rows, lost, terminated = [], "", False
    with options.stop_signals() as stopped, options.progress(len(sweep.points(study)), "trials") as bar:
        while True:
            ended = all(process.poll() is not None for process in running)
            try:
                with sweep.database_errors():
                    rows, lost = sweep.table(study), ""
                bar.update(sum(row["state"] in ("complete", "fail") for row in rows) - bar.n)
            except UserError as error:
                lost = str(error)
            if ended:
                break
            if stopped() and not terminated:
                terminated = True
                for process in running:
                    process.terminate()
            time.sleep(0.5)
    failed = sum(process.returncode != 0 for process in running)
    return rows, lost or (f"{failed} of {workers} workers failed." if failed and not stopped() else "")
