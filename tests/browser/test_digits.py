"""The Digits page in a real browser: quadrants by click, a drawing, a q that is optimised, the map."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settle

pytestmark = pytest.mark.browser
NOT_ZERO = r"(?!0\.000)\d\.\d{3} nats"
SEVEN = [[(60, 60), (200, 60), (120, 240)], [(90, 150), (180, 150)]]  # strokes on a square of 280


def stroke(page: Page, points: list[tuple[int, int]], lift: bool = True) -> None:
    """Draw a line on the square by mouse; without `lift` the pen stays down."""
    canvas = page.locator(".draw canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    scale = box["width"] / 280
    for i, (x, y) in enumerate(points):
        page.mouse.move(box["x"] + x * scale, box["y"] + y * scale, steps=8 if i else 1)
        if i == 0:
            page.mouse.down()
        page.wait_for_timeout(150)
    if lift:
        page.mouse.up()


def ink(page: Page) -> int:
    """White pixels of the square."""
    data = "c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
    return page.locator(".draw canvas").evaluate(f"c => {data}.filter((v, i) => i % 4 == 0 && v > 128).length")


def picture(page: Page, caption: str) -> str:
    """The source of a picture of the Complete view."""
    return page.locator(".completion figure").filter(has_text=caption).locator("img").get_attribute("src")


def test_a_click_shows_a_quadrant_and_another_hides_it_again(server, open_page):
    page = open_page(f"{server}/digits")
    quadrant = page.get_by_role("switch", name="top left quadrant")
    for visible in (True, False):
        quadrant.click()
        expect(quadrant).to_have_attribute("aria-checked", str(visible).lower())
        expect(page).to_have_url(re.compile(r"shown=top\+left&shown=bottom" if visible else r"\?shown=bottom\+left$"))
    quadrant.press("Enter")  # the keyboard, too
    expect(quadrant).to_have_attribute("aria-checked", "true")
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG 8×").first.click()
    assert download.value.suggested_filename == "completion-8x.png"


@pytest.mark.slow
def test_a_drawing_is_completed_while_it_grows_and_can_be_undone_and_erased(server, open_page):
    page = open_page(f"{server}/digits?source=Draw", has_touch=True)
    page.locator(".draw canvas").wait_for()
    expect(page.locator(".completion")).to_have_count(0)
    stroke(page, SEVEN[0], lift=False)
    page.locator(".completion figure").nth(4).wait_for()
    page.mouse.up()
    settle(page)
    first, before = picture(page, "Truth"), ink(page)
    stroke(page, SEVEN[1])
    expect(page.locator(".completion img").nth(1)).not_to_have_attribute("src", first)
    assert ink(page) > before
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".completion img").nth(1)).to_have_attribute("src", first)
    assert ink(page) == before
    page.get_by_role("button", name="Eraser").click()
    stroke(page, SEVEN[0])
    expect(page.get_by_text("Draw a digit")).to_be_visible()
    assert ink(page) == 0
    page.get_by_role("button", name="Pen", exact=True).tap()
    page.locator(".draw canvas").tap(position={"x": 90, "y": 90})  # a finger draws, too
    page.locator(".completion figure").nth(4).wait_for()
    assert ink(page) > 0


@pytest.mark.slow
def test_q_of_one_digit_is_optimised_until_only_the_approximation_gap_is_left(server, open_page):
    page = open_page(f"{server}/digits?view=Gap")
    amortisation = page.locator(".nats").last.get_by_role("listitem").filter(has_text="amortisation")
    expect(amortisation).to_have_text(re.compile(NOT_ZERO))
    page.get_by_role("button", name="Optimise q for this digit").click()
    expect(amortisation).to_have_text(re.compile(r"0\.000 nats"), timeout=20_000)
    step = page.get_by_role("slider", name="Step of the optimisation")
    expect(step).not_to_have_value("0")
    step.press("Home")  # back to the encoder's q
    expect(amortisation).to_have_text(re.compile(NOT_ZERO))


@pytest.mark.slow
def test_a_click_on_the_map_selects_its_z(server, open_page):
    page = open_page(f"{server}/digits?view=By+label")
    chart = page.locator(".js-plotly-plot").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    side = min(box["width"], box["height"])
    page.mouse.move(1, 1)
    page.mouse.click(box["x"] + (box["width"] - side) / 2 + 0.1 * side, box["y"] + side / 2)
    page.wait_for_timeout(300)
    settle(page)
    expect(page.get_by_role("slider", name="First dimension")).to_have_value("1")
