"""Load: latency and memory under simulated users, who speak the browser's protocol (websocket) to a real server.

    python -m benchmarks.load

Each user opens the page Convert and converts a verb to its past every 10 ± 5 s, while the server trains one model
(preset best). An answer is lost if it is not the model's. Then: memory over 500 visits of pages and 10,000
conversions, and the processor's time after everybody has left. Linux only (it reads /proc).
"""

import argparse
import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Coroutine
from pathlib import Path

from benchmarks import machine
from scripts.users import HEADER, crowd, expected, many_conversions, many_visits, memory, server, training

USERS = (10, 25, 50, 100, 200)
SECONDS = 60  # for which each number of users is measured
WARMING = 320  # visits before memory is measured: Streamlit keeps 128 sessions that left for a while


async def peak(pid: int, work: Coroutine) -> float:
    """A process's peak memory during the work, MiB: at a single moment garbage may wait to be collected."""
    task, highest = asyncio.ensure_future(work), 0.0
    while not task.done():
        await asyncio.wait([task], timeout=0.5)
        highest = max(highest, memory(pid))
    await task
    return highest


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy(pid: int, seconds: float) -> float:
    """The share of one core that a process takes."""
    before = processor_seconds(pid)
    time.sleep(seconds)
    return (processor_seconds(pid) - before) / seconds


async def measure(users: tuple[int, ...], seconds: float, conversions: int, visits: int) -> None:
    answers = expected()
    if users:
        await _crowds(answers, users, seconds)
    with server() as (pid, url):
        await many_conversions(url, max(conversions // 10, 8), answers)
        await many_visits(url, WARMING)
        before = await peak(pid, many_visits(url, 100))
        between = await peak(pid, many_visits(url, visits))
        after = await peak(pid, many_conversions(url, conversions, answers))
        print(f"\nMemory at most: {before:.0f} MiB, in {visits} visits {between:.0f} ({between / before - 1:+.1%})")
        print(f"in {conversions:,} conversions {after:.0f} ({after / before - 1:+.1%})")
        print(f"Processor after all users have left: {busy(pid, 10):.1%} of a core")


async def _crowds(answers: dict[str, str], users: tuple[int, ...], seconds: float) -> None:
    with server() as (_, url):
        await many_conversions(url, 40, answers)
        for beside in (False, True):
            print(f"\n{'Beside one training' if beside else 'Nothing else running'}\n{HEADER}", flush=True)
            async with training(url) if beside else contextlib.nullcontext():
                for n in users:
                    outcome = await crowd(url, n, seconds, answers)
                    print(outcome, *outcome.lost[:1], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="*", default=USERS, help="none: memory alone")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--conversions", type=int, default=10_000)
    parser.add_argument("--visits", type=int, default=500)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: exit(1))
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # as the Makefile and the Dockerfile have it
    print(machine())
    asyncio.run(measure(tuple(args.users), args.seconds, args.conversions, args.visits))


if __name__ == "__main__":
    main()
