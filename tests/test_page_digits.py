"""The Digits page: completions, pictures of users, the map of a label, and runs with and without samples."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from cvae_core import checkpoint, runs
from cvae_core.digits import data
from cvae_core.digits.exact import WHOLE, Gap
from cvae_core.digits.posteriors import Posterior
from cvae_core.training import fit
from tests import pages
from tests.tiny_pictures import LABEL
from tests.tiny_pictures import tiny_digits as few
from ui.digits import lag
from ui.figures import digits as figures
from ui.pictures import digits as drawing


def open_page(**state) -> AppTest:
    return pages.open_page("digits", state)


def upload(at: AppTest, content: bytes, name: str = "digit.png") -> AppTest:
    at.file_uploader[0].upload(name, content, "image/png").run()
    return at


def row(at: AppTest) -> dict:
    """The pictures of the Complete view."""
    return json.loads(
        next(e for e in at.get("bidi_component") if e.proto.component_name == "cvae_completion").proto.json
    )


def htmls(at: AppTest) -> str:
    return "".join(element.proto.body for element in at.get("html"))


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


def test_a_row_shows_what_is_visible_and_what_is_predicted():
    at = open_page(view="Complete", shown=["top right", "bottom left"], samples=7)
    assert row(at)["visible"] == [False, True, True, False]
    captions = [picture["caption"] for picture in row(at)["pictures"]]
    assert captions == [
        "Visible part", "Truth", "Deterministic guess", "Mean of 7 samples", "Variance of each pixel"
    ]  # fmt: skip


def test_samples_are_sorted_by_likelihood_and_one_is_nearest():
    page = htmls(open_page(view="Complete", samples=12))
    values = [float(v.replace("−", "-")) for v in re.findall(r"<figcaption>(?:★ )?(−?[\d.]+)", page)]
    assert len(values) == 12 and values == sorted(values, reverse=True)
    assert page.count('class="nearest"') == 1


def test_a_picture_of_the_user_is_completed_and_a_bad_one_explained():
    page = np.full((120, 90), 240, np.uint8)
    page[20:90, 40:50] = 10
    at = upload(open_page(view="Complete", source="Photo"), as_file(page))
    assert not at.exception and not at.error
    for content, says in (
        (b"no picture", "expected a picture"),
        (as_file(np.zeros((50, 50), np.uint8)), "empty"),
        (as_file(page)[:60], "expected a picture"),
        (as_file(np.zeros((5000, 2), np.uint8)), "at most"),
    ):
        at = upload(open_page(view="Complete", source="Photo"), content)
        assert not at.exception and says in at.error[0].value


@pytest.mark.parametrize("view", ["Complete", "Style", "Gap"])
def test_a_drawing_is_a_digit_and_an_empty_square_is_none(view):
    at = open_page(view=view, source="Draw")
    assert "Draw a digit" in at.caption[0].value and not at.get("plotly_chart")
    one = [{"erase": False, "points": [[140, y] for y in range(30, 250, 4)]}]
    at = open_page(view=view, source="Draw", drawing={"strokes": one})
    assert not at.error and "Draw a digit" not in pages.texts(at)
    if view != "Complete":
        assert at.selectbox(key="label 1").value == 1  # the model's own proposal


@pytest.mark.parametrize(
    "forged", [3, [3], [{}], [{"points": 3}], [{"points": [[1], [1, 2, 3], ["a", 1], [-1, 5], [1e400, 0], [999, 5]]}]]
)
def test_forged_strokes_are_no_drawing(forged):
    assert drawing.read_strokes(forged) == []
    at = open_page(view="Complete", source="Draw", drawing={"strokes": forged})
    assert not at.exception and "Draw a digit" in at.caption[0].value


def test_strokes_become_a_picture_and_the_eraser_takes_them_away():
    line = {"erase": False, "points": [[40, 140], [240, 140]]}
    picture = drawing.drawn([line])
    assert picture.shape == (280, 280) and (picture[140, 40:241] == 255).all() and not picture[:120].any()
    assert (picture[:, 140] > 0).sum() == pytest.approx(drawing.PEN, abs=2)
    assert drawing.drawn([{"erase": False, "points": [[100, 100]]}]).any()  # a point, too
    erased = drawing.drawn([line, line | {"erase": True}])
    assert not erased.any()
    many = [{"points": [[1, 1]] * 5000}] * 500
    assert sum(len(stroke["points"]) for stroke in drawing.read_strokes(many)) == drawing.MAX_POINTS


def test_the_styles_of_two_digits_go_with_all_labels():
    at = open_page(view="Style", digit=7, style_steps=5)
    assert not at.error and htmls(at).count("<figcaption>") == 2 + 10 + 1
    assert {b.label for b in at.get("download_button")} == {"PNG 1×", "PNG 8×"}
    at.selectbox(key="label_model").set_value("digits-unconditional").run()
    assert "gets no label" in at.info[0].value


def test_optimising_q_closes_the_amortisation_gap_alone():
    at = open_page(view="Gap", digit=11)
    gaps = [gap_of(at)]
    pages.button(at, "Optimise q for this digit").click().run()
    assert not at.exception
    gaps.append(gap_of(at))
    assert gaps[0]["amortisation"] > 0.05 and gaps[1]["amortisation"] == 0
    assert gaps[0]["approximation"] == gaps[1]["approximation"] > 0
    at.number_input(key="digit").set_value(12).run()
    assert at.session_state["gap_step"] == 0  # another digit begins at the encoder's q


def gap_of(at: AppTest) -> dict[str, float]:
    found = re.findall(r"<span>(\w+)</span>.{0,200}?<span>([\d.]+) nats", htmls(at), re.DOTALL)
    return {name: float(value) for name, value in found}


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
    curves = at.pills(key="curves")
    assert curves.options[:2] == ["loss, nats", "cross entropy, nats per picture"]
    assert not {"KL weight β", "teacher-forcing ratio"} & set(curves.options)
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


def test_a_sheet_and_a_picture_in_colours_stand_side_by_side():
    colours = figures.viridis(np.linspace(0, 1, 784).reshape(28, 28))
    np.testing.assert_allclose(colours[[0, -1], [0, -1]] * 255, [[0x44, 0x01, 0x54], [0xFD, 0xE7, 0x25]], atol=0.5)
    both = figures.beside(np.zeros((28, 58)), colours)
    assert both.shape == (28, 88, 3)
    np.testing.assert_allclose(both[:, 60:], colours)


# --- the gap during training ----------------------------------------------------------------------------------------


def test_the_shipped_run_is_played_and_its_encoder_lags(monkeypatch):
    monkeypatch.setattr(lag, "PAUSE", 0)
    at = open_page(view="Gap", when="During training")
    assert not at.error and "q lags behind" in pages.texts(at) and "After epoch 1<" in htmls(at)
    slider = at.select_slider[0]
    slider.set_value(slider.options[2]).run()
    assert "After epoch 3<" in htmls(at)
    gap = float(re.search(r"a gap of ([\d.]+) nats", htmls(at))[1])
    pages.button(at, "Play").click().run()
    last = at.select_slider[0].value
    assert not at.exception and f"After epoch {last}<" in htmls(at)
    assert float(re.search(r"a gap of ([\d.]+) nats", htmls(at))[1]) < 0.1 * gap
    at = open_page(view="Gap", when="During training", lag_digit=2)
    assert "Label 7" in htmls(at)


def test_own_runs_are_played_and_those_without_posteriors_left_out(run_root):
    run, old, damaged = (
        runs.create({"system": "digits", "data": "few", "config": vars(LABEL)}, name)
        for name in ("own", "old", "damaged")
    )
    assert fit(few(LABEL), run) == "finished"
    old.write_samples(1, {"pictures": ["00" * 784]})
    damaged.write_samples(1, {"posteriors": [{"label": 3}]})
    at = open_page(view="Gap", when="During training", lag_run=run.id)
    assert not at.error and "After epoch 1<" in htmls(at) and "Trained on few" in pages.texts(at)
    assert at.selectbox(key="lag_run").options == ["shipped/source-003-label-lag", run.id]
    assert damaged.id in at.warning[0].value
    assert not open_page(view="Training", run="shipped/source-003-label-lag").exception


@pytest.mark.parametrize(
    ("gaps", "sigma", "says"),
    [([5, 40, 2, 1], 0.3, "by epoch 3 the gap is below a tenth"), ([1, 1.5, 1.2, 1], 0.3, "between 1.00 and 1.50"),
     ([1, 0.5, 0.2, 0.1], 1.0, "collapsed")],
)  # fmt: skip
def test_what_is_to_be_seen_is_told_from_the_numbers(gaps, sigma, says):
    two = np.zeros(2)
    history = {
        epoch: Posterior(2, np.zeros((28, 28)), WHOLE, np.ones((5, 5)), two, two + sigma, two + 3, two + 1, gap)
        for epoch, gap in enumerate((Gap(-100, -100 - value, -100) for value in gaps), start=1)
    }
    assert says in lag.describe(history)
