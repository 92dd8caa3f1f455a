"""The wug test by keyboard alone."""

import pytest
from playwright.sync_api import expect

from cvae_core.tense import wug

from .conftest import settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # 15 s
WAIT_MS = 30_000  # for the model, which the first answer loads
FOCUSED = "document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"


def tab_to(page, *names: str) -> str:
    """Press Tab until one of the names has the focus, and return it."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if (focused := page.evaluate(FOCUSED).strip()) in names:
            return focused
    raise AssertionError(f"Tab does not reach {names}")


def test_ten_verbs_by_keyboard_alone(server, open_page):
    """Eight are typed, one is skipped, one chosen; then the chart over all pasts is there."""
    page = open_page(f"{server}/wug")
    question = page.locator(".question b")

    def expect_verb(number: int) -> None:
        expect(page.get_by_text(f"Verb {number}.")).to_be_visible(timeout=WAIT_MS)
        settle(page)

    tab_to(page, "Its past tense")
    for number in range(2, 10):  # the field keeps the focus
        verb = question.inner_text()
        page.keyboard.type(f"{verb}ed")
        page.keyboard.press("Enter")
        expect_verb(number)
        expect(page.locator(".wug caption b")).to_have_text(verb)
        expect(page.locator(".wug tr.own")).to_have_count(1)
    tab_to(page, "Skip this verb")
    page.keyboard.press("Enter")
    expect_verb(10)
    tab_to(page, "Choose instead")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name=wug.load_forms()[question.inner_text()][0].past, exact=True)).to_be_visible()
    chosen = tab_to(page, *(form.past for form in wug.load_forms()[question.inner_text()]))
    page.keyboard.press("Enter")
    expect_verb(11)
    expect(page.locator(".wug tr.own b")).to_have_text(chosen)
    expect(page.get_by_test_id("stPlotlyChart")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("You gave 9 answers")).to_be_visible()


def test_the_arrow_keys_move_through_the_epochs(server, open_page):
    page = open_page(f"{server}/wug?view=While+it+learns")
    page.get_by_role("slider", name="Epoch").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".learning caption").first).to_have_text("After epoch 17", timeout=WAIT_MS)
