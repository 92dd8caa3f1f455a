import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from cvae_core.tense import metrics
from cvae_core.tense.data import COURSE_PAIRS, Verb
from tests.tiny import VERBS


def test_bleu4_known_values():
    assert metrics.bleu4("walked", "walked") == 1.0
    assert metrics.bleu4("ran", "ran") == pytest.approx(1.0)  # three letters: three weights
    assert metrics.bleu4("", "walked") == 0
    copied = sum(metrics.bleu4(word, target) for word, _, target, _ in COURSE_PAIRS) / 10
    assert copied == pytest.approx(0.607, abs=5e-4)


@given(st.text("abc", max_size=9), st.text("abcd", min_size=1, max_size=9))
def test_bleu4_is_that_of_nltk(prediction, reference):
    weights = (0.33,) * 3 if len(reference) == 3 else (0.25,) * 4
    expected = sentence_bleu([list(reference)], list(prediction), weights, SmoothingFunction().method1)
    assert metrics.bleu4(prediction, reference) == pytest.approx(expected, abs=1e-12)


def test_gaussian_score_counts_a_tuple_once_and_any_accepted_spelling():
    burn = Verb((("burn",), ("burns",), ("burning",), ("burned", "burnt")))
    rows = [
        ("burn", "burns", "burning", "burnt"), ("burn", "burns", "burning", "burned"),
        ("walk", "walks", "walking", "walked"), ("walk", "walks", "walking", "walk"),
    ]  # fmt: skip
    assert metrics.gaussian_score(rows, [burn, burn, *VERBS]) == (3 / 4, 2 / 4)
    assert metrics.gaussian_score(rows[3:], VERBS) == (0, 0)


def test_accuracy_is_the_mean_of_twelve_directions_and_takes_any_variant():
    forms = {word: verb for verb in VERBS for spellings in verb.forms for word in spellings}

    def right_but_never_past(words, sources, targets):
        return ["?" if t == 3 else forms[w].forms[t][-1] for w, t in zip(words, targets, strict=True)]

    scores = metrics.accuracy_of(right_but_never_past, VERBS)
    assert scores["accuracy"] == pytest.approx(9 / 12)
    assert scores["by_direction"]["present>past"] == 0 and scores["by_direction"]["past>present"] == 1
    assert len(scores["by_direction"]) == 12 and scores["reconstruction"] == 3 / 4


def test_calibration_is_the_weighted_gap_between_confidence_and_accuracy():
    error, bins = metrics.calibration([0.9, 0.9, 0.9, 0.9, 0.1, 0.1], [True, True, True, False, False, False])
    assert error == pytest.approx((4 * 0.15 + 2 * 0.1) / 6)
    assert [b["count"] for b in bins] == [2, 4]
    assert metrics.calibration([1.0, 1.0], [True, True])[0] == 0


def test_uniform_draws_repeat_themselves():
    assert metrics.uniform_distinct(10, 1) == pytest.approx(1)
    drawn = np.random.default_rng(0).integers(0, 100, (2000, 80))
    measured = np.mean([len(set(row)) / 80 for row in drawn.tolist()])
    assert metrics.uniform_distinct(100, 80) == pytest.approx(measured, abs=0.005)
