"""Latent space, curves and training in a real browser, with a real server."""

import os
import signal
import time

import pytest
from playwright.sync_api import expect

from cvae_core import runs
from tests.helpers import wait_for, wait_until
from tests.tiny import VERBS

from .conftest import settle, start_server, stop_server

pytestmark = pytest.mark.browser

# Milliseconds. Two tests share two cores with their servers and browsers: seconds become a minute.
TIMEOUT = 90_000
USER_VERBS = "\n".join(" ".join(verb.row) for verb in VERBS)


@pytest.fixture
def trainer(tmp_path):
    """A new server: its process, its URL, and the folder of its runs."""
    process, url = start_server(tmp_path)
    yield process, url, tmp_path
    stop_server(process)


def start_training(page, epochs: int) -> None:
    """Fine-tune the shipped model on a list that is uploaded."""
    page.get_by_role("radio", name="My own verbs").wait_for()
    page.set_input_files(
        "input[type=file]", {"name": "own.txt", "mimeType": "text/plain", "buffer": USER_VERBS.encode()}
    )
    expect(page.get_by_text("6 verbs in own.txt")).to_be_visible(timeout=TIMEOUT)
    field = page.get_by_role("spinbutton", name="Epochs")
    field.fill(str(epochs))
    field.press("Enter")
    settle(page)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("In training.")).to_be_visible(timeout=TIMEOUT)


def test_interpolate_between_two_sampled_z(server, open_page):
    page = open_page(f"{server}/latent")
    page.get_by_role("radio", name="Two samples").click()
    settle(page)
    seed = page.get_by_role("spinbutton", name="Seed of sample 1")
    before = seed.input_value()
    page.get_by_role("button", name="Resample").click()
    settle(page)
    assert seed.input_value() != before
    page.get_by_role("button", name="z, arc").click()
    settle(page)
    assert "arc" in page.url and f"seed_a={seed.input_value()}" in page.url
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    expect(page.locator(".ribbon svg").get_by_text("z, arc")).to_be_visible()


def test_compare_two_runs(server, open_page):
    page = open_page(f"{server}/curves?run=shipped/best&run=shipped/source-001-single")
    chart = page.locator(".js-plotly-plot").first
    expect(chart).to_be_visible()
    expect(chart.locator(".legendtext")).to_have_text(["shipped/best", "shipped/source-001-single"])
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    page.get_by_role("radio", name="Two scores").click()
    settle(page)
    expect(page.get_by_text("Each point is an epoch")).to_be_visible()


@pytest.mark.slow
def test_fine_tune_on_an_uploaded_list(trainer, open_page):
    _, url, folder = trainer
    page = open_page(f"{url}/train")
    start_training(page, epochs=1)
    expect(page.get_by_text("Finished.")).to_be_visible(timeout=TIMEOUT)
    name = runs.list_runs(folder)[0].id
    expect(page.get_by_role("link", name="Try it in Convert")).to_be_visible(timeout=TIMEOUT)
    page.get_by_role("link", name="Try it in Convert").click()
    expect(page.get_by_test_id("stMetricLabel").first).to_contain_text(name)
    with page.expect_download() as download:
        page.goto(f"{url}/train?run={name}")
        page.get_by_role("button", name="Download the model").click()
    assert download.value.suggested_filename == f"{name}.safetensors"


@pytest.mark.slow
def test_start_watch_reload_second_tab_stop_resume(trainer, open_page):
    _, url, folder = trainer
    page = open_page(f"{url}/train")
    start_training(page, epochs=300)
    run = runs.list_runs(folder)[0]
    expect(page.get_by_text("words per second")).to_be_visible(timeout=TIMEOUT)
    page.reload()
    expect(page.get_by_text("In training.")).to_be_visible(timeout=TIMEOUT)
    other = open_page(f"{url}/train")
    expect(other.get_by_text("In training.")).to_be_visible(timeout=TIMEOUT)
    other.get_by_role("button", name="Stop").last.click()
    for tab in (page, other):
        expect(tab.get_by_text("Stopped; it can be resumed")).to_be_visible(timeout=TIMEOUT)
    assert run.state == "stopped"
    done = len(run.read_metrics())
    settle(page)  # a click while the live view is replaced by the stopped one's can be lost
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("In training.")).to_be_visible(timeout=TIMEOUT)
    wait_until(lambda: len(run.read_metrics()) > done, 60)
    epochs = [row["epoch"] for row in run.read_metrics()]
    assert epochs == list(range(len(epochs)))


@pytest.mark.slow
def test_the_server_after_a_terminated_or_killed_one_goes_on_with_its_queue(trainer, open_page, tmp_path):
    process, url, folder = trainer
    page = open_page(f"{url}/train")
    start_training(page, epochs=300)
    run = runs.list_runs(folder)[0]
    wait_for(run, "running")
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM  # uvicorn shuts down, then lets the signal end the process
    assert time.monotonic() - start < 3
    assert run.left_in_queue and run.resumable

    again, url = start_server(folder)
    try:
        page = open_page(f"{url}/train")
        expect(page.get_by_text("In training.")).to_be_visible(timeout=TIMEOUT)  # it goes on by itself
        wait_for(run, "running")
    finally:
        os.kill(again.pid, signal.SIGKILL)
        again.wait(10)
    wait_until(lambda: run.left_in_queue, 30)  # its training ended with it

    last, url = start_server(folder)
    try:
        open_page(f"{url}/convert")  # any page
        wait_for(run, "running")
    finally:
        stop_server(last)
    assert run.left_in_queue
