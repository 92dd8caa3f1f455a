"""What a training of verbs shows after every epoch, and what is said about its posterior."""

import numpy as np
import pytest

from cvae_core import collapse
from cvae_core.tense import data
from cvae_core.tense.data import TENSES
from cvae_core.tense.inference import Inflector, load
from cvae_core.tense.preview import CONVERSIONS, MAPPED, NEW, preview, spread
from tests.tiny import VERBS, tiny_task
from ui.figures.samples import aligned, map_figure


@pytest.fixture(scope="module")
def shipped() -> Inflector:
    return load("tense")


def test_the_users_own_verbs_are_converted_every_way_from_the_present(shipped):
    verbs = [verb for verb in shipped.verbs if verb.lemma in ("walk", "go", "burn")]
    shown = preview(shipped, verbs, (), own=True, seed=0)
    assert sorted(row[0] for row in shown["conversions"]) == sorted(3 * ["walk", "go", "burn"])
    assert all(answer == expected for *_, answer, expected in shown["conversions"])
    assert ["go", "past", "went", "went"] in shown["conversions"]
    assert len(shown["generated"]) == len(shown["known"])


def test_of_a_longer_list_one_conversion_each_is_shown_the_past_of_irregular_verbs(shipped):
    verbs = [verb for verb in shipped.verbs if verb.lemma.startswith("sw")]
    shown = preview(shipped, verbs, (), own=True, seed=0)["conversions"]
    assert CONVERSIONS / 2 <= len(shown) <= CONVERSIONS and len({row[0] for row in shown}) == len(shown)
    assert all(row[1] == "past" for row in shown if row[0] in ("swim", "swing", "sweep", "swear"))


def test_without_a_list_the_courses_pairs_are_shown(shipped):
    shown = preview(shipped, shipped.verbs, (), own=False, seed=0)["conversions"]
    assert [(row[0], row[1], row[3]) for row in shown] == [(w, TENSES[t], x) for w, _, x, t in data.COURSE_PAIRS]


def test_a_known_row_is_a_verb_trained_on(shipped):
    shown = preview(shipped, shipped.verbs, (), own=False, seed=0)
    rows = {verb.row for verb in shipped.verbs}
    assert sum(shown["known"]) >= 6  # of 8: the shipped model's score is above 0.9
    assert all(known for row, known in zip(shown["generated"], shown["known"], strict=True) if tuple(row) in rows)


def test_the_map_has_new_verbs_among_old_ones(shipped):
    new = shipped.verbs[:4]
    rows = preview(shipped, new, shipped.verbs[4:], own=True, seed=0)["map"]
    assert [row[0] for row in rows if row[1] == NEW] == [verb.lemma for verb in new]
    assert 30 < len(rows) <= MAPPED and all(len(row) == 4 for row in rows)


def test_a_short_list_is_spread():
    assert list(spread(list(range(10)), 3)) == [0, 4, 8]
    assert list(spread([], 3)) == [] and list(spread([1], 0)) == []


def test_the_task_previews_its_own_list():
    task = tiny_task()
    assert task.short_list and {row[0] for row in task.preview()["conversions"]} <= {verb.lemma for verb in VERBS}
    assert task.model.training


def test_maps_are_turned_back_to_the_one_before():
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([1, -1])
    places = np.array([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.5]])
    maps = [
        [[name, "regular", *row] for name, row in zip("abc", p.tolist(), strict=True)] for p in (places, places @ turn)
    ]
    assert np.allclose([row[2:] for row in aligned(maps)], places)


@pytest.mark.parametrize("projected", [True, False])
def test_the_map_is_drawn_with_the_priors_circles_only_where_it_is_all_of_z(projected):
    chart = map_figure([["walk", "regular", 0.1, 0.2], ["go", "irregular", -1.0, 9.0]], projected).to_dict()
    assert len(chart["layer"]) == (2 if projected else 3)
    points = chart["layer"][0 if projected else 1]
    assert points["encoding"]["x"]["scale"]["domain"][1] > 9


def rows(*kl: float, **more: float) -> list[dict]:
    return [{"epoch": i, "kl": value} | more for i, value in enumerate(kl, start=1)]


@pytest.mark.parametrize(
    ("kl", "epochs", "collapsed", "words"),
    [
        ([5.0, 0.01], 2, True, "since epoch 2"),
        ([0.01, 0.01], 2, True, "since epoch 1"),
        ([0.01], 40, False, ""),  # too early to tell
        ([0.01, 3.0], 2, False, "3.0 nats"),
        ([], 2, False, ""),
    ],
)
def test_a_collapse_is_told_with_its_remedy(kl, epochs, collapsed, words):
    found, text = collapse.describe(rows(*kl), epochs)
    assert found is collapsed and words in text
    assert ("kl_max" in text) is collapsed


def test_information_and_active_units_are_told():
    _, text = collapse.describe(rows(4.0, training_mutual_information_z=2.08, training_active_units_z=2), 1)
    assert "2.1 nats" in text and "3 answers to yes-or-no" in text and "2 of its dimensions are active" in text
    found, text = collapse.describe(rows(0.0, validation_active_units_z=0), 1)
    assert found and "0 of its dimensions vary" in text
    assert collapse.describe([{"epoch": 1, "kl": float("nan")}, {"epoch": 2, "kl": "x"}], 2) == (False, "")
