"""Learning by watching: the demonstration, fine-tuning on four verbs, an uploaded checkpoint, the quiz by keyboard."""

import re

import pytest
from playwright.sync_api import expect

from cvae_core import checkpoint, runs
from tests.helpers import wait_for
from ui.theory.quiz import read_questions

from .conftest import settle, start_server, stop_server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TIMEOUT = 120_000  # milliseconds; other processes slow a training down
FOUR = (
    "googol googols googoling googoled\nzoomle zoomles zoomling zoomled\n"
    "vlog vlogs vlogging vlogged\nzig zigs zigging zigged"
)


@pytest.fixture
def trainer(tmp_path):
    """A new server: its URL, and the folder of its runs."""
    process, url = start_server(tmp_path)
    yield url, tmp_path
    stop_server(process)


def test_from_a_click_to_a_right_conversion(trainer, open_page):
    url, folder = trainer
    page = open_page(f"{url}/train")
    page.get_by_role("button", name="Watch a model learn").click()
    expect(page.get_by_text("The latent map.")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text(re.compile(r"Conversions: ([1-9]|1[0-2]) of 12 right"))).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text("Finished.")).to_be_visible(timeout=TIMEOUT)
    (run,) = runs.list_runs(folder)
    last = run.read_samples()[-1]
    assert sum(answer == expected for *_, answer, expected in last["conversions"]) >= 11
    assert sum(last["known"]) >= 4
    settle(page)  # polling ends with one more run of the page
    slider = page.get_by_role("slider", name="What the model made of the same inputs after epoch")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("right after epoch 39.")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text("The posterior has not collapsed.")).to_be_visible()


def test_four_verbs_of_ones_own_turn_right(trainer, open_page):
    url, folder = trainer
    page = open_page(f"{url}/train")
    box = page.get_by_role("textbox", name="Or type them here")
    box.fill(FOUR)
    box.press("Control+Enter")
    expect(page.get_by_text("4 verbs in your list")).to_be_visible(timeout=TIMEOUT)
    settle(page)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text(re.compile(r"Conversions: \d+ of 12 right"))).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text("Finished.")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text("Conversions: 12 of 12 right")).to_be_visible(timeout=TIMEOUT)
    (run,) = runs.list_runs(folder)
    wait_for(run, "finished")
    assert {row[0] for row in run.read_samples()[-1]["conversions"]} == {"googol", "zoomle", "vlog", "zig"}
    assert run.read_metrics()[-1]["accuracy_old"] > 0.95


def test_an_uploaded_checkpoint_is_used_on_convert(trainer, open_page):
    url, _ = trainer
    page = open_page(f"{url}/train?view=Scorecard")
    uploader = page.get_by_test_id("stFileUploader").filter(has_text="checkpoint file")
    bad = {"name": "bad.safetensors", "mimeType": "application/octet-stream", "buffer": b"nothing"}
    uploader.locator("input").set_input_files(bad)
    expect(page.get_by_text("bad.safetensors is not a checkpoint of this program")).to_be_visible(timeout=TIMEOUT)
    uploader.locator("input").set_input_files(checkpoint.find("tense-heldout"))  # larger than other uploads may be
    expect(page.get_by_text("can be chosen on every page of this visit")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text("BLEU-4 (passed)")).to_be_visible(timeout=TIMEOUT)
    page.get_by_role("link", name="Use it on Convert").click()
    expect(page.get_by_test_id("stMetricLabel").first).to_contain_text("uploaded-tense-heldout-", timeout=TIMEOUT)
    expect(page.get_by_test_id("stMetricValue").first).to_have_text("abandoned")


def test_the_quiz_is_answered_by_keyboard(server, open_page):
    page = open_page(f"{server}/theory")
    question = read_questions()[0]
    group = page.get_by_role("radiogroup", name=question.text)
    group.get_by_role("radio").first.focus()
    for _ in range(question.options.index(question.right)):
        page.keyboard.press("ArrowDown")
        settle(page)
    if question.options[0] == question.right:
        page.keyboard.press("Space")
    expect(page.get_by_text("Right. The decoder gives")).to_be_visible(timeout=TIMEOUT)
    expect(page.get_by_text("1 right of 1 answered")).to_be_visible(timeout=TIMEOUT)
