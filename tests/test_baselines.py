"""Baselines: known words, edits worked out by hand, and the scores that a model is measured against."""

import pytest

from cvae_core.tense.baselines import BASELINES, spell_present, suffix_lookup
from cvae_core.tense.data import (
    DIRECTIONS,
    PAST,
    PRESENT,
    PROGRESSIVE,
    THIRD,
    Verb,
    select_split,
)
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.metrics import accuracy_of
from cvae_core.tense.spelling import SPELLING_RULES


def verb(*forms: str) -> Verb:
    return Verb(tuple((form,) for form in forms))


WALK = verb("walk", "walks", "walking", "walked")
TALK = verb("talk", "talks", "talking", "talked")
MAKE = verb("make", "makes", "making", "made")
TAKE = verb("take", "takes", "taking", "took")
FORSAKE = verb("forsake", "forsakes", "forsaking", "forsook")


@pytest.mark.parametrize("name", BASELINES)
def test_same_tense_is_the_word_itself(name):
    words = ["ran", "flummoxes", "blicking", "set"]
    assert BASELINES[name](words, [PAST, THIRD, PROGRESSIVE, PRESENT], [PAST, THIRD, PROGRESSIVE, PRESENT]) == words


@pytest.mark.parametrize("name", [n for n in BASELINES if n != "copy"])
def test_a_regular_verb_in_every_direction(name):
    row = SPELLING_RULES  # present, third person, progressive, past
    forms = [rule("restalk") for rule in row]
    for source, target in DIRECTIONS:
        assert BASELINES[name]([forms[source]], [source], [target]) == [forms[target]]


@pytest.mark.parametrize(
    ("word", "tense", "present"),
    [
        ("carries", THIRD, "carry"), ("boxes", THIRD, "box"), ("makes", THIRD, "make"), ("closes", THIRD, "close"),
        ("passes", THIRD, "pass"), ("dies", THIRD, "die"), ("goes", THIRD, "go"),
        ("running", PROGRESSIVE, "run"), ("making", PROGRESSIVE, "make"), ("seeing", PROGRESSIVE, "see"),
        ("falling", PROGRESSIVE, "fall"), ("dying", PROGRESSIVE, "die"), ("relating", PROGRESSIVE, "relate"),
        ("visiting", PROGRESSIVE, "visit"), ("judging", PROGRESSIVE, "judge"), ("flying", PROGRESSIVE, "fly"),
        ("carried", PAST, "carry"), ("stopped", PAST, "stop"), ("liked", PAST, "like"), ("walked", PAST, "walk"),
        ("settled", PAST, "settle"), ("agreed", PAST, "agree"), ("sent", PAST, "sent"), ("set", PRESENT, "set"),
    ],
)  # fmt: skip
def test_textbook_rules_backwards(word, tense, present):
    assert spell_present(word, tense) == present


def test_rules_survive_words_of_one_letter():
    words = [w for w in ("a", "s", "ed", "ing", "y", "e") for _ in range(16)]
    sources, targets = zip(*[(s, t) for _ in range(6) for s in range(4) for t in range(4)], strict=True)
    for name, convert in BASELINES.items():
        made = convert(words, sources, targets)
        assert len(made) == len(words) and all(isinstance(m, str) for m in made), name


def test_longest_suffix_decides():
    convert = suffix_lookup([WALK, TALK, MAKE, TAKE])
    # "make" shares "ake" with make and take, "remake" shares "make" with make alone.
    assert convert(["remake", "retake", "chalk"], [PRESENT] * 3, [PAST] * 3) == ["remade", "retook", "chalked"]


def test_commonest_edit_of_the_longest_suffix_wins():
    # All three share "ake" with "shake": take and forsake strip "ake" and add "ook", make alone goes its own way.
    convert = suffix_lookup([MAKE, TAKE, FORSAKE])
    assert convert(["shake"], [PRESENT], [PAST]) == ["shook"]


@pytest.mark.parametrize(("past", "made"), [("crode", "shade"), ("crogue", "shague")])
def test_a_draw_is_settled_by_the_shorter_suffix(past, made):
    # On "ake" make (strip "ke", add "de") and bake (strip "ke", add "gue") draw; on "ke" croke has the casting vote.
    bake, croke = verb("bake", "bakes", "baking", "bague"), verb("croke", "crokes", "croking", past)
    for order in ([bake, MAKE, croke], [croke, MAKE, bake]):
        assert suffix_lookup(order)(["shake"], [PRESENT], [PAST]) == [made]


def test_a_word_with_no_known_ending_takes_the_commonest_edit():
    convert = suffix_lookup([WALK, TALK, MAKE])
    assert convert(["zzz"], [PRESENT], [THIRD]) == ["zzzs"]


def test_nothing_learned_gives_the_word_back():
    assert suffix_lookup([])(["walk"], [PRESENT], [PAST]) == ["walk"]


def test_an_edit_never_strips_more_than_the_word_has():
    convert = suffix_lookup([verb("go", "goes", "going", "went")])
    assert convert(["o"], [PRESENT], [PAST]) == ["o"]  # go -> went strips two letters


def test_scores_on_the_held_out_verbs():
    verbs = select_split(load_lexicon().verbs, "test")
    scores = {name: accuracy_of(convert, verbs)["accuracy"] for name, convert in BASELINES.items()}
    assert scores["copy"] < 0.01
    assert 0.92 < scores["spelling rules"] < 0.96
    assert 0.93 < scores["suffix lookup"] < 0.98
    assert 0.95 < scores["lemminflect, unknown words"] < 0.99
