"""The Wug test page: question, comparison, the scatter after ten verbs, and the pasts by epoch."""

import pytest

from cvae_core.tense import wug
from tests.pages import button, open_page, texts


def asked(at) -> str:
    """The verb that is asked about."""
    (html,) = [e.proto.body for e in at.get("html") if 'class="question"' in e.proto.body]
    return html.split("<b>")[1].split("</b>")[0]


def bars(at) -> str:
    """The HTML of the comparison; empty if there is none."""
    return "".join(e.proto.body for e in at.get("html") if 'class="wug"' in e.proto.body)


def answer(at, past: str):
    return at.text_input(key="answer").set_value(past).run()


def test_an_answer_is_marked_beside_people_and_models_and_the_next_verb_is_asked():
    at = open_page("wug")
    verb = asked(at)
    assert verb in wug.load_forms() and not bars(at)
    regular = wug.load_forms()[verb][0]
    answer(at, f" {regular.past.upper()} ")
    assert not at.exception and asked(at) != verb and at.text_input(key="answer").value == ""
    html = bars(at)
    own = html.split("<tr class=own>")[1].split("</tr>")[0]
    assert regular.past in own and "your answer" in own and f"<span>{regular.production:.0%}</span>" in own
    assert all(f"<b>{form.past}</b>" in html for form in wug.load_forms()[verb])
    assert "most often" in texts(at) and "the rule model" in texts(at)


def test_an_answer_that_nobody_rated_gets_a_row_of_its_own():
    at = answer(open_page("wug"), "qqq")
    own = bars(at).split("<tr class=own>")[1].split("</tr>")[0]
    assert "qqq" in own and own.count("not asked") == 3 and "%" in own


def test_verbs_are_skipped_or_chosen():
    at = open_page("wug")
    verb = asked(at)
    button(at, "Skip this verb").click().run()
    assert not at.exception and "your answer" not in bars(at) and asked(at) != verb
    at.toggle(key="choose").set_value(True).run()
    verb = asked(at)
    past = wug.load_forms()[verb][1].past
    button(at, past).click().run()
    assert past in bars(at).split("<tr class=own>")[1].split("</tr>")[0] and asked(at) != verb


@pytest.mark.parametrize("text", ["walk 2", "走る", "a" * 40])
def test_what_is_no_word_gets_a_sentence(text):
    at = open_page("wug")
    verb = asked(at)
    answer(at, text)
    assert not at.exception and at.error and asked(at) == verb


def test_after_ten_verbs_network_and_people_are_compared_over_all():
    verbs = list(wug.load_forms())
    nine = {verb: wug.load_forms()[verb][0].past for verb in verbs[:9]}
    at = open_page("wug", {"wug_order": verbs, "wug_answers": nine})
    assert not at.get("plotly_chart")
    button(at, "Skip this verb").click().run()
    assert not at.exception and at.get("plotly_chart")
    assert "You gave 9 answers, 9 of them regular" in texts(at) and "Spearman's ρ" in texts(at)


def test_all_verbs_can_be_answered():
    verbs = list(wug.load_forms())
    at = open_page("wug", {"wug_order": verbs, "wug_answers": dict.fromkeys(verbs[:-1])})
    button(at, "Skip this verb").click().run()
    assert not at.exception and "all 55 verbs" in at.success[0].value


def test_the_slider_shows_the_pasts_of_an_epoch():
    at = open_page("wug", view="While it learns")
    tables = [e.proto.body for e in at.get("html") if 'class="learning"' in e.proto.body]
    assert len(tables) == 2 and all("After epoch 20" in table for table in tables)
    at.select_slider(key="epoch").set_value(5).run()
    assert not at.exception and any("After epoch 5, " in m.value for m in at.markdown)
    assert sum("After epoch 5<" in e.proto.body for e in at.get("html")) == 2
