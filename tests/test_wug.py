"""The wug test: the published data, which spellings are one sound, the correlations, and the command."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from cvae_core.tense import wug
from cvae_core.tense.data import PAST, PRESENT
from cvae_core.tense.inference import load
from cvae_core.tense.lexicon import lookup
from cvae_core.tense.spelling import regular_pasts
from scripts import wug as script
from tests.helpers import ROOT, SHARED, needs

FORMS = [form for forms in wug.load_forms().values() for form in forms]
CORE = [form for form in FORMS if form.core]


@pytest.fixture(scope="module")
def model():
    return load("tense")


def test_the_data_are_those_that_were_published():
    assert len({form.verb for form in CORE}) == 41 and len({form.verb for form in FORMS}) == 55
    assert all(sum(form.regular for form in forms) == 1 for forms in wug.load_forms().values())
    assert all(0 <= f.production <= 1 and 1 <= min(f[5:]) <= max(f[5:]) <= 7 for f in FORMS)
    rules, analogy = (spearmanr([getattr(f, name) for f in CORE], [f.rating for f in CORE]) for name in wug.MODELS[1:])
    assert rules.statistic == pytest.approx(0.83, abs=0.02) and analogy.statistic < rules.statistic


@needs("wug/albright_hayes_2003.tsv")
def test_the_shipped_file_is_the_one_that_is_cited():
    assert (wug.FOLDER / wug.FILE).read_bytes() == (SHARED / "wug" / wug.FILE).read_bytes()


@pytest.mark.parametrize("name", ["tense", "tense-heldout"])
def test_no_verb_of_the_test_is_in_the_dictionary_or_trained_on(name):
    verbs = set(wug.load_forms())
    assert not [verb for verb in verbs if any(tense == PRESENT for _, tense in lookup(verb))]
    assert not verbs & {spelling for verb in load(name).verbs for spelling in verb.forms[PRESENT]}


def test_the_regular_pasts_are_those_that_spelling_rules_make():
    assert all((form.past in regular_pasts(form.verb)) == form.regular for form in FORMS)


@pytest.mark.parametrize(
    ("verb", "past", "other"),
    [
        ("flet", "fletted", "fleted"),
        ("flet", "flet", "flett"),
        ("preak", "preck", "prek"),
        ("rife", "riff", "rif"),
        ("bize", "bized", None),  # bizzed is another sound
        ("nold", "nolded", None),
        ("zay", "zayed", None),
        ("chake", "chaked", None),
    ],
)
def test_spellings_of_one_sound(verb, past, other):
    expected = {past, other} - {None}
    assert set(wug.spellings(verb, past)) == expected and wug.spellings(verb, past)[0] == past
    if other:
        assert set(wug.spellings(verb, other)) == expected


def test_no_two_pasts_of_a_verb_are_one_sound():
    for verb, forms in wug.load_forms().items():
        every = [spelling for form in forms for spelling in wug.spellings(verb, form.past)]
        assert len(set(every)) == len(every)


def test_probabilities_are_means_over_the_posterior_and_add_up_spellings(model):
    pasts = ["fletted", "flet", "fleted"]
    doubled, unchanged, single = wug.probabilities(model, "flet", pasts, samples=20)
    assert doubled == pytest.approx(single, rel=1e-4)  # the same two spellings
    assert min(doubled, unchanged) > 0 and doubled + unchanged <= 1
    assert wug.probabilities(model, "flet", pasts, samples=20) == [doubled, unchanged, single]


def test_without_variance_the_probability_is_that_of_conversion(model):
    (score,) = model.score(["bize"], [PRESENT], [PAST], ["bized"])
    (at_mean,) = wug.probabilities(model, "bize", ["bized"], samples=2, scale=0.0)
    assert at_mean == pytest.approx(np.exp(score.log_probability), rel=1e-3)
    (calibrated,) = wug.probabilities(model, "bize", ["bized"], 2, 0.0, model.temperature)
    assert calibrated == pytest.approx(np.exp(score.log_probability_temperature), rel=1e-3)


def test_spearman_is_scipys():
    a, b = np.array([1.0, 2, 2, 5, 0]), np.array([3.0, 3, 4, 9, 1])
    assert wug.spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_evaluate_wug_prints_correlations_with_intervals(cli):
    options = ("--verbs", "peripheral", "--samples", 20)
    scores = json.loads(cli("evaluate", "wug", *options, "--json"))
    assert (scores["checkpoint"], scores["verbs"], scores["samples"]) == ("tense", 14, 20)
    for part in (scores, scores["production"]):
        assert all(set(part[name]) == {"all", "regular", "irregular"} for name in (*wug.MODELS, "interval"))
        assert all(low <= part["model"][kind] <= high for kind, (low, high) in part["interval"].items())
    assert scores["model"]["all"] > 0.7 and scores["rule_model"]["all"] == pytest.approx(0.886, abs=0.002)
    table = cli("evaluate", "wug", *options)
    assert f"{scores['model']['irregular']:.3f}" in table and "rule model" in table


def test_the_shipped_log_has_the_pasts_of_every_epoch():
    folder = ROOT / "assets" / "runs" / "wug"
    rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1)) and len(rows) >= 20
    assert all(set(row["pasts"]) == {*wug.REAL, *wug.INVENTED} for row in rows)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 200_000
    assert not {*wug.INVENTED} - {*wug.load_forms()}


def test_kinds_of_pasts():
    assert [wug.kind_of("go", past) for past in ("went", "goed", "gent")] == [wug.RIGHT, wug.REGULAR, wug.OTHER]
    assert wug.kind_of("hit", "hit") == wug.RIGHT and wug.kind_of("spling", "splinged") == wug.REGULAR


def test_the_document_has_the_measured_table():
    text = script.PAGE.read_text(encoding="utf-8")
    assert script.with_table(text) == text, "run python -m scripts.wug"


def test_several_networks_are_summarized_by_mean_and_standard_deviation():
    networks = [
        {"model": {"all": a, "regular": 0.5}, "production": {"model": {"all": -a, "regular": 0.0}}} for a in (0.2, 0.6)
    ]
    found = script.summary(networks)
    assert found["mean"] == {"ratings": {"all": 0.4, "regular": 0.5}, "production": {"all": -0.4, "regular": 0.0}}
    assert found["spread"]["ratings"] == {"all": pytest.approx(0.4 / 2**0.5), "regular": 0.0}
    assert found["networks"][1] == {"ratings": networks[1]["model"], "production": networks[1]["production"]["model"]}
