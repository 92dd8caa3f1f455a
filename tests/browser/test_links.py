"""What a page takes over from another one: the parameters of a link, not the values of widgets that share a key."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from cvae_core.training import fit
from cvae_core.video.family import TEST
from tests.helpers import empty_run
from tests.tiny_pictures import DIGITS, tiny_digits

from .conftest import settle, start_server, stop_server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A server with two finished runs of digits: its URL, and their ids, the older first."""
    folder = tmp_path_factory.mktemp("runs")
    found = []
    for name in ("older", "newer"):
        found.append(empty_run(folder, "digits", name))
        fit(tiny_digits(replace(DIGITS, epochs=1)), found[-1])
    process, url = start_server(folder)
    yield url, [run.id for run in found]
    stop_server(process)


def test_a_page_opens_with_its_own_seed_and_view(server, open_page):
    page = open_page(f"{server}/latent?view=Samples&seed=7&n=5")
    expect(page.get_by_role("spinbutton", name="Seed")).to_have_value("7")
    page.get_by_test_id("stSidebar").get_by_role("link", name="Video").click()
    expect(page.get_by_role("heading", name="Video")).to_be_visible(timeout=30_000)
    settle(page)
    expect(page.get_by_role("spinbutton", name="Seed", exact=True)).to_have_value(str(TEST))
    expect(page.get_by_role("radio", name="Predict")).to_be_checked()


@pytest.mark.slow
def test_the_links_below_a_run_lead_to_that_run(trained, open_page):
    url, (older, newer) = trained
    start = f"{url}/train?system=Digits&run={older}"
    page = open_page(start)
    page.get_by_role("link", name="Its samples, epoch by epoch").click()
    expect(page.get_by_role("heading", name="Digits")).to_be_visible(timeout=30_000)
    settle(page)
    expect(page.get_by_role("radio", name="Training")).to_be_checked()
    expect(page.get_by_role("combobox", name="Run")).to_have_value(older)
    assert page.url.endswith(f"/digits?view=Training&run={older}")
    page = open_page(start)
    page.get_by_role("link", name="Its curves").click()
    expect(page.locator(".js-plotly-plot .legendtext").first).to_have_text(older, timeout=30_000)
    expect(page.locator(".js-plotly-plot").first.locator(".legendtext")).to_have_count(1)
