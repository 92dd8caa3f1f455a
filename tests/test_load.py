"""Concurrent users of a real server, by the browser's protocol: what `benchmarks.load` measures, for some seconds."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor

import pytest

from scripts import users

pytestmark = pytest.mark.slow


def run(visit: Coroutine) -> users.Outcome:
    """In another thread: after browser tests, Playwright keeps an event loop in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, visit).result()


def test_concurrent_users_get_their_own_answers():
    answers = users.expected(20)

    async def visit(url: str) -> users.Outcome:
        await users.many_visits(url, len(users.PAGES))  # none raises
        return await users.crowd(url, 3, 8, answers, think=(0.2, 1.0))

    with users.server() as (pid, url):
        outcome = run(visit(url))
        assert users.memory(pid) > 50
    assert outcome.lost == [] and len(outcome.seconds) == outcome.asked >= 3


def test_a_wrong_answer_counts_as_lost():
    async def visit(url: str) -> users.Outcome:
        return await users.crowd(url, 1, 6, {"walk": "flew"}, think=(0.1, 0.2))

    with users.server() as (_, url):
        outcome = run(visit(url))
    assert len(outcome.lost) == 1 and "not flew" in outcome.lost[0]
