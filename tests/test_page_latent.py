"""The Latent space page: its four views, their inputs, and bad words."""

import pytest
from streamlit.testing.v1 import AppTest

from tests import pages
from tests.pages import button

VIEWS = ["Interpolate", "Map", "Sample", "Dimensions"]


def open_view(view: str, **query: str) -> AppTest:
    return pages.open_page("latent", view=view, model="tense", **query)


def table(at: AppTest, column: str):
    """The first table with such a column."""
    return next(d.value for d in at.dataframe if column in d.value.columns)


@pytest.mark.parametrize("view", VIEWS)
def test_view_runs(view):
    at = open_view(view)
    assert not at.exception and not at.error and not at.warning
    assert [t.value for t in at.title] == ["Latent space"]


@pytest.mark.parametrize("steps", [2, 7])
def test_a_path_between_verbs_has_its_steps(steps):
    at = open_view("Interpolate", steps=str(steps))
    path = table(at, "one verb")
    assert len(path) == steps
    assert path["present"].iloc[0].startswith("gather ✓")
    assert path["past"].iloc[-1].startswith("skipped ✓")
    assert path["one verb"].tolist()[:: steps - 1] == ["✓", "✓"]


def test_the_arc_is_longer_halfway_than_the_line():
    at = open_view("Interpolate", ends="Two samples", seed_a="5", seed_b="6", steps="9")
    line = float(table(at, "one verb")["norm of z"].iloc[4])
    at.segmented_control(key="path").set_value("slerp").run()
    assert float(table(at, "one verb")["norm of z"].iloc[4]) > line


def test_resample_changes_the_ends():
    at = open_view("Interpolate", ends="Two samples")
    before = table(at, "one verb")["norm of z"].tolist()
    button(at, "Resample").click().run()
    assert not at.exception and not at.warning
    assert table(at, "one verb")["norm of z"].tolist() != before


@pytest.mark.parametrize("text", ["", "walk2", "走る", "a" * 40])
@pytest.mark.parametrize(("view", "key"), [("Interpolate", "from"), ("Map", "to"), ("Dimensions", "verb")])
def test_bad_words_get_a_sentence(view, key, text):
    at = open_view(view)
    at.text_input(key=key).set_value(text).run()
    assert not at.exception
    assert len(at.error) == 1


def click(at: AppTest, **point) -> AppTest:
    """Select a marker of the map with its default settings, as a click does."""
    at.session_state["chart tense PCA tense"] = {"selection": {"points": [point]}}
    return at.run()


def test_a_clicked_word_is_decoded_and_is_its_own_nearest():
    at = click(open_view("Map"), customdata=0, x=0.0, y=0.0)
    nearest = table(at, "distance")
    assert nearest["distance"].iloc[0] == 0
    assert f"At {nearest['word'].iloc[0]}" in [s.value for s in at.header]
    assert len(table(at, "form")) == 4


def test_a_click_between_the_words_is_decoded():
    at = click(open_view("Map"), customdata=-1, x=0.1, y=-0.2)
    assert not at.exception
    assert "Between the words" in [s.value for s in at.header]
    assert len(table(at, "form")) == 4 and len(table(at, "distance")) == 10


@pytest.mark.parametrize("method", ["t-SNE", "two dimensions"])
@pytest.mark.parametrize("colour", ["verb class", "length"])
def test_other_maps_run(method, colour):
    at = open_view("Map", map=method, colour=colour)
    assert not at.exception and not at.error


def test_failures_are_the_samples_with_a_reason():
    at = open_view("Sample", n="20", seed="3")
    samples = table(at, "why not")
    at.toggle(key="failures").set_value(True).run()
    failed = table(at, "why not")
    assert failed["sample"].tolist() == samples["sample"][samples["a row"] == "✗"].tolist()
    assert (failed["why not"] != "").all()
    assert (samples["why not"][samples["a row"] == "✓"] == "").all()


def test_one_shot_is_the_first_score():
    at = open_view("Sample", n="20", seed="3")
    assert "one shot" in at.metric[0].label
    assert at.metric[0].value == f"{(table(at, 'why not')['a row'] == '✓').mean():.1%}"


def test_reset_puts_the_dimensions_back():
    at = open_view("Dimensions")
    start, forms = at.slider[0].value, table(at, "form")["form"].tolist()
    at.slider[0].set_value(-4.0).run()
    assert at.slider[0].value == -4
    button(at, "Reset").click().run()
    assert not at.exception and not at.warning
    assert at.slider[0].value == start and table(at, "form")["form"].tolist() == forms


def test_a_link_sets_the_seed_and_resample_another():
    at = open_view("Sample", n="20", seed="7")
    assert at.number_input(key="seed").value == 7
    button(at, "Resample").click().run()
    assert not at.exception and at.number_input(key="seed").value != 7
