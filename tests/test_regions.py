"""What is decoded along a path and over a plane; the map that ships with `tense`."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cvae_core import checkpoint
from cvae_core.tense import regions, verb_map
from cvae_core.tense.data import PAST, PRESENT
from cvae_core.tense.inference import Inflector, load
from tests.tiny import VERBS, tiny_task


@pytest.fixture(scope="module")
def shipped():
    return load("tense")


def test_forms_and_letters_are_those_of_the_answers(shipped):
    s = shipped.infer(["walk", "write", "grattle"], [PRESENT] * 3)
    decoded = regions.decode_all(shipped, s, "s")[PAST]
    answers = shipped.answer(s, [PAST] * 3)
    assert decoded.forms == [answer.form for answer in answers]
    assert decoded.probabilities == pytest.approx([answer.probability for answer in answers], rel=1e-4)
    assert [len(letters) for letters in decoded.letters] == [len(form) + 1 for form in decoded.forms]
    assert decoded.verbs == ["walk", "write", "grattle"] and decoded.known == [True, True, False]


@pytest.mark.parametrize(
    ("form", "tense", "present", "owner"),
    [
        ("wrote", PAST, "write", ("write", True)),
        ("lay", PAST, "lie", ("lie", True)),
        ("grattled", PAST, "grattle", ("grattle", False)),
        ("grattled", PAST, "vashify", ("grattled", False)),
        ("wrote", PRESENT, "wrote", ("wrote", False)),
        ("", PAST, "", ("", False)),
    ],
)
def test_the_verb_of_a_form(form, tense, present, owner):
    assert regions.owners([form], tense, [present]) == ([owner[0]], [owner[1]])


@given(st.integers(0, 1000), st.integers(2, 40))
def test_a_plane_goes_through_its_corners(seed, dimensions):
    corners = torch.randn(3, dimensions, generator=torch.Generator().manual_seed(seed))
    plane = regions.plane_through(corners)
    # Single precision, and corners that may lie almost on a line.
    torch.testing.assert_close(plane.points(plane.corners), corners, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(plane.axes @ plane.axes.T, torch.eye(2), atol=1e-3, rtol=1e-3)
    assert plane.corners.abs().max() < plane.radius


@pytest.mark.parametrize("corners", [torch.zeros(3, 5), torch.outer(torch.arange(3.0), torch.ones(5))])
def test_a_plane_through_points_on_a_line_contains_them(corners):
    plane = regions.plane_through(corners)
    torch.testing.assert_close(plane.points(plane.corners), corners, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(plane.axes @ plane.axes.T, torch.eye(2), atol=1e-5, rtol=1e-5)


def test_a_grid_runs_from_the_top_left_row_by_row():
    plane = regions.Plane(torch.zeros(2), torch.eye(2), torch.zeros(3, 2), 1.0)
    assert plane.grid(2).tolist() == [[-0.5, 0.5], [0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]]


def test_territories_report_progress_to_the_end():
    model, shares = Inflector(tiny_task().model, VERBS), []
    plane = regions.plane_through(model.draw(3, 0))
    decoded = regions.territories(model, plane, 30, PAST, "z", shares.append)
    assert len(decoded.forms) == 900 and shares[-1] == 1 and shares == sorted(shares)


def test_the_shipped_map_is_of_the_shipped_model(shipped):
    found = verb_map.shipped(shipped, shipped.verbs)
    assert found is not None, "run python -m scripts.verb_map after every change of checkpoints/tense"
    mu, places = found
    assert places.shape == (len(shipped.verbs), 2) and np.isfinite(places).all()
    np.testing.assert_allclose(mu[:20], verb_map.means(shipped, shipped.verbs[:20]), atol=5e-3)
    assert verb_map.shipped(load("tense-heldout"), shipped.verbs[:5]) is None


def test_a_damaged_map_is_left_out(shipped, tmp_path, monkeypatch):
    monkeypatch.setattr(verb_map, "FILE", tmp_path / "map.safetensors")
    assert verb_map.shipped(shipped, shipped.verbs) is None
    checkpoint.write(verb_map.FILE, {"places": torch.zeros(1, 2)}, {})
    assert verb_map.shipped(shipped, shipped.verbs) is None
