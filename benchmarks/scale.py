"""How cost grows with the lexicon, the model's width, the batch, the processes and the users.

    python -m benchmarks.scale                  # everything: benchmarks/RESULTS.md and its plots
    python -m benchmarks.scale --only width     # one part of it again

Linux only; about twenty minutes on two cores, with nothing else running.
"""

import argparse
import asyncio
import datetime
import importlib.metadata
import itertools
import multiprocessing
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import convert_speed, machine, sweeps
from cvae_core import runs
from cvae_core.optim import make_optimizer
from cvae_core.schedules import constant
from cvae_core.step import Step, generator_at
from cvae_core.tense.data import Verb
from cvae_core.tense.inference import load as load_tense
from cvae_core.tense.invent import invent, regular_verbs
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.presets import preset
from cvae_core.tense.task import TenseTask
from scripts import users
from scripts.growth import Part, section, write

SMALL = {"hidden_size": 64, "state_width": 128, "train_on": "all", "precision": "float32"}
STEPS = 20  # of training that a time is taken of
VERSIONS = ("numpy", "streamlit", "optuna")  # torch is the machine's


# --- training -------------------------------------------------------------------------------------------------------


def step_seconds(task: TenseTask) -> float:
    """Median time of an update, its batch included, after two that warm up."""
    optimizer, taken = make_optimizer(task.model, task.config), []
    epochs = (Step(epoch, 1.0, 1.0, generator_at(0, epoch, -1)) for epoch in itertools.count())
    batches = itertools.chain.from_iterable(map(task.batches, epochs))
    for index in range(STEPS + 2):
        began = time.perf_counter()
        task.loss(next(batches), Step(0, 0.1, 1.0, generator_at(0, 0, index)))["loss"].backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[2:])


def invented_verbs(count: int) -> list[Verb]:
    """The lexicon's first verbs, and then invented ones."""
    verbs = load_lexicon().verbs
    rows = invent(verbs, regular_verbs(verbs), max(count - len(verbs), 0), torch.Generator().manual_seed(0))
    return [*verbs[:count], *(Verb(tuple((word,) for word in row)) for row in rows)]


def _in_own_process(work: Callable, *args):
    """Run `work` in a separate process, so that its peak memory can be measured."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, args)


def one_lexicon(count: int, prior_share: float) -> tuple[float, float, float, float]:
    """Seconds to set up, milliseconds of an update, seconds of an epoch, and peak memory in MiB."""
    torch.set_num_threads(1)
    verbs = invented_verbs(count)
    began = time.perf_counter()
    config = replace(preset("best"), **SMALL, prior_share=constant(prior_share))
    task = TenseTask(config, verbs)
    setup = time.perf_counter() - began
    if prior_share:
        task.matcher.mu.normal_()
    began = time.perf_counter()
    next(task.batches(Step(0, 1.0, 1.0, generator_at(0, 0, -1))))
    shuffle = time.perf_counter() - began
    step = step_seconds(task)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return setup, 1000 * step, shuffle + task.steps_per_epoch() * step, peak


def training_by_lexicon(counts: Sequence[int] = (1_000, 6_000, 100_000, 1_000_000)) -> Part:
    rows = []
    for count in counts:
        setup, plain_ms, plain, _ = _in_own_process(one_lexicon, count, 0.0)
        _, matched_ms, matched, peak = _in_own_process(one_lexicon, count, 1.0)
        rows.append((count, setup, plain_ms, plain, matched_ms, matched, peak))
    return Part(
        "Training against the lexicon's size",
        "Preset `best` at width 64 on one thread, with invented verbs beyond the dictionary's. An epoch is its shuffle "
        f"and as many updates as it has, each taken as the median of {STEPS}. The cost of an update does not depend on "
        "the lexicon's size, so an epoch grows linearly; only prior matching compares each of its samples with every "
        "verb, and grows with the square.",
        ("verbs", "set up, s", "update, ms", "epoch, s", "update with prior matching, ms",
         "epoch with prior matching, s", "peak memory, MiB"),
        rows, ("epoch, s", "epoch with prior matching, s", "peak memory, MiB"),
    )  # fmt: skip


def training_by_width(widths: Sequence[int] = (32, 64, 128, 256, 512)) -> Part:
    torch.set_num_threads(1)
    verbs, rows = load_lexicon().verbs, []
    for width in widths:
        config = replace(
            preset("best"), **SMALL | {"hidden_size": width, "state_width": 2 * width}, prior_share=constant(0.0)
        )
        task = TenseTask(config, verbs)
        seconds = step_seconds(task)
        weights = sum(p.numel() for p in task.model.parameters())
        rows.append((width, weights, 1000 * seconds, config.batch_size / seconds))
    return Part(
        "Training against the model's width",
        "The same on the dictionary, one thread, without prior matching, the layers from z twice as wide as the LSTMs. "
        "Weights grow with the square; small models are bound by the number of operations, not by their size.",
        ("width", "weights", "update, ms", "words/s"), rows, ("weights", "update, ms"),
    )  # fmt: skip


def ddp_rate(processes: int, folder: Path) -> float:
    """Words a second in the last of three epochs, with one thread a process."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "cvae_core", "train", "tense", "--epochs", "3", "--device", "cpu", "--data", folder / "verbs.txt"]
    command += ["--invented", "0.35", "--train-on", "all", "--batch-size", "256"]
    home = folder / str(processes)
    environment = os.environ | {"CVAE_RUNS": str(home), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (run,) = runs.list_runs(home)
    return run.read_metrics()[-1]["words_per_second"]


def training_by_processes(counts: Sequence[int] = (1, 2)) -> Part:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        verbs = load_lexicon().verbs[:1000]
        (folder / "verbs.txt").write_text("\n".join(" ".join(verb.row) for verb in verbs))
        rates = {n: ddp_rate(n, folder) for n in counts}
    rows = [(n, rate, rate / rates[counts[0]]) for n, rate in rates.items()]
    return Part(
        "Training against processes (DDP)",
        "Preset `best` at its own width on 1,000 verbs under `torchrun`, gloo, one thread a process, joint batches of "
        "256. Each process computes its share of a batch; what keeps two from twice the rate is what all of them do "
        "for themselves (drawing the batch, the update) and the exchange of gradients.",
        ("processes", "words/s", "speed-up"), rows, ("words/s",),
    )  # fmt: skip


# --- conversion -----------------------------------------------------------------------------------------------------


def conversion_by_batch(sizes: Sequence[int] = (1, 4, 16, 64, 256, 1024)) -> Part:
    torch.set_num_threads(1)
    model, rows = load_tense("tense"), []
    jobs = convert_speed.tasks(4 * sizes[-1])
    for size in sizes:
        parts = [tuple(zip(*jobs[i : i + size], strict=True)) for i in range(0, min(len(jobs), 100 * size), size)]
        model.convert(*parts[0])
        taken = [convert_speed.seconds(lambda part=part: model.convert(*part)) for part in parts]
        rows.append((size, 1000 * statistics.median(taken), size / statistics.median(taken)))
    return Part(
        "Conversion against the batch's size",
        "`Inflector.convert` with the shipped model on one thread. In small batches the overhead of each operation "
        "dominates; from a few hundred words on, arithmetic does.",
        ("words at once", "milliseconds", "words/s"), rows, ("milliseconds", "words/s"),
    )  # fmt: skip


def _convert_in_process(ready, count: int) -> float:
    torch.set_num_threads(1)
    model, jobs = load_tense("tense"), convert_speed.tasks(count)
    model.convert(*zip(*jobs[:100], strict=True))
    ready.wait()
    return convert_speed.seconds(lambda: model.convert(*zip(*jobs, strict=True)))


def conversion_by_processes(counts: Sequence[int] = (1, 2, 4), words: int = 4096) -> Part:
    rows, context = [], multiprocessing.get_context("spawn")
    for processes in counts:
        with context.Manager() as manager, context.Pool(processes) as pool:
            work = [(manager.Barrier(processes), words)] * processes
            slowest = max(pool.starmap(_convert_in_process, work, chunksize=1))
            rows.append((processes, processes * words / slowest))
    return Part(
        "Conversion against processes",
        f"Each converts {words:,} words on one thread, all at the same time: all words by the slowest's time. More "
        f"processes than cores ({os.cpu_count()} here) bring nothing.",
        ("processes", "words/s"), rows, ("words/s",),
    )  # fmt: skip


# --- many at once ---------------------------------------------------------------------------------------------------


def sweep_by_workers(counts: Sequence[int] = (1, 2, 4)) -> Part:
    rows = []
    for workers in counts:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            seconds, points = sweeps.measure(workers, False, f"sqlite:///{folder / 'studies.db'}", folder)
            done = sum(point["state"] == "complete" for point in points)
            rows.append((workers, done, seconds, 60 * done / seconds))
    return Part(
        "Sweep throughput against workers",
        f"{sweeps.POINTS} small trainings of one study on SQLite (`benchmarks.sweeps`), start of the workers included. "
        "A worker trains on one core.",
        ("workers", "trainings", "seconds", "trainings a minute"), rows, ("trainings a minute",),
    )  # fmt: skip


def latency_by_users(counts: Sequence[int] = (10, 25, 50, 100), seconds: float = 60) -> Part:
    answers, rows = users.expected(), []

    async def measure(url: str) -> None:
        await users.many_conversions(url, 40, answers)
        async with users.training(url):
            for count in counts:
                outcome = await users.crowd(url, count, seconds, answers)
                times = (outcome.quantile(50), outcome.quantile(95), max(outcome.seconds))
                rows.append((count, outcome.asked, len(outcome.lost), *times))

    with users.server() as (_, url):
        asyncio.run(measure(url))
    return Part(
        "Concurrent users of the app",
        "Each opens Convert and converts a verb every 10 ± 5 s, over the browser's own protocol, while the server runs "
        f"one training (`benchmarks.load`, {seconds:.0f} s each).",
        ("users", "answers", "lost", "median, s", "p95, s", "slowest, s"), rows, ("p95, s",),
    )  # fmt: skip


PARTS = {
    "lexicon": training_by_lexicon, "width": training_by_width, "ddp": training_by_processes,
    "batch": conversion_by_batch, "processes": conversion_by_processes, "sweep": sweep_by_workers,
    "users": latency_by_users,
}  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts")
    parser.add_argument("--sizes", nargs="+", type=int, help="with --only: sizes instead of that part's defaults")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of RESULTS.md and its plots")
    args = parser.parse_args(argv)
    if args.sizes and len(args.only) > 1:
        parser.error("--sizes goes with one part.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers and workers are stopped with it
    for name in args.only:
        part = PARTS[name](*([args.sizes] if args.sizes else []))
        print(section(part), flush=True)
        versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in VERSIONS)
        head = f"`make bench` wrote this, last on {datetime.date.today()}: {machine()}; {versions}."
        write(part, name, args.out, head)


if __name__ == "__main__":
    main()
