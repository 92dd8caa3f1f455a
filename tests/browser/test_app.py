"""The main paths in a real browser."""

from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from .conftest import settle

pytestmark = pytest.mark.browser
PAGES = ["", "convert"]


def answer(page):
    return page.get_by_test_id("stMetricValue").first


def test_deep_link_as_first_request_restores_the_page_in_its_frame(fresh_server, open_page):
    page = open_page(f"{fresh_server}/convert?verb=study&target=third-person")
    expect(answer(page)).to_have_text("studies")
    expect(page.get_by_role("textbox", name="Verb")).to_have_value("study")
    expect(page.get_by_role("link", name="Home")).to_be_visible()
    assert "verb=study" in page.url


def test_enter_gives_the_answer_and_the_link_keeps_it(server, open_page):
    page = open_page(f"{server}/convert")
    box = page.get_by_role("textbox", name="Verb")
    box.fill("walk")
    box.press("Enter")
    expect(answer(page)).to_have_text("walked")
    settle(page)
    again = open_page(page.url)
    expect(answer(again)).to_have_text("walked")


def test_bad_input_gets_a_sentence(server, open_page):
    page = open_page(f"{server}/convert")
    box = page.get_by_role("textbox", name="Verb")
    box.fill("walk 2")
    box.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("letters a to z")


def test_home_leads_on_and_keyboard_reaches_the_verb(server, open_page):
    page = open_page(server)
    page.get_by_role("textbox", name="Verb").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("jump")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("stMetricValue").last).to_have_text("jumped")
    page.get_by_role("link", name="Convert", exact=True).click()
    expect(page.get_by_role("heading", name="Convert a verb")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_no_serious_accessibility_violation(server, open_page, path, scheme):
    page = open_page(f"{server}/{path}", color_scheme=scheme)
    expect(answer(page)).to_be_visible()
    found = Axe().run(page).response["violations"]
    assert [
        (v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found if v["impact"] in ("serious", "critical")
    ] == []


@pytest.mark.parametrize("path", PAGES)
def test_phone_width_needs_no_sideways_scroll(server, open_page, path):
    page = open_page(f"{server}/{path}", viewport={"width": 390, "height": 844})
    expect(answer(page)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_asked_of_another_machine(server, open_page, path):
    page = open_page(f"{server}/{path}")
    hosts = {urlsplit(url).hostname for url in page.requested if url.startswith(("http", "ws"))}
    assert hosts == {"127.0.0.1"}
