"""Links, keyboard, accessibility and width of every page in a real browser."""

from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from .conftest import settle

pytestmark = pytest.mark.browser
PAGES = ["", "convert", "latent", "digits", "video", "curves", "train", "theory", "wug"]
VIEWS = [  # further ones
    "convert?verb=blorp&beside=tense-heldout", "curves?view=Two+scores", "curves?view=Sweeps",
    "curves?view=Claimed+and+measured", "digits?view=Gap&when=During+training",
]  # fmt: skip


def answer(page):
    return page.get_by_test_id("stMetricValue").first


DEEP_LINKS = {
    "convert?verb=study&target=third-person": "studies",
    "latent?view=Samples&n=7": "one shot",
    "curves?run=shipped%2Fbest&run=shipped%2Fsource-001-single&view=Two+scores": "Each point is an epoch",
    "video?view=Steer&seed=2000007": "The simulator moves the arm in the same way",
    "train?view=Scorecard": "BLEU-4 (passed)",
    "theory?sigma_q=2.0": "KL(q‖p)",
    "wug?view=While+it+learns&epoch=3": "After epoch 3",
}


FIRST, *OTHERS = DEEP_LINKS


# A fresh server takes five seconds to start, so that most links are slow tests.
@pytest.mark.parametrize("link", [FIRST, *(pytest.param(link, marks=pytest.mark.slow) for link in OTHERS)])
def test_deep_link_as_first_request_restores_the_page_in_its_frame(fresh_server, open_page, link):
    page = open_page(f"{fresh_server}/{link}")
    expect(page.get_by_text(DEEP_LINKS[link]).first).to_be_visible(timeout=30_000)
    expect(page.get_by_role("link", name="Home")).to_be_visible()
    assert page.url.endswith(link)
    asked = [url for url in page.requested if "/_stcore/" in url]
    assert asked and all(url.startswith(f"{fresh_server}/_stcore/") for url in asked)  # not below the page's address


def test_an_unknown_address_says_so(server, open_page):
    page = open_page(f"{server}/nosuch")
    expect(page.get_by_role("dialog")).to_contain_text("Page not found")
    expect(page.get_by_role("heading", name="Conditional variational autoencoders")).to_be_visible()


def test_enter_gives_the_answer_and_the_link_keeps_it(server, open_page):
    page = open_page(f"{server}/convert")
    box = page.get_by_role("textbox", name="Verb")
    box.fill("walk")
    box.press("Enter")
    expect(answer(page)).to_have_text("walked")
    settle(page)
    again = open_page(page.url)
    expect(answer(again)).to_have_text("walked")


@pytest.mark.slow
def test_the_content_of_an_expander_is_made_when_it_is_opened(server, open_page):
    page = open_page(f"{server}/convert")
    for title, element in (
        ("How reliable is the probability?", "stPlotlyChart"),
        ("History of this visit", "stDataFrame"),
    ):
        panel = page.get_by_test_id("stExpander").filter(has_text=title)
        expect(panel.get_by_test_id(element)).to_have_count(0)
        panel.get_by_text(title).click()
        expect(panel.get_by_test_id(element)).to_be_visible()


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
    expect(page.get_by_text("jumped", exact=True).first).to_be_visible()
    page.get_by_role("link", name="Convert", exact=True).click()
    expect(page.get_by_role("heading", name="Convert a verb")).to_be_visible()


@pytest.mark.parametrize("path", [*PAGES, *(pytest.param(view, marks=pytest.mark.slow) for view in VIEWS)])
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_page_is_accessible_fits_a_phone_and_asks_no_other_machine(server, open_page, path, scheme):
    page = open_page(f"{server}/{path}", color_scheme=scheme)
    violations = Axe().run(page).response["violations"]
    assert [
        (v["id"], [n["html"][:200] for n in v["nodes"]]) for v in violations if v["impact"] in ("serious", "critical")
    ] == []
    hosts = {urlsplit(url).hostname for url in page.requested if url.startswith(("http", "ws"))}
    assert hosts == {"127.0.0.1"}
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
