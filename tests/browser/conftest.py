"""A fresh server for each test that asks for one, and Debian's Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent.parent
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
READY = "[data-testid=stApp][data-test-script-state=notRunning]"


def start_server(runs: Path):
    """A server of its own whose runs lie in this folder: process and address."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}", "--server.address=127.0.0.1"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"CVAE_RUNS": str(runs)},
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health") as answer:
                if answer.read() == b"ok":
                    return process, url
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError("the server did not start within a minute")


def stop_server(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


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


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process, url = start_server(tmp_path_factory.mktemp("runs"))
    yield url
    stop_server(process)


@pytest.fixture
def open_page(chromium):
    """Open a page and wait until its script has run; everything it asked for is in `page.requested`."""
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


def settle(page):
    page.wait_for_selector(READY, timeout=60_000)
    page.wait_for_selector("h1", timeout=60_000)
    page.wait_for_timeout(400)
    page.wait_for_selector(READY, timeout=60_000)
