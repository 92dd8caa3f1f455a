"""One study with one, two and four workers, one of them killed: nothing is lost, and how much faster it gets.

    python -m benchmarks.sweeps
    python -m benchmarks.sweeps --storage postgresql://user:password@host/name    # any database that Optuna takes

Eight small trainings a study (the dictionary's first 300 verbs, six epochs). With two workers and more, the first is
killed with SIGKILL after twelve seconds; its trial is resumed from its last save when its heartbeat is missing.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from benchmarks import machine
from cvae_core import sweep
from cvae_core.run import Run
from cvae_core.tense.lexicon import load_lexicon

POINTS = 8
SETTINGS = ["--epochs", "6", "--hidden-size", "128", "--batch-size", "128", "--train-on", "all"]
SECONDS_BEFORE_THE_KILL = 12


def measure(workers: int, kill: bool, storage: str, folder: Path) -> tuple[float, list[dict]]:
    """Seconds until all points are trained, and the study's table."""
    name = f"benchmark-{uuid.uuid4().hex[:8]}"
    environment = os.environ | {"CVAE_RUNS": str(folder)}

    def worker(*arguments: str) -> subprocess.Popen:
        line = [sys.executable, "-m", "cvae_core", "sweep", "tense", "--study", name, "--storage", storage, "--worker"]
        return subprocess.Popen([*line, *arguments], env=environment)

    verbs = folder / "verbs.txt"
    verbs.write_text("\n".join(" ".join(verb.row) for verb in load_lexicon().verbs[:300]))
    began = time.perf_counter()
    values = ",".join(str(0.1 * (i + 1)) for i in range(POINTS))
    running = [worker("--grid", f"kl_max={values}", "--data", str(verbs), *SETTINGS)]
    database = sweep.open_storage(storage)
    while name not in sweep.study_names(database):
        if running[0].poll() is not None:
            raise RuntimeError("The first worker ended before it had created the study.")
        time.sleep(0.2)
    running += [worker() for _ in range(workers - 1)]
    if kill:
        time.sleep(SECONDS_BEFORE_THE_KILL)
        running[0].kill()
    for process in running:
        process.wait()
    return time.perf_counter() - began, sweep.table(sweep.load(name, database))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps")
    parser.add_argument("--storage", help="database URL; SQLite in a temporary folder when not given")
    args = parser.parse_args(argv)
    print(machine())
    for workers, kill in ((1, False), (2, False), (2, True), (4, True)):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            storage = args.storage or f"sqlite:///{folder / 'studies.db'}"
            seconds, rows = measure(workers, kill, storage, folder)
            done = sum(row["state"] == "complete" for row in rows)
            resumed = sum("resumed" in Run(folder / row["run"]).read_log(10_000) for row in rows)
            print(
                f"{workers} workers{', one killed' if kill else ''}: {done} of {POINTS} points in {seconds:.0f} s, "
                f"{60 * done / seconds:.1f} a minute, {resumed} resumed after the kill", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
