"""What visitors come for, from Home and without typing an address."""

import re

import pytest
from playwright.sync_api import expect

from .conftest import settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # half a minute


def go_to(page, title):
    """Follow the navigation to a page."""
    page.get_by_test_id("stSidebar").get_by_role("link", name=title).click()
    settle(page)


def type_verb(page, verb):
    box = page.get_by_role("textbox", name="verb")
    box.fill(verb)
    box.press("Enter")
    settle(page)


def test_convert_a_verb_and_read_its_probability(server, open_page):
    page = open_page(server)
    type_verb(page, "write")
    past = page.locator(".forms li").filter(has_text="past")
    expect(past.locator("b")).to_have_text("wrote")
    expect(past).to_contain_text(re.compile(r"[\d.]+% · ✓ in the dictionary"))


def test_find_why_the_answer_is_preferred_to_the_runner_up(server, open_page):
    page = open_page(server)
    type_verb(page, "blorp")
    page.get_by_role("link", name="See it letter by letter").click()
    settle(page)
    expect(page.locator(".letters li").first).to_be_visible()
    tree = page.locator(".tree").first
    expect(tree.locator(":scope > li > b")).to_have_text(re.compile("^blor"))
    branches = tree.locator(":scope > li > ul > li")  # they part at one letter, the likeliest first
    percents = [float(re.search(r"([\d.]+)%", text).group(1)) for text in branches.all_inner_texts()]
    assert len(percents) >= 2 and percents[0] == max(percents)


def click_run(page, row):
    """Select or deselect a row of the table of runs, which is a canvas."""
    box = page.get_by_test_id("stDataFrame").first.bounding_box()
    page.mouse.click(box["x"] + 20, box["y"] + 35 * (row + 1.5))
    settle(page)


def test_compare_the_kl_of_two_runs_and_share_the_view(server, open_page):
    page = open_page(server)
    go_to(page, "Curves")
    chart = page.locator(".js-plotly-plot").first
    expect(chart.locator(".legendtext")).to_have_text(["shipped/best", "shipped/source-002", "shipped/source-001"])
    click_run(page, 1)
    names = ["shipped/best", "shipped/source-001"]
    expect(chart.locator(".legendtext")).to_have_text(names)
    page.get_by_role("button", name="cross entropy, nats per word", exact=True).click()
    settle(page)
    expect(chart.get_by_text("cross entropy, nats per word", exact=True)).to_have_count(0)
    expect(chart.get_by_text("KL of z, nats", exact=True).first).to_be_visible()
    expect(page.get_by_test_id("stDataFrame").nth(1)).to_contain_text("KL of z, nats")
    again = open_page(page.url)
    expect(again.locator(".js-plotly-plot").first.locator(".legendtext")).to_have_text(names)
    expect(
        again.locator(".js-plotly-plot").first.get_by_text("cross entropy, nats per word", exact=True)
    ).to_have_count(0)


def test_open_the_run_of_a_report(server, open_page):
    page = open_page(server)
    go_to(page, "Curves")
    page.get_by_role("radio", name="Claimed and measured").click()
    settle(page)
    page.get_by_role("button", name="Show the curves of these runs").click()
    settle(page)
    expect(page.locator(".js-plotly-plot").first.get_by_text("shipped/source-002", exact=True).first).to_be_attached()


def test_choose_runs_by_keyboard(server, open_page):
    page = open_page(server)
    go_to(page, "Curves")
    search = page.get_by_role("textbox", name="Search")
    search.focus()
    page.keyboard.type("best$|source-001$")
    page.keyboard.press("Enter")
    legend = page.locator(".js-plotly-plot").first.locator(".legendtext")
    expect(legend).to_have_text(["shipped/best", "shipped/source-001"])
    expect(page).to_have_url(re.compile("&run=shipped%2Fbest&run=shipped%2Fsource-001$"))


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_phone_shows_the_answer_in_the_theme_that_is_chosen(server, open_page, theme):
    other = {"Light": "dark", "Dark": "light"}[theme]
    page = open_page(server, color_scheme=other, viewport={"width": 390, "height": 844})
    page.get_by_test_id("stMainMenu").click()
    page.get_by_role("menuitemradio", name=theme).click()
    page.keyboard.press("Escape")
    type_verb(page, "stop")
    expect(page.locator(".forms li").filter(has_text="progressive").locator("b")).to_have_text("stopping")
    background = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) > 384) == (theme == "Light")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="See it letter by letter").click()
    settle(page)
    expect(page.locator(".letters").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_each_page_has_a_guide_that_the_keyboard_opens(server, open_page):
    page = open_page(server)
    for title in ("Convert", "Latent space", "Digits", "Video", "Train", "Curves", "Theory", "Wug test"):
        go_to(page, title)
        page.get_by_role("button", name="How to read this page").press("Enter")
        guide = page.get_by_test_id("stPopoverBody")
        expect(guide).to_contain_text(re.compile("worked example|How to read"))
        page.keyboard.press("Escape")


def test_two_models_stay_aligned_row_by_row(server, open_page):
    page = open_page(f"{server}/convert?verb=write&beside=tense-heldout", viewport={"width": 1280, "height": 900})
    for part in (".forms", ".letters", ".tree"):
        left, right = (found.bounding_box() for found in page.locator(part).all())
        assert left["y"] == right["y"] and left["x"] + left["width"] <= right["x"]


def test_no_table_of_curves_is_cut_off(server, open_page):
    page = open_page(f"{server}/curves", viewport={"width": 1280, "height": 900})
    page.get_by_text("Settings that differ").click()
    settle(page)
    expect(page.get_by_test_id("stDataFrame")).to_have_count(3)
    hidden = "[...document.querySelectorAll('.dvn-scroller')].map(e => e.scrollWidth - e.clientWidth)"
    assert max(page.evaluate(hidden)) <= 1
