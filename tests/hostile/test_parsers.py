"""Parsers of words, files and names, and configs, on generated text."""

import csv
import io
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cvae_core import checkpoint, runs, sweep
from cvae_core.config import config_from_dict
from cvae_core.digits.config import DigitsConfig
from cvae_core.errors import UserError
from cvae_core.tense import data, table
from cvae_core.tense.config import TenseConfig
from cvae_core.tense.inference import Candidate
from cvae_core.tense.verb_file import parse_verbs
from cvae_core.video.config import VideoConfig
from tests.hostile.common import TEXT, answer, few, limited_time, many

PIECES = [
    "walk walks walking walked", "walk", "burned/burnt", "/", ",", ";", "\t", " ", "\n", "\r", "\u2028", "\x85", "\0",
    '"', "'", "\ufeff", "present", "past", "sp", "word,source,target\n", "word\tsource\ttarget\n", "=1+1", "é", "ſ",
]  # fmt: skip
FILES = st.lists(st.sampled_from(PIECES) | TEXT, max_size=30).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


class Echo:
    """Converts every word to itself."""

    def convert(self, words, sources, targets):
        return [Candidate(word, 0.5) for word in words]

    def infer_tenses(self, words):
        return [(0, "model")] * len(words)


def check_word(text: str) -> None:
    word = answer(data.parse_word, text)
    assert word is None or re.fullmatch("[a-z]{1,32}", word)


def check_verbs(text: str) -> None:
    parsed = answer(parse_verbs, text)
    for verb in parsed.verbs if parsed else ():
        assert len(verb.forms) == 4
        assert all(re.fullmatch("[a-z]{1,32}", word) for spellings in verb.forms for word in spellings)


def check_pairs(text: str) -> None:
    for word, source, target, tense in answer(data.parse_pairs, text) or ():
        assert re.fullmatch("[a-z]{1,32} [a-z]{1,32}", f"{word} {target}") and {source, tense} <= set(range(4))


def check_table(text: str) -> None:
    rows = answer(table.parse_table, text)
    if rows is not None:
        converted = table.convert_table(Echo(), rows)
        assert len(converted) == len(rows)
        exported = list(csv.DictReader(io.StringIO(table.format_table(converted), newline="")))
        assert [row["prediction"] for row in exported] == [row["prediction"] for row in converted]


def check_names(text: str) -> None:
    assert answer(runs.find, text) is None
    path = answer(checkpoint.find, text)
    assert path is None or path.is_file()
    assert answer(data.parse_tense, text) in (None, 0, 1, 2, 3)
    for name in ("kl_max", "epochs", "encoder_sos", "source", ""):
        for parse in (sweep.parse_grid, sweep.parse_search):
            answer(parse, f"{name}={text}", TenseConfig)


CHECKS = [check_word, check_verbs, check_pairs, check_table, check_names]


@pytest.mark.parametrize("check", CHECKS)
def test_parsers_answer_or_refuse(check):
    settings(few, max_examples=30 if check is check_names else 150)(given(FILES | TEXT)(check))()


@pytest.mark.fuzz
@pytest.mark.parametrize("check", CHECKS)
def test_parsers_answer_or_refuse_at_length(check):
    many(given(FILES | TEXT)(check))()


@pytest.mark.parametrize("config", [TenseConfig, DigitsConfig, VideoConfig])
def test_configs_answer_or_refuse(config):
    names = st.sampled_from([*config.__dataclass_fields__, "unknown"])

    @few
    @given(st.dictionaries(names, JSON, max_size=4))
    @example({"learning_rate": 10**400})
    def check(values):
        parsed = answer(config_from_dict, config, values)
        assert parsed is None or isinstance(parsed, config)

    check()


@pytest.mark.parametrize("piece", ["a", " ", ",", "a/", "é", "\r"])
def test_ten_megabytes_in_one_line(piece):
    text = piece * (10_000_000 // len(piece))
    for parse in (data.parse_word, data.parse_tense, parse_verbs, data.parse_pairs, table.parse_table):
        assert answer(parse, text) is None
    answer(table.parse_table, "word,source,target\n" + text)


def test_a_wide_header_is_refused():
    """Every row gets every column: this 5 MB would become 10^11 cells."""
    text = "word,source,target," + ",".join(f"c{i}" for i in range(300_000)) + "\nx" * 1_000_000
    with pytest.raises(UserError, match="300,003 columns"), limited_time():
        table.parse_table(text)


def test_a_form_has_few_spellings():
    """Every combination of a verb's spellings is a row that `generate` knows: with 1,000 each there would be 10^12."""
    spellings = "/".join("a" * n for n in range(1, 18))
    with pytest.raises(UserError, match="more than 16 spellings"):
        parse_verbs(" ".join([spellings] * 4))


@few
@given(st.lists(st.sampled_from("=+-@\t\r\n;,\"' ＝＠a1é") | TEXT, max_size=8).map("".join))
@example("a;=1+1")
@example("\n=1")
@example(" @x")
def test_exported_cells_are_no_formulas(cell):
    """Read as CSV, and also split at semicolons regardless of quotes, as some spreadsheets do."""
    text = table.format_table([{"note": cell, "word": "walk"}])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[1][1] == "walk"
    pieces = [rows[1][0], *re.split(r"[;\n]", rows[1][0])]
    assert not [piece for piece in pieces if piece.strip(" ").startswith(tuple("=+-@\t＝＋－＠"))]


@few
@given(st.from_regex(r"[a-z]{1,32}( [a-z0-9'.é-]{1,9})?", fullmatch=True))
def test_exported_words_are_read_back_unchanged(word):
    rows = [{"word": word, "source": "present", "target": "third-person"}]
    assert table.parse_table(table.format_table(rows)) == rows
