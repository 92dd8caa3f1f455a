"""Simulated users of the app: clients of a real server by the websocket protocol of the browser.

They open pages, fill in inputs, press buttons, and check the answers of Convert: for `python -m benchmarks.load` and
its test. Linux only (it reads /proc).
"""

import asyncio
import contextlib
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from cvae_core.tense.data import TENSES, select_split
from cvae_core.tense.inference import load
from cvae_core.tense.lexicon import load_lexicon
from scripts.server import start_server, stop_server

THINK = (5.0, 15.0)  # seconds between two requests of a user
TIMEOUT = 60.0  # seconds after which an answer is lost
PAGES = ("", "convert", "latent", "digits", "video", "curves", "train", "theory")
VERBS = 300


class Lost(Exception):
    """A missing or wrong answer."""


class User:
    """A browser tab: sends messages and keeps the elements of its page."""

    def __init__(self, socket: websockets.ClientConnection):
        self.socket = socket
        self.page = ""
        self.elements: list[Element] = []

    async def run(self, page: str | None = None, values: dict[str, str] | None = None, click: str = "") -> None:
        """Run a page's script to its end, or rerun the current one with texts filled in or a button pressed."""
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
        async with asyncio.timeout(TIMEOUT):
            while True:
                answer = ForwardMsg.FromString(await self.socket.recv())
                kind = answer.WhichOneof("type")
                if kind == "navigation":
                    self.page = answer.navigation.page_script_hash
                elif kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                    self.elements.append(answer.delta.new_element)
                # A switch of pages interrupts one script and starts the next.
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
        """Convert a verb to the past and check the answer; seconds until the page's script ended."""
        start = time.perf_counter()
        await self.run(values={"Verb": verb})
        answers = [e.metric.body for e in self.elements if e.WhichOneof("type") == "metric"]
        if past not in answers:
            raise Lost(f"{verb}: {answers}, not {past}")
        return time.perf_counter() - start


@contextlib.asynccontextmanager
async def user(url: str):
    """A connected `User`."""
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    # A browser sends no pings.
    options = {"subprotocols": ["streamlit"], "max_size": None, "open_timeout": TIMEOUT, "ping_interval": None}
    async with websockets.connect(address, **options) as socket:
        yield User(socket)


class Outcome(NamedTuple):
    """Results of concurrent users."""

    users: int
    asked: int
    lost: list[str]
    seconds: list[float]  # of each answer

    def quantile(self, percent: int) -> float:
        """A percentile of the answers' latency, in seconds."""
        return statistics.quantiles(self.seconds, n=100)[percent - 1] if len(self.seconds) > 1 else float("nan")

    def __str__(self) -> str:
        return (
            f"{self.users:>6} {self.asked:>7} {len(self.lost):>5} {self.quantile(50):>9.3f} {self.quantile(95):>7.3f} "
            f"{max(self.seconds, default=float('nan')):>7.3f}"
        )


HEADER = f"{'users':>6} {'answers':>7} {'lost':>5} {'median, s':>9} {'p95, s':>7} {'max, s':>7}"


async def crowd(url: str, users: int, seconds: float, answers: dict[str, str], think=THINK) -> Outcome:
    """Concurrent users who each convert verbs repeatedly, with pauses of `think` seconds."""
    seconds_each, lost = [], []
    end = time.monotonic() + seconds

    async def one(number: int) -> None:
        rng = random.Random(number)
        try:
            await asyncio.sleep(rng.uniform(0, min(think[1], seconds / 2)))
            async with user(url) as tab:
                await tab.run("convert")
                while time.monotonic() < end:
                    await asyncio.sleep(rng.uniform(*think))
                    verb = rng.choice(list(answers))
                    seconds_each.append(await tab.convert(verb, answers[verb]))
        except (Lost, OSError, TimeoutError, websockets.WebSocketException) as error:
            lost.append(f"{type(error).__name__}: {error}")

    await asyncio.gather(*(one(i) for i in range(users)))
    return Outcome(users, len(seconds_each) + len(lost), lost, seconds_each)


async def many_conversions(url: str, count: int, answers: dict[str, str], tabs: int = 8) -> None:
    """`count` conversions, as fast as the server answers."""

    async def one(number: int) -> None:
        rng = random.Random(number)
        async with user(url) as tab:
            await tab.run("convert")
            for _ in range(count // tabs):
                verb = rng.choice(list(answers))
                await tab.convert(verb, answers[verb])

    await asyncio.gather(*(one(i) for i in range(tabs)))


async def many_visits(url: str, count: int) -> None:
    """`count` users in sequence, each of whom opens one page."""
    for i in range(count):
        async with user(url) as tab:
            await tab.run(PAGES[i % len(PAGES)])


@contextlib.asynccontextmanager
async def training(url: str):
    """The server trains the preset best meanwhile, from random weights, started and stopped on the Train page."""
    async with user(url) as tab:
        await tab.run("train")
        await tab.run(values={"Start from": "random weights"})
        await tab.run(values={"Start from": "random weights"}, click="Start training")
        await asyncio.sleep(5)
    try:
        yield
    finally:
        async with user(url) as tab:
            await tab.run("train")
            await tab.run(click="Stop")


def expected(count: int = VERBS) -> dict[str, str]:
    """Verbs of the test split and the shipped model's past tense of each."""
    verbs = [verb.forms[0][0] for verb in select_split(load_lexicon().verbs, "test")[:count]]
    model = load("tense")
    sources = model.infer_tenses(verbs)
    predictions = model.convert(verbs, sources, [TENSES.index("past")] * len(verbs))
    return {verb: answer.form for verb, answer in zip(verbs, predictions, strict=True)}


def memory(pid: int) -> float:
    """Resident memory of a process, MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextlib.contextmanager
def server() -> Iterator[tuple[int, str]]:
    """A new server with an empty folder for runs: its process id and URL."""
    with tempfile.TemporaryDirectory() as folder:
        process, url = start_server(Path(folder))
        try:
            yield process.pid, url
        finally:
            stop_server(process)
