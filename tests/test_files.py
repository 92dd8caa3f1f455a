"""Files as people have them: tables of conversions, verb lists, and forms to score."""

import io
import json
import math

import pytest

from cvae_core.__main__ import main
from cvae_core.errors import UserError
from cvae_core.tense.data import PAST, PRESENT, parse_tense, parse_word
from cvae_core.tense.inference import load
from cvae_core.tense.table import parse_table, read_table
from cvae_core.tense.text import decode_text
from cvae_core.tense.verb_file import parse_verbs
from tests.helpers import COURSE, needs

WALK = {"word": "walk", "source": "present", "target": "past"}
GO = ("go", "goes", "going", "went")


@pytest.mark.parametrize(
    "text",
    [
        "word;source;target\nwalk;present;past\n",
        "sep=;\r\nword;source;target\r\nwalk;present;past\r\n",
        "\n\nword,source,target\nwalk,present,past\n,,\n,,\n",
        "word,source,target,\nwalk,present,past,\n",
        "Verb\tFrom\tTo\nwalk\tpresent\tpast\n",
        '"word","source","target"\n"walk","present","past"\n',
    ],
    ids=["semicolons", "sep", "blank rows", "trailing", "other names", "quoted"],
)
def test_tables_of_conversions(text):
    rows = [{column: cell for column, cell in row.items() if column} for row in parse_table(text)]
    assert rows == [WALK]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding, tmp_path):
    (tmp_path / "words.csv").write_bytes("word,source,target\nwalk,present,past\n".encode(encoding))
    assert read_table(tmp_path / "words.csv") == [WALK]


def test_other_encodings_are_refused_with_what_to_do():
    with pytest.raises(UserError, match="words.csv is not text in UTF-8: save it as UTF-8"):
        decode_text("naïve".encode("cp1252"), "words.csv")
    with pytest.raises(UserError, match="UTF-16 without"):
        decode_text("walk".encode("utf-16-le"), "words.csv")


def test_tenses_that_a_table_does_not_name():
    assert parse_table("word,target\nwalk,past\n") == [WALK | {"source": ""}]
    assert parse_table("walk\nrun\n", target="past") == [
        WALK | {"word": word, "source": ""} for word in ("walk", "run")
    ]
    assert parse_table("word,target\nwalk,\nrun,present\n", source="present", target="past") == [
        WALK,
        {"word": "run", "source": "present", "target": "present"},
    ]
    with pytest.raises(UserError, match="--to"):
        parse_table("walk\nrun\n")
    with pytest.raises(UserError, match="word is missing"):
        parse_table("walk,past\n", target="past")


@pytest.mark.parametrize(
    ("name", "tense"),
    [
        ("past tense", "past"), ("Simple Past", "past"), ("preterite", "past"), ("VBD", "past"),
        ("gerund", "progressive"), ("present participle", "progressive"), ("VBG", "progressive"),
        ("3rd person singular", "third-person"), ("VBZ", "third-person"), ("infinitive", "present"),
        ("-ing", "progressive"),
    ],
)  # fmt: skip
def test_usual_names_of_tenses(name, tense):
    assert parse_tense(name) == parse_tense(tense)


def test_past_participles_and_hyphens_get_a_sentence():
    with pytest.raises(UserError, match="past participle is none of the four tenses"):
        parse_tense("past participle")
    with pytest.raises(UserError, match="hyphen: write 'reenter'"):
        parse_word("Re-enter")


# --- verb lists -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('"go","goes","going","went"\n', ""),
        ("go;goes;going;went;\n", ""),
        ("# irregular\ngo goes going went\n", ""),
        ("Grundform,3. Person,Gerundium,Präteritum\ngo,goes,going,went\n", "Line 1 was taken as a header"),
        ("sep=,\ngo,goes,going,went\n", ""),
        ("Verb,Present Participle,Past,3rd Person\ngo,going,went,goes\n", "present, progressive, past, third-person"),
        ("go,went,gone,going\n", "present, past, past participle (not used), progressive; third-person completed"),
        ("V1,V2,V3\ngo,went,gone\n", "third-person and progressive completed"),
        ("go went gone\n", "third-person and progressive completed"),
        ("go goes went gone going\n", "present, third-person, past, past participle (not used), progressive."),
        ("go\twent\tV;PST\ngo\tgoing\tV;V.PTCP;PRS\ngo\tgone\tV;V.PTCP;PST\ngo\tgoes\tV;PRS;3;SG\n", "lemma, form and"),
        ("go\tV;NFIN\tgo\ngo\tV;PST\twent\n", "lemma, form and tag: 1 verbs"),
        ("go,went,V;PST\ngo,going,V;V.PTCP;PRS\n", "lemma, form and tag"),
        ("go VBD went\ngo VBG going\ngo VBN gone\n", "lemma, form and tag"),
    ],
)
def test_verb_lists(text, says):
    read = parse_verbs(text)
    assert [verb.row for verb in read.verbs] == [GO]
    assert says in " ".join(read.notes) and bool(says) == bool(read.notes)


def test_forms_that_a_list_lacks_follow_the_spelling_of_those_it_has():
    (verb,) = parse_verbs("zabrit zabritted zabritted\n").verbs
    assert verb.row == ("zabrit", "zabrits", "zabritting", "zabritted")


@pytest.mark.parametrize(
    ("row", "repaired"),
    [
        ("focus foci focuses focusing", "focus focuses focusing focused"),
        ("curse curses curst cursed", "curse curses cursing cursed"),
        ("toss tosses tost tossed", "toss tosses tossing tossed"),
        ("glue glues glueing gluing", "glue glues glueing glued"),
        ("radio telephone radio telephones", "radio radios radioing radioed"),
        ("walk walks walked walking", "walk walks walking walked"),
        ("blick blick blicking blicked", "blick blicks blicking blicked"),
        ("see see see see", "see sees seeing saw"),
    ],
)
def test_rows_that_cannot_be_right_are_repaired_and_named(row, repaired):
    text = f"{row}\nwalk walks walking walked\njump jumps jumping jumped\n"
    read = parse_verbs(text)
    assert " ".join(read.verbs[0].row) == repaired
    assert f"line 1: {row} → {repaired.split()[0]}" in read.notes[0] and "1 of 3 rows" in read.notes[0]
    assert " ".join(parse_verbs(text, as_is=True).verbs[0].row) == row


@needs("tense/train.txt")
def test_the_rows_of_the_course_s_list_that_cannot_be_right():
    text = (COURSE / "train.txt").read_text()
    read, as_is = parse_verbs(text), parse_verbs(text, as_is=True)
    assert not as_is.notes and len(as_is.verbs) == 1217
    assert "rows cannot be right" in read.notes[0]
    assert {len(read.verbs), len(as_is.verbs)} <= set(range(1200, 1218))


@needs("unimorph/verbs.tsv")
def test_a_table_of_unimorph_s_verbs_is_read():
    text = "\n".join((COURSE.parent / "unimorph" / "verbs.tsv").read_text().splitlines()[:2000])
    read = parse_verbs(text)
    assert len(read.verbs) + read.duplicates == 2000


def test_as_is_goes_with_a_list(capsys):
    assert main(["train", "tense", "--as-is"]) == 2
    assert "--data FILE" in capsys.readouterr().err


# --- answers and scores -----------------------------------------------------------------------------------------


def test_a_plain_list_on_standard_input(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"walk\ngo\nblick\n")))
    assert main(["convert", "--file", "-", "--to", "VBD", "--json"]) == 0
    walk, go, blick = json.loads(capsys.readouterr().out)
    assert (walk["prediction"], walk["known"], walk["dictionary"], walk["note"]) == ("walked", "yes", "walked", "")
    assert (go["prediction"], go["familiar"]) == ("went", "yes")
    assert (blick["known"], blick["dictionary"], blick["note"]) == ("no", "", "")


def test_answers_name_the_dictionary_s_forms_where_they_differ(capsys):
    assert main(["convert", "begin", "--to", "past", "--checkpoint", "source-000", "--json"]) == 0
    (begin,) = json.loads(capsys.readouterr().out)
    assert begin["prediction"] != "began" and begin["known"] and begin["dictionary"] == ["began"]
    assert begin["note"] == "The dictionary has began."


def test_scores_are_the_probability_of_the_answer_and_lower_for_others(tmp_path, capsys):
    model = load("tense")
    (answer,) = model.convert(["walk"], [PRESENT], [PAST])
    own, other = model.score(["walk"] * 2, [PRESENT] * 2, [PAST] * 2, ["walked", "wolk"])
    assert own.log_probability_temperature == pytest.approx(math.log(answer.probability), abs=1e-4)
    assert other.log_probability < own.log_probability <= 0
    path = tmp_path / "forms.tsv"
    path.write_text("word\tsource\ttarget\tform\nwalk\tpresent\tpast\twalked\nwalk\tVB\tVBD\twolk\n")
    assert main(["score", "--file", str(path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["log_probability"] for row in rows] == pytest.approx([own[0], other[0]], abs=1e-4)
    assert main(["score", "--file", str(path)]) == 0
    header, first, _ = capsys.readouterr().out.splitlines()
    assert header.endswith("form\tlog_probability\tlog_probability_temperature") and first.startswith("walk\tpresent")


def test_a_form_that_is_no_word_names_its_row(tmp_path, capsys):
    path = tmp_path / "forms.csv"
    path.write_text("word,source,target,form\nwalk,present,past,walked\nwalk,present,past,w4\n")
    assert main(["score", "--file", str(path)]) == 2
    assert "row 2: 'w4' is not one word" in capsys.readouterr().err
    path.write_text("word,source,target,form\nwalk,present,past,walked,more\n")
    assert main(["score", "--file", str(path)]) == 2
    assert "row 1: it has more cells than the header" in capsys.readouterr().err


def test_a_file_of_a_header_alone_gets_a_sentence(tmp_path, capsys):
    path = tmp_path / "words.csv"
    path.write_text("word,source,target\n")
    assert main(["convert", "--file", str(path)]) == 2
    assert "words.csv has a header and no rows" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "says"), [("wa_lk", "letters a to z"), ("", "No word"), ("a" * 33, "33 letters")])
def test_the_library_checks_words_as_the_command_line_does(word, says):
    model = load("tense")
    for call in (
        lambda: model.convert([word], [0], [3]), lambda: model.infer_tenses([word]), lambda: model.encode([word], [0]),
        lambda: model.posterior([word], [0]), lambda: model.familiarity([word], [0]),
        lambda: model.score([word], [0], [3], ["walked"]), lambda: model.score(["walk"], [0], [3], [word]),
    ):  # fmt: skip
        with pytest.raises(UserError, match=says):
            call()
    assert model.convert([" Walk "], [PRESENT], [PAST])[0].form == "walked"


@pytest.mark.parametrize(
    ("word", "present"), [("dying", "die"), ("tying", "tie"), ("skiing", "ski"), ("doomscrolling", "doomscroll")]
)
def test_alternatives_contain_the_present_of_a_progressive(word, present):
    model = load("tense")
    source = model.infer_tense(word)
    answer = model.convert([word], [source], [PRESENT])[0]
    assert present in [c.form for c in model.alternatives(model.infer([word], [source]), PRESENT, answer)]
