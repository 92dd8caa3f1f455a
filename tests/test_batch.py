"""Tables of words: what is read, what is refused, what is written."""

import csv
import io

import pytest

from cvae_core.errors import UserError
from cvae_core.tense.inference import Candidate, load
from cvae_core.tense.table import convert_table, format_table, parse_table, read_table, write_table


class Upper:
    """Answers word-source-target, so that every row's answer is different."""

    def __init__(self):
        self.calls = []

    def convert(self, words, sources, targets):
        self.calls.append(len(words))
        return [Candidate(f"{w}-{s}-{t}", 0.5) for w, s, t in zip(words, sources, targets, strict=True)]

    def infer_tenses(self, words):
        return [2] * len(words)

    def are_familiar(self, words, tenses):
        return [len(word) < 10 for word in words]


def row(word, source="present", target="past", **more):
    return {"word": word, "source": source, "target": target} | more


def test_rows_keep_their_order_and_their_columns():
    words = ["a" * (1 + i * 7 % 13) for i in range(3000)]
    rows = [row(w, note=str(i)) for i, w in enumerate(words)]
    tense, seen = Upper(), []
    done = convert_table(tense, rows, lambda n, total: seen.append((n, total)))
    assert [d["prediction"] for d in done] == [f"{w}-0-3" for w in words]
    assert [d["note"] for d in done] == [str(i) for i in range(3000)]
    assert sum(tense.calls) == 3000 and len(tense.calls) < 10  # batched
    assert seen[-1] == (3000, 3000) and seen == sorted(seen)
    assert "prediction" not in rows[0]  # the caller's rows stay as they were


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (row("w4lk"), "letters a to z"),
        (row(""), "No word"),
        (row("a" * 33), "33 letters"),
        (row("walk", source="later"), "'later' is not a tense"),
        (row("walk", target=""), "not a tense"),
        (row("walk") | {None: ["x"]}, "more cells"),
    ],
    ids=["digit", "empty", "long", "source", "target", "cells"],
)
def test_a_bad_row_does_not_stop_the_rest(bad, says):
    done = convert_table(Upper(), [row("walk"), bad, row("talk")])
    assert [d["prediction"] for d in done] == ["walk-0-3", "", "talk-0-3"]
    assert [bool(d["error"]) for d in done] == [False, True, False]
    assert says in done[1]["error"]


def test_an_empty_source_is_inferred():
    assert [d["prediction"] for d in convert_table(Upper(), [row("walk", source=" ")])] == ["walk-2-3"]


def test_inferring_many_agrees_with_inferring_one():
    model = load("tense")
    words = ["blicked", "sining", "blick", "blicks"]
    assert model.infer_tenses(words) == [model.infer_tense(w) for w in words]
    made = convert_table(model, [row(w, source="") for w in words])
    assert made == [
        row(w, source="")
        | {"prediction": p.form, "probability": pytest.approx(p.probability, abs=1e-4), "familiar": "yes"}
        | {"known": "no", "dictionary": "", "note": "", "error": ""}
        for w in words
        for p in model.convert([w], [model.infer_tense(w)], [3])
    ]


def test_csv_and_tsv_with_bom_and_quotes():
    assert parse_table("\ufeffWord, Source ,target\nwalk,present,past\n") == [row("walk")]
    assert parse_table("word\tsource\ttarget\nwalk\tpresent\tpast\r\n") == [row("walk")]
    assert parse_table('word,source,target,note\nwalk,present,past,"a,\nb"\n') == [row("walk", note="a,\nb")]
    assert parse_table("word,source,target\nwalk,present\n") == [row("walk", target="")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "word is missing"),
        ("word,source\nwalk,present\n", "no column target"),
        ("walk,present,past\n", "word is missing"),
        ("word,source,target,word\n", "word more than once"),
    ],
    ids=["empty", "column", "header", "twice"],
)
def test_a_wrong_header_is_named(text, says):
    with pytest.raises(UserError, match=says):
        parse_table(text)


def test_unreadable_files(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("word,source,target\nwält,present,past\n".encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        read_table(tmp_path / "latin.csv")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formulas_are_made_safe(start):
    text = format_table([row(f"{start}1", **{f"{start}n": "x"})])
    header, cells = csv.reader(io.StringIO(text, newline=""))
    start = start.replace("\r", "\n")
    assert (cells[0], header[-1]) == (f"'{start}1", f"'{start}n")


def test_written_as_read(tmp_path):
    done = convert_table(Upper(), [row("walk"), row("walk2")])
    for name in ("out.csv", "out.tsv"):
        write_table(tmp_path / name, done)
        assert [r["prediction"] for r in read_table(tmp_path / name)] == ["walk-0-3", ""]
    assert (
        (tmp_path / "out.tsv")
        .read_text()
        .startswith("word\tsource\ttarget\tprediction\tprobability\tfamiliar\tknown\tdictionary\tnote\terror\n")
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.csv", "out.tsv"]
    assert "error" not in format_table(done[:1])
    with pytest.raises(UserError, match="Cannot write"):
        write_table(tmp_path / "no" / "out.csv", done)
