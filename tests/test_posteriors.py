"""The posteriors that a training stores: on a grid that finds them, as JSON, for the models that have them alone."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from cvae_core.digits import exact, posteriors
from cvae_core.digits.data import PIXELS, Images, small_digits
from cvae_core.digits.model import LabelCVAE, build
from cvae_core.latent import Gaussian
from cvae_core.training import fit
from tests.helpers import empty_run
from tests.tiny_pictures import DIGITS, LABEL, tiny_digits


def model_with_style(strength: float) -> LabelCVAE:
    """Random weights; the posterior is the narrower and the farther from the prior, the greater the strength."""
    model = build(replace(LABEL, seed=1))
    with torch.no_grad():
        model.decoder[0].weight[:, :2].mul_(strength)
    return model


@pytest.fixture(scope="module")
def digits() -> Images:
    return posteriors.choose(small_digits().validation)


def test_two_digits_of_two_labels_are_chosen(digits):
    assert digits.labels.tolist() == [2, 2, 7, 7]
    few = Images(digits.pixels[:1], digits.labels[:1])
    assert posteriors.choose(few).labels.tolist() == [2]
    assert (
        len(posteriors.choose(Images(torch.zeros(3, PIXELS, dtype=torch.uint8), torch.tensor([0, 1, 3]))).labels) == 0
    )


@pytest.mark.parametrize("strength", [1.0, 6.0])
def test_the_moving_grid_finds_what_a_fine_one_does(strength, digits):
    model, pixels = model_with_style(strength), digits.pixels.float() / 255
    window, side = exact.Window(0.0, 0.0, 10.0), 161
    joints = exact.log_joint(model, pixels, digits.labels, side, window)
    z = exact.cells(side, window)
    for found, joint, picture, label in zip(
        posteriors.analyse(model, digits), joints, pixels, digits.labels.tolist(), strict=True
    ):
        mean, sigma = posteriors.moments(joint, z)
        np.testing.assert_allclose(found.mean, mean, atol=0.02)
        np.testing.assert_allclose(found.sigma, sigma, atol=0.02)
        q = exact.encoder_posterior(model, picture, label)
        assert found.gap.log_p == pytest.approx(torch.logsumexp(joint, 0).item(), abs=0.02)
        assert found.gap.elbo == pytest.approx(exact.elbo(joint, q, z).item(), abs=0.2)
        assert found.gap.elbo < found.gap.best < found.gap.log_p + 1e-3


def test_without_use_of_z_posterior_and_prior_are_one(digits):
    for found in posteriors.analyse(model_with_style(0.0), digits):
        np.testing.assert_allclose(found.mean, 0, atol=1e-3)
        np.testing.assert_allclose(found.sigma, 1, atol=2e-3)
        assert found.gap.approximation == pytest.approx(0, abs=2e-3)
        q = Gaussian(*(torch.from_numpy(a) for a in (found.q_mean, 2 * np.log(found.q_sigma))))
        kl = 0.5 * (q.mu.square() + q.logvar.exp() - 1 - q.logvar).sum().item()
        assert found.gap.amortisation == pytest.approx(kl, abs=5e-3)


def test_the_quadrature_of_a_linear_decoder_is_exact():
    """log p(x | z) of ReLU units that all are active is smooth; far from its mode it is as steep as it gets."""
    model, pixels, label = model_with_style(1.0), torch.rand(PIXELS), torch.tensor(3)
    q = Gaussian(torch.tensor([5.0, -4.0]), torch.tensor([0.5, -1.0]))
    window = exact.Window(5.0, -4.0, 8.0)
    (joint,) = exact.log_joint(model, pixels[None], label[None], 161, window)
    expected = exact.elbo(joint, q, exact.cells(161, window)).item()
    assert posteriors.elbo(model, pixels, label, q).item() == pytest.approx(expected, abs=0.1)


def test_json_gives_back_what_it_stored(digits):
    for found in posteriors.analyse(model_with_style(3.0), digits):
        text = json.dumps(posteriors.as_json(found))
        again = posteriors.from_json(json.loads(text))
        assert len(text) < 1_600
        assert again.label == found.label and np.array_equal(again.picture, found.picture)
        np.testing.assert_allclose(again.density, found.density, atol=0.005)
        for name in ("window", "gap", *posteriors.GAUSSIANS):
            np.testing.assert_allclose(getattr(again, name), getattr(found, name), atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [{"density": "AAAA"}, {"picture": ""}, {"mean": [1]}, {"gap": 3}, {"label": None}, {"q_sigma": [1, 0]},
     {"window": "abc"}, {"gap": [0, 0, math.nan]}],
)  # fmt: skip
def test_damaged_values_are_refused(change, digits):
    values = posteriors.as_json(posteriors.analyse(model_with_style(1.0), Images(*(p[:1] for p in digits)))[0])
    with pytest.raises((LookupError, TypeError, ValueError)):
        posteriors.from_json(values | change)
    with pytest.raises(LookupError):
        posteriors.from_json({})


def test_a_training_stores_the_posteriors_of_each_epoch_for_models_with_two_dimensions_alone(tmp_path):
    run = empty_run(tmp_path, "digits")
    assert fit(tiny_digits(replace(LABEL, epochs=2)), run) == "finished"
    rows = run.read_samples()
    assert [row["epoch"] for row in rows] == [1, 2]
    stored = [[posteriors.from_json(each) for each in row["posteriors"]] for row in rows]
    assert all([p.label for p in row] == [2, 2, 7, 7] for row in stored)
    assert not np.allclose(stored[0][0].mean, stored[-1][0].mean)
    assert all(math.isfinite(x) for p in stored[-1] for x in p.gap)
    assert "posteriors" in tiny_digits(replace(LABEL, conditional=False)).preview()
    for other in (DIGITS, replace(LABEL, latent_size=3)):
        assert "posteriors" not in tiny_digits(other).preview()
