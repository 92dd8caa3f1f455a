"""The dictionary: what is corrected, by which sources, and what it says of forms that it does not convert."""

import re
import sys

import pytest

from cvae_core.errors import UserError
from cvae_core.tense import data, lexicon
from cvae_core.tense.data import PAST, PRESENT, PROGRESSIVE, THIRD
from cvae_core.tense.lexicon import load_lexicon, lookup, most_frequent, remark
from cvae_core.tense.spelling import follows_rules, is_irregular
from tests.helpers import SHARED, needs


@pytest.fixture(scope="module")
def forms():
    return {verb.lemma: verb.forms for verb in load_lexicon().verbs}


def test_every_row_is_four_forms_with_their_variants(forms):
    assert 6400 < len(forms) < 6500
    assert forms["burn"] == (("burn",), ("burns",), ("burning",), ("burned", "burnt"))
    assert {"focused", "focussed"} <= set(forms["focus"][data.PAST])
    assert forms["torpedo"] == (("torpedo",), ("torpedoes",), ("torpedoing",), ("torpedoed",))
    assert forms["bestride"][data.PAST] == ("bestrode",)
    assert "jells" not in forms["gel"][data.THIRD] and "inlayinging" not in forms["inlay"][data.PROGRESSIVE]
    assert "quid" not in forms  # it has no -ing
    assert all(word.isalpha() and word.islower() for f in forms.values() for spellings in f for word in spellings)


@pytest.mark.parametrize(
    ("lemma", "progressive", "past"),
    [row.split() for row in (
        "appal appalling appalled", "enrol enrolling enrolled", "enthral enthralling enthralled",
        "mimic mimicking mimicked", "outcrop outcropping outcropped", "pal palling palled", "tar tarring tarred",
        "program programming programmed", "reprogram reprogramming reprogrammed",
        "housebreak housebreaking housebroke", "outspread outspreading outspread", "overcast overcasting overcast",
        "overspend overspending overspent", "sublet subletting sublet", "troubleshoot troubleshooting troubleshot",
        "underlay underlaying underlaid", "unmake unmaking unmade", "uptake uptaking uptook",
        "broadcast broadcasting broadcast", "forecast forecasting forecast", "quit quitting quit",
    )],
)  # fmt: skip
def test_wrong_rows_are_corrected(forms, lemma, progressive, past):
    assert (forms[lemma][PROGRESSIVE][0], forms[lemma][PAST][0]) == (progressive, past)


def test_no_row_misses_the_k_after_a_vowel_and_c(forms):
    assert not [v for v, of in forms.items() if re.search("[aeiou]c$", v) and v + "ed" in of[PAST]]


def test_corrections_change_only_forms_of_verbs_that_the_dictionary_has():
    entries = {entry.lemma: entry for entry in lexicon.read_entries()}
    for lemma, changes in lexicon.read_corrections().items():
        entry = entries[lemma]
        assert not set(lexicon.BY_HAND) & {lemma}
        for tense, spellings, sources in changes:
            assert tense != PRESENT and tuple(entry.forms[tense]) != spellings and sources


@needs("unimorph/verbs.tsv")
def test_the_data_files_are_what_their_script_writes(tmp_path, monkeypatch):
    from scripts import lexicon_data

    before = lexicon.CORRECTIONS.read_text(), lexicon.FREQUENCIES.read_text()
    monkeypatch.setattr(lexicon, "CORRECTIONS", tmp_path / "corrections.tsv")
    monkeypatch.setattr(lexicon, "FREQUENCIES", tmp_path / "frequencies.tsv")
    monkeypatch.setattr(sys, "argv", ["lexicon_data", "--unimorph", str(SHARED / "unimorph" / "verbs.tsv")])
    try:
        lexicon_data.main()
        assert (lexicon.CORRECTIONS.read_text(), lexicon.FREQUENCIES.read_text()) == before
    finally:
        load_lexicon.cache_clear()  # it was read from the files in tmp_path


@pytest.mark.parametrize(
    ("word", "tense", "listed"),
    [
        ("control", PROGRESSIVE, "controlling controling"),
        ("age", PROGRESSIVE, "aging ageing"),
        ("bend", PAST, "bent bended"),
    ],
)
def test_the_commonest_spelling_is_listed_first(word, tense, listed):
    assert lexicon.listed_forms(word, PRESENT, tense) == listed.split()


def test_be(forms):
    assert forms["be"] == (("be", "am", "are"), ("is",), ("being",), ("was", "were"))
    assert {w: lookup(w)[0][1] for w in ("am", "are", "were", "is")} == {
        "am": PRESENT, "are": PRESENT, "were": PAST, "is": THIRD,
    }  # fmt: skip


def test_frequent_verbs_are_those_that_people_use():
    top = [verb.lemma for verb in most_frequent(1000)]
    assert {"be", "go", "eat", "know", "write", "teach", "cut", "begin"} <= set(top)
    assert (
        sum(is_irregular(verb) for verb in most_frequent(100)) > 30 > sum(map(is_irregular, most_frequent(9999)[-100:]))
    )
    assert len(set(top)) == 1000


@pytest.mark.parametrize(
    ("verb", "regular"), [("walk", True), ("stop", True), ("hang", False), ("light", False), ("omit", False)]
)
def test_a_verb_follows_the_rules_if_its_commonest_forms_do(verb, regular):
    [entry] = [entry for entry in load_lexicon().verbs if entry.lemma == verb]
    assert follows_rules(entry) == regular


@pytest.mark.parametrize("form, lemma", [("eaten", "eat"), ("gone", "go"), ("written", "write"), ("been", "be")])
def test_a_past_participle_names_its_verb(form, lemma):
    assert remark(form) == (f"{form} is the past participle of {lemma}.", lemma, False)
    with pytest.raises(UserError, match=f"Convert {lemma} instead"):
        lexicon.convertible_remark(form)


def test_a_participle_that_is_also_one_of_the_four_forms_is_converted():
    assert remark("walked") is None and remark("come") is None and lexicon.convertible_remark("come") == ""


@pytest.mark.parametrize("word", lexicon.MODALS)
def test_modal_verbs_get_a_sentence(word):
    found = remark(word)
    assert f"{word} is a modal verb" in found.text and "no progressive" in found.text
    assert found.convertible == bool(lookup(word))
