"""The Digits page in a real browser: clicks on the picture and on the map."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import settle


def click(page, x: float, y: float) -> None:
    """Click the first chart at x and y, as shares of the largest square in its centre."""
    page.mouse.move(1, 1)
    chart = page.locator(".js-plotly-plot").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    side = min(box["width"], box["height"])
    left, top = box["x"] + (box["width"] - side) / 2, box["y"] + (box["height"] - side) / 2
    page.mouse.click(left + x * side, top + y * side)
    page.wait_for_timeout(300)
    settle(page)


def test_a_click_shows_a_quadrant_and_another_hides_it_again(server, open_page):
    page = open_page(f"{server}/digits")
    click(page, 0.25, 0.25)
    expect(page).to_have_url(re.compile(r"shown=top\+left&shown=bottom\+left"))
    click(page, 0.25, 0.25)
    expect(page).not_to_have_url(re.compile("top"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").last.click()
    assert download.value.suggested_filename.endswith(".png")


def test_a_click_on_the_map_selects_its_z(server, open_page):
    page = open_page(f"{server}/digits?view=By+label")
    click(page, 0.1, 0.5)
    expect(page.get_by_role("slider", name="First dimension")).to_have_value("1")
