"""Every page through the router, and what bad input gets."""

import json
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from streamlit import file_util

from cvae_core.latent import Gaussian
from cvae_core.tense import data, metrics
from cvae_core.tense.inference import load
from cvae_core.tense.lexicon import load_lexicon
from tests.helpers import ROOT
from tests.pages import button, open_page
from ui.conversion import uncertainty
from ui.document import document, routes


def markup(at, kind: str) -> str:
    """The HTML on a page that has a list of this class."""
    (found,) = [element.proto.body for element in at.get("html") if f'class="{kind}"' in element.proto.body]
    return found


def test_every_page_has_streamlit_s_document_with_the_server_s_address():
    plain = (Path(file_util.get_static_dir()) / "index.html").read_text()
    before, after = document().split("</script>", 1)
    head, script = before.split("<script>", 1)
    assert head + after == plain and "BACKEND_BASE_URL: root" in script
    pages = {path.stem for path in (ROOT / "pages").glob("*.py")}
    assert {route.path.strip("/") or "home" for route in routes()} == pages


@pytest.mark.parametrize("page", ["home", "convert", "latent", "digits", "video", "curves", "theory", "wug"])
def test_page_runs(page):
    at = open_page(page)
    assert not at.exception and not at.error
    assert at.title


def test_a_page_pauses_for_its_first_text_when_it_is_opened_alone(monkeypatch):
    pauses = []
    monkeypatch.setattr(import_module("ui.frame"), "time", SimpleNamespace(sleep=pauses.append))
    at = open_page("convert", state={"_opened": "home"})
    assert len(pauses) == 1
    at.run()
    assert len(pauses) == 1


def test_home_converts():
    at = open_page("home")
    at.text_input(key="verb").set_value("abandon").run()
    assert "<b>abandoned</b>" in markup(at, "forms")


def test_the_scores_of_home_are_explained():
    text = "\n".join(m.value for m in open_page("home").markdown)
    assert "Inferred tense: **present**." in text and f"{len(data.COURSE_PAIRS)} pairs of the course" in text
    assert "5,000 random latent vectors" in text and "never trained on the test verbs" in text


def test_convert_answers():
    at = open_page("convert")
    at.text_input(key="verb").set_value("Abandon ").run()
    assert at.metric[0].value == "abandoned"
    at.selectbox(key="target").set_value("progressive").run()
    assert at.metric[0].value == "abandoning"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No word"),
        ("walk2", "letters a to z"),
        ("walk away", "letters a to z"),
        ("走る", "letters a to z"),
        ("<script>", "letters a to z"),
        ("a" * 40, "40 letters"),
    ],
)
@pytest.mark.parametrize("page", ["home", "convert"])
def test_bad_words_get_a_sentence(page, text, message):
    at = open_page(page)
    at.text_input(key="verb").set_value(text).run()
    assert not at.exception
    assert message in at.error[0].value


def test_two_models_stand_side_by_side():
    at = open_page("convert")
    at.selectbox(key="beside").set_value("tense").run()
    assert not at.exception
    assert [m.value for m in at.metric] == ["abandoned"] * 2


def test_forms_are_drawn_at_a_temperature():
    at = open_page("convert", verb="walk")
    at.session_state["samples 0"] = True
    at.run()
    assert "<span>walked</span>" in markup(at, "bars") and any("200 forms drawn" in m.value for m in at.markdown)
    at.slider(key="temperature 0").set_value(3.0).run()
    assert any("others were drawn" in m.value for m in at.markdown)


def test_the_temperature_of_the_probabilities_is_named_where_one_is_chosen():
    at = open_page("convert", verb="walk")
    at.session_state["samples 0"] = True
    at.run()
    assert f"are at {load('tense').temperature:g}, the temperature in" in at.slider(key="temperature 0").help


@pytest.mark.parametrize(
    ("kl", "words"), [(0.0, "about 1."), (7.5, "about 1,808."), (13.0, "about 442,413."), (20.0, "over a million."),
                      (900.0, "over a million.")]
)  # fmt: skip
def test_a_large_kl_is_not_made_a_number_that_it_is_not(kl, words):
    z = Gaussian(torch.tensor([[(2 * kl) ** 0.5]]), torch.zeros(1, 1))
    assert uncertainty(z).endswith(f"one verb in {words}")


def test_example_button_fills_the_verb():
    at = open_page("convert")
    next(b for b in at.button if b.label.startswith("begin")).click().run()
    assert at.text_input(key="verb").value == "begin"
    assert not at.exception


def test_batch_upload_keeps_bad_rows_and_makes_formulas_safe():
    at = open_page("convert", tab="A file")
    text = "word,source,target\nabandon,present,past\n=1+1,present,past\nwalk,,never\n"
    at.file_uploader[0].upload("words.csv", text.encode(), "text/csv").run()
    assert not at.exception
    table = at.dataframe[-1].value
    assert table["prediction"].tolist() == ["abandoned", "", ""]
    assert table["word"].tolist() == ["abandon", "'=1+1", "walk"]
    assert [bool(e) for e in table["error"]] == [False, True, True]
    assert at.get("download_button")[0].proto.ignore_rerun  # a download converts nothing again


def test_batch_upload_without_header_gets_a_sentence():
    at = open_page("convert", tab="A file")
    at.file_uploader[0].upload("words.csv", b"a,b,c\n1,2,3\n", "text/csv").run()
    assert "word is missing" in at.error[0].value


def test_batch_upload_takes_a_list_of_words_as_excel_saves_it():
    at = open_page("convert", tab="A file")
    at.selectbox(key="file_target").set_value("third-person").run()
    at.file_uploader[0].upload("words.txt", "walk\r\nabandon\r\n".encode("utf-16"), "text/plain").run()
    assert not at.exception and at.dataframe[-1].value["prediction"].tolist() == ["walks", "abandons"]
    at.file_uploader[0].upload("words.csv", "wörd\n".encode("cp1252"), "text/csv").run()
    assert "save it as UTF-8" in at.error[0].value


def test_a_file_is_converted_by_the_model_of_the_link_and_never_by_one_of_another_system():
    at = open_page("convert", {"model": "tense"}, tab="A file", model="tense-course")
    assert at.selectbox(key="model").value == "tense-course"
    at = open_page("convert", {"model": "video-robot"}, tab="A file")
    at.file_uploader[0].upload("words.txt", b"walk\n", "text/plain").run()
    assert not at.exception and at.dataframe[-1].value["prediction"].tolist() == ["walked"]
    assert at.selectbox(key="model").value == "tense"


def test_a_form_of_one_s_own_is_scored_beside_the_model_s():
    at = open_page("convert")
    at.text_input(key="verb").set_value("walk").run()
    at.text_input(key="own").set_value("wolk").run()
    table = at.dataframe[-1].value
    assert table["form"].tolist() == ["wolk", "walked"]
    own, answer = map(float, table["log p, nats"])
    assert own < answer <= 0
    shown = [float(text.rstrip("%")) for text in (table["probability"][1], at.metric[0].delta.split()[0])]
    assert shown[0] == pytest.approx(shown[1], abs=0.06)  # of the answer, rounded
    at.selectbox(key="beside").set_value("tense-heldout").run()
    table = at.dataframe[-1].value
    assert table["model"].tolist() == ["tense"] * 2 + ["tense-heldout"] * 2
    at.text_input(key="own").set_value("w0lk").run()
    assert not at.exception and "letters a to z" in at.error[0].value


def test_home_shows_what_the_shipped_models_score():
    """assets/*.json has the output of `evaluate tense --compare --json`; scores that take seconds are computed again.

    Tolerances: processors round differently, which changes an answer in some hundreds.
    """
    scores, heldout = (json.loads((ROOT / "assets" / f"{n}.json").read_text()) for n in ("tense", "tense-heldout"))
    assert scores["unseen"] is None and "tense-heldout" in scores["note"]
    test_verbs = data.select_split(load_lexicon().verbs, "test")
    unseen = metrics.accuracy(load("tense-heldout"), test_verbs)["accuracy"]
    assert unseen == pytest.approx(heldout["unseen"]["accuracy"], abs=2e-3)
    model = load("tense")
    assert metrics.bleu4_of_pairs(model) == pytest.approx(scores["bleu4"])
    low, high = scores["spread"]["gaussian"]
    assert low - 5e-3 <= metrics.gaussian_scores(model, model.verbs, 1000, 0)["gaussian"] <= high + 5e-3
    home = open_page("home")
    assert [m.value for m in home.metric][:3] == [
        f"{scores['own']['accuracy']:.1%}",
        f"{heldout['unseen']['accuracy']:.1%}",
        f"{scores['bleu4']:.3f}",
    ]
    assert sum("`tense-heldout`" in m.value for m in home.markdown) == 2


@pytest.mark.parametrize("page", ["home", "convert"])
def test_a_past_participle_gets_a_sentence_and_a_button_that_converts_its_verb(page):
    at = open_page(page)
    at.text_input(key="verb").set_value("eaten").run()
    assert not at.exception and at.info[0].value == "eaten is the past participle of eat."
    assert "eated" not in str(at.metric)
    button(at, "Convert eat").click().run()
    assert not at.exception and not at.info and at.text_input(key="verb").value == "eat"
    assert "<b>ate</b>" in markup(at, "forms")
    at = open_page(page)
    at.text_input(key="verb").set_value("must").run()
    assert "must is a modal verb" in at.info[0].value


def test_convert_warns_of_words_that_the_chosen_model_does_not_know():
    at = open_page("convert")
    at.text_input(key="verb").set_value("walk").run()
    assert not at.warning
    at.selectbox(key="model").set_value("tense-course").run()
    assert not at.exception and "tense-course does not know walk" in at.warning[0].value


def test_each_letter_of_the_answer_is_a_tile_with_its_probability():
    at = open_page("convert", verb="stop", target="progressive")
    html = markup(at, "letters")
    tiles = re.findall(r"<b style=\"--sure: ([\d.]+)\">(.)</b><span>(\d+)%</span>", html)
    assert "".join(letter for _, letter, _ in tiles) == "stopping⏎"
    assert all(abs(100 * float(sure) - int(percent)) <= 1 for sure, _, percent in tiles)
