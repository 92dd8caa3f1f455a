"""The Video page in a real browser: the player, the arrows, and an uploaded folder."""

from playwright.sync_api import expect

from cvae_core.video.data import write_clip
from cvae_core.video.simulator import simulate
from tests.browser.conftest import settle


def test_the_player_plays_in_the_browser(server, open_page):
    page = open_page(f"{server}/video")
    frame = page.locator(".js-plotly-plot .slider-current-value, .js-plotly-plot .slider-label").first
    expect(frame).to_have_text("frame 2", timeout=30_000)
    page.locator(".js-plotly-plot").get_by_text("Play").click()
    expect(frame).to_have_text("frame 11", timeout=10_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as GIF").click()
    assert download.value.suggested_filename == "prediction.gif"


def test_the_real_robot_s_clip_plays(server, open_page):
    page = open_page(f"{server}/video?source=Real+robot")
    frame = page.locator(".js-plotly-plot .slider-current-value, .js-plotly-plot .slider-label").first
    expect(frame).to_have_text("frame 2", timeout=30_000)
    expect(page.get_by_text("CC BY 4.0")).to_be_visible()
    page.locator(".js-plotly-plot").get_by_text("Play").click()
    expect(frame).to_have_text("frame 9", timeout=10_000)


def test_an_arrow_moves_the_arm(server, open_page):
    page = open_page(f"{server}/video?view=Steer")
    step = page.get_by_role("slider", name="Step")
    expect(step).to_have_value("1", timeout=30_000)
    page.get_by_role("button", name="→").click()
    settle(page)
    expect(step).to_have_value("2")
    expect(page.get_by_text("the prediction scores")).to_be_visible()


def test_a_folder_is_uploaded(server, open_page, tmp_path):
    folder = write_clip(simulate(3, 8), tmp_path / "sequence")
    page = open_page(f"{server}/video?source=My+own+folder")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload directories").click()
    chooser.value.set_files(folder)
    expect(page.get_by_text("PSNR, the model with the actions reversed")).to_be_visible(timeout=30_000)
