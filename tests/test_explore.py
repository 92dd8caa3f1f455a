"""Walks, maps and dimensions on cases whose answers are known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cvae_core.errors import UserError
from cvae_core.latent import kl_to_standard
from cvae_core.tense import explore
from cvae_core.tense.data import Verb
from cvae_core.tense.inference import Inflector
from cvae_core.tense.lexicon import load_lexicon
from tests.tiny import VERBS, tiny_task

ROWS = [tuple(v.row) for v in VERBS]


@pytest.fixture(scope="module")
def untrained():
    return Inflector(tiny_task().model, VERBS, "untrained")


def dictionary_verb(lemma: str) -> Verb:
    return next(v for v in load_lexicon().verbs if v.lemma == lemma)


# --- walks


@pytest.mark.parametrize("rounds", [0, 1])
def test_walk_has_its_ends_and_its_steps(untrained, rounds):
    a, b = untrained.draw(2, 0)
    walked = explore.walk(untrained, a, b, 5, "lerp", rounds)
    assert [w["step"] for w in walked] == [1, 2, 3, 4, 5]
    assert [w["t"] for w in walked] == [0, 0.25, 0.5, 0.75, 1]
    assert walked[0]["norm"] == pytest.approx(a.norm().item()) and walked[-1]["norm"] == pytest.approx(b.norm().item())
    for w in walked:
        assert len(w["forms"]) == len(w["probabilities"]) == len(w["known"]) == 4
        assert all(0 <= p <= 1 for p in w["probabilities"])
        assert not w["verb"] or all(w["known"])


def test_walk_decodes_what_the_model_says_at_its_ends(untrained):
    z = untrained.draw(2, 1)
    walked = explore.walk(untrained, *z, 3, "slerp")
    assert [walked[0]["forms"], walked[-1]["forms"]] == untrained.decode_rows(z)


def test_known_forms_are_those_of_the_tense():
    assert explore.is_known("went", 3) and not explore.is_known("went", 0) and not explore.is_known("blorp", 0)
    assert explore.verb_of(("go", "goes", "going", "went")).lemma == "go"
    assert explore.verb_of(("go", "goes", "going", "walked")) is None


# --- maps


def test_pca_finds_the_plane_of_flat_points():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 6)) + 3
    projection = explore.project(flat, "PCA")
    back = np.array([explore.position_to_z(projection, place) for place in projection.positions])
    np.testing.assert_allclose(back, flat, atol=1e-9)
    variance = projection.positions.var(0)
    assert variance[0] >= variance[1] and variance.sum() == pytest.approx(flat.var(0).sum())


@given(arrays(np.float64, 2, elements=st.floats(-10, 10)), st.sampled_from(["PCA", "two dimensions"]))
def test_there_and_back_is_the_same_place(place, method):
    mu = np.random.default_rng(1).normal(size=(30, 5))
    projection = explore.project(mu, method, kl=mu.var(0))
    back = explore.z_to_position(projection, explore.position_to_z(projection, place))
    np.testing.assert_allclose(back, place, atol=1e-9)


def test_two_dimensions_are_those_of_largest_kl_and_the_rest_is_zero():
    mu = np.random.default_rng(2).normal(size=(10, 4))
    projection = explore.project(mu, "two dimensions", kl=np.array([0.1, 3.0, 0.2, 5.0]))
    np.testing.assert_allclose(projection.positions, mu[:, [3, 1]])
    np.testing.assert_allclose(explore.position_to_z(projection, (1.0, 2.0)), [0, 2, 0, 1])


@pytest.mark.parametrize("dimensions", [1, 3])
def test_tsne_reads_a_points_own_place_as_its_z(dimensions):
    mu = np.random.default_rng(3).normal(size=(24, dimensions)).astype(np.float32)
    projection = explore.project(mu, "t-SNE")
    assert projection.positions.shape == (24, 2)
    np.testing.assert_allclose(explore.position_to_z(projection, projection.positions[5]), mu[5], atol=1e-3)
    np.testing.assert_allclose(explore.z_to_position(projection, mu[5]), projection.positions[5], atol=1e-3)


def test_a_model_of_one_dimension_has_a_map():
    mu = np.arange(5.0)[:, None]
    for method in ("PCA", "two dimensions"):
        projection = explore.project(mu, method, kl=np.ones(1))
        assert projection.positions.shape == (5, 2)
        np.testing.assert_allclose(explore.position_to_z(projection, projection.positions[3]), mu[3])


def test_a_model_of_one_verb_has_a_map():
    assert explore.project(np.ones((1, 5)), "t-SNE").positions.tolist() == [[0, 0]]


def test_unknown_map_gets_a_sentence():
    with pytest.raises(UserError, match="expected one of PCA"):
        explore.project(np.zeros((3, 3)), "UMAP")


def test_neighbours_are_nearest_first():
    mu = np.array([[3.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    nearest, distances = explore.neighbours(np.zeros(2), mu, 2)
    assert nearest.tolist() == [1, 2] and distances.tolist() == [0, 1]


@pytest.mark.parametrize("n", [3, 1000])
def test_a_sample_holds_the_four_forms_of_its_verbs(untrained, n):
    sample = explore.sample_words(untrained, n)
    assert len(sample.words) == 4 * min(n, len(VERBS)) == len(sample.mu)
    assert all(w == v.row[t] for w, t, v in zip(sample.words, sample.tenses, sample.verbs, strict=True))
    assert all(len(labels) == len(sample.words) for labels in explore.traits(sample).values())


# --- dimensions


def test_dimension_statistics_of_known_posteriors():
    mu = np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)
    found = explore.dimension_statistics(mu, np.zeros_like(mu))
    np.testing.assert_allclose(found["kl"], [0.5, 0])
    np.testing.assert_allclose(found["variance"], [1, 0])
    assert found["active"].tolist() == [True, False]
    expected = kl_to_standard(torch.from_numpy(mu), torch.zeros(2, 2)).mean(0)
    np.testing.assert_allclose(found["kl"], expected)


def test_eta_squared_of_known_groups():
    labels = ["a", "a", "b", "b"]
    mu = np.array([[1.0, 1.0, 7.0, 0.0], [1.0, -1.0, 7.0, 2.0], [3.0, 1.0, 7.0, 4.0], [3.0, -1.0, 7.0, 6.0]])
    np.testing.assert_allclose(explore.explained_variance(mu, labels), [1, 0, 0, 0.8])


@given(arrays(np.float64, (12, 3), elements=st.floats(-50, 50)), st.lists(st.integers(0, 4), min_size=12, max_size=12))
def test_eta_squared_is_a_share(mu, labels):
    share = explore.explained_variance(mu, labels)
    assert ((share >= 0) & (share <= 1 + 1e-9)).all()


@pytest.mark.parametrize(
    ("lemma", "name"),
    [
        ("walk", "regular"), ("see", "irregular"), ("stop", "doubling"), ("like", "e-dropped"), ("carry", "y to ie"),
        ("play", "regular"), ("go", "irregular"), ("begin", "irregular"), ("agree", "regular"), ("panic", "regular"),
    ],
)  # fmt: skip
def test_verb_class(lemma, name):
    assert explore.verb_class(dictionary_verb(lemma)) == name


def test_every_verb_has_a_class():
    classes = {explore.verb_class(v) for v in load_lexicon().verbs}
    assert classes == {"regular", "doubling", "e-dropped", "y to ie", "irregular"}


# --- what a draw gets wrong


@pytest.mark.parametrize("row", ROWS)
def test_a_row_needs_no_explanation(row):
    assert explore.explain(row, VERBS) == ""


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("wulk walks walking walked", "present 'wulk' is no verb of the training rows"),
        ("walk walks walking walkd", "past: walkd, expected walked"),
        ("walk walkes walking walkd", "third-person: walkes, expected walks; past: walkd, expected walked"),
        ("walk walks jumping walked", "the four forms belong to different verbs: progressive: jumping (of jump)"),
        ("walk walks jumping wolked", "progressive: jumping (of jump), expected walking; past: wolked"),
    ],
)
def test_explain(row, says):
    assert explore.explain(row.split(), VERBS).startswith(says)


@given(st.lists(st.sampled_from([w for row in ROWS for w in row] + ["", "blorp"]), min_size=4, max_size=4))
def test_a_reason_is_given_exactly_where_no_verb_accepts(row):
    assert bool(explore.explain(row, VERBS)) != any(v.accepts(row) for v in VERBS)


@pytest.mark.parametrize(
    ("row", "dictionary", "rules"),
    [
        ("go goes going went", 1, 1),
        ("blorp blorps blorping blorped", 0, 1),
        ("blorpit blorpits blorpitting blorpitted", 0, 1),
        ("blorpy blorpies blorpying blorpied", 0, 1),
        ("blorp blorps blorping walked", 0, 0),
        ("walk walks jumping walked", 0, 0),
        ("blorp blorps blorpping blorpped", 0, 0),
        ("zequip zequips zequipping zequipped", 0, 1),
        ("zeroam zeroams zeroamming zeroammed", 0, 0),
    ],
)
def test_consistency(row, dictionary, rules):
    assert explore.consistency([row.split()]) == {"dictionary": dictionary, "rules": rules}


def test_consistency_is_a_mean():
    rows = ["go goes going went", "b c d e", " s ing ed", "zib zibs zibbing zibbed"]
    assert explore.consistency([row.split(" ") for row in rows]) == {"dictionary": 0.25, "rules": 0.5}
    assert explore.consistency([]) == {"dictionary": 0, "rules": 0}
