"""The pictures of the latent space, by mouse and by keyboard."""

import pytest

from scripts.server import settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # half a minute


def forms(page) -> str:
    """What a screen reader says of the ribbons' cursor."""
    return page.locator(".ribbon input").get_attribute("aria-valuetext")


def test_the_cursor_of_the_ribbon_moves_by_key_by_click_and_by_itself(server, open_page):
    page = open_page(f"{server}/latent?from=grattle&to=vashify")
    cursor = page.locator(".ribbon input")
    assert "grattle, grattles, grattling, grattled" in forms(page)
    cursor.focus()
    page.keyboard.press("End")
    assert "vashify, vashifies, vashifying, vashified" in forms(page)
    box = page.locator(".ribbon svg").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    assert "grattle," in forms(page)
    at = int(cursor.input_value())
    page.get_by_role("button", name="▶ Play").click()
    page.wait_for_timeout(700)
    assert int(cursor.input_value()) > at
    page.get_by_role("button", name="⏸ Pause").click()


@pytest.mark.parametrize(("view", "kinds"), [("Ribbon", 3), ("Plane", 3), ("Map", 3)])
def test_pictures_are_saved(view, kinds, server, open_page):
    page = open_page(f"{server}/latent?view={view}", accept_downloads=True)
    page.locator(".save button").first.wait_for()
    assert page.locator(".save button").count() == kinds
    for kind, start in (("PNG", b"\x89PNG"), ("SVG", b"<svg"), ("CSV", b'"')):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save as {kind}").click()
        content = download.value.path().read_bytes()
        assert content.startswith(start) and len(content) > 1000


def test_a_place_of_the_plane_is_picked_by_click_and_by_key(server, open_page):
    page = open_page(f"{server}/latent?view=Plane&plane_space=s")
    canvas, status = page.locator(".plane canvas"), page.locator(".plane .status")
    canvas.wait_for()
    settle(page)
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.1, "y": box["height"] * 0.1})
    settle(page)
    first = status.inner_text()
    canvas.focus()
    for _ in range(60):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    settle(page)
    assert first and status.inner_text() != first


def test_a_verb_is_found_on_the_map_and_picked_by_key(server, open_page):
    page = open_page(f"{server}/latent?view=Map&find=wrote")
    canvas = page.locator(".map canvas")
    canvas.wait_for()
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    assert "write" in page.locator(".map .status").inner_text()  # the verb that was looked for is in the middle
    page.keyboard.press("Enter")
    page.get_by_text("At write").wait_for()


def test_the_lasso_lists_what_it_catches(server, open_page):
    page = open_page(f"{server}/latent?view=Map")
    canvas = page.locator(".map canvas")
    canvas.wait_for()
    page.get_by_role("button", name="Lasso").click()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y - 60)
    page.mouse.down()
    for dx, dy in ((60, -60), (60, 60), (-60, 60)):
        page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()
    page.get_by_text("In the lasso:").wait_for()


def test_the_ribbon_fits_a_phone(server, open_page):
    page = open_page(f"{server}/latent", viewport={"width": 390, "height": 800})
    page.locator(".ribbon svg").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
