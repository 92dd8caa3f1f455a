"""The Digits page: completions, pictures of users, the map of a label, and runs with and without samples."""

import io
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from cvae_core import checkpoint, runs
from cvae_core.digits import data
from cvae_core.training import fit
from tests import pages
from tests.tiny_pictures import LABEL
from tests.tiny_pictures import tiny_digits as few
from ui.figures import digits as figures


def open_page(**state) -> AppTest:
    return pages.open_page("digits", state)


def upload(at: AppTest, content: bytes, name: str = "digit.png") -> AppTest:
    at.file_uploader[0].upload(name, content, "image/png").run()
    return at


def as_file(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def test_hiding_and_showing_quadrants_changes_the_pictures():
    at = open_page(view="Complete")
    assert not at.exception and not at.error
    at.button_group(key="shown").set_value(["top left", "bottom left"]).run()
    assert not at.exception
    at.button_group(key="shown").set_value([]).run()
    assert not at.exception and not at.error
    at.button_group(key="shown").set_value(["top left", "top right", "bottom left", "bottom right"]).run()
    assert "Nothing is hidden" in at.info[0].value and not at.exception


@pytest.mark.parametrize("objective", ["cvae", "gsnn", "hybrid"])
def test_each_objective_completes(objective):
    at = open_page(view="Complete", objective=objective, samples=3)
    assert not at.exception and not at.error


def test_a_click_toggles_a_quadrant():
    at = open_page(view="Complete", shown=["bottom left"], clicked="top right")
    assert at.session_state["shown"] == ["top right", "bottom left"]
    at.session_state["clicked"] = "bottom left"
    at.run()
    assert at.session_state["shown"] == ["top right"]


def test_a_picture_of_the_user_is_completed_and_a_bad_one_explained():
    page = np.full((120, 90), 240, np.uint8)
    page[20:90, 40:50] = 10
    at = upload(open_page(view="Complete"), as_file(page))
    assert not at.exception and not at.error
    for content, says in (
        (b"no picture", "expected a picture"),
        (as_file(np.zeros((50, 50), np.uint8)), "empty"),
        (as_file(page)[:60], "expected a picture"),
        (as_file(np.zeros((5000, 2), np.uint8)), "at most"),
    ):
        at = upload(open_page(view="Complete"), content)
        assert not at.exception and says in at.error[0].value


def test_the_map_follows_label_and_cell():
    at = open_page(view="By label", cell=(2, 3))
    assert not at.exception and not at.error
    assert (at.slider(key="row").value, at.slider(key="column").value) == (2, 3)
    at.slider(key="steps").set_value(25).run()
    at.slider(key="column").set_value(24).run()
    at.slider(key="steps").set_value(5).run()
    assert not at.exception and at.slider(key="column").value == 4


@pytest.mark.parametrize("view", ["Complete", "By label"])
def test_the_list_of_models_loads_the_chosen_ones_alone(view, run_root, monkeypatch):
    """Twelve finished runs beside the shipped models: none of them is loaded to find out which ones fit."""
    shipped = {"Complete": "digits", "By label": "digits-label"}[view]
    for i in range(12):
        run = runs.create({"system": "digits"}, f"copy{i}")
        checkpoint.copy(checkpoint.find(shipped if i % 2 else "digits-unconditional"), run.weights)
        run.write_status(state="finished")
    read, files = checkpoint.read, []
    monkeypatch.setattr(checkpoint, "read", lambda path, *rest: files.append(Path(path).stem) or read(path, *rest))
    st.cache_resource.clear()
    at = open_page(view=view)
    assert not at.exception and not at.error and not at.warning
    assert files == {"Complete": ["digits"], "By label": ["digits-label", "digits-unconditional"]}[view]
    listed = at.selectbox(key={"Complete": "model", "By label": "label_model"}[view]).options
    assert (
        listed
        == {
            "Complete": ["digits", *(name for name in runs.finished("digits") if "copy" in name and odd(name))],
            "By label": ["digits-label", "digits-unconditional", *runs.finished("digits")],
        }[view]
    )


def odd(name: str) -> bool:
    return int(name.rpartition("copy")[2]) % 2 == 1


def test_a_model_with_a_damaged_header_is_left_out(run_root):
    run = runs.create({"system": "digits"}, "damaged")
    checkpoint.write(run.weights, {}, {"system": "digits", "config": {"task": "quadrants", "hidden": 3}})
    run.write_status(state="finished")
    at = open_page(view="Complete")
    assert not at.exception and not at.error
    assert "Unknown config field 'hidden'" in at.warning[0].value and "left out" in at.warning[0].value
    assert at.selectbox(key="model").options == ["digits"]


def test_runs_of_digits_are_shown_epoch_by_epoch(run_root):
    run = runs.create({"system": "digits"}, "label")
    assert fit(few(LABEL), run) == "finished"
    empty = runs.create({"system": "digits"}, "begun")
    other = runs.create({"system": "tense"}, "verbs")
    at = open_page(view="Training", run=run.id)
    assert not at.exception and not at.error
    assert other.id not in at.selectbox(key="run").options
    at.select_slider(key=f"epoch {run.id}").set_value(1).run()
    assert not at.exception
    at.selectbox(key="run").set_value(empty.id).run()
    assert "no finished epoch" in at.info[0].value


def test_pictures_become_files_and_sheets():
    pictures = data.small_digits().test.pixels[:7].numpy() / 255
    sheet = figures.tile(pictures, columns=3)
    assert sheet.shape == (3 * 30 - 2, 3 * 30 - 2)
    np.testing.assert_allclose(sheet[30:58, 30:58], pictures[4].reshape(28, 28))
    saved = np.asarray(Image.open(io.BytesIO(figures.png(sheet, scale=2))))
    assert saved.shape == (176, 176) and saved[0, 56] == round(0.4 * 255)


def test_a_hidden_quadrant_is_covered():
    figure = figures.quadrant_figure(np.ones(784), (True, False, True, False))
    covered = [shape.fillcolor != "rgba(0,0,0,0)" for shape in figure.layout.shapes]
    assert covered == [False, True, False, True]
    assert list(figure.data[1].customdata) == [0, 1, 2, 3]
