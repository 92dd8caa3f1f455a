from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvae_core.errors import UserError
from cvae_core.step import generator_at
from cvae_core.tense import data
from cvae_core.tense.invent import PREFIXES, invent, irregular_verbs, prefixed, regular_verbs, syllables
from cvae_core.tense.lexicon import load_lexicon
from cvae_core.tense.verb_file import read_verbs
from tests.helpers import COURSE, needs

words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=32)


@given(st.lists(words, min_size=1, max_size=8))
def test_encode_and_decode_are_inverse(some):
    ids = data.encode(some)
    assert data.decode(ids) == some
    assert ids.max() < data.VOCABULARY_SIZE and all((row == data.EOS).sum() == 1 for row in ids)


@given(st.text(max_size=50))
def test_a_word_is_letters_or_an_error(text):
    try:
        word = data.parse_word(text)
    except UserError:
        return
    assert 1 <= len(word) <= 32 and set(word) <= set(data.LETTERS)


@pytest.mark.parametrize("name", ["past", "p", "Simple Past", "simple_past"])
def test_names_of_a_tense(name):
    assert data.parse_tense(name) == data.PAST


def test_split_has_its_shares_and_never_moves():
    verbs = load_lexicon().verbs
    shares = Counter(data.split_of(verb.lemma) for verb in verbs)
    assert 0.78 < shares["train"] / len(verbs) < 0.82
    both = [v.lemma for v in data.select_split(verbs, "train+validation")]
    assert both == [v.lemma for v in verbs if data.split_of(v.lemma) != "test"] and len(both) > 5000
    assert [data.split_of(v) for v in ("abandon", "abet", "flare")] == ["validation", "train", "test"]


def test_files(tmp_path):
    path = tmp_path / "verbs.csv"
    path.write_text(
        "present,third-person,progressive,past\nburn,burns,burning,burned/burnt\n\n"
        "go,goes,going,went\ngo goes going went\n"
    )
    file = read_verbs(path)
    assert [v.row for v in file.verbs] == [("burn", "burns", "burning", "burned"), ("go", "goes", "going", "went")]
    assert file.verbs[0].forms[data.PAST] == ("burned", "burnt") and file.duplicates == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("go goes going went\nrun runs running\n", "line 2: expected four forms"),
        ("go goes going w3nt\n", "line 1: expected words"),
        ("\n\n", "no verbs"),
    ],
)
def test_a_bad_line_names_file_and_line(tmp_path, text, says):
    path = tmp_path / "verbs.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=f"verbs.txt.*{says}"):
        read_verbs(path)


def test_a_missing_or_binary_file_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="Cannot read"):
        read_verbs(tmp_path / "none.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        read_verbs(tmp_path / "binary")


def test_a_pair_in_an_unknown_tense_names_its_line():
    with pytest.raises(UserError, match="pairs.txt, line 2: .*future"):
        data.parse_pairs("walk present walked past\ngo present will future\n", "pairs.txt")


@needs("tense/train.txt", "tense/test.txt")
def test_the_course_files():
    file = read_verbs(COURSE / "train.txt", as_is=True)
    assert (len(file.verbs), file.duplicates) == (1217, 10)
    assert data.read_pairs(COURSE / "test.txt") == list(data.COURSE_PAIRS)


def test_invented_verbs_inflect_as_their_ending_does():
    verbs = load_lexicon().verbs[:800]
    rows = invent(verbs, regular_verbs(verbs), 200, generator_at(0, 0, 0))
    assert len(rows) == 200
    assert rows == invent(verbs, regular_verbs(verbs), 200, generator_at(0, 0, 0))
    for present, third, progressive, past in rows:
        assert third.endswith("s") and progressive.endswith("ing") and past.endswith("ed") and present.isalpha()


def test_invented_verbs_double_where_the_stress_may_be():
    verbs = [data.Verb(tuple((word,) for word in row)) for row in (
        ("pit", "pits", "pitting", "pitted"), ("stop", "stops", "stopping", "stopped"),
        ("limit", "limits", "limiting", "limited"), ("gallop", "gallops", "galloping", "galloped"),
    )]  # fmt: skip
    rows = invent(verbs, regular_verbs(verbs), 200, generator_at(0, 0, 0))
    assert {syllables(row[0]) for row in rows} == {1, 2}
    for present, _, _, past in rows:
        assert (past[-4] == past[-3]) == (syllables(present) == 1), past
    assert [syllables(word) for word in ("ate", "flare", "permit", "inhabit", "familiarize")] == [1, 1, 2, 3, 3]


def test_a_prefix_leaves_an_irregular_verb_as_it_was():
    irregular = irregular_verbs(load_lexicon().verbs)
    assert {"take", "go", "put"} <= {verb.lemma for verb in irregular} and "walk" not in {v.lemma for v in irregular}
    for row in prefixed(irregular, 200, generator_at(0, 0, 0)):
        heads = [p for p in PREFIXES if row[0].startswith(p) and row[0].removeprefix(p) in {v.lemma for v in irregular}]
        assert any(tuple(w.removeprefix(p) for w in row) in {v.row for v in irregular} for p in heads)
