"""The wug test by keyboard alone."""

import re

import pytest
from playwright.sync_api import expect

from .conftest import settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # 15 s


def test_ten_verbs_by_keyboard_alone(server, open_page):
    """Typed, chosen and skipped, from the field that a Tab or two reach, to the chart over all pasts."""
    page = open_page(f"{server}/wug")
    focused = "document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"

    def tab_to(name):
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate(focused) == name:
                return
        raise AssertionError(f"Tab does not reach {name}")

    question = page.locator(".question b")
    tab_to("Its past tense")
    for number in range(1, 9):  # the field keeps the focus
        verb = question.inner_text()
        page.keyboard.type(f"{verb}ed")
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"Verb {number + 1}.")).to_be_visible()
        expect(page.locator(".wug caption b")).to_have_text(verb)
        expect(page.locator(".wug tr.own")).to_have_count(1)
        settle(page)
    tab_to("Skip this verb")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Verb 10.")).to_be_visible()
    settle(page)
    tab_to("Choose instead")
    page.keyboard.press("Space")
    settle(page)
    page.keyboard.press("Tab")
    if page.evaluate(focused) in ("", None) or page.evaluate("document.activeElement.tagName") != "BUTTON":
        page.keyboard.press("Tab")
    chosen = page.evaluate(focused)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Verb 11.")).to_be_visible()
    expect(page.locator(".wug tr.own b")).to_have_text(chosen)
    expect(page.get_by_role("heading", name="Network against people")).to_be_visible(timeout=30_000)
    expect(page.get_by_text(re.compile("You gave 9 answers"))).to_be_visible()
    expect(page.get_by_test_id("stPlotlyChart")).to_be_visible()


def test_the_arrow_keys_move_through_the_epochs(server, open_page):
    page = open_page(f"{server}/wug?view=While+it+learns")
    slider = page.get_by_role("slider", name="Epoch")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".learning caption").first).to_have_text("After epoch 17")
