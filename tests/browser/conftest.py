"""A server that tests without training share, a fresh one for a test that needs it, and Debian's Chromium."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright

from scripts.server import FLAGS, settle, start_server, stop_server


@pytest.fixture(scope="session")
def chromium():
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium: CI must test the pages in a real browser")
        pytest.skip("no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def fresh_server(tmp_path):
    process, url = start_server(tmp_path)
    yield url
    stop_server(process)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    process, url = start_server(tmp_path_factory.mktemp("runs"))
    yield url
    stop_server(process)


@pytest.fixture
def open_page(chromium):
    """Open a page and wait until its script has run; `page.requested` has the URLs of its requests."""
    contexts = []

    def open_(url, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.requested = []
        page.on("request", lambda request: page.requested.append(request.url))
        page.goto(url)
        settle(page)
        return page

    yield open_
    for context in contexts:
        context.close()
