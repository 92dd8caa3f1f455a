"""Alignment of letters, and the HTML of a verb's forms, letters, candidates and samples."""

import html
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_core.tense.align import align
from cvae_core.tense.data import LETTERS
from cvae_core.tense.inference import Candidate
from ui.figures import bars
from ui.figures.words import Card, candidate_tree, form_cards, letter_tiles

words = st.text(alphabet="abc", max_size=7)


def text(markup: str) -> list[str]:
    """The texts between the tags."""
    return [html.unescape(part) for part in re.split(r"<[^>]+>", markup) if part.strip()]


@pytest.mark.parametrize(
    ("source", "target", "pairs"),
    [
        ("stop", "stopping", "ss tt oo pp _p _i _n _g"),
        ("carry", "carries", "cc aa rr rr yi _e _s"),
        ("make", "making", "mm aa kk ei _n _g"),
        ("wrote", "write", "ww rr oi tt ee"),
        ("went", "go", "wg eo n_ t_"),
        ("", "", ""),
    ],
)
def test_the_beginning_is_kept(source, target, pairs):
    assert align(source, target) == [tuple(letter.replace("_", "") for letter in pair) for pair in pairs.split()]


def distance(a: str, b: str) -> int:
    """Levenshtein's distance by its definition."""
    if not a or not b:
        return len(a) + len(b)
    if a[0] == b[0]:
        return distance(a[1:], b[1:])
    return 1 + min(distance(a[1:], b), distance(a, b[1:]), distance(a[1:], b[1:]))


@given(words, words)
def test_an_alignment_spells_both_words_with_the_fewest_edits(source, target):
    pairs = align(source, target)
    assert "".join(a for a, _ in pairs) == source and "".join(b for _, b in pairs) == target
    assert all(len(a) <= 1 and len(b) <= 1 and a + b for a, b in pairs)
    assert sum(a != b for a, b in pairs) == distance(source, target)


def test_cards_say_what_the_dictionary_has():
    cards = [Card("past", "went", 0.9, ["went"]), Card("present", "goed", 0.5, ["go"]), Card("past", "blorped", 1, [])]
    shown = text(form_cards(cards, asked="present"))
    assert shown[2] == "90.0% · ✓ in the dictionary" and shown[5] == "50.0% · ✗ dictionary: go"
    assert shown[8] == "100.0% · not in the dictionary"
    assert form_cards(cards, asked="present").count("class=asked") == 1


def test_a_tile_has_the_letter_of_the_source_above_it_and_dropped_letters_are_crossed_out():
    names = [*LETTERS, "⏎"]
    probabilities = np.zeros((3, 27))
    probabilities[[0, 1, 2], [names.index(letter) for letter in "go⏎"]] = 0.9
    probabilities[0, names.index("w")] = 0.1
    shown = letter_tiles("went", ["g", "o", "⏎"], probabilities)
    assert text(shown) == [
        "w",
        "g",
        "90%",
        "w 10%",
        "e",
        "o",
        "90%",
        "n",
        "n",
        "dropped",
        "t",
        "t",
        "dropped",
        "⏎",
        "90%",
    ]
    assert re.findall("<s>(.)</s>", shown) == ["n", "t"]


def test_a_tree_branches_where_candidates_differ_and_adds_their_probabilities():
    tree = candidate_tree([Candidate("stopping", 0.6), Candidate("stoping", 0.3), Candidate("stop", 0.0001)])
    assert text(tree) == ["stop", " 90.0%", "ping", " 60.0%", "ing", " 30.0%", "⏎", " below 0.1%"]
    assert text(candidate_tree([Candidate("a", 0.5)])) == ["a", " 50.0%"]


def test_bars_have_a_name_a_length_and_a_number():
    shown = bars([("walked", 0.75, "150"), ("walkt", 0.25, "50")], "Forms drawn")
    assert text(shown) == ["walked", "150", "walkt", "50"] and 'aria-label="Forms drawn"' in shown
    assert re.findall(r"--length: ([\d.]+)", shown) == ["0.750", "0.250"]
