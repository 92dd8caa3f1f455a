"""The Latent space page: its five views, their inputs, and bad words. The browser tests drive the pictures."""

import json
import math

import pytest
from streamlit.testing.v1 import AppTest

from tests import pages
from tests.pages import button
from ui.latent.sample import equal_shares

VIEWS = ["Ribbon", "Plane", "Map", "Samples", "Dimensions"]


def open_view(view: str, **query: str | list[str]) -> AppTest:
    return pages.open_page("latent", view=view, model="tense", **query)


def table(at: AppTest, column: str):
    """The first table with such a column."""
    return next(d.value for d in at.dataframe if column in d.value.columns)


def picture(at: AppTest, name: str) -> dict:
    """The data of the last picture of a kind on the page."""
    found = [element.proto for element in at.get("bidi_component") if element.proto.component_name == f"cvae_{name}"]
    return json.loads(found[-1].json)


def rows(at: AppTest) -> dict[str, list[dict]]:
    """The ribbons by the title of their row."""
    return {row["title"]: row["ribbons"] for row in picture(at, "ribbon")["rows"]}


@pytest.mark.parametrize("view", VIEWS)
def test_view_runs(view):
    at = open_view(view)
    assert not at.exception and not at.error and not at.warning
    assert [t.value for t in at.title] == ["Latent space"]


def test_a_path_in_s_begins_and_ends_at_words_that_no_dictionary_has():
    at = open_view("Ribbon", **{"from": "grattle", "to": "vashify"})
    (ribbons,) = rows(at).values()
    assert [r["segments"][0][2] for r in ribbons] == ["grattle", "grattles", "grattling", "grattled"]
    assert [r["segments"][-1][2] for r in ribbons] == ["vashify", "vashifies", "vashifying", "vashified"]
    for r in ribbons:
        assert len(r["p"]) == len(r["letters"]) == r["segments"][-1][1] + 1 >= 200
        ends = [segment[:2] for segment in r["segments"]]
        assert ends[0][0] == 0 and all(a[1] + 1 == b[0] for a, b in zip(ends, ends[1:], strict=False))
        assert not r["segments"][0][4] and not r["segments"][-1][4]  # not in the dictionary
        assert len(r["letters"][0]) == len(r["segments"][0][2]) + 1


def test_paths_are_compared_above_one_another():
    at = open_view("Ribbon", paths=["s, straight", "z, straight", "z, arc"])
    found = rows(at)
    assert list(found) == ["s, straight", "z, straight", "z, arc"]
    assert found["z, straight"][0]["segments"][0][2:] == ["gather", "gather", True]
    assert found["z, straight"] != found["z, arc"]


def test_the_four_tenses_of_a_verb_have_one_colour():
    at = open_view("Ribbon", **{"from": "write", "to": "go"})
    assert {r["segments"][0][3] for r in rows(at)["s, straight"]} == {"write"}
    assert {r["segments"][-1][3] for r in rows(at)["s, straight"]} == {"go"}


@pytest.mark.parametrize("steps", [2, 7])
def test_the_table_of_a_path_has_its_steps(steps):
    at = open_view("Ribbon", steps=str(steps))
    at.session_state["steps_open"] = True
    at.run()
    path = table(at, "one verb")
    assert len(path) == steps
    assert path["present"].iloc[0].startswith("gather ✓")
    assert path["past"].iloc[-1].startswith("skipped ✓")
    assert path["one verb"].tolist()[:: steps - 1] == ["✓", "✓"]


def test_resample_changes_the_ends():
    at = open_view("Ribbon", ends="Two samples")
    before = rows(at)
    button(at, "Resample").click().run()
    assert not at.exception and not at.warning
    assert list(rows(at)) == list(before) and rows(at) != before


@pytest.mark.parametrize("text", ["", "walk2", "走る", "a" * 40])
@pytest.mark.parametrize(("view", "key"), [("Ribbon", "from"), ("Plane", "corner_c"), ("Dimensions", "verb")])
def test_bad_words_get_a_sentence(view, key, text):
    at = open_view(view)
    at.text_input(key=key).set_value(text).run()
    assert not at.exception
    assert len(at.error) == 1


@pytest.mark.parametrize(
    ("space", "through"),
    [
        ("z", "Three words"),
        ("z", "Three samples"),
        ("s", "Three words"),
        ("s", "One word, two random directions"),
        pytest.param("z", "One word, two random directions", marks=pytest.mark.slow),
        pytest.param("s", "Three samples", marks=pytest.mark.slow),
    ],
)
def test_a_plane_has_a_verb_in_each_cell(space, through):
    at = open_view("Plane", through=through, plane_space=space, plane_tense="past")
    plane = picture(at, "plane")
    assert plane["side"] == 80 and len(plane["cells"]) == len(plane["p"]) == 6400
    assert set(plane["cells"]) == set(range(len(plane["verbs"])))
    assert all(0 < corner["x"] < 1 and 0 < corner["y"] < 1 for corner in plane["corners"])


def test_the_corners_of_a_plane_in_s_are_the_words():
    plane = picture(open_view("Plane", plane_space="s"), "plane")
    for corner in plane["corners"]:
        cell = int(corner["y"] * 80) * 80 + int(corner["x"] * 80)
        assert plane["verbs"][plane["cells"][cell]] == corner["label"]


def test_a_picked_place_of_the_plane_is_decoded():
    at = open_view("Plane", plane_space="s")
    corner = picture(at, "plane")["corners"][2]
    at.session_state["plane"] = {"picked": [corner["x"], corner["y"]]}
    at.run()
    assert table(at, "form")["form"].iloc[0] == "grattle"


@pytest.mark.parametrize("method", ["PCA", "two dimensions"])
def test_a_map_has_every_verb_of_the_model_the_most_frequent_first(method):
    data = picture(open_view("Map", map=method), "map")
    assert len(data["words"]) == len(set(data["words"])) == len(data["places"]) == len(data["group"]) > 6000
    assert data["words"].index("go") < data["words"].index("grovel")


def test_only_principal_components_are_asked_what_they_stand_for():
    question = "what the first axis stands for"
    assert question in pages.texts(open_view("Map"))
    assert question not in pages.texts(open_view("Map", map="two dimensions"))


@pytest.mark.parametrize(
    ("colour", "groups"),
    [
        ("length", ["up to 4 letters", "5 or 6", "7 or 8", "9 or more"]),
        ("regular expression", ["does not match", "matches"]),
    ],
)
def test_a_map_is_coloured(colour, groups):
    data = picture(open_view("Map", colour=colour), "map")
    assert data["groups"] == groups and set(data["group"]) == set(range(len(groups)))


def test_a_bad_regular_expression_gets_a_sentence():
    at = open_view("Map", colour="regular expression", pattern="(")
    assert not at.exception and "regular expression" in at.error[0].value


def test_a_form_is_found_on_the_map_and_decoded():
    at = open_view("Map", find="wrote")
    data = picture(at, "map")
    assert data["words"][data["focus"]] == "write"
    assert table(at, "form")["form"].tolist() == ["write", "writes", "writing", "wrote"]
    assert table(at, "distance")["verb"].iloc[0] == "write"
    assert "No verb" in pages.texts(open_view("Map", find="blorped"))


@pytest.mark.parametrize("picked", [{"word": "write"}, {"place": [0.5, 0.5]}])
def test_what_is_picked_on_the_map_is_decoded(picked):
    at = open_view("Map")
    at.session_state["map tense PCA"] = {"picked": picked, "lasso": ["go", "eat"]}
    at.run()
    assert not at.exception
    assert len(table(at, "form")) == 4 and len(table(at, "distance")) == 10
    assert any(d.value.iloc[:, 0].tolist() == ["go", "eat"] for d in at.dataframe)


def test_a_search_wins_over_an_earlier_click_and_a_later_click_over_the_search():
    def shown(picked):
        at.session_state["map tense PCA"] = {"picked": picked}
        at.run()
        return table(at, "form")["form"].iloc[0]

    at = open_view("Map")
    assert shown(first := {"word": "go", "time": 1}) == "go"
    at.text_input(key="find").set_value("wrote")
    assert shown(first) == "write"
    assert shown(first) == "write"
    assert shown(again := {"word": "go", "time": 2}) == "go"
    at.text_input(key="find").set_value("")
    assert shown(again) == "go"
    at.text_input(key="find").set_value("wrote")
    assert shown(again) == "write"


def test_a_click_is_not_decoded_on_another_map():
    at = open_view("Map")
    at.session_state["map tense PCA"] = {"picked": {"place": [0.5, 0.5]}}
    at.run()
    assert len(table(at, "form")) == 4
    at.button_group(key="map").set_value("two dimensions").run()
    assert not at.exception and not any("form" in d.value.columns for d in at.dataframe)


@pytest.mark.parametrize(
    "forged", [{"picked": 3}, {"picked": [1, "x"]}, {"picked": {"place": [1e400, 0]}}, {"lasso": 1}]
)
@pytest.mark.parametrize(("view", "key"), [("Map", "map tense PCA"), ("Plane", "plane")])
def test_forged_values_of_a_picture_are_left_out(view, key, forged):
    at = open_view(view)
    at.session_state[key] = forged
    at.run()
    assert not at.exception and not at.error


@pytest.mark.parametrize("view", ["Samples", "Ribbon"])
def test_a_download_decodes_nothing_again(view):
    at = open_view(view)
    if view == "Ribbon":
        at.session_state["steps_open"] = True
        at.run()
    assert [b.proto.ignore_rerun for b in at.get("download_button")] == [True]


@pytest.mark.parametrize("verbs", [1, 2, 6300])
def test_equal_shares_of_samples_are_those_of_a_poisson_distribution(verbs):
    expected = equal_shares(2000, verbs, 4001)
    assert all(map(math.isfinite, expected)) and sum(expected) == pytest.approx(verbs)
    assert expected[0] == pytest.approx(verbs * math.exp(-2000 / verbs))
    assert sum(i * share for i, share in enumerate(expected)) == pytest.approx(2000, rel=0.02)
    assert equal_shares(0, verbs, 2) == [verbs, 0]


def test_failures_are_the_samples_with_a_reason():
    at = open_view("Samples", n="20", seed="3")
    samples = table(at, "why not")
    at.toggle(key="failures").set_value(True).run()
    failed = table(at, "why not")
    assert failed["sample"].tolist() == samples["sample"][samples["what it is"] != "a verb"].tolist()
    assert (failed["why not"] != "").all()
    assert (samples["why not"][samples["what it is"] == "a verb"] == "").all()


def test_one_shot_is_the_first_score():
    at = open_view("Samples", n="20", seed="3")
    assert "one shot" in at.metric[0].label
    assert at.metric[0].value == f"{(table(at, 'why not')['what it is'] == 'a verb').mean():.1%}"


def test_strips_pass_through_the_word_in_the_middle():
    (ribbons,) = rows(open_view("Dimensions", verb="write")).values()
    assert len(ribbons) >= 8
    for r in ribbons:
        assert any(a <= 30 <= b for a, b, form, *_ in r["segments"] if form)


def test_reset_puts_the_dimensions_back():
    at = open_view("Dimensions")
    at.session_state["sliders_open"] = True
    at.run()
    start, forms = at.slider[0].value, table(at, "form")["form"].tolist()
    at.slider[0].set_value(-4.0).run()
    assert at.slider[0].value == -4
    button(at, "Reset").click().run()
    assert not at.exception and not at.warning
    assert at.slider[0].value == start and table(at, "form")["form"].tolist() == forms


def test_a_link_sets_the_seed_and_resample_another():
    at = open_view("Samples", n="20", seed="7")
    assert at.number_input(key="seed").value == 7
    button(at, "Resample").click().run()
    assert not at.exception and at.number_input(key="seed").value != 7
