"""The Video page in a real browser: the player, the arrows, plans, and an uploaded folder."""

import re

import pytest
from playwright.sync_api import expect

from cvae_core.video import planning
from cvae_core.video.data import write_clip
from cvae_core.video.family import TEST
from cvae_core.video.simulator import rollout, simulate
from tests.browser.conftest import settle


@pytest.mark.slow
def test_the_player_plays_in_the_browser(server, open_page):
    page = open_page(f"{server}/video")
    frame = page.locator(".player output")
    expect(frame).to_have_text("frame 2", timeout=30_000)
    page.get_by_role("button", name="Play").click()
    expect(frame).to_have_text("frame 11", timeout=10_000)
    picture = page.get_by_role("img", name="prediction", exact=True)
    end = picture.evaluate("element => element.style.backgroundPosition")
    page.get_by_role("slider", name="Time step").press("ArrowLeft")
    expect(frame).to_have_text("frame 10")
    assert picture.evaluate("element => element.style.backgroundPosition") != end
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as GIF").click()
    assert download.value.suggested_filename == "prediction.gif"


def test_the_real_robot_s_clip_plays(server, open_page):
    page = open_page(f"{server}/video?source=Real+robot")
    frame = page.locator(".player output")
    expect(frame).to_have_text("frame 2", timeout=30_000)
    expect(page.get_by_text("CC BY 4.0")).to_be_visible()
    page.get_by_role("button", name="Play").click()
    expect(frame).to_have_text("frame 9", timeout=10_000)


def test_an_arrow_moves_the_arm(server, open_page):
    page = open_page(f"{server}/video?view=Steer")
    step = page.get_by_role("slider", name="Frame")
    expect(step).to_have_value("1", timeout=30_000)
    page.get_by_role("button", name="→").click()
    settle(page)
    expect(step).to_have_value("2")
    expect(page.get_by_text("the prediction scores")).to_be_visible()


@pytest.mark.slow
def test_a_folder_is_uploaded(server, open_page, tmp_path):
    folder = write_clip(simulate(3, 8), tmp_path / "sequence")
    page = open_page(f"{server}/video?source=My+own+folder")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload directories").click()
    chooser.value.set_files(folder)
    expect(page.get_by_text("PSNR, the model with the actions reversed")).to_be_visible(timeout=30_000)


@pytest.mark.slow
def test_keys_steer_however_quickly_they_are_pressed(server, open_page):
    page = open_page(f"{server}/video?view=Steer")
    step, picture = page.get_by_role("slider", name="Frame"), page.locator(".table svg")
    picture.click(timeout=30_000)
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "PageDown", "c"):
        page.keyboard.press(key)
    expect(step).to_have_value("6", timeout=30_000)
    expect(page.locator(".table .status")).to_contain_text("Frame 6: gripper")
    page.keyboard.press("Control+z")
    expect(step).to_have_value("5", timeout=30_000)
    page.keyboard.press("Control+y")
    expect(step).to_have_value("6", timeout=30_000)
    page.get_by_role("button", name="Undo").click()
    expect(step).to_have_value("5", timeout=30_000)


@pytest.mark.slow
def test_a_goal_is_marked_planned_for_and_the_execution_is_replayed(server, open_page):
    page = open_page(f"{server}/video?view=Reach")
    picture, status = page.locator(".table svg"), page.locator(".table .status")
    picture.wait_for(timeout=30_000)
    box = picture.bounding_box()
    picture.click(position={"x": 0.6 * box["width"], "y": 0.6 * box["height"]})
    outcome = page.get_by_text("The simulator leaves it")
    expect(outcome).to_be_visible(timeout=60_000)
    expect(status).to_contain_text("Goal for the gripper: 19.2 cm down, 19.2 cm to the right")
    iteration = page.get_by_role("slider", name="Iteration")
    expect(iteration).to_have_value("7")
    iteration.press("Home")
    expect(page.locator(".table output")).to_have_text("iteration 1 of 8")
    frame = page.locator(".player output")
    expect(frame).to_have_text("frame 2", timeout=30_000)
    page.get_by_role("button", name="Play").click()
    expect(frame).to_have_text("frame 11", timeout=15_000)


@pytest.mark.slow
def test_a_goal_is_marked_by_keyboard_and_an_object_by_dragging(server, open_page):
    page = open_page(f"{server}/video?view=Reach")
    picture, status = page.locator(".table svg"), page.locator(".table .status")
    picture.wait_for(timeout=30_000)
    picture.focus()
    for key in ("ArrowDown", "Shift+ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(status).to_have_text("Goal for the gripper: 16.5 cm down, 18.5 cm to the right.", timeout=60_000)
    expect(page.get_by_text("The simulator leaves it")).to_be_visible(timeout=60_000)
    settle(page)
    start = rollout(TEST, 3).objects[1, 0]
    row, column = (planning.seen_at(start) / 64).tolist()
    box = picture.bounding_box()
    page.mouse.move(box["x"] + column * box["width"], box["y"] + row * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    expect(status).to_have_text(re.compile(r"Goal for the \w+ object: 16.0 cm down, 16.0 cm"), timeout=60_000)
    expect(page.get_by_text("The simulator leaves it")).to_be_visible(timeout=60_000)
