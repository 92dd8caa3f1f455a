"""What a trained model promises, whatever it has learned; and what the shipped one has learned."""

import numpy as np
import pytest
import torch

from cvae_core.tense.data import PAST, PRESENT
from cvae_core.tense.inference import Inflector, load
from cvae_core.tense.lexicon import lookup
from cvae_core.tense.metrics import accuracy
from tests.tiny import VERBS, tiny_task

JOBS = [("abandon", PRESENT, PAST), ("went", PAST, PRESENT), ("blorp", PRESENT, 2), ("x" * 32, PRESENT, 1)]


@pytest.fixture(scope="module")
def shipped():
    return load("tense")


def untrained():
    return Inflector(tiny_task().model, VERBS, "untrained")


@pytest.mark.parametrize("make", ["shipped", "untrained"])
@pytest.mark.parametrize("job", JOBS, ids=lambda j: j[0][:8])
def test_alternatives_hold_the_greedy_answer_best_first(make, job, shipped):
    model = shipped if make == "shipped" else untrained()
    word, source, target = job
    greedy = model.convert([word], [source], [target])[0]
    found = model.alternatives(model.infer([word], [source]), target, greedy)
    assert len(found) <= 5 and len({c.form for c in found}) == len(found)
    assert greedy.form in {c.form for c in found}
    probabilities = [c.probability for c in found]
    assert probabilities == sorted(probabilities, reverse=True) and sum(probabilities) <= 1 + 1e-5
    match = next(c for c in found if c.form == greedy.form)
    assert match.probability == pytest.approx(greedy.probability, rel=1e-3)


def test_a_beam_may_be_wider_than_the_alphabet(shipped):
    s = shipped.infer(["write"], [PRESENT])
    (answer,) = shipped.answer(s, [PAST])
    found = [c.form for c in shipped.alternatives(s, PAST, answer, width=40)]
    assert len(found) == len(set(found)) == 40 and found[0] == answer.form


def test_letter_probabilities_are_those_of_the_answer(shipped):
    s = shipped.infer(["walk"], [PRESENT])
    (answer,) = shipped.answer(s, [PAST])
    letters, probs = shipped.letter_probabilities(s, PAST, answer.form)
    assert "".join(letters) == answer.form + "⏎" and probs.shape == (len(letters), 27)
    assert np.allclose(probs.sum(1), 1, atol=1e-5)
    assert probs.max(1).prod() == pytest.approx(answer.probability, rel=1e-3)


def test_an_answer_that_never_ends_has_its_letters_too():
    model = untrained()
    s = model.infer(["walk"], [PRESENT])
    letters, probs = model.letter_probabilities(s, PAST, "x" * 33)
    assert "".join(letters) == "x" * 33 + "⏎" and np.allclose(probs.sum(1), 1, atol=1e-5)


def test_answers_do_not_depend_on_company(shipped):
    words = ["walk", "understand", "go"]
    together = [c.form for c in shipped.convert(words, [PRESENT] * 3, [PAST] * 3)]
    assert together == [shipped.convert([w], [PRESENT], [PAST])[0].form for w in words]
    one = shipped.convert(["walk"] * 4, [PRESENT] * 4, range(4))  # read once
    among = shipped.convert(["go", *["walk"] * 4], [PRESENT] * 5, [PAST, *range(4)])
    assert [c.form for c in one] == [c.form for c in among[1:]] == ["walk", "walks", "walking", "walked"]


def test_the_model_names_the_tense_of_known_forms_and_of_others(shipped):
    assert shipped.infer_tense("walked") == PAST
    assert shipped.infer_tense("put") in {t for _, t in lookup("put")}
    assert shipped.infer_tense("blorping") == 2 and lookup("blorping") == []
    assert shipped.infer_tenses([]) == []


def test_draws_repeat_and_refinement_keeps_the_shape(shipped):
    z = shipped.draw(5, seed=3)
    assert torch.equal(z, shipped.draw(5, seed=3)) and not torch.equal(z, shipped.draw(5, seed=4))
    assert shipped.refine(z, 2).shape == z.shape and torch.equal(shipped.refine(z, 0), z)
    assert len(shipped.decode_rows(z)) == 5 and all(len(row) == 4 for row in shipped.decode_rows(z))
    assert all(0 < c.probability <= 1 for c in shipped.decode(z, PAST))


def test_the_shipped_model_converts_and_shuffled_weights_do_not():
    model = load("tense")
    assert model.convert(["abandon"], [PRESENT], [PAST])[0].form == "abandoned"
    assert accuracy(model, model.verbs[:50])["accuracy"] > 0.9
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.model.parameters():
            p.copy_(p.flatten()[torch.randperm(p.numel(), generator=generator)].view_as(p))
    assert accuracy(model, model.verbs[:50])["accuracy"] < 0.05


def test_familiarity_tells_verbs_from_junk(shipped):
    verbs = shipped.familiarity(["untangle", "regroup", "swindle"], [0] * 3)
    junk = shipped.familiarity(["xkqzvbtg", "aeqoizwx", "pppjjjww"], [0] * 3)
    assert verbs.min() > junk.max()


def test_the_classifier_names_the_tense_of_words_that_nobody_knows(shipped):
    words = ["blorp", "blorps", "blorping", "blorped", "sneeped", "wuzzies", "frimming", "quane"]
    scores = shipped.tense_scores(words)
    assert scores.argmax(1).tolist() == [0, 1, 2, 3, 3, 1, 2, 0]
    assert np.allclose(np.exp(scores).sum(1), 1, atol=1e-5)
    assert np.allclose(shipped.tense_scores(words[:1]), scores[:1], atol=1e-4)


def test_without_a_classifier_the_elbo_names_the_tense():
    course = load("tense-course")
    scores = course.tense_scores(["abandon", "walking"])
    assert scores[0, 2] == pytest.approx(course.familiarity(["abandon"], [2])[0] * 8, rel=1e-5)
    assert scores[1].argmax() == 2
