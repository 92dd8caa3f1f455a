"""The Video page: predictions, several futures, steering, plans, and sequences of users."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from cvae_core import runs
from cvae_core.training import fit
from cvae_core.video.data import write_clip
from cvae_core.video.family import TEST
from cvae_core.video.simulator import simulate
from tests import pages
from tests.pages import button, texts
from tests.tiny_pictures import tiny_video as tiny
from ui.video.predict import divergence, framed


@pytest.fixture(scope="module")
def model(module_run_root) -> str:
    """A run's id: a model that has learned next to nothing."""
    run = runs.create({"system": "video"}, "video")
    fit(tiny(epochs=1, feedback=False), run)
    return run.id


def open_page(model: str, **state) -> AppTest:
    return pages.open_page("video", {"model": model} | state)


def test_a_prediction_stands_beside_what_copying_scores(model):
    at = open_page(model, seed=TEST + 3)
    assert not at.exception and not at.error
    scores = {m.label: float(m.value.split()[0]) for m in at.metric}
    clip = simulate(TEST + 3, 12).frames.float() / 255
    error = (clip[2:] - clip[1]).square().flatten(2).mean(-1)
    assert scores["PSNR, the last frame, copied"] == pytest.approx((-10 * error.log10()).mean().item(), abs=0.006)
    assert len(scores) == 5  # with the best future and the average one


def test_the_real_robot_is_predicted_at_once_by_its_model():
    at = pages.open_page("video", {"source": "Real robot"})
    assert not at.exception and not at.error
    assert at.session_state["model"] == "video-robot" and "CC BY 4.0" in at.caption[0].value
    assert {m.label.split(",")[0] for m in at.metric} == {"PSNR"}
    at.button_group(key="source").set_value("Simulator").run()
    assert not at.exception and at.session_state["model"] == "video-objects"
    at.button_group(key="source").set_value("My own folder").run()
    assert at.session_state["model"] == "video-robot" and "in metres" in at.info[0].value


def test_futures_are_marked_where_they_part():
    spread = torch.zeros(64, 64)
    assert divergence(spread) is None
    spread[10:13, 20:22] = 0.5
    box = divergence(spread)
    assert box == (slice(8, 15), slice(18, 24))
    picture = framed(torch.zeros(3, 64, 64), box)
    assert picture[0, 8, 18:24].gt(0).all() and picture[0, 9, 19] == 0 and framed(picture, None) is picture


def test_another_seed_is_another_scene(model):
    at = open_page(model)
    button(at, "Another").click().run()
    assert not at.exception and at.session_state["seed"] >= TEST


def test_seed_and_view_of_another_page_are_not_taken_over(model):
    at = pages.open_page("video", {"_opened": "latent", "model": model, "seed": 7, "view": "Samples"})
    assert at.session_state["seed"] == TEST and at.session_state["view"] == "Predict" and not at.warning
    at.number_input(key="seed").set_value(7).run()
    assert "Training clips have seeds below 1,000,000" in at.warning[0].value


@pytest.mark.parametrize("model", ["tense", "video-robot"])
def test_the_model_of_another_page_or_source_is_not_taken_over(model):
    at = pages.open_page("video", {"_opened": "home", "model": model, "source_before": "Real robot"})
    assert at.session_state["source"] == "Simulator" and at.session_state["model"] == "video-objects"
    at.selectbox(key="model").set_value("video").run()
    assert at.session_state["model"] == "video" and not at.error


def test_a_link_names_the_model(model):
    at = pages.open_page("video", {"_opened": "train", "model": "tense", "source_before": "Real robot"}, model=model)
    assert at.session_state["model"] == model and not at.error


def test_arrows_move_the_arm_step_by_step(model):
    at = open_page(model, view="Steer", seed=TEST)
    assert not at.exception and not at.error
    button(at, "↓").click().run()
    button(at, "→").click().run()
    before = at.session_state["actions"][3:, 3]
    button(at, "Close").click().run()
    assert not at.exception and not at.error
    actions = at.session_state["actions"]
    assert actions[1].tolist() == pytest.approx([0.02, 0, 0, simulate(TEST).condition[1, 3].item()])
    assert actions[2, :3].tolist() == pytest.approx([0, 0.02, 0])
    assert actions[3:, 3].tolist() == [0.0] * 8 and at.session_state["step"] == 4
    button(at, "Undo").click().run()
    assert at.session_state["step"] == 3 and at.session_state["actions"][3:, 3].tolist() == before.tolist()
    button(at, "Redo").click().run()
    assert at.session_state["step"] == 4 and np.array_equal(at.session_state["actions"], actions)
    assert button(at, "Redo").disabled
    assert "the prediction scores" in texts(at)
    button(at, "Reset").click().run()
    assert at.session_state["actions"] == pytest.approx(simulate(TEST).condition[:-1, :4].double().numpy(), abs=1e-6)
    at.number_input(key="seed").set_value(TEST + 1).run()
    assert at.session_state["actions"] == pytest.approx(
        simulate(TEST + 1).condition[:-1, :4].double().numpy(), abs=1e-6
    )


def test_after_the_last_frame_no_arrow_can_be_pressed(model):
    at = open_page(model, view="Steer", seed=TEST)
    next(s for s in at.slider if s.label == "Frame").set_value(10).run()
    button(at, "↑").click().run()
    assert not at.exception and at.session_state["step"] == 11 and button(at, "↑").disabled
    assert at.session_state["actions"][10].tolist()[:3] == [-0.02, 0, 0]


def test_a_goal_is_planned_for_and_the_plan_carried_out(model):
    at = open_page(model, view="Reach", seed=TEST)
    assert "Mark a goal for the gripper" in at.info[0].value
    at.session_state["goal"] = (40.0, 30.0)
    at.run()
    assert not at.exception and not at.error
    assert "The simulator leaves it" in texts(at)
    at.toggle(key="with_simulator").set_value(True).run()
    assert not at.exception and "Planning with the simulator in the model's place" in texts(at)
    things = next(box for box in at.selectbox if box.label == "What to move")
    assert things.options[0] == "the gripper" and "the red object" in things.options
    things.set_value("the red object").run()
    assert not at.exception and "Mark a goal for the red object" in at.info[0].value


def test_a_plan_needs_the_simulator(model):
    at = open_page(model, view="Reach", source="My own folder")
    assert not at.exception and "0.png" in at.info[0].value


def files_of(folder: Path, seed: int = 5, length: int = 6) -> list[tuple[str, bytes, str]]:
    clip = write_clip(simulate(seed, length), folder / "traj_0" / "0")
    return [(path.name, path.read_bytes(), "image/png") for path in sorted(clip.iterdir())]


def test_a_folder_of_the_users_is_predicted_and_steered(model, tmp_path):
    at = open_page(model, source="My own folder")
    assert "0.png" in at.info[0].value
    at.file_uploader[0].set_value(files_of(tmp_path)).run()
    assert not at.exception and not at.error
    assert len(at.metric) == 5
    at.button_group(key="view").set_value("Steer").run()
    button(at, "Raise").click().run()
    assert not at.exception and not at.error
    at.file_uploader[0].set_value(files_of(tmp_path / "another", seed=6)).run()
    expected = simulate(6, 6).condition[:-1, :4].double().numpy()
    assert at.session_state["actions"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: files[1:], "has no 0.png"),
        (lambda files: [f for f in files if f[0] != "actions.csv"], "actions.csv is missing"),
        (lambda files: files + files, "one sequence"),
        (lambda files: [(n, b"\0" * 40 if n == "1.png" else b, t) for n, b, t in files], "cannot be read as a PNG"),
        (lambda files: [(n, wide() if n == "1.png" else b, t) for n, b, t in files], "expected 64 x 64"),
        (lambda files: [f for f in files if f[0] not in ("2.png", "3.png", "4.png", "5.png")], "at least 3"),
    ],
)
def test_a_folder_that_is_no_sequence_gets_a_sentence(model, tmp_path, change, words):
    at = open_page(model, source="My own folder")
    at.file_uploader[0].set_value(change(files_of(tmp_path))).run()
    assert not at.exception
    assert words in at.error[0].value and "/tmp" not in at.error[0].value


def wide() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((64, 65, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_without_a_model_the_page_says_how_to_get_one(monkeypatch):
    monkeypatch.setattr("ui.model_names", lambda system="tense": [])
    at = pages.open_page("video")
    assert "train video" in at.error[0].value
