"""Many people at once: visitors who speak the browser's protocol (websocket) to a real server.

    python -m benchmarks.load

Each visitor opens the page Convert and asks for a verb's past every 10 ± 5 s, while the server trains one model
(preset best). An answer is lost if it is not the model's. Then: memory over 500 visits of pages and 10,000
conversions, and the processor's time after everybody has left. Linux only (it reads /proc).
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import NamedTuple

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks import machine
from cvae_core.tense.data import TENSES, select_split
from cvae_core.tense.inference import load
from cvae_core.tense.lexicon import load_lexicon
from tests.browser.conftest import start_server, stop_server

PEOPLE = (10, 25, 50, 100, 200)
SECONDS = 60  # each number of people is watched for
THINK = (5.0, 15.0)  # seconds between two questions of a visitor
PATIENCE = 60.0  # seconds after which an answer is lost
PAGES = ("", "convert", "latent", "digits", "video", "curves", "train", "theory")
VERBS = 300
WARMING = 320  # visits before memory is looked at: Streamlit keeps 128 sessions that left for a while


class Lost(Exception):
    """An answer that did not come, or not the right one."""


class Visitor:
    """One browser tab: what it sends, and the elements that its page shows."""

    def __init__(self, socket: websockets.ClientConnection):
        self.socket = socket
        self.page = ""
        self.elements: list[Element] = []

    async def run(self, page: str | None = None, values: dict[str, str] | None = None, click: str = "") -> None:
        """Have the script run on a page, or on the same with texts in fields or a button pressed, to its end."""
        message = BackMsg()
        state = message.rerun_script
        if page is None:
            state.page_script_hash = self.page
        else:
            state.page_name = page
        for label, value in (values or {}).items():
            state.widget_states.widgets.add(id=self.widget(label), string_value=value)
        if click:
            state.widget_states.widgets.add(id=self.widget(click), trigger_value=True)
        await self.socket.send(message.SerializeToString())
        self.elements = []
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = ForwardMsg.FromString(await self.socket.recv())
                kind = answer.WhichOneof("type")
                if kind == "navigation":
                    self.page = answer.navigation.page_script_hash
                elif kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                    self.elements.append(answer.delta.new_element)
                # A switch of pages ends one script early and begins the next.
                elif kind == "script_finished" and answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    break
        if any(element.WhichOneof("type") == "exception" for element in self.elements):
            raise Lost(f"an exception on {page or 'a page'}")

    def widget(self, label: str) -> str:
        """The id of the widget with a label."""
        for element in self.elements:
            widget = getattr(element, element.WhichOneof("type"))
            if getattr(widget, "label", None) == label:
                return widget.id
        raise Lost(f"there is no {label}")

    async def convert(self, verb: str, past: str) -> float:
        """Ask for a verb's past and check the answer: seconds until the page was whole."""
        began = time.perf_counter()
        await self.run(values={"Verb": verb})
        shown = [e.metric.body for e in self.elements if e.WhichOneof("type") == "metric"]
        if past not in shown:
            raise Lost(f"{verb}: {shown}, not {past}")
        return time.perf_counter() - began


@contextlib.asynccontextmanager
async def visitor(url: str):
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    # A browser sends no pings.
    options = {"subprotocols": ["streamlit"], "max_size": None, "open_timeout": PATIENCE, "ping_interval": None}
    async with websockets.connect(address, **options) as socket:
        yield Visitor(socket)


class Outcome(NamedTuple):
    people: int
    asked: int
    lost: list[str]
    seconds: list[float]  # of each answer

    def quantile(self, percent: int) -> float:
        """Seconds in which so many percent of the answers were there."""
        return statistics.quantiles(self.seconds, n=100)[percent - 1] if len(self.seconds) > 1 else float("nan")

    def __str__(self) -> str:
        return (
            f"{self.people:>6} {self.asked:>7} {len(self.lost):>5} {self.quantile(50):>9.3f} {self.quantile(95):>7.3f} "
            f"{max(self.seconds, default=float('nan')):>7.3f}"
        )


HEADER = f"{'people':>6} {'answers':>7} {'lost':>5} {'median, s':>9} {'p95, s':>7} {'max, s':>7}"


async def crowd(url: str, people: int, seconds: float, answers: dict[str, str], think=THINK) -> Outcome:
    """Some people, each of whom asks again and again."""
    taken, lost = [], []
    end = time.monotonic() + seconds

    async def one(number: int) -> None:
        dice = random.Random(number)
        try:
            await asyncio.sleep(dice.uniform(0, min(think[1], seconds / 2)))
            async with visitor(url) as tab:
                await tab.run("convert")
                while time.monotonic() < end:
                    await asyncio.sleep(dice.uniform(*think))
                    verb = dice.choice(list(answers))
                    taken.append(await tab.convert(verb, answers[verb]))
        except (Lost, OSError, TimeoutError, websockets.WebSocketException) as error:
            lost.append(f"{type(error).__name__}: {error}")

    await asyncio.gather(*(one(i) for i in range(people)))
    return Outcome(people, len(taken) + len(lost), lost, taken)


async def many_conversions(url: str, count: int, answers: dict[str, str], tabs: int = 8) -> None:
    """So many conversions, as fast as the server answers."""

    async def one(number: int) -> None:
        dice = random.Random(number)
        async with visitor(url) as tab:
            await tab.run("convert")
            for _ in range(count // tabs):
                verb = dice.choice(list(answers))
                await tab.convert(verb, answers[verb])

    await asyncio.gather(*(one(i) for i in range(tabs)))


async def many_visits(url: str, count: int) -> None:
    """So many people, one after another, who look at one page each."""
    for i in range(count):
        async with visitor(url) as tab:
            await tab.run(PAGES[i % len(PAGES)])


@contextlib.asynccontextmanager
async def training(url: str):
    """Within it the server trains the best preset from random weights, started on the page and stopped there."""
    async with visitor(url) as tab:
        await tab.run("train")
        await tab.run(values={"Start from": "random weights"})
        await tab.run(values={"Start from": "random weights"}, click="Start training")
        await asyncio.sleep(5)
    try:
        yield
    finally:
        async with visitor(url) as tab:
            await tab.run("train")
            await tab.run(click="Stop")


def expected(count: int = VERBS) -> dict[str, str]:
    """Verbs of the test split and what the shipped model makes of them."""
    verbs = [verb.forms[0][0] for verb in select_split(load_lexicon().verbs, "test")[:count]]
    tense = load("tense")
    sources = tense.infer_tenses(verbs)
    made = tense.convert(verbs, sources, [TENSES.index("past")] * len(verbs))
    return {verb: answer.form for verb, answer in zip(verbs, made, strict=True)}


def memory(pid: int) -> float:
    """Resident memory of a process, MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def peak(pid: int, work: Coroutine) -> float:
    """The most memory that a process takes meanwhile, MiB: what it takes at one moment says how much garbage waits."""
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


@contextlib.contextmanager
def server() -> Iterator[tuple[int, str]]:
    """A server of its own with empty runs: its process and address."""
    with tempfile.TemporaryDirectory() as folder:
        process, url = start_server(Path(folder))
        try:
            yield process.pid, url
        finally:
            stop_server(process)


async def measure(people: tuple[int, ...], seconds: float, conversions: int, visits: int) -> None:
    answers = expected()
    if people:
        await _crowds(answers, people, seconds)
    with server() as (pid, url):
        await many_conversions(url, max(conversions // 10, 8), answers)
        await many_visits(url, WARMING)
        before = await peak(pid, many_visits(url, 100))
        between = await peak(pid, many_visits(url, visits))
        after = await peak(pid, many_conversions(url, conversions, answers))
        print(f"\nMemory at most: {before:.0f} MiB, in {visits} visits {between:.0f} ({between / before - 1:+.1%})")
        print(f"in {conversions:,} conversions {after:.0f} ({after / before - 1:+.1%})")
        print(f"Processor after everybody has left: {busy(pid, 10):.1%} of a core")


async def _crowds(answers: dict[str, str], people: tuple[int, ...], seconds: float) -> None:
    with server() as (_, url):
        await many_conversions(url, 40, answers)
        for beside in (False, True):
            print(f"\n{'Beside one training' if beside else 'Nothing else running'}\n{HEADER}", flush=True)
            async with training(url) if beside else contextlib.nullcontext():
                for n in people:
                    outcome = await crowd(url, n, seconds, answers)
                    print(outcome, *outcome.lost[:1], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, nargs="*", default=PEOPLE, help="none: memory alone")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--conversions", type=int, default=10_000)
    parser.add_argument("--visits", type=int, default=500)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: exit(1))
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # as the Makefile and the Dockerfile have it
    print(machine())
    asyncio.run(measure(tuple(args.people), args.seconds, args.conversions, args.visits))


if __name__ == "__main__":
    main()
