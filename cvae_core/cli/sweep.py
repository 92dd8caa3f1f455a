"""`sweep`: train every point of a grid or of a search, in any number of worker processes."""

import argparse
import subprocess
import sys
import time

from cvae_core.cli import options
from cvae_core.errors import UserError
from cvae_core.systems import SYSTEMS


def add_command(commands) -> argparse.ArgumentParser:
    """Add `sweep`."""
    sweep = commands.add_parser(
        "sweep", help="train every point of a grid or of a search", argument_default=argparse.SUPPRESS
    )
    sweep.add_argument("system", choices=SYSTEMS)
    sweep.add_argument(
        "--study", type=options.name, required=True, help="its name; alone, to go on with one that exists"
    )
    sweep.add_argument("--storage", help="database URL, such as postgresql://…; runs/sweeps.db when not given")
    sweep.add_argument("--grid", nargs="+", metavar="FIELD=V,V", help="values of config fields; all combinations run")
    sweep.add_argument(
        "--search", nargs="+", metavar="FIELD=LOW:HIGH[:log]", help="ranges or values of fields; Optuna picks points"
    )
    sweep.add_argument("--trials", type=options.whole, help="how many points of a search")
    sweep.add_argument("--workers", type=options.whole, help="processes on this machine (default 1)")
    sweep.add_argument("--metric", help="what a point is judged by after its last epoch, more is better (score)")
    sweep.add_argument("--preset", type=options.name, help="named configuration that the points change")
    sweep.add_argument("--data", help="as in train; the built-in data when not given")
    sweep.add_argument("--device", choices=("auto", "cpu", "cuda"))
    sweep.add_argument("--json", action="store_true", help="print the results as JSON")
    sweep.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)  # be a worker
    sweep.set_defaults(run=run_sweep)
    return sweep


def run_sweep(args: argparse.Namespace) -> None:
    """Work on a new study or on one that exists, and print its table."""
    from cvae_core import runs, sweep

    given = vars(args)
    workers = options.in_range("workers", given.get("workers", 1), 1, 256)
    storage = given["storage"] if "storage" in given else sweep.default_storage()
    study = _open_study(given, storage)
    if "worker" in given:
        return _work(study)
    _watch_workers(study, storage, workers)
    done = sweep.table(study)
    options.print_json(done) if given.get("json") else print(sweep.as_text(done))
    return print(f"The runs are in {runs.RUNS}; the Curves page draws them and the study.", file=sys.stderr)


def _open_study(given: dict, storage: str):
    """The study to work on; grid or search begin a new one."""
    from cvae_core import sweep
    from cvae_core.systems import family

    system = given["system"]
    config = family(system).Config
    database = sweep.open_storage(storage)
    overrides = options.overrides(given, system)
    grid, search = given.get("grid"), given.get("search")
    if not grid and not search:
        if overrides or given.keys() & {"preset", "data", "device", "metric", "trials"}:
            raise UserError("A study that exists goes on as it began: leave out other settings, or give --grid.")
        return sweep.load(given["study"], database)
    if grid and search:
        raise UserError("Give --grid or --search, not both: a search takes values, too (--search kl_max=0.1,0.3).")
    if search and "trials" not in given:
        raise UserError("A search needs --trials: how many points to try.")
    if grid and "trials" in given:
        raise UserError("A grid runs all its points: leave out --trials.")
    parse = sweep.parse_grid if grid else sweep.parse_search
    space = dict(parse(text, config) for text in grid or search)
    setup = {
        "system": system, "study": given["study"], "preset": given.get("preset"), "overrides": overrides,
        "data": options.data_entries(system, given.get("data")), "device": given.get("device", "auto"),
        "metric": given.get("metric", "score"),
    }  # fmt: skip
    return sweep.create(given["study"], database, setup, space, given.get("trials") if search else None)


def _work(study) -> None:
    """Be a worker until nothing is left to do; the first Ctrl+C or SIGTERM stops within a batch."""
    import torch

    from cvae_core import sweep
    from cvae_core.session import train_point

    torch.set_num_threads(1)
    setup = study.user_attrs["setup"]
    with options.stop_signals() as stopped:
        sweep.work(study, lambda values, run, started: train_point(setup, values, run, started, stopped), stopped)


def _watch_workers(study, storage: str, workers: int) -> None:
    """Worker processes on one study, and how far they all are, here and elsewhere."""
    from cvae_core import sweep

    command = [sys.executable, "-m", "cvae_core", "sweep", study.user_attrs["setup"]["system"]]
    command += ["--study", study.study_name, "--storage", storage, "--worker"]
    running = [subprocess.Popen(command) for _ in range(workers)]
    points = sweep.points(study)
    with (
        options.stop_signals() as stopped,
        options.progress(len(points), "trials", initial=sum(t.state.is_finished() for t in points)) as bar,
    ):
        while any(process.poll() is None for process in running):
            bar.update(sum(t.state.is_finished() for t in sweep.points(study)) - bar.n)
            if stopped():
                for process in running:
                    process.terminate()
            time.sleep(0.5)
        bar.update(sum(t.state.is_finished() for t in sweep.points(study)) - bar.n)
