"""Several people at once, by the browser's protocol: `benchmarks.load` with a few for some seconds."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks import load

pytestmark = pytest.mark.slow


def run(visit: Coroutine) -> load.Outcome:
    """In a thread of its own: Playwright, where browser tests came before, keeps an event loop in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, visit).result()


def test_people_at_once_get_their_own_answers():
    answers = load.expected(20)

    async def visit(url: str) -> load.Outcome:
        await load.many_visits(url, len(load.PAGES))  # none raises
        return await load.crowd(url, 3, 8, answers, think=(0.2, 1.0))

    with load.server() as (pid, url):
        outcome = run(visit(url))
        assert load.memory(pid) > 50
    assert outcome.lost == [] and len(outcome.seconds) == outcome.asked >= 3


def test_a_wrong_answer_counts_as_lost():
    async def visit(url: str) -> load.Outcome:
        return await load.crowd(url, 1, 6, {"walk": "flew"}, think=(0.1, 0.2))

    with load.server() as (_, url):
        outcome = run(visit(url))
    assert len(outcome.lost) == 1 and "not flew" in outcome.lost[0]
