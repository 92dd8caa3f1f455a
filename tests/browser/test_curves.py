"""Repeated runs on the Curves page, in a real browser."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.helpers import empty_run

from .conftest import start_server, stop_server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def repeats(tmp_path):
    """A server with three runs of one config, which differ in their seed."""
    for seed in range(3):
        run = empty_run(tmp_path, name=f"repeat-{seed}", config={"kl_max": 0.1, "seed": seed})
        rng = np.random.default_rng(seed)
        rows = [{"epoch": e, "step": e, "seconds": 1.0, "bleu4": e / 20 + 0.1 * rng.random()} for e in range(1, 11)]
        run.write_metrics(rows)
        run.write_status(state="finished", epoch=10)
    process, url = start_server(tmp_path)
    yield url
    stop_server(process)


def test_three_repeated_runs_are_a_line_with_a_band(repeats, open_page):
    page = open_page(f"{repeats}/curves")
    search = page.get_by_role("textbox", name="Search")
    search.fill("repeat")
    search.press("Enter")
    plot = page.locator(".js-plotly-plot").first
    legend = plot.locator(".legendtext")
    expect(legend).to_have_count(3)
    page.get_by_role("button", name="Groups and baseline").click()
    page.get_by_role("combobox", name="Group by").click()
    page.get_by_role("option", name="all but the seed").click()
    expect(legend).to_have_count(1)
    expect(legend).to_contain_text("(3 runs)")
    band = plot.locator(".scatterlayer .fills path").first
    assert band.evaluate("path => path.getBBox().height") > 20  # pixels
